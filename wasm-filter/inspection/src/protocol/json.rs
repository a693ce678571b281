//! JSON documents: plain HTTP, with the fields that the route names.

use super::{Reading, content, embedded, http};
use crate::facts::{Attributes, Command, Unparsed};
use crate::json::select;
use crate::plan::JsonPlan;

/// The commands of one request. Fields that the document does not have are left out;
/// a body is read whatever the method.
pub(super) fn commands(plan: &JsonPlan, request: &Reading<'_>) -> Result<Vec<Command>, Unparsed> {
    let mut command = http::command(request)?;
    if request.body.is_empty() {
        return match request.head.method {
            "GET" | "HEAD" | "DELETE" | "OPTIONS" => Ok(vec![command]),
            _ => Err(content::missing()),
        };
    }
    let document = content::json(request)?;
    let mut fields = Attributes::new();
    for (name, field) in &plan.fields {
        if let Some(value) = select::select(&document, field)? {
            fields.insert(name.clone(), value);
        }
    }
    command.attributes.insert("fields".to_owned(), fields.into());
    let mut commands = vec![command];
    commands.extend(embedded::commands(&plan.embedded, None, &document, request.limits)?);
    Ok(commands)
}
