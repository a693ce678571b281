//! Everybody is answered in their own protocol.

use harness::Mesh;
use reqwest::Method;
use serde_json::json;

use crate::cast;

#[tokio::test]
async fn an_http_caller_gets_problem_details() {
    let mesh = Mesh::shared().await;
    let answer = mesh.sql("DROP TABLE customers").token(&mesh.issuer.job()).send().await.unwrap();
    assert_eq!(answer.status, 403);
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let problem = answer.json();
    assert_eq!(problem["status"], 403);
    assert_eq!(problem["title"], "Forbidden");
    assert_eq!(problem["decision"].as_str(), answer.decision());
    assert!(!answer.text().contains("DROP TABLE"), "a denial does not repeat the body");
}

#[tokio::test]
async fn an_mcp_caller_gets_a_json_rpc_error_with_its_id() {
    let mesh = Mesh::shared().await;
    let unknown = json!({ "name": "format_disk", "arguments": {} });
    for id in [json!(41), json!("call-41")] {
        let request = mesh.mcp(&id, "tools/call", &unknown).token(&mesh.issuer.job());
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json()["jsonrpc"], "2.0");
        assert_eq!(answer.json()["id"], id);
        assert_eq!(answer.code().as_deref(), Some("policy_denied"), "{answer:?}");
        assert!(answer.decision().is_some());
    }
    let answer = mesh.mcp(&json!(1), "tools/list", &json!({})).send().await.unwrap();
    assert_eq!(answer.status, 401, "a missing credential is HTTP's affair");
}

#[tokio::test]
async fn an_mcp_session_goes_its_way() {
    let mesh = Mesh::shared().await;
    let token = mesh.issuer.job();
    let hello = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
    let answer = mesh.mcp(&json!(1), "initialize", &hello).token(&token).send().await.unwrap();
    assert_eq!(answer.json()["result"]["protocolVersion"], "2025-06-18", "{answer:?}");
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let answer = mesh.post("/mcp", &ready).token(&token).send().await.unwrap();
    assert_eq!(answer.status, 202, "{answer:?}");
    let answer = mesh.mcp(&json!(2), "tools/list", &json!({})).token(&token).send().await.unwrap();
    assert_eq!(answer.json()["result"]["tools"].as_array().map(Vec::len), Some(2), "{answer:?}");
}

#[tokio::test]
async fn a_grpc_caller_gets_a_status() {
    let mesh = Mesh::shared().await;
    let call = |token: Option<&str>| {
        let request = mesh
            .request(Method::POST, "/acme.Customers/Get")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body([0_u8, 0, 0, 0, 0]);
        token.map_or(request.clone(), |token| request.token(token))
    };
    for (token, status) in [(None, "16"), (Some(mesh.issuer.job()), "7")] {
        let answer = call(token.as_deref()).send().await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("grpc-status"), Some(status), "{answer:?}");
        assert!(answer.decision().is_some());
    }
}

#[tokio::test]
async fn an_allowed_answer_names_its_decision_and_an_upstream_cannot_forge_it() {
    let mesh = Mesh::shared().await;
    let token = cast::container(&mesh.issuer);
    let one = mesh.get("/api/customers/1").token(&token).send().await.unwrap();
    let two = mesh.get("/api/customers/1").token(&token).send().await.unwrap();
    assert!(one.decision().is_some_and(|id| id.starts_with("dec_")), "{one:?}");
    assert_ne!(one.decision(), two.decision(), "one request, one decision");
    assert_eq!(one.headers.get_all("x-chaperone-decision").iter().count(), 1);
}
