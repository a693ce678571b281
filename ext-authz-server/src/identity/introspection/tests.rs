use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::json;

use super::*;
use crate::identity::{
    Acceptance, Algorithm, Authenticator, AuthenticatorSettings, Credential, IssuerSettings,
    KeySource, Presented, SettingsError,
};

const NOW: UnixMillis = UnixMillis::new(1_800_000_000_000);

/// What the endpoint answers.
#[derive(Clone)]
enum Says {
    Json(Value),
    /// Late enough for others to ask meanwhile.
    Late(Value),
    Text(String),
    Status(u16),
    Redirect,
    Never,
}

/// An introspection endpoint on a real port.
struct Endpoint {
    url: String,
    state: Arc<Asked>,
}

struct Asked {
    says: Mutex<Says>,
    count: AtomicUsize,
    last: Mutex<(String, String)>,
}

impl Endpoint {
    async fn start(says: Says) -> Self {
        let state = Arc::new(Asked {
            says: Mutex::new(says),
            count: AtomicUsize::new(0),
            last: Mutex::default(),
        });
        let router =
            Router::new().route("/introspect", post(answer)).with_state(Arc::clone(&state));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/introspect", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, state }
    }

    fn says(&self, says: Says) {
        *self.state.says.lock().unwrap() = says;
    }

    fn count(&self) -> usize {
        self.state.count.load(Ordering::SeqCst)
    }

    fn settings(&self) -> IntrospectionSettings {
        IntrospectionSettings {
            url: JwksUrl::parse(&self.url).unwrap(),
            client_id: "chaperone:1".to_owned(),
            client_secret: ClientSecret::new("s ecret").unwrap(),
            prefix: None,
            timeout: Duration::from_secs(2),
            remember_active: Duration::from_mins(1),
            remember_inactive: Duration::from_mins(1),
        }
    }

    fn issuer(&self, name: &str) -> IssuerSettings {
        let issuer = IssuerUrl::parse(&format!("https://{name}.example")).unwrap();
        IssuerSettings {
            audiences: ["customers".to_owned()].into(),
            introspection: Some(self.settings()),
            ..IssuerSettings::new(name.parse().unwrap(), issuer, KeySource::Unsigned)
        }
    }

    fn authenticator(&self) -> Authenticator {
        authenticator(vec![self.issuer("legacy")])
    }
}

async fn answer(State(state): State<Arc<Asked>>, headers: HeaderMap, body: String) -> Response {
    state.count.fetch_add(1, Ordering::SeqCst);
    let authorization = headers["authorization"].to_str().unwrap().to_owned();
    *state.last.lock().unwrap() = (authorization, body);
    let says = state.says.lock().unwrap().clone();
    match says {
        Says::Json(value) => value.to_string().into_response(),
        Says::Late(value) => {
            tokio::time::sleep(Duration::from_millis(100)).await;
            value.to_string().into_response()
        }
        Says::Text(text) => text.into_response(),
        Says::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Says::Redirect => {
            (StatusCode::TEMPORARY_REDIRECT, [("location", "/introspect")]).into_response()
        }
        Says::Never => std::future::pending().await,
    }
}

fn authenticator(issuers: Vec<IssuerSettings>) -> Authenticator {
    Authenticator::new(AuthenticatorSettings::new(issuers)).unwrap()
}

/// An answer about a good token, with `changes`; a null takes a member away.
fn active(changes: &Value) -> Value {
    let now = NOW.seconds();
    let mut answer = json!({
        "active": true, "sub": "batch", "aud": "customers", "iat": now, "exp": now + 300,
        "scope": "read write", "jti": "o-1", "iss": "https://legacy.example",
    });
    let members = answer.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => members.remove(name),
            value => members.insert(name.clone(), value.clone()),
        };
    }
    answer
}

async fn ask(
    authenticator: &Authenticator,
    token: &str,
    now: UnixMillis,
) -> Result<Credential, IdentityError> {
    let authorization = format!("Bearer {token}");
    let presented = Presented { authorization: Some(&authorization), ..Presented::default() };
    authenticator.authenticate(&presented, &Acceptance::default(), now).await
}

async fn code(authenticator: &Authenticator, token: &str) -> &'static str {
    ask(authenticator, token, NOW).await.map_or_else(|error| error.code(), |_| "accepted")
}

#[tokio::test]
async fn an_opaque_token_proves_whom_its_issuer_says() {
    let endpoint = Endpoint::start(Says::Json(active(&json!({})))).await;
    let credential = ask(&endpoint.authenticator(), "a~b+c/d==", NOW).await.unwrap();
    let hop = credential.chain.current();
    assert_eq!(hop.principal.to_string(), "legacy/batch");
    assert_eq!(hop.credential.name(), "opaque");
    assert_eq!(hop.assurance.name(), "proven");
    assert_eq!(credential.token.id.as_deref(), Some("o-1"));
    assert_eq!(credential.token.authority.scopes.as_ref().unwrap().len(), 2);
    let (authorization, body) = endpoint.state.last.lock().unwrap().clone();
    assert_eq!(body, "token=a%7Eb%2Bc%2Fd%3D%3D&token_type_hint=access_token");
    // RFC 6749 section 2.3.1: each is encoded before they are joined.
    let basic = STANDARD.decode(authorization.strip_prefix("Basic ").unwrap()).unwrap();
    assert_eq!(basic, b"chaperone%3A1:s+ecret");
}

#[tokio::test]
async fn a_client_that_acts_for_nobody_is_its_own_subject() {
    let client = json!({ "sub": null, "client_id": "nightly" });
    let endpoint = Endpoint::start(Says::Json(active(&client))).await;
    let credential = ask(&endpoint.authenticator(), "a", NOW).await.unwrap();
    assert_eq!(credential.chain.current().principal.to_string(), "legacy/nightly");
    endpoint.says(Says::Json(active(&json!({ "sub": null }))));
    assert_eq!(code(&endpoint.authenticator(), "b").await, "subject_missing");
    endpoint.says(Says::Json(active(&json!({ "client_id": "nightly" }))));
    let credential = ask(&endpoint.authenticator(), "c", NOW).await.unwrap();
    assert_eq!(credential.chain.current().principal.to_string(), "legacy/batch");
}

#[tokio::test]
async fn its_claims_are_read_as_strictly_as_signed_ones() {
    for (changes, expected) in [
        (json!({}), "accepted"),
        (json!({ "iss": null }), "accepted"),
        (json!({ "active": false }), "token_inactive"),
        (json!({ "iss": "https://other.example" }), "claims_malformed"),
        (json!({ "iss": 7 }), "claims_malformed"),
        (json!({ "sub": null }), "subject_missing"),
        (json!({ "exp": null }), "exp_missing"),
        (json!({ "exp": NOW.seconds() - 60, "iat": NOW.seconds() - 90 }), "token_expired"),
        (json!({ "exp": NOW.seconds() + 7200 }), "lifetime_too_long"),
        (json!({ "aud": null }), "audience_mismatch"),
        (json!({ "aud": "orders" }), "audience_mismatch"),
        (
            json!({ "cnf": { "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" } }),
            "proof_missing",
        ),
        (json!({ "cnf": { "x": 1 } }), "cnf_unsupported"),
        (json!({ "act": { "sub": "batch" } }), "chain_loop"),
    ] {
        let endpoint = Endpoint::start(Says::Json(active(&changes))).await;
        assert_eq!(code(&endpoint.authenticator(), "opaque").await, expected, "{changes}");
    }
    let deep = (0..20)
        .fold(json!({ "sub": "a" }), |act, nth| json!({ "sub": format!("{nth}"), "act": act }));
    let endpoint = Endpoint::start(Says::Json(active(&json!({ "act": deep })))).await;
    assert_eq!(code(&endpoint.authenticator(), "opaque").await, "chain_too_deep");
}

#[tokio::test]
async fn an_issuer_that_gives_no_proper_answer_is_unavailable() {
    let padded = active(&json!({ "padding": "x".repeat(MAX_ANSWER_BYTES) }));
    for (says, what) in [
        (Says::Status(500), "an error"),
        (Says::Status(401), "our secret is wrong"),
        (Says::Redirect, "a redirect"),
        (Says::Never, "nothing"),
        (Says::Json(padded), "too much"),
        (Says::Text("<html>".to_owned()), "no JSON"),
        (Says::Text(r#"{"active":true,"active":false}"#.to_owned()), "a name twice"),
        (Says::Json(json!({ "active": "true" })), "no truth value"),
        (Says::Json(json!({ "sub": "batch" })), "no `active`"),
        (Says::Json(json!([true])), "no object"),
    ] {
        let endpoint = Endpoint::start(says).await;
        let mut issuer = endpoint.issuer("legacy");
        issuer.introspection.as_mut().unwrap().timeout = Duration::from_millis(300);
        let authenticator = authenticator(vec![issuer]);
        let error = ask(&authenticator, "opaque", NOW).await.unwrap_err();
        assert_eq!(error.code(), "introspection_unavailable", "{what}");
        assert_eq!(error.fault(), crate::identity::Fault::Operator);
        assert_eq!(endpoint.count(), 1, "{what}: a redirect is not followed");
        assert_eq!(code(&authenticator, "opaque").await, "introspection_unavailable");
        assert_eq!(endpoint.count(), 1, "{what}: it is left alone for a while");
    }
}

#[tokio::test]
async fn an_issuer_that_is_down_is_asked_again_when_it_is_back() {
    let endpoint = Endpoint::start(Says::Status(503)).await;
    let authenticator = endpoint.authenticator();
    assert_eq!(code(&authenticator, "opaque").await, "introspection_unavailable");
    endpoint.says(Says::Json(active(&json!({}))));
    let deadline = Instant::now() + AFTER_FAILURE * 5;
    while code(&authenticator, "opaque").await != "accepted" {
        assert!(Instant::now() < deadline, "it is not asked again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(endpoint.count(), 2);
}

#[tokio::test]
async fn requests_at_once_with_one_token_share_one_question() {
    let endpoint = Endpoint::start(Says::Late(active(&json!({})))).await;
    let authenticator = Arc::new(endpoint.authenticator());
    let asking = |nth: usize| {
        let authenticator = Arc::clone(&authenticator);
        tokio::spawn(async move { code(&authenticator, &format!("opaque-{}", nth % 2)).await })
    };
    for asked in (0..50).map(asking).collect::<Vec<_>>() {
        assert_eq!(asked.await.unwrap(), "accepted");
    }
    assert_eq!(endpoint.count(), 2, "one question a token");
}

#[tokio::test]
async fn a_request_that_gives_up_leaves_its_question_to_the_next() {
    let endpoint = Endpoint::start(Says::Never).await;
    let authenticator = endpoint.authenticator();
    let impatient = timeout(Duration::from_millis(50), ask(&authenticator, "opaque", NOW)).await;
    assert!(impatient.is_err());
    endpoint.says(Says::Json(active(&json!({}))));
    assert_eq!(code(&authenticator, "opaque").await, "accepted");
}

#[tokio::test]
async fn answers_are_remembered_both_ways_and_never_past_the_end() {
    let endpoint = Endpoint::start(Says::Json(active(&json!({})))).await;
    let authenticator = endpoint.authenticator();
    assert_eq!(code(&authenticator, "good").await, "accepted");
    endpoint.says(Says::Json(json!({ "active": false })));
    assert_eq!(code(&authenticator, "bad").await, "token_inactive");
    assert_eq!(code(&authenticator, "good").await, "accepted", "remembered");
    endpoint.says(Says::Json(active(&json!({}))));
    assert_eq!(code(&authenticator, "bad").await, "token_inactive", "remembered");
    assert_eq!(endpoint.count(), 2);
    // The end of a token is judged at each request, whatever is remembered.
    let late = NOW.after(Duration::from_secs(331));
    let error = ask(&authenticator, "good", late).await.unwrap_err();
    assert_eq!(error.code(), "token_expired");
}

#[tokio::test]
async fn what_is_remembered_is_forgotten_in_time() {
    let endpoint = Endpoint::start(Says::Json(active(&json!({})))).await;
    let mut issuer = endpoint.issuer("legacy");
    let settings = issuer.introspection.as_mut().unwrap();
    (settings.remember_active, settings.remember_inactive) =
        (Duration::from_millis(30), Duration::ZERO);
    let authenticator = authenticator(vec![issuer]);
    assert_eq!(code(&authenticator, "opaque").await, "accepted");
    endpoint.says(Says::Json(json!({ "active": false })));
    let deadline = Instant::now() + Duration::from_secs(5);
    while code(&authenticator, "opaque").await != "token_inactive" {
        assert!(Instant::now() < deadline, "it is believed to be good for ever");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    endpoint.says(Says::Json(active(&json!({}))));
    assert_eq!(code(&authenticator, "opaque").await, "accepted", "nothing bad is remembered");
    // A token that ends soon is not remembered past its end.
    let soon = active(&json!({ "exp": NOW.seconds() }));
    endpoint.says(Says::Json(soon));
    let before = endpoint.count();
    assert_eq!(code(&authenticator, "soon").await, "accepted", "within the leeway");
    assert_eq!(code(&authenticator, "soon").await, "accepted");
    assert_eq!(endpoint.count(), before + 2);
}

#[tokio::test]
async fn a_token_goes_to_the_issuer_whose_prefix_it_has_and_to_no_other() {
    let (a, b) = (
        Endpoint::start(Says::Json(active(&json!({ "iss": null, "sub": "of-a" })))).await,
        Endpoint::start(Says::Json(active(&json!({ "iss": null, "sub": "of-b" })))).await,
    );
    let with = |endpoint: &Endpoint, name: &str, prefix: Option<&str>| {
        let mut issuer = endpoint.issuer(name);
        issuer.introspection.as_mut().unwrap().prefix = prefix.map(str::to_owned);
        issuer
    };
    let both = authenticator(vec![with(&a, "a", Some("opq_")), with(&b, "b", None)]);
    let who = async |token: &str| {
        ask(&both, token, NOW).await.unwrap().chain.current().principal.to_string()
    };
    assert_eq!(who("opq_1").await, "a/of-a");
    assert_eq!(who("other").await, "b/of-b");
    assert_eq!((a.count(), b.count()), (1, 1));
    let only = authenticator(vec![with(&a, "a", Some("opq_"))]);
    assert_eq!(code(&only, "other").await, "malformed", "nobody's");
    assert_eq!(a.count(), 1);
    let twice = vec![with(&a, "a", None), with(&b, "b", None)];
    let made = Authenticator::new(AuthenticatorSettings::new(twice));
    assert!(matches!(made, Err(SettingsError::PrefixTwice(..))));
}

#[tokio::test]
async fn a_signed_token_is_nobodys_to_be_asked_about() {
    use crate::identity::test_issuer::TestKey;
    let endpoint = Endpoint::start(Says::Json(active(&json!({})))).await;
    let authenticator = endpoint.authenticator();
    let key = TestKey::new("k", Algorithm::Es256);
    let token = key.mint(&active(&json!({})));
    assert_eq!(code(&authenticator, &token).await, "key_unknown", "it signs none");
    let token = key.mint(&active(&json!({ "iss": "https://other.example" })));
    assert_eq!(code(&authenticator, &token).await, "issuer_unknown");
    assert_eq!(endpoint.count(), 0);
    assert_eq!(code(&authenticator, "not.signed.dots").await, "accepted");
    assert_eq!(endpoint.count(), 1);
}

#[tokio::test]
async fn an_issuer_that_the_service_does_not_accept_is_not_asked() {
    let endpoint = Endpoint::start(Says::Json(active(&json!({})))).await;
    let authenticator = endpoint.authenticator();
    let acceptance =
        Acceptance { issuers: Some(["other".parse().unwrap()].into()), ..Acceptance::default() };
    let presented = Presented { authorization: Some("Bearer opaque"), ..Presented::default() };
    let refused = authenticator.authenticate(&presented, &acceptance, NOW).await;
    assert_eq!(refused.unwrap_err().code(), "issuer_not_accepted");
    assert_eq!(endpoint.count(), 0);
}

#[tokio::test]
async fn without_introspection_an_opaque_token_is_malformed() {
    let endpoint = Endpoint::start(Says::Json(active(&json!({})))).await;
    let keys = KeySource::url(JwksUrl::parse(&endpoint.url).unwrap());
    let issuer = IssuerSettings { keys, introspection: None, ..endpoint.issuer("legacy") };
    assert_eq!(code(&authenticator(vec![issuer]), "opaque").await, "malformed");
}

#[test]
fn a_client_secret_does_not_print() {
    let secret = ClientSecret::new("hunter2").unwrap();
    assert!(!format!("{secret:?}").contains("hunter2"));
    assert!(ClientSecret::new("").is_none());
}
