//! What an MCP server answers: the tools that it lists, and the requests that it
//! makes of the agent.
//!
//! To MCP the agent is the client, and a server may ask things of it: to have its model
//! write something, to ask its user, to name its folders. [`Gate`] lets such requests
//! pass only where policy allows them. [`ListAnswer`] holds the answer to `tools/list`
//! until it is known which of the [`Tool`]s the caller may see.

mod events;
mod held;
mod list;
mod watch;

use std::collections::{BTreeMap, BTreeSet};

use self::events::Events;
pub use self::held::ListAnswer;
pub use self::list::{Tool, ToolList};
use self::watch::Watch;
use crate::json::tokenizer::JsonError;
use crate::mask::Unmaskable;
use crate::mask::content_type::{self, Carrier};

/// The requests that a server may make of an agent (MCP 2025-11-25, Client Features).
pub const SERVER_REQUESTS: [&str; 3] =
    ["sampling/createMessage", "elicitation/create", "roots/list"];

/// Lets through what a server may send to an agent: answers, notifications, and the
/// requests that are allowed. What it cannot read it does not let through.
///
/// Of an event stream it leaves out the events that may not pass, and writes the others
/// in a form that every reader of events reads alike; the result does not depend on how
/// the stream was cut. Another body passes as it is, or not.
///
/// ```
/// # use chaperone_inspection::mcp_answer::Gate;
/// let mut gate = Gate::new([], Some("text/event-stream"), None).unwrap();
/// let mut out = Vec::new();
/// let stream = b"data: {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"roots/list\"}\n\n\
///                data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n";
/// gate.push(stream, &mut out).unwrap();
/// assert_eq!(out, b"data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n");
/// assert_eq!(gate.removed().get("roots/list"), Some(&1));
/// ```
#[derive(Debug)]
pub struct Gate {
    rules: Rules,
    body: Body,
    begun: bool,
}

#[derive(Debug)]
enum Body {
    Json(Box<Watch>),
    Events(Box<Events>),
}

/// What may pass, and how often something did not.
#[derive(Debug)]
struct Rules {
    allowed: BTreeSet<&'static str>,
    /// Whether the tools of the server may be listed now.
    lists: bool,
    removed: BTreeMap<String, u64>,
}

impl Rules {
    fn remove(&mut self, refused: Refused) {
        let count = self.removed.entry(refused.name().to_owned()).or_default();
        *count = count.saturating_add(1);
    }
}

impl Gate {
    /// A gate for one answer, by its headers, that lets the requests in `allowed` pass.
    pub fn new<'a>(
        allowed: impl IntoIterator<Item = &'a str>,
        content_type: Option<&str>,
        content_encoding: Option<&str>,
    ) -> Result<Self, Unmaskable> {
        content_type::require_identity(content_encoding)?;
        let body = match Carrier::of(content_type)? {
            Carrier::Json => Body::Json(Box::default()),
            Carrier::Events => Body::Events(Box::default()),
            Carrier::JsonLines | Carrier::Text => return Err(Unmaskable::ContentTypeUnsupported),
        };
        let named = |name: &str| SERVER_REQUESTS.into_iter().find(|known| *known == name);
        let allowed = allowed.into_iter().filter_map(named).collect();
        let rules = Rules { allowed, lists: false, removed: BTreeMap::new() };
        Ok(Self { rules, body, begun: false })
    }

    /// Whether it passes an event stream, whose events come when they come.
    pub const fn is_stream(&self) -> bool {
        matches!(self.body, Body::Events(_))
    }

    /// Takes the next chunk and appends to `out` what may pass. After an error nothing
    /// more of the answer may be sent.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), Refused> {
        self.begun |= !chunk.is_empty();
        match &mut self.body {
            Body::Json(watch) => {
                let watched = watch.push(&self.rules, chunk);
                watched.inspect_err(|refused| self.rules.remove(*refused))?;
                out.extend_from_slice(chunk);
                Ok(())
            }
            Body::Events(events) => events.push(&mut self.rules, chunk, out).map(drop),
        }
    }

    /// Ends the answer; one of no bytes is fine.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Refused> {
        if !self.begun {
            return Ok(());
        }
        match &mut self.body {
            Body::Json(watch) => watch.finish().inspect_err(|refused| self.rules.remove(*refused)),
            Body::Events(events) => events.finish(&mut self.rules, out).map(drop),
        }
    }

    /// How often something was left out, or the answer refused for it: by the method of
    /// a request, or `other_request`, `tool_list`, `unreadable`.
    pub const fn removed(&self) -> &BTreeMap<String, u64> {
        &self.rules.removed
    }
}

/// Why a message, or a whole answer, does not pass. The text never quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is a request of the server's that is not allowed.
    #[error("the server asks something of the agent that no policy allows: {0}")]
    Request(&'static str),
    /// It lists tools that nobody asked for, past the policies.
    #[error("the server lists tools where no list was asked for")]
    ToolList,
    /// It cannot be read.
    #[error("a message cannot be read: {0}")]
    Json(JsonError),
    /// It cannot be read in one way only.
    #[error("{0}")]
    Unreadable(&'static str),
    /// It is longer than what is held.
    #[error("the list is longer than 512 KiB")]
    TooLong,
}

impl Refused {
    /// The name under which it is counted.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Request(method) => method,
            Self::ToolList => "tool_list",
            Self::Json(_) | Self::Unreadable(_) | Self::TooLong => "unreadable",
        }
    }
}

#[cfg(test)]
mod tests;
