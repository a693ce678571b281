//! JSON documents: plain HTTP, with the fields that the route names.

use super::{RequestHead, content, http};
use crate::facts::{Attributes, Command, Unparsed};
use crate::json::document;
use crate::plan::{JsonPlan, Limits};

/// The command of one request. Fields that the document does not have are left
/// out; a body is read whatever the method.
pub(super) fn command(
    plan: &JsonPlan,
    limits: &Limits,
    head: &RequestHead<'_>,
    body: &[u8],
) -> Result<Command, Unparsed> {
    let mut command = http::command(head.method, head.path)?;
    if body.is_empty() {
        return match head.method {
            "GET" | "HEAD" | "DELETE" | "OPTIONS" => Ok(command),
            _ => Err(content::missing()),
        };
    }
    let document = content::json(head, limits, body)?;
    let mut fields = Attributes::new();
    for (name, pointer) in &plan.fields {
        if let Some(value) = document::lookup(&document, pointer)? {
            fields.insert(name.clone(), value.clone());
        }
    }
    command.attributes.insert("fields".to_owned(), fields.into());
    Ok(command)
}
