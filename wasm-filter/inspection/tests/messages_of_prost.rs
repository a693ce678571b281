//! gRPC messages as another library writes them are read to what was in them, and what
//! is not one message to that library is none here.

#![cfg(not(target_arch = "wasm32"))]

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chaperone_inspection::facts::Facts;
use chaperone_inspection::plan::{Limits, ProtocolPlan};
use chaperone_inspection::protocol::{RequestHead, inspect_body};
use proptest::prelude::*;
use prost::Message;
use serde_json::{Value, json};

#[derive(Clone, PartialEq, Message)]
struct Whole {
    #[prost(string, tag = "1")]
    text: String,
    #[prost(int32, tag = "2")]
    int32: i32,
    #[prost(sint32, tag = "3")]
    sint32: i32,
    #[prost(uint64, tag = "4")]
    uint64: u64,
    #[prost(sint64, tag = "5")]
    sint64: i64,
    #[prost(fixed32, tag = "6")]
    fixed32: u32,
    #[prost(sfixed64, tag = "7")]
    sfixed64: i64,
    #[prost(bool, tag = "8")]
    flag: bool,
    #[prost(bytes = "vec", tag = "9")]
    bytes: Vec<u8>,
    #[prost(double, optional, tag = "10")]
    double: Option<f64>,
    #[prost(string, repeated, tag = "11")]
    texts: Vec<String>,
    #[prost(int64, repeated, tag = "12")]
    numbers: Vec<i64>,
    #[prost(btree_map = "string, sint64", tag = "13")]
    map: BTreeMap<String, i64>,
    #[prost(message, optional, boxed, tag = "100")]
    inner: Option<Box<Whole>>,
    #[prost(message, repeated, tag = "2000")]
    many: Vec<Whole>,
}

fn plan() -> ProtocolPlan {
    let field = |number: u32, name: &str, kind: Value, label: &str| json!({ "number": number, "name": name, "kind": kind, "label": label });
    let whole = json!([
        field(1, "text", json!("string"), "implicit"),
        field(2, "int32", json!("int32"), "implicit"),
        field(3, "sint32", json!("sint32"), "implicit"),
        field(4, "uint64", json!("uint64"), "implicit"),
        field(5, "sint64", json!("sint64"), "implicit"),
        field(6, "fixed32", json!("fixed32"), "implicit"),
        field(7, "sfixed64", json!("sfixed64"), "implicit"),
        field(8, "flag", json!("bool"), "implicit"),
        field(9, "bytes", json!("bytes"), "implicit"),
        field(10, "double", json!("double"), "singular"),
        field(11, "texts", json!("string"), "repeated"),
        field(12, "numbers", json!("int64"), "repeated"),
        field(13, "map", json!({ "message": 1 }), "map"),
        field(100, "inner", json!({ "message": 0 }), "singular"),
        field(2000, "many", json!({ "message": 0 }), "repeated"),
    ]);
    let entry = json!([
        field(1, "key", json!("string"), "implicit"),
        field(2, "value", json!("sint64"), "implicit"),
    ]);
    let plan = json!({ "grpc": {
        "fields": { "*": {
            "int32": "int32", "text": "text", "texts": "texts", "numbers": "numbers", "map": "map",
            "double": "double", "inner": "inner", "texts_of_many": "many.texts",
            "flag_of_inner": "inner.flag", "key": "map.a",
        } },
        "schema": {
            "methods": { "a.B/C": { "input": { "message": 0 }, "output": { "message": 0 } } },
            "messages": [whole, entry],
            "enums": [],
        },
    } });
    serde_json::from_value(plan).unwrap()
}

/// A message as its JSON would be here.
fn json_of(message: &Whole) -> Value {
    let mut json = json!({
        "text": message.text, "int32": message.int32, "sint32": message.sint32,
        "uint64": message.uint64, "sint64": message.sint64, "fixed32": message.fixed32,
        "sfixed64": message.sfixed64, "flag": message.flag,
        "bytes": BASE64_STANDARD.encode(&message.bytes), "texts": message.texts,
        "numbers": message.numbers, "map": message.map,
        "many": message.many.iter().map(json_of).collect::<Vec<_>>(),
    });
    if let Some(double) = message.double {
        json["double"] = json!(double);
    }
    if let Some(inner) = &message.inner {
        json["inner"] = json_of(inner);
    }
    json
}

fn expected(message: &Whole) -> Value {
    let whole = json_of(message);
    let mut fields = json!({
        "texts_of_many": message.many.iter().flat_map(|many| &many.texts).collect::<Vec<_>>(),
    });
    for name in ["int32", "text", "texts", "numbers", "map", "double", "inner"] {
        if let Some(value) = whole.get(name) {
            fields[name] = value.clone();
        }
    }
    if let Some(inner) = &message.inner {
        fields["flag_of_inner"] = json!(inner.flag);
    }
    if let Some(value) = message.map.get("a") {
        fields["key"] = json!(value);
    }
    fields
}

fn messages() -> impl Strategy<Value = Whole> {
    let numbers = (any::<i32>(), any::<i32>(), any::<u64>(), any::<i64>(), any::<u32>());
    let others = (any::<i64>(), any::<bool>(), any::<Vec<u8>>(), any::<Option<f64>>());
    let lists = (
        prop::collection::vec("[a-c]{0,2}", 0..4),
        prop::collection::vec(any::<i64>(), 0..4),
        prop::collection::btree_map("[a-c]", any::<i64>(), 0..4),
    );
    let flat = (".{0,8}", numbers, others, lists).prop_map(|(text, numbers, others, lists)| {
        let (int32, sint32, uint64, sint64, fixed32) = numbers;
        let (sfixed64, flag, bytes, double) = others;
        let (texts, numbers, map) = lists;
        let double = double.filter(|double| double.is_finite());
        Whole {
            text,
            int32,
            sint32,
            uint64,
            sint64,
            fixed32,
            sfixed64,
            flag,
            bytes,
            double,
            texts,
            numbers,
            map,
            inner: None,
            many: Vec::new(),
        }
    });
    flat.prop_recursive(3, 12, 3, |inner| {
        let many = prop::collection::vec(inner.clone(), 0..3);
        (inner.clone(), prop::option::of(inner), many).prop_map(|(message, inner, many)| Whole {
            inner: inner.map(Box::new),
            many,
            ..message
        })
    })
}

fn read(plan: &ProtocolPlan, message: &[u8]) -> Facts {
    let headers = [("content-type", "application/grpc")];
    let head =
        RequestHead { method: "POST", authority: "a.example", path: "/a.B/C", headers: &headers };
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    let body = [&[0], &length[..], message].concat();
    inspect_body(plan, &Limits::default(), &head, &body)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_message_is_read_to_what_was_written(message in messages()) {
        let facts = read(&plan(), &message.encode_to_vec());
        prop_assert_eq!(&facts.unparsed, &None);
        prop_assert_eq!(&facts.commands[0].attributes["fields"], &expected(&message));
        prop_assert_eq!(&facts.commands[0].attributes["unknown_fields"], &json!(0));
    }

    #[test]
    fn a_spoilt_message_is_refused_or_read_as_the_library_reads_it(
        message in messages(),
        spoils in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = message.encode_to_vec();
        prop_assume!(!bytes.is_empty());
        for (at, byte) in spoils {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let facts = read(&plan(), &bytes);
        if facts.unparsed.is_none() {
            let theirs = Whole::decode(&*bytes);
            prop_assert!(theirs.is_ok(), "{theirs:?}");
            let theirs = expected(&theirs.unwrap());
            prop_assert_eq!(&facts.commands[0].attributes["fields"], &theirs);
        }
    }
}
