//! The query of a URL: the parameters, where all readers see the same ones.

use std::collections::BTreeMap;

use serde_json::Value;

use super::path::{form_decode, unescape};
use crate::facts::Attributes;

/// The longest query that is decoded, in bytes.
const MAX_BYTES: usize = 4 * 1024;

/// The decoded parameters of a query in their order, as HTML forms write them: `+` is a
/// space, and a name without `=` has the empty value.
///
/// `None` if readers could differ: an escape that is none or that does not decode to
/// UTF-8, a semicolon (to some it parts parameters), a control character, two names
/// that differ in case only, a name that is encoded twice, or more than 4 KiB.
pub(super) fn parameters(query: &str) -> Option<Vec<(String, String)>> {
    if query.len() > MAX_BYTES || query.contains(';') {
        return None;
    }
    let mut folded: BTreeMap<String, &str> = BTreeMap::new();
    let mut parameters = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        parameters.push((decode(name)?, decode(value)?));
    }
    for (name, _) in &parameters {
        let other = folded.insert(name.to_lowercase(), name);
        if name.contains('%') || other.is_some_and(|other| other != name) {
            return None;
        }
    }
    Some(parameters)
}

/// The parameters by their names; those that are there more than once as lists.
pub(super) fn fields(parameters: Vec<(String, String)>) -> Attributes {
    let mut fields = Attributes::new();
    for (name, value) in parameters {
        match fields.get_mut(&name) {
            None => drop(fields.insert(name, Value::from(value))),
            Some(Value::Array(values)) => values.push(Value::from(value)),
            Some(first) => *first = Value::Array(vec![first.take(), Value::from(value)]),
        }
    }
    fields
}

/// Whether a framework could take another method than `method` from `_method`.
///
/// PHP makes `_method` of `.method` and `[method` too, leaves spaces before a name out, and
/// ends it at a NUL; Rails and PHP read `_method[]`.
pub(super) fn names_another_method(query: &str, method: &str) -> bool {
    query.split(['&', ';']).any(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = unescape(name.as_bytes(), true).to_ascii_lowercase();
        let name = name.trim_ascii_start();
        let named = name.split_first().is_some_and(|(first, rest)| {
            let ends = |after: &[u8]| matches!(after.first(), None | Some(0 | b'['));
            matches!(first, b'_' | b'.' | b' ' | b'[')
                && rest.strip_prefix(b"method").is_some_and(ends)
        });
        named && !unescape(value.as_bytes(), true).eq_ignore_ascii_case(method.as_bytes())
    })
}

fn decode(text: &str) -> Option<String> {
    let text = String::from_utf8(form_decode(text.as_bytes())?).ok()?;
    (!text.chars().any(char::is_control)).then_some(text)
}
