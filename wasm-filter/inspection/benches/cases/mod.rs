//! What is measured: requests as agents send them, each with what reads the same text
//! without us, where there is something.

use std::fmt::{self, Write as _};
use std::hint::black_box;

use chaperone_inspection::Inspector;
use chaperone_inspection::facts::Facts;
use chaperone_inspection::plan::{Limits, Plan};
use chaperone_inspection::protocol::RequestHead;
use serde_json::{Value, json};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

/// One request.
pub struct Case {
    /// Its name in tables.
    pub name: &'static str,
    /// Its body.
    pub body: Vec<u8>,
    /// Its path, and so how it is read.
    path: &'static str,
    content_type: &'static str,
    /// Another reader of the same text.
    pub beside: Option<Beside>,
}

/// A reader that our reading is compared with.
pub struct Beside {
    /// Its name in tables.
    pub name: &'static str,
    text: String,
    read: fn(&str),
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Beside {
    /// Reads the text.
    pub fn run(&self) {
        (self.read)(&self.text);
    }
}

/// Every case.
pub fn all() -> Vec<Case> {
    vec![
        mcp_call(),
        sql_statement(),
        graphql_query(),
        shell_line(),
        json("json, 1 KiB", records(1 << 10)),
        json("json, 1 MiB of records", records(1 << 20)),
        json("json, 1 MiB of texts", texts(1 << 20)),
        json("json, 1 MiB of numbers", numbers(1 << 20)),
    ]
}

/// An inspector that reads every case.
pub fn inspector() -> Inspector {
    let route = |path: &str, inspect: Value| json!({ "path": path, "inspect": inspect });
    let shell = json!({ "json": { "embedded": [{ "at": "/command", "as": "shell" }] } });
    let sql = json!({ "sql": { "dialect": "postgresql", "statement": "body" } });
    let fields = json!({ "json": { "fields": { "first": "/0/id", "last": "/3/name" } } });
    let plan = json!({
        "services": [{
            "name": "bench",
            "hosts": ["bench.example"],
            "routes": [
                route("/mcp", json!("mcp")),
                route("/sql", sql),
                route("/graphql", json!("graphql")),
                route("/shell", shell),
                route("/json", fields),
            ],
        }],
        "limits": Limits { body_bytes: 2 << 20, decoded_bytes: 2 << 20, ..Limits::default() },
    });
    let plan: Plan = serde_json::from_value(plan).expect("a plan");
    Inspector::new(plan).expect("a plan that does not contradict itself")
}

impl Case {
    /// Reads the request as the filter does, its route included.
    pub fn run(&self, inspector: &Inspector) -> Facts {
        let headers = [("content-type", self.content_type)];
        let head = RequestHead {
            method: "POST",
            authority: "bench.example",
            path: self.path,
            headers: &headers,
        };
        let route = inspector.route(&head).expect("a service").expect("a route");
        inspector.inspect(route, &head, &self.body)
    }
}

fn serde_json_value(text: &str) {
    black_box(serde_json::from_slice::<Value>(black_box(text.as_bytes())).ok());
}

fn sqlparser(text: &str) {
    black_box(Parser::parse_sql(&PostgreSqlDialect {}, black_box(text)).ok());
}

fn json(name: &'static str, text: String) -> Case {
    Case {
        name,
        body: text.clone().into_bytes(),
        path: "/json",
        content_type: "application/json",
        beside: Some(Beside { name: "serde_json to Value", text, read: serde_json_value }),
    }
}

fn mcp_call() -> Case {
    let body = json!({
        "jsonrpc": "2.0",
        "id": 42,
        "method": "tools/call",
        "params": {
            "name": "create_ticket",
            "arguments": {
                "title": "The nightly export of orders has failed twice in a row",
                "priority": 2,
                "labels": ["exports", "orders", "nightly", "on-call"],
                "assignee": { "team": "data-platform", "email": "on-call@example.com" },
                "description": "x".repeat(600),
                "dry_run": false,
            },
            "_meta": { "progressToken": "d2f1c7e0-5b9a-4f0e-9a53-0f8f4c8f2a11" },
        },
    });
    let text = body.to_string();
    Case { name: "mcp tools/call, 1 KiB", path: "/mcp", ..json("", text) }
}

fn sql_statement() -> Case {
    let text = "SELECT o.id, o.total, c.email FROM orders AS o JOIN customers AS c ON c.id = \
                o.customer_id WHERE o.created_at > '2026-01-01' AND o.status IN ('paid', 'sent') \
                ORDER BY o.created_at DESC LIMIT 50"
        .to_owned();
    Case {
        name: "sql, 200 bytes",
        body: text.clone().into_bytes(),
        path: "/sql",
        content_type: "application/sql",
        beside: Some(Beside { name: "sqlparser alone", text, read: sqlparser }),
    }
}

fn graphql_query() -> Case {
    let mut query = "query Orders($first: Int!, $after: String) { viewer { id login ".to_owned();
    let mut index = 0;
    while query.len() < 1_900 {
        let list = write!(
            query,
            "list{index}: orders(first: $first, after: $after, status: PAID) {{ nodes {{ id total \
             lines {{ sku count }} ...Who }} pageInfo {{ hasNextPage endCursor }} }} "
        );
        list.expect("memory");
        index += 1;
    }
    query.push_str("} } fragment Who on Order { customer { id name } }");
    let body = json!({ "query": query, "variables": { "first": 10, "after": null } });
    Case { name: "graphql, 2 KiB", path: "/graphql", beside: None, ..json("", body.to_string()) }
}

fn shell_line() -> Case {
    let line = "find ./logs -name '*.gz' -mtime +30 -print0 | xargs -0 -n 20 rm -f -- && echo \
                \"done at $HOSTNAME\" >> /tmp/x";
    let body = json!({ "command": line }).to_string();
    Case { name: "shell, 100 bytes", path: "/shell", beside: None, ..json("", body) }
}

/// A list that is at least `size` bytes long, or little less where it is short.
fn list(size: usize, element: impl Fn(usize) -> String) -> String {
    let mut text = "[".to_owned();
    let mut index = 0;
    while text.len() < size.saturating_sub(100) {
        if index > 0 {
            text.push(',');
        }
        text.push_str(&element(index));
        index += 1;
    }
    text.push(']');
    text
}

fn records(size: usize) -> String {
    list(size, |index| {
        format!(
            "{{\"id\": {index}, \"name\": \"Customer {index}\", \"email\": \"c{index}@example.com\", \
             \"active\": {}, \"score\": {}.{:02}, \"tags\": [\"a\", \"b\\n\"], \"note\": null, \
             \"city\": \"Zürich\"}}",
            index % 2 == 0,
            index % 100,
            index % 97
        )
    })
}

fn texts(size: usize) -> String {
    let line = "The quick brown fox jumps over the lazy dog, says \\\"the other\\\" one.\\n";
    list(size, |index| format!("{{\"line\": \"{index} {}\"}}", line.repeat(1 + index % 16)))
}

fn numbers(size: usize) -> String {
    list(size, |index| format!("[{index},-{index}.5,{index}e-3,0.{index}7]"))
}
