use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response as Answered};
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;
use crate::identity::test_issuer::TestKey;
use crate::identity::{
    Acceptance, Algorithm, Authenticator, AuthenticatorSettings, Credential, CredentialKind,
    GroupName, IssuerSettings, IssuerUrl, KeySource, Preset, TokenProfile,
};

const NOW: i64 = 1_800_000_000;
const OWN_TOKEN: &str = "own-token-of-the-server";

/// What the API server does next.
#[derive(Clone)]
enum Reaction {
    /// Answers as the documentation says, for a token that it knows.
    Known(Value),
    /// The same, for one that it does not.
    Unknown,
    Status(u16),
    Text(&'static str),
    Never,
}

/// An API server: it wants our own token, and reviews what it is asked about.
struct ApiServer {
    address: SocketAddr,
    state: Arc<Asked>,
    task: JoinHandle<()>,
}

struct Asked {
    reaction: Mutex<Reaction>,
    questions: Mutex<VecDeque<Value>>,
    count: AtomicUsize,
}

impl ApiServer {
    async fn start(reaction: Reaction) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (state, router) = Self::router(reaction);
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, state, task }
    }

    fn router(reaction: Reaction) -> (Arc<Asked>, Router) {
        let state = Arc::new(Asked {
            reaction: Mutex::new(reaction),
            questions: Mutex::default(),
            count: AtomicUsize::new(0),
        });
        let router = Router::new()
            .route("/apis/authentication.k8s.io/v1/tokenreviews", post(review))
            .with_state(Arc::clone(&state));
        (state, router)
    }

    fn reacts(&self, reaction: Reaction) {
        *self.state.reaction.lock().unwrap() = reaction;
    }

    fn asked(&self) -> usize {
        self.state.count.load(Ordering::SeqCst)
    }
}

async fn review(State(state): State<Arc<Asked>>, headers: HeaderMap, body: Bytes) -> Answered {
    state.count.fetch_add(1, Ordering::SeqCst);
    let credential = headers.get("authorization").and_then(|value| value.to_str().ok());
    if credential != Some(&format!("Bearer {OWN_TOKEN}")) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let question: Value = serde_json::from_slice(&body).unwrap();
    let reaction = state.reaction.lock().unwrap().clone();
    let status = match reaction {
        Reaction::Known(user) => json!({
            "authenticated": true, "user": user, "audiences": question["spec"]["audiences"],
        }),
        Reaction::Unknown => json!({ "user": {}, "error": "[invalid bearer token]" }),
        Reaction::Status(status) => return StatusCode::from_u16(status).unwrap().into_response(),
        Reaction::Text(text) => return text.into_response(),
        Reaction::Never => std::future::pending().await,
    };
    let mut answer = question.clone();
    answer["status"] = status;
    state.questions.lock().unwrap().push_back(question);
    (StatusCode::CREATED, answer.to_string()).into_response()
}

/// What an API server of version 1.33 says of a pod's token.
fn pod() -> Value {
    json!({
        "username": "system:serviceaccount:shop:deploy",
        "uid": "14ee3fa4-a7e2-420f-9f9a-dbc4507c3798",
        "groups": [
            "system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated",
        ],
        "extra": {
            "authentication.kubernetes.io/credential-id": ["JTI=3ab5a8ac"],
            "authentication.kubernetes.io/node-name": ["node-1"],
            "authentication.kubernetes.io/node-uid": ["646e7c5e"],
            "authentication.kubernetes.io/pod-name": ["deploy-7"],
            "authentication.kubernetes.io/pod-uid": ["e87dbbd6"],
        },
    })
}

/// A server that has the tokens of the cluster `k8s` reviewed.
struct Reviewing {
    authenticator: Authenticator,
    settings: TokenReviewSettings,
    key: TestKey,
    own_token: tempfile::NamedTempFile,
}

impl Reviewing {
    fn at(url: &str, authorities: Option<Vec<Certificate>>) -> Self {
        let own_token = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(own_token.path(), format!("{OWN_TOKEN}\n")).unwrap();
        let audiences = BTreeSet::from(["customers".to_owned()]);
        let review = TokenReviewSettings {
            url: JwksUrl::parse(url).unwrap(),
            authorities,
            token_file: Some(own_token.path().to_owned()),
            audiences: audiences.clone(),
            cache: Duration::from_secs(30),
        };
        let issuer = IssuerUrl::parse("https://kubernetes.default.svc").unwrap();
        let settings = IssuerSettings {
            audiences,
            attributes: Preset::Kubernetes.attributes(),
            groups: vec![crate::identity::GroupClaim::parse("groups", None).unwrap()],
            profile: TokenProfile::ServiceAccount,
            ..IssuerSettings::new("k8s".parse().unwrap(), issuer, KeySource::Review(review.clone()))
        };
        let authenticator = Authenticator::new(AuthenticatorSettings::new(vec![settings])).unwrap();
        Self {
            authenticator,
            settings: review,
            key: TestKey::new("k", Algorithm::Es256),
            own_token,
        }
    }

    fn of(server: &ApiServer) -> Self {
        Self::at(&format!("http://{}/", server.address), None)
    }

    /// A token that says it is somebody else's, in case that is believed.
    fn token(&self, changes: &Value) -> String {
        let mut claims = json!({
            "iss": "https://kubernetes.default.svc", "aud": "everybody", "sub": "root",
            "groups": ["admins"], "iat": NOW, "exp": NOW + 600,
            "kubernetes.io": { "namespace": "kube-system" },
        });
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        self.key.mint(&claims)
    }

    async fn read_at(&self, token: &str, now: i64) -> Result<Credential, IdentityError> {
        let token = Token::parse(token)?;
        let now = UnixMillis::new(now * 1000);
        self.authenticator.verify(&token, &Acceptance::default(), now).await
    }

    async fn code(&self, token: &str, now: i64) -> &'static str {
        self.read_at(token, now).await.map_or_else(|error| error.code(), |_| "accepted")
    }
}

#[tokio::test]
async fn the_api_server_says_who_it_is_and_the_token_only_where_to_ask() {
    let server = ApiServer::start(Reaction::Known(pod())).await;
    let reviewing = Reviewing::of(&server);
    let token = reviewing.token(&json!({}));
    let credential = reviewing.read_at(&token, NOW).await.unwrap();
    assert_eq!(credential.chain.depth(), 1);
    let hop = credential.chain.current();
    assert_eq!(hop.principal.to_string(), "k8s/system:serviceaccount:shop:deploy");
    assert_eq!(hop.credential, CredentialKind::Opaque);
    let groups: Vec<_> = hop.groups.iter().map(GroupName::as_str).collect();
    assert_eq!(
        groups,
        ["system:authenticated", "system:serviceaccounts", "system:serviceaccounts:shop"]
    );
    let attributes: Vec<_> =
        hop.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(
        attributes,
        [
            "namespace=shop",
            "node=node-1",
            "node_uid=646e7c5e",
            "pod=deploy-7",
            "pod_uid=e87dbbd6",
            "service_account=deploy",
            "service_account_uid=14ee3fa4-a7e2-420f-9f9a-dbc4507c3798",
        ]
    );
    assert_eq!(credential.token.id.as_deref(), Some("3ab5a8ac"));
    assert_eq!(credential.token.expires_at.seconds(), NOW + 600);
    let question = server.state.questions.lock().unwrap().pop_front().unwrap();
    assert_eq!(
        question,
        json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": { "token": token, "audiences": ["customers"] },
        })
    );
}

#[tokio::test]
async fn a_reviewed_token_can_be_revoked_by_its_key_and_by_its_id() {
    let mut review = pod();
    review.as_object_mut().unwrap().remove("extra");
    let server = ApiServer::start(Reaction::Known(review)).await;
    let reviewing = Reviewing::of(&server);
    let token = reviewing.token(&json!({ "jti": "own-id" }));
    let facts = reviewing.read_at(&token, NOW).await.unwrap().token;
    // The ids that revocations are looked up by.
    assert_eq!((facts.key.as_deref(), facts.id.as_deref()), (Some("k"), Some("own-id")));
}

#[tokio::test]
async fn what_the_api_server_does_not_vouch_for_is_refused() {
    let server = ApiServer::start(Reaction::Unknown).await;
    let reviewing = Reviewing::of(&server);
    let token = |nth: u8| reviewing.token(&json!({ "nth": nth }));
    assert_eq!(reviewing.code(&token(0), NOW).await, "token_inactive");
    // A server that does not know audiences vouches for nobody in particular.
    let unaware = r#"{"kind":"TokenReview","status":{"authenticated":true,"user":{"username":"system:serviceaccount:a:b"}}}"#;
    server.reacts(Reaction::Text(unaware));
    assert_eq!(reviewing.code(&token(1), NOW).await, "audience_mismatch");
    server.reacts(Reaction::Known(json!({ "username": "system:admin" })));
    assert_eq!(reviewing.code(&token(2), NOW).await, "claims_malformed");
    let nobody = r#"{"kind":"TokenReview","status":{"authenticated":true}}"#;
    server.reacts(Reaction::Text(nobody));
    assert_eq!(reviewing.code(&token(3), NOW).await, "token_inactive");
}

#[tokio::test]
async fn a_token_may_say_that_it_is_good_for_less() {
    let server = ApiServer::start(Reaction::Known(pod())).await;
    let reviewing = Reviewing::of(&server);
    let code = async |changes: Value| reviewing.code(&reviewing.token(&changes), NOW).await;
    for early in [
        json!({ "exp": null }),
        json!({ "exp": NOW - 60 }),
        json!({ "nbf": NOW + 60 }),
        json!({ "act": { "sub": "root" } }),
    ] {
        assert_ne!(code(early).await, "accepted");
    }
    assert_eq!(server.asked(), 0, "there is nothing to ask");
    assert_eq!(code(json!({ "exp": null })).await, "claims_malformed");
    assert_eq!(code(json!({ "exp": NOW - 60 })).await, "token_expired");
    assert_eq!(code(json!({ "nbf": NOW + 60 })).await, "token_not_yet_valid");
    assert_eq!(code(json!({ "exp": NOW + 100_000 })).await, "lifetime_too_long");
    let about = json!({ "warnafter": NOW - 60 });
    let ended = json!({ "exp": NOW + 100_000, "kubernetes.io": about });
    assert_eq!(code(ended).await, "token_expired");
    assert_eq!(code(json!({ "cnf": { "jkt": "A".repeat(43) } })).await, "proof_missing");
    assert_eq!(code(json!({ "act": { "sub": "root" } })).await, "claims_malformed");
}

#[tokio::test]
async fn answers_are_remembered_for_a_while_and_never_past_the_tokens_end() {
    let server = ApiServer::start(Reaction::Known(pod())).await;
    let reviewing = Reviewing::of(&server);
    let token = reviewing.token(&json!({ "exp": NOW + 45 }));
    for now in [NOW, NOW + 10, NOW + 29] {
        assert_eq!(reviewing.code(&token, now).await, "accepted");
    }
    assert_eq!(server.asked(), 1);
    assert_eq!(reviewing.code(&token, NOW + 30).await, "accepted");
    assert_eq!(server.asked(), 2, "the answer was too old");
    assert_eq!(reviewing.code(&token, NOW + 44).await, "accepted");
    assert_eq!(server.asked(), 2);
    server.reacts(Reaction::Unknown);
    assert_eq!(reviewing.code(&token, NOW + 45).await, "token_inactive");
    assert_eq!(server.asked(), 3, "the token had ended");
    assert_eq!(reviewing.code(&token, NOW + 49).await, "token_inactive");
    assert_eq!(server.asked(), 3);
    assert_eq!(reviewing.code(&token, NOW + 50).await, "token_inactive");
    assert_eq!(server.asked(), 4, "a refusal is remembered for a short time");
}

#[tokio::test]
async fn an_api_server_that_cannot_be_asked_is_nobodys_fault_and_asked_again() {
    let server = ApiServer::start(Reaction::Status(500)).await;
    let reviewing = Reviewing::of(&server);
    let token = reviewing.token(&json!({}));
    let unavailable = "introspection_unavailable";
    for (nth, reaction) in [
        Reaction::Status(500),
        Reaction::Status(403),
        Reaction::Status(302),
        Reaction::Text("<html>"),
        Reaction::Text(r#"{"kind":"Status","status":"Failure"}"#),
    ]
    .into_iter()
    .enumerate()
    {
        server.reacts(reaction);
        let token = reviewing.token(&json!({ "nth": nth }));
        assert_eq!(reviewing.code(&token, NOW).await, unavailable);
    }
    let health = reviewing.authenticator.health(UnixMillis::new(NOW * 1000));
    assert!(health[0].ready && health[0].last_error.is_some(), "{health:?}");
    server.reacts(Reaction::Known(pod()));
    assert_eq!(reviewing.code(&token, NOW).await, "accepted");
    let health = reviewing.authenticator.health(UnixMillis::new(NOW * 1000));
    assert_eq!(health[0].last_error, None);
    // Our own token is read anew: the kubelet has replaced it.
    std::fs::write(reviewing.own_token.path(), "another").unwrap();
    assert_eq!(reviewing.code(&reviewing.token(&json!({ "n": 1 })), NOW).await, unavailable);
    std::fs::remove_file(reviewing.own_token.path()).unwrap();
    assert_eq!(reviewing.code(&reviewing.token(&json!({ "n": 2 })), NOW).await, unavailable);
    std::fs::write(reviewing.own_token.path(), OWN_TOKEN).unwrap();
    server.task.abort();
    assert!(server.task.await.unwrap_err().is_cancelled());
    assert_eq!(reviewing.code(&reviewing.token(&json!({ "n": 3 })), NOW).await, unavailable);
    assert_eq!(reviewing.code(&token, NOW).await, "accepted", "what is known stays known");
}

#[tokio::test]
async fn an_api_server_that_does_not_answer_holds_nobody_up() {
    let server = ApiServer::start(Reaction::Never).await;
    let reviewing = Reviewing::of(&server);
    let mut review = TokenReview::new("k8s".parse().unwrap(), reviewing.settings.clone()).unwrap();
    review.timeout = Duration::from_millis(300);
    let review = Arc::new(review);
    let mut reviews = tokio::task::JoinSet::new();
    let started = std::time::Instant::now();
    for nth in 0..3 * MAX_AT_ONCE {
        let token = Token::parse(&reviewing.token(&json!({ "n": nth }))).unwrap();
        let review = Arc::clone(&review);
        reviews.spawn(async move {
            let now = UnixMillis::new(NOW * 1000);
            review.claims(&token, b"{}", now, |_| Ok(())).await.unwrap_err()
        });
    }
    for error in reviews.join_all().await {
        assert_eq!(error, IdentityError::IntrospectionUnavailable);
    }
    assert!(started.elapsed() < REVIEW_TIMEOUT, "{:?}", started.elapsed());
    // Those that waited for their turn until it was too late were not sent.
    assert!((1..=2 * MAX_AT_ONCE).contains(&server.asked()), "{} were sent", server.asked());
}

#[tokio::test]
async fn requests_at_once_with_one_token_share_one_review() {
    let server = ApiServer::start(Reaction::Known(pod())).await;
    let reviewing = Arc::new(Reviewing::of(&server));
    let at_once = async |token: &str| {
        let mut requests = tokio::task::JoinSet::new();
        for _ in 0..30 {
            let (reviewing, token) = (Arc::clone(&reviewing), token.to_owned());
            requests.spawn(async move { reviewing.code(&token, NOW).await });
        }
        requests.join_all().await
    };
    assert_eq!(at_once(&reviewing.token(&json!({}))).await, ["accepted"; 30]);
    assert_eq!(server.asked(), 1);
    server.reacts(Reaction::Status(500));
    let failing = reviewing.token(&json!({ "n": 1 }));
    assert_eq!(at_once(&failing).await, ["introspection_unavailable"; 30]);
    assert_eq!(server.asked(), 2, "a failure is shared as well");
    server.reacts(Reaction::Known(pod()));
    let started = Instant::now();
    while reviewing.code(&failing, NOW).await != "accepted" {
        assert_eq!(server.asked(), 2, "it is left alone for a while");
        assert!(started.elapsed() < AFTER_FAILURE * 5, "it is not asked again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(server.asked(), 3);
}

#[tokio::test]
async fn whoever_waits_for_the_api_server_is_answered_before_envoy_gives_up() {
    let server = ApiServer::start(Reaction::Never).await;
    let reviewing = Reviewing::of(&server);
    let token = reviewing.token(&json!({}));
    let started = Instant::now();
    let codes = tokio::join!(reviewing.code(&token, NOW), reviewing.code(&token, NOW));
    assert_eq!(codes, ("introspection_unavailable", "introspection_unavailable"));
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

/// An API server behind TLS, with a certificate of its own authority for its address.
async fn behind_tls() -> (SocketAddr, String) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    use tokio_rustls::rustls::{self, pki_types};
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::<String>::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_certificate = ca.self_signed(&ca_key).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
    let private = pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], private)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let (_, router) = ApiServer::router(Reaction::Known(pod()));
    tokio::spawn(axum::serve(TlsListener { listener, acceptor }, router).into_future());
    (address, ca_certificate.pem())
}

struct TlsListener {
    listener: TcpListener,
    acceptor: tokio_rustls::TlsAcceptor,
}

impl axum::serve::Listener for TlsListener {
    type Io = tokio_rustls::server::TlsStream<tokio::net::TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.listener.accept().await.unwrap();
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

#[tokio::test]
async fn an_api_server_is_who_its_authority_says() {
    let (address, authority) = behind_tls().await;
    let url = format!("https://{address}");
    let authorities = Certificate::from_pem_bundle(authority.as_bytes()).unwrap();
    let reviewing = Reviewing::at(&url, Some(authorities));
    assert_eq!(reviewing.code(&reviewing.token(&json!({})), NOW).await, "accepted");
    let (_, other) = behind_tls().await;
    let others = Certificate::from_pem_bundle(other.as_bytes()).unwrap();
    let reviewing = Reviewing::at(&url, Some(others));
    let code = reviewing.code(&reviewing.token(&json!({})), NOW).await;
    assert_eq!(code, "introspection_unavailable");
}
