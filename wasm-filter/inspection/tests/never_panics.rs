//! No request makes the inspector panic, whatever its bytes.

#![cfg(not(target_arch = "wasm32"))]

use std::panic::resume_unwind;
use std::thread;

use chaperone_inspection::facts::Facts;
use chaperone_inspection::plan::{Limits, ProtocolPlan};
use chaperone_inspection::protocol::{RequestHead, inspect_body};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Enough for the deepest text that is parsed, in a build without optimisation.
const STACK_BYTES: usize = 64 << 20;

/// Good bodies of every protocol, to be spoilt.
const GOOD: [&str; 8] = [
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{"a":[1]}}}"#,
    r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"_meta":{"progressToken":1}}}"#,
    r#"{"query":"SELECT 1","email":"a@example.com","n":[1.5,null,"\u00e9"]}"#,
    "q=SELECT+%2A+FROM+users&x=1",
    "WITH a AS (DELETE FROM users WHERE id = 1 OR 1 = 1 RETURNING *) SELECT f(x) FROM a, b",
    "INSERT INTO t SELECT * FROM u WHERE EXISTS (SELECT 1 FROM v WHERE v.id = u.id); DROP TABLE t",
    "EXPLAIN (ANALYZE) UPDATE \"T\" SET a = $$x$$ FROM s AS t2 WHERE NOT (a LIKE '%' ESCAPE '!')",
    "MERGE INTO a USING b ON a.id = b.id WHEN MATCHED THEN DELETE /* c */ -- d",
];

/// Words that SQL texts are made of.
const WORDS: [&str; 56] = [
    "SELECT",
    "FROM",
    "WHERE",
    "users",
    "\"Users\"",
    "`u`",
    "[u]",
    "(",
    ")",
    ",",
    ";",
    ".",
    "*",
    "=",
    "<>",
    "OR",
    "AND",
    "NOT",
    "1",
    "'x'",
    "$$",
    "WITH",
    "AS",
    "a",
    "UNION",
    "JOIN",
    "ON",
    "DELETE",
    "UPDATE",
    "SET",
    "INSERT",
    "INTO",
    "VALUES",
    "EXPLAIN",
    "ANALYZE",
    "CREATE",
    "TABLE",
    "DROP",
    "ALTER",
    "TRUNCATE",
    "CALL",
    "COPY",
    "STDIN",
    "GRANT",
    "RETURNING",
    "EXISTS",
    "IN",
    "LIKE",
    "CASE",
    "WHEN",
    "END",
    "BEGIN",
    "::int",
    "f(",
    "/*",
    "--",
];

fn plans() -> impl Strategy<Value = ProtocolPlan> {
    let mut plans = vec![
        json!("http"),
        json!("mcp"),
        json!({ "json": { "fields": { "email": "/email", "n": "/n/0" } } }),
    ];
    let dialects = [
        "generic",
        "postgresql",
        "mysql",
        "sqlite",
        "clickhouse",
        "snowflake",
        "bigquery",
        "databricks",
        "redshift",
        "trino",
    ];
    for dialect in dialects {
        for statement in
            [json!("body"), json!({ "json_pointer": "/query" }), json!({ "form_field": "q" })]
        {
            plans.push(json!({ "sql": { "dialect": dialect, "statement": statement } }));
        }
    }
    for (carrier, dialect) in [
        ("clickhouse", "clickhouse"),
        ("trino", "trino"),
        ("elasticsearch_sql", "generic"),
        ("snowflake", "snowflake"),
        ("bigquery", "bigquery"),
        ("databricks", "databricks"),
        ("neon", "postgresql"),
        ("postgrest", "postgresql"),
    ] {
        plans.push(json!({ "sql": { "dialect": dialect, "statement": carrier } }));
    }
    prop::sample::select(plans).prop_map(|plan: Value| serde_json::from_value(plan).unwrap())
}

fn spoilt() -> impl Strategy<Value = Vec<u8>> {
    let edits = prop::collection::vec((any::<prop::sample::Index>(), 0..3, any::<u8>()), 0..6);
    (prop::sample::select(GOOD.to_vec()), edits).prop_map(|(good, edits)| {
        let mut bytes = good.as_bytes().to_vec();
        for (at, edit, byte) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match edit {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        bytes
    })
}

fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::collection::vec(prop::sample::select(WORDS.to_vec()), 0..40);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        ".{0,80}".prop_map(String::into_bytes),
        spoilt(),
        words.prop_map(|words| words.join(" ").into_bytes()),
    ]
}

fn inspect(plan: &ProtocolPlan, method: &str, path: &str, kind: &str, body: &[u8]) -> Facts {
    let headers = [("content-type", kind)];
    let head = RequestHead { method, authority: "a.example", path, headers: &headers };
    thread::scope(|scope| {
        thread::Builder::new()
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || inspect_body(plan, &Limits::default(), &head, body))
            .unwrap()
            .join()
            .unwrap_or_else(|panic| resume_unwind(panic))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn no_request_makes_the_inspector_panic(
        plan in plans(),
        method in prop::sample::select(vec!["POST", "GET", "DELETE", "PATCH", "x"]),
        path in prop_oneof![Just("/sql?q=1".to_owned()), ".{0,30}", "/[a-z%.;/0-9]{0,20}"],
        body in bodies(),
    ) {
        for kind in ["application/json", "application/sql", "application/x-www-form-urlencoded"] {
            let facts = inspect(&plan, method, &path, kind, &body);
            prop_assert_eq!(facts.protocol, plan.protocol());
            prop_assert_eq!(facts.unparsed.is_some(), facts.commands.is_empty());
            // What crosses the header comes out the same.
            let text = serde_json::to_string(&facts).unwrap();
            prop_assert_eq!(serde_json::from_str::<Facts>(&text).unwrap(), facts);
        }
    }
}
