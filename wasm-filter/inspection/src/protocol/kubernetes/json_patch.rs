//! JSON Patch (RFC 6902), as the objects that its operations say something of: each
//! operation becomes a patch of the place that it changes.
//!
//! The API server's reader (`github.com/evanphx/json-patch`) takes negative numbers as
//! places in lists, and leaves out whatever stands before the first slash of a path.

use serde_json::{Map, Value};

use super::malformed;
use crate::facts::{Unparsed, UnparsedCode};
use crate::json::document;

/// Deeper than any place that is looked at.
const DEEPEST: usize = 24;

/// The members of an object that are looked at.
const LOOKED_AT: [&str; 10] = [
    "apiVersion",
    "kind",
    "metadata",
    "spec",
    "template",
    "roleRef",
    "subjects",
    "rules",
    "aggregationRule",
    "type",
];

/// One patch for each operation that concerns what is looked at.
pub(super) fn patches(operations: Value) -> Result<Vec<Value>, Unparsed> {
    let Value::Array(operations) = operations else {
        return Err(malformed("a JSON Patch is not a list"));
    };
    let mut patches = Vec::new();
    for operation in operations {
        let Value::Object(operation) = operation else {
            return Err(malformed("an operation is not an object"));
        };
        patches.extend(patch(operation)?);
    }
    Ok(patches)
}

fn patch(mut operation: Map<String, Value>) -> Result<Option<Value>, Unparsed> {
    for name in ["op", "path", "from", "value"] {
        document::only_spelling(&operation, name)?;
    }
    let place = tokens(&operation, "path")?;
    let kind = operation.get("op").and_then(Value::as_str).unwrap_or_default();
    match kind {
        "test" => Ok(None),
        "remove" => Ok(is_looked_at(&place).then(|| at(&place, Value::Null)).transpose()?),
        "add" | "replace" => {
            let value = operation
                .remove("value")
                .ok_or_else(|| malformed("an operation has no `value`"))?;
            Ok(is_looked_at(&place).then(|| at(&place, replaced(value))).transpose()?)
        }
        "move" | "copy" => {
            if is_decisive(&place) || is_decisive(&tokens(&operation, "from")?) {
                return Err(malformed("an operation takes its value from another place"));
            }
            Ok(None)
        }
        _ => Err(malformed("an operation has no `op` that is known")),
    }
}

fn tokens(operation: &Map<String, Value>, name: &str) -> Result<Vec<String>, Unparsed> {
    let path = operation.get(name).and_then(Value::as_str).unwrap_or_default();
    let Some(path) = path.strip_prefix('/') else {
        return Err(malformed(format!("the `{name}` of an operation does not begin with a slash")));
    };
    let unescape = |token: &str| token.replace("~1", "/").replace("~0", "~");
    Ok(path.split('/').map(unescape).collect())
}

fn is_looked_at(place: &[String]) -> bool {
    let first = place.first().map(String::as_str).unwrap_or_default();
    LOOKED_AT.iter().any(|name| name.eq_ignore_ascii_case(first))
}

/// Labels and annotations may come from each other.
fn is_decisive(place: &[String]) -> bool {
    let second = place.get(1).map(String::as_str);
    let harmless = matches!(second, Some("labels" | "annotations"));
    is_looked_at(place) && !(harmless && place.first().is_some_and(|first| first == "metadata"))
}

/// `value` at a place of an otherwise empty object.
fn at(place: &[String], mut value: Value) -> Result<Value, Unparsed> {
    if place.len() > DEEPEST {
        return Err(Unparsed::new(UnparsedCode::TooDeep, "the path of an operation is too deep"));
    }
    for token in place.iter().rev() {
        let is_index = token == "-" || token.parse::<i64>().is_ok();
        value = if is_index {
            Value::Array(vec![value])
        } else {
            Value::Object(Map::from_iter([(token.clone(), value)]))
        };
    }
    Ok(value)
}

/// `value` as one that says all there is of its place.
fn replaced(mut value: Value) -> Value {
    let mark = |value: &mut Value| {
        if let Value::Object(object) = value {
            object.insert("$patch".to_owned(), Value::from("replace"));
        }
    };
    if let Value::Array(items) = &mut value {
        items.iter_mut().for_each(mark);
    }
    mark(&mut value);
    value
}
