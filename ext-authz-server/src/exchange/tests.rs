use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::test_world::{NOW, SERVER, World, claims, iss, request};
use super::*;
use crate::identity::{Assurance, CredentialKind, GroupName, IdentityError};

fn wish(audience: &str) -> Wish {
    Wish { audience: Some(audience.to_owned()), ..Wish::default() }
}

/// Four hops of four issuers, each with its own token.
async fn four_hops(world: &World) -> String {
    let mut token = world.token("github", "ci", &json!({ "groups": ["main-branch"] }));
    for (issuer, name) in [("corp", "script"), ("cluster-a", "job"), ("cluster-b", "container")] {
        let own = world.plain(issuer, name);
        token = world.exchange(&token, &own, "customers").await.unwrap();
    }
    token
}

#[tokio::test]
async fn each_exchange_adds_its_actor_and_all_that_was_known_of_the_others_stays() {
    let world = World::new();
    let token = four_hops(&world).await;
    let credential = world.verify(&token, &Acceptance::default()).await.unwrap();
    let hops = credential.chain.hops();
    let names: Vec<_> = hops.iter().map(|hop| hop.principal.to_string()).collect();
    assert_eq!(names, ["github/ci", "corp/script", "cluster-a/job", "cluster-b/container"]);
    assert!(hops.iter().all(|hop| hop.assurance == Assurance::Attested));
    assert!(hops.iter().all(|hop| hop.credential == CredentialKind::Token), "each was proven");
    let groups: Vec<_> = hops[0].groups.iter().map(GroupName::as_str).collect();
    assert_eq!(groups, ["automation", "main-branch"], "a claim of GitHub's own token");
    assert_eq!(credential.token.issuer.as_str(), "chaperone");
    let lineage: Vec<_> = credential.token.lineage.iter().map(|one| one.issuer.as_str()).collect();
    let parents = ["github", "corp", "chaperone", "cluster-a", "chaperone", "cluster-b"];
    assert_eq!(lineage, parents);
    let ancestor = &credential.token.lineage[0];
    assert_eq!(ancestor.issuer_key().as_deref(), Some("github/github-key"));
    assert_eq!(ancestor.id.as_deref(), Some("github-ci"));
}

#[tokio::test]
async fn a_token_is_in_standard_words() {
    let world = World::new();
    let said = json!({ "txn": "t-7", "acr": "gold", "auth_time": NOW - 5, "scope": "read write" });
    let subject = world.token("github", "ci", &said);
    let token =
        world.exchange(&subject, &world.plain("corp", "script"), "customers").await.unwrap();
    let said = claims(&token);
    assert_eq!(said["iss"], SERVER);
    assert_eq!((&said["aud"], &said["sub"]), (&json!("customers"), &json!("github/ci")));
    let id = json!({ "format": "iss_sub", "iss": iss("github"), "sub": "ci" });
    assert_eq!(said["sub_id"], id);
    assert_eq!((&said["act"]["iss"], &said["act"]["sub"]), (&json!(iss("corp")), &json!("script")));
    assert_eq!(said["act"].get("act"), None);
    assert_eq!((&said["iat"], &said["exp"]), (&json!(NOW), &json!(NOW + 90)));
    assert_eq!(said["client_id"], "corp/script");
    assert_eq!((&said["txn"], &said["acr"]), (&json!("t-7"), &json!("gold")));
    assert_eq!((&said["auth_time"], &said["scope"]), (&json!(NOW - 5), &json!("read write")));
    assert_eq!(said.get("cnf"), None);
    // Each token has an id, and one that belongs to nothing begins something.
    let (other, actor) = (world.plain("github", "ci"), world.plain("corp", "s"));
    let begun = claims(&world.exchange(&other, &actor, "customers").await.unwrap());
    assert!(begun["jti"] != said["jti"] && begun["txn"].is_string() && begun["txn"] != said["txn"]);
}

#[tokio::test]
async fn what_cannot_be_had_of_the_parent_is_refused() {
    let world = World::new();
    let actor = world.plain("corp", "script");
    let second = world.exchange(&world.plain("github", "ci"), &actor, "customers").await.unwrap();
    let job = world.plain("cluster-a", "job");
    let code =
        async |wish| world.ask(&second, &job, wish).await.outcome.map(|_| ()).unwrap_err().code();
    assert_eq!(code(wish("orders")).await, "audience_wider");
    assert_eq!(code(wish(SERVER)).await, "audience_wider");
    let scopes = Some(["admin".to_owned()].into());
    assert_eq!(code(Wish { scopes, ..wish("customers") }).await, "scope_wider");
    let lifetime = Some(Duration::ZERO);
    assert_eq!(code(Wish { lifetime, ..wish("customers") }).await, "lifetime_empty");
    // A token for one service is for no other, and this server's is no exception.
    let for_orders =
        Acceptance { own: Some(["orders".to_owned()].into()), ..Acceptance::default() };
    let error = world.verify(&second, &for_orders).await.unwrap_err();
    assert_eq!(error, IdentityError::AudienceMismatch);
}

#[tokio::test]
async fn a_token_never_outlives_its_parent_or_the_actors_own() {
    let world = World::new();
    let subject = world.token("github", "ci", &json!({ "exp": NOW + 60 }));
    let short = world.token("corp", "script", &json!({ "exp": NOW + 20 }));
    let long = world.plain("corp", "script");
    let expiry = async |subject: &str, actor: &str| {
        claims(&world.exchange(subject, actor, "customers").await.unwrap())["exp"].clone()
    };
    assert_eq!(expiry(&subject, &long).await, NOW + 60);
    assert_eq!(expiry(&subject, &short).await, NOW + 20);
    let next = world.exchange(&subject, &short, "customers").await.unwrap();
    assert_eq!(expiry(&next, &world.plain("cluster-a", "job")).await, NOW + 20);
    world.wait(20);
    let refused = world.exchange(&next, &world.plain("cluster-a", "job"), "customers").await;
    assert_eq!(refused, Err("lifetime_empty"));
    world.wait(60);
    let refused = world.exchange(&next, &world.plain("cluster-a", "job"), "customers").await;
    assert_eq!(refused, Err("token_expired"));
}

#[tokio::test]
async fn policy_says_of_every_hop_who_may_exchange_for_what() {
    let world = World::new();
    let (ci, script) = (world.plain("github", "ci"), world.plain("corp", "script"));
    assert!(world.exchange(&ci, &script, "orders").await.is_ok());
    let job = world.plain("cluster-a", "job");
    assert_eq!(world.exchange(&ci, &job, "orders").await, Err("policy_denied"));
    // The job is an earlier hop now, and still may not.
    let with_job = world.exchange(&ci, &job, SERVER).await.unwrap();
    assert_eq!(world.exchange(&with_job, &script, "orders").await, Err("policy_denied"));
    assert_eq!(world.exchange(&ci, &script, "payments").await, Err("approval_required"));
    // Whom nobody permits, a person as the root.
    let stranger = world.plain("people", "mallory");
    assert_eq!(world.exchange(&stranger, &script, "customers").await, Err("policy_denied"));
    let known = world.token("people", "ada", &json!({ "groups": ["staff"] }));
    assert!(world.exchange(&known, &script, "customers").await.is_ok());
    assert_eq!(world.exchange(&ci, &known, "customers").await, Err("actor_not_agent"));
    let longer = Wish { lifetime: Some(Duration::from_secs(200)), ..wish("customers") };
    assert_eq!(world.ask(&ci, &script, longer).await.outcome.unwrap_err().code(), "policy_denied");
}

#[tokio::test]
async fn tokens_that_are_not_good_are_refused_and_said_which() {
    let world = World::new();
    let (ci, script) = (world.plain("github", "ci"), world.plain("corp", "script"));
    let expired = world.token("github", "ci", &json!({ "iat": NOW - 300, "exp": NOW - 60 }));
    let exchanged = world.ask(&expired, &script, wish("customers")).await;
    let error = exchanged.outcome.unwrap_err();
    assert_eq!((error.code(), error.oauth()), ("token_expired", OAuthError::InvalidRequest));
    assert!(error.to_string().starts_with("subject_token: "), "{error}");
    let other = world.token("corp", "script", &json!({ "aud": "elsewhere" }));
    assert_eq!(world.exchange(&ci, &other, "customers").await, Err("audience_mismatch"));
    let by_config = world.token("corp", "script", &json!({ "aud": "corp-audience" }));
    assert!(world.exchange(&ci, &by_config, "customers").await.is_ok(), "as its issuer says");
    // What was minted is nobody's own credential.
    let minted = world.exchange(&ci, &script, "customers").await.unwrap();
    assert_eq!(world.exchange(&ci, &minted, "customers").await, Err("actor_nested"));
    // Somebody else's token with what only ours are believed to say.
    let claimed = json!({ "chaperone": { "assurance": "attested", "groups": ["main-branch"],
        "credential": "certificate" }, "lineage": [{ "key": "x/y" }] });
    let forged = world.token("github", "ci", &claimed);
    let token = world.exchange(&forged, &script, "customers").await.unwrap();
    let credential = world.verify(&token, &Acceptance::default()).await.unwrap();
    assert_eq!(credential.chain.root().credential, CredentialKind::Token);
    assert_eq!(credential.chain.root().groups.len(), 1, "automation, by configuration");
    assert_eq!(credential.token.lineage.len(), 2);
}

#[tokio::test]
async fn a_chain_that_loops_is_too_deep_or_not_meant_is_refused() {
    let world = World::new();
    let token = four_hops(&world).await;
    let again = world.plain("corp", "script");
    assert_eq!(world.exchange(&token, &again, "customers").await, Err("chain_loop"));
    let fifth = world.exchange(&token, &world.plain("corp", "fifth"), "customers").await.unwrap();
    let sixth = world.plain("corp", "sixth");
    assert_eq!(world.exchange(&fifth, &sixth, "customers").await, Err("chain_too_deep"));
    let only = json!({ "may_act": { "iss": iss("corp"), "sub": "script" } });
    let subject = world.token("github", "ci", &only);
    assert_eq!(world.exchange(&subject, &sixth, "customers").await, Err("may_act_mismatch"));
    let meant = world.exchange(&subject, &again, "customers").await.unwrap();
    assert_eq!(claims(&meant)["may_act"], only["may_act"]);
    assert_eq!(world.exchange(&meant, &sixth, "customers").await, Err("may_act_mismatch"));
}

#[tokio::test]
async fn an_actor_that_is_the_last_of_the_chain_renews_and_adds_nobody() {
    let world = World::new();
    let (ci, script) = (world.plain("github", "ci"), world.plain("corp", "script"));
    let token = world.exchange(&ci, &script, "customers").await.unwrap();
    let again = world.exchange(&token, &script, "customers").await.unwrap();
    let credential = world.verify(&again, &Acceptance::default()).await.unwrap();
    assert_eq!(credential.chain.depth(), 2);
}

#[tokio::test]
async fn a_hop_that_is_only_asserted_stays_so() {
    let world = World::new();
    let act = json!({ "act": { "iss": iss("cluster-a"), "sub": "job" } });
    let subject = world.token("corp", "script", &act);
    // Policy would not have it; what would be written is looked at all the same.
    let refused = world.exchange(&subject, &world.plain("github", "ci"), "customers").await;
    assert_eq!(refused, Err("policy_denied"));
    let asked =
        (Token::parse(&subject).unwrap(), Token::parse(&world.plain("github", "ci")).unwrap());
    let acceptance = Acceptance { also: [SERVER.to_owned()].into(), ..Acceptance::default() };
    let now = UnixMillis::new(NOW * 1000);
    let delegation = world
        .authenticator
        .delegate(&asked.0, &asked.1, &Presented::default(), &acceptance, now)
        .await
        .unwrap();
    let known: Vec<_> =
        delegation.credential.chain.hops().iter().map(|hop| hop.assurance).collect();
    assert_eq!(known, [Assurance::Attested, Assurance::Asserted, Assurance::Proven]);
    let written = ChainClaims::new(&delegation.credential.chain, None, &[], |alias| {
        world.authenticator.issuer_url(alias)
    });
    let written = Value::Object(written.unwrap().into_object());
    assert_eq!(written["act"]["act"]["chaperone"]["assurance"], "asserted");
    assert_eq!(written["act"]["chaperone"]["assurance"], "attested", "proven then is attested now");
}

#[tokio::test]
async fn every_exchange_is_recorded_granted_or_refused_and_no_token_is_in_a_record() {
    let world = World::new();
    let (ci, script) = (world.plain("github", "ci"), world.plain("corp", "script"));
    let granted = world.ask(&ci, &script, wish("customers")).await;
    let record = world.record(&granted).await;
    assert_eq!((&record["verdict"], &record["service"]), (&json!("allow"), &json!("customers")));
    assert_eq!(record["commands"][0]["action"], "token:exchange");
    assert_eq!(record["commands"][0]["attributes"]["lifetime"], 90);
    assert_eq!(record["policies"][1]["policies"], json!(["exchange"]));
    let token = granted.outcome.unwrap().token;
    assert_eq!(record["issued"]["id"], claims(&token)["jti"]);
    assert_eq!(record["issued"]["lineage"].as_array().unwrap().len(), 2);
    let refused = world.ask(&token, &script, wish("orders")).await;
    let second = world.record(&refused).await;
    assert_eq!((&second["verdict"], &second["code"]), (&json!("deny"), &json!("audience_wider")));
    assert_eq!(second["commands"][0]["attributes"]["audiences"], json!(["orders"]));
    assert_eq!(second["issued"], Value::Null);
    assert_eq!(second["chain"].as_array().unwrap().len(), 2);
    let unread = world.exchanger.exchange(&request(&[]), Err(FormError::Twice)).await;
    assert_eq!(world.record(&unread).await["code"], "parameter_twice");
    for text in [&record, &second].map(Value::to_string) {
        assert!(![&ci, &script, token.as_str()].iter().any(|token| text.contains(*token)));
        let signature = token.rsplit('.').next().unwrap();
        assert!(!text.contains(signature));
    }
}

#[tokio::test]
async fn who_acts_may_be_in_authorization_and_must_be_somewhere() {
    let world = World::new();
    let asked = || Asked {
        subject: Token::parse(&world.plain("github", "ci")).unwrap(),
        actor: None,
        wish: wish("customers"),
        token_type: IssuedType::Jwt,
    };
    let bearer = format!("Bearer {}", world.plain("corp", "script"));
    let exchange = async |headers: &[(&str, &str)]| {
        world.exchanger.exchange(&request(headers), Ok(asked())).await.outcome
    };
    let issued = exchange(&[("authorization", &bearer)]).await.unwrap();
    assert_eq!(claims(&issued.token)["act"]["sub"], "script");
    let error = exchange(&[]).await.unwrap_err();
    assert_eq!((error.code(), error.oauth()), ("actor_missing", OAuthError::InvalidClient));
    let error = exchange(&[("authorization", "Basic eDp5")]).await.unwrap_err();
    assert_eq!((error.code(), error.oauth()), ("malformed", OAuthError::InvalidClient));
    let error = exchange(&[("authorization", &bearer), ("dpop", "a.b.c")]).await.unwrap_err();
    assert_eq!((error.code(), error.oauth()), ("proof_invalid", OAuthError::InvalidDpopProof));
}

#[tokio::test]
async fn a_proof_binds_the_new_token_to_its_key_and_is_used_once() {
    let world = World::new();
    let key = crate::identity::test_issuer::TestKey::new("d", crate::identity::Algorithm::Es256);
    let proof = |htu: &str, id: &str| {
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": key.jwk() });
        let claims = json!({ "htm": "POST", "htu": htu, "iat": NOW, "jti": id });
        key.mint_with(&header, &claims.to_string())
    };
    let endpoint = format!("{SERVER}/oauth/token");
    let wish = || Wish { audience: Some("customers".to_owned()), ..Wish::default() };
    let exchange = async |proof: &str| {
        let (ci, script) = (world.plain("github", "ci"), world.plain("corp", "script"));
        world.ask_with(&[("dpop", proof)], &ci, &script, wish()).await.outcome
    };
    let once = proof(&endpoint, "1");
    let issued = exchange(&once).await.unwrap();
    assert!(issued.bound);
    let thumbprint = claims(&issued.token)["cnf"]["jkt"].as_str().unwrap().to_owned();
    assert_eq!(thumbprint.len(), 43);
    let refused = exchange(&once).await.unwrap_err();
    assert_eq!((refused.code(), refused.oauth()), ("proof_replayed", OAuthError::InvalidDpopProof));
    let refused = exchange(&proof("https://elsewhere.example/oauth/token", "2")).await.unwrap_err();
    assert_eq!(refused.code(), "proof_invalid");
    // A bound token is exchanged by whoever has its key, and by nobody else.
    let job = world.plain("cluster-a", "job");
    let alone = world.ask(&issued.token, &job, wish()).await.outcome.unwrap_err();
    assert_eq!(alone.code(), "proof_missing");
}

#[tokio::test]
async fn what_is_bound_to_a_certificate_or_to_another_key_cannot_be_exchanged() {
    let world = World::new();
    let endpoint = format!("{SERVER}/oauth/token");
    let [one, two] = ["one", "two"].map(|name| {
        crate::identity::test_issuer::TestKey::new(name, crate::identity::Algorithm::Es256)
    });
    let proof = |id: &str| {
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": one.jwk() });
        let claims = json!({ "htm": "POST", "htu": endpoint, "iat": NOW, "jti": id });
        one.mint_with(&header, &claims.to_string())
    };
    let thumbprint = |key: &crate::identity::test_issuer::TestKey| {
        let jwk = key.jwk();
        crate::identity::Thumbprint::of_key(jwk.as_object().unwrap()).unwrap().to_string()
    };
    let (first, second) = (thumbprint(&one), thumbprint(&two));
    let bound = |cnf: Value| json!({ "cnf": cnf });
    let (none, certificate) = (json!({}), bound(json!({ "x5t#S256": first })));
    let (mine, other) = (bound(json!({ "jkt": first })), bound(json!({ "jkt": second })));
    for (nth, (subject, actor, outcome)) in [
        (&mine, &mine, Ok(true)),
        (&none, &mine, Ok(true)),
        (&certificate, &none, Err("peer_missing")),
        (&none, &certificate, Err("peer_missing")),
        (&other, &mine, Err("token_binding_mismatch")),
        (&mine, &other, Err("token_binding_mismatch")),
    ]
    .into_iter()
    .enumerate()
    {
        let (ci, script) =
            (world.token("github", "ci", subject), world.token("corp", "script", actor));
        let headers = [("dpop", &*proof(&nth.to_string()))];
        let exchanged = world.ask_with(&headers, &ci, &script, wish("customers")).await.outcome;
        let told = exchanged.map(|issued| issued.bound).map_err(|error| error.code());
        assert_eq!(told, outcome, "{nth}");
    }
}

#[tokio::test]
async fn a_token_that_would_be_too_long_is_not_made() {
    let world = World::new();
    let groups: Vec<_> = (0..400).map(|nth| format!("a-group-of-many-{nth}")).collect();
    let subject = world.token("github", "ci", &json!({ "groups": groups }));
    let refused = world.exchange(&subject, &world.plain("corp", "script"), "customers").await;
    assert_eq!(refused, Err("token_too_large"));
}

#[tokio::test]
async fn a_token_is_good_while_its_key_is_published_and_no_longer() {
    let world = World::new();
    let token = four_hops(&world).await;
    let mut forged = claims(&token);
    forged["aud"] = json!("orders");
    let key = crate::identity::test_issuer::TestKey::new("k", crate::identity::Algorithm::Es256);
    let header = json!({ "alg": "ES256", "kid": "k", "typ": "at+jwt" });
    let other = key.mint_with(&header, &forged.to_string());
    let error = world.verify(&other, &Acceptance::default()).await.unwrap_err();
    assert_eq!(error.code(), "key_unknown");
    let kid = world.keys.health(UnixMillis::new(NOW * 1000))[0].kid.clone();
    let header = json!({ "alg": "ES256", "kid": kid, "typ": "at+jwt" });
    let forged = key.mint_with(&header, &forged.to_string());
    let error = world.verify(&forged, &Acceptance::default()).await.unwrap_err();
    assert_eq!(error.code(), "signature_invalid");
}

#[tokio::test]
async fn without_a_key_nothing_is_exchanged_and_our_tokens_are_not_believed() {
    let world = World::new();
    let token = four_hops(&world).await;
    assert!(world.verify(&token, &Acceptance::default()).await.is_ok());
    world.remove_keys();
    let error = world.verify(&token, &Acceptance::default()).await.unwrap_err();
    assert_eq!(error.code(), "keys_unavailable");
    let (ci, script) = (world.plain("github", "ci"), world.plain("corp", "script"));
    let wish = Wish { audience: Some("customers".to_owned()), ..Wish::default() };
    let refused = world.ask(&ci, &script, wish).await.outcome.unwrap_err();
    assert_eq!((refused.code(), refused.oauth().status()), ("keys_unavailable", 503));
}

#[tokio::test]
async fn what_our_keys_sign_for_others_to_read_is_no_credential() {
    let world = World::new();
    let said = claims(&four_hops(&world).await).to_string();
    let key = world.keys.signer(UnixMillis::new(NOW * 1000)).unwrap();
    for (typ, accepted) in [("at+jwt", true), ("txntoken+jwt", false), ("JWT", false)] {
        let header = json!({ "alg": "ES256", "kid": key.kid(), "typ": typ });
        let signed = crate::identity::test_issuer::signing_input(&header, &said);
        let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()).unwrap());
        let read = world.verify(&format!("{signed}.{signature}"), &Acceptance::default()).await;
        assert_eq!(read.is_ok(), accepted, "{typ}");
    }
}

#[tokio::test]
async fn a_proof_is_bound_to_the_public_url_of_the_endpoint() {
    let world = World::known_at("https://mesh.example:8443/identity");
    let key = crate::identity::test_issuer::TestKey::new("d", crate::identity::Algorithm::Es256);
    for (htu, good) in [
        ("https://mesh.example:8443/identity/oauth/token", true),
        ("https://mesh.example:8443/oauth/token", false),
        ("https://mesh.example/identity/oauth/token", false),
        ("https://chaperone.example/oauth/token", false),
    ] {
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": key.jwk() });
        let said = json!({ "htm": "POST", "htu": htu, "iat": NOW, "jti": htu });
        let proof = key.mint_with(&header, &said.to_string());
        let (ci, script) = (world.plain("github", "ci"), world.plain("corp", "script"));
        let exchanged = world.ask_with(&[("dpop", &proof)], &ci, &script, wish("customers")).await;
        let code = exchanged.outcome.map_err(|error| error.code()).map(|issued| issued.bound);
        assert_eq!(code, if good { Ok(true) } else { Err("proof_invalid") }, "{htu}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever is asked for along the way, what comes out at the end is never wider
    /// than what went in.
    #[test]
    fn no_hop_widens(
        audiences in proptest::sample::subsequence(
            vec![SERVER, "customers", "github-audience"], 1..=3),
        scopes in proptest::option::of(
            proptest::sample::subsequence(vec!["a", "b", "c"], 0..=3)),
        lives in 1..300_i64,
        wishes in proptest::collection::vec((
            proptest::option::of(proptest::sample::select(vec![SERVER, "customers", "orders"])),
            proptest::option::of(proptest::sample::subsequence(vec!["a", "b", "c", "d"], 1..=4)),
            proptest::option::of(0..90_u64),
            proptest::option::of(proptest::sample::subsequence(vec!["a", "b", "z"], 0..=3)),
        ), 1..4),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new();
            let mut said = json!({ "aud": audiences, "exp": NOW + lives });
            if let Some(scopes) = &scopes {
                said["scope"] = json!(scopes.join(" "));
            }
            let mut token = world.token("github", "ci", &said);
            let actors = [("corp", "a"), ("corp", "b"), ("corp", "c")];
            for ((audience, wanted, lifetime, of_actor), (issuer, name)) in wishes.into_iter().zip(actors) {
                let before = claims(&token);
                let scopes: Option<BTreeSet<_>> =
                    wanted.map(|scopes| scopes.into_iter().map(str::to_owned).collect());
                let lifetime = lifetime.map(Duration::from_secs);
                let wish = Wish { audience: audience.map(str::to_owned), scopes, lifetime };
                let of_actor = of_actor.map(|scopes| json!(scopes.join(" ")));
                let actor = world.token(issuer, name, &json!({ "scope": of_actor }));
                let exchanged = world.ask(&token, &actor, wish).await;
                let Ok(issued) = exchanged.outcome else { break };
                let after = claims(&issued.token);
                assert!(after["exp"].as_i64() <= before["exp"].as_i64());
                let list = |value: &Value| -> BTreeSet<String> {
                    match value {
                        Value::Array(items) => {
                            items.iter().map(|item| item.as_str().unwrap().to_owned()).collect()
                        }
                        one => one.as_str().unwrap().split_whitespace().map(str::to_owned).collect(),
                    }
                };
                let (wide, narrow) = (list(&before["aud"]), list(&after["aud"]));
                assert!(wide.contains(SERVER) || narrow.is_subset(&wide));
                match (before.get("scope"), after.get("scope")) {
                    (Some(before), Some(after)) => assert!(list(after).is_subset(&list(before))),
                    (None, None) => {}
                    other => panic!("{other:?}"),
                }
                token = issued.token.as_str().to_owned();
            }
        });
    }
}
