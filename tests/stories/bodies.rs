//! What a request would do is read from its body, and what cannot be read does not
//! pass.

use harness::Mesh;
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

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

/// A request in two parts: `before` runs when Envoy has taken the headers and half of
/// the body. Gives the status.
async fn sent_slowly(mesh: &Mesh, mark: &str, statement: &str, before: impl FnOnce()) -> u16 {
    let mut stream = TcpStream::connect(mesh.envoy.address()).await.unwrap();
    let token = cast::container(&mesh.issuer);
    let head = format!(
        "POST /sql?{mark} HTTP/1.1\r\nhost: customers.example\r\nauthorization: Bearer {token}\r\n\
         x-mark: {mark}\r\ncontent-type: application/json\r\nexpect: 100-continue\r\n\
         transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // Envoy asks for the body once it has the headers.
    let mut told = [0; 25];
    stream.read_exact(&mut told).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    let body = json!({ "query": statement, "mark": mark }).to_string();
    let (first, second) = body.split_at(body.len() / 2);
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    stream.write_all(chunk(first).as_bytes()).await.unwrap();
    before();
    stream.write_all(format!("{}0\r\n\r\n", chunk(second)).as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn not_a_byte_of_a_request_leaves_before_it_is_allowed() {
    let mesh = Mesh::shared().await;
    let (allowed, denied) = (cast::mark(), cast::mark());
    let nothing = |mark: &str| assert!(!mesh.tap.saw(mark), "Envoy sent {mark}");
    let select = "SELECT name FROM customers WHERE id = 1";
    assert_eq!(sent_slowly(mesh, &allowed, select, || nothing(&allowed)).await, 200);
    assert!(mesh.tap.saw(&allowed));
    assert_eq!(sent_slowly(mesh, &denied, "DROP TABLE x", || nothing(&denied)).await, 403);
    nothing(&denied);
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
    assert_eq!(record["unparsed"], "encoding_malformed");
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
