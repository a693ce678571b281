//! APIs that say in method and path what they do: Kubernetes, and Elasticsearch.

use harness::Request;
use reqwest::Method;
use serde_json::{Value, json};

use super::Expected::{self, Allowed, Denied, Unparsed};
use super::{expect, mesh};
use crate::cast;

pub(super) const SERVICES: &str = r"
  cluster:
    hosts: [kubernetes.example]
    issuers: [github, platform, chaperone]
    deny_details: policies
    routes:
      - path: /
        inspect: kubernetes
        upgrades: allow
  documents:
    hosts: [elasticsearch.example]
    issuers: [github, platform, chaperone]
    deny_details: policies
    routes:
      - path: /
        inspect: elasticsearch
";

/// What is forbidden is permitted as well, so that it is the named policy that refuses.
pub(super) const POLICIES: &str = r#"
@id("clusters")
permit (
  principal in Group::"ci-jobs",
  action in [Action::"k8s:read", Action::"k8s:write", Action::"shell:exec"],
  resource in Service::"cluster"
);

@id("no-deletions-in-the-cluster")
forbid (principal, action in Action::"k8s:destructive", resource in Service::"cluster");

@id("nobody-into-pods")
forbid (principal, action in Action::"k8s:stream", resource in Service::"cluster");

@id("no-secrets-of-the-cluster")
forbid (principal, action, resource in Service::"cluster")
when { context has k8s && context.k8s.secret };

@id("pods-keep-off-their-node")
forbid (principal, action in Action::"k8s:write", resource in Service::"cluster")
when { context.k8s has privileged && context.k8s.privileged };

@id("documents")
permit (
  principal in Group::"ci-jobs",
  action in [Action::"es:read", Action::"es:write", Action::"es:admin"],
  resource in Service::"documents"
);

@id("no-deletion-of-all-documents")
forbid (principal, action == Action::"es:delete_by_query", resource in Service::"documents")
when { context.es has query_all && context.es.query_all };

@id("no-deletion-of-a-document")
forbid (principal, action == Action::"es:delete", resource in Service::"documents");

@id("no-change-of-indices")
forbid (principal, action in Action::"es:admin", resource in Service::"documents");

@id("no-payroll")
forbid (principal, action, resource in Service::"documents")
when { context has es && context.es has index && context.es.index like "payroll*" };
"#;

/// What is sent besides method and path.
enum Sent {
    /// Neither a body nor headers.
    Nothing,
    /// A body of JSON.
    Json(Value),
    /// A body of this content type.
    Body(&'static str, &'static str),
    /// No body, and this header.
    Header(&'static str, &'static str),
}

use Sent::{Body, Header, Json, Nothing};

/// Sends each to `host`, marked by a header: the queries of these APIs are read as well.
async fn run(host: &str, cases: Vec<(Method, &str, Sent, Expected)>) {
    let mesh = mesh().await;
    for (method, path, sent, expected) in cases {
        let mark = cast::mark();
        let what = format!("{method} {path}");
        let request: Request = mesh.request(method, path).header("x-mark", &mark);
        let request = match sent {
            Nothing => request,
            Json(body) => request.json(&body),
            Body(content_type, body) => request.header("content-type", content_type).body(body),
            Header(name, value) => request.header(name, value),
        };
        expect(&what, host, &mark, request, expected).await;
    }
}

#[tokio::test]
async fn kubernetes() {
    const PODS: &str = "/api/v1/namespaces/shop/pods";
    const POD: &str = "/api/v1/namespaces/shop/pods/cart-1";
    let pod = |privileged: bool| {
        let container = json!({
            "name": "cart", "image": "cart:1", "securityContext": { "privileged": privileged },
        });
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "cart-1" },
            "spec": { "containers": [container] },
        })
    };
    let exec = format!("{POD}/exec?command=rm&command=-rf&command=/data&stdout=true");
    let cases = vec![
        (Method::GET, PODS, Nothing, Allowed),
        (Method::GET, POD, Nothing, Allowed),
        (Method::POST, PODS, Json(pod(false)), Allowed),
        (Method::POST, PODS, Json(pod(true)), Denied("pods-keep-off-their-node")),
        (Method::DELETE, POD, Nothing, Denied("no-deletions-in-the-cluster")),
        (Method::DELETE, PODS, Nothing, Denied("no-deletions-in-the-cluster")),
        (Method::POST, &exec, Nothing, Denied("nobody-into-pods")),
        (Method::GET, &exec, Nothing, Denied("nobody-into-pods")),
        (
            Method::GET,
            "/api/v1/namespaces/shop/%73ecrets/db",
            Nothing,
            Denied("no-secrets-of-the-cluster"),
        ),
        (Method::GET, "/api/v1/Namespaces/shop/pods", Nothing, Unparsed("endpoint_unknown")),
        (Method::GET, PODS, Header("impersonate-user", "admin"), Unparsed("header_mismatch")),
        (
            Method::POST,
            PODS,
            Body("application/yaml", "kind: Pod"),
            Unparsed("content_type_unexpected"),
        ),
        (
            Method::POST,
            PODS,
            Body("application/json", r#"{"kind":"Pod""#),
            Unparsed("json_malformed"),
        ),
    ];
    run("kubernetes.example", cases).await;
}

#[tokio::test]
async fn elasticsearch() {
    const NDJSON: &str = "application/x-ndjson";
    let everything = || json!({ "query": { "match_all": {} } });
    let one = || json!({ "query": { "term": { "name": "ada" } } });
    let cases = vec![
        (Method::POST, "/customers/_search", Json(one()), Allowed),
        (Method::GET, "/customers/_doc/1", Nothing, Allowed),
        (Method::POST, "/customers/_delete_by_query", Json(one()), Allowed),
        (
            Method::POST,
            "/customers/_delete_by_query",
            Json(everything()),
            Denied("no-deletion-of-all-documents"),
        ),
        (Method::DELETE, "/customers", Nothing, Denied("no-change-of-indices")),
        (Method::POST, "/customers,payroll-2026/_search", Json(one()), Denied("no-payroll")),
        (
            Method::POST,
            "/customers/_bulk",
            Body(NDJSON, "{\"index\":{\"_id\":\"1\"}}\n{\"name\":\"ada\"}\n"),
            Allowed,
        ),
        (
            Method::POST,
            "/customers/_bulk",
            Body(
                NDJSON,
                "{\"index\":{\"_id\":\"1\"}}\n{\"name\":\"ada\"}\n{\"delete\":{\"_id\":\"2\"}}\n",
            ),
            Denied("no-deletion-of-a-document"),
        ),
        (
            Method::POST,
            "/_scripts/painless/_execute",
            Json(json!({})),
            Unparsed("endpoint_unknown"),
        ),
        (
            Method::GET,
            "/customers/_search?source=%7B%7D&source_content_type=application/json",
            Nothing,
            Unparsed("field_malformed"),
        ),
        (
            Method::POST,
            "/customers/_search",
            Body("application/json", r#"{"query":{},"query":{"match_all":{}}}"#),
            Unparsed("json_duplicate_key"),
        ),
    ];
    run("elasticsearch.example", cases).await;
}
