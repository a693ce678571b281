//! SQL text in a place that the configuration names.

use super::super::super::{Reading, RequestHead, content, form};
use super::{missing, query, utf8};
use crate::facts::{Unparsed, UnparsedCode};
use crate::json::select;
use crate::plan::{JsonPointer, SqlDialect, SqlPlan};

/// The whole body.
pub(super) fn body(plan: &SqlPlan, request: &Reading<'_>) -> Result<String, Unparsed> {
    posted(request)?;
    let text = whole_body(request.head, request.body)?;
    // ClickHouse puts the parameter `query` before the body.
    if plan.dialect == SqlDialect::Clickhouse {
        refuse_second_text("query", request.head)?;
    }
    Ok(text)
}

/// A string in a JSON body.
pub(super) fn json_pointer(
    pointer: &JsonPointer,
    request: &Reading<'_>,
) -> Result<String, Unparsed> {
    posted(request)?;
    let document = content::json(request)?;
    match select::lookup(&document, pointer)? {
        Some(serde_json::Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(missing("the JSON value at the SQL text's place is no string")),
        None => Err(missing("the JSON document has no SQL text in its place")),
    }
}

/// A field of a form.
pub(super) fn form(name: &str, request: &Reading<'_>) -> Result<String, Unparsed> {
    posted(request)?;
    let text = form_field(request, name)?;
    // Many frameworks look for a field in the query string as well.
    refuse_second_text(name, request.head)?;
    Ok(text)
}

fn posted(request: &Reading<'_>) -> Result<(), Unparsed> {
    if request.head.method != "POST" {
        return Err(Unparsed::new(
            UnparsedCode::MethodUnexpected,
            "SQL is sent by POST; a statement in the query string is not read",
        ));
    }
    if request.body.is_empty() { Err(content::missing()) } else { Ok(()) }
}

fn whole_body(head: &RequestHead<'_>, body: &[u8]) -> Result<String, Unparsed> {
    let media_type = content::media_type(head)?;
    let known =
        ["", "application/sql", "application/x-sql", "text/plain", "text/sql", "text/x-sql"];
    if !known.contains(&media_type.as_str()) {
        return Err(content::unexpected("the content type is none of SQL or plain text"));
    }
    utf8(body.to_vec())
}

fn form_field(request: &Reading<'_>, name: &str) -> Result<String, Unparsed> {
    match form::only_value(request, name) {
        Ok(found) => found.ok_or_else(|| missing("the form has no field with the SQL text")),
        Err(Unparsed { code: UnparsedCode::FormMalformed, detail }) => Err(missing(&detail)),
        Err(unparsed) => Err(unparsed),
    }
}

fn refuse_second_text(name: &str, head: &RequestHead<'_>) -> Result<(), Unparsed> {
    if query::parameters(head)?.iter().any(|(key, _)| same_field(key, name)) {
        return Err(missing("the query string has SQL text as well"));
    }
    Ok(())
}

/// Whether a reader that is liberal with case, or makes arrays of `name[]` as PHP
/// does, may take `key` for `name`.
fn same_field(key: &str, name: &str) -> bool {
    let key = key.trim();
    let base = key.split('[').next().unwrap_or(key);
    key == name || base.to_lowercase() == name.to_lowercase()
}
