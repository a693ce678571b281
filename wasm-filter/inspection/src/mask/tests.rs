//! Bodies and what they become; the laws that hold for every body are in `laws`.

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

pub(super) const JSON: &str = "application/json";
pub(super) const EVENTS: &str = "text/event-stream";
pub(super) const TEXT: &str = "text/plain; charset=utf-8";
pub(super) const LINES: &str = "application/x-ndjson";

pub(super) fn built_in(name: &str) -> Arc<CompiledProfile> {
    Arc::new(CompiledProfile::new(&Profile::built_in(name).unwrap()).unwrap())
}

/// What the body becomes when it comes in these chunks.
pub(super) fn mask<'a>(
    profile: &Arc<CompiledProfile>,
    content_type: &str,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> Result<String, Unmaskable> {
    let mut masker = Masker::new(Arc::clone(profile), Some(content_type), None)?;
    let mut out = Vec::new();
    for chunk in chunks {
        masker.push(chunk, &mut out)?;
    }
    masker.finish(&mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

fn all(content_type: &str, body: &str) -> Result<String, Unmaskable> {
    mask(&built_in("all"), content_type, [body.as_bytes()])
}

fn by_fields(fields: &[&str], body: &str) -> String {
    let fields = fields.iter().map(|field| (*field).to_owned()).collect();
    let profile = Profile { fields, ..Profile::default() };
    let profile = Arc::new(CompiledProfile::new(&profile).unwrap());
    mask(&profile, JSON, [body.as_bytes()]).unwrap()
}

fn refused(content_type: &str, body: &[u8]) -> &'static str {
    mask(&built_in("all"), content_type, [body]).unwrap_err().code()
}

#[test]
fn a_document_keeps_its_shape() {
    let body = r#"{"id": 7, "email": "ada@example.com", "note": "call a\u0040b.com, or pay 4111 1111 1111 1111 \u00e9",
 "ssn": 123456789, "phone": {"home": ["1", 2, true, null]}, "card": 4111111111111111, "bob@x.org": [1.5e3]}"#;
    assert_eq!(
        all(JSON, body).unwrap(),
        r#"{"id": 7, "email": "[masked]", "note": "call [masked:email], or pay [masked:payment_card] \u00e9",
 "ssn": 0, "phone": {"home": ["[masked]", 0, false, null]}, "card": 0, "[masked:email]": [1.5e3]}"#
    );
}

#[test]
fn what_is_not_masked_is_copied_as_it_was_written() {
    let body =
        "\r\n{ \"a\\u0062\" :\t[ 1.50E+3 , -0 , \"\\/\\u2028 \\ud83d\\ude00 é\" , { } ] }\n ";
    assert_eq!(all(JSON, body).unwrap(), body);
}

#[test]
fn a_field_rule_reads_names_without_case_and_separators() {
    assert_eq!(
        by_fields(
            &["$..api_key"],
            r#"{"apiKey":"a","API-KEY":"b","x":[{"api key":"c"}],"key":"d"}"#
        ),
        r#"{"apiKey":"[masked]","API-KEY":"[masked]","x":[{"api key":"[masked]"}],"key":"d"}"#
    );
    assert_eq!(
        by_fields(&["$..api_key"], r#"{"api\u004bey":"a"}"#),
        r#"{"api\u004bey":"[masked]"}"#
    );
}

#[test]
fn a_path_masks_what_it_points_to_and_nothing_else() {
    let body = r#"{"a":{"b":"1","c":["2","3"]},"b":"4","d":[{"b":"5"},{"b":"6"}]}"#;
    let cases = [
        ("$.a.b", r#"{"a":{"b":"[masked]","c":["2","3"]},"b":"4","d":[{"b":"5"},{"b":"6"}]}"#),
        (
            "$['a']['c'][1]",
            r#"{"a":{"b":"1","c":["2","[masked]"]},"b":"4","d":[{"b":"5"},{"b":"6"}]}"#,
        ),
        (
            "$.d[*].b",
            r#"{"a":{"b":"1","c":["2","3"]},"b":"4","d":[{"b":"[masked]"},{"b":"[masked]"}]}"#,
        ),
        ("$.d[0]", r#"{"a":{"b":"1","c":["2","3"]},"b":"4","d":[{"b":"[masked]"},{"b":"6"}]}"#),
        (
            "$.a.*",
            r#"{"a":{"b":"[masked]","c":["[masked]","[masked]"]},"b":"4","d":[{"b":"5"},{"b":"6"}]}"#,
        ),
        (
            "$..b",
            r#"{"a":{"b":"[masked]","c":["2","3"]},"b":"[masked]","d":[{"b":"[masked]"},{"b":"[masked]"}]}"#,
        ),
        ("$.a..b", r#"{"a":{"b":"[masked]","c":["2","3"]},"b":"4","d":[{"b":"5"},{"b":"6"}]}"#),
        ("$..c[0]", r#"{"a":{"b":"1","c":["[masked]","3"]},"b":"4","d":[{"b":"5"},{"b":"6"}]}"#),
        (
            "$..d..b",
            r#"{"a":{"b":"1","c":["2","3"]},"b":"4","d":[{"b":"[masked]"},{"b":"[masked]"}]}"#,
        ),
        (
            "$..[1]",
            r#"{"a":{"b":"1","c":["2","[masked]"]},"b":"4","d":[{"b":"5"},{"b":"[masked]"}]}"#,
        ),
        ("$.b.x", body),
        ("$[0]", body),
    ];
    for (path, masked) in cases {
        assert_eq!(by_fields(&[path], body), masked, "{path}");
    }
    assert_eq!(by_fields(&["$"], r#"["a",1]"#), r#"["[masked]",0]"#);
    assert_eq!(by_fields(&["$..*"], r#"{"a":{"b":"1"}}"#), r#"{"a":{"b":"[masked]"}}"#);
}

#[test]
fn a_json_document_in_a_string_is_masked_as_one() {
    assert_eq!(
        all(JSON, r#"{"content":[{"type":"text","text":"{\"password\":\"hunter2\",\"n\":1}"}]}"#),
        Ok(r#"{"content":[{"type":"text","text":"{\"password\":\"[masked]\",\"n\":1}"}]}"#.into())
    );
    let mut deep = "{\"token\":\"x\"}".to_owned();
    let mut masked = "{\"token\":\"[masked]\"}".to_owned();
    for _ in 0..4 {
        (deep, masked) =
            (serde_json::json!([deep]).to_string(), serde_json::json!([masked]).to_string());
        assert_eq!(all(JSON, &deep).unwrap(), masked);
    }
    // Nothing to mask in it: as it was written.
    let plain = r#"{"text":"{\u0022a\u0022: 1}"}"#;
    assert_eq!(all(JSON, plain).unwrap(), plain);
    // Cut off: its fields cannot be told apart.
    assert_eq!(all(JSON, r#"["{\"password\":\"hun"]"#).unwrap(), r#"["[masked]"]"#);
    // Only a bracket in common with JSON.
    assert_eq!(
        all(JSON, r#"["{name}, a@b.com", "[DONE]"]"#).unwrap(),
        r#"["{name}, [masked:email]", "[DONE]"]"#
    );
}

#[test]
fn keys_that_are_masked_stay_different() {
    assert_eq!(
        all(JSON, r#"{"a@b.com":1,"c@d.com":{"e@f.com":2}}"#).unwrap(),
        r#"{"[masked:email]":1,"[masked:email]#2":{"[masked:email]#3":2}}"#
    );
}

#[test]
fn a_string_that_is_too_long_to_hold_is_masked_whole() {
    for (length, masked) in [(64 * 1024, false), (64 * 1024 + 1, true)] {
        let body = format!("[\"{}\", 1]", "x".repeat(length));
        let expected = if masked { "[\"[masked]\", 1]" } else { &body };
        for size in [1000, body.len()] {
            assert_eq!(
                mask(&built_in("all"), JSON, body.as_bytes().chunks(size)).unwrap(),
                expected
            );
        }
    }
}

#[test]
fn a_json_body_that_is_not_strictly_json_is_refused() {
    let deep = "[".repeat(65);
    let long = format!("[{}]", "1".repeat(2000));
    let cases: [(&[u8], &str); 19] = [
        (b"{\"a\":1", "json_truncated"),
        (b"{\"a\":1}}", "json_malformed"),
        (b"{\"a\":1} 2", "json_malformed"),
        (b"{\"a\":NaN}", "json_malformed"),
        (b"{\"a\":01}", "json_malformed"),
        (b"{\"a\":1,}", "json_malformed"),
        (b"[1,]", "json_malformed"),
        (b"[1}", "json_malformed"),
        (b"{1:2}", "json_malformed"),
        (b"['a']", "json_malformed"),
        (b"// x\n1", "json_malformed"),
        (b"\xef\xbb\xbf{}", "json_malformed"),
        (b"[\"\n\"]", "json_malformed"),
        (b"[\"\\x\"]", "json_malformed"),
        (b"[\"\\ud800\"]", "json_malformed"),
        (b" ", "json_truncated"),
        (b"[\"\xff\"]", "utf8_invalid"),
        (deep.as_bytes(), "too_deep"),
        (long.as_bytes(), "number_too_long"),
    ];
    for (body, code) in cases {
        assert_eq!(refused(JSON, body), code, "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn an_event_stream_is_masked_event_by_event() {
    let body = ": to ada@example.com\r\n\r\nevent: message\nid: 1\ndata: {\"password\":\"x\",\ndata:\"email\":\"a@b.com\"}\nretry: 5\n\n\
        data\n\ndata:hello a@b.com\rdata: bye\r\rdata: [DONE]\n\n\u{0}\n\n";
    assert_eq!(
        all(EVENTS, body).unwrap(),
        ": to [masked:email]\n\nevent: message\nid: 1\nretry: 5\ndata: {\"password\":\"[masked]\",\ndata: \"email\":\"[masked]\"}\n\n\
        data: \n\ndata: hello [masked:email]\ndata: bye\n\ndata: [DONE]\n\n\u{0}\n\n"
    );
    assert_eq!(refused(EVENTS, b"data: {\"password\":\"hun\n\n"), "json_truncated");
    assert_eq!(refused(EVENTS, b"data: {\"a\":1,}\n\n"), "json_malformed");
    assert_eq!(
        all(EVENTS, "\u{feff}data: {\"password\":\"x\"}\n\n").unwrap(),
        "data: {\"password\":\"[masked]\"}\n\n"
    );
    assert_eq!(
        refused(EVENTS, format!("x: {}\n", "y".repeat(70_000)).as_bytes()),
        "event_too_long"
    );
}

#[test]
fn a_large_event_streams_and_keeps_its_fields() {
    let items = vec![r#"{"password":"hunter2","n":1}"#; 5000].join(",\ndata: ");
    let body = format!("data: [{items}]\nid: 9\n\ndata: {}a@b.com\n\n", "word ".repeat(20_000));
    let masked = all(EVENTS, &body).unwrap();
    let expected = body.replace("hunter2", "[masked]").replace("a@b.com", "[masked:email]");
    assert_eq!(masked, expected);
}

#[test]
fn text_that_is_json_is_masked_as_json() {
    assert_eq!(all(TEXT, "\n {\"password\": \"x\"}").unwrap(), "\n {\"password\": \"[masked]\"}");
    assert_eq!(
        all("text/html", "{\"token\":\"x\"}\n{\"token\":1}\n").unwrap(),
        "{\"token\":\"[masked]\"}\n{\"token\":0}\n"
    );
    assert_eq!(
        all(LINES, "{\"token\":\"x\"}\n\n7\n\"a@b.com\"").unwrap(),
        "{\"token\":\"[masked]\"}\n\n7\n\"[masked:email]\""
    );
    let log = "[info] {\"password\"} is not JSON";
    assert_eq!(all(TEXT, log).unwrap(), log);
    for short in ["[", "{", " \n", "{ ", "\u{feff}", "x", "-----BEGIN"] {
        assert_eq!(all(TEXT, short).unwrap(), short);
    }
    assert_eq!(refused(TEXT, b"{\"password\": \"x\""), "json_truncated");
    assert_eq!(refused(TEXT, b"caf\xe9 au lait"), "utf8_invalid");
    assert_eq!(refused(TEXT, b"caf\xc3"), "utf8_invalid");
}

#[test]
fn text_leaves_as_soon_as_nothing_can_come_of_it() {
    let mut masker = Masker::new(built_in("all"), Some(TEXT), None).unwrap();
    let mut sent = |chunk: &str| {
        let mut out = Vec::new();
        masker.push(chunk.as_bytes(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    assert_eq!(sent("Hello, "), "Hello, ");
    assert_eq!(sent("write to ada"), "write to ");
    assert_eq!(sent(".lovelace@exam"), "");
    assert_eq!(sent("ple.com, or pay "), "[masked:email], or pay ");
    assert_eq!(sent("4111 1111 "), "");
    assert_eq!(sent("is not it.\n"), "4111 1111 is not it.\n");
}

#[test]
fn what_cannot_be_read_is_refused_before_it_begins() {
    let new = |content_type: Option<&str>, encoding: Option<&str>| {
        let masker = Masker::new(built_in("all"), content_type, encoding);
        masker.map(|_| ()).map_err(|error| error.code())
    };
    for content_type in [
        "application/json",
        "Application/JSON; Charset=\"UTF-8\"",
        "application/problem+json",
        "text/plain",
        "text/html; charset=us-ascii",
        "text/csv;header=present",
        "text/event-stream",
        "text/markdown",
        "application/x-ndjson",
        "application/vnd.api+json;profile=\"a;b\"",
    ] {
        assert_eq!(new(Some(content_type), None), Ok(()), "{content_type}");
        assert_eq!(new(Some(content_type), Some("Identity")), Ok(()));
    }
    for content_type in [
        "application/octet-stream",
        "image/png",
        "application/xml",
        "application/+json",
        "json",
        "application/json, text/html",
        "multipart/mixed; boundary=x",
        "application/jsonx",
    ] {
        assert_eq!(
            new(Some(content_type), None),
            Err("content_type_unsupported"),
            "{content_type}"
        );
    }
    for charset in ["utf-16", "iso-8859-1", "\"latin1\"", "utf-8; charset=utf-16", "", "\"utf-8"] {
        let content_type = format!("application/json; charset={charset}");
        let expected = if charset == "\"utf-8" { Ok(()) } else { Err("charset_unsupported") };
        assert_eq!(new(Some(&content_type), None), expected, "{charset}");
    }
    assert_eq!(new(None, None), Err("content_type_missing"));
    assert_eq!(new(Some(" "), None), Err("content_type_missing"));
    assert_eq!(new(Some(JSON), Some("gzip")), Err("encoding_unsupported"));
    assert_eq!(new(Some(JSON), Some("identity, br")), Err("encoding_unsupported"));
}

#[test]
fn a_body_of_no_bytes_is_no_error_and_an_error_stays() {
    for content_type in [JSON, EVENTS, TEXT, LINES] {
        assert_eq!(all(content_type, "").unwrap(), "");
    }
    let mut masker = Masker::new(built_in("all"), Some(JSON), None).unwrap();
    let mut out = Vec::new();
    let error = masker.push(b"]", &mut out).unwrap_err();
    assert_eq!(masker.push(b"{}", &mut out), Err(error));
    assert_eq!(masker.finish(&mut out), Err(error));
    assert_eq!(out, b"");
}

#[test]
fn what_was_masked_is_counted_by_rule_and_detector() {
    let mut masker = Masker::new(built_in("all"), Some(JSON), None).unwrap();
    let body = r#"{"password":{"a":1,"b":2},"x":"a@b.com c@d.com","y":"{\"token\":1}","z":"{\"q"}"#;
    let mut out = Vec::new();
    masker.push(body.as_bytes(), &mut out).unwrap();
    masker.finish(&mut out).unwrap();
    let counts: Vec<(&str, u64)> =
        masker.counts().iter().map(|(id, n)| (id.as_str(), *n)).collect();
    assert_eq!(counts, [("$..password", 1), ("$..token", 1), ("email", 2), ("malformed_json", 1)]);
}

#[test]
fn a_profile_with_a_path_that_cannot_be_read_says_where() {
    let error = |path: &str| {
        let profile = Profile { fields: [path.to_owned()].into(), ..Profile::default() };
        let error = CompiledProfile::new(&profile).unwrap_err();
        (error.code(), error.to_string())
    };
    assert_eq!(
        error("$.a[?@.b]"),
        ("path_unsupported", "field `$.a[?@.b]`: at character 5: filters are not supported".into())
    );
    assert_eq!(
        error("a.b"),
        ("path_malformed", "field `a.b`: at character 1: expected `$`".into())
    );
    assert_eq!(error(&format!("${}", ".a".repeat(65))).0, "path_never_matches");
}
