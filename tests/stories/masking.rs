//! What comes back is masked, whole or in bits, and what cannot be masked does not
//! come back.

use std::time::{Duration, Instant};

use harness::{Mesh, Request};
use reqwest::Method;
use serde_json::{Value, json};

use crate::cast;

/// What must never leave, in any answer about customers.
const SECRETS: [&str; 10] = [
    "ada.lovelace@example.com",
    "ada@home.example",
    "4242 4242 4242 4242",
    "3782 822463 10005",
    "523-45-6781",
    "DE89370400440532013000",
    "GB82WEST12345698765432",
    "AKIAIOSFODNN7EXAMPLE",
    "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c",
    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v",
];

fn clean(text: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
}

#[tokio::test]
async fn json_keeps_its_shape_and_loses_what_is_sensitive() {
    let mesh = Mesh::shared().await;
    let token = cast::container(&mesh.issuer);
    let answer = mesh.get("/api/customers").token(&token).send().await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    clean(&answer.text());
    let text = answer.text();
    for kept in ["Ada Lovelace", "Grace Hopper", "London", "Boston"] {
        assert!(text.contains(kept), "{kept} is gone from {text}");
    }
    let masked = rows(&answer.json());
    let around = Request::new(mesh.upstream.address(), Method::GET, "/api/customers");
    let original = rows(&around.send().await.unwrap().json());
    assert_eq!(masked.len(), original.len());
    for (masked, original) in masked.iter().zip(&original) {
        let keys = |row: &Value| row.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(masked), keys(original), "the same members");
    }
    let outcome = mesh.outcome_of(&answer).await.unwrap();
    assert_eq!(outcome["status"], 200, "{outcome}");
    assert!(outcome["masked"].as_object().is_some_and(|masked| !masked.is_empty()), "{outcome}");
    assert_eq!(outcome["response_bytes"], answer.body.len(), "{outcome}");
    let digest = chaperone_inspection::digest::Digest::of(&answer.body).to_string();
    assert_eq!(outcome["response_sha256"], digest.as_str(), "what the caller got");
    assert_eq!(answer.header("content-length"), None, "the length of the unmasked body");
}

#[tokio::test]
async fn sql_rows_mcp_answers_and_plain_text_are_masked() {
    let mesh = Mesh::shared().await;
    let token = cast::container(&mesh.issuer);
    let rows = mesh.sql("SELECT * FROM customers").token(&token).send().await.unwrap();
    let lookup = json!({ "name": "lookup_customer", "arguments": { "id": 1 } });
    let tool = mesh.mcp(&json!(7), "tools/call", &lookup).token(&token).send().await.unwrap();
    let events = mesh
        .mcp(&json!("a"), "tools/call", &lookup)
        .header("accept", "text/event-stream")
        .token(&token)
        .send()
        .await
        .unwrap();
    let notes = mesh.get("/notes").token(&token).send().await.unwrap();
    for answer in [&rows, &tool, &events, &notes] {
        assert_eq!(answer.status, 200, "{answer:?}");
        clean(&answer.text());
    }
    assert!(rows.text().contains("Grace Hopper"));
    assert_eq!(tool.json()["id"], 7);
    let content = tool.json()["result"]["content"][0]["text"].clone();
    let content: Value = serde_json::from_str(content.as_str().unwrap()).expect("still JSON");
    assert_eq!(content["name"], "Ada Lovelace");
}

#[tokio::test]
async fn events_are_masked_as_they_come() {
    let mesh = Mesh::shared().await;
    let token = cast::container(&mesh.issuer);
    let asked = Instant::now();
    let path = "/api/feed?events=4&every_ms=1000";
    let mut response = mesh.get(path).token(&token).open().await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
    let mut text = String::new();
    let mut first = None;
    while let Some(chunk) = response.chunk().await.unwrap() {
        text.push_str(std::str::from_utf8(&chunk).unwrap());
        if first.is_none() && text.contains("\n\n") {
            first = Some(asked.elapsed());
        }
    }
    clean(&text);
    assert_eq!(text.matches("event: customer").count(), 4, "{text}");
    // The whole takes three pauses; the first event must not wait for even half.
    assert!(first.unwrap() < Duration::from_millis(1500), "the first event came at {first:?}");
}

#[tokio::test]
async fn a_large_export_is_masked_row_by_row() {
    let mesh = Mesh::shared().await;
    let token = cast::container(&mesh.issuer);
    let answer = mesh.get("/api/export?rows=20000").token(&token).send().await.unwrap();
    assert_eq!(answer.status, 200);
    clean(&answer.text());
    assert_eq!(rows(&answer.json()).len(), 20_000);
}

#[tokio::test]
async fn what_cannot_be_masked_is_withheld() {
    let mesh = Mesh::shared().await;
    let token = cast::container(&mesh.issuer);
    let answer = mesh.get("/api/photo").token(&token).send().await.unwrap();
    assert_eq!(answer.status, 502, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let outcome = mesh.outcome_of(&answer).await.unwrap();
    assert_ne!(outcome["withheld"], Value::Null, "{outcome}");
}

/// The rows of an answer, whether it is a list or has one.
fn rows(document: &Value) -> Vec<Value> {
    let list =
        document.as_array().or_else(|| document.as_object()?.values().find_map(Value::as_array));
    list.cloned().unwrap_or_default()
}
