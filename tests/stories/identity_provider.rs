//! A real identity provider: real discovery, real keys that rotate, tokens as they
//! come from one.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use harness::answer::Answer;
use harness::identity_provider::{ALGORITHMS, ProofKey, SECRET_FILE};
use harness::process::eventually;
use harness::{IdentityProvider, Mesh, Setup};
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::cast::{self, refused};

/// The issuer's keys are fetched so often here, in seconds; what they verify follows.
const REFRESH: u64 = 2;

/// By then every fetch that is due has been made, on a machine that may be busy.
const SOON: Duration = Duration::from_secs(REFRESH + 13);

/// The issuer `idp` by discovery, nothing else said of its keys.
fn with_idp(config: String) -> String {
    let issuer = format!(
        "issuers:
  idp:
    issuer: {{{{IDENTITY_PROVIDER_URL}}}}
    audiences: [customers]
    algorithms: [RS256, PS256, ES256, EdDSA]
    leeway: 0s
    refresh: {REFRESH}s
"
    );
    let put = |config: String, from: &str, to: &str| {
        assert!(config.contains(from), "the example configuration has no `{from}`");
        config.replacen(from, to, 1)
    };
    let config = put(config, "issuers:\n", &issuer);
    let config = put(
        config,
        "issuers: [github, platform, chaperone]",
        "issuers: [github, platform, chaperone, idp]",
    );
    put(config, "deploy-bots: [", r#"deploy-bots: ["idp/deploy-job", "idp/bound-job", "#)
}

async fn own_mesh() -> Mesh {
    let setup = Setup { identity_provider: true, configure: with_idp, ..Setup::default() };
    Mesh::start(setup).await.unwrap_or_else(|failure| panic!("{failure}"))
}

/// The mesh of the stories that break nothing.
async fn shared() -> &'static Mesh {
    static SHARED: OnceCell<Mesh> = OnceCell::const_new();
    SHARED.get_or_init(own_mesh).await
}

fn provider(mesh: &Mesh) -> &IdentityProvider {
    mesh.identity_provider.as_ref().expect("the mesh was set up with one")
}

async fn reads(mesh: &Mesh, token: &str) -> (Answer, String) {
    let mark = cast::mark();
    let request = mesh.get(&format!("/api/customers?{mark}")).token(token);
    (request.send().await.unwrap(), mark)
}

/// Header and claims, as anybody can read them.
fn opened(token: &str) -> [Value; 2] {
    let mut parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
    [(); 2].map(|()| serde_json::from_slice(&parts.next().unwrap()).unwrap())
}

#[tokio::test]
async fn an_access_token_gets_in_and_the_log_says_whose_it_is_and_what_for() {
    let mesh = shared().await;
    for algorithm in ALGORITHMS {
        let resource = format!("customers/{algorithm}");
        let token = provider(mesh).token("deploy-job", &resource).await.unwrap();
        let [header, claims] = opened(&token);
        assert_eq!(header["alg"], algorithm);
        assert_eq!(header["typ"], "at+jwt", "RFC 9068");
        let (answer, mark) = reads(mesh, &token).await;
        assert_eq!(answer.status, 200, "{algorithm}: {answer:?}");
        assert_eq!(mesh.upstream.seen_with(&mark).len(), 1);
        let record = mesh.decision_of(&answer).unwrap();
        assert_eq!(record["chain"][0]["principal"], "idp/deploy-job");
        assert_eq!(record["chain"][0]["assurance"], "proven");
        let kept = &record["token"];
        assert_eq!(kept["issuer"], "idp");
        assert_eq!(kept["scopes"], serde_json::json!(["customers:read"]));
        assert!(claims["jti"].is_string());
        assert_eq!(kept["id"], claims["jti"]);
        assert_eq!(kept["key"], header["kid"]);
    }
}

#[tokio::test]
async fn who_is_known_and_may_not_is_denied_by_policy() {
    let mesh = shared().await;
    let token = provider(mesh).token("stranger", "customers/ES256").await.unwrap();
    let (answer, mark) = reads(mesh, &token).await;
    let record = refused(mesh, &answer, 403, "policy_denied", &mark);
    assert_eq!(record["chain"][0]["principal"], "idp/stranger");
}

#[tokio::test]
async fn a_token_for_another_service_is_refused() {
    let mesh = shared().await;
    let token = provider(mesh).token("deploy-job", "orders/ES256").await.unwrap();
    let (answer, mark) = reads(mesh, &token).await;
    refused(mesh, &answer, 401, "audience_mismatch", &mark);
}

#[tokio::test]
async fn a_token_that_lives_two_seconds_is_refused_after() {
    let mesh = shared().await;
    let token = provider(mesh).token("deploy-job", "customers/ES256?ttl=2").await.unwrap();
    let refusal = || async { Some(reads(mesh, &token).await).filter(|(it, _)| it.status != 200) };
    let (answer, mark) = eventually("its end", SOON, refusal).await.unwrap();
    refused(mesh, &answer, 401, "token_expired", &mark);
}

#[tokio::test]
async fn what_is_no_access_token_is_not_taken_for_one() {
    let mesh = shared().await;
    let ada = provider(mesh).sign_in("ada").await.unwrap();
    let [header, claims] = opened(&ada.id_token);
    assert_eq!((&header["typ"], &claims["aud"]), (&"JWT".into(), &"console".into()));
    let proof = ProofKey::generate().unwrap().proof("GET", "https://customers.example/", None);
    let opaque = provider(mesh).token("deploy-job", "customers/opaque").await.unwrap();
    for (token, code) in [
        (ada.id_token, "audience_mismatch"),
        (ada.refresh_token, "malformed"),
        (opaque, "malformed"),
        (proof, "token_type_refused"),
    ] {
        let (answer, mark) = reads(mesh, &token).await;
        refused(mesh, &answer, 401, code, &mark);
    }
    // Her access token is one, and whether she may read is for policy to say.
    let (answer, mark) = reads(mesh, &ada.access_token).await;
    let record = refused(mesh, &answer, 403, "policy_denied", &mark);
    assert_eq!(record["chain"][0]["principal"], "idp/ada");
}

#[tokio::test]
async fn the_command_line_says_of_a_token_what_the_mesh_says() {
    let mesh = shared().await;
    let good = provider(mesh).token("deploy-job", "customers/PS256").await.unwrap();
    let (answer, _) = reads(mesh, &good).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let record = mesh.decision_of(&answer).unwrap();
    let told = mesh.server.token_verify(&good).unwrap();
    assert_eq!(told["principal"], record["chain"][0]["principal"]);
    for name in ["issuer", "key", "id", "expires_at", "scopes"] {
        assert!(!told[name].is_null(), "{name}");
        assert_eq!(told[name], record["token"][name], "{name}");
    }

    let for_another = provider(mesh).token("deploy-job", "orders/PS256").await.unwrap();
    let ada = provider(mesh).sign_in("ada").await.unwrap();
    for token in [for_another, ada.id_token, ada.refresh_token, changed(&good)] {
        let (answer, _) = reads(mesh, &token).await;
        assert_eq!(answer.status, 401, "{answer:?}");
        let told = mesh.server.token_verify(&token).unwrap();
        assert_eq!(told["error"]["code"].as_str(), answer.code().as_deref());
    }
}

/// The token with another first character of its signature.
fn changed(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{signed}.{first}{}", &signature[1..])
}

#[tokio::test]
async fn keys_rotate_without_a_restart_and_an_old_token_ends_with_its_key() {
    let mesh = own_mesh().await;
    let old = provider(&mesh).token("deploy-job", "customers/ES256").await.unwrap();
    assert_eq!(reads(&mesh, &old).await.0.status, 200);

    provider(&mesh).rotate().await.unwrap();
    let new = provider(&mesh).token("deploy-job", "customers/ES256").await.unwrap();
    assert_ne!(opened(&old)[0]["kid"], opened(&new)[0]["kid"]);
    let both = || async {
        assert_eq!(reads(&mesh, &old).await.0.status, 200, "the old key is still published");
        (reads(&mesh, &new).await.0.status == 200).then_some(())
    };
    eventually("a token of the new key is good", SOON, both).await.unwrap();

    provider(&mesh).forget_earlier_keys().await.unwrap();
    let refusal = || async {
        assert_eq!(reads(&mesh, &new).await.0.status, 200, "the new key stays");
        Some(reads(&mesh, &old).await).filter(|(answer, _)| answer.status != 200)
    };
    let (answer, mark) = eventually("the end of the old key", SOON, refusal).await.unwrap();
    refused(&mesh, &answer, 401, "key_unknown", &mark);
}

#[tokio::test]
async fn a_provider_that_is_gone_costs_its_tokens_nothing() {
    let mut mesh = own_mesh().await;
    let token = provider(&mesh).token("deploy-job", "customers/RS256").await.unwrap();
    mesh.identity_provider.as_mut().expect("the mesh was set up with one").stop();
    // Not only not asked yet: asked, and not there.
    let noticed = || async {
        let health = mesh.server.get("/readyz").await.ok()?;
        health.to_string().contains("no connection").then_some(health)
    };
    let health = eventually("the server notices", SOON, noticed).await.unwrap();
    assert_eq!(health["ready"], true, "{health}");
    let (answer, _) = reads(&mesh, &token).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn a_bound_token_gets_in_with_its_holders_proof_and_in_nobody_elses_hands() {
    let mesh = shared().await;
    let key = ProofKey::generate().unwrap();
    let token = provider(mesh).bound_token(&key, "customers/ES256").await.unwrap();
    assert!(opened(&token)[1]["cnf"]["jkt"].is_string());
    let mark = cast::mark();
    let path = format!("/api/customers?{mark}");
    let url = "http://customers.example/api/customers";
    let ask = |proof: &str| {
        mesh.get(&path).header("authorization", &format!("DPoP {token}")).header("dpop", proof)
    };

    let (stolen, stolen_mark) = reads(mesh, &token).await;
    refused(mesh, &stolen, 401, "proof_missing", &stolen_mark);
    let thief = ProofKey::generate().unwrap();
    let answer = ask(&thief.proof("GET", url, Some(&token))).send().await.unwrap();
    refused(mesh, &answer, 401, "token_binding_mismatch", &mark);

    let proof = key.proof("GET", url, Some(&token));
    let answer = ask(&proof).send().await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let record = mesh.decision_of(&answer).unwrap();
    assert_eq!(record["chain"][0]["principal"], "idp/bound-job");
    assert_eq!(record["token"]["sender_constrained"], true);
    let again = ask(&proof).send().await.unwrap();
    assert_eq!(again.code().as_deref(), Some("proof_replayed"), "{again:?}");
    assert_eq!(mesh.upstream.seen_with(&mark).len(), 1);
}

#[tokio::test]
async fn the_provider_is_asked_about_tokens_that_only_it_can_read() {
    let configure = |config: String| {
        let asked = format!(
            "    keys: {{ jwks_url: \"{{{{IDENTITY_PROVIDER_URL}}}}/jwks\" }}\n    \
             introspection:\n      url: {{{{IDENTITY_PROVIDER_URL}}}}/token/introspection\n      \
             client_id: chaperone\n      client_secret_file: {SECRET_FILE}\n      \
             remember_active: 500ms\n      remember_inactive: 500ms\n"
        );
        let after = "    leeway: 0s\n";
        with_idp(config).replacen(after, &format!("{after}{asked}"), 1)
    };
    let setup = Setup { identity_provider: true, configure, ..Setup::default() };
    let mesh = Mesh::start(setup).await.unwrap_or_else(|failure| panic!("{failure}"));
    let token = provider(&mesh).token("deploy-job", "customers/opaque").await.unwrap();
    assert!(!token.contains('.'), "it is opaque");
    let (answer, mark) = reads(&mesh, &token).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(mesh.upstream.seen_with(&mark).len(), 1);
    let record = mesh.decision_of(&answer).unwrap();
    // A client that acts for nobody but itself is its own subject.
    assert_eq!(record["chain"][0]["principal"], "idp/deploy-job");
    assert_eq!(record["chain"][0]["credential"], "opaque");
    assert_eq!(record["token"]["scopes"], serde_json::json!(["customers:read"]));
    // Signed tokens of the same issuer are not asked about.
    let signed = provider(&mesh).token("deploy-job", "customers/ES256").await.unwrap();
    assert_eq!(reads(&mesh, &signed).await.0.status, 200);
    provider(&mesh).revoke("deploy-job", &token).await.unwrap();
    let refused_soon = || async {
        let (answer, _) = reads(&mesh, &token).await;
        (answer.code().as_deref() == Some("token_inactive")).then_some(())
    };
    eventually("the provider's revocation counts", SOON, refused_soon).await.unwrap();
}
