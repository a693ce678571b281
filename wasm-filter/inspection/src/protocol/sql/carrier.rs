//! Where in a request the SQL text is, and that it is nowhere else.

use super::super::{Reading, RequestHead, content, form};
use crate::facts::{Unparsed, UnparsedCode};
use crate::json::document;
use crate::plan::{SqlCarrier, SqlDialect, SqlPlan};

/// The SQL text of a request.
pub(super) fn text(plan: &SqlPlan, request: &Reading<'_>) -> Result<String, Unparsed> {
    let Reading { head, body, .. } = *request;
    if head.method != "POST" {
        return Err(Unparsed::new(
            UnparsedCode::MethodUnexpected,
            "SQL is sent by POST; a statement in the query string is not read",
        ));
    }
    if body.is_empty() {
        return Err(content::missing());
    }
    let text = match &plan.statement {
        SqlCarrier::Body => whole_body(head, body)?,
        SqlCarrier::JsonPointer(pointer) => {
            let document = content::json(request)?;
            match document::lookup(&document, pointer)? {
                Some(serde_json::Value::String(text)) => text.clone(),
                Some(_) => {
                    return Err(missing("the JSON value at the SQL text's place is no string"));
                }
                None => return Err(missing("the JSON document has no SQL text in its place")),
            }
        }
        SqlCarrier::FormField(name) => form_field(request, name)?,
    };
    refuse_second_text(plan, head)?;
    Ok(text)
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

/// ClickHouse puts the parameter `query` before the body.
fn refuse_second_text(plan: &SqlPlan, head: &RequestHead<'_>) -> Result<(), Unparsed> {
    if plan.statement != SqlCarrier::Body || plan.dialect != SqlDialect::Clickhouse {
        return Ok(());
    }
    form::refuse_in_query(&["query"], head)
        .map_err(|_| missing("the query string has SQL text as well"))
}

fn utf8(bytes: Vec<u8>) -> Result<String, Unparsed> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Unparsed::new(UnparsedCode::Utf8Invalid, format!("the text is not UTF-8, at byte {at}"))
    })
}

fn missing(why: &str) -> Unparsed {
    Unparsed::new(UnparsedCode::SqlMissing, why)
}
