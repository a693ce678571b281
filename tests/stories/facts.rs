//! The facts header: only the filter makes it, for one request, for a few seconds.

use std::time::{SystemTime, UNIX_EPOCH};

use chaperone_inspection::digest::Digest;
use chaperone_inspection::facts::{Action, Command, Facts, Protocol};
use chaperone_inspection::plan::PluginConfig;
use chaperone_inspection::seal::{Binding, FACTS_HEADER, FactsKey, SealedFacts, seal};
use harness::{Mesh, Request};
use reqwest::Method;
use serde_json::json;

use crate::cast::{self, refused};

const REQUEST_ID: &str = "6f1c7a52-0000-4000-8000-000000000001";

/// Facts that tell of a harmless statement, sealed for a POST to `path`.
fn harmless(mesh: &Mesh, key: &FactsKey, path: &str, age_ms: u64) -> String {
    let plugin: PluginConfig = serde_json::from_str(&mesh.server.plugin_config().unwrap()).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let attributes = json!({
        "has_where": true, "tables_read": ["customers"], "tables_written": [],
        "functions": [], "statements": 1,
    });
    let select = Command {
        action: Action::named("sql:select").unwrap(),
        resource: "customers".to_owned(),
        attributes: attributes.as_object().unwrap().clone(),
    };
    let sealed = SealedFacts {
        facts: Facts::parsed(Protocol::Sql, vec![select]),
        body_sha256: Digest::of(b"{}"),
        plan: plugin.plan.digest(),
        sealed_at_ms: u64::try_from(now).unwrap() - age_ms,
    };
    let binding =
        Binding { method: "POST", authority: "customers.example", path, request_id: REQUEST_ID };
    seal(key, &binding, &sealed).unwrap()
}

/// A destructive statement around the filter, with that facts header.
fn around(mesh: &Mesh, path: &str, facts: Option<&str>) -> Request {
    let request = mesh
        .bypass(Method::POST, path)
        .token(&mesh.issuer.job())
        .header("x-request-id", REQUEST_ID)
        .json(&json!({ "query": "DROP TABLE customers" }));
    match facts {
        Some(facts) => request.header(FACTS_HEADER, facts),
        None => request,
    }
}

#[tokio::test]
async fn around_the_filter_there_is_no_way() {
    let mesh = Mesh::shared().await;
    let mark = cast::mark();
    let path = format!("/sql?{mark}");
    let stranger = FactsKey::new(mesh.server.facts_key().id(), vec![7; 32]).unwrap();
    let unknown = FactsKey::new("other", vec![7; 32]).unwrap();
    let elsewhere = harmless(mesh, mesh.server.facts_key(), "/sql?elsewhere", 0);
    let old = harmless(mesh, mesh.server.facts_key(), &path, 60_000);
    for (facts, code) in [
        (None, "facts_missing"),
        (Some("v1.demo-1.e30.AAAA".to_owned()), "facts_invalid"),
        (Some(harmless(mesh, &stranger, &path, 0)), "facts_invalid"),
        (Some(harmless(mesh, &unknown, &path, 0)), "facts_invalid"),
        (Some(elsewhere), "facts_invalid"),
        (Some(old), "facts_stale"),
    ] {
        let answer = around(mesh, &path, facts.as_deref()).send().await.unwrap();
        refused(mesh, &answer, 403, code, &mark);
    }
}

/// Without this, the story above might be refused for the wrong reason.
#[tokio::test]
async fn facts_that_are_sealed_with_the_key_for_this_very_request_are_believed() {
    let mesh = Mesh::shared().await;
    let mark = cast::mark();
    let path = format!("/sql?{mark}");
    let facts = harmless(mesh, mesh.server.facts_key(), &path, 0);
    // What was sealed and what is sent may differ here, and the upstream is shared:
    // no statement of this one changes anything.
    let request = around(mesh, &path, Some(&facts)).body("{\"query\":\"SELECT 1\"}");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn what_a_client_says_of_itself_is_removed_by_the_filter() {
    let mesh = Mesh::shared().await;
    let mark = cast::mark();
    let path = format!("/sql?{mark}");
    let forged = harmless(mesh, mesh.server.facts_key(), &path, 0);
    let request = mesh
        .post(&path, &json!({ "query": "DROP TABLE customers" }))
        .token(&mesh.issuer.job())
        .header("x-request-id", REQUEST_ID)
        .header(FACTS_HEADER, &forged)
        .header("x-chaperone-decision", "dec_mine");
    let answer = request.send().await.unwrap();
    refused(mesh, &answer, 403, "policy_denied", &mark);

    let request = mesh
        .get(&format!("/notes?{mark}"))
        .token(&mesh.issuer.job())
        .header("x-chaperone-anything", "x");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = mesh.upstream.seen_with(&mark);
    assert_eq!(seen[0].header("x-chaperone-anything"), None);
}
