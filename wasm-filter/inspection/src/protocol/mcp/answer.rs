//! What a client answers to the server: to its requests, or in the parameters of the
//! request that it sends again (2026-07-28, multi round-trip requests).
//!
//! The answer does not say to what it is one. Its members do: each kind of result has
//! one that no other has.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::super::jsonrpc::Outcome;
use crate::facts::Attributes;

/// Writes what one answer says.
pub(super) fn describe(outcome: &Outcome, attributes: &mut Attributes) {
    let kind = match outcome {
        Outcome::Error => "error",
        Outcome::Result(result) => {
            if let Some(content) = elicited(result) {
                attributes.insert("elicited".to_owned(), Value::Object(content.clone()));
            }
            kind(result)
        }
    };
    attributes.insert("answers".to_owned(), Value::from(vec![kind]));
}

/// Writes what several answers say, by the keys that the server gave them.
pub(super) fn describe_all(responses: &Map<String, Value>, attributes: &mut Attributes) {
    let kinds: BTreeSet<&str> = responses.values().map(kind).collect();
    let kinds: Vec<&str> = kinds.into_iter().collect();
    attributes.insert("answers".to_owned(), Value::from(kinds));
    let elicited: Map<String, Value> = responses
        .iter()
        .filter_map(|(key, response)| {
            elicited(response).map(|content| (key.clone(), Value::Object(content.clone())))
        })
        .collect();
    if !elicited.is_empty() {
        attributes.insert("elicited".to_owned(), Value::Object(elicited));
    }
}

fn kind(result: &Value) -> &'static str {
    let has = |key| result.get(key).is_some();
    if has("roots") {
        "roots"
    } else if has("action") {
        "elicitation"
    } else if has("role") || has("model") {
        "sampling"
    } else {
        "other"
    }
}

/// The content of a form that a user filled in.
fn elicited(result: &Value) -> Option<&Map<String, Value>> {
    result.get("action")?;
    result.get("content")?.as_object()
}
