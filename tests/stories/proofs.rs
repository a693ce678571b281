//! Proof of possession: a token that is bound to a key or a certificate is good in the
//! hands of whoever has that, and a workload's certificate is a credential.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use harness::proof::ProofKey;
use harness::request::HOST_NAME;
use harness::{Issuer, Mesh, Request, Setup};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::cast::{self, JOB, refused};

const PATH: &str = "/api/customers";
/// A workload that the configuration below lets in.
const WORKLOAD: &str = "spiffe://cluster.local/ns/shop/sa/data-container";

/// A token of the CI job that is bound to `cnf`.
fn bound(mesh: &Mesh, cnf: &Value) -> String {
    mesh.issuer.mint(Issuer::Github, &json!({ "sub": JOB, "cnf": cnf }))
}

fn bound_to_key(mesh: &Mesh, key: &ProofKey) -> String {
    bound(mesh, &json!({ "jkt": key.thumbprint() }))
}

#[tokio::test]
async fn a_bound_token_gets_in_with_a_proof_and_neither_reaches_the_upstream() {
    let mesh = Mesh::shared().await;
    let key = ProofKey::generate().unwrap();
    let token = bound_to_key(mesh, &key);
    let mark = cast::mark();
    // The query is no part of what is proven.
    let proof = key.proof("GET", PATH, &token, &json!({}));
    let request = mesh.get(&format!("{PATH}?{mark}")).bound_token(&token, &proof);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = mesh.upstream.seen_with(&mark);
    assert_eq!(seen.len(), 1);
    for name in ["authorization", "dpop"] {
        assert_eq!(seen[0].header(name), None, "the upstream got {name}");
    }
    let record = mesh.decision_of(&answer).unwrap();
    assert_eq!(record["token"]["sender_constrained"], true, "{record}");
}

#[tokio::test]
async fn a_proof_is_good_once() {
    let mesh = Mesh::shared().await;
    let key = ProofKey::generate().unwrap();
    let token = bound_to_key(mesh, &key);
    let proof = key.proof("GET", PATH, &token, &json!({}));
    let answer = mesh.get(PATH).bound_token(&token, &proof).send().await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let mark = cast::mark();
    let again = mesh.get(&format!("{PATH}?{mark}")).bound_token(&token, &proof);
    let answer = again.send().await.unwrap();
    refused(mesh, &answer, 401, "proof_replayed", &mark);
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(challenge.starts_with(r#"DPoP error="invalid_dpop_proof""#), "{challenge}");
    assert!(challenge.contains(r#"algs="RS256 "#), "{challenge}");
}

#[tokio::test]
async fn a_proof_of_another_request_or_token_is_refused() {
    let mesh = Mesh::shared().await;
    let key = ProofKey::generate().unwrap();
    let token = bound_to_key(mesh, &key);
    let other = bound_to_key(mesh, &key);
    let thief = ProofKey::generate().unwrap();
    let iat = |offset: i64| json!({ "iat": harness::issuer::now().cast_signed() + offset });
    for (proof, code) in [
        (key.proof("POST", PATH, &token, &json!({})), "proof_invalid"),
        (key.proof("GET", "/api/orders", &token, &json!({})), "proof_invalid"),
        (key.proof("GET", PATH, &other, &json!({})), "proof_invalid"),
        (key.proof("GET", PATH, &token, &iat(-90)), "proof_expired"),
        (key.proof("GET", PATH, &token, &iat(90)), "proof_not_yet_valid"),
        (thief.proof("GET", PATH, &token, &json!({})), "token_binding_mismatch"),
    ] {
        let mark = cast::mark();
        let path = format!("{PATH}?{mark}");
        let answer = mesh.get(&path).bound_token(&token, &proof).send().await.unwrap();
        refused(mesh, &answer, 401, code, &mark);
        assert!(!mesh.server.log().contains(&proof), "{code}: the log repeats the proof");
    }
}

#[tokio::test]
async fn a_token_is_sent_as_what_it_is() {
    let mesh = Mesh::shared().await;
    let key = ProofKey::generate().unwrap();
    let token = bound_to_key(mesh, &key);
    let mark = cast::mark();
    let path = format!("{PATH}?{mark}");
    // A thief of the token drops what it cannot make.
    let answer = mesh.get(&path).token(&token).send().await.unwrap();
    refused(mesh, &answer, 401, "proof_missing", &mark);
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(challenge.starts_with(r#"DPoP error="invalid_token""#), "{challenge}");
    let unbound = mesh.issuer.job();
    let proof = key.proof("GET", PATH, &unbound, &json!({}));
    let answer = mesh.get(&path).bound_token(&unbound, &proof).send().await.unwrap();
    refused(mesh, &answer, 401, "token_binding_mismatch", &mark);
}

/// The example with workloads of a trust domain, told of as `peer` says.
fn with_workloads(config: &str, peer: &str) -> String {
    let issuer = "issuers:\n  mesh:\n    issuer: spiffe://cluster.local\n    \
                  trust_domain: cluster.local\n    keys: { certificates_only: true }\n";
    let changes = [
        ("issuers:\n", issuer),
        ("issuers: [github, platform, chaperone]", "issuers: [github, platform, chaperone, mesh]"),
        ("may_attest: [github]", "may_attest: [github, mesh]"),
        (
            "[\"platform/data-container\"]",
            "[\"platform/data-container\", \"mesh/spiffe://cluster.local/ns/shop/*\"]",
        ),
        ("\nservices:\n", &format!("\n{peer}\nservices:\n")),
    ];
    changes.iter().fold(config.to_owned(), |config, (from, to)| {
        assert!(config.contains(from), "{from}");
        config.replacen(from, to, 1)
    })
}

/// A mesh whose Envoy tells the server of the connection's certificate, and whose
/// server asks for nonces.
async fn with_certificates() -> &'static Mesh {
    static MESH: OnceCell<Mesh> = OnceCell::const_new();
    let configure: fn(String) -> String =
        |config| with_workloads(&config, "peer: { from: tls }\ndpop: { nonce: required }");
    let start = || async {
        let setup = Setup { mutual_tls: true, configure, ..Setup::default() };
        Mesh::start(setup).await.unwrap_or_else(|failure| panic!("{failure}"))
    };
    MESH.get_or_init(start).await
}

/// A GET over TLS.
fn over_tls(mesh: &Mesh, path: &str) -> Request {
    Request::new(mesh.mutual_tls().address, Method::GET, path)
}

#[tokio::test]
async fn a_workload_gets_in_with_its_certificate_alone() {
    let mesh = with_certificates().await;
    let workload = mesh.mutual_tls().authority.workload(WORKLOAD).unwrap();
    let answer = over_tls(mesh, PATH).certificate(&workload).send().await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let record = mesh.decision_of(&answer).unwrap();
    let hop = &record["chain"][0];
    assert_eq!(hop["principal"], format!("mesh/{WORKLOAD}"), "{record}");
    assert_eq!((&hop["assurance"], &hop["credential"]), (&json!("proven"), &json!("certificate")));
    assert_eq!(record["token"]["sender_constrained"], true, "{record}");
}

#[tokio::test]
async fn a_certificate_of_somebody_else_lets_nobody_in() {
    let mesh = with_certificates().await;
    let authority = &mesh.mutual_tls().authority;
    for (id, status, code) in [
        ("spiffe://cluster.local/ns/other/sa/x", 403, "policy_denied"),
        ("spiffe://other.local/ns/shop/sa/data-container", 401, "peer_unknown"),
        ("https://cluster.local/ns/shop/sa/data-container", 401, "peer_unknown"),
    ] {
        let mark = cast::mark();
        let path = format!("{PATH}?{mark}");
        let certificate = authority.workload(id).unwrap();
        let answer = over_tls(mesh, &path).certificate(&certificate).send().await.unwrap();
        refused(mesh, &answer, status, code, &mark);
    }
    let mark = cast::mark();
    let path = format!("{PATH}?{mark}");
    let answer = over_tls(mesh, &path).certificate(&authority.nobody()).send().await.unwrap();
    refused(mesh, &answer, 401, "token_missing", &mark);
    // One that Envoy's authority has not signed does not get as far as here.
    let forged = harness::certificates::Authority::new().unwrap().workload(WORKLOAD).unwrap();
    let forged = forged.trusting(authority);
    let failure = over_tls(mesh, &path).certificate(&forged).send().await.unwrap_err();
    assert!(failure.to_string().contains("fatal alert"), "{failure}");
}

#[tokio::test]
async fn a_token_that_is_bound_to_a_certificate_needs_that_one() {
    let mesh = with_certificates().await;
    let authority = &mesh.mutual_tls().authority;
    let mine = authority.workload(WORKLOAD).unwrap();
    let other = authority.workload(WORKLOAD).unwrap();
    let token = bound(mesh, &json!({ "x5t#S256": URL_SAFE_NO_PAD.encode(mine.sha256()) }));
    let answer = over_tls(mesh, PATH).certificate(&mine).token(&token).send().await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let record = mesh.decision_of(&answer).unwrap();
    assert_eq!(record["chain"][0]["principal"], format!("github/{JOB}"), "the token says who");
    assert_eq!(record["token"]["sender_constrained"], true, "{record}");
    for (certificate, code) in
        [(other, "token_binding_mismatch"), (authority.nobody(), "peer_missing")]
    {
        let mark = cast::mark();
        let path = format!("{PATH}?{mark}");
        let request = over_tls(mesh, &path).certificate(&certificate).token(&token);
        refused(mesh, &request.send().await.unwrap(), 401, code, &mark);
    }
}

#[tokio::test]
async fn the_actor_that_a_token_names_is_proven_by_its_certificate() {
    let mesh = with_certificates().await;
    let workload = mesh.mutual_tls().authority.workload(WORKLOAD).unwrap();
    let act = json!({ "iss": "spiffe://cluster.local", "sub": WORKLOAD });
    let github = mesh.issuer.issuer_url(Issuer::Github);
    let root = json!({ "format": "iss_sub", "iss": github, "sub": JOB });
    let claims = json!({ "sub": JOB, "sub_id": root, "act": act });
    let token = mesh.issuer.mint(Issuer::Platform, &claims);
    let nobody = mesh.mutual_tls().authority.nobody();
    for (certificate, assurance) in [(workload, "proven"), (nobody, "attested")] {
        let request = over_tls(mesh, PATH).certificate(&certificate).token(&token);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        let record = mesh.decision_of(&answer).unwrap();
        assert_eq!(record["chain"][1]["assurance"], assurance, "{record}");
        assert_eq!(record["token"]["sender_constrained"], assurance == "proven", "{record}");
    }
}

#[tokio::test]
async fn what_a_caller_says_of_certificates_counts_for_nothing() {
    let mesh = with_certificates().await;
    let mark = cast::mark();
    let path = format!("{PATH}?{mark}");
    let header = format!("By=spiffe://cluster.local/ns/shop/sa/api;URI={WORKLOAD}");
    let forged = |request: Request| request.header("x-forwarded-client-cert", &header);
    let careless = Request::new(mesh.mutual_tls().careless, Method::GET, &path);
    let nobody = mesh.mutual_tls().authority.nobody();
    for request in [careless, over_tls(mesh, &path).certificate(&nobody), mesh.get(&path)] {
        let answer = forged(request).send().await.unwrap();
        refused(mesh, &answer, 401, "token_missing", &mark);
    }
}

#[tokio::test]
async fn what_envoy_says_of_certificates_in_a_header_counts_where_that_is_configured() {
    let configure: fn(String) -> String = |config| with_workloads(&config, "peer: { from: xfcc }");
    let setup = Setup { mutual_tls: true, configure, ..Setup::default() };
    let mesh = Mesh::start(setup).await.unwrap_or_else(|failure| panic!("{failure}"));
    let authority = &mesh.mutual_tls().authority;
    let workload = authority.workload(WORKLOAD).unwrap();
    let answer = over_tls(&mesh, PATH).certificate(&workload).send().await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let record = mesh.decision_of(&answer).unwrap();
    assert_eq!(record["chain"][0]["principal"], format!("mesh/{WORKLOAD}"), "{record}");
    // Envoy makes the header anew, or takes it away: a caller's own does not get here.
    let mark = cast::mark();
    let path = format!("{PATH}?{mark}");
    let forged = format!("URI={WORKLOAD}");
    for request in [over_tls(&mesh, &path).certificate(&authority.nobody()), mesh.get(&path)] {
        let request = request.header("x-forwarded-client-cert", &forged);
        refused(&mesh, &request.send().await.unwrap(), 401, "token_missing", &mark);
    }
    // Which is why Envoy must: past a listener that passes it on, anybody is anybody.
    let careless = Request::new(mesh.mutual_tls().careless, Method::GET, PATH);
    let answer = careless.header("x-forwarded-client-cert", &forged).send().await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn a_caller_is_given_the_nonce_that_its_proof_must_have() {
    let mesh = with_certificates().await;
    let key = ProofKey::generate().unwrap();
    let token = bound_to_key(mesh, &key);
    let mark = cast::mark();
    let proof = key.proof("GET", PATH, &token, &json!({}));
    let request = mesh.get(&format!("{PATH}?{mark}")).bound_token(&token, &proof);
    let answer = request.send().await.unwrap();
    refused(mesh, &answer, 401, "proof_nonce_required", &mark);
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(challenge.starts_with(r#"DPoP error="use_dpop_nonce""#), "{challenge}");
    let nonce = answer.header("dpop-nonce").unwrap();
    let proof = key.proof("GET", PATH, &token, &json!({ "nonce": nonce }));
    let answer = mesh.get(PATH).bound_token(&token, &proof).send().await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    // The next one comes with the answer, so that nobody is refused for an old one.
    let nonce = answer.header("dpop-nonce").unwrap();
    let proof = key.proof("GET", PATH, &token, &json!({ "nonce": nonce }));
    let answer = mesh.get(PATH).bound_token(&token, &proof).send().await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn over_tls_a_proof_names_the_https_url() {
    let mesh = with_certificates().await;
    let key = ProofKey::generate().unwrap();
    let token = bound_to_key(mesh, &key);
    let nobody = mesh.mutual_tls().authority.nobody();
    let asked = async |claims: &Value| {
        let proof = key.proof("GET", PATH, &token, claims);
        let request = over_tls(mesh, PATH).certificate(&nobody).bound_token(&token, &proof);
        request.send().await.unwrap()
    };
    let https = json!(format!("https://{HOST_NAME}{PATH}"));
    let nonce = asked(&json!({ "htu": https })).await;
    let nonce = nonce.header("dpop-nonce").expect("a nonce").to_owned();
    let answer = asked(&json!({ "htu": https, "nonce": nonce })).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = asked(&json!({ "nonce": nonce })).await;
    assert_eq!(answer.code().as_deref(), Some("proof_invalid"), "{answer:?}");
}
