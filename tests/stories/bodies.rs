//! What a request would do is read from its body, and what cannot be read does not
//! pass.

use harness::Mesh;
use reqwest::Method;
use serde_json::json;

use crate::cast::{self, refused};

#[tokio::test]
async fn sql_is_judged_by_what_it_does() {
    let mesh = Mesh::shared().await;
    let token = cast::container(&mesh.issuer);
    for (statement, policy) in [
        ("DELETE FROM customers", "never-unbounded"),
        ("DELETE FROM customers WHERE 1 = 1", "never-unbounded"),
        ("SELECT 1; DROP TABLE customers", "never-drop"),
        ("WITH gone AS (SELECT id FROM customers) DELETE FROM customers", "never-unbounded"),
        ("PRAGMA writable_schema = 1", "never-drop"),
    ] {
        let mark = cast::mark();
        let path = format!("/sql?{mark}");
        let body = json!({ "query": statement });
        let answer = mesh.post(&path, &body).token(&token).send().await.unwrap();
        refused(mesh, &answer, 403, "policy_denied", &mark);
        let policies = answer.json()["policies"].clone();
        assert!(policies.as_array().unwrap().contains(&json!(policy)), "{statement}: {answer:?}");
    }
    let answer =
        mesh.sql("SELECT name FROM customers WHERE id = 1").token(&token).send().await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.text().contains("Ada Lovelace"), "{answer:?}");
}

#[tokio::test]
async fn a_body_that_cannot_be_read_does_not_pass() {
    let mesh = Mesh::shared().await;
    let token = mesh.issuer.job();
    let too_large = format!("{{\"query\":\"{}\"}}", "x".repeat(70 * 1024));
    for (path, content_type, body, unparsed) in [
        ("/sql", "application/json", "{\"query\":", "json_malformed"),
        (
            "/sql",
            "application/json",
            "{\"query\":\"SELECT 1\",\"query\":\"SELECT 2\"}",
            "json_duplicate_key",
        ),
        ("/sql", "application/json", "{\"statement\":\"SELECT 1\"}", "sql_missing"),
        ("/sql", "application/json", "{\"query\":\"SELEC 1\"}", "sql_malformed"),
        ("/sql", "text/plain", "{\"query\":\"SELECT 1\"}", "content_type_unexpected"),
        (
            "/sql",
            "application/json; charset=utf-16",
            "{\"query\":\"SELECT 1\"}",
            "charset_unsupported",
        ),
        ("/sql", "application/json", too_large.as_str(), "body_too_large"),
        ("/api/customers/search", "application/json", "name=Ada", "json_malformed"),
        (
            "/mcp",
            "application/json",
            "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]",
            "batch_refused",
        ),
        (
            "/mcp",
            "application/json",
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/destroy\"}",
            "method_unknown",
        ),
    ] {
        let mark = cast::mark();
        let request = mesh
            .request(Method::POST, &format!("{path}?{mark}"))
            .token(&token)
            .header("content-type", content_type)
            .body(body);
        let answer = request.send().await.unwrap();
        let record = refused(mesh, &answer, 403, "request_unparsed", &mark);
        assert_eq!(record["unparsed"], unparsed, "{record}");
    }
}

#[tokio::test]
async fn a_compressed_body_does_not_pass_unread() {
    let mesh = Mesh::shared().await;
    let mark = cast::mark();
    let request = mesh
        .request(Method::POST, &format!("/sql?{mark}"))
        .token(&mesh.issuer.job())
        .header("content-type", "application/json")
        .header("content-encoding", "gzip")
        .body("{\"query\":\"SELECT 1\"}");
    let answer = request.send().await.unwrap();
    let record = refused(mesh, &answer, 403, "request_unparsed", &mark);
    assert_eq!(record["unparsed"], "encoding_unsupported");
}

#[tokio::test]
async fn a_path_that_can_be_read_in_two_ways_does_not_pass() {
    let mesh = Mesh::shared().await;
    for path in ["/sql;x=1", "/api/%2e%2e/sql", "/api/%5c..%5csql", "/%73ql"] {
        let mark = cast::mark();
        let answer = mesh
            .post(&format!("{path}?{mark}"), &json!({ "query": "DROP TABLE customers" }))
            .token(&mesh.issuer.job())
            .send()
            .await
            .unwrap();
        assert!([400, 403].contains(&answer.status), "{path}: {answer:?}");
        assert!(mesh.upstream.seen_with(&mark).is_empty(), "{path} reached the upstream");
    }
}

#[tokio::test]
async fn an_unknown_host_has_no_way_through() {
    let mesh = Mesh::shared().await;
    let mark = cast::mark();
    let request = mesh.get(&format!("/api/customers?{mark}")).host("other.example");
    let answer = request.token(&mesh.issuer.job()).send().await.unwrap();
    refused(mesh, &answer, 403, "service_unknown", &mark);
}
