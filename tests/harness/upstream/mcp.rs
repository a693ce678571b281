//! A small MCP server over streamable HTTP (MCP 2025-06-18): no session, three tools.
//!
//! A request may have it misbehave in its answer, by headers: `x-mcp-describe` is what
//! it says of its first tool, `x-mcp-asks` a method that it asks of the client before it
//! answers, or in place of an answer that is no stream, `x-mcp-pieces` how long the
//! pieces are that its answer comes in, and `x-mcp-open` keeps the stream of its answer
//! open for so many milliseconds.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::sql::Database;

const PROTOCOL_VERSION: &str = "2025-06-18";

/// JSON-RPC 2.0 section 5.1.
const INVALID_REQUEST: i32 = -32_600;
const METHOD_NOT_FOUND: i32 = -32_601;
const INVALID_PARAMS: i32 = -32_602;

struct RpcError(i32, String);

type Handled = Result<Value, RpcError>;

/// One message of a client.
pub(super) async fn message(
    State(database): State<Arc<Database>>,
    headers: HeaderMap,
    Json(message): Json<Value>,
) -> Response {
    let Some(method) = message["method"].as_str() else {
        let error = RpcError(INVALID_REQUEST, "there is no method".to_owned());
        return answer(&headers, &message["id"], Err(error));
    };
    if message.get("id").is_none() {
        return StatusCode::ACCEPTED.into_response();
    }
    let handled = match method {
        "initialize" => Ok(initialize()),
        "ping" => Ok(json!({})),
        "tools/list" => Ok(json!({ "tools": tools(told(&headers, "x-mcp-describe")) })),
        "tools/call" => call(&database, &message["params"]),
        other => Err(RpcError(METHOD_NOT_FOUND, format!("there is no method {other}"))),
    };
    answer(&headers, &message["id"], handled)
}

fn answer(headers: &HeaderMap, id: &Value, handled: Handled) -> Response {
    let message = match handled {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(RpcError(code, text)) => {
            json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": text } })
        }
    };
    let asked = told(headers, "x-mcp-asks")
        .map(|method| json!({ "jsonrpc": "2.0", "id": "s-1", "method": method, "params": {} }));
    if wants_events(headers) {
        let event = |message| format!("event: message\ndata: {message}\n\n");
        let events: String = asked.into_iter().chain([message]).map(event).collect();
        let body = in_pieces(headers, events);
        ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
    } else {
        let body = in_pieces(headers, asked.unwrap_or(message).to_string());
        ([(header::CONTENT_TYPE, "application/json")], body).into_response()
    }
}

/// A client that listens: a notification, and what the server asks of it.
pub(super) async fn listen(headers: HeaderMap) -> Response {
    let asked = told(&headers, "x-mcp-asks").unwrap_or("ping");
    let messages = [
        json!({ "jsonrpc": "2.0", "id": "s-1", "method": asked, "params": {} }),
        json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" }),
    ];
    let events: String = messages.map(|message| format!("data: {message}\n\n")).concat();
    ([(header::CONTENT_TYPE, "text/event-stream")], in_pieces(&headers, events)).into_response()
}

fn told<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn in_pieces(headers: &HeaderMap, text: String) -> Body {
    let number = |name: &str| told(headers, name).and_then(|value| value.parse::<u64>().ok());
    let (Some(size), open) = (number("x-mcp-pieces"), number("x-mcp-open")) else {
        return Body::from(text);
    };
    let size = usize::try_from(size).unwrap_or(usize::MAX).max(1);
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        for piece in text.as_bytes().chunks(size) {
            let piece = Ok::<_, Infallible>(Bytes::copy_from_slice(piece));
            if sender.send(piece).await.is_err() {
                return;
            }
            // So that they travel alone.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(open.unwrap_or(0))).await;
    });
    Body::from_stream(ReceiverStream::new(receiver))
}

/// Clients must accept both; one that names events first is given them.
fn wants_events(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.trim_start().starts_with("text/event-stream"))
}

fn initialize() -> Value {
    json!({
        "protocolVersion": PROTOCOL_VERSION,
        "capabilities": { "tools": {} },
        "serverInfo": { "name": "customers", "version": env!("CARGO_PKG_VERSION") },
    })
}

fn tools(described: Option<&str>) -> Value {
    let by_id = json!({
        "type": "object",
        "properties": { "id": { "type": "integer" } },
        "required": ["id"],
    });
    json!([
        {
            "name": "lookup_customer",
            "description": described.unwrap_or("Everything that is known of a customer."),
            "inputSchema": by_id,
        },
        {
            "name": "delete_customer",
            "description": "Removes a customer for good.",
            "inputSchema": by_id,
        },
        {
            "name": "export_customers",
            "description": "Everything that is known of every customer.",
            "inputSchema": { "type": "object" },
        },
    ])
}

fn call(database: &Database, params: &Value) -> Handled {
    let invalid = |text: &str| RpcError(INVALID_PARAMS, text.to_owned());
    let id = params["arguments"]["id"].as_i64();
    let id = || id.ok_or_else(|| invalid("the argument `id` is an integer"));
    let done = match params["name"].as_str() {
        Some("lookup_customer") => database.customer(id()?),
        Some("delete_customer") => {
            let id = id()?;
            database.delete(id).map(|gone| gone.then(|| json!({ "id": id, "deleted": true })))
        }
        Some("export_customers") => {
            database.customers().map(|all| Some(json!({ "customers": all })))
        }
        _ => return Err(invalid("there is no such tool")),
    };
    Ok(match done {
        Ok(Some(content)) => json!({
            "content": [{ "type": "text", "text": content.to_string() }],
            "structuredContent": content,
            "isError": false,
        }),
        Ok(None) => tool_error("no such customer"),
        Err(error) => tool_error(&error.to_string()),
    })
}

fn tool_error(text: &str) -> Value {
    json!({ "content": [{ "type": "text", "text": text }], "isError": true })
}
