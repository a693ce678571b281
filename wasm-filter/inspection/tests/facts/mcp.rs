//! MCP messages.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chaperone_inspection::facts::{Command, Facts};
use chaperone_inspection::plan::{Limits, McpPlan, ProtocolPlan};
use chaperone_inspection::protocol::inspect_body;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{body, cases, code, conform, head};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct McpCase {
    case: String,
    method: Option<String>,
    path: Option<String>,
    content_type: Option<String>,
    /// Headers besides, their names in lower case.
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    plan: McpPlan,
    body: Option<Value>,
    raw: Option<String>,
    #[serde(default)]
    commands: Vec<Command>,
    unparsed: Option<String>,
}

impl McpCase {
    fn facts(&self, body: &[u8]) -> Facts {
        let content_type = self.content_type.as_deref().unwrap_or("application/json");
        let mut headers = vec![("content-type", content_type)];
        headers.extend(self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let method = self.method.as_deref().unwrap_or("POST");
        let head = head(method, self.path.as_deref().unwrap_or("/mcp"), &headers);
        let plan = ProtocolPlan::Mcp(self.plan.clone());
        inspect_body(&plan, &Limits::default(), &head, body)
    }

    fn body(&self) -> Vec<u8> {
        body(self.body.as_ref(), self.raw.clone())
    }
}

#[test]
fn mcp_makes_the_facts_that_were_reviewed() {
    let mut wrong = Vec::new();
    for case in cases::<McpCase>("mcp", 150) {
        let facts = case.facts(&case.body());
        conform(&facts);
        if code(&facts) != case.unparsed || facts.commands != case.commands {
            wrong.push(format!("{}: {facts:?}\n  not {:?}", case.case, case.commands));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn at_least_fifty_attacks_are_among_the_messages() {
    let refused = cases::<McpCase>("mcp", 150).into_iter().filter(|case| case.unparsed.is_some());
    assert!(refused.count() >= 50);
}

/// The order of keys and the white space of a message change no fact.
#[test]
fn a_message_is_the_same_however_it_is_written() {
    for case in cases::<McpCase>("mcp", 150) {
        let Some(body) = &case.body else { continue };
        let facts = case.facts(&case.body());
        for other in [respaced(body), turned(body)] {
            assert_eq!(case.facts(other.as_bytes()), facts, "{}", case.case);
        }
    }
}

/// What we read is what another reader of JSON reads.
#[test]
fn the_method_the_id_and_the_name_are_those_that_serde_json_reads() {
    let mut compared = 0;
    for case in cases::<McpCase>("mcp", 150) {
        let facts = case.facts(&case.body());
        let [command, ..] = facts.commands.as_slice() else { continue };
        let Ok(message @ Value::Object(_)) = serde_json::from_slice(&case.body()) else { continue };
        let (id, theirs) = (command.attributes.get("id"), message.get("id"));
        // `1.0` is held as the integer that it is.
        let number = |id: Option<&Value>| id.and_then(Value::as_f64);
        let same = number(id).is_some() && number(id) == number(theirs);
        assert!(id == theirs || same, "{}: {id:?}", case.case);
        let method = message.get("method").cloned().unwrap_or_else(|| "response".into());
        assert_eq!(command.attributes["method"], method, "{}", case.case);
        if method == "tools/call" || method == "prompts/get" {
            assert_eq!(command.resource, message["params"]["name"], "{}", case.case);
        }
        compared += 1;
    }
    assert!(compared >= 70, "{compared}");
}

/// The same document with white space wherever it may be.
pub(crate) fn respaced(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap().replace('\n', "\r\n\t")
}

/// The keys of every object in the opposite order.
pub(crate) fn turned(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|a, b| b.0.cmp(a.0));
            let member = |(key, value): (&String, &Value)| {
                format!("{}:{}", Value::from(key.as_str()), turned(value))
            };
            format!("{{{}}}", members.into_iter().map(member).collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(turned).collect::<Vec<_>>().join(","))
        }
        scalar => scalar.to_string(),
    }
}

proptest! {
    /// A tool by any name, and a header that repeats it: read as what it is, and with
    /// another name in the header not at all.
    #[test]
    fn a_call_is_of_the_tool_that_it_names_and_its_header_repeats(
        name in "[ -~é世\u{200b}]{1,12}",
        other in "[ -~]{0,12}",
        encoded: bool,
        text in ".{0,20}",
    ) {
        let version = "2026-07-28";
        let body = json!({
            "jsonrpc": "2.0", "id": text, "method": "tools/call", "params": {
                "name": name, "arguments": { "text": text },
                "_meta": { "io.modelcontextprotocol/protocolVersion": version },
            },
        });
        let facts = |header: &str| {
            let headers = [
                ("content-type", "application/json"),
                ("mcp-protocol-version", version),
                ("mcp-method", "tools/call"),
                ("mcp-name", header),
            ];
            let head = head("POST", "/mcp", &headers);
            let plan = ProtocolPlan::Mcp(McpPlan::default());
            inspect_body(&plan, &Limits::default(), &head, body.to_string().as_bytes())
        };
        let looks_encoded = name.starts_with("=?base64?") && name.ends_with("?=");
        let repeated = if encoded || !name.is_ascii() || looks_encoded {
            format!("=?base64?{}?=", STANDARD.encode(&name))
        } else {
            name.clone()
        };
        let visible = name.trim() == name && !name.contains('\u{200b}');
        let read = facts(&repeated);
        if visible {
            prop_assert_eq!(read.commands.len(), 1, "{:?}", read);
            prop_assert_eq!(&read.commands[0].resource, &name);
            prop_assert_eq!(&read.commands[0].attributes["tool"], &name);
            prop_assert_eq!(&read.commands[0].attributes["id"], &text);
            prop_assert_eq!(&read.commands[0].attributes["arguments"]["text"], &text);
        } else {
            prop_assert_eq!(code(&read), Some("field_malformed".to_owned()));
        }
        if visible && other != name {
            prop_assert_eq!(code(&facts(&other)), Some("header_mismatch".to_owned()));
        }
    }
}
