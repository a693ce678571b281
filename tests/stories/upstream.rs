//! What a service gets to see of its callers, and what callers are told of a service.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use harness::{Issuer, Mesh, Setup};
use reqwest::Method;
use serde_json::json;
use tokio::sync::OnceCell;

use crate::cast::{self, JOB};

/// Reading one customer's notes takes a scope, and the feed a person who logged in
/// within the last five minutes.
const POLICIES: &str = r#"
@id("notes-need-scope") @requires_scope("notes:read")
forbid (principal, action == Action::"http:get", resource)
when { context.request.path == "/notes" }
unless { context.token has scopes && context.token.scopes.contains("notes:read") };

@id("lists-need-fresh-login") @step_up_max_age("5m") @step_up_acr("phr")
forbid (principal, action == Action::"http:get", resource)
when { context.request.path == "/api/customers/2" }
unless { context.token has auth_age && context.token.auth_age <= 300 };
"#;

/// A mesh whose service has a credential and an address of its own.
async fn mesh() -> &'static Mesh {
    static MESH: OnceCell<Mesh> = OnceCell::const_new();
    let start = || async {
        let setup = Setup {
            configure: |text| {
                text.replace(
                    "upstream_credentials: remove",
                    "upstream_credentials: { own: { file: upstream.key } }\n    \
                     resource: { url: \"https://customers.example\", scopes: [\"notes:read\"], \
                     name: Customers }\n   ",
                )
            },
            files: &[("upstream.key", "first-secret\n"), ("policies/upstream.cedar", POLICIES)],
            ..Setup::default()
        };
        Mesh::start(setup).await.unwrap_or_else(|failure| panic!("{failure}"))
    };
    MESH.get_or_init(start).await
}

fn job(mesh: &Mesh, claims: &serde_json::Value) -> String {
    let mut all = json!({ "sub": JOB });
    for (name, value) in claims.as_object().unwrap() {
        all[name] = value.clone();
    }
    mesh.issuer.mint(Issuer::Github, &all)
}

#[tokio::test]
async fn a_service_gets_its_own_credential_and_nothing_that_a_client_says_of_itself() {
    let mesh = mesh().await;
    let mark = cast::mark();
    let ask = async |mark: &str| {
        let request = mesh
            .get(&format!("/api/customers/1?{mark}"))
            .token(&job(mesh, &json!({})))
            .header("x-forwarded-user", "root")
            .header("x-auth-request-email", "root@example.com")
            .header("x-chaperone-principal", "corp-idp/root")
            .header("txn-token", "forged")
            .header("x-custom", "kept");
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        mesh.upstream.seen_with(mark).remove(0)
    };
    let seen = ask(&mark).await;
    assert_eq!(seen.header("authorization"), Some("Bearer first-secret"));
    assert_eq!(seen.header("x-custom"), Some("kept"));
    for said in ["x-forwarded-user", "x-auth-request-email", "x-chaperone-principal", "txn-token"] {
        assert_eq!(seen.header(said), None, "{said} reached the service");
    }
    // The file is replaced, and the server is not restarted.
    mesh.workdir().write("upstream.key", "second-secret").unwrap();
    let rotated = async {
        loop {
            let seen = ask(&cast::mark()).await;
            if seen.header("authorization") == Some("Bearer second-secret") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), rotated).await.expect("the new one is used");
    assert!(!mesh.server.log().contains("-secret"), "a credential is in the log");
}

#[tokio::test]
async fn a_service_keeps_what_the_caller_sent_only_where_it_says_so() {
    let setup = Setup {
        configure: |text| {
            text.replace("upstream_credentials: remove", "upstream_credentials: keep")
        },
        ..Setup::default()
    };
    let mesh = Mesh::start(setup).await.unwrap();
    let (token, mark) = (job(&mesh, &json!({})), cast::mark());
    let request = mesh.get(&format!("/api/customers/1?{mark}")).token(&token);
    let answer = request.header("x-forwarded-user", "root").send().await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = mesh.upstream.seen_with(&mark).remove(0);
    assert_eq!(seen.header("authorization"), Some(format!("Bearer {token}").as_str()));
    assert_eq!(seen.header("x-forwarded-user"), None);
}

#[tokio::test]
async fn a_service_gets_a_token_that_says_who_calls_for_whom_and_by_which_decision() {
    let setup = Setup {
        configure: |text| {
            text.replace(
                "upstream_credentials: remove",
                "upstream_credentials: { token: { audience: customers.internal } }\n   ",
            )
        },
        ..Setup::default()
    };
    let mesh = Mesh::start(setup).await.unwrap();
    let mark = cast::mark();
    let nested = mesh.issuer.mint_nested(JOB, &["deploy-script"], &json!({ "txn": "ticket-7" }));
    let request = mesh.get(&format!("/api/customers/1?{mark}")).token(&nested);
    let answer = request.header("txn-token", "forged").send().await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = mesh.upstream.seen_with(&mark).remove(0);
    assert_eq!(seen.header("authorization"), None);
    let token = seen.header("txn-token").expect("the service's token").to_owned();
    // What the service does with it: verify it with the published keys.
    let keys = mesh.server.get("/oauth/jwks").await.unwrap();
    let keys = mesh.workdir().write("published.json", keys.to_string()).unwrap();
    let options = ["--issuer", &mesh.server.url(), "--audience", "customers.internal", "--jwks"];
    let verified = std::process::Command::new(mesh.server.binary())
        .args(["token", "verify"])
        .args(options)
        .arg(&keys)
        .stdin(std::fs::File::open(mesh.workdir().write("token", &token).unwrap()).unwrap())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&verified.stdout);
    // Alone, it does not know the issuers that the chain names, and that is all.
    assert!(told.contains("actor_issuer_unknown"), "{told}");
    let claims = claims(&token);
    assert_eq!(claims["txn"], "ticket-7");
    assert_eq!(claims["tctx"]["decision"], answer.decision().unwrap());
    assert_eq!(claims["sub"], format!("github/{JOB}"));
    assert_eq!(claims["sub_id"]["sub"], JOB);
    assert_eq!(claims["act"]["sub"], "deploy-script");
    assert_eq!(claims["req_wl"], "platform/deploy-script");
    assert_eq!(claims["aud"], "customers.internal");
    let lives = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
    assert_eq!(lives, 60);
    // It is no credential to call with.
    let mark = cast::mark();
    let request = mesh.get(&format!("/api/customers/1?{mark}")).token(&token);
    cast::refused(&mesh, &request.send().await.unwrap(), 401, "token_type_refused", &mark);
}

fn claims(token: &str) -> serde_json::Value {
    let payload = token.split('.').nth(1).expect("a signed token");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).expect("base64url")).expect("JSON")
}

#[tokio::test]
async fn whoever_asks_is_told_where_to_get_a_token() {
    let mesh = mesh().await;
    let url = "https://customers.example/.well-known/oauth-protected-resource";
    let refused = mesh.get("/api/customers/1").send().await.unwrap();
    let challenge = refused.header("www-authenticate").unwrap_or_default();
    assert_eq!(challenge, format!("Bearer resource_metadata=\"{url}\""));
    let path = url.strip_prefix("https://customers.example").unwrap();
    let answer = mesh.get(path).send().await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let document = answer.json();
    assert_eq!(document["resource"], "https://customers.example");
    let [github, platform] =
        [Issuer::Github, Issuer::Platform].map(|issuer| mesh.issuer.issuer_url(issuer));
    // Where tokens are exchanged is one of them.
    let servers = [github, platform, mesh.server.url()];
    assert_eq!(document["authorization_servers"], json!(servers));
    assert_eq!(document["scopes_supported"], json!(["notes:read"]));
    assert_eq!(mesh.decision_of(&answer).unwrap()["code"], "resource_metadata");
    assert!(mesh.upstream.seen_with(path).is_empty(), "the service was asked");
    // It is read, not written to.
    let posted = mesh.request(Method::POST, path).send().await.unwrap();
    assert_eq!(posted.status, 401, "{posted:?}");
}

#[tokio::test]
async fn a_token_that_is_not_enough_is_told_what_would_be() {
    let mesh = mesh().await;
    let metadata =
        "resource_metadata=\"https://customers.example/.well-known/oauth-protected-resource\"";
    let notes = async |claims| mesh.get("/notes").token(&job(mesh, &claims)).send().await.unwrap();
    let refused = notes(json!({ "scope": "other" })).await;
    assert_eq!((refused.status, refused.code().as_deref()), (403, Some("insufficient_scope")));
    let expected = format!("Bearer error=\"insufficient_scope\", scope=\"notes:read\", {metadata}");
    assert_eq!(refused.header("www-authenticate"), Some(expected.as_str()));
    assert_eq!(mesh.decision_of(&refused).unwrap()["code"], "insufficient_scope");
    assert_eq!(notes(json!({ "scope": "other notes:read" })).await.status, 200);

    let ago = |seconds: u64| json!({ "auth_time": harness::issuer::now() - seconds, "acr": "phr" });
    let one = async |claims| {
        mesh.get("/api/customers/2").token(&job(mesh, &claims)).send().await.unwrap()
    };
    for claims in [json!({}), ago(600)] {
        let refused = one(claims).await;
        assert_eq!(refused.status, 401, "{refused:?}");
        assert_eq!(refused.code().as_deref(), Some("insufficient_user_authentication"));
        let expected = format!(
            "Bearer error=\"insufficient_user_authentication\", acr_values=\"phr\", \
             max_age=\"300\", {metadata}"
        );
        assert_eq!(refused.header("www-authenticate"), Some(expected.as_str()));
    }
    assert_eq!(one(ago(60)).await.status, 200);
}

#[tokio::test]
async fn a_trace_is_recorded_and_proves_nothing() {
    let mesh = Mesh::shared().await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request = mesh.get("/api/customers/1").header("traceparent", trace);
    let answer = request.token(&job(mesh, &json!({ "txn": "ticket-7" }))).send().await.unwrap();
    let record = mesh.decision_of(&answer).unwrap();
    assert_eq!(record["request"]["traceparent"], trace);
    assert_eq!(record["token"]["transaction"], "ticket-7");
    let alone = mesh.get("/api/customers/1").header("traceparent", trace).send().await.unwrap();
    assert_eq!(alone.status, 401, "{alone:?}");
}
