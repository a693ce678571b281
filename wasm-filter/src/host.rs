//! The proxy, as the filter sees it. [`Host`] is what a side of an exchange may ask
//! and do, so that all of it is tested without Envoy; `envoy` below is the only code
//! that calls proxy-wasm, and it never panics.

use std::borrow::Cow;

use crate::reply::Reply;

#[cfg(target_arch = "wasm32")]
mod envoy;
#[cfg(test)]
pub(crate) mod fake;

/// What the filter may ask of the proxy and do in it. Every call is made in a phase
/// in which its subject exists; an odd answer of the proxy reads as nothing, and
/// nothing is never enough to let an exchange pass.
pub trait Host {
    /// Milliseconds since the Unix epoch.
    fn now_ms(&self) -> u64;

    /// All headers or trailers.
    fn headers(&self, map: Map) -> Headers;

    /// Sets a header, replacing what it was.
    fn set_header(&self, map: Map, name: &str, value: &str);

    /// Removes a header with all its values.
    fn remove_header(&self, map: Map, name: &str);

    /// The first `size` bytes of the body that is held or passing; fewer when the
    /// proxy has fewer.
    fn body(&self, body: Body, size: usize) -> Vec<u8>;

    /// Replaces the body that is held or passing.
    fn replace_body(&self, body: Body, bytes: &[u8]);

    /// One of Envoy's attributes, as it encodes it.
    fn property(&self, path: &[&str]) -> Option<Vec<u8>>;

    /// An attribute that is text; empty when there is none.
    fn text(&self, path: &[&str]) -> String {
        String::from_utf8_lossy(&self.property(path).unwrap_or_default()).into_owned()
    }

    /// An attribute that is a number: Envoy writes a little-endian int64.
    fn number(&self, path: &[&str]) -> Option<u64> {
        let bytes = <[u8; 8]>::try_from(self.property(path)?).ok()?;
        u64::try_from(i64::from_le_bytes(bytes)).ok()
    }

    /// Answers in place of what was to come.
    fn reply(&self, reply: &Reply, grpc: bool);

    /// Resets the stream, so that the caller cannot take what it has for all.
    fn reset(&self);

    /// Calls `method` of the gRPC service `service` in `cluster`; gives a token for
    /// the answer, or nothing when the call could not be made.
    fn call(&self, cluster: &str, service: &str, method: &str, message: &[u8]) -> Option<u32>;

    /// The message of the answer to a call, `size` bytes long, while it is told.
    fn message(&self, size: usize) -> Vec<u8>;

    /// Lets the answer go on that is held.
    fn resume(&self);

    /// Writes to Envoy's log.
    fn log(&self, level: Level, text: &str);

    /// Adds to a counter.
    fn count(&self, counter: Counter, by: u64);
}

/// Whether the proxy goes on with what it has, or holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Hold it.
    Hold,
}

/// The header maps of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Map {
    RequestHeaders,
    RequestTrailers,
    ResponseHeaders,
    ResponseTrailers,
}

/// The bodies of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Body {
    Request,
    Response,
}

/// Levels of Envoy's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Level {
    Warn,
    Error,
}

/// What is counted; Envoy shows it as `wasmcustom.<name>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counter {
    /// Requests whose facts were stated.
    RequestsInspected,
    /// Those of them that could not be read.
    RequestsUnparsed,
    /// Requests that ended without a decision.
    RequestsUndecided,
    /// Responses that a decision ordered to mask.
    ResponsesMasked,
    /// Responses that were withheld, whole or from some byte on.
    ResponsesWithheld,
    /// Outcomes that the server took.
    OutcomesSent,
    /// Outcomes that were given up.
    OutcomesDropped,
}

impl Counter {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 7] = [
        Self::RequestsInspected,
        Self::RequestsUnparsed,
        Self::RequestsUndecided,
        Self::ResponsesMasked,
        Self::ResponsesWithheld,
        Self::OutcomesSent,
        Self::OutcomesDropped,
    ];

    /// The name in Envoy's statistics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RequestsInspected => "chaperone.requests_inspected",
            Self::RequestsUnparsed => "chaperone.requests_unparsed",
            Self::RequestsUndecided => "chaperone.requests_undecided",
            Self::ResponsesMasked => "chaperone.responses_masked",
            Self::ResponsesWithheld => "chaperone.responses_withheld",
            Self::OutcomesSent => "chaperone.outcomes_sent",
            Self::OutcomesDropped => "chaperone.outcomes_dropped",
        }
    }
}

/// Header names, in lower case, and their values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, Vec<u8>)>);

impl Headers {
    /// Headers from their list.
    pub const fn new(list: Vec<(String, Vec<u8>)>) -> Self {
        Self(list)
    }

    /// All values of one header as one list (RFC 9110 section 5.2), so that a second
    /// value is never overlooked. What is not UTF-8 in them is replaced.
    pub fn value(&self, name: &str) -> Option<String> {
        self.values(name).map(String::from_utf8_lossy).map(Cow::into_owned).reduce(
            |mut list, value| {
                list.push(',');
                list.push_str(&value);
                list
            },
        )
    }

    /// The value of a header that is there once and is UTF-8.
    pub fn exact(&self, name: &str) -> Option<String> {
        let mut values = self.values(name);
        match (values.next(), values.next()) {
            (Some(value), None) => std::str::from_utf8(value).ok().map(str::to_owned),
            _ => None,
        }
    }

    /// Every header whose name `wanted` takes, as often as it is there. What is not
    /// UTF-8 in a value is replaced.
    pub fn all_texts(&self, wanted: impl Fn(&str) -> bool) -> Vec<(String, String)> {
        let wanted = self.0.iter().filter(|(name, _)| wanted(name));
        wanted
            .map(|(name, value)| (name.clone(), String::from_utf8_lossy(value).into_owned()))
            .collect()
    }

    /// The names that start with `prefix`.
    pub fn names_starting<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().map(|(name, _)| name.as_str()).filter(move |name| name.starts_with(prefix))
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_slice())
    }
}
