//! A human approves one request, once.

use harness::{Issuer, Mesh};
use serde_json::json;

use crate::cast::{self, refused};

fn update(city: &str) -> String {
    format!("UPDATE customers SET city = '{city}' WHERE id = 2")
}

#[tokio::test]
async fn an_approved_request_passes_once_and_not_twice() {
    let mesh = Mesh::shared().await;
    let token = cast::container(&mesh.issuer);
    let statement = update("Arlington");
    let send = || mesh.sql(&statement).token(&token).send();

    let held = send().await.unwrap();
    assert_eq!(held.status, 403, "{held:?}");
    assert_eq!(held.code().as_deref(), Some("approval_required"));
    assert!(held.header("retry-after").is_some());
    let approval = held.json()["approval"].clone();
    let id = held.approval().unwrap();
    let state = mesh.server.get(&format!("/approvals/{id}")).await.unwrap();
    assert_eq!(state["state"], "pending");
    assert!(approval["status_url"].as_str().unwrap().ends_with(&format!("/approvals/{id}")));
    assert_eq!(send().await.unwrap().approval(), Some(id.clone()), "asking again asks the same");

    let shown = mesh.server.command(&["approvals", "show", &id]).unwrap().done().unwrap();
    assert!(shown.stdout.contains("sql:update") && shown.stdout.contains("platform/deploy-job"));
    mesh.server.approve(&id, &cast::sre(&mesh.issuer, "grace")).unwrap().done().unwrap();

    let other = mesh.sql(&update("Washington")).token(&token).send().await.unwrap();
    assert_eq!(other.status, 403, "another statement is another action");
    assert_ne!(other.approval(), Some(id.clone()));

    let passed = send().await.unwrap();
    assert_eq!(passed.status, 200, "{passed:?}");
    let record = mesh.decision_of(&passed).unwrap();
    assert_eq!(record["approval"]["id"], id.as_str());

    let again = send().await.unwrap();
    assert_eq!(again.status, 403, "an approval is used once");
    assert_ne!(again.approval(), Some(id));
}

#[tokio::test]
async fn fifty_retries_at_once_pass_once() {
    let mesh = Mesh::shared().await;
    let token = mesh.issuer.job();
    let statement = update("Philadelphia");
    let held = mesh.sql(&statement).token(&token).send().await.unwrap();
    let id = held.approval().unwrap();
    mesh.server.approve(&id, &cast::sre(&mesh.issuer, "grace")).unwrap().done().unwrap();
    let retries: Vec<_> =
        (0..50).map(|_| tokio::spawn(mesh.sql(&statement).token(&token).send())).collect();
    let mut passed = 0;
    for retry in retries {
        let answer = retry.await.unwrap().unwrap();
        assert!([200, 403, 503].contains(&answer.status), "{answer:?}");
        passed += usize::from(answer.status == 200);
    }
    assert_eq!(passed, 1);
}

#[tokio::test]
async fn who_may_not_approve_does_not() {
    let mesh = Mesh::shared().await;
    let token = mesh.issuer.job();
    let held = mesh.sql(&update("Baltimore")).token(&token).send().await.unwrap();
    let id = held.approval().unwrap();
    let outsider = mesh.issuer.mint(Issuer::CorpIdp, &json!({ "sub": "eve", "groups": ["sales"] }));
    for (token, what) in [
        (
            mesh.issuer
                .mint(Issuer::Github, &json!({ "sub": "repo:acme/shop", "groups": ["sre"] })),
            "an agent",
        ),
        (outsider, "a person of another group"),
        ("garbage".to_owned(), "nobody"),
    ] {
        let ran = mesh.server.approve(&id, &token).unwrap();
        assert_eq!(ran.code, Some(1), "{what}: {}{}", ran.stdout, ran.stderr);
    }
    let state = mesh.server.get(&format!("/approvals/{id}")).await.unwrap();
    assert_eq!(state["state"], "pending");
}

#[tokio::test]
async fn what_a_human_denied_stays_denied() {
    let mesh = Mesh::shared().await;
    let token = mesh.issuer.job();
    let mark = cast::mark();
    let send = || {
        let body = json!({ "query": update("Newark") });
        mesh.post(&format!("/sql?{mark}"), &body).token(&token).send()
    };
    let id = send().await.unwrap().approval().unwrap();
    mesh.server.deny(&id, &cast::sre(&mesh.issuer, "grace")).unwrap().done().unwrap();
    let answer = send().await.unwrap();
    refused(mesh, &answer, 403, "approval_denied", &mark);
}

#[tokio::test]
async fn an_mcp_tool_that_needs_approval_gets_it_whatever_the_message_id() {
    let mesh = Mesh::shared().await;
    let token = mesh.issuer.job();
    let delete = json!({ "name": "delete_customer", "arguments": { "id": 4040 } });
    let send = |id: u32| mesh.mcp(&json!(id), "tools/call", &delete).token(&token).send();
    let held = send(1).await.unwrap();
    assert_eq!(held.status, 200, "JSON-RPC errors travel in 200: {held:?}");
    assert_eq!(held.json()["id"], 1);
    assert_eq!(held.code().as_deref(), Some("approval_required"));
    let id = held.approval().unwrap();
    mesh.server.approve(&id, &cast::sre(&mesh.issuer, "grace")).unwrap().done().unwrap();
    let passed = send(2).await.unwrap();
    assert_eq!(passed.json()["id"], 2);
    // The tool was called, and found no such customer.
    assert_eq!(passed.json()["result"]["isError"], true, "{passed:?}");
    assert_eq!(send(3).await.unwrap().code().as_deref(), Some("approval_required"));
}
