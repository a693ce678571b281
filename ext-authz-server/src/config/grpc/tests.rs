use std::fs;

use chaperone_inspection::plan::{Limits, ProtocolPlan};
use chaperone_inspection::protocol::{RequestHead, inspect_body};
use serde_json::{Value, json};

use super::*;

const ORDERS: &str = r#"
    syntax = "proto3";
    package acme;
    import "money.proto";

    service Orders {
      rpc Cancel(CancelRequest) returns (Order);
      rpc Upload(stream Order.Item) returns (Order);
    }

    message CancelRequest {
      string order_id = 1;
      optional int32 quantity = 2;
      Order order = 3;
      Reason reason = 4;
      map<string, Money> costs = 5;
      oneof by { string person = 6; int64 robot = 7; }
      string token = 8 [debug_redact = true];
    }

    message Order {
      string id = 1;
      repeated Item items = 2;
      Order parent = 3;
      message Item { string sku = 1; repeated uint32 counts = 2; }
    }

    enum Reason { UNKNOWN = 0; FRAUD = 1; }
"#;

const MONEY: &str = r#"
    syntax = "proto2";
    package acme;
    message Money { optional int64 cents = 1; optional string currency = 2 [default = "EUR"]; }
"#;

/// A folder with `orders.binpb`, a descriptor set of those two files.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("orders.proto"), ORDERS).unwrap();
    fs::write(folder.path().join("money.proto"), MONEY).unwrap();
    let mut compiler = protox::Compiler::new([folder.path()]).unwrap();
    compiler.include_imports(true).open_file("orders.proto").unwrap();
    let set = compiler.encode_file_descriptor_set();
    fs::write(folder.path().join("orders.binpb"), set).unwrap();
    folder
}

fn compiled(fields: &Value) -> Result<GrpcPlan, String> {
    let plan = json!({ "descriptors": "orders.binpb", "fields": fields });
    let plan = serde_json::from_value(plan).unwrap();
    compile(plan, folder().path()).map_err(|error| error.to_string())
}

#[test]
fn a_descriptor_set_becomes_a_table() {
    let plan = compiled(&json!({})).unwrap();
    assert_eq!(plan.descriptors, None);
    let schema = plan.schema.unwrap();
    let names: Vec<_> = schema.methods.keys().map(String::as_str).collect();
    assert_eq!(names, ["acme.Orders/Cancel", "acme.Orders/Upload"]);
    assert!(schema.methods["acme.Orders/Upload"].client_streaming);
    let GrpcKind::Message(index) = schema.methods["acme.Orders/Cancel"].input else {
        panic!("it is no message");
    };
    let field = |name: &str| {
        let fields = &schema.messages[index];
        fields.iter().find(|field| field.name == name).unwrap().clone()
    };
    assert_eq!(field("order_id").label, GrpcLabel::Implicit);
    assert_eq!(field("quantity").label, GrpcLabel::Singular);
    assert_eq!(field("quantity").oneof, None);
    assert_eq!(field("order").label, GrpcLabel::Singular);
    assert_eq!(field("costs").label, GrpcLabel::Map);
    assert_eq!(field("person").oneof, field("robot").oneof);
    assert_eq!(field("person").label, GrpcLabel::Singular);
    assert!(field("person").oneof.is_some());
    assert!(field("token").redact && !field("person").redact);
    let costs = field("costs");
    let money = schema.map_value(&costs).unwrap().kind;
    let GrpcKind::Message(money) = money else { panic!("it is no message") };
    // In proto2, what is not there is not its default.
    assert!(schema.messages[money].iter().all(|field| field.label == GrpcLabel::Singular));
    assert_eq!(schema.enums[0][&1], "FRAUD");
}

#[test]
fn messages_are_read_by_the_table() {
    let plan = compiled(&json!({ "acme.Orders/Cancel": {
        "id": "order_id", "reason": "reason", "cents": "costs.total.cents",
        "skus": "order.items.sku",
    } }))
    .unwrap();
    // Through JSON, as it goes to the filter.
    let plan = serde_json::to_string(&ProtocolPlan::Grpc(plan)).unwrap();
    let plan: ProtocolPlan = serde_json::from_str(&plan).unwrap();
    let message =
        b"\x0a\x02o1\x20\x01\x2a\x0b\x0a\x05total\x12\x02\x08\x05\x1a\x05\x12\x03\x0a\x01s";
    let body = [b"\0\0\0\0\x1a", &message[..]].concat();
    let head = RequestHead {
        method: "POST",
        authority: "a.example",
        path: "/acme.Orders/Cancel",
        headers: &[("content-type", "application/grpc")],
    };
    let facts = inspect_body(&plan, &Limits::default(), &head, &body);
    assert_eq!(facts.unparsed, None);
    let fields = &facts.commands[0].attributes["fields"];
    let expected = json!({ "id": "o1", "reason": "FRAUD", "cents": 5, "skus": ["s"] });
    assert_eq!(fields, &expected);
}

#[test]
fn what_can_never_be_read_is_refused_with_the_reason() {
    for (fields, part) in [
        (
            json!({ "acme.Orders/Delete": { "a": "id" } }),
            "`acme.Orders/Delete`, which is no method",
        ),
        (json!({ "acme.Other/*": { "a": "id" } }), "`acme.Other/*`, which is no method"),
        (json!({ "acme.Orders/Cancel": { "a": "id" } }), "there is no `id`"),
        (json!({ "*": { "a": "order.item.sku" } }), "there is no `"),
        (json!({ "acme.Orders/Cancel": { "a": "order_id.x" } }), "`x` is below what is no message"),
        (json!({ "acme.Orders/Cancel": { "a": "" } }), "there is no ``"),
        (
            json!({ "acme.Orders/Cancel": { "a": "order_id" }, "*": { "a": "order.id" } }),
            "two paths for `a` of `acme.Orders/Cancel`",
        ),
    ] {
        let error = compiled(&fields).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
    // A path that some method of a pattern has is enough.
    assert!(compiled(&json!({ "*": { "a": "order_id" } })).is_ok());
}

#[test]
fn descriptors_that_cannot_be_used_are_refused_with_the_reason() {
    let folder = folder();
    fs::write(folder.path().join("text"), "syntax = \"proto3\";").unwrap();
    fs::write(folder.path().join("empty"), "").unwrap();
    let mut compiler = protox::Compiler::new([folder.path()]).unwrap();
    compiler.open_file("orders.proto").unwrap();
    let alone = compiler.encode_file_descriptor_set();
    fs::write(folder.path().join("alone"), alone).unwrap();
    for (plan, part) in [
        (json!({ "descriptors": "missing" }), "`missing` cannot be read"),
        (json!({ "descriptors": "text" }), "`text` is not a descriptor set"),
        (json!({ "descriptors": "empty" }), "`empty` has no service"),
        (json!({ "descriptors": "alone" }), "do not have `.acme.Money`"),
        (json!({ "fields": { "*": { "a": "b" } } }), "`fields` need `descriptors`"),
        (
            json!({ "schema": { "methods": {}, "messages": [], "enums": [] } }),
            "`schema` is made from `descriptors`",
        ),
    ] {
        let plan = serde_json::from_value(plan).unwrap();
        let error = compile(plan, folder.path()).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(compile(GrpcPlan::default(), folder.path()).unwrap(), GrpcPlan::default());
}

#[test]
fn a_large_table_keeps_what_the_fields_lead_through() {
    let plan = compiled(&json!({ "acme.Orders/Cancel": { "skus": "order.items.sku" } })).unwrap();
    let schema = plan.schema.clone().unwrap();
    let used = used_messages(&plan, &schema).unwrap();
    let trimmed = trimmed(&schema, &used);
    assert_eq!(trimmed.messages.len(), 3);
    assert_eq!(trimmed.methods["acme.Orders/Cancel"].output, GrpcKind::Message(1));
    let GrpcKind::Message(input) = trimmed.methods["acme.Orders/Cancel"].input else {
        panic!("it is no message");
    };
    let kind = |name: &str| {
        let fields = &trimmed.messages[input];
        fields.iter().find(|field| field.name == name).unwrap().kind
    };
    assert_eq!(kind("costs"), GrpcKind::Opaque);
    assert!(matches!(kind("order"), GrpcKind::Message(_)));
    let plan = GrpcPlan { schema: Some(trimmed.clone()), ..plan };
    assert_eq!(used_messages(&plan, &trimmed).unwrap().len(), 3);
}
