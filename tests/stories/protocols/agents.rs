//! JSON-RPC between agents, and from agents to tools.

use serde_json::{Value, json};

use super::Expected::{self, Allowed, DeniedByJsonRpc, Unparsed};
use super::{expect, mesh, post};
use crate::cast;

#[tokio::test]
async fn a2a() {
    let mesh = mesh().await;
    let call = async |method: &str, expected: Expected| {
        let mark = cast::mark();
        let message = json!({
            "jsonrpc": "2.0", "id": "call-1", "method": method,
            "params": { "message": {
                "role": "user", "messageId": "m-1", "parts": [{ "kind": "text", "text": "hello" }],
            }, "id": "t-1" },
        });
        let request = post(mesh, "/a2a", &mark, "application/json", message.to_string());
        expect(method, "tools.example", &mark, request, expected).await
    };
    call("message/send", Allowed).await;
    let policy = "agents-do-not-stop-each-other";
    let answer = call("tasks/cancel", DeniedByJsonRpc(policy)).await;
    assert_eq!(answer.json()["id"], "call-1", "{answer:?}");
    assert_eq!(answer.json()["error"]["data"]["policies"], json!([policy]), "{answer:?}");
    // A server of another version may know it.
    call("tasks/destroy", Unparsed("method_unknown")).await;
}

#[tokio::test]
async fn mcp() {
    let mesh = mesh().await;
    let call = async |body: &str, expected: Expected| {
        let mark = cast::mark();
        let request = post(mesh, "/mcp", &mark, "application/json", body);
        let request = request.header("accept", "application/json, text/event-stream");
        expect(body, "customers.example", &mark, request, expected).await
    };
    let tool = |params: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#)
    };
    let answer = call(&tool(r#"{"name":"lookup_customer","arguments":{"id":1}}"#), Allowed).await;
    assert_eq!(answer.json()["result"]["structuredContent"]["id"], 1, "{answer:?}");
    for (body, code) in [
        // One server takes the first name, another one the last.
        (tool(r#"{"name":"lookup_customer","name":"delete_customer"}"#), "json_duplicate_key"),
        (tool(r#"{"name":"lookup_customer","Name":"delete_customer"}"#), "json_key_ambiguous"),
        (tool(r#"{"name":"lookup_customer""#), "json_malformed"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/fly"}"#.to_owned(), "method_unknown"),
        (r#"{"id":1,"method":"ping"}"#.to_owned(), "json_rpc_invalid"),
    ] {
        let answer = call(&body, Unparsed(code)).await;
        // An id of what could not be read would be a guess: the answer has none.
        assert_eq!(answer.json()["id"], Value::Null, "{answer:?}");
    }
}
