//! Model Context Protocol over HTTP, revisions 2024-11-05 to 2026-07-28.
//!
//! One JSON-RPC 2.0 message a POST, or a batch where the revision has batches.
//! Revisions with sessions (`initialize`) and the stateless one are told apart by what
//! the request says of itself, which header and body must say alike. What the revision
//! does not have is refused: a server of another revision might have it.

mod answer;
mod headers;
mod method;
mod params;
mod revision;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use self::headers::Headers;
use self::method::Method;
use self::params::Params;
use super::jsonrpc::{self, Call, Message, Outcome, invalid};
use super::{Reading, content, embedded};
use crate::digest::Digest;
use crate::facts::{Action, Attributes, Command, Unparsed, UnparsedCode};
use crate::json::document;
use crate::plan::{Limits, McpPlan, McpRevision};

/// The commands of one request.
pub(super) fn commands(plan: &McpPlan, request: &Reading<'_>) -> Result<Vec<Command>, Unparsed> {
    let Reading { head, body, limits, .. } = *request;
    let headers = Headers::of(head)?;
    match head.method {
        "POST" if body.is_empty() => Err(content::missing()),
        "POST" => {
            // Not `+json`: the protocol says `application/json` (Sending Messages, 2).
            if content::media_type(head)? != "application/json" {
                return Err(content::unexpected("the content type is not `application/json`"));
            }
            let exchange = Exchange { plan, headers: &headers, limits };
            match document::parse(body, limits.depth)? {
                Value::Array(messages) => exchange.batch(messages),
                message => exchange.single(message),
            }
        }
        "GET" if body.is_empty() => without_message(plan, &headers, "mcp:stream", "GET"),
        "DELETE" if body.is_empty() => without_message(plan, &headers, "mcp:session/end", "DELETE"),
        "GET" | "DELETE" => Err(Unparsed::new(
            UnparsedCode::MethodUnexpected,
            "a message is sent by POST, and this request has a body",
        )),
        _ => {
            Err(Unparsed::new(UnparsedCode::MethodUnexpected, "MCP uses POST, GET and DELETE only"))
        }
    }
}

/// GET listens to a session, DELETE ends it: the stateless revision has neither.
fn without_message(
    plan: &McpPlan,
    headers: &Headers<'_>,
    name: &str,
    method: &str,
) -> Result<Vec<Command>, Unparsed> {
    headers.repeat_nothing()?;
    let revision = revision::of_session(plan, headers.version)?;
    if revision.is_some_and(McpRevision::is_stateless) {
        return Err(Unparsed::new(
            UnparsedCode::MethodUnexpected,
            "this revision has no sessions to listen to or to end",
        ));
    }
    let attributes = stamp(plan, revision, method, None);
    Ok(vec![command(name, String::new(), attributes)?])
}

/// What the messages of one request are read by.
struct Exchange<'a> {
    plan: &'a McpPlan,
    headers: &'a Headers<'a>,
    limits: &'a Limits,
}

impl Exchange<'_> {
    fn single(&self, message: Value) -> Result<Vec<Command>, Unparsed> {
        let message = jsonrpc::message(message)?;
        let revision = revision::of_message(self.plan, self.headers.version, &message)?;
        match message {
            Message::Call(call) => self.call(revision, call, Some(self.headers)),
            Message::Answer { id, outcome } => {
                self.headers.repeat_nothing()?;
                Ok(vec![self.answer(revision, id, &outcome)?])
            }
        }
    }

    /// Several messages at once, which only 2025-03-26 has: all of them calls, or all of
    /// them answers (Sending Messages, 3).
    fn batch(&self, messages: Vec<Value>) -> Result<Vec<Command>, Unparsed> {
        let revision = revision::of_batch(self.plan, self.headers.version)?;
        self.headers.repeat_nothing()?;
        if messages.is_empty() {
            return Err(invalid("a batch is empty"));
        }
        if messages.len() > self.limits.commands {
            return Err(Unparsed::new(
                UnparsedCode::TooManyCommands,
                "the batch has more messages than the limit",
            ));
        }
        let mut commands = Vec::new();
        let mut ids = BTreeSet::new();
        let mut answers = false;
        for (index, message) in messages.into_iter().enumerate() {
            let message = jsonrpc::message(message)?;
            revision::agrees(&message, revision)?;
            let answer = matches!(message, Message::Answer { .. });
            if index > 0 && answer != answers {
                return Err(invalid("a batch has both calls and answers"));
            }
            answers = answer;
            let id = match &message {
                Message::Call(call) => call.id.as_ref(),
                Message::Answer { id, .. } => Some(id),
            };
            if id.is_some_and(|id| !ids.insert(id.to_string())) {
                return Err(invalid("a batch has the same `id` twice"));
            }
            match message {
                // "MUST NOT be part of a JSON-RPC batch" (Lifecycle, Initialization).
                Message::Call(call) if call.method == "initialize" => {
                    return Err(invalid("a batch has `initialize` in it"));
                }
                Message::Call(call) => commands.extend(self.call(Some(revision), call, None)?),
                Message::Answer { id, outcome } => {
                    commands.push(self.answer(Some(revision), id, &outcome)?);
                }
            }
        }
        Ok(commands)
    }

    /// A request or notification; `headers` are those that repeat parts of it, which a
    /// batch has not.
    fn call(
        &self,
        revision: Option<McpRevision>,
        mut call: Call,
        headers: Option<&Headers<'_>>,
    ) -> Result<Vec<Command>, Unparsed> {
        let method = Method::find(&call.method, revision, &self.plan.revisions)
            .ok_or_else(jsonrpc::unknown)?;
        match (method.is_notification(), &call.id) {
            (true, Some(_)) => return Err(invalid("a notification has no `id`")),
            (true, None) | (false, Some(_)) => {}
            // Some servers run it all the same, and answer to nobody.
            (false, None) => return Err(invalid("a request needs an `id`")),
        }
        let params = Params::read(method, call.params.as_mut())?;
        if let Some(headers) = headers {
            headers.repeat(self.plan, revision, &call, &params)?;
        }
        let mut attributes = stamp(self.plan, revision, &call.method, call.id);
        if headers.is_none() {
            attributes.insert("batch".to_owned(), Value::Bool(true));
        }
        if let Some(params) = call.params {
            attributes
                .insert("params_sha256".to_owned(), Value::from(params_digest(params).to_string()));
        }
        if params.watched.len() >= self.limits.commands {
            return Err(Unparsed::new(
                UnparsedCode::TooManyCommands,
                "the request has more subscriptions than the limit",
            ));
        }
        let mut commands = Vec::new();
        for uri in params.watched {
            let mut attributes = attributes.clone();
            params::describe(&uri, &mut attributes);
            commands.push(command("mcp:resources/subscribe", uri.normal, attributes)?);
        }
        attributes.extend(params.attributes);
        if let (Some(tool), Some(arguments)) = (params.tool, attributes.get("arguments")) {
            let tool = Some(tool.as_str());
            commands = embedded::commands(&self.plan.embedded, tool, arguments, self.limits)?;
        }
        let name = if method.is_notification() { "notification" } else { method.name };
        commands.insert(0, command(&format!("mcp:{name}"), params.resource, attributes)?);
        Ok(commands)
    }

    /// The client's answer to a request of the server.
    fn answer(
        &self,
        revision: Option<McpRevision>,
        id: Value,
        outcome: &Outcome,
    ) -> Result<Command, Unparsed> {
        if revision.is_some_and(McpRevision::is_stateless) {
            return Err(invalid("in this revision clients send no answers"));
        }
        let mut attributes = stamp(self.plan, revision, "response", Some(id));
        answer::describe(outcome, &mut attributes);
        command("mcp:response", String::new(), attributes)
    }
}

/// What every command says.
fn stamp(
    plan: &McpPlan,
    revision: Option<McpRevision>,
    method: &str,
    id: Option<Value>,
) -> Attributes {
    let mut attributes = Attributes::new();
    attributes.insert("method".to_owned(), Value::from(method));
    if let Some(id) = id {
        attributes.insert("id".to_owned(), id);
    }
    if let Some(revision) = revision {
        attributes.insert("protocol_version".to_owned(), Value::from(revision.name()));
    }
    if let Some(server) = &plan.server {
        attributes.insert("server".to_owned(), Value::from(server.as_str()));
    }
    attributes
}

/// The digest of the parameters that are no attribute. Each try has a progress token and
/// a trace context of its own, which must not make it another action; an empty `_meta`
/// says nothing either.
fn params_digest(mut params: Map<String, Value>) -> Digest {
    if let Some(Value::Object(meta)) = params.get_mut("_meta") {
        for own in ["progressToken", "traceparent", "tracestate"] {
            meta.remove(own);
        }
        if meta.is_empty() {
            params.remove("_meta");
        }
    }
    Digest::of(document::canonical(&Value::Object(params)).as_bytes())
}

fn command(name: &str, resource: String, attributes: Attributes) -> Result<Command, Unparsed> {
    // Every name given here stands in the vocabulary; a test holds that.
    let action = Action::named(name).ok_or_else(jsonrpc::unknown)?;
    Ok(Command { action, resource, attributes })
}
