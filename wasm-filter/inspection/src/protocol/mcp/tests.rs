#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::method::METHODS;
use super::*;
use crate::protocol::RequestHead;
use crate::vocabulary::{self, ResourceKind};

fn every_revision() -> McpPlan {
    McpPlan { revisions: McpRevision::ALL.into(), ..McpPlan::default() }
}

fn read(
    plan: &McpPlan,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Vec<Command>, UnparsedCode> {
    let mut all = vec![("content-type", "application/json")];
    all.extend(headers);
    let head = RequestHead { method: "POST", authority: "a.example", path: "/mcp", headers: &all };
    let limits = &Limits::default();
    commands(plan, &Reading { head: &head, body: body.as_bytes(), limits, paths: &[] })
        .map_err(|unparsed| unparsed.code)
}

/// Parameters that hold what any method needs.
const PARAMS: &str = r#""name":"n","uri":"ab:u","taskId":"t","ref":{"type":"ref/prompt","name":"p"},"notifications":{}"#;

/// A message of that revision with all that it needs, and its headers.
fn message(method: &Method, revision: McpRevision) -> (Vec<(&'static str, &'static str)>, String) {
    let id = if method.is_notification() { "" } else { r#""id":1,"# };
    let name = method.name;
    let mut headers = vec![("mcp-protocol-version", revision.name())];
    let version = revision.name();
    let meta = if revision.is_stateless() {
        headers.push(("mcp-method", name));
        match name {
            "tools/call" | "prompts/get" => headers.push(("mcp-name", "n")),
            "resources/read" => headers.push(("mcp-name", "ab:u")),
            name if name.starts_with("tasks/") => headers.push(("mcp-name", "t")),
            _ => {}
        }
        format!(r#","_meta":{{"io.modelcontextprotocol/protocolVersion":"{version}"}}"#)
    } else {
        String::new()
    };
    let meta = format!(r#","protocolVersion":"{version}"{meta}"#);
    let body = format!(r#"{{"jsonrpc":"2.0",{id}"method":"{name}","params":{{{PARAMS}{meta}}}}}"#);
    (headers, body)
}

#[test]
fn every_mcp_action_of_the_vocabulary_can_be_asked_for() {
    for spec in vocabulary::actions().filter(|spec| spec.name.starts_with("mcp:")) {
        let name = match spec.name {
            // These are no methods of JSON-RPC, or the server's to ask.
            "mcp:response"
            | "mcp:stream"
            | "mcp:session/end"
            | "mcp:sampling/createMessage"
            | "mcp:elicitation/create"
            | "mcp:roots/list" => continue,
            "mcp:notification" => "notifications/cancelled",
            name => name.trim_start_matches("mcp:"),
        };
        let method = METHODS.iter().find(|method| method.name == name).unwrap();
        let revision = McpRevision::ALL
            .into_iter()
            .find(|revision| Method::find(name, Some(*revision), &[].into()).is_some());
        let (headers, body) = message(method, revision.unwrap());
        let commands = read(&every_revision(), &headers, &body)
            .unwrap_or_else(|code| panic!("{name}: {code:?}"));
        assert_eq!(commands.len(), 1, "{name}");
        assert_eq!(commands[0].action.name(), spec.name);
        let expected = match spec.resource {
            ResourceKind::Tool | ResourceKind::Prompt => "n",
            ResourceKind::McpResource => "ab:u",
            _ => "",
        };
        assert_eq!(commands[0].resource, expected, "{name}");
    }
}

#[test]
fn a_method_is_read_in_the_revisions_that_have_it_and_in_no_other() {
    for method in METHODS {
        for revision in McpRevision::ALL {
            let has = Method::find(method.name, Some(revision), &[].into()).is_some();
            let (headers, body) = message(method, revision);
            let read = read(&every_revision(), &headers, &body).map(|_| ());
            let expected = if has { Ok(()) } else { Err(UnparsedCode::MethodUnknown) };
            assert_eq!(read, expected, "{} in {}", method.name, revision.name());
        }
    }
}

#[test]
fn a_revision_that_the_plan_does_not_take_is_refused() {
    let ping = METHODS.iter().find(|method| method.name == "tools/list").unwrap();
    for one in McpRevision::ALL {
        let plan = McpPlan { revisions: [one].into(), ..McpPlan::default() };
        for other in McpRevision::ALL {
            let (headers, body) = message(ping, other);
            let read = read(&plan, &headers, &body).map(|_| ());
            let refused = Err(UnparsedCode::ProtocolVersionUnsupported);
            assert_eq!(read, if one == other { Ok(()) } else { refused });
        }
    }
}

#[test]
fn a_revision_name_is_one_name_exactly() {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    for name in ["2025-6-18", "2025-06-18 ", "2025-06-18,2025-06-18", "", "DRAFT", "2027-01-01"] {
        let read = read(&every_revision(), &[("mcp-protocol-version", name)], body).map(|_| ());
        assert_eq!(read, Err(UnparsedCode::ProtocolVersionUnsupported), "{name}");
    }
}

#[test]
fn an_argument_in_a_header_is_the_one_that_the_plan_names() {
    let plan: McpPlan = serde_json::from_str(
        r#"{"param_headers":[{"tool":"sql*","header":"Region","at":"/where/region"}]}"#,
    )
    .unwrap();
    let call = |tool: &str, headers: &[(&str, &str)], arguments: &str| {
        let mut all = vec![
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", tool),
        ];
        all.extend(headers);
        let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments},{meta}}}}}"#
        );
        read(&plan, &all, &body).map(|_| ())
    };
    let mismatch = Err(UnparsedCode::HeaderMismatch);
    let there = r#"{"where":{"region":"eu"},"other":"us","n":42,"b":true,"list":["x"]}"#;
    assert_eq!(call("sql", &[("mcp-param-region", "eu")], there), Ok(()));
    assert_eq!(call("sql", &[("mcp-param-region", "=?base64?ZXU=?=")], there), Ok(()));
    assert_eq!(call("sql", &[("mcp-param-region", "us")], there), mismatch);
    assert_eq!(call("sql", &[], there), mismatch, "it is missing");
    assert_eq!(call("sql", &[("mcp-param-region", "eu")], r#"{"where":{}}"#), mismatch);
    assert_eq!(
        call("sql", &[("mcp-param-region", "null")], r#"{"where":{"region":null}}"#),
        mismatch
    );
    assert_eq!(call("sql", &[], r#"{"where":{"region":null}}"#), Ok(()));
    // Another tool's headers are not known: they are arguments at least.
    for value in ["eu", "us", "42", "true"] {
        assert_eq!(call("x", &[("mcp-param-any", value)], there), Ok(()), "{value}");
    }
    for value in ["EU", "42.0", "True", "x", "", "=?base64?ZXU?=", "=?base64?/w==?="] {
        assert_eq!(call("x", &[("mcp-param-any", value)], there), mismatch, "{value}");
    }
    let twice = [("mcp-param-any", "eu"), ("mcp-param-any", "eu")];
    assert_eq!(call("x", &twice, there), mismatch);
}

#[test]
fn what_is_approved_is_bound_to_the_parameters_but_not_to_what_each_try_has_of_its_own() {
    // The server takes all attributes but the id.
    let bound = |params: &str| {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
        read(&McpPlan::default(), &[], &body).map(|commands| {
            let mut attributes = commands[0].attributes.clone();
            assert!(attributes.contains_key("params_sha256"));
            attributes.remove("id");
            attributes
        })
    };
    let plain = bound(r#"{"name":"n","arguments":{"id":7,"to":"x"}}"#);
    let same = [
        r#"{"arguments":{"to":"x","id":7.0},"name":"n"}"#,
        r#"{"name":"n","arguments":{"id":7,"to":"x"},"_meta":{}}"#,
        r#"{"name":"n","arguments":{"id":7,"to":"x"},"_meta":{"progressToken":"p"}}"#,
        r#"{"name":"n","arguments":{"id":7,"to":"x"},"_meta":{"traceparent":"00-a-b-01"}}"#,
    ];
    for params in same {
        assert_eq!(bound(params), plain, "{params}");
    }
    let others = [
        r#"{"name":"n","arguments":{"id":8,"to":"x"}}"#,
        r#"{"name":"n","arguments":{"id":"7","to":"x"}}"#,
        r#"{"name":"n","arguments":{"id":7,"to":"x"},"_meta":{"x":1}}"#,
        r#"{"name":"n","arguments":{"id":7,"to":"x","progressToken":1}}"#,
        r#"{"name":"n","arguments":{"id":7,"to":"x"},"inputResponses":{}}"#,
        r#"{"name":"n","arguments":{"id":7,"to":"x"},"requestState":"s"}"#,
    ];
    for params in others {
        assert_ne!(bound(params), plain, "{params}");
    }
}

#[test]
fn the_command_in_an_argument_is_a_command_of_its_own() {
    let plan: McpPlan = serde_json::from_str(
        r#"{"embedded":[{"tool":"run_*","at":"/query","as":{"sql":"postgresql"}}]}"#,
    )
    .unwrap();
    let actions = |tool: &str| {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{{"query":"DELETE FROM t"}}}}}}"#
        );
        read(&plan, &[], &body).map(|commands| {
            commands.iter().map(|command| command.action.name()).collect::<Vec<_>>()
        })
    };
    assert_eq!(actions("run_sql"), Ok(vec!["mcp:tools/call", "sql:delete"]));
    assert_eq!(actions("ask"), Ok(vec!["mcp:tools/call"]));
}
