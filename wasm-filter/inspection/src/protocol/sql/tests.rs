//! SQL over HTTP as a whole; what each statement does is reviewed as data, in
//! `tests/corpora/sql`.

use serde_json::json;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::plan::SqlCarrier;
use crate::protocol::RequestHead;

const DIALECTS: [SqlDialect; 10] = [
    SqlDialect::Generic,
    SqlDialect::Postgresql,
    SqlDialect::Mysql,
    SqlDialect::Sqlite,
    SqlDialect::Clickhouse,
    SqlDialect::Snowflake,
    SqlDialect::Bigquery,
    SqlDialect::Databricks,
    SqlDialect::Redshift,
    SqlDialect::Trino,
];

fn read(dialect: SqlDialect, sql: &str) -> Result<Vec<Command>, Unparsed> {
    let plan = SqlPlan::new(dialect, SqlCarrier::Body);
    let of_type = [("content-type", "application/sql")];
    commands(&plan, &reading(&head("/sql", &of_type), sql.as_bytes(), &Limits::default()))
}

fn reading<'a>(head: &'a RequestHead<'a>, body: &'a [u8], limits: &'a Limits) -> Reading<'a> {
    Reading { head, body, limits, paths: &[] }
}

fn code(read: Result<Vec<Command>, Unparsed>) -> Option<UnparsedCode> {
    read.err().map(|unparsed| unparsed.code)
}

fn has_where(condition: &str) -> bool {
    let sql = format!("DELETE FROM users WHERE {condition}");
    let commands = read(SqlDialect::Postgresql, &sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    commands[0].attributes["has_where"] == true
}

fn head<'a>(path: &'a str, headers: &'a [(&'a str, &'a str)]) -> RequestHead<'a> {
    RequestHead { method: "POST", authority: "a.example", path, headers }
}

#[test]
fn a_condition_that_is_always_true_is_none() {
    for condition in [
        "1 = 1",
        "true",
        "1 < 2",
        "'a' = 'a'",
        "(((1 = 1)))",
        "NOT false",
        "NOT (id <> id)",
        "NOT NOT (1 = 1)",
        "(1 = 1) IS TRUE",
        "(1 = 2) IS FALSE",
        "id = id",
        "users.id = users.id",
        "id >= id",
        "id IS NOT DISTINCT FROM id",
        "name LIKE '%'",
        "name ILIKE '%%'",
        "name LIKE name",
        "NOT (name NOT LIKE '%')",
        "id = 7 OR 1 = 1",
        "1 = 1 OR id = 7",
        "id = 7 OR (name = 'x' OR 2 > 1)",
        "NOT (id = 7 AND 1 = 2)",
        "1 = 1 AND 2 = 2",
        "id = 7 OR id <> 7",
        "id = 7 OR NOT id = 7",
        "id < 7 OR id >= 7",
        "id IN (1, 2) OR id NOT IN (1, 2)",
        "id BETWEEN 1 AND 2 OR id NOT BETWEEN 1 AND 2",
        "id IS NULL OR name = 'x' OR id IS NOT NULL",
        "random() < 2",
        "1 IN (1)",
        "CASE WHEN 1 = 1 THEN true ELSE false END",
        "(SELECT 1) = 1",
        "EXISTS (SELECT 1)",
        "EXISTS (SELECT id FROM orders o WHERE o.id = 1)",
        "id = 7 OR EXISTS (SELECT 1)",
        "id + 0 = id",
        "1 * id >= id::bigint",
        "lower(name) = lower(name)",
        "(id, name) = (id, name)",
        "id = (SELECT id)",
        "id IN (7, id)",
        "id IN (SELECT id FROM users)",
        "id = ANY (SELECT id FROM public.users)",
        "id BETWEEN id AND id",
        "id - id = 0",
        "id * 0 < 1",
        "name ~ '.*'",
        "(name !~ '^(.*)$') IS FALSE",
        "name SIMILAR TO '%'",
        "name || '' = name",
        "id <> 1 OR id <> 2",
        "id > 5 OR id < 10",
        "NOT (id > 10 AND id < 5)",
        "name < 'b' OR name > 'a'",
        "name LIKE 'a%' OR name NOT LIKE 'a%'",
        "CASE WHEN id > 1 THEN true ELSE true END",
        "EXISTS (SELECT users.id)",
        "EXISTS (SELECT 1 FROM orders o WHERE users.id = users.id)",
        "(id = id)::boolean",
    ] {
        assert!(!has_where(condition), "{condition}");
    }
}

#[test]
fn a_condition_on_the_row_is_one() {
    for condition in [
        "id = 7",
        "id = 7 AND 1 = 1",
        "NOT (id = 7)",
        "NOT (id = 7 OR 1 = 1)",
        "id <> id",
        "id = 7 OR id = 8",
        "id = other",
        "name LIKE 'a%'",
        "name NOT LIKE '%'",
        "id IN (SELECT id FROM orders)",
        "EXISTS (SELECT 1 FROM orders o WHERE o.user_id = users.id)",
        "deleted_at IS NOT NULL",
        "lower(name) = 'x'",
        "active",
        "id > 10 OR id < 5",
        "id = 1 OR id = 2",
        "id BETWEEN 1 AND 2",
        "id IN (SELECT id FROM banned)",
        "name ~ '^a'",
        "NOT EXISTS (SELECT 1 FROM orders o WHERE o.user_id = users.id)",
        "CASE WHEN id > 1 THEN true ELSE false END",
        "id - other = 0",
        "id > -1",
    ] {
        assert!(has_where(condition), "{condition}");
    }
}

#[test]
fn more_commands_than_the_limit_are_refused() {
    let most = Limits::default().commands;
    assert_eq!(code(read(SqlDialect::Generic, &"SELECT 1;".repeat(most))), None);
    assert_eq!(
        code(read(SqlDialect::Generic, &"SELECT 1;".repeat(most + 1))),
        Some(UnparsedCode::TooManyCommands)
    );
    let tables: Vec<_> = (0..=most).map(|number| format!("t{number}")).collect();
    assert_eq!(
        code(read(SqlDialect::Generic, &format!("DROP TABLE {}", tables.join(",")))),
        Some(UnparsedCode::TooManyCommands)
    );
}

#[test]
fn text_that_nests_or_chains_too_deep_is_refused_before_it_is_parsed() {
    let chains = [
        format!("SELECT {}1{}", "(".repeat(500), ")".repeat(500)),
        format!("SELECT {}1", "NOT ".repeat(5_000)),
        format!("SELECT {}1", "- ".repeat(5_000)),
        format!("SELECT 1{}", " + 1".repeat(10_000)),
        format!("SELECT 1 WHERE a{}", " AND a".repeat(5_000)),
        format!("SELECT 1, 2{}", " UNION SELECT 1, 2".repeat(2_000)),
        format!("SELECT a{}", "::int".repeat(5_000)),
        format!("SELECT * FROM {}b", "a JOIN ".repeat(5_000)),
        format!("{}SELECT 1", "EXPLAIN ".repeat(5_000)),
        format!("CREATE TABLE t (a {}int{})", "ARRAY<".repeat(2_000), ">".repeat(2_000)),
    ];
    for dialect in DIALECTS {
        for sql in &chains {
            let code = code(read(dialect, sql));
            assert_eq!(code, Some(UnparsedCode::TooDeep), "{dialect:?} {}", &sql[..40]);
        }
    }
}

#[test]
fn texts_in_each_other_are_bounded() {
    let mut sql = "SELECT 1".to_owned();
    for depth in 0..6 {
        let read = read(SqlDialect::Trino, &sql);
        assert_eq!(code(read), (depth > 2).then_some(UnparsedCode::TooDeep), "{sql}");
        sql = format!("EXECUTE IMMEDIATE '{}'", sql.replace('\'', "''"));
    }
}

#[test]
fn a_plan_reads_an_api_by_its_own_dialect() {
    let plan = |dialect, statement| SqlPlan::new(dialect, statement).contradiction();
    assert_eq!(plan(SqlDialect::Trino, SqlCarrier::Trino), None);
    assert_eq!(plan(SqlDialect::Mysql, SqlCarrier::ElasticsearchSql), None);
    assert!(plan(SqlDialect::Generic, SqlCarrier::Neon).is_some());
    assert!(plan(SqlDialect::Generic, SqlCarrier::FormField(String::new())).is_some());
}

#[test]
fn long_lists_are_not_deep() {
    let rows: Vec<_> = (0..2_000).map(|id| format!("({id}, 'x' || 'y', -1)")).collect();
    let insert = format!("INSERT INTO t (a, b, c) VALUES {}", rows.join(", "));
    let ids: Vec<_> = (0..5_000).map(|id| id.to_string()).collect();
    let select = format!("SELECT * FROM t WHERE id IN ({})", ids.join(","));
    let joins: Vec<_> = (0..30).map(|n| format!("LEFT JOIN t{n} ON t{n}.id = t.id")).collect();
    let joined = format!("SELECT * FROM t {} WHERE t.id = 1", joins.join(" "));
    for dialect in DIALECTS {
        for sql in [&insert, &select, &joined] {
            assert_eq!(code(read(dialect, sql)), None, "{dialect:?} {}", &sql[..40]);
        }
    }
}

#[test]
fn a_refusal_says_where_and_does_not_quote() {
    for dialect in DIALECTS {
        let unparsed = read(dialect, "SELECT 1;\nSELECT hunter2 hunter2 hunter2").unwrap_err();
        assert_eq!(unparsed.code, UnparsedCode::SqlMalformed);
        assert!(unparsed.detail.contains("at line 2 column"), "{}", unparsed.detail);
        assert!(!unparsed.detail.contains("hunter2"), "{}", unparsed.detail);
        let unparsed = read(dialect, "SELECT 'hunter2").unwrap_err();
        assert!(unparsed.detail.contains("at line 1 column"), "{}", unparsed.detail);
        assert!(!unparsed.detail.contains("hunter2"), "{}", unparsed.detail);
    }
}

#[test]
fn every_action_that_a_statement_can_have_is_in_the_vocabulary() {
    let sources = [
        include_str!("effects.rs"),
        include_str!("effects/rows.rs"),
        include_str!("effects/targets.rs"),
        include_str!("carrier/apis.rs"),
        include_str!("carrier/clickhouse.rs"),
        include_str!("carrier/postgrest.rs"),
        include_str!("carrier/trino.rs"),
    ];
    let used: BTreeSet<_> = sources.iter().flat_map(|source| source.split('"')).collect();
    let used: BTreeSet<_> = used.into_iter().filter(|text| text.starts_with("sql:")).collect();
    assert!(used.len() > 15, "{used:?}");
    for name in used {
        assert!(Action::named(name).is_some(), "{name}");
    }
}

/// Reads a request whose statement should be `SELECT 1`.
fn carried(carrier: &Value, path: &str, content_type: &str, body: &str) -> String {
    let plan = json!({ "dialect": "clickhouse", "statement": carrier });
    let plan: SqlPlan = serde_json::from_value(plan).unwrap_or_else(|e| panic!("{e}"));
    let of_type = [("content-type", content_type)];
    let head = head(path, &of_type);
    match commands(&plan, &reading(&head, body.as_bytes(), &Limits::default())) {
        Ok(commands) => {
            commands.iter().map(|command| command.action.name()).collect::<Vec<_>>().join(" ")
        }
        Err(unparsed) => unparsed.code.name().to_owned(),
    }
}

#[test]
fn sql_is_taken_from_the_whole_body() {
    let body = json!("body");
    let read = |content_type, text| carried(&body, "/sql", content_type, text);
    for content_type in ["application/sql", "text/plain; charset=utf-8", ""] {
        assert_eq!(read(content_type, "SELECT 1"), "sql:select");
    }
    assert_eq!(read("application/json", "SELECT 1"), "content_type_unexpected");
    assert_eq!(read("text/plain; charset=utf-16", "SELECT 1"), "charset_unsupported");
    assert_eq!(read("text/plain", ""), "body_missing");
    assert_eq!(carried(&body, "/?query=DROP", "", "SELECT 1"), "sql_missing");
    assert_eq!(carried(&body, "/?database=x&Query=DROP", "", "SELECT 1"), "sql_missing");
    assert_eq!(carried(&body, "/?database=x", "", "SELECT 1"), "sql:select");
}

#[test]
fn sql_is_taken_from_a_json_string() {
    let carrier = json!({ "json_pointer": "/query" });
    let read = |text| carried(&carrier, "/sql", "application/json", text);
    assert_eq!(read(r#"{"query":"SELECT\u00201","args":[]}"#), "sql:select");
    assert_eq!(read(r#"{"query":["SELECT 1"]}"#), "sql_missing");
    assert_eq!(read(r#"{"sql":"SELECT 1"}"#), "sql_missing");
    assert_eq!(read(r#"{"query":"SELECT 1","Query":"DROP"}"#), "json_key_ambiguous");
    assert_eq!(read(r#"{"query":"SELECT 1","query":"DROP"}"#), "json_duplicate_key");
    assert_eq!(carried(&carrier, "/sql", "text/plain", "{}"), "content_type_unexpected");
}

#[test]
fn sql_is_taken_from_one_form_field_and_no_other() {
    let carrier = json!({ "form_field": "q" });
    let form = "application/x-www-form-urlencoded";
    let read = |text: &str| carried(&carrier, "/sql", form, text);
    assert_eq!(read("a=1&q=SELECT+1%3B&b"), "sql:select");
    assert_eq!(read("%71=SELECT%201"), "sql:select");
    for second in ["q=DROP", "Q=DROP", "q[]=DROP", "+q=DROP", "%71=DROP", "q"] {
        assert_eq!(read(&format!("q=SELECT+1&{second}")), "sql_missing", "{second}");
    }
    assert_eq!(read("a=1"), "sql_missing");
    assert_eq!(read("q=SELECT+1;q=DROP"), "sql_missing");
    assert_eq!(read("q=SELECT+1%2"), "sql_missing");
    assert_eq!(read("q=SELECT+%ff"), "utf8_invalid");
    assert_eq!(carried(&carrier, "/sql?q=DROP", form, "q=SELECT+1"), "sql_missing");
    assert_eq!(carried(&carrier, "/sql?x=1", form, "q=SELECT+1"), "sql:select");
    assert_eq!(carried(&carrier, "/sql", "text/plain", "q=SELECT+1"), "content_type_unexpected");
}

#[test]
fn sql_comes_by_post_only() {
    let plan = SqlPlan::new(SqlDialect::Sqlite, SqlCarrier::Body);
    for method in ["GET", "PUT", "post"] {
        let head = RequestHead { method, ..head("/sql", &[("content-type", "application/sql")]) };
        let read = commands(&plan, &reading(&head, b"SELECT 1", &Limits::default()));
        assert_eq!(code(read), Some(UnparsedCode::MethodUnexpected), "{method}");
    }
}
