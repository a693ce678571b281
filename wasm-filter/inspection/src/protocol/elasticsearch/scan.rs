//! What a query, wherever it stands in a body, does besides: scripts, and documents that
//! it looks up in other indices.

use std::collections::BTreeSet;

use serde_json::Value;

use super::call::Object;
use super::malformed;
use crate::facts::Unparsed;

/// What was found.
#[derive(Default)]
pub(super) struct Found {
    pub(super) scripted: bool,
    /// The indices that documents are looked up in.
    pub(super) lookups: BTreeSet<String>,
}

/// Looks through `value`, which nests no deeper than the limit.
pub(super) fn scan(value: &Value, found: &mut Found) -> Result<(), Unparsed> {
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| scan(item, found)),
        Value::Object(object) => {
            members(object, found)?;
            object.values().try_for_each(|value| scan(value, found))
        }
        _ => Ok(()),
    }
}

fn members(object: &Object, found: &mut Found) -> Result<(), Unparsed> {
    for (key, value) in object {
        // `script`, `script_fields`, `map_script`, templates of a suggester's `collate`.
        if key.starts_with("script") || key.ends_with("script") || key == "collate" {
            found.scripted = true;
        }
        // A query in base64.
        if key == "wrapper" && value.get("query").is_some_and(Value::is_string) {
            return Err(malformed("a `wrapper` hides a query"));
        }
        // A runtime field of the type `lookup`.
        if key == "target_index" {
            lookup(value, found)?;
        }
        // Elasticsearch takes `shapes` where no index is named.
        if key == "indexed_shape" && value.get("index").is_none() {
            found.lookups.insert("shapes".to_owned());
        }
        // `terms`, `percolate`, `indexed_shape` and `more_like_this` name a document by its
        // index and its id; alone the key is the name of a field.
        if matches!(key.as_str(), "index" | "_index") && object.len() > 1 {
            match value {
                Value::Object(_) | Value::Array(_) => {}
                value => lookup(value, found)?,
            }
        }
    }
    Ok(())
}

fn lookup(value: &Value, found: &mut Found) -> Result<(), Unparsed> {
    let index = value.as_str().ok_or_else(|| malformed("an index is not named by a string"))?;
    if index.is_empty() {
        return Err(malformed("an index has an empty name"));
    }
    found.lookups.insert(index.to_owned());
    Ok(())
}
