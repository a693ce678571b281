//! A body that was compressed makes the facts that it makes as it is; and forms are
//! read as the WHATWG's parser reads them, or not at all.

#![cfg(not(target_arch = "wasm32"))]

use std::io::Write;

use chaperone_inspection::facts::Facts;
use chaperone_inspection::plan::{Limits, ProtocolPlan};
use chaperone_inspection::protocol::{RequestHead, inspect_body};
use proptest::prelude::*;
use serde_json::{Value, json};

const FORM: &str = "application/x-www-form-urlencoded";

fn plan(plan: Value) -> ProtocolPlan {
    serde_json::from_value(plan).unwrap()
}

fn read(plan: &ProtocolPlan, kind: &str, coding: Option<&str>, body: &[u8]) -> Facts {
    let mut headers = vec![("content-type", kind)];
    headers.extend(coding.map(|coding| ("content-encoding", coding)));
    let head =
        RequestHead { method: "POST", authority: "a.example", path: "/form", headers: &headers };
    inspect_body(plan, &Limits::default(), &head, body)
}

fn encoded(coding: &str, plain: &[u8]) -> Vec<u8> {
    let level = flate2::Compression::new(6);
    match coding {
        "gzip" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
        "deflate" => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
        "br" => {
            let mut out = Vec::new();
            let params = brotli::enc::BrotliEncoderParams { quality: 5, ..Default::default() };
            brotli::BrotliCompress(&mut &*plain, &mut out, &params).unwrap();
            out
        }
        _ => {
            let level = ruzstd::encoding::CompressionLevel::Fastest;
            ruzstd::encoding::compress_to_vec(plain, level)
        }
    }
}

/// Pieces that forms are made of, good ones and others.
fn forms() -> impl Strategy<Value = String> {
    let pieces = [
        "a", "b", "=", "=", "&", "&", "+", "%20", "%3D", "%26", "%61", "%41", "A", "[]", "[x]",
        "x", ".", "é", "%C3%A9", "%ff", "%", "%zz", ";", " ", "1", "a=1", "&b=2", "&x=",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..14)
        .prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_form_is_read_as_the_standard_says_or_refused(form in forms()) {
        let plan = plan(json!({ "form": { "fields": { "a": "a" }, "lists": { "b": "b" } } }));
        let facts = read(&plan, FORM, None, form.as_bytes());
        if form.is_empty() || facts.unparsed.is_some() {
            return Ok(());
        }
        let theirs: Vec<_> = form_urlencoded::parse(form.as_bytes()).collect();
        let values = |name: &str| -> Vec<&str> {
            theirs.iter().filter(|(key, _)| key == name).map(|(_, value)| &**value).collect()
        };
        let mut expected = json!({ "b": values("b") });
        prop_assert!(values("a").len() < 2);
        if let [value] = values("a")[..] {
            expected["a"] = json!(value);
        }
        prop_assert_eq!(&facts.commands[0].attributes["fields"], &expected);
    }

    #[test]
    fn compression_makes_no_difference(
        coding in prop::sample::select(vec!["gzip", "deflate", "br", "zstd"]),
        value in "[a-z ]{1,200}",
    ) {
        let json = plan(json!({ "json": { "fields": { "a": "/a" } } }));
        let form = plan(json!({ "form": { "fields": { "a": "text" } } }));
        let sql = plan(json!({ "sql": { "dialect": "mysql", "statement": "body" } }));
        for (plan, kind, body) in [
            (&json, "application/json", json!({ "a": value }).to_string()),
            (&form, FORM, format!("text={value}")),
            (&sql, "application/sql", format!("SELECT '{value}' FROM t")),
        ] {
            let plain = read(plan, kind, None, body.as_bytes());
            prop_assert_eq!(&plain.unparsed, &None);
            let encoded = read(plan, kind, Some(coding), &encoded(coding, body.as_bytes()));
            prop_assert_eq!(plain, encoded);
        }
    }
}

#[test]
fn a_form_may_have_a_thousand_fields() {
    let plan = plan(json!({ "form": { "fields": { "a": "a" } } }));
    let form = |fields: usize| format!("{}a=1", "x&".repeat(fields - 1));
    let facts = read(&plan, FORM, None, form(1000).as_bytes());
    assert_eq!(facts.commands[0].attributes["fields"], json!({ "a": "1" }));
    let unparsed = read(&plan, FORM, None, form(1001).as_bytes()).unparsed.unwrap();
    assert_eq!(unparsed.detail, "the form has more than 1000 fields");
}

#[test]
fn a_multipart_form_may_have_a_thousand_parts() {
    let plan = plan(json!({ "multipart": { "fields": { "a": "a" } } }));
    let part =
        |name: &str| format!("--B\r\nContent-Disposition: form-data; name={name}\r\n\r\n1\r\n");
    let form = |parts: usize| format!("{}{}--B--", part("x").repeat(parts - 1), part("a"));
    let kind = "multipart/form-data; boundary=B";
    let facts = read(&plan, kind, None, form(1000).as_bytes());
    assert_eq!(facts.commands[0].attributes["fields"], json!({ "a": "1" }));
    let unparsed = read(&plan, kind, None, form(1001).as_bytes()).unparsed.unwrap();
    assert_eq!(unparsed.detail, "the form has more than 1000 fields");
}
