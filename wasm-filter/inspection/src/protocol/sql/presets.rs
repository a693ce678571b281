//! The HTTP interfaces of databases, by name: where each of them takes SQL, and what
//! else is asked there. A text in a second place, or a path that is not of the
//! interface, does not pass.

mod postgrest;

use serde_json::{Map, Value};

use super::super::path::NormalPath;
use super::super::{Reading, content};
use super::carrier::{Carried, form_decode, missing, text_in, utf8, whole_body};
use crate::facts::{Action, Attributes, Command, Unparsed, UnparsedCode};
use crate::json::select;
use crate::plan::SqlCarrier;

/// What a request to the interface `preset` carries.
pub(super) fn carried(preset: &SqlCarrier, request: &Reading<'_>) -> Result<Carried, Unparsed> {
    let path = NormalPath::parse(request.head.path)?.into_string();
    let path = path.strip_suffix('/').filter(|path| !path.is_empty()).unwrap_or(&path);
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match preset {
        SqlCarrier::Clickhouse => clickhouse(request, &segments),
        SqlCarrier::Trino => trino(request, &segments),
        SqlCarrier::ElasticsearchSql => elasticsearch(request, &segments),
        SqlCarrier::Snowflake => snowflake(request, &segments),
        SqlCarrier::Bigquery => bigquery(request, &segments),
        SqlCarrier::Databricks => databricks(request, &segments),
        SqlCarrier::Neon => neon(request, &segments),
        SqlCarrier::Postgrest => postgrest::commands(request, &segments).map(Carried::Commands),
        SqlCarrier::Body | SqlCarrier::JsonPointer(_) | SqlCarrier::FormField(_) => Err(unknown()),
    }
}

/// <https://clickhouse.com/docs/interfaces/http>: the parameter `query`, with the body
/// after it. Settings may stand in the query string as well, among them `dialect`, so
/// only parameters that cannot change what a statement does are taken.
fn clickhouse(request: &Reading<'_>, segments: &[&str]) -> Result<Carried, Unparsed> {
    const PLAIN: [&str; 12] = [
        "database",
        "default_format",
        "query_id",
        "session_id",
        "session_timeout",
        "session_check",
        "wait_end_of_query",
        "buffer_size",
        "enable_http_compression",
        "send_progress_in_http_headers",
        "max_execution_time",
        "max_result_rows",
    ];
    if segments != [""] {
        return Err(unknown());
    }
    let mut query = None;
    for (name, value) in parameters(request)? {
        match name.as_str() {
            "query" if query.is_none() => query = Some(value),
            "query" => return Err(missing("the query string has SQL text twice")),
            name if PLAIN.contains(&name) || name.starts_with("param_") => {}
            _ => {
                return Err(Unparsed::new(
                    UnparsedCode::FieldMalformed,
                    "the query string has a setting that is not known to leave the statement alone",
                ));
            }
        }
    }
    let has_body = !request.body.is_empty();
    match (request.head.method, query) {
        ("POST", None) if has_body => whole_body(request.head, request.body).map(one),
        ("POST" | "GET", Some(query)) if !has_body => Ok(one(query)),
        ("POST", Some(query)) => {
            // What follows the name of a format is data; any other body would go on with
            // the statement.
            let mut words = query.split_ascii_whitespace().rev();
            let format = words.next().unwrap_or_default();
            let named = format.bytes().all(|byte| byte.is_ascii_alphanumeric());
            let insert = query.trim_start().get(..7).unwrap_or_default();
            let data = insert.eq_ignore_ascii_case("insert ")
                && words.next().is_some_and(|word| word.eq_ignore_ascii_case("format"));
            if named && data && !query.contains(';') {
                Ok(one(query))
            } else {
                Err(missing("the statement is in the query string and goes on in the body"))
            }
        }
        ("POST" | "GET", None) => Err(content::missing()),
        _ => Err(method()),
    }
}

/// <https://trino.io/docs/current/develop/client-protocol.html>: the statement is the
/// body, and prepared statements are SQL in a header.
fn trino(request: &Reading<'_>, segments: &[&str]) -> Result<Carried, Unparsed> {
    match (request.head.method, segments) {
        ("POST", ["v1", "statement"]) => {
            let mut texts = vec![whole_body(request.head, request.body)?];
            for name in ["x-trino-prepared-statement", "x-presto-prepared-statement"] {
                let header = request.head.header(name).unwrap_or_default();
                for prepared in header.split(',').filter(|prepared| !prepared.trim().is_empty()) {
                    let (_, text) = prepared.split_once('=').ok_or_else(|| {
                        missing("the header of prepared statements has one without a text")
                    })?;
                    texts.push(utf8(form_decode(text.trim().as_bytes())?)?);
                }
            }
            Ok(Carried::Texts(texts))
        }
        ("GET", ["v1", "statement", _, ..]) => Ok(later("sql:fetch")),
        ("DELETE", ["v1", "statement", _, ..]) => Ok(later("sql:cancel")),
        _ => Err(unknown()),
    }
}

/// Elasticsearch's SQL search API and OpenSearch's SQL plugin.
fn elasticsearch(request: &Reading<'_>, segments: &[&str]) -> Result<Carried, Unparsed> {
    let named = |name: &str| matches!(name, "format" | "pretty" | "human" | "error_trace");
    if parameters(request)?.iter().any(|(name, _)| !named(name)) {
        return Err(missing("the query string may hold another request"));
    }
    let plugin = matches!(segments, ["_plugins" | "_opendistro", "_sql", ..]);
    let rest = segments.get(if plugin { 2 } else { 1 }..).unwrap_or_default();
    if !plugin && segments.first() != Some(&"_sql") {
        return Err(unknown());
    }
    let object = |request: &Reading<'_>| object(content::json(request)?);
    match (request.head.method, rest) {
        ("POST" | "GET", [] | ["translate" | "_explain"]) => {
            let body = object(request)?;
            select::only_spelling(&body, "query")?;
            match (body.get("query"), body.get("cursor")) {
                (None, Some(Value::String(_))) => Ok(later("sql:fetch")),
                (query, None) => text_in(query).map(one),
                _ => Err(missing("the request has a statement and a cursor")),
            }
        }
        ("POST", ["close"]) => object(request).map(|_| later("sql:cancel")),
        _ => Err(unknown()),
    }
}

/// <https://docs.snowflake.com/en/developer-guide/sql-api/reference>.
fn snowflake(request: &Reading<'_>, segments: &[&str]) -> Result<Carried, Unparsed> {
    match (request.head.method, segments) {
        ("POST", ["api", "v2", "statements"]) => {
            text_in(member(&object(content::json(request)?)?, "statement")?).map(one)
        }
        ("GET", ["api", "v2", "statements", _]) => Ok(later("sql:fetch")),
        ("POST", ["api", "v2", "statements", _, "cancel"]) => Ok(later("sql:cancel")),
        _ => Err(unknown()),
    }
}

/// BigQuery's REST reference, `jobs.query` and `jobs.insert`. Without
/// `"useLegacySql": false` the text is of another language.
fn bigquery(request: &Reading<'_>, segments: &[&str]) -> Result<Carried, Unparsed> {
    let ["bigquery", "v2", "projects", _, rest @ ..] = segments else { return Err(unknown()) };
    match (request.head.method, rest) {
        ("POST", ["queries"]) => standard_sql(&object(content::json(request)?)?),
        ("POST", ["jobs"]) => {
            let job = object(content::json(request)?)?;
            let Some(Value::Object(configuration)) = member(&job, "configuration")? else {
                return Err(missing("the job has no configuration"));
            };
            let Some(Value::Object(query)) = member(configuration, "query")? else {
                return Err(unknown());
            };
            let other = ["load", "copy", "extract"];
            let writes = ["destinationTable", "tableDefinitions", "userDefinedFunctionResources"];
            if other.iter().any(|name| configuration.contains_key(*name))
                || writes.iter().any(|name| query.contains_key(*name))
            {
                return Err(Unparsed::new(
                    UnparsedCode::FieldMalformed,
                    "the job does more than its statement says",
                ));
            }
            standard_sql(query)
        }
        ("GET", ["queries" | "jobs", _]) => Ok(later("sql:fetch")),
        ("POST", ["jobs", _, "cancel"]) => Ok(later("sql:cancel")),
        _ => Err(unknown()),
    }
}

fn standard_sql(query: &Map<String, Value>) -> Result<Carried, Unparsed> {
    if member(query, "useLegacySql")? != Some(&Value::Bool(false)) {
        return Err(missing("`useLegacySql` is not false, so the text is not of this dialect"));
    }
    let text = text_in(member(query, "query")?)?;
    // A first line of this form overrides the member.
    if text.trim_start().to_ascii_lowercase().starts_with("#legacysql") {
        return Err(missing("the text says that it is of another dialect"));
    }
    Ok(one(text))
}

/// <https://docs.databricks.com/api/workspace/statementexecution>.
fn databricks(request: &Reading<'_>, segments: &[&str]) -> Result<Carried, Unparsed> {
    let ["api", "2.0", "sql", "statements", rest @ ..] = segments else { return Err(unknown()) };
    match (request.head.method, rest) {
        ("POST", []) => text_in(member(&object(content::json(request)?)?, "statement")?).map(one),
        ("GET", [_] | [_, "result", "chunks", _]) => Ok(later("sql:fetch")),
        ("POST", [_, "cancel"]) => Ok(later("sql:cancel")),
        _ => Err(unknown()),
    }
}

/// Neon's driver for HTTP: one query, or several as a transaction.
fn neon(request: &Reading<'_>, segments: &[&str]) -> Result<Carried, Unparsed> {
    if request.head.method != "POST" || segments != ["sql"] {
        return Err(unknown());
    }
    let body = object(content::json(request)?)?;
    match (member(&body, "query")?, member(&body, "queries")?) {
        (query, None) => text_in(query).map(one),
        (None, Some(Value::Array(queries))) => {
            let text = |query: &Value| match query {
                Value::Object(query) => text_in(member(query, "query")?),
                _ => Err(missing("one of the queries is no object")),
            };
            queries.iter().map(text).collect::<Result<_, _>>().map(Carried::Texts)
        }
        _ => Err(missing("the request has its SQL text in two places")),
    }
}

fn one(text: String) -> Carried {
    Carried::Texts(vec![text])
}

/// Something about a statement that was sent before.
fn later(action: &str) -> Carried {
    let action = super::effects::action(action);
    let mut attributes = Attributes::new();
    attributes.insert("has_where".to_owned(), false.into());
    for set in ["tables_read", "tables_written", "functions", "dangerous_functions"] {
        attributes.insert(set.to_owned(), Value::Array(Vec::new()));
    }
    attributes.insert("statements".to_owned(), 0.into());
    Carried::Commands(vec![Command { action, resource: String::new(), attributes }])
}

/// A member that has its name in no other spelling beside it.
fn member<'v>(object: &'v Map<String, Value>, name: &str) -> Result<Option<&'v Value>, Unparsed> {
    select::only_spelling(object, name)?;
    Ok(object.get(name))
}

fn object(value: Value) -> Result<Map<String, Value>, Unparsed> {
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(missing("the JSON document is no object")),
    }
}

/// The parameters of the query string, decoded.
fn parameters(request: &Reading<'_>) -> Result<Vec<(String, String)>, Unparsed> {
    let query = request.head.query();
    if query.contains(';') {
        return Err(missing("the query string has a semicolon that is not encoded"));
    }
    let fields = query.split('&').filter(|field| !field.is_empty());
    let decoded = |text: &str| utf8(form_decode(text.as_bytes())?);
    fields
        .map(|field| {
            let (name, value) = field.split_once('=').unwrap_or((field, ""));
            Ok((decoded(name)?, decoded(value)?))
        })
        .collect()
}

fn method() -> Unparsed {
    Unparsed::new(UnparsedCode::MethodUnexpected, "the interface is not used by this method")
}

fn unknown() -> Unparsed {
    Unparsed::new(UnparsedCode::EndpointUnknown, "the path or the method is not of this interface")
}

fn action_named(name: &str) -> Action {
    super::effects::action(name)
}
