//! Laws of masking: how a body was cut changes nothing, nothing sensitive gets
//! out, documents keep their shape, and what is held is bounded.

use std::fmt::Write as _;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::Value;

use super::tests::{EVENTS, JSON, LINES, TEXT, built_in, mask};
use super::*;

/// One of each kind that the detectors of `all` know.
const SENSITIVE: [&str; 12] = [
    "ada.lovelace@example.com",
    "bob@bücher.example",
    "4111111111111111",
    "3782 822463 10005",
    "4000-0000-0000-0000-006",
    "123-45-6789",
    "DE89370400440532013000",
    "GB82 WEST 1234 5698 7654 32",
    "AKIAIOSFODNN7EXAMPLE",
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhZGEifQ.dBjftJeZ4CVP-mB92K27",
    "ewogICJhbGciOiAiRWREU0EiCn0.eyJzdWIiOiJhZGEifQ.c2ln",
    "-----BEGIN PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\nMIIE\n-----END PRIVATE KEY-----",
];

/// Texts that make detectors look far and find nothing, or that are cut short.
const NEARLY: [&str; 12] = [
    "a@b",
    "4111 1111 1111",
    "123-45-",
    "DE89 3704 0044 0532 0130",
    "AKIAIOSF",
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9",
    "eyJ-eyJ_eyJ.eyJ",
    "-----BEGIN CERTIFICATE-----",
    "2024-01-31T12:34:56.789Z",
    "550e8400-e29b-41d4-a716-446655440000",
    "{name}",
    "é€😀",
];

fn corpus() -> Vec<(&'static str, String)> {
    let text =
        SENSITIVE.iter().zip(NEARLY).flat_map(|(s, n)| ["x ", s, ", ", n, " "]).collect::<String>();
    let glued =
        SENSITIVE.iter().zip(NEARLY).flat_map(|(s, n)| [n, "_", s, "/"]).collect::<String>();
    let document = serde_json::json!({
        "note": text, "ada@example.com": [glued, 4_111_111_111_111_111_u64, 1.5, true, null],
        "password": {"a": ["b", 1, {}]}, "nested": serde_json::json!({"token": text}).to_string(),
    });
    let escaped = r#"{"a\u0040b.com":"\u0061@b\u002ecom \ud83d\ude00 \"4111\u00201111 1111 1111\\","api\u005fkey":-1.5E+3}"#;
    let mut events = String::new();
    for data in [&document.to_string(), &glued, "[DONE]"] {
        write!(events, ": {}\r\nid: 1\r\ndata: {data}\ndata:\rdata: \n\n", SENSITIVE[0]).unwrap();
    }
    vec![
        (JSON, document.to_string()),
        (JSON, serde_json::to_string_pretty(&document).unwrap()),
        (JSON, escaped.to_owned()),
        (JSON, "4111111111111111".to_owned()),
        (JSON, r#"{"a":[1,2}"#.to_owned()),
        (JSON, r#"{"a":"b"#.to_owned()),
        (JSON, r#"["\ud800"]"#.to_owned()),
        (LINES, format!("{escaped}\n7\r\n{escaped}")),
        (EVENTS, events.replace("[DONE]", "[DONE]\n\ndata: {\"cut")),
        (EVENTS, events),
        (TEXT, text.clone()),
        (TEXT, glued.clone()),
        (TEXT, format!("{}{glued}", SENSITIVE.concat())),
        (TEXT, format!(" \n[{text}")),
        (TEXT, format!(" \n{document}\n{escaped}")),
        (TEXT, format!("{}\nnever ends {text}", &SENSITIVE[11][..50])),
    ]
}

#[test]
fn a_body_is_masked_alike_wherever_it_is_cut() {
    let profile = built_in("all");
    for (content_type, body) in corpus() {
        let body = body.as_bytes();
        let whole = mask(&profile, content_type, [body]);
        for at in 0..=body.len() {
            let (head, tail) = body.split_at(at);
            assert_eq!(mask(&profile, content_type, [head, tail]), whole, "{content_type} at {at}");
        }
        for size in [1, 2, 3, 7, 64] {
            let pieces = mask(&profile, content_type, body.chunks(size));
            assert_eq!(pieces, whole, "{content_type} by {size}");
        }
    }
}

#[test]
fn runs_that_are_longer_than_what_is_looked_at_are_masked_alike() {
    let header = |claims: usize| {
        use base64::Engine as _;
        let json = format!("{{\"alg\":\"none\",\"x\":\"{}\"}}", "y".repeat(claims));
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json)
    };
    let (short, joined, long) = (header(40), header(400), header(7000));
    let bodies = [
        format!("{}@example.com {}", "local".repeat(20), "x".repeat(70)),
        format!("a@{}example.com", "label.".repeat(60)),
        format!("a@{}.com b@{}", "l".repeat(64), "é.".repeat(200)),
        format!("{short}.x _{short}.x -{joined}.x {joined}.x {long}.x"),
        format!(
            "{}DE89370400440532013000 {}AKIAIOSFODNN7EXAMPLE",
            "x.".repeat(50),
            "y_".repeat(50)
        ),
        format!("{} 4111111111111111 {}", "1".repeat(300), "4111 ".repeat(60)),
        format!("-----BEGIN {}PRIVATE KEY-----\nx", "A".repeat(70)),
        format!("-----BEGIN PRIVATE KEY-----\n-----END {}-----a@b.com", "A".repeat(80)),
        format!("{}a@b.com", " ".repeat(20_000)),
    ];
    let profile = built_in("all");
    for body in bodies.iter().map(String::as_bytes) {
        let whole = mask(&profile, TEXT, [body]);
        for size in [1, 7, 61, 513, 9000] {
            assert_eq!(mask(&profile, TEXT, body.chunks(size)), whole, "by {size}");
        }
    }
    let masked = mask(&profile, TEXT, [bodies[3].as_bytes()]).unwrap();
    assert_eq!(
        masked,
        format!("[masked:jwt] _[masked:jwt] -{joined}.x [masked:jwt] {long}.x"),
        "headers are read to their bounds"
    );
}

#[test]
fn nothing_sensitive_of_the_corpus_gets_out() {
    for (content_type, body) in corpus() {
        // Values that touch are other values: no word of theirs begins or ends.
        if body.contains(&SENSITIVE.concat()) {
            continue;
        }
        if let Ok(masked) = mask(&built_in("all"), content_type, [body.as_bytes()]) {
            no_leak(&masked, &SENSITIVE);
        }
    }
}

proptest! {
    #[test]
    fn a_generated_document_leaks_nothing_and_keeps_its_shape(
        document in document(),
        style in any::<u64>(),
        cuts in vec(1_usize..200, 1..20),
    ) {
        let written = write(&document, style);
        let read: Value = serde_json::from_str(&written).unwrap();
        let profile = built_in("all");
        let masked = mask(&profile, JSON, [written.as_bytes()]).unwrap();
        no_leak(&masked, &SENSITIVE);
        let masked_document: Value = serde_json::from_str(&masked).unwrap();
        prop_assert!(same_shape(&read, &masked_document), "{} became {}", written, masked);
        // What was masked once is not masked again, and pieces are masked alike.
        prop_assert_eq!(&mask(&profile, JSON, [masked.as_bytes()]).unwrap(), &masked);
        prop_assert_eq!(&mask(&profile, JSON, pieces(written.as_bytes(), &cuts)).unwrap(), &masked);
        let event = format!("data: {}\n\n", written.replace(['\r', '\n'], " "));
        let masked_event = mask(&profile, EVENTS, pieces(event.as_bytes(), &cuts)).unwrap();
        no_leak(&masked_event, &SENSITIVE);
    }

    #[test]
    fn a_generated_text_leaks_nothing(
        words in vec(prop_oneof![word(), nearly(), sensitive()], 0..20),
        separator in prop_oneof![Just(" "), Just(", "), Just("\n"), Just("|"), Just("\" '")],
        cuts in vec(1_usize..50, 1..20),
    ) {
        let text = words.join(separator);
        let profile = built_in("all");
        let masked = mask(&profile, TEXT, [text.as_bytes()]);
        prop_assert_eq!(&mask(&profile, TEXT, pieces(text.as_bytes(), &cuts)), &masked);
        if let Ok(masked) = masked {
            no_leak(&masked, &SENSITIVE);
        }
    }

    #[test]
    fn any_bytes_are_masked_alike_however_they_come(
        bytes in vec(prop_oneof![
            any::<u8>().prop_map(|byte| vec![byte]),
            prop_oneof![sensitive(), nearly(), structure()].prop_map(String::into_bytes),
        ], 0..30),
        cuts in vec(1_usize..20, 1..20),
        content_type in prop_oneof![Just(JSON), Just(EVENTS), Just(TEXT), Just(LINES)],
    ) {
        let bytes = bytes.concat();
        let profile = built_in("all");
        let run = |chunks: Vec<&[u8]>| mask(&profile, content_type, chunks);
        prop_assert_eq!(run(pieces(&bytes, &cuts)), run(vec![&bytes]));
    }
}

#[test]
fn what_is_held_of_a_long_body_is_bounded() {
    const BOUND: usize = 512 << 10;
    // Each unit is what holds the most of its kind when it is cut or repeated.
    let units: [(&str, &str, String); 10] = [
        (JSON, "[", format!("\"{}\",", "x".repeat(60 << 10))),
        (JSON, "[", format!("\"{}\\n\",", "a@b.com ".repeat(7 << 10))),
        (JSON, "[\"", "long ".repeat(1000)),
        (JSON, "{", format!("\"{}\":{{\"password\":[1,2]}},", "k".repeat(1000))),
        (EVENTS, "", format!("data: {}\n\n", "[1,2]".repeat(10))),
        (EVENTS, "data: [", "\"a@b.com\",\n".replace('\n', "\ndata: ")),
        (EVENTS, "data: ", "a@b.com ".repeat(100)),
        (TEXT, "", "eyJ-_".repeat(1000)),
        (TEXT, "-----BEGIN PRIVATE KEY-----\n", "MIIE-----\n".repeat(100)),
        (TEXT, "", "4111 1111 a@b. ".repeat(100)),
    ];
    for (index, (content_type, start, unit)) in units.into_iter().enumerate() {
        let body: usize = if index == 0 { 64 << 20 } else { 4 << 20 };
        let mut masker = Masker::new(built_in("all"), Some(content_type), None).unwrap();
        let chunk = unit.repeat((50_001 / unit.len()).max(1));
        let (mut out, mut pushed) = (Vec::new(), 0);
        masker.push(start.as_bytes(), &mut out).unwrap();
        while pushed < body {
            out.clear();
            masker.push(chunk.as_bytes(), &mut out).unwrap();
            pushed += chunk.len();
            let held = masker.held_bytes();
            assert!(held <= BOUND, "{content_type} {start:?} holds {held} after {pushed}");
        }
    }
}

/// Panics if one of `sensitive` can be read in the text, in a string that it holds
/// as JSON, or in a document in such a string.
fn no_leak(text: &str, sensitive: &[&str]) {
    for value in sensitive {
        assert!(!text.contains(value), "{value} in {text}");
    }
    match serde_json::from_str(text) {
        Ok(Value::Array(values)) => values.iter().for_each(|value| no_leak_in(value, sensitive)),
        Ok(Value::Object(members)) => {
            for (key, value) in &members {
                no_leak(key, sensitive);
                no_leak_in(value, sensitive);
            }
        }
        Ok(Value::String(string)) => no_leak(&string, sensitive),
        _ => {}
    }
}

fn no_leak_in(value: &Value, sensitive: &[&str]) {
    no_leak(&value.to_string(), sensitive);
}

/// Whether masking left every value its type, and every container its size and
/// the keys that are not sensitive.
fn same_shape(before: &Value, after: &Value) -> bool {
    match (before, after) {
        (Value::Array(before), Value::Array(after)) => {
            before.len() == after.len() && before.iter().zip(after).all(|(b, a)| same_shape(b, a))
        }
        (Value::Object(before), Value::Object(after)) => {
            before.len() == after.len()
                && before.iter().all(|(key, value)| match after.get(key) {
                    Some(masked) => same_shape(value, masked),
                    None => SENSITIVE.iter().any(|sensitive| key.contains(sensitive)),
                })
        }
        _ => std::mem::discriminant(before) == std::mem::discriminant(after),
    }
}

/// The body in pieces of these lengths, over and over.
fn pieces<'a>(body: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let mut rest = body;
    let mut pieces = Vec::new();
    for length in lengths.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at((*length).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter_map("finite", |number| {
            serde_json::Number::from_f64(number).map(Value::Number)
        }),
        Just(Value::from(4_111_111_111_111_111_u64)),
        text().prop_map(Value::from),
        text().prop_map(|text| Value::from(
            serde_json::json!({ "note": text, "ssn": 1 }).to_string()
        )),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let key = prop_oneof![
            word(),
            text(),
            Just("password".to_owned()),
            Just("dateOfBirth".to_owned())
        ];
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            btree_map(key, inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn text() -> impl Strategy<Value = String> {
    vec(prop_oneof![word(), nearly(), sensitive()], 0..5).prop_map(|words| words.join(" "))
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof!["[a-zA-Z]{0,8}", "\\PC{0,4}", Just("\t\"\\/\u{1}".to_owned())]
}

fn nearly() -> impl Strategy<Value = String> {
    proptest::sample::select(NEARLY.to_vec()).prop_map(str::to_owned)
}

fn sensitive() -> impl Strategy<Value = String> {
    proptest::sample::select(SENSITIVE.to_vec()).prop_map(str::to_owned)
}

fn structure() -> impl Strategy<Value = String> {
    let pieces = ["{\"", "\":", "\",", "[", "]", "}", "\\u00", "data: ", "\r\n", "\n\n", "\n", "1"];
    proptest::sample::select(pieces.to_vec()).prop_map(str::to_owned)
}

/// Writes a document with white space and escapes that `style` chooses.
fn write(document: &Value, style: u64) -> String {
    let mut written = String::new();
    let mut style = style;
    let mut choose = |of: u64| {
        style =
            style.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (style >> 33) % of
    };
    // The compact form has no white space outside strings, so what stands outside
    // them is structure, and white space may follow it.
    let compact = document.to_string();
    let mut inside = false;
    let mut characters = compact.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => {
                inside = !inside;
                written.push(character);
            }
            '\\' => {
                written.push(character);
                let letter = characters.next().unwrap();
                written.push(letter);
                written.extend(characters.by_ref().take(if letter == 'u' { 4 } else { 0 }));
            }
            _ if inside && choose(8) == 0 => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(written, "\\u{unit:04x}").unwrap();
                }
            }
            ',' | ':' | '[' | ']' | '{' | '}' if !inside => {
                written.push(character);
                written += ["", "", " ", "\n", "\r\n\t"][usize::try_from(choose(5)).unwrap()];
            }
            _ => written.push(character),
        }
    }
    written
}
