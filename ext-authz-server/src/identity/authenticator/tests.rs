mod laws;
mod withdrawn;

use std::collections::BTreeSet;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::identity::groups::GroupClaim;
use crate::identity::issuer::IssuerUrl;
use crate::identity::jwks::JwkSet;
use crate::identity::test_issuer::{Answer, Publisher, TestKey, signing_input};
use crate::identity::{Algorithm, Assurance, Hop};

const NOW: i64 = 1_800_000_000;

fn alias(text: &str) -> IssuerAlias {
    text.parse().unwrap()
}

fn settings(name: &str, keys: &[&TestKey]) -> IssuerSettings {
    let set = json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() });
    let issuer = IssuerUrl::parse(&iss(name)).unwrap();
    let keys_in = KeySource::Document(JwkSet::from_json(set).unwrap());
    IssuerSettings {
        audiences: BTreeSet::from(["customers".to_owned()]),
        algorithms: keys.iter().map(|key| key.algorithm).collect(),
        groups: vec![GroupClaim::parse("groups", None).unwrap()],
        ..IssuerSettings::new(alias(name), issuer, keys_in)
    }
}

fn iss(name: &str) -> String {
    format!("https://{name}.example")
}

/// Claims of `name` that are good, with `changes`; a null takes a claim away.
fn claims(name: &str, changes: &Value) -> Value {
    let mut claims = json!({
        "iss": iss(name), "sub": "job", "aud": "customers",
        "iat": NOW, "exp": NOW + 300, "jti": "t-1",
    });
    let members = claims.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => members.remove(name),
            value => members.insert(name.clone(), value.clone()),
        };
    }
    claims
}

/// `github` signs RS256; `platform` signs ES256 and may attest `github` and
/// `corp-idp`, which names people and signs EdDSA.
struct World {
    github: TestKey,
    platform: TestKey,
    people: TestKey,
    settings: AuthenticatorSettings,
    authenticator: Authenticator,
}

impl World {
    fn new() -> Self {
        let github = TestKey::new("g", Algorithm::Rs256);
        let platform = TestKey::new("p", Algorithm::Es256);
        let people = TestKey::new("c", Algorithm::EdDsa);
        let issuers = vec![
            settings("github", &[&github]),
            IssuerSettings {
                may_attest: [alias("github"), alias("corp-idp")].into(),
                ..settings("platform", &[&platform])
            },
            IssuerSettings { kind: PrincipalKind::Human, ..settings("corp-idp", &[&people]) },
        ];
        let settings = AuthenticatorSettings::new(issuers);
        let authenticator = Authenticator::new(settings.clone()).unwrap();
        Self { github, platform, people, settings, authenticator }
    }

    async fn accept(
        &self,
        token: &str,
        acceptance: &Acceptance,
    ) -> Result<Credential, IdentityError> {
        let token = Token::parse(token)?;
        self.authenticator.verify(&token, acceptance, UnixMillis::new(NOW * 1000)).await
    }

    async fn read(&self, token: &str) -> Result<Credential, IdentityError> {
        self.accept(token, &Acceptance::default()).await
    }

    async fn code(&self, token: &str) -> &'static str {
        self.read(token).await.map_or_else(|error| error.code(), |_| "accepted")
    }
}

#[tokio::test]
async fn every_algorithm_verifies_and_only_with_its_key() {
    for algorithm in Algorithm::ALL {
        let key = TestKey::new("k", algorithm);
        let issuer = settings("idp", &[&key]);
        let authenticator = Authenticator::new(AuthenticatorSettings::new(vec![issuer])).unwrap();
        let token = key.mint(&claims("idp", &json!({})));
        let now = UnixMillis::new(NOW * 1000);
        let read = Token::parse(&token).unwrap();
        let credential = authenticator.verify(&read, &Acceptance::default(), now).await;
        assert_eq!(credential.unwrap().chain.root().principal.subject, "job", "{algorithm}");
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
        bytes[10] ^= 1;
        let forged = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(bytes));
        let read = Token::parse(&forged).unwrap();
        let refused = authenticator.verify(&read, &Acceptance::default(), now).await;
        assert_eq!(refused, Err(IdentityError::SignatureInvalid), "{algorithm}");
    }
}

#[tokio::test]
async fn a_token_proves_its_subject() {
    let world = World::new();
    let token = world.github.mint(&claims("github", &json!({ "groups": ["ci"] })));
    let credential = world.read(&token).await.unwrap();
    assert_eq!(credential.token.issuer, alias("github"));
    assert_eq!(credential.token.id.as_deref(), Some("t-1"));
    assert_eq!(credential.token.expires_at, UnixMillis::new((NOW + 300) * 1000));
    assert_eq!(credential.kind, PrincipalKind::Agent);
    let hop = credential.chain.current();
    assert_eq!(hop.principal.to_string(), "github/job");
    assert_eq!(hop.assurance, Assurance::Proven);
    assert_eq!(hop.groups, ["ci".parse().unwrap()].into());
}

#[tokio::test]
async fn a_bad_claim_is_refused_with_its_code() {
    let world = World::new();
    let cases = [
        (json!({ "iss": null }), "issuer_unknown"),
        (json!({ "iss": "https://evil.example" }), "issuer_unknown"),
        (json!({ "iss": "https://github.example/" }), "issuer_unknown"),
        (json!({ "iss": iss("platform") }), "alg_not_allowed"),
        (json!({ "aud": null }), "audience_mismatch"),
        (json!({ "aud": "orders" }), "audience_mismatch"),
        (json!({ "exp": null }), "exp_missing"),
        (json!({ "exp": NOW - 60, "iat": NOW - 300 }), "token_expired"),
        (json!({ "exp": NOW + 7200 }), "lifetime_too_long"),
        (json!({ "exp": "tomorrow" }), "claims_malformed"),
        (json!({ "nbf": NOW + 60 }), "token_not_yet_valid"),
        (json!({ "iat": NOW + 60 }), "token_not_yet_valid"),
        (json!({ "sub": null }), "subject_missing"),
        (json!({ "sub": "a\nb" }), "claims_malformed"),
        (json!({ "jti": 7 }), "claims_malformed"),
        (json!({ "groups": { "sre": true } }), "groups_malformed"),
        (json!({ "act": "platform" }), "actor_malformed"),
        (json!({ "act": { "sub": "a", "iss": "https://x.example" } }), "actor_issuer_unknown"),
        (json!({ "act": { "sub": "job" } }), "chain_loop"),
    ];
    for (changes, code) in cases {
        let token = world.github.mint(&claims("github", &changes));
        assert_eq!(world.code(&token).await, code, "{changes}");
    }
    let deep = (0..100)
        .fold(json!({ "sub": "a" }), |act, nth| json!({ "sub": format!("a{nth}"), "act": act }));
    let token = world.github.mint(&claims("github", &json!({ "act": deep })));
    assert_eq!(world.code(&token).await, "chain_too_deep");
    let message = world.read(&world.github.mint(&claims("github", &json!({ "exp": null })))).await;
    assert!(message.unwrap_err().to_string().contains("never expires"));
}

#[tokio::test]
async fn a_bad_header_is_refused_with_its_code() {
    let world = World::new();
    let good = claims("github", &json!({})).to_string();
    let jwk = TestKey::new("evil", Algorithm::Rs256).jwk();
    let cases = [
        (json!({ "alg": "RS256", "kid": "g" }), "accepted"),
        (json!({ "alg": "RS256" }), "accepted"),
        (json!({ "alg": "RS256", "kid": "g", "typ": "at+jwt" }), "accepted"),
        (json!({ "alg": "RS256", "kid": "g", "typ": "application/AT+JWT" }), "accepted"),
        (json!({ "alg": "RS256", "kid": "g", "typ": "dpop+jwt" }), "token_type_refused"),
        (json!({ "alg": "RS256", "kid": "g", "typ": "logout+jwt" }), "token_type_refused"),
        (json!({ "alg": "RS256", "kid": "g", "typ": 7 }), "token_type_refused"),
        (json!({ "alg": "RS256", "kid": "g", "crit": ["b64"], "b64": false }), "crit_unsupported"),
        (json!({ "alg": "RS256", "kid": "x" }), "key_unknown"),
        (
            json!({ "alg": "RS256", "kid": "x", "jwk": jwk, "jku": "https://evil.example" }),
            "key_unknown",
        ),
        (json!({ "alg": "RS256", "kid": 7 }), "malformed"),
        (json!({ "alg": "RS384", "kid": "g" }), "alg_not_allowed"),
        (json!({ "alg": "ES256", "kid": "g" }), "alg_not_allowed"),
        (json!({ "alg": "none" }), "alg_not_allowed"),
        (json!({ "alg": "HS256", "kid": "g" }), "alg_not_allowed"),
        (json!({ "alg": "rs256", "kid": "g" }), "alg_not_allowed"),
        (json!({ "kid": "g" }), "malformed"),
        (json!(["RS256"]), "malformed"),
    ];
    for (header, code) in cases {
        assert_eq!(world.code(&world.github.mint_with(&header, &good)).await, code, "{header}");
    }
}

#[tokio::test]
async fn a_token_without_a_signature_or_with_an_hmac_by_the_public_key_is_refused() {
    let world = World::new();
    let good = claims("github", &json!({})).to_string();
    for name in ["none", "None", "nOnE"] {
        let unsigned = format!("{}.", signing_input(&json!({ "alg": name }), &good));
        assert_eq!(world.code(&unsigned).await, "alg_not_allowed");
    }
    let unsigned = format!("{}.", signing_input(&json!({ "alg": "RS256", "kid": "g" }), &good));
    assert_eq!(world.code(&unsigned).await, "signature_invalid");
    let confused = signing_input(&json!({ "alg": "HS256", "kid": "g" }), &good);
    let secret = hmac::Key::new(hmac::HMAC_SHA256, &world.github.public_der());
    let mac = URL_SAFE_NO_PAD.encode(hmac::sign(&secret, confused.as_bytes()));
    assert_eq!(world.code(&format!("{confused}.{mac}")).await, "alg_not_allowed");
}

#[tokio::test]
async fn one_issuers_key_signs_for_no_other() {
    let world = World::new();
    let impostor = TestKey::new("p", Algorithm::Es256);
    let token = impostor.mint(&claims("platform", &json!({})));
    assert_eq!(world.code(&token).await, "signature_invalid");
    // Claims are strict even when they are signed.
    let twice = r#"{"iss":"https://platform.example","sub":"a","sub":"b"}"#;
    let header = json!({ "alg": "ES256", "kid": "p" });
    assert_eq!(world.code(&world.platform.mint_with(&header, twice)).await, "claims_malformed");
    for text in ["garbage", "a.b.c", "e30.e30.", "..", "e30.e30.e30", ""] {
        let code = world.code(text).await;
        assert!(["malformed", "token_missing"].contains(&code), "{text}: {code}");
    }
}

#[tokio::test]
async fn a_key_is_used_only_as_its_jwk_says() {
    let key = TestKey::new("k", Algorithm::Rs256);
    let mut jwk = key.jwk();
    jwk["alg"] = json!("PS256");
    let mut issuer = settings("idp", &[&key]);
    issuer.keys = KeySource::Document(JwkSet::from_json(json!({ "keys": [jwk] })).unwrap());
    issuer.algorithms = [Algorithm::Rs256, Algorithm::Ps256].into();
    let authenticator = Authenticator::new(AuthenticatorSettings::new(vec![issuer])).unwrap();
    let token = Token::parse(&key.mint(&claims("idp", &json!({})))).unwrap();
    let now = UnixMillis::new(NOW * 1000);
    let refused = authenticator.verify(&token, &Acceptance::default(), now).await;
    assert_eq!(refused, Err(IdentityError::KeyUnfit));
}

#[tokio::test]
async fn a_service_accepts_the_issuers_and_audiences_that_it_names() {
    let world = World::new();
    let token = world.github.mint(&claims("github", &json!({ "aud": ["orders"] })));
    let orders =
        Acceptance { audiences: Some(["orders".to_owned()].into()), ..Acceptance::default() };
    assert!(world.accept(&token, &orders).await.is_ok());
    let platform =
        Acceptance { issuers: Some([alias("platform")].into()), ..Acceptance::default() };
    let refused = world.accept(&token, &platform).await;
    assert_eq!(refused, Err(IdentityError::IssuerNotAccepted));
    // The one who calls counts, not only the one who signs.
    let act = json!({ "act": { "sub": "job", "iss": iss("github") }, "sub": "deploy" });
    let token = world.platform.mint(&claims("platform", &act));
    assert!(world.read(&token).await.is_ok());
    let refused = world.accept(&token, &platform).await;
    assert_eq!(refused, Err(IdentityError::IssuerNotAccepted));
}

#[tokio::test]
async fn a_nested_token_is_a_chain_of_attested_hops() {
    let world = World::new();
    let changes = json!({
        "sub_id": { "format": "iss_sub", "iss": iss("github"), "sub": "repo:acme/shop" },
        "act": { "sub": "container", "act": { "sub": "deploy" } },
    });
    let credential = world.read(&world.platform.mint(&claims("platform", &changes))).await.unwrap();
    let hops: Vec<_> =
        credential.chain.hops().iter().map(|hop| hop.principal.to_string()).collect();
    assert_eq!(hops, ["github/repo:acme/shop", "platform/deploy", "platform/container"]);
    assert!(credential.chain.hops().iter().all(|hop| hop.assurance == Assurance::Attested));
}

#[tokio::test]
async fn a_person_is_proven_by_their_own_token_only() {
    let world = World::new();
    let own = world.people.mint(&claims("corp-idp", &json!({ "sub": "alice" })));
    let credential = world.read(&own).await.unwrap();
    assert_eq!(credential.kind, PrincipalKind::Human);
    assert_eq!(credential.chain.current().assurance, Assurance::Proven);
    let alice = json!({ "format": "iss_sub", "iss": iss("corp-idp"), "sub": "alice" });
    let said = world.platform.mint(&claims("platform", &json!({ "sub_id": alice })));
    assert_eq!(world.code(&said).await, "person_not_proven");
    // Agents may act for people.
    let changes = json!({ "sub_id": alice, "act": { "sub": "agent" } });
    let credential = world.read(&world.platform.mint(&claims("platform", &changes))).await.unwrap();
    assert_eq!(credential.kind, PrincipalKind::Agent);
}

#[tokio::test]
async fn what_is_not_signed_is_not_believed_nor_answered() {
    let world = World::new();
    // Claims that would each be refused for a reason of their own, by whoever cannot sign.
    let impostor = TestKey::new("p", Algorithm::Es256);
    for changes in [
        json!({ "exp": NOW - 60 }),
        json!({ "exp": null }),
        json!({ "aud": "orders" }),
        json!({ "sub": 7 }),
        json!({ "act": "x" }),
        json!({ "cnf": { "other": 1 } }),
    ] {
        let token = impostor.mint(&claims("platform", &changes));
        assert_eq!(world.code(&token).await, "signature_invalid", "{changes}");
    }
    let github = Acceptance { issuers: Some([alias("github")].into()), ..Acceptance::default() };
    let forged = world.accept(&impostor.mint(&claims("platform", &json!({}))), &github).await;
    assert_eq!(forged, Err(IdentityError::SignatureInvalid), "not who is accepted here");
    let unknown = TestKey::new("x", Algorithm::Es256);
    let token = unknown.mint(&claims("platform", &json!({ "exp": NOW - 60 })));
    assert_eq!(world.code(&token).await, "key_unknown");
}

/// The answer to `first` in `Authorization` beside `second` in the configured header.
async fn beside(
    world: &World,
    holds: Holds,
    first: &str,
    second: &str,
) -> Result<Credential, &'static str> {
    let mut settings = world.settings.clone();
    settings.second = Some(SecondCredential { header: "txn-token".parse().unwrap(), holds });
    let authenticator = Authenticator::new(settings).unwrap();
    let authorization = format!("Bearer {first}");
    let presented = Presented {
        authorization: Some(&authorization),
        second: Some(second),
        ..Presented::default()
    };
    let now = UnixMillis::new(NOW * 1000);
    let credential = authenticator.authenticate(&presented, &Acceptance::default(), now).await;
    credential.map_err(|error| error.code())
}

fn told(credential: &Credential) -> Vec<String> {
    let hop = |hop: &Hop| format!("{} {}", hop.principal, hop.assurance.name());
    credential.chain.hops().iter().map(hop).collect()
}

#[tokio::test]
async fn who_calls_is_proven_beside_the_chain_they_act_for() {
    let world = World::new();
    let job = world.github.mint(&claims("github", &json!({})));
    let changes = json!({ "sub": "ticket", "txn": "t-7", "act": { "sub": "deploy" } });
    let chain = world.platform.mint(&claims("platform", &changes));
    let hops = ["platform/ticket attested", "platform/deploy attested", "github/job proven"];
    for (holds, first, second) in [(Holds::Subject, &job, &chain), (Holds::Actor, &chain, &job)] {
        let credential = beside(&world, holds, first, second).await.unwrap();
        assert_eq!(told(&credential), hops);
        assert_eq!(credential.token.transaction.as_deref(), Some("t-7"));
        assert_eq!(credential.actor.unwrap().issuer, alias("github"));
    }
    // Two tokens of their own: both are proven.
    let script = world.platform.mint(&claims("platform", &json!({ "sub": "script" })));
    let credential = beside(&world, Holds::Actor, &job, &script).await.unwrap();
    assert_eq!(told(&credential), ["github/job proven", "platform/script proven"]);
    // The last of the chain shows a credential of their own, and is proven by it.
    let changes = json!({ "sub": "x", "act": { "sub": "job", "iss": iss("github") } });
    let exchanged = world.platform.mint(&claims("platform", &changes));
    let credential = beside(&world, Holds::Actor, &exchanged, &job).await.unwrap();
    assert_eq!(told(&credential), ["platform/x attested", "github/job proven"]);
}

#[tokio::test]
async fn a_second_credential_that_does_not_fit_is_refused() {
    let world = World::new();
    let job = world.github.mint(&claims("github", &json!({})));
    let nested = world.platform.mint(&claims("platform", &json!({ "act": { "sub": "a" } })));
    let code = async |first: &str, second: &str| {
        beside(&world, Holds::Actor, first, second).await.map_or_else(|code| code, |_| "accepted")
    };
    assert_eq!(code(&job, &nested).await, "actor_nested");
    assert_eq!(code(&job, "").await, "token_missing");
    assert_eq!(code(&job, "garbage").await, "malformed");
    assert_eq!(code(&job, &job).await, "accepted", "one and the same is one hop");
    let old = world.platform.mint(&claims("platform", &json!({ "exp": NOW - 60 })));
    assert_eq!(code(&job, &old).await, "token_expired");
    let in_the_middle =
        json!({ "act": { "sub": "a", "act": { "sub": "job", "iss": iss("github") } } });
    let chain = world.platform.mint(&claims("platform", &in_the_middle));
    assert_eq!(code(&chain, &job).await, "chain_loop");
    let seven = (0..7).rev().fold(Value::Null, |act, nth| {
        let mut hop = json!({ "sub": format!("a{nth}") });
        if !act.is_null() {
            hop["act"] = act;
        }
        hop
    });
    let chain = world.platform.mint(&claims("platform", &json!({ "act": seven })));
    assert_eq!(code(&chain, &job).await, "chain_too_deep");
}

#[tokio::test]
async fn whom_may_act_names_may_act_and_nobody_else() {
    let world = World::new();
    let job = world.github.mint(&claims("github", &json!({})));
    let may = |who: Value| {
        world.platform.mint(&claims("platform", &json!({ "sub": "s", "may_act": who })))
    };
    let named = json!({ "sub": "job", "iss": iss("github"), "email": "x" });
    let code = async |subject: &str| {
        beside(&world, Holds::Actor, subject, &job).await.map_or_else(|code| code, |_| "accepted")
    };
    assert_eq!(code(&may(named.clone())).await, "accepted");
    assert_eq!(code(&may(json!({ "sub": "job" }))).await, "may_act_mismatch");
    assert_eq!(
        code(&may(json!({ "sub": "other", "iss": iss("github") }))).await,
        "may_act_mismatch"
    );
    assert_eq!(code(&may(json!("job"))).await, "claims_malformed");
    assert_eq!(code(&may(json!({}))).await, "actor_malformed");
    // In a token that names its actor already, it is that one.
    let acted = |sub: &str| {
        let act = json!({ "sub": sub, "iss": iss("github") });
        world.platform.mint(&claims("platform", &json!({ "may_act": named, "act": act })))
    };
    assert_eq!(world.code(&acted("job")).await, "accepted");
    assert_eq!(world.code(&acted("other")).await, "may_act_mismatch");
    // Its subject, alone, acts for nobody.
    assert_eq!(world.code(&may(named.clone())).await, "accepted");
}

#[tokio::test]
async fn published_keys_are_fetched_from_the_start_and_shown_in_health() {
    let key = TestKey::new("k", Algorithm::Es256);
    let publisher = Publisher::start(Answer::keys(&[&key])).await;
    let down = Publisher::start(Answer::Status(503)).await;
    let fetched_from = |name, publisher: &Publisher| IssuerSettings {
        keys: KeySource::url(publisher.jwks_url()),
        ..settings(name, &[&key])
    };
    let issuers = vec![fetched_from("down", &down), fetched_from("up", &publisher)];
    let authenticator = Authenticator::new(AuthenticatorSettings::new(issuers)).unwrap();
    authenticator.start().await;
    let now = UnixMillis::new(NOW * 1000);
    let authenticate = async |name: &str| {
        let token = Token::parse(&key.mint(&claims(name, &json!({})))).unwrap();
        authenticator.verify(&token, &Acceptance::default(), now).await
    };
    assert!(authenticate("up").await.is_ok());
    let error = authenticate("down").await.unwrap_err();
    assert_eq!(
        (error.code(), error.fault()),
        ("keys_unavailable", crate::identity::Fault::Operator)
    );
    let health = authenticator.health(now);
    assert_eq!(
        json!(health[0]),
        json!({
            "issuer": "down", "ready": false, "keys": 0, "fetched_at": null,
            "last_error": "the answer has status 503",
        })
    );
    assert!(health[1].ready && health[1].keys == 1 && health[1].last_error.is_none());
    assert!(health[1].fetched_at.is_some_and(|fetched| fetched <= now));
}

#[tokio::test]
async fn fetching_ends_with_the_authenticator() {
    let key = TestKey::new("k", Algorithm::Es256);
    let publisher = Publisher::start(Answer::keys(&[&key])).await;
    let issuer = IssuerSettings {
        keys: KeySource::url(publisher.jwks_url()),
        refresh: Duration::from_millis(5),
        ..settings("idp", &[&key])
    };
    let authenticator = Authenticator::new(AuthenticatorSettings::new(vec![issuer])).unwrap();
    authenticator.start().await;
    let Keys::Published(keys) = &authenticator.issuers[&alias("idp")].keys else { unreachable!() };
    let keys = Arc::downgrade(keys);
    drop(authenticator);
    let deadline = Instant::now() + Duration::from_secs(5);
    while keys.upgrade().is_some() {
        assert!(Instant::now() < deadline, "the task still holds its keys");
        tokio::task::yield_now().await;
    }
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let key = TestKey::new("k", Algorithm::Es256);
    let with = |change: &dyn Fn(&mut IssuerSettings)| {
        let mut issuer = settings("b", &[&key]);
        change(&mut issuer);
        let pattern = "b/*".parse().unwrap();
        let patterns = GroupPatterns::new([("g".parse().unwrap(), vec![pattern])].into());
        let issuers = vec![settings("a", &[&key]), issuer];
        let made = Authenticator::new(AuthenticatorSettings {
            groups: patterns,
            ..AuthenticatorSettings::new(issuers)
        });
        made.map_or_else(|error| error.to_string(), |_| String::new())
    };
    assert_eq!(with(&|_| ()), "");
    assert!(with(&|b| b.alias = alias("a")).contains("two issuers"));
    assert!(with(&|b| b.issuer = IssuerUrl::parse(&iss("a")).unwrap()).contains("same `issuer`"));
    assert!(with(&|b| b.audiences.clear()).contains("no audience"));
    assert!(with(&|b| b.algorithms.clear()).contains("no algorithm"));
    assert!(with(&|b| b.may_attest = [alias("x")].into()).contains("may attest `x`"));
    assert!(with(&|b| b.max_stale = Duration::from_secs(1)).contains("max_stale"));
    assert!(with(&|b| b.alias = alias("c")).contains("principals of the issuer `b`"));
    for depth in [0, 65] {
        let none = AuthenticatorSettings::new(Vec::new());
        let made = Authenticator::new(AuthenticatorSettings { max_depth: depth, ..none });
        assert!(matches!(made, Err(SettingsError::MaxDepth)));
    }
}

fn refusal_of(world: &World, token: &str) -> Option<IdentityError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(world.read(token)).err()
}

proptest! {
    #[test]
    fn no_text_makes_reading_panic_or_passes(text in "\\PC{0,80}", parts in "[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,9}") {
        let world = World::new();
        prop_assert!(refusal_of(&world, &text).is_some());
        prop_assert!(refusal_of(&world, &parts).is_some());
        prop_assert!(Token::from_authorization(&text).is_err() || text.to_lowercase().starts_with("bearer"));
    }

    #[test]
    fn no_header_and_claims_pass_unsigned(header in "[\\x20-\\x7e]{0,60}", claims in "[\\x20-\\x7e]{0,90}") {
        let world = World::new();
        let (header, claims) = (URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let token = format!("{header}.{claims}.AAAA");
        prop_assert!(refusal_of(&world, &token).is_some());
    }

    #[test]
    fn a_changed_byte_is_noticed(at in 0..400_usize, to in any::<char>()) {
        let world = World::new();
        let token = world.platform.mint(&claims("platform", &json!({})));
        let mut changed: Vec<char> = token.chars().collect();
        let at = at % changed.len();
        prop_assume!(changed[at] != to);
        changed[at] = to;
        prop_assert!(refusal_of(&world, &changed.into_iter().collect::<String>()).is_some());
    }
}
