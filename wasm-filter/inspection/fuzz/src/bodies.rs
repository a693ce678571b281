//! Requests of every protocol: what is read is whole or not read, and crosses the facts
//! header unchanged.

use std::sync::LazyLock;

use chaperone_inspection::facts::Facts;
use chaperone_inspection::plan::{Limits, ProtocolPlan};
use chaperone_inspection::protocol::{RequestHead, inspect_body};
use serde_json::{Value, json};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data; boundary=B";

const DIALECTS: [&str; 7] =
    ["generic", "postgresql", "mysql", "sqlite", "clickhouse", "snowflake", "bigquery"];

/// Bodies in a content coding.
pub fn encoding(data: &[u8]) {
    static PLANS: LazyLock<Vec<ProtocolPlan>> = LazyLock::new(|| plans(vec![json!("json")]));
    let (choice, body) = choose(data);
    let codings = ["gzip", "deflate", "br", "zstd", "gzip, br", "identity", "x-gzip", "deflate, "];
    let coding = at(&codings, choice);
    let headers = [("content-type", JSON), ("content-encoding", coding)];
    inspect(&PLANS[0], "POST", "/", &headers, body);
}

/// JSON bodies, with fields by pointers and paths.
pub fn json(data: &[u8]) {
    static PLANS: LazyLock<Vec<ProtocolPlan>> = LazyLock::new(|| {
        plans(vec![json!({ "json": { "fields": {
            "pointer": "/a/0/b", "path": "$.a[0].b", "every": "$.a[*].b", "below": "$..b",
        } } })])
    });
    inspect(&PLANS[0], "POST", "/", &[("content-type", JSON)], data);
}

/// SQL: the first byte chooses the dialect and what carries the text.
pub fn sql(data: &[u8]) {
    static PLANS: LazyLock<Vec<ProtocolPlan>> = LazyLock::new(|| {
        let sql = |dialect: &str, statement: Value| json!({ "sql": { "dialect": dialect, "statement": statement } });
        let carried = |dialect: &&str| {
            [
                sql(dialect, json!("body")),
                sql(dialect, json!({ "json_pointer": "/query" })),
                sql(dialect, json!({ "form_field": "q" })),
            ]
        };
        plans(DIALECTS.iter().flat_map(carried).collect())
    });
    let (choice, body) = choose(data);
    let kind = ["application/sql", JSON, FORM][choice % PLANS.len() % 3];
    inspect(&PLANS[choice % PLANS.len()], "POST", "/", &[("content-type", kind)], body);
}

/// MCP: the first byte chooses the plan and the revision that a header names.
pub fn mcp(data: &[u8]) {
    static PLANS: LazyLock<Vec<ProtocolPlan>> = LazyLock::new(|| {
        plans(vec![
            json!("mcp"),
            json!({ "mcp": { "revisions": ["2025-03-26", "2026-07-28"], "param_headers": [
                { "header": "a", "at": "/a/0" },
            ], "embedded": [
                { "tool": "run*", "at": "/line", "as": "shell" },
                { "at": "/query", "as": { "sql": "postgresql" } },
            ] } }),
        ])
    });
    let (choice, body) = choose(data);
    let revision = at(&["2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"], choice / 2);
    let headers =
        [("content-type", JSON), ("mcp-protocol-version", revision), ("mcp-method", "tools/call")];
    let headers = &headers[..2 + (choice / 8) % 2];
    inspect(&PLANS[choice % PLANS.len()], "POST", "/mcp", headers, body);
}

/// A2A: the first byte chooses the path.
pub fn a2a(data: &[u8]) {
    static PLANS: LazyLock<Vec<ProtocolPlan>> = LazyLock::new(|| plans(vec![json!("a2a")]));
    let (choice, body) = choose(data);
    let paths = ["/", "/message:send", "/v1/message:stream", "/tasks/t:cancel", "/tasks"];
    inspect(&PLANS[0], "POST", at(&paths, choice), &[("content-type", JSON)], body);
}

/// Paths: the input is the request's path, on every protocol that reads it.
pub fn path(data: &[u8]) {
    static PLANS: LazyLock<Vec<ProtocolPlan>> = LazyLock::new(|| {
        plans(vec![
            json!("http"),
            json!("a2a"),
            json!("kubernetes"),
            json!("elasticsearch"),
            json!("grpc"),
        ])
    });
    let Ok(path) = std::str::from_utf8(data) else { return };
    for plan in PLANS.iter() {
        inspect(plan, "GET", path, &[], b"");
    }
}

/// URL-encoded forms.
pub fn form(data: &[u8]) {
    static PLANS: LazyLock<Vec<ProtocolPlan>> =
        LazyLock::new(|| plans(vec![json!({ "form": of_a_form() })]));
    inspect(&PLANS[0], "POST", "/", &[("content-type", FORM)], data);
}

/// Multipart forms.
pub fn multipart(data: &[u8]) {
    static PLANS: LazyLock<Vec<ProtocolPlan>> =
        LazyLock::new(|| plans(vec![json!({ "multipart": of_a_form() })]));
    inspect(&PLANS[0], "POST", "/", &[("content-type", MULTIPART)], data);
}

/// GraphQL: the input as the body, as the query in a JSON body, and in the path.
pub fn graphql(data: &[u8]) {
    static PLANS: LazyLock<Vec<ProtocolPlan>> = LazyLock::new(|| plans(vec![json!("graphql")]));
    inspect(&PLANS[0], "POST", "/graphql", &[("content-type", JSON)], data);
    inspect(&PLANS[0], "POST", "/graphql", &[("content-type", "application/graphql")], data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    let body = json!({ "query": text }).to_string();
    inspect(&PLANS[0], "POST", "/graphql", &[("content-type", JSON)], body.as_bytes());
    inspect(&PLANS[0], "GET", &format!("/graphql?{text}"), &[], b"");
}

/// Shell lines in a JSON body.
pub fn shell(data: &[u8]) {
    static PLANS: LazyLock<Vec<ProtocolPlan>> = LazyLock::new(|| {
        let embedded = json!([{ "at": "/line", "as": "shell" }]);
        plans(vec![json!({ "json": { "embedded": embedded } })])
    });
    let Ok(line) = std::str::from_utf8(data) else { return };
    let body = json!({ "line": line }).to_string();
    inspect(&PLANS[0], "POST", "/", &[("content-type", JSON)], body.as_bytes());
}

/// The Kubernetes API: the first line is the method and the path.
pub fn kubernetes(data: &[u8]) {
    static PLANS: LazyLock<Vec<ProtocolPlan>> = LazyLock::new(|| plans(vec![json!("kubernetes")]));
    let kinds = [
        JSON,
        "application/yaml",
        "application/json-patch+json",
        "application/strategic-merge-patch+json",
    ];
    of_an_api(&PLANS[0], &kinds, data);
}

/// The Elasticsearch API: the first line is the method and the path.
pub fn elasticsearch(data: &[u8]) {
    static PLANS: LazyLock<Vec<ProtocolPlan>> =
        LazyLock::new(|| plans(vec![json!("elasticsearch")]));
    of_an_api(&PLANS[0], &[JSON, "application/x-ndjson"], data);
}

/// gRPC calls, with and without descriptors.
pub fn grpc(data: &[u8]) {
    static PLANS: LazyLock<Vec<ProtocolPlan>> = LazyLock::new(|| {
        let message = json!([
            { "number": 1, "name": "a", "kind": "string", "label": "implicit" },
            { "number": 2, "name": "b", "kind": "int32", "label": "implicit" },
            { "number": 3, "name": "c", "kind": { "message": 0 } },
            { "number": 4, "name": "d", "kind": "int32", "label": "repeated" },
            { "number": 5, "name": "e", "kind": { "message": 0 }, "label": "map" },
            { "number": 6, "name": "f", "kind": "double", "oneof": 0 },
            { "number": 7, "name": "g", "kind": { "enum": 0 }, "oneof": 0 },
        ]);
        let method =
            json!({ "input": { "message": 0 }, "output": "opaque", "client_streaming": true });
        let fields = json!({ "*": {
            "a": "a", "b": "c.c.b", "d": "c.d", "e": "e", "f": "e.abc", "g": "g", "h": "c.f",
        } });
        let schema = json!({
            "methods": { "a.B/C": method }, "messages": [message], "enums": [{ "0": "X" }],
        });
        plans(vec![json!("grpc"), json!({ "grpc": { "fields": fields, "schema": schema } })])
    });
    for plan in PLANS.iter() {
        inspect(plan, "POST", "/a.B/C", &[("content-type", "application/grpc")], data);
    }
}

/// Any protocol: the first byte chooses it.
pub fn inspector(data: &[u8]) {
    let (choice, data) = choose(data);
    let all: [fn(&[u8]); 13] = [
        encoding,
        json,
        sql,
        mcp,
        a2a,
        path,
        form,
        multipart,
        graphql,
        shell,
        kubernetes,
        elasticsearch,
        grpc,
    ];
    at(&all, choice)(data);
}

fn of_a_form() -> Value {
    json!({ "fields": { "email": "email", "a": "a[b]" }, "lists": { "tags": "tags[]" } })
}

fn of_an_api(plan: &ProtocolPlan, kinds: &[&str], data: &[u8]) {
    let (choice, data) = choose(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (line, body) = text.split_once('\n').unwrap_or((text, ""));
    let (method, path) = line.split_once(' ').unwrap_or(("GET", line));
    inspect(plan, method, path, &[("content-type", at(kinds, choice))], body.as_bytes());
}

fn inspect(plan: &ProtocolPlan, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) {
    let head = RequestHead { method, authority: "a.example", path, headers };
    let facts = inspect_body(plan, &Limits::default(), &head, body);
    assert_eq!(facts.protocol, plan.protocol());
    assert_eq!(facts.unparsed.is_some(), facts.commands.is_empty());
    let text = serde_json::to_string(&facts).expect("facts that can be written");
    let read: Facts = serde_json::from_str(&text).expect("facts that can be read");
    assert_eq!(read, facts);
}

fn plans(plans: Vec<Value>) -> Vec<ProtocolPlan> {
    plans.into_iter().map(|plan| serde_json::from_value(plan).expect("a plan")).collect()
}

fn choose(data: &[u8]) -> (usize, &[u8]) {
    data.split_first().map_or((0, data), |(choice, rest)| (usize::from(*choice), rest))
}

fn at<T: Copy>(choices: &[T], choice: usize) -> T {
    choices[choice % choices.len()]
}
