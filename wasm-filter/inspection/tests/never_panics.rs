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
const GOOD: &[&str] = &[
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{"a":[1]}}}"#,
    r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"_meta":{"progressToken":1}}}"#,
    r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","method":"notifications/cancelled"}]"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"http://a.example:80/%41%7e;x?%2F"}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"SendMessage","params":{"message":{"parts":[{"text":"x"},{"url":"http://[::1]/%20"},{"data":{"a":1}}]}}}"#,
    r#"{"message":{"parts":[{"kind":"file","file":{"bytes":""}}]},"configuration":{"pushNotificationConfig":{"url":"https://h.example/"}}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"id":"t","taskId":"t"}}"#,
    r#"{"query":"SELECT 1","email":"a@example.com","n":[1.5,null,"\u00e9"]}"#,
    r#"{"kind":"Pod","metadata":{"name":"p"},"spec":{"volumes":[{"hostPath":{"path":"/"}}],"containers":[{"image":"a","securityContext":{"$patch":"replace","runAsUser":0}}]}}"#,
    r#"[{"op":"add","path":"/spec/containers/-1/securityContext","value":{"privileged":true}},{"op":"copy","from":"/metadata/labels/a","path":"/metadata/labels/b"}]"#,
    "q=SELECT+%2A+FROM+users&x=1",
    "WITH a AS (DELETE FROM users WHERE id = 1 OR 1 = 1 RETURNING *) SELECT f(x) FROM a, b",
    "INSERT INTO t SELECT * FROM u WHERE EXISTS (SELECT 1 FROM v WHERE v.id = u.id); DROP TABLE t",
    "EXPLAIN (ANALYZE) UPDATE \"T\" SET a = $$x$$ FROM s AS t2 WHERE NOT (a LIKE '%' ESCAPE '!')",
    "{\"index\":{\"_index\":\"<a-{now/d}>\"}}\n{}\n{\"delete\":{\"_index\":\"b\",\"_id\":\"1\"}}\n",
    r#"{"source":{"index":["a","b"],"query":{"terms":{"u":{"index":"c","id":"1","path":"x"}}}},"dest":{"index":"d"}}"#,
    r#"{"query":{"bool":{"must":[{"range":{"a":{"gte":1}}}]}},"actions":[{"add":{"index":"a","alias":"b"}}],"docs":[{"_index":"a","_id":"1"}]}"#,
    "MERGE INTO a USING b ON a.id = b.id WHEN MATCHED THEN DELETE /* c */ -- d",
    "email=a%40example.com&account%5Brole%5D=x&tags[]=1&tags[]=2&_method=POST&x",
    "--B\r\nContent-Disposition: form-data; name=\"email\"\r\n\r\na\r\n\
     --B\r\nContent-Type: text/plain\r\nContent-Disposition: form-data; name=f; filename=\"a\"\
     \r\n\r\nb\r\n--B--\r\n",
    "\0\0\0\0\x12\x0a\x03abc\x10\x05\x1a\x04\x0a\x02\x10\x07\x22\x03\x01\x02\x03",
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
        json!({ "mcp": { "revisions": ["2025-03-26", "2026-07-28"], "param_headers": [
            { "header": "a", "at": "/a/0" },
        ] } }),
        json!("a2a"),
        json!("kubernetes"),
        json!("elasticsearch"),
        json!({ "json": { "fields": { "email": "/email", "n": "/n/0" } } }),
    ];
    let form = json!({ "fields": { "email": "email" }, "lists": { "tags": "tags[]" } });
    plans.push(json!({ "form": form }));
    plans.push(json!({ "multipart": form }));
    plans.push(json!("grpc"));
    let message = json!([
        { "number": 1, "name": "a", "kind": "string", "label": "implicit" },
        { "number": 2, "name": "b", "kind": "int32", "label": "implicit" },
        { "number": 3, "name": "c", "kind": { "message": 0 } },
        { "number": 4, "name": "d", "kind": "int32", "label": "repeated" },
        { "number": 5, "name": "e", "kind": { "message": 0 }, "label": "map" },
    ]);
    let method = json!({ "input": { "message": 0 }, "output": "opaque", "client_streaming": true });
    plans.push(json!({ "grpc": {
        "fields": { "*": { "a": "a", "b": "c.c.b", "d": "c.d", "e": "e", "f": "e.abc" } },
        "schema": { "methods": { "a.B/C": method }, "messages": [message], "enums": [] },
    } }));
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
        path in prop_oneof![
            Just("/sql?q=1".to_owned()),
            Just("/a.B/C".to_owned()),
            ".{0,30}",
            "/(tasks|message:send|t:cancel|card|/){0,4}",
            "/(a,<b>|_bulk|_search|_reindex|_aliases|_mget|_msearch|_delete_by_query|/){0,4}",
            "/api/v1/(namespaces/|n/|pods/|watch/|p/|exec|status|proxy/){0,5}(\\?[a-z=&%,]{0,9})?",
            "/[a-z%.;/0-9]{0,20}",
        ],
        body in bodies(),
    ) {
        for kind in [
            "application/json",
            "application/json-patch+json",
            "application/sql",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=B",
            "application/grpc",
        ] {
            let facts = inspect(&plan, method, &path, kind, &body);
            prop_assert_eq!(facts.protocol, plan.protocol());
            prop_assert_eq!(facts.unparsed.is_some(), facts.commands.is_empty());
            // What crosses the header comes out the same.
            let text = serde_json::to_string(&facts).unwrap();
            prop_assert_eq!(serde_json::from_str::<Facts>(&text).unwrap(), facts);
        }
    }
}
