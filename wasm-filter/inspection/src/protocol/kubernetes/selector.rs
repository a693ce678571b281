//! Field selectors: the one object that a list is narrowed to
//! (`k8s.io/apimachinery/pkg/fields`).

use super::malformed;
use crate::facts::Unparsed;

/// The value that `selector` wants of `metadata.name`; `None` when it wants none.
///
/// Two of them are an error: the API server takes the first in the order of their
/// texts, and no object has two names.
pub(super) fn name(selector: &str) -> Result<Option<String>, Unparsed> {
    let mut name = None;
    for term in terms(selector).iter().filter(|term| !term.is_empty()) {
        let (field, equal, value) = split(term)?;
        let value = unescape(value)?;
        if field == "metadata.name" && equal && name.replace(value).is_some() {
            return Err(malformed("the field selector names two objects"));
        }
    }
    // What cannot be in a path is no name to the API server.
    let is_segment = |name: &String| {
        !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '%'])
    };
    Ok(name.filter(is_segment))
}

/// Splits at commas that no backslash stands before.
fn terms(selector: &str) -> Vec<&str> {
    let mut terms = Vec::new();
    let mut start = 0_usize;
    let mut escaped = false;
    for (at, byte) in selector.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b',' => {
                terms.push(selector.get(start..at).unwrap_or_default());
                start = at.saturating_add(1);
            }
            _ => {}
        }
    }
    terms.push(selector.get(start..).unwrap_or_default());
    terms
}

/// The field, whether it is to be equal, and the value; the first operator splits.
fn split(term: &str) -> Result<(&str, bool, &str), Unparsed> {
    let no_term = || malformed("the field selector has a term without an operator");
    let at = term.find('=').ok_or_else(no_term)?;
    let field = term.get(..at).unwrap_or_default();
    let value = term.get(at.saturating_add(1)..).unwrap_or_default();
    match field.strip_suffix('!') {
        Some(field) => Ok((field, false, value)),
        None => Ok((field, true, value.strip_prefix('=').unwrap_or(value))),
    }
}

fn unescape(value: &str) -> Result<String, Unparsed> {
    let wrong = || malformed("the field selector has a value that is not escaped");
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(escaped @ ('\\' | ',' | '=')) => out.push(escaped),
                _ => return Err(wrong()),
            },
            '=' | ',' => return Err(wrong()),
            c => out.push(c),
        }
    }
    Ok(out)
}
