//! Where in a request the SQL text is, and that it is nowhere else.

use serde_json::Value;

use super::super::{Reading, RequestHead, content, form, path};
use super::presets;
use crate::facts::{Command, Unparsed, UnparsedCode};
use crate::json::select;
use crate::plan::{SqlCarrier, SqlDialect, SqlPlan};

/// What a request carries.
pub(super) enum Carried {
    /// SQL texts, each of them run.
    Texts(Vec<String>),
    /// Something that needs no SQL.
    Commands(Vec<Command>),
}

/// What a request carries by the route's carrier.
pub(super) fn carried(plan: &SqlPlan, request: &Reading<'_>) -> Result<Carried, Unparsed> {
    let SqlPlan { dialect, statement, .. } = plan;
    let text = match statement {
        SqlCarrier::Body => body(request, || whole_body(request.head, request.body))?,
        SqlCarrier::JsonPointer(pointer) => body(request, || {
            let document = content::json(request)?;
            text_in(select::lookup(&document, pointer)?)
        })?,
        SqlCarrier::FormField(name) => body(request, || form_field(request, name))?,
        preset => return presets::carried(preset, request),
    };
    refuse_second_text(statement, *dialect, request.head)?;
    Ok(Carried::Texts(vec![text]))
}

/// The SQL text of a request that has it in its body, as `read` reads it.
fn body(
    request: &Reading<'_>,
    read: impl FnOnce() -> Result<String, Unparsed>,
) -> Result<String, Unparsed> {
    if request.head.method != "POST" {
        return Err(Unparsed::new(
            UnparsedCode::MethodUnexpected,
            "SQL is sent by POST; a statement in the query string is not read",
        ));
    }
    if request.body.is_empty() { Err(content::missing()) } else { read() }
}

/// A JSON value as SQL text.
pub(super) fn text_in(value: Option<&Value>) -> Result<String, Unparsed> {
    match value {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(missing("the JSON value at the SQL text's place is no string")),
        None => Err(missing("the JSON document has no SQL text in its place")),
    }
}

pub(super) fn whole_body(head: &RequestHead<'_>, body: &[u8]) -> Result<String, Unparsed> {
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

/// ClickHouse puts the parameter `query` before the body.
fn refuse_second_text(
    statement: &SqlCarrier,
    dialect: SqlDialect,
    head: &RequestHead<'_>,
) -> Result<(), Unparsed> {
    if *statement != SqlCarrier::Body || dialect != SqlDialect::Clickhouse {
        return Ok(());
    }
    form::refuse_in_query(&["query"], head)
        .map_err(|_| missing("the query string has SQL text as well"))
}

pub(super) fn form_decode(field: &[u8]) -> Result<Vec<u8>, Unparsed> {
    let mut decoded = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'+' => decoded.push(b' '),
            b'%' => {
                let (byte, after) = path::escape(after)
                    .ok_or_else(|| missing("the form has a percent sign that begins no escape"))?;
                decoded.push(byte);
                rest = after;
            }
            byte => decoded.push(byte),
        }
    }
    Ok(decoded)
}

pub(super) fn utf8(bytes: Vec<u8>) -> Result<String, Unparsed> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Unparsed::new(UnparsedCode::Utf8Invalid, format!("the text is not UTF-8, at byte {at}"))
    })
}

pub(super) fn missing(why: &str) -> Unparsed {
    Unparsed::new(UnparsedCode::SqlMissing, why)
}
