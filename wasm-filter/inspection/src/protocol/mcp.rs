//! Model Context Protocol over streamable HTTP, revision 2025-06-18.
//!
//! One JSON-RPC 2.0 message a POST, with exactly the members that JSON-RPC names:
//! another member, or a known one in another case, might be what the server reads.

use serde_json::{Map, Value};

use super::{Reading, content, embedded};
use crate::digest::Digest;
use crate::facts::{Action, Attributes, Command, Unparsed, UnparsedCode};
use crate::json::document;
use crate::plan::McpPlan;

/// The commands of one request.
pub(super) fn commands(plan: &McpPlan, request: &Reading<'_>) -> Result<Vec<Command>, Unparsed> {
    let command = command(request)?;
    let mut commands = Vec::new();
    if command.action.name() == "mcp:tools/call"
        && let Some(arguments) = command.attributes.get("arguments")
    {
        let tool = Some(command.resource.as_str());
        commands = embedded::commands(&plan.embedded, tool, arguments, request.limits)?;
    }
    commands.insert(0, command);
    Ok(commands)
}

fn command(request: &Reading<'_>) -> Result<Command, Unparsed> {
    let Reading { head, body, limits, .. } = *request;
    match head.method {
        "POST" if body.is_empty() => Err(content::missing()),
        "POST" => {
            // Not `+json`: the protocol says `application/json` (Sending Messages, 2).
            if content::media_type(head)? != "application/json" {
                return Err(content::unexpected("the content type is not `application/json`"));
            }
            message(document::parse(body, limits.depth)?)
        }
        "GET" if body.is_empty() => without_message("mcp:stream", "GET"),
        "DELETE" if body.is_empty() => without_message("mcp:session/end", "DELETE"),
        "GET" | "DELETE" => Err(Unparsed::new(
            UnparsedCode::MethodUnexpected,
            "a message is sent by POST, and this request has a body",
        )),
        _ => {
            Err(Unparsed::new(UnparsedCode::MethodUnexpected, "MCP uses POST, GET and DELETE only"))
        }
    }
}

fn without_message(name: &str, method: &str) -> Result<Command, Unparsed> {
    let attributes = [("method".to_owned(), Value::from(method))].into_iter().collect();
    Ok(Command { action: action(name)?, resource: String::new(), attributes })
}

fn message(message: Value) -> Result<Command, Unparsed> {
    let mut message = match message {
        Value::Object(message) => message,
        Value::Array(_) => {
            return Err(Unparsed::new(
                UnparsedCode::BatchRefused,
                "a batch, which the protocol does not have since 2025-06-18",
            ));
        }
        _ => return Err(invalid("the message is not an object")),
    };
    if message.remove("jsonrpc").as_ref().and_then(Value::as_str) != Some("2.0") {
        return Err(invalid("`jsonrpc` is not \"2.0\""));
    }
    let id = match message.remove("id") {
        None => None,
        Some(id) if id.is_string() || id.is_i64() || id.is_u64() => Some(id),
        Some(_) => return Err(invalid("`id` is neither a string nor an integer")),
    };
    let command = match message.remove("method") {
        None => response(&mut message, id)?,
        Some(Value::String(method)) => request(&method, &mut message, id)?,
        Some(_) => return Err(invalid("`method` is not a string")),
    };
    if message.is_empty() {
        Ok(command)
    } else {
        Err(invalid("the message has a member that JSON-RPC does not name"))
    }
}

/// The client's answer to a request of the server.
fn response(message: &mut Map<String, Value>, id: Option<Value>) -> Result<Command, Unparsed> {
    let id = id.ok_or_else(|| invalid("the message has neither `method` nor `id`"))?;
    match (message.remove("result"), message.remove("error")) {
        (Some(_), None) | (None, Some(Value::Object(_))) => {}
        _ => return Err(invalid("an answer has a `result` or an `error` object")),
    }
    let mut attributes = Attributes::new();
    attributes.insert("method".to_owned(), Value::from("response"));
    attributes.insert("id".to_owned(), id);
    Ok(Command { action: action("mcp:response")?, resource: String::new(), attributes })
}

fn request(
    method: &str,
    message: &mut Map<String, Value>,
    id: Option<Value>,
) -> Result<Command, Unparsed> {
    let kind = Kind::of(method)
        .ok_or_else(|| Unparsed::new(UnparsedCode::MethodUnknown, "the method is not known"))?;
    match (&kind, &id) {
        (Kind::Notification, Some(_)) => return Err(invalid("a notification has no `id`")),
        (Kind::Notification, None) | (_, Some(_)) => {}
        // Some servers run it all the same, and answer to nobody.
        (_, None) => return Err(invalid("a request needs an `id`")),
    }
    let params = match message.remove("params") {
        None => None,
        Some(Value::Object(params)) => Some(params),
        Some(_) => return Err(invalid("`params` is not an object")),
    };
    let mut attributes = Attributes::new();
    attributes.insert("method".to_owned(), Value::from(method));
    if let Some(id) = id {
        attributes.insert("id".to_owned(), id);
    }
    let mut resource = String::new();
    if let Some(member) = kind.resource_member() {
        resource = resource_name(params.as_ref(), member)?;
        if matches!(kind, Kind::Named)
            && let Some(arguments) = arguments(params.as_ref())?
        {
            attributes.insert("arguments".to_owned(), arguments.clone().into());
        }
    }
    if let Some(params) = params {
        attributes
            .insert("params_sha256".to_owned(), Value::from(params_digest(params).to_string()));
    }
    let name = if matches!(kind, Kind::Notification) { "notification" } else { method };
    Ok(Command { action: action(&format!("mcp:{name}"))?, resource, attributes })
}

/// What a method's parameters say.
enum Kind {
    /// `notifications/*`.
    Notification,
    /// `params.name` names what it acts on.
    Named,
    /// `params.uri` does.
    ByUri,
    /// It acts on the service.
    Plain,
}

impl Kind {
    fn of(method: &str) -> Option<Self> {
        match method {
            "tools/call" | "prompts/get" => Some(Self::Named),
            "resources/read" | "resources/subscribe" | "resources/unsubscribe" => Some(Self::ByUri),
            "initialize"
            | "ping"
            | "logging/setLevel"
            | "completion/complete"
            | "tools/list"
            | "prompts/list"
            | "resources/list"
            | "resources/templates/list" => Some(Self::Plain),
            other => {
                let rest = other.strip_prefix("notifications/")?;
                (!rest.is_empty()).then_some(Self::Notification)
            }
        }
    }

    const fn resource_member(&self) -> Option<&'static str> {
        match self {
            Self::Named => Some("name"),
            Self::ByUri => Some("uri"),
            Self::Notification | Self::Plain => None,
        }
    }
}

fn resource_name(params: Option<&Map<String, Value>>, member: &str) -> Result<String, Unparsed> {
    let params = params.ok_or_else(|| invalid("the method needs `params`"))?;
    document::only_spelling(params, member)?;
    match params.get(member) {
        Some(Value::String(name)) if !name.is_empty() => Ok(name.clone()),
        _ => Err(invalid(&format!("`params.{member}` is not a string with something in it"))),
    }
}

fn arguments(params: Option<&Map<String, Value>>) -> Result<Option<&Map<String, Value>>, Unparsed> {
    let Some(params) = params else { return Ok(None) };
    document::only_spelling(params, "arguments")?;
    match params.get("arguments") {
        None => Ok(None),
        Some(Value::Object(arguments)) => Ok(Some(arguments)),
        Some(_) => Err(invalid("`params.arguments` is not an object")),
    }
}

/// The digest of the parameters. Each try has a progress token of its own, which
/// must not make it another action; an empty `_meta` says nothing either.
fn params_digest(mut params: Map<String, Value>) -> Digest {
    if let Some(Value::Object(meta)) = params.get_mut("_meta") {
        meta.remove("progressToken");
        if meta.is_empty() {
            params.remove("_meta");
        }
    }
    Digest::of(document::canonical(&Value::Object(params)).as_bytes())
}

fn action(name: &str) -> Result<Action, Unparsed> {
    // Every name given here stands in the vocabulary; a test holds that.
    Action::named(name)
        .ok_or_else(|| Unparsed::new(UnparsedCode::MethodUnknown, "the method is not known"))
}

fn invalid(why: &str) -> Unparsed {
    Unparsed::new(UnparsedCode::JsonRpcInvalid, why)
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::plan::Limits;
    use crate::protocol::RequestHead;
    use crate::vocabulary::{self, ResourceKind};

    fn post(body: &str) -> Result<Command, UnparsedCode> {
        let head = RequestHead {
            method: "POST",
            authority: "a.example",
            path: "/mcp",
            headers: &[("content-type", "application/json")],
        };
        let body = body.as_bytes();
        let limits = &Limits::default();
        command(&Reading { head: &head, body, limits, paths: &[] })
            .map_err(|unparsed| unparsed.code)
    }

    #[test]
    fn every_mcp_action_of_the_vocabulary_can_be_asked_for() {
        for spec in vocabulary::actions().filter(|spec| spec.name.starts_with("mcp:")) {
            let method = match spec.name {
                // These are no methods of JSON-RPC.
                "mcp:response" | "mcp:stream" | "mcp:session/end" => continue,
                // These are the server's to ask.
                "mcp:sampling/createMessage" | "mcp:elicitation/create" | "mcp:roots/list" => {
                    continue;
                }
                "mcp:notification" => {
                    let body = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
                    assert_eq!(post(body).map(|command| command.action.name()), Ok(spec.name));
                    continue;
                }
                name => name.trim_start_matches("mcp:"),
            };
            let body = format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{"name":"n","uri":"u"}}}}"#
            );
            let command = post(&body).unwrap_or_else(|code| panic!("{method}: {code:?}"));
            assert_eq!(command.action.name(), spec.name);
            let expected = match spec.resource {
                ResourceKind::Tool | ResourceKind::Prompt => "n",
                ResourceKind::McpResource => "u",
                _ => "",
            };
            assert_eq!(command.resource, expected, "{method}");
        }
    }

    #[test]
    fn what_is_approved_is_bound_to_the_parameters_but_not_to_their_progress_token() {
        let digest = |params: &str| {
            let body =
                format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
            post(&body).map(|command| command.attributes["params_sha256"].clone())
        };
        let plain = digest(r#"{"name":"n","arguments":{"id":7,"to":"x"}}"#);
        let same = [
            r#"{"arguments":{"to":"x","id":7.0},"name":"n"}"#,
            r#"{"name":"n","arguments":{"id":7,"to":"x"},"_meta":{}}"#,
            r#"{"name":"n","arguments":{"id":7,"to":"x"},"_meta":{"progressToken":"p"}}"#,
        ];
        for params in same {
            assert_eq!(digest(params), plain, "{params}");
        }
        let others = [
            r#"{"name":"n","arguments":{"id":8,"to":"x"}}"#,
            r#"{"name":"n","arguments":{"id":"7","to":"x"}}"#,
            r#"{"name":"n","arguments":{"id":7,"to":"x"},"_meta":{"x":1}}"#,
            r#"{"name":"n","arguments":{"id":7,"to":"x","progressToken":1}}"#,
        ];
        for params in others {
            assert_ne!(digest(params), plain, "{params}");
        }
    }
}
