//! Trino's client protocol: <https://trino.io/docs/current/develop/client-protocol.html>.
//!
//! Headers are half of it: a prepared statement is SQL text in a header, a session
//! property is a SET, a role is a SET ROLE.

use super::super::super::path::NormalPath;
use super::super::super::{Reading, RequestHead, content};
use super::super::Part;
use super::{Carried, form_decode, malformed, missing, no_endpoint, utf8};
use crate::facts::Unparsed;

pub(super) fn read(request: &Reading<'_>) -> Result<Carried, Unparsed> {
    let head = request.head;
    let path = NormalPath::parse(head.path)?;
    if !head.query().is_empty() {
        return Err(malformed("the query string has a parameter that is not read"));
    }
    // A server can be told to take the headers of its older name.
    if head.headers.iter().any(|(name, _)| name.starts_with("x-presto-")) {
        return Err(malformed("the request has headers of Presto"));
    }
    let below = |prefix: &str| path.as_str().strip_prefix(prefix).is_some_and(|id| !id.is_empty());
    match head.method {
        "POST" if path.as_str() == "/v1/statement" => statement(request),
        "GET" | "HEAD" if below("/v1/statement/") || below("/v1/spooled/download/") => {
            Ok(Carried::action("sql:poll"))
        }
        "DELETE" if below("/v1/statement/") => Ok(Carried::action("sql:cancel")),
        _ => Err(no_endpoint()),
    }
}

fn statement(request: &Reading<'_>) -> Result<Carried, Unparsed> {
    let head = request.head;
    content::media_type(head)?;
    if request.body.is_empty() {
        return Err(content::missing());
    }
    let mut carried = Carried::text(utf8(request.body.to_vec())?);
    for prepared in values(head, "x-trino-prepared-statement") {
        let (_, sql) = prepared
            .split_once('=')
            .ok_or_else(|| missing("a prepared statement in a header has no text"))?;
        let sql = utf8(form_decode(sql.as_bytes())?)?;
        carried.parts.push(Part::Text { sql, shown_only: false });
    }
    if values(head, "x-trino-session").next().is_some() {
        carried = carried.and("sql:set");
    }
    if values(head, "x-trino-role").any(|role| !role.ends_with("=NONE")) {
        carried = carried.and("sql:grant");
    }
    if values(head, "x-trino-path").next().is_some() {
        return Err(malformed("a header says where functions are looked up"));
    }
    let single = |name| {
        let mut values = values(head, name);
        let value = values.next().unwrap_or_default();
        if values.next().is_some() {
            return Err(malformed("a header that is one name has more"));
        }
        Ok(value)
    };
    let (catalog, schema) = (single("x-trino-catalog")?, single("x-trino-schema")?);
    let database = if schema.is_empty() { catalog.to_owned() } else { [catalog, schema].join(".") };
    Ok(carried.within(Some(database)))
}

/// The members of a list header, of all its lines.
fn values<'h>(head: &'h RequestHead<'_>, name: &'h str) -> impl Iterator<Item = &'h str> {
    let lines = head.headers.iter().filter(move |(key, _)| *key == name);
    lines.flat_map(|(_, value)| value.split(',')).map(str::trim).filter(|value| !value.is_empty())
}
