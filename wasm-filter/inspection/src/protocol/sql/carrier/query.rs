//! The parameters of a query string.

use super::super::super::RequestHead;
use super::{form_decode, malformed, utf8};
use crate::facts::Unparsed;

/// Every parameter, decoded, in order.
pub(super) fn parameters(head: &RequestHead<'_>) -> Result<Vec<(String, String)>, Unparsed> {
    let fields = head.query().split(['&', ';']).filter(|field| !field.is_empty());
    fields
        .map(|field| {
            let (key, value) = field.split_once('=').unwrap_or((field, ""));
            let key = utf8(form_decode(key.as_bytes())?)?;
            Ok((key, utf8(form_decode(value.as_bytes())?)?))
        })
        .collect()
}

/// Refuses a parameter that is none of `known`: it could be SQL text, or change what
/// the text does. `*` at the end of a known name stands for any ending.
pub(super) fn only(head: &RequestHead<'_>, known: &[&str]) -> Result<(), Unparsed> {
    let is_known = |key: &str| {
        known.iter().any(|name| match name.strip_suffix('*') {
            Some(start) => key.starts_with(start),
            None => key == *name,
        })
    };
    if parameters(head)?.iter().all(|(key, _)| is_known(key)) {
        Ok(())
    } else {
        Err(malformed("the query string has a parameter that is not read"))
    }
}
