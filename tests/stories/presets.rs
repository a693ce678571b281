//! Workloads of well-known issuers: what their tokens say of them decides.

use std::time::Duration;

use harness::process::eventually;
use harness::{Issuer, Mesh, Setup};
use serde_json::{Value, json};

use crate::cast::{self, refused};

/// What jobs and pods may do, by what their tokens say of them.
const POLICIES: &str = r#"
@id("main-of-shop-reads")
permit (principal, action in Action::"read", resource in Service::"customers")
when {
  principal.hasTag("repository") && principal.getTag("repository") == "acme/shop" &&
  principal.hasTag("ref") && principal.getTag("ref") == "refs/heads/main"
};

@id("pods-of-shop-read")
permit (principal, action in Action::"read", resource in Service::"customers")
when {
  principal in Group::"system:serviceaccounts:shop" &&
  principal.hasTag("pod") && principal.getTag("pod") like "orders-*"
};

@id("not-from-forks")
forbid (principal, action, resource)
when { principal.hasTag("event_name") && principal.getTag("event_name") == "pull_request" };
"#;

/// The example's issuers as GitHub Actions and as a cluster, by one line each.
fn by_preset(config: &str) -> String {
    let (before, rest) = config.split_once("  github: ").expect("the example has the issuer");
    let (_, after) = rest.split_once("  corp-idp: ").expect("the example has the issuer");
    let base = rest.split("issuer: ").nth(1).and_then(|rest| rest.split("/github").next());
    let base = base.expect("the issuer has a URL");
    let of = |name: &str| format!("issuer: {base}/{name}, audiences: [customers]");
    format!(
        "{before}  github: {{ preset: github-actions, {} }}\n  \
         platform: {{ preset: kubernetes, {} }}\n  corp-idp: {after}",
        of("github"),
        of("platform"),
    )
}

async fn mesh() -> Mesh {
    let setup = Setup { configure: |config| by_preset(&config), ..Setup::default() };
    let mesh = Mesh::start(setup).await.unwrap_or_else(|failure| panic!("{failure}"));
    std::fs::write(mesh.server.policies().join("demo.cedar"), POLICIES).unwrap();
    let ci = mesh.issuer.mint(Issuer::Github, &job(&json!({})));
    let allowed = || async {
        let answer = mesh.get("/api/customers").token(&ci).send().await.ok()?;
        let record = mesh.decision_of(&answer).ok()?;
        record.to_string().contains("\"main-of-shop-reads\"").then_some(())
    };
    eventually("the policies are in force", Duration::from_secs(10), allowed).await.unwrap();
    mesh
}

/// What GitHub says of a job on main, with `changes`.
fn job(changes: &Value) -> Value {
    let mut claims = json!({
        "sub": "repo:acme/shop:environment:prod", "repository": "acme/shop",
        "repository_owner": "acme", "ref": "refs/heads/main", "event_name": "push",
        "environment": "prod", "run_id": "17", "sha": "9f31820", "head_ref": "",
        "job_workflow_ref": "acme/shop/.github/workflows/deploy.yml@refs/heads/main",
    });
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    claims
}

/// What a cluster says of a pod in the namespace `shop`, with `changes`.
fn pod(name: &str, changes: &Value) -> Value {
    let mut claims = json!({
        "sub": "system:serviceaccount:shop:orders",
        "kubernetes.io": {
            "namespace": "shop",
            "serviceaccount": { "name": "orders", "uid": "14ee3fa4" },
            "pod": { "name": name, "uid": "e87dbbd6" },
            "node": { "name": "node-1", "uid": "646e7c5e" },
        },
    });
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    claims
}

#[tokio::test]
async fn jobs_and_pods_get_in_by_what_their_tokens_say_of_them() {
    let mesh = mesh().await;
    let ask = async |issuer: Issuer, claims: &Value| {
        let mark = cast::mark();
        let token = mesh.issuer.mint(issuer, claims);
        let answer = mesh.get(&format!("/api/customers?{mark}")).token(&token).send().await;
        (answer.unwrap(), mark)
    };

    let (answer, _) = ask(Issuer::Github, &job(&json!({}))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let record = mesh.decision_of(&answer).unwrap();
    let attributes = &record["chain"][0]["attributes"];
    assert_eq!(attributes["repository"], "acme/shop");
    assert_eq!(attributes["environment"], "prod");
    assert_eq!(attributes["head_ref"], Value::Null, "empty is absent");
    for (change, forbidden) in [
        (json!({ "repository": "acme/other" }), false),
        (json!({ "repository": null }), false),
        (json!({ "ref": "refs/heads/feature" }), false),
        (json!({ "event_name": "pull_request" }), true),
    ] {
        let (answer, mark) = ask(Issuer::Github, &job(&change)).await;
        let record = refused(&mesh, &answer, 403, "policy_denied", &mark);
        let named = record.to_string().contains("\"not-from-forks\"");
        assert_eq!(named, forbidden, "{change}: {record}");
    }
    let (answer, mark) = ask(Issuer::Github, &job(&json!({ "ref": ["refs/heads/main"] }))).await;
    refused(&mesh, &answer, 401, "attributes_malformed", &mark);

    let (answer, _) = ask(Issuer::Platform, &pod("orders-5", &json!({}))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let record = mesh.decision_of(&answer).unwrap();
    assert_eq!(record["chain"][0]["principal"], "platform/system:serviceaccount:shop:orders");
    assert_eq!(record["chain"][0]["attributes"]["node"], "node-1");
    let (answer, mark) = ask(Issuer::Platform, &pod("debug-1", &json!({}))).await;
    refused(&mesh, &answer, 403, "policy_denied", &mark);
    let other = json!({ "sub": "system:serviceaccount:shop:admin" });
    let (answer, mark) = ask(Issuer::Platform, &pod("orders-5", &other)).await;
    refused(&mesh, &answer, 401, "claims_malformed", &mark);
}

#[tokio::test]
async fn a_year_long_service_account_token_ends_when_it_warns() {
    let mesh = mesh().await;
    let now = harness::issuer::now();
    let year = |warnafter: Value| {
        let mut claims = pod("orders-5", &json!({ "iat": now - 3600, "exp": now + 31_532_400 }));
        claims["kubernetes.io"]["warnafter"] = warnafter;
        mesh.issuer.mint(Issuer::Platform, &claims)
    };
    let ask = async |token: String| {
        let mark = cast::mark();
        let answer = mesh.get(&format!("/api/customers?{mark}")).token(&token).send().await;
        (answer.unwrap(), mark)
    };
    let (answer, _) = ask(year(json!(now + 7))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let (answer, mark) = ask(year(json!(now - 60))).await;
    refused(&mesh, &answer, 401, "token_expired", &mark);
    let (answer, mark) = ask(year(Value::Null)).await;
    refused(&mesh, &answer, 401, "claims_malformed", &mark);
    let claims = pod("orders-5", &json!({ "iat": now - 3600, "exp": now + 31_532_400 }));
    let (answer, mark) = ask(mesh.issuer.mint(Issuer::Platform, &claims)).await;
    refused(&mesh, &answer, 401, "lifetime_too_long", &mark);
}
