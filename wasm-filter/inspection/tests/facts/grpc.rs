//! gRPC calls.

use chaperone_inspection::plan::{Limits, ProtocolPlan};
use chaperone_inspection::protocol::inspect_body;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{cases, code, conform, head};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GrpcCase {
    case: String,
    method: Option<String>,
    path: Option<String>,
    content_type: Option<String>,
    content_encoding: Option<String>,
    /// The values of `grpc-encoding`, a header each.
    #[serde(default)]
    grpc_encoding: Vec<String>,
    /// The body in hexadecimal.
    body: Option<String>,
    /// Messages in hexadecimal, framed as they are without compression.
    #[serde(default)]
    messages: Vec<String>,
    /// Read without descriptors.
    #[serde(default)]
    bare: bool,
    /// The commands: the `fields` of each, `null` where there are none.
    fields: Option<Vec<Value>>,
    /// How many fields are unknown in the first one, if it is not none.
    unknown: Option<u64>,
    unparsed: Option<String>,
}

/// What the server makes of this, in proto3:
///
/// ```proto
/// package acme;
/// message Cancel {
///   string order_id = 1;
///   int32 quantity = 2;
///   optional string note = 3;
///   Order order = 4;
///   repeated string tags = 5;
///   repeated int32 lines = 6;
///   map<string, string> labels = 7;
///   Reason reason = 8;
///   oneof by { string person = 9; int64 robot = 10; }
///   bytes token = 11;
///   bool force = 12;
///   sint64 delta = 13;
///   double price = 14;
///   fixed32 flags = 15;
///   uint32 count = 16;
/// }
/// message Order { string id = 1; repeated Item items = 2; Order parent = 3; }
/// message Item { string sku = 1; sfixed64 cents = 2; }
/// enum Reason { UNKNOWN = 0; FRAUD = 1; }
/// service Orders {
///   rpc Cancel(Cancel) returns (Order);
///   rpc Upload(stream Item) returns (Order);
/// }
/// ```
fn plan() -> Value {
    let map_entry = json!([
        { "number": 1, "name": "key", "kind": "string", "label": "implicit" },
        { "number": 2, "name": "value", "kind": "string", "label": "implicit" },
    ]);
    let field = |number: u32, name: &str, kind: Value, label: &str| json!({ "number": number, "name": name, "kind": kind, "label": label });
    let cancel = json!([
        field(1, "order_id", json!("string"), "implicit"),
        field(2, "quantity", json!("int32"), "implicit"),
        field(3, "note", json!("string"), "singular"),
        field(4, "order", json!({ "message": 1 }), "singular"),
        field(5, "tags", json!("string"), "repeated"),
        field(6, "lines", json!("int32"), "repeated"),
        field(7, "labels", json!({ "message": 3 }), "map"),
        field(8, "reason", json!({ "enum": 0 }), "implicit"),
        { "number": 9, "name": "person", "kind": "string", "oneof": 0 },
        { "number": 10, "name": "robot", "kind": "int64", "oneof": 0 },
        { "number": 11, "name": "token", "kind": "bytes", "label": "implicit", "redact": true },
        field(12, "force", json!("bool"), "implicit"),
        field(13, "delta", json!("sint64"), "implicit"),
        field(14, "price", json!("double"), "implicit"),
        field(15, "flags", json!("fixed32"), "implicit"),
        field(16, "count", json!("uint32"), "implicit"),
    ]);
    let order = json!([
        field(1, "id", json!("string"), "implicit"),
        field(2, "items", json!({ "message": 2 }), "repeated"),
        field(3, "parent", json!({ "message": 1 }), "singular"),
    ]);
    let item = json!([
        field(1, "sku", json!("string"), "implicit"),
        field(2, "cents", json!("sfixed64"), "implicit"),
    ]);
    json!({ "grpc": {
        "fields": {
            "acme.Orders/Cancel": {
                "id": "order_id", "quantity": "quantity", "note": "note", "tags": "tags",
                "lines": "lines", "env": "labels.env", "reason": "reason", "robot": "robot",
                "person": "person", "order": "order.id", "skus": "order.items.sku",
                "parent": "order.parent", "labels": "labels", "token": "token",
            },
            "acme.Orders/*": { "cents": "cents" },
        },
        "schema": {
            "methods": {
                "acme.Orders/Cancel": { "input": { "message": 0 }, "output": { "message": 1 } },
                "acme.Orders/Upload": {
                    "input": { "message": 2 }, "output": { "message": 1 },
                    "client_streaming": true
                },
            },
            "messages": [cancel, order, item, map_entry],
            "enums": [{ "0": "UNKNOWN", "1": "FRAUD" }],
        },
    } })
}

fn framed(message: &str) -> Vec<u8> {
    let bytes = hex::decode(message.replace(' ', "")).unwrap();
    let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    [&[0], &length[..], &bytes].concat()
}

#[test]
fn grpc_makes_the_facts_that_were_reviewed() {
    let known: ProtocolPlan = serde_json::from_value(plan()).unwrap();
    let bare: ProtocolPlan = serde_json::from_value(json!("grpc")).unwrap();
    for case in cases::<GrpcCase>("grpc", 40) {
        let path = case.path.as_deref().unwrap_or("/acme.Orders/Cancel");
        let content_type = case.content_type.as_deref().unwrap_or("application/grpc");
        let mut headers = vec![("content-type", content_type)];
        headers.extend(case.content_encoding.as_deref().map(|coding| ("content-encoding", coding)));
        headers.extend(case.grpc_encoding.iter().map(|coding| ("grpc-encoding", coding.as_str())));
        let head = head(case.method.as_deref().unwrap_or("POST"), path, &headers);
        let raw = case.body.as_deref().map(|body| hex::decode(body.replace(' ', "")).unwrap());
        let framed = || case.messages.iter().flat_map(|message| framed(message)).collect();
        let body = raw.unwrap_or_else(framed);
        let plan = if case.bare { &bare } else { &known };
        let facts = inspect_body(plan, &Limits::default(), &head, &body);
        conform(&facts);
        assert_eq!(code(&facts), case.unparsed, "{}: {facts:?}", case.case);
        let mut read = Vec::new();
        for command in &facts.commands {
            assert_eq!(command.action.name(), "grpc:call");
            assert_eq!(format!("/{}", command.resource), path);
            let (service, method) = (&command.attributes["service"], &command.attributes["method"]);
            let (service, method) = (service.as_str().unwrap(), method.as_str().unwrap());
            assert_eq!(format!("/{service}/{method}"), path);
            read.push(command.attributes.get("fields").cloned().unwrap_or_default());
        }
        let expected: Vec<Value> = case.fields.unwrap_or_default();
        // What is not there has its default, and lists are empty.
        let usual = json!({
            "id": "", "quantity": 0, "tags": [], "lines": [], "reason": "UNKNOWN", "skus": [],
            "labels": {}, "token": "",
        });
        let expected: Vec<Value> = expected
            .into_iter()
            .map(|fields| match fields {
                Value::Object(fields) if path == "/acme.Orders/Cancel" => {
                    let mut all = usual.as_object().unwrap().clone();
                    all.extend(fields);
                    all.into()
                }
                other => other,
            })
            .collect();
        assert_eq!(json!(read), json!(expected), "{}", case.case);
        if let Some(first) = facts.commands.first() {
            let unknown = first.attributes.get("unknown_fields").and_then(Value::as_u64);
            assert_eq!(unknown.unwrap_or(0), case.unknown.unwrap_or(0), "{}", case.case);
        }
    }
}
