//! The query, as Go's `net/url` reads it, without what it would leave out in silence.

use super::super::path::form_decode;
use super::malformed;
use crate::facts::Unparsed;

/// The parameters in their order.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(query: &str) -> Result<Self, Unparsed> {
        // A separator to Go before 1.17, and since then an error that leaves the
        // parameter out.
        if query.contains(';') {
            return Err(malformed("the query has a semicolon"));
        }
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let decoded = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(name)?, decode(value)?))
        });
        let pairs: Option<Vec<_>> = decoded.collect();
        pairs.map(Self).ok_or_else(|| malformed("the query has an escape that is none"))
    }

    /// Every value of a parameter. The API server minds case; a name that differs in
    /// case only is an error, since what stands behind the server might not.
    pub(super) fn all(&self, name: &str) -> Result<Vec<&str>, Unparsed> {
        let mut values = Vec::new();
        for (key, value) in &self.0 {
            if key == name {
                values.push(value.as_str());
            } else if key.eq_ignore_ascii_case(name) {
                return Err(malformed(format!("a parameter differs from `{name}` in case only")));
            }
        }
        Ok(values)
    }

    /// The value of a parameter that may be there once.
    pub(super) fn once(&self, name: &str) -> Result<Option<&str>, Unparsed> {
        match *self.all(name)?.as_slice() {
            [] => Ok(None),
            [value] => Ok(Some(value)),
            _ => Err(malformed(format!("the query has `{name}` more than once"))),
        }
    }

    /// A parameter that is true or false: everything but `false` and `0` is true, an
    /// empty value as well (`Convert_Slice_string_To_bool`).
    pub(super) fn flag(&self, name: &str) -> Result<bool, Unparsed> {
        let value = self.once(name)?;
        // `falſe` is `false` to servers that compare by `strings.EqualFold`,
        // and was not to those before.
        if value.is_some_and(|value| !value.is_ascii()) {
            return Err(malformed(format!("`{name}` is not ASCII")));
        }
        Ok(value.is_some_and(|value| value != "0" && !value.eq_ignore_ascii_case("false")))
    }
}

fn decode(text: &str) -> Option<String> {
    String::from_utf8(form_decode(text.as_bytes())?).ok()
}
