use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::super::{Acceptance, AuthenticatorSettings, Credential};
use super::*;
use crate::identity::certificate::Certificate;
use crate::identity::issuer::IssuerUrl;
use crate::identity::jwks::JwkSet;
use crate::identity::peer::{PeerAttributes, PeerSource};
use crate::identity::presented::{Holds, SecondCredential};
use crate::identity::test_certificate::TestCertificate;
use crate::identity::test_issuer::TestKey;
use crate::identity::token::Token;
use crate::identity::{
    Algorithm, Fault, Hop, IssuerAlias, IssuerSettings, KeySource, PrincipalKind, RevocationBook,
    RevocationId, RevocationOrder, RevocationTarget, Withdrawals,
};
use crate::store::{Durability, RevocationKind, SqliteStore, Store};

/// In 2027, when test certificates are good.
const NOW: i64 = 1_800_000_000;
const JOB: &str = "spiffe://cluster.local/ns/shop/sa/job";
const OTHER: &str = "spiffe://cluster.local/ns/shop/sa/other";

fn alias(text: &str) -> IssuerAlias {
    text.parse().unwrap()
}

fn settings(name: &str, keys: KeySource) -> IssuerSettings {
    let issuer = IssuerUrl::parse(&format!("https://{name}.example")).unwrap();
    IssuerSettings {
        audiences: ["api".to_owned()].into(),
        ..IssuerSettings::new(alias(name), issuer, keys)
    }
}

/// `ci` signs tokens, and may attest workloads of `mesh`, whose principals have
/// certificates and tokens (JWT-SVIDs); `partner` has certificates only.
struct World {
    key: TestKey,
    mesh_key: TestKey,
    sender: TestKey,
    settings: AuthenticatorSettings,
}

impl World {
    fn new(change: impl Fn(&mut AuthenticatorSettings)) -> Self {
        let key = TestKey::new("k", Algorithm::Es256);
        let mesh_key = TestKey::new("m", Algorithm::EdDsa);
        let published = |key: &TestKey| {
            KeySource::Document(JwkSet::from_json(json!({ "keys": [key.jwk()] })).unwrap())
        };
        let issuers = vec![
            IssuerSettings {
                may_attest: [alias("mesh")].into(),
                ..settings("ci", published(&key))
            },
            IssuerSettings {
                trust_domain: Some("cluster.local".parse().unwrap()),
                ..settings("mesh", published(&mesh_key))
            },
            IssuerSettings {
                trust_domain: Some("partner.example".parse().unwrap()),
                ..settings("partner", KeySource::Unsigned)
            },
        ];
        let mut settings = AuthenticatorSettings::new(issuers);
        settings.peer = PeerSource::Tls;
        change(&mut settings);
        Self { key, mesh_key, sender: TestKey::new("s", Algorithm::Es256), settings }
    }

    fn authenticator(&self) -> Authenticator {
        Authenticator::new(self.settings.clone()).unwrap()
    }

    /// A token of `ci` with `changes` over the usual claims.
    fn token(&self, changes: &Value) -> String {
        self.key.mint(&claims("ci", changes))
    }

    /// A token of `ci` that is bound to the sender's key.
    fn bound(&self) -> String {
        self.token(&json!({ "cnf": { "jkt": self.jkt() } }))
    }

    fn jkt(&self) -> String {
        Thumbprint::of_key(self.sender.jwk().as_object().unwrap()).unwrap().to_string()
    }

    /// A proof for that token and the usual request.
    fn proof(&self, token: &str, jti: &str) -> String {
        proof(&self.sender, token, jti)
    }
}

fn claims(issuer: &str, changes: &Value) -> Value {
    let mut claims = json!({
        "iss": format!("https://{issuer}.example"), "sub": "job", "aud": "api",
        "iat": NOW, "exp": NOW + 300,
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

fn proof(key: &TestKey, token: &str, jti: &str) -> String {
    let header = json!({ "typ": "dpop+jwt", "alg": key.algorithm.name(), "jwk": key.jwk() });
    let ath = URL_SAFE_NO_PAD.encode(Sha256::digest(token));
    let claims = json!({
        "jti": jti, "htm": "GET", "htu": "https://api.example/jobs", "iat": NOW, "ath": ath,
    });
    key.mint_with(&header, &claims.to_string())
}

/// What a request shows.
#[derive(Default)]
struct Shows<'a> {
    authorization: Option<String>,
    proof: Option<String>,
    second: Option<String>,
    certificate: Option<&'a TestCertificate>,
    principal: Option<&'a str>,
    forwarded: Option<&'a str>,
}

async fn asked(
    authenticator: &Authenticator,
    shows: &Shows<'_>,
) -> Result<Credential, IdentityError> {
    let presented = Presented {
        authorization: shows.authorization.as_deref(),
        api_key: None,
        second: shows.second.as_deref(),
        proof: shows.proof.as_deref(),
        method: "GET",
        scheme: "https",
        authority: "api.example",
        path: "/jobs",
        external_url: None,
        peer: PeerAttributes {
            principal: shows.principal,
            certificate: shows.certificate.map(|certificate| certificate.encoded.as_str()),
            forwarded: shows.forwarded,
        },
    };
    let now = UnixMillis::new(NOW * 1000);
    authenticator.authenticate(&presented, &Acceptance::default(), now).await
}

async fn code(authenticator: &Authenticator, shows: &Shows<'_>) -> &'static str {
    asked(authenticator, shows).await.map_or_else(|error| error.code(), |_| "accepted")
}

fn bearer(token: &str) -> Shows<'_> {
    Shows { authorization: Some(format!("Bearer {token}")), ..Shows::default() }
}

fn dpop(token: &str, proof: String) -> Shows<'_> {
    let authorization = Some(format!("DPoP {token}"));
    Shows { authorization, proof: Some(proof), ..Shows::default() }
}

fn told(credential: &Credential) -> Vec<String> {
    let hop =
        |hop: &Hop| format!("{} {} {}", hop.principal, hop.assurance.name(), hop.credential.name());
    credential.chain.hops().iter().map(hop).collect()
}

#[tokio::test]
async fn a_bound_token_is_good_with_a_proof_by_its_key_and_once() {
    let world = World::new(|_| ());
    let authenticator = world.authenticator();
    let token = world.bound();
    let first = dpop(&token, world.proof(&token, "1"));
    assert!(asked(&authenticator, &first).await.unwrap().sender_constrained);
    assert_eq!(code(&authenticator, &first).await, "proof_replayed");
    assert_eq!(code(&authenticator, &dpop(&token, world.proof(&token, "2"))).await, "accepted");
    // As a bearer token, or with the proof of another token or by another key, it is not.
    let mut as_bearer = bearer(&token);
    assert_eq!(code(&authenticator, &as_bearer).await, "proof_missing");
    as_bearer.proof = Some(world.proof(&token, "3"));
    assert_eq!(code(&authenticator, &as_bearer).await, "proof_missing");
    let none = Shows { proof: None, ..dpop(&token, String::new()) };
    assert_eq!(code(&authenticator, &none).await, "proof_missing");
    let of_another = world.token(&json!({ "jti": "x" }));
    let swapped = dpop(&token, world.proof(&of_another, "4"));
    assert_eq!(code(&authenticator, &swapped).await, "proof_invalid");
    let thief = TestKey::new("t", Algorithm::Es256);
    let stolen = dpop(&token, proof(&thief, &token, "5"));
    assert_eq!(code(&authenticator, &stolen).await, "token_binding_mismatch");
}

#[tokio::test]
async fn a_token_that_is_bound_to_no_key_is_a_bearer_token() {
    let world = World::new(|_| ());
    let authenticator = world.authenticator();
    let token = world.token(&json!({}));
    let as_dpop = dpop(&token, world.proof(&token, "1"));
    assert_eq!(code(&authenticator, &as_dpop).await, "token_binding_mismatch");
    let credential = asked(&authenticator, &bearer(&token)).await.unwrap();
    assert!(!credential.sender_constrained);
}

#[tokio::test]
async fn a_proof_makes_no_bad_token_good_and_uses_up_nothing_for_one() {
    let world = World::new(|settings| settings.proofs.remembered = 1);
    let authenticator = world.authenticator();
    let bound = json!({ "jkt": world.jkt() });
    for (changes, expected) in [
        (json!({ "exp": NOW - 60 }), "token_expired"),
        (json!({ "aud": "other" }), "audience_mismatch"),
        (json!({ "cnf": { "jkt": world.jkt(), "kid": "x" } }), "cnf_unsupported"),
    ] {
        let mut with = json!({ "cnf": bound });
        for (name, value) in changes.as_object().unwrap() {
            with[name] = value.clone();
        }
        let token = world.token(&with);
        let shows = dpop(&token, world.proof(&token, "1"));
        assert_eq!(code(&authenticator, &shows).await, expected);
    }
    // The key in a proof signs proofs, and no tokens.
    let header = json!({ "alg": "ES256", "typ": "at+jwt", "jwk": world.sender.jwk() });
    let cnf = json!({ "cnf": bound });
    let forged = world.sender.mint_with(&header, &claims("ci", &cnf).to_string());
    let shows = dpop(&forged, world.proof(&forged, "1"));
    assert_eq!(code(&authenticator, &shows).await, "signature_invalid");
    let token = world.bound();
    assert_eq!(code(&authenticator, &dpop(&token, world.proof(&token, "1"))).await, "accepted");
    let shows = dpop(&token, world.proof(&token, "2"));
    let error = asked(&authenticator, &shows).await.unwrap_err();
    assert_eq!((error.code(), error.fault()), ("proofs_unavailable", Fault::Operator));
}

#[tokio::test]
async fn a_token_that_is_bound_to_a_certificate_needs_that_certificate() {
    let world = World::new(|_| ());
    let (mine, other) = (TestCertificate::new(JOB), TestCertificate::new(JOB));
    let cnf = json!({ "x5t#S256": mine.thumbprint().to_string() });
    let token = world.token(&json!({ "cnf": cnf }));
    let authenticator = world.authenticator();
    let with = |certificate| Shows { certificate: Some(certificate), ..bearer(&token) };
    assert!(asked(&authenticator, &with(&mine)).await.unwrap().sender_constrained);
    assert_eq!(code(&authenticator, &with(&other)).await, "token_binding_mismatch");
    assert_eq!(code(&authenticator, &bearer(&token)).await, "peer_missing");
    let hidden = Shows { principal: Some(JOB), ..bearer(&token) };
    let error = asked(&authenticator, &hidden).await.unwrap_err();
    assert_eq!((error.code(), error.fault()), ("peer_hidden", Fault::Operator));
    // Where certificates count nowhere, none is shown.
    let nowhere = World::new(|settings| {
        settings.peer = PeerSource::Nowhere;
        settings.issuers.truncate(1);
        settings.issuers[0].may_attest.clear();
    });
    let token = nowhere.token(&json!({ "cnf": cnf }));
    let shows = Shows { certificate: Some(&mine), ..bearer(&token) };
    assert_eq!(code(&nowhere.authenticator(), &shows).await, "peer_missing");
}

#[tokio::test]
async fn a_token_that_is_bound_twice_needs_both() {
    let world = World::new(|_| ());
    let mine = TestCertificate::new(JOB);
    let cnf = json!({ "jkt": world.jkt(), "x5t#S256": mine.thumbprint().to_string() });
    let token = world.token(&json!({ "cnf": cnf }));
    let authenticator = world.authenticator();
    let shows = |jti: &str| dpop(&token, world.proof(&token, jti));
    assert_eq!(code(&authenticator, &shows("1")).await, "peer_missing");
    let mut only_certificate = bearer(&token);
    only_certificate.certificate = Some(&mine);
    assert_eq!(code(&authenticator, &only_certificate).await, "proof_missing");
    let both = Shows { certificate: Some(&mine), ..shows("1") };
    assert_eq!(code(&authenticator, &both).await, "accepted");
}

#[tokio::test]
async fn an_issuer_can_require_a_proof() {
    let world = World::new(|settings| settings.issuers[0].require_proof = true);
    let authenticator = world.authenticator();
    let unbound = world.token(&json!({}));
    assert_eq!(code(&authenticator, &bearer(&unbound)).await, "proof_missing");
    let token = Token::parse(&unbound).unwrap();
    let now = UnixMillis::new(NOW * 1000);
    let refused = authenticator.verify(&token, &Acceptance::default(), now).await;
    assert_eq!(refused, Err(IdentityError::ProofMissing));
    let bound = world.bound();
    assert_eq!(code(&authenticator, &dpop(&bound, world.proof(&bound, "1"))).await, "accepted");
    let of_mesh = world.mesh_key.mint(&claims("mesh", &json!({ "sub": JOB })));
    assert_eq!(code(&authenticator, &bearer(&of_mesh)).await, "accepted");
}

#[tokio::test]
async fn a_workloads_certificate_is_a_credential() {
    let world = World::new(|_| ());
    let authenticator = world.authenticator();
    let alone = |certificate| Shows { certificate: Some(certificate), ..Shows::default() };
    let certificate = TestCertificate::new(JOB);
    let credential = asked(&authenticator, &alone(&certificate)).await.unwrap();
    assert_eq!(told(&credential), [format!("mesh/{JOB} proven certificate")]);
    assert!(credential.sender_constrained);
    assert_eq!(credential.kind, PrincipalKind::Agent);
    assert_eq!(credential.token.id, Some(certificate.thumbprint().to_string()));
    assert_eq!(credential.token.expires_at.to_string(), "2028-01-01T00:00:00.000Z");
    let attributes = &credential.chain.current().attributes;
    assert_eq!(
        (attributes["namespace"].as_str(), attributes["service_account"].as_str()),
        ("shop", "job")
    );
    // Federated trust domains have an alias each.
    let partner = TestCertificate::new("spiffe://partner.example/job");
    let credential = asked(&authenticator, &alone(&partner)).await.unwrap();
    assert_eq!(told(&credential), ["partner/spiffe://partner.example/job proven certificate"]);
    let stranger = TestCertificate::new("spiffe://evil.example/job");
    assert_eq!(code(&authenticator, &alone(&stranger)).await, "peer_unknown");
    let website = TestCertificate::new("https://cluster.local/job");
    assert_eq!(code(&authenticator, &alone(&website)).await, "peer_unknown");
    let hidden = Shows { principal: Some(JOB), ..Shows::default() };
    assert_eq!(code(&authenticator, &hidden).await, "peer_hidden");
    assert_eq!(code(&authenticator, &Shows::default()).await, "token_missing");
    let header = format!("URI={JOB}");
    let forged = Shows { forwarded: Some(&header), ..Shows::default() };
    assert_eq!(code(&authenticator, &forged).await, "token_missing", "the header is not ours");
}

#[tokio::test]
async fn a_certificate_is_good_in_its_time_and_where_its_issuer_is_accepted() {
    let world = World::new(|_| ());
    let authenticator = world.authenticator();
    let certificate = TestCertificate::new(JOB);
    let presented = Presented {
        peer: PeerAttributes { certificate: Some(&certificate.encoded), ..Default::default() },
        ..Presented::default()
    };
    let at = async |time: &str, acceptance: &Acceptance| {
        let answer = authenticator.authenticate(&presented, acceptance, time.parse().unwrap());
        answer.await.map_or_else(|error| error.code(), |_| "accepted")
    };
    let all = Acceptance::default();
    assert_eq!(at("2027-06-01T00:00:00Z", &all).await, "accepted");
    assert_eq!(at("2026-12-31T23:59:00Z", &all).await, "peer_expired");
    assert_eq!(at("2028-01-01T00:00:31Z", &all).await, "peer_expired");
    let some = |name| Acceptance { issuers: Some([alias(name)].into()), ..Acceptance::default() };
    assert_eq!(at("2027-06-01T00:00:00Z", &some("mesh")).await, "accepted");
    assert_eq!(at("2027-06-01T00:00:00Z", &some("ci")).await, "issuer_not_accepted");
}

#[tokio::test]
async fn an_expired_certificate_proves_nothing_beside_a_token() {
    let world = World::new(|_| ());
    let authenticator = world.authenticator();
    let certificate = TestCertificate::new(JOB);
    let hop = async |time: &str| {
        let now: UnixMillis = time.parse().unwrap();
        let act = json!({ "sub": JOB, "iss": "https://mesh.example" });
        let (iat, exp) = (now.seconds(), now.seconds() + 300);
        let token = world.token(&json!({ "sub": "t", "act": act, "iat": iat, "exp": exp }));
        let authorization = format!("Bearer {token}");
        let presented = Presented {
            authorization: Some(&authorization),
            peer: PeerAttributes { certificate: Some(&certificate.encoded), ..Default::default() },
            ..Presented::default()
        };
        let credential = authenticator.authenticate(&presented, &Acceptance::default(), now).await;
        told(&credential.unwrap())[1].clone()
    };
    assert_eq!(hop("2027-06-01T00:00:00Z").await, format!("mesh/{JOB} proven certificate"));
    assert_eq!(hop("2028-01-02T00:00:00Z").await, format!("mesh/{JOB} attested named"));
}

#[tokio::test]
async fn a_revoked_certificate_gets_nothing_beside_a_token_either() {
    let now = UnixMillis::new(NOW * 1000);
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("store.db"), Durability::Normal).unwrap();
    let store: Arc<dyn Store> = Arc::new(store);
    let (certificate, other) = (TestCertificate::new(JOB), TestCertificate::new(OTHER));
    let thumbprint = Certificate::read(&certificate.encoded).unwrap().thumbprint.to_string();
    let named = format!("mesh/{thumbprint}");
    let target = RevocationTarget::parse(RevocationKind::Jti, &named, &[alias("mesh")]).unwrap();
    let order = RevocationOrder {
        target: &target,
        reason: None,
        by: "ada",
        lasts: Duration::from_hours(1),
        id: RevocationId::new(uuid::Uuid::nil()),
    };
    RevocationBook::new(Arc::clone(&store)).revoke(&order, now).await.unwrap();
    let withdrawals = Withdrawals::new(store);
    withdrawals.read(now).await.unwrap();
    let world = World::new(|_| ());
    let authenticator = world.authenticator().with_withdrawals(Arc::new(withdrawals));
    let act = json!({ "sub": JOB, "iss": "https://mesh.example" });
    let token = world.token(&json!({ "sub": "ticket", "act": act }));
    let shows = Shows { certificate: Some(&certificate), ..bearer(&token) };
    assert_eq!(code(&authenticator, &shows).await, "revoked");
    let alone = Shows { certificate: Some(&certificate), ..Shows::default() };
    assert_eq!(code(&authenticator, &alone).await, "revoked");
    let shows = Shows { certificate: Some(&other), ..bearer(&token) };
    assert_eq!(code(&authenticator, &shows).await, "accepted");
}

#[tokio::test]
async fn a_certificate_that_envoy_forwards_counts_where_that_is_configured() {
    let world = World::new(|settings| settings.peer = PeerSource::Forwarded { proxies: 0 });
    let authenticator = world.authenticator();
    let header = format!("By=spiffe://cluster.local/ns/shop/sa/api;URI={JOB}");
    let shows = Shows { forwarded: Some(&header), ..Shows::default() };
    let credential = asked(&authenticator, &shows).await.unwrap();
    assert_eq!(told(&credential), [format!("mesh/{JOB} proven certificate")]);
    assert_eq!(credential.token.expires_at, UnixMillis::new((NOW + 60) * 1000));
    let odd = Shows { forwarded: Some("URI"), ..Shows::default() };
    assert_eq!(code(&authenticator, &odd).await, "peer_malformed");
}

#[tokio::test]
async fn the_peer_proves_the_actor_that_a_token_names() {
    let world = World::new(|_| ());
    let authenticator = world.authenticator();
    let act = json!({ "sub": JOB, "iss": "https://mesh.example" });
    let token = world.token(&json!({ "sub": "ticket", "act": act }));
    let credential = asked(&authenticator, &bearer(&token)).await.unwrap();
    assert_eq!(told(&credential)[1], format!("mesh/{JOB} attested named"));
    assert!(!credential.sender_constrained);
    let (job, other) = (TestCertificate::new(JOB), TestCertificate::new(OTHER));
    let shows = Shows { certificate: Some(&job), ..bearer(&token) };
    let credential = asked(&authenticator, &shows).await.unwrap();
    assert_eq!(
        told(&credential),
        ["ci/ticket attested named".to_owned(), format!("mesh/{JOB} proven certificate")]
    );
    assert!(credential.sender_constrained);
    let shows = Shows { certificate: Some(&other), ..bearer(&token) };
    let credential = asked(&authenticator, &shows).await.unwrap();
    assert_eq!(told(&credential)[1], format!("mesh/{JOB} attested named"));
    assert!(!credential.sender_constrained);
    // A workload of the same name in another trust domain is another one.
    let twin = JOB.replace("cluster.local", "partner.example");
    let twin = TestCertificate::new(&twin);
    let shows = Shows { certificate: Some(&twin), ..bearer(&token) };
    assert!(!asked(&authenticator, &shows).await.unwrap().sender_constrained);
}

#[tokio::test]
async fn a_token_can_be_bound_to_the_workload_that_it_names() {
    let world = World::new(|settings| {
        settings.issuers[1].peer_binding = Some("same".parse().unwrap());
        settings.issuers[0].peer_binding =
            Some("spiffe://cluster.local/ns/shop/sa/{subject}".parse().unwrap());
    });
    let authenticator = world.authenticator();
    let (job, other) = (TestCertificate::new(JOB), TestCertificate::new(OTHER));
    let website = TestCertificate::new("https://cluster.local/job");
    let svid = world.mesh_key.mint(&claims("mesh", &json!({ "sub": JOB })));
    for token in [&svid, &world.token(&json!({}))] {
        let with = |certificate| Shows { certificate: Some(certificate), ..bearer(token) };
        assert!(asked(&authenticator, &with(&job)).await.unwrap().sender_constrained);
        assert_eq!(code(&authenticator, &with(&other)).await, "peer_mismatch");
        assert_eq!(code(&authenticator, &with(&website)).await, "peer_mismatch");
        assert_eq!(code(&authenticator, &bearer(token)).await, "peer_missing");
        let hidden = Shows { principal: Some(JOB), ..bearer(token) };
        assert_eq!(code(&authenticator, &hidden).await, "peer_hidden");
    }
}

#[tokio::test]
async fn a_certificate_says_who_calls_beside_a_second_credential() {
    let job = TestCertificate::new(JOB);
    let second = |holds| {
        World::new(move |settings| {
            let header = "txn-token".parse().unwrap();
            settings.second = Some(SecondCredential { header, holds });
        })
    };
    let world = second(Holds::Subject);
    let shows = Shows {
        second: Some(world.token(&json!({ "sub": "ticket" }))),
        certificate: Some(&job),
        ..Shows::default()
    };
    let credential = asked(&world.authenticator(), &shows).await.unwrap();
    assert_eq!(
        told(&credential),
        ["ci/ticket proven token".to_owned(), format!("mesh/{JOB} proven certificate")]
    );
    assert!(credential.sender_constrained);
    // On whose behalf, it does not say.
    let world = second(Holds::Actor);
    let shows = Shows {
        second: Some(world.token(&json!({}))),
        certificate: Some(&job),
        ..Shows::default()
    };
    assert_eq!(code(&world.authenticator(), &shows).await, "token_missing");
}

#[tokio::test]
async fn a_second_credential_that_is_bound_to_a_key_has_no_proof() {
    let world = World::new(|settings| {
        let header = "txn-token".parse().unwrap();
        settings.second = Some(SecondCredential { header, holds: Holds::Subject });
    });
    let authenticator = world.authenticator();
    let token = world.bound();
    let mut shows = dpop(&token, world.proof(&token, "1"));
    shows.second = Some(world.token(&json!({ "sub": "x", "cnf": { "jkt": world.jkt() } })));
    assert_eq!(code(&authenticator, &shows).await, "proof_missing");
}

#[tokio::test]
async fn a_proof_where_a_token_is_asked_for_names_its_key_once() {
    let world = World::new(|_| ());
    let authenticator = world.authenticator();
    let proof = world.proof("any", "1");
    let presented = Presented {
        proof: Some(&proof),
        method: "GET",
        scheme: "https",
        authority: "api.example",
        path: "/jobs",
        ..Presented::default()
    };
    let now = UnixMillis::new(NOW * 1000);
    let unspent = || authenticator.unspent_proof(&presented, now).unwrap().unwrap();
    let key = unspent().key;
    assert_eq!(key.to_string(), world.jkt());
    assert_eq!(authenticator.spend(unspent(), now), Ok(()));
    assert_eq!(authenticator.spend(unspent(), now), Err(IdentityError::ProofReplayed));
    let none = Presented { proof: None, ..presented };
    assert!(authenticator.unspent_proof(&none, now).unwrap().is_none());
    // Whoever has that key may show tokens that are bound to it, and others.
    let thief = Thumbprint::of_key(TestKey::new("t", Algorithm::Es256).jwk().as_object().unwrap());
    let (bound, unbound) = (world.bound(), world.token(&json!({})));
    for (token, by, expected) in [
        (&bound, Some(key), "accepted"),
        (&bound, thief, "token_binding_mismatch"),
        (&bound, None, "proof_missing"),
        (&unbound, Some(key), "accepted"),
    ] {
        let token = Token::parse(token).unwrap();
        let answer = authenticator.verify_with(&token, by, &Acceptance::default(), now).await;
        assert_eq!(answer.map_or_else(|error| error.code(), |_| "accepted"), expected);
    }
}

#[test]
fn settings_about_certificates_that_contradict_each_other_are_refused() {
    let told = |change: &dyn Fn(&mut AuthenticatorSettings)| {
        let made = Authenticator::new(World::new(|settings| change(settings)).settings);
        made.map_or_else(|error| error.to_string(), |_| String::new())
    };
    assert_eq!(told(&|_| ()), "");
    let twice = told(&|settings| {
        settings.issuers[2].trust_domain = settings.issuers[1].trust_domain.clone();
    });
    assert!(twice.contains("`mesh` and `partner`"), "{twice}");
    let nothing = told(&|settings| settings.issuers[2].trust_domain = None);
    assert!(nothing.contains("neither keys"), "{nothing}");
    let nowhere = told(&|settings| settings.peer = PeerSource::Nowhere);
    assert!(nowhere.contains("from: tls"), "{nowhere}");
}

proptest! {
    /// Whoever has not the key gets nothing from a bound token, whatever they send.
    #[test]
    fn a_stolen_bound_token_is_worth_nothing(
        scheme in "(Bearer|DPoP|bearer|dpop)",
        htm in "(GET|POST)",
        age in -120..120_i64,
        claims_jkt in any::<bool>(),
    ) {
        let world = World::new(|_| ());
        let token = world.bound();
        let thief = TestKey::new("t", Algorithm::Es256);
        let jwk = if claims_jkt { world.sender.jwk() } else { thief.jwk() };
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk });
        let ath = URL_SAFE_NO_PAD.encode(Sha256::digest(&token));
        let claims = json!({
            "jti": "1", "htm": htm, "htu": "https://api.example/jobs", "iat": NOW + age, "ath": ath,
        });
        let shows = Shows {
            authorization: Some(format!("{scheme} {token}")),
            proof: Some(thief.mint_with(&header, &claims.to_string())),
            ..Shows::default()
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        prop_assert!(runtime.block_on(asked(&world.authenticator(), &shows)).is_err());
    }
}
