//! What is read, what is refused, and what another reader says to it.

use serde_json::json;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

fn refused(text: &str) -> (UnparsedCode, String) {
    let unparsed = parse(text.as_bytes(), 8).unwrap_err();
    (unparsed.code, unparsed.detail)
}

#[test]
fn a_document_is_read_as_it_stands() {
    let text = r#" {"a":[true,false,null,-1.5e-3,"\u00e9\ud83d\ude00\n\/"],"":{}} "#;
    let expected = json!({ "a": [true, false, null, -0.0015, "é😀\n/"], "": {} });
    assert_eq!(parse(text.as_bytes(), 8), Ok(expected));
}

#[test]
fn a_refusal_says_where_and_does_not_quote() {
    assert_eq!(
        refused("{\n  \"secret\": hunter2\n}"),
        (
            UnparsedCode::JsonMalformed,
            "a value was expected, at line 2 column 13 (byte 14)".to_owned()
        )
    );
    let unparsed = parse(b"[\n\"a\xff\"]", 8).unwrap_err();
    assert_eq!(unparsed.code, UnparsedCode::Utf8Invalid);
    assert_eq!(unparsed.detail, "the body is not UTF-8, at line 2 column 3 (byte 4)");
}

#[test]
fn nesting_is_bounded_before_it_is_entered() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse(nested(8).as_bytes(), 8).is_ok());
    assert_eq!(refused(&nested(9)).0, UnparsedCode::TooDeep);
    // Whatever the limit says, and closed or not.
    for text in [nested(100_000), "[".repeat(100_000), "[{\"\":".repeat(50_000)] {
        let deep = parse(text.as_bytes(), usize::MAX).unwrap_err();
        assert_eq!(deep.code, UnparsedCode::TooDeep);
    }
    assert!(parse(nested(MAX_DEPTH).as_bytes(), usize::MAX).is_ok());
}

#[test]
fn numbers_keep_their_value_or_are_refused() {
    let read = |text: &str| parse(text.as_bytes(), 1).map(|value| value.to_string());
    assert_eq!(read("9223372036854775807").unwrap(), "9223372036854775807");
    assert_eq!(read("18446744073709551615").unwrap(), "18446744073709551615");
    assert_eq!(read("-9223372036854775808").unwrap(), "-9223372036854775808");
    assert_eq!(read("-0").unwrap(), "0");
    assert_eq!(read("7.0").unwrap(), "7");
    assert_eq!(read("70e-1").unwrap(), "7");
    assert_eq!(read("0.1").unwrap(), "0.1");
    assert_eq!(read("1e300").unwrap(), "1e+300");
    assert_eq!(read("-0.0e9").unwrap(), "0");
    assert_eq!(read("9007199254740991.0").unwrap(), "9007199254740991");
    assert_eq!(read("1.50e1").unwrap(), "15");
    assert_eq!(read("1200e-2").unwrap(), "12");
    assert_eq!(read("5e-324").unwrap(), "5e-324");
    assert_eq!(read("10e-00000000000000000000001").unwrap(), "1");
    // From 2^53 on, a double is no integer that could be meant.
    assert_eq!(read("9007199254740993.0").unwrap(), "9007199254740992.0");
    assert_eq!(read("9007199254740993.5").unwrap(), "9007199254740994.0");
    for text in [
        "18446744073709551616",
        "-9223372036854775809",
        "10000000000000000000000000000",
        "1.0000000000000000000001",
        "-0.99999999999999999999e000000000000000000000",
        "1e309",
        "-1e309",
        "1e99999999999999999999",
        "1e-400",
        "-0.1e-99999999999999999999",
    ] {
        assert_eq!(read(text).unwrap_err().code, UnparsedCode::JsonNumberInexact, "{text}");
    }
}

#[test]
fn equal_documents_have_one_canonical_form() {
    let one = parse(br#"{"b":[1.0,{"d":1,"c":"\u0041"}],"a":null}"#, 8).unwrap();
    let other = parse(br#" { "a":null, "b":[1, {"c":"A","d":1e0}] }"#, 8).unwrap();
    assert_eq!(canonical(&one), r#"{"a":null,"b":[1,{"c":"A","d":1}]}"#);
    assert_eq!(canonical(&one), canonical(&other));
}

#[cfg(not(target_arch = "wasm32"))]
mod against_serde_json {
    use proptest::prelude::*;

    use super::*;

    /// Text that is JSON, or nearly.
    fn near_json() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ":",
            ",",
            "\"a\"",
            "\"b\\u0062\"",
            "\"\\ud834\\udd1e\"",
            "\"\\ud834\"",
            "0",
            "-1",
            "1.50",
            "1e5",
            "01",
            "1.",
            "true",
            "nul",
            "null",
            " ",
            "\n",
            "\"",
            "\\",
            "\u{7f}",
            "é",
        ]);
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    fn same(ours: &Value, theirs: &Value) -> bool {
        match (ours, theirs) {
            (Value::Number(ours), Value::Number(theirs)) => ours.as_f64() == theirs.as_f64(),
            (Value::Array(ours), Value::Array(theirs)) => {
                ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| same(a, b))
            }
            (Value::Object(ours), Value::Object(theirs)) => {
                ours.len() == theirs.len()
                    && ours.iter().all(|(k, a)| theirs.get(k).is_some_and(|b| same(a, b)))
            }
            (ours, theirs) => ours == theirs,
        }
    }

    fn json_values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_serde_json_reads(text in near_json()) {
            match parse(text.as_bytes(), 100) {
                Ok(ours) => {
                    let theirs: Value = serde_json::from_str(&text).unwrap();
                    prop_assert!(same(&ours, &theirs), "{ours} {theirs}");
                }
                Err(unparsed) if unparsed.code == UnparsedCode::JsonMalformed => {
                    prop_assert!(serde_json::from_str::<Value>(&text).is_err(), "{text}");
                }
                Err(_) => {}
            }
        }

        #[test]
        fn every_value_reads_back(value in json_values()) {
            let read = parse(value.to_string().as_bytes(), 100).unwrap();
            prop_assert!(same(&read, &value), "{read} {value}");
            prop_assert_eq!(parse(canonical(&read).as_bytes(), 100), Ok(read));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>()) {
            let _ = parse(&bytes, 100);
        }
    }
}
