//! The APIs that carry SQL in a JSON body.

use serde_json::{Map, Value};

use super::super::super::path::NormalPath;
use super::super::super::{Reading, content};
use super::super::Part;
use super::{Carried, malformed, mismatch, missing, no_endpoint, query};
use crate::facts::{Unparsed, UnparsedCode};
use crate::json::select;

/// Elasticsearch's and OpenSearch's SQL:
/// <https://www.elastic.co/docs/api/doc/elasticsearch/group/endpoint-sql>,
/// <https://docs.opensearch.org/latest/search-plugins/sql/sql-ppl-api/>.
pub(super) fn elasticsearch(request: &Reading<'_>) -> Result<Carried, Unparsed> {
    let path = NormalPath::parse(request.head.path)?;
    let known =
        ["format", "pretty", "human", "error_trace", "filter_path", "delimiter", "sanitize"];
    query::only(request.head, &known)?;
    let segments: Vec<&str> = path.as_str().trim_start_matches('/').split('/').collect();
    let shown_only = match (request.head.method, segments.as_slice()) {
        ("POST" | "GET", ["_sql"] | ["_plugins" | "_opendistro", "_sql"]) => false,
        ("POST" | "GET", ["_sql", "translate"])
        | ("POST", ["_plugins" | "_opendistro", "_sql", "_explain"]) => true,
        ("POST", ["_sql", "close"] | ["_plugins" | "_opendistro", "_sql", "close"])
        | ("DELETE", ["_sql", "async", "delete", _]) => return Ok(Carried::action("sql:cancel")),
        ("GET", ["_sql", "async", _] | ["_sql", "async", "status", _]) => {
            return Ok(Carried::action("sql:poll"));
        }
        _ => return Err(no_endpoint()),
    };
    let body = object(request)?;
    let catalog = text(&body, "catalog")?.map(str::to_owned);
    match (text(&body, "query")?, text(&body, "cursor")?) {
        (Some(sql), None) => Ok(Carried {
            parts: vec![Part::Text { sql: sql.to_owned(), shown_only }],
            database: catalog,
        }),
        (None, Some(_)) => Ok(Carried::action("sql:poll")),
        _ => Err(missing("the body has no SQL text, or a cursor as well")),
    }
}

/// Snowflake's SQL API: <https://docs.snowflake.com/en/developer-guide/sql-api/reference>.
pub(super) fn snowflake(request: &Reading<'_>) -> Result<Carried, Unparsed> {
    let path = NormalPath::parse(request.head.path)?;
    query::only(request.head, &["requestId", "async", "nullable", "retry", "partition"])?;
    let rest = path.as_str().strip_prefix("/api/v2/statements").ok_or_else(no_endpoint)?;
    match (request.head.method, segments(rest)?.as_slice()) {
        ("POST", []) => {}
        ("GET", [_]) => return Ok(Carried::action("sql:poll")),
        ("POST", [_, "cancel"]) => return Ok(Carried::action("sql:cancel")),
        _ => return Err(no_endpoint()),
    }
    let body = object(request)?;
    let mut carried = Carried::text(statement(&body, "statement")?);
    if text(&body, "role")?.is_some_and(|role| !role.is_empty()) {
        carried = carried.and("sql:grant");
    }
    if let Some(parameters) = member(&body, "parameters")? {
        let Value::Object(parameters) = parameters else {
            return Err(malformed("the parameters are no object"));
        };
        let known = ["multi_statement_count", "query_tag", "timezone", "use_cached_result"];
        let harmless = |key: &String| {
            let key = key.to_ascii_lowercase();
            known.contains(&key.as_str()) || key.ends_with("_output_format")
        };
        if !parameters.keys().all(harmless) {
            return Err(malformed("the parameters change how the statement is read or run"));
        }
    }
    let database = joined(&[text(&body, "database")?, text(&body, "schema")?]);
    Ok(carried.within(database))
}

/// BigQuery's REST API: <https://cloud.google.com/bigquery/docs/reference/rest/v2>.
pub(super) fn bigquery(request: &Reading<'_>) -> Result<Carried, Unparsed> {
    let head = request.head;
    let path = NormalPath::parse(head.path)?;
    let known = [
        "alt",
        "fields",
        "key",
        "prettyPrint",
        "quotaUser",
        "location",
        "maxResults",
        "startIndex",
        "pageToken",
        "timeoutMs",
        "projection",
        "stateFilter",
        "allUsers",
        "formatOptions.*",
    ];
    query::only(head, &known)?;
    let rest = path.as_str().strip_prefix("/bigquery/v2/projects").ok_or_else(no_endpoint)?;
    let body = match (head.method, segments(rest)?.as_slice()) {
        ("GET", [_, "queries" | "jobs", _] | [_, "jobs"]) => {
            return Ok(Carried::action("sql:poll"));
        }
        ("POST", [_, "jobs", _, "cancel"]) => return Ok(Carried::action("sql:cancel")),
        ("POST", [_, "queries"]) => return bigquery_query(&object(request)?, None),
        ("POST", [_, "jobs"]) => object(request)?,
        _ => return Err(no_endpoint()),
    };
    let Some(Value::Object(configuration)) = member(&body, "configuration")? else {
        return Err(missing("the job has no configuration"));
    };
    for other in ["load", "copy", "extract"] {
        if member(configuration, other)?.is_some() {
            return Err(Unparsed::new(
                UnparsedCode::EndpointUnknown,
                "the job is something else than a query",
            ));
        }
    }
    let dry = member(configuration, "dryRun")?;
    let Some(Value::Object(query)) = member(configuration, "query")? else {
        return Err(missing("the job has no query"));
    };
    bigquery_query(query, dry)
}

fn bigquery_query(body: &Map<String, Value>, dry: Option<&Value>) -> Result<Carried, Unparsed> {
    // The API takes the text for legacy SQL unless it is told otherwise.
    if member(body, "useLegacySql")? != Some(&Value::Bool(false)) {
        return Err(Unparsed::new(
            UnparsedCode::SqlMalformed,
            "`useLegacySql` is not false, and legacy SQL is not read",
        ));
    }
    for refused in ["tableDefinitions", "userDefinedFunctionResources"] {
        if member(body, refused)?.is_some() {
            return Err(malformed("the job defines tables or functions of its own"));
        }
    }
    let dry = match dry {
        Some(dry) => Some(dry),
        None => member(body, "dryRun")?,
    };
    let shown_only = dry == Some(&Value::Bool(true));
    let sql = statement(body, "query")?;
    let mut parts = vec![Part::Text { sql, shown_only }];
    if let Some(table) = table(body, "destinationTable", &["projectId", "datasetId", "tableId"])? {
        let mut effects = super::Effects::only("sql:create");
        effects.writes("sql:create", table);
        parts.push(Part::Effects(effects));
    }
    let database = table(body, "defaultDataset", &["projectId", "datasetId"])?;
    Ok(Carried { parts, database })
}

/// A reference to a table or a dataset, its parts joined by dots.
fn table(
    body: &Map<String, Value>,
    name: &str,
    parts: &[&str],
) -> Result<Option<String>, Unparsed> {
    match member(body, name)? {
        None => Ok(None),
        Some(Value::Object(reference)) => {
            let parts = parts.iter().map(|part| text(reference, part));
            Ok(joined(&parts.collect::<Result<Vec<_>, _>>()?))
        }
        Some(_) => Err(malformed("a reference to a table is no object")),
    }
}

/// Databricks' Statement Execution API:
/// <https://docs.databricks.com/api/workspace/statementexecution>.
pub(super) fn databricks(request: &Reading<'_>) -> Result<Carried, Unparsed> {
    let path = NormalPath::parse(request.head.path)?;
    query::only(request.head, &["row_offset"])?;
    let rest = path.as_str().strip_prefix("/api/2.0/sql/statements").ok_or_else(no_endpoint)?;
    match (request.head.method, segments(rest)?.as_slice()) {
        ("POST", []) => {}
        ("GET", [_] | [_, "result", "chunks", _]) => return Ok(Carried::action("sql:poll")),
        ("POST", [_, "cancel"]) => return Ok(Carried::action("sql:cancel")),
        _ => return Err(no_endpoint()),
    }
    let body = object(request)?;
    let database = joined(&[text(&body, "catalog")?, text(&body, "schema")?]);
    Ok(Carried::text(statement(&body, "statement")?).within(database))
}

/// Neon's SQL over HTTP: one statement, or several as one transaction.
/// <https://github.com/neondatabase/serverless>
pub(super) fn neon(request: &Reading<'_>) -> Result<Carried, Unparsed> {
    let head = request.head;
    let path = NormalPath::parse(head.path)?;
    if head.method != "POST" || path.as_str() != "/sql" {
        return Err(no_endpoint());
    }
    query::only(head, &[])?;
    let database = neon_database(request)?;
    let body = object(request)?;
    let texts = match (member(&body, "query")?, member(&body, "queries")?) {
        (Some(_), None) => vec![statement(&body, "query")?],
        (None, Some(Value::Array(queries))) if !queries.is_empty() => {
            let texts = queries.iter().map(|query| match query {
                Value::Object(query) => statement(query, "query"),
                _ => Err(missing("a query of the batch is no object")),
            });
            texts.collect::<Result<Vec<_>, _>>()?
        }
        _ => return Err(missing("the body has neither one query nor a list of them")),
    };
    let parts = texts.into_iter().map(|sql| Part::Text { sql, shown_only: false }).collect();
    Ok(Carried { parts, database })
}

/// The database that the connection string names. Its options could change how the
/// text is read.
fn neon_database(request: &Reading<'_>) -> Result<Option<String>, Unparsed> {
    let mut lines =
        request.head.headers.iter().filter(|(name, _)| *name == "neon-connection-string");
    let (line, second) = (lines.next(), lines.next());
    if second.is_some() {
        return Err(mismatch("the request has two connection strings"));
    }
    let Some((_, url)) = line else { return Ok(None) };
    let rest = url
        .strip_prefix("postgres://")
        .or_else(|| url.strip_prefix("postgresql://"))
        .ok_or_else(|| malformed("the connection string is no URL of PostgreSQL"))?;
    let (rest, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let known = ["sslmode=", "channel_binding=", "connect_timeout=", "application_name="];
    let is_known = |parameter: &str| {
        parameter.is_empty() || known.iter().any(|name| parameter.starts_with(name))
    };
    if !parameters.split('&').all(is_known) {
        return Err(malformed("the connection string has options"));
    }
    let path = rest.rsplit_once('@').map_or(rest, |(_, host)| host).split_once('/');
    let name = path.map_or("", |(_, name)| name);
    if name.contains(['%', '/']) {
        return Err(malformed("the connection string names no plain database"));
    }
    Ok(Some(name.to_owned()).filter(|name| !name.is_empty()))
}

/// The segments after an API's prefix; a slash at the end is none.
fn segments(rest: &str) -> Result<Vec<&str>, Unparsed> {
    let rest = match rest.strip_prefix('/') {
        Some(rest) => rest.strip_suffix('/').unwrap_or(rest),
        None if rest.is_empty() => rest,
        None => return Err(no_endpoint()),
    };
    Ok(rest.split('/').filter(|segment| !segment.is_empty()).collect())
}

fn object(request: &Reading<'_>) -> Result<Map<String, Value>, Unparsed> {
    if request.body.is_empty() {
        return Err(content::missing());
    }
    match content::json(request)? {
        Value::Object(object) => Ok(object),
        _ => Err(missing("the JSON document is no object")),
    }
}

/// A member, spelt in one way only; null is none.
fn member<'v>(object: &'v Map<String, Value>, name: &str) -> Result<Option<&'v Value>, Unparsed> {
    select::only_spelling(object, name)?;
    Ok(object.get(name).filter(|value| !value.is_null()))
}

fn text<'v>(object: &'v Map<String, Value>, name: &str) -> Result<Option<&'v str>, Unparsed> {
    match member(object, name)? {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(malformed("a field that is a text has another value")),
    }
}

fn statement(object: &Map<String, Value>, name: &str) -> Result<String, Unparsed> {
    text(object, name)?
        .map(str::to_owned)
        .ok_or_else(|| missing("the body has no SQL text in its place"))
}

fn joined(parts: &[Option<&str>]) -> Option<String> {
    let parts: Vec<_> = parts.iter().copied().flatten().filter(|part| !part.is_empty()).collect();
    (!parts.is_empty()).then(|| parts.join("."))
}
