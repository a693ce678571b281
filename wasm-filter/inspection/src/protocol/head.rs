//! What of a request's headers decides how it is read.

use std::borrow::Cow;

use super::query;
use crate::facts::{Unparsed, UnparsedCode};

/// What of a request's headers decides how it is read.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// `:method`.
    pub method: &'a str,
    /// `:authority`.
    pub authority: &'a str,
    /// `:path`, query included.
    pub path: &'a str,
    /// The other headers, their names in lower case: at least those that
    /// [`is_read`], a repeated one as often as it is there.
    pub headers: &'a [(&'a str, &'a str)],
}

/// Headers by which frameworks let a request be another one than its method says.
const METHOD_OVERRIDES: [&str; 3] =
    ["x-http-method-override", "x-http-method", "x-method-override"];

/// Headers that protocols read besides.
const READ: &[&str] = &[
    "content-type",
    "content-encoding",
    "upgrade",
    "grpc-encoding",
    // MCP and A2A.
    "mcp-protocol-version",
    "mcp-method",
    "mcp-name",
    "a2a-version",
];

/// What the headers begin with in which MCP clients repeat arguments of tools.
pub(super) const MCP_PARAM: &str = "mcp-param-";

/// What the headers begin with by which a request is done as somebody else in Kubernetes:
/// by impersonation, and by those of a proxy in front of it that says who is calling.
const SOMEBODY_ELSE: [&str; 5] =
    ["impersonate-", "x-remote-user", "x-remote-group", "x-remote-uid", "x-remote-extra-"];

/// Whether Kubernetes would take the request for one of somebody else by that header.
pub(super) fn is_somebody_else(name: &str) -> bool {
    SOMEBODY_ELSE.iter().any(|beginning| name.starts_with(beginning))
}

/// Headers that the carriers of SQL read, besides all of Trino's.
const SQL: [&str; 5] = [
    "x-clickhouse-database",
    "neon-connection-string",
    "accept-profile",
    "content-profile",
    "prefer",
];

/// Whether a header, its name in lower case, has a part in how requests are read.
pub fn is_read(name: &str) -> bool {
    READ.contains(&name)
        || METHOD_OVERRIDES.contains(&name)
        || name.starts_with(MCP_PARAM)
        || is_somebody_else(name)
        || SQL.contains(&name)
        || name.starts_with("x-trino-")
        || name.starts_with("x-presto-")
}

impl<'a> RequestHead<'a> {
    /// The value of a header; all of them as one list when it is there more than once
    /// (RFC 9110 section 5.2), so that a second value is never overlooked.
    pub fn header(&self, name: &str) -> Option<Cow<'a, str>> {
        let values = self.headers.iter().filter(|(key, _)| *key == name);
        values.map(|(_, value)| Cow::Borrowed(*value)).reduce(|mut list, value| {
            let all = list.to_mut();
            all.push(',');
            all.push_str(&value);
            list
        })
    }

    /// The value of a header that protocols know once: an error if it is there twice, the
    /// same or not, since readers take the first, the last or both.
    pub(crate) fn single(&self, name: &str) -> Result<Option<&'a str>, Unparsed> {
        let mut values = self.headers.iter().filter(|(key, _)| *key == name);
        match (values.next(), values.next()) {
            (Some(_), Some(_)) => Err(Unparsed::new(
                UnparsedCode::HeaderMismatch,
                format!("`{name}` is there more than once"),
            )),
            (first, _) => Ok(first.map(|(_, value)| *value)),
        }
    }

    /// The query without its question mark; empty when there is none.
    pub fn query(&self) -> &'a str {
        self.path.split_once('?').map_or("", |(_, query)| query)
    }

    /// Whether the request asks for a tunnel or for another protocol.
    pub fn asks_for_tunnel(&self) -> bool {
        self.method == "CONNECT" || self.headers.iter().any(|(name, _)| *name == "upgrade")
    }

    /// Some frameworks take the method from a header, or from `_method` in the query; what
    /// was judged would not be what is done.
    pub(crate) fn refuse_another_method(&self) -> Result<(), Unparsed> {
        let mut overrides = self.headers.iter().filter(|(name, _)| METHOD_OVERRIDES.contains(name));
        match overrides.find(|(_, value)| *value != self.method) {
            None if query::names_another_method(self.query(), self.method) => Err(Unparsed::new(
                UnparsedCode::HeaderMismatch,
                "`_method` in the query names another method than the request's",
            )),
            None => Ok(()),
            Some((name, _)) => Err(Unparsed::new(
                UnparsedCode::HeaderMismatch,
                format!("`{name}` names another method than the request's"),
            )),
        }
    }
}
