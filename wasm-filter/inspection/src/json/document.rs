//! A whole JSON document, read more strictly than RFC 8259 asks: what two
//! readers could take for different documents is refused, not guessed at.
//!
//! Numbers are held by value, so `1.0`, `1e0` and `1` are one number: whole
//! numbers as integers, exactly, others as the nearest double. A whole number
//! that fits neither a 64 bit integer nor (written with a fraction or an
//! exponent) a double is refused: it could only be held as another number.

use std::borrow::Cow;

use serde_json::{Map, Number, Value};

use super::path::{Segment, Selector};
use crate::facts::{Unparsed, UnparsedCode};
use crate::plan::{FieldPath, JsonPointer};

/// The deepest nesting that is read whatever the limits say: `Value` is dropped
/// and written by recursion, and a Wasm stack is small.
pub const MAX_DEPTH: usize = 128;

/// Reads the whole of `bytes` as one document that nests at most `depth` deep (a
/// scalar has depth 0), and never deeper than [`MAX_DEPTH`].
///
/// # Examples
///
/// ```
/// use chaperone_inspection::json::document;
///
/// let error = document::parse(br#"{"role":"reader","role":"admin"}"#, 8).unwrap_err();
/// assert_eq!(error.detail, "an object has the same key twice, at line 1 column 18 (byte 17)");
/// ```
pub fn parse(bytes: &[u8], depth: usize) -> Result<Value, Unparsed> {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err(Unparsed::new(
            UnparsedCode::JsonMalformed,
            "the document begins with a byte order mark (RFC 8259 section 8.1)",
        ));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = position(bytes, error.valid_up_to());
        Unparsed::new(UnparsedCode::Utf8Invalid, format!("the body is not UTF-8, {at}"))
    })?;
    let mut parser = Parser { text, at: 0, depth: depth.min(MAX_DEPTH) };
    parser.document().map_err(|fault| {
        let at = position(bytes, fault.at);
        Unparsed::new(fault.code, format!("{}, {at}", fault.what))
    })
}

/// The value at `pointer`; `None` if there is none.
///
/// Some readers match keys without regard to case (Go's `encoding/json` does).
/// So a key on the way that differs from the pointer's only in case is an error:
/// the upstream might take the one that was not looked at.
pub fn lookup<'v>(
    document: &'v Value,
    pointer: &JsonPointer,
) -> Result<Option<&'v Value>, Unparsed> {
    let mut value = document;
    for token in pointer.as_str().split('/').skip(1) {
        let token = unescape(token);
        let next = match value {
            Value::Object(object) => {
                only_spelling(object, &token)?;
                object.get(&*token)
            }
            Value::Array(items) => index(&token).and_then(|index| items.get(index)),
            _ => None,
        };
        match next {
            Some(next) => value = next,
            None => return Ok(None),
        }
    }
    Ok(Some(value))
}

/// What `field` means in `document`: one value, or the list of those that a path with
/// wildcards or descendants meets, in the order of the document; `None` if there is none.
/// Keys that differ in case only are an error as for [`lookup`].
pub fn select(document: &Value, field: &FieldPath) -> Result<Option<Value>, Unparsed> {
    let path = match field {
        FieldPath::Pointer(pointer) => return Ok(lookup(document, pointer)?.cloned()),
        FieldPath::Query(path) => path,
    };
    let mut met = vec![document];
    for segment in path.segments() {
        let mut next = Vec::new();
        for value in met {
            step(segment, value, &mut next)?;
        }
        met = next;
    }
    let mut met = met.into_iter().cloned();
    Ok(if path.is_singular() {
        met.next()
    } else {
        Some(met.collect::<Vec<_>>()).filter(|met| !met.is_empty()).map(Value::Array)
    })
}

/// Adds what `segment` goes to from `value`. A document nests no deeper than
/// [`MAX_DEPTH`], and so does this.
fn step<'v>(segment: &Segment, value: &'v Value, met: &mut Vec<&'v Value>) -> Result<(), Unparsed> {
    match (&segment.selector, value) {
        (Selector::Name(name), Value::Object(object)) => {
            only_spelling(object, &name.exact)?;
            met.extend(object.get(&name.exact));
        }
        (Selector::Index(index), Value::Array(items)) => {
            met.extend(usize::try_from(*index).ok().and_then(|index| items.get(index)));
        }
        (Selector::Wildcard, Value::Object(object)) => met.extend(object.values()),
        (Selector::Wildcard, Value::Array(items)) => met.extend(items),
        _ => {}
    }
    if segment.descendant {
        match value {
            Value::Object(object) => object.values().try_for_each(|v| step(segment, v, met))?,
            Value::Array(items) => items.iter().try_for_each(|v| step(segment, v, met))?,
            _ => {}
        }
    }
    Ok(())
}

/// An error if `object` has a key that differs from `key` in case only.
pub fn only_spelling(object: &Map<String, Value>, key: &str) -> Result<(), Unparsed> {
    let folded = fold(key);
    if object.keys().any(|other| other != key && fold(other) == folded) {
        return Err(Unparsed::new(
            UnparsedCode::JsonKeyAmbiguous,
            format!("a key differs from `{key}` in case only"),
        ));
    }
    Ok(())
}

/// `value` without white space and with its keys sorted: equal values give equal
/// bytes, in every build.
pub fn canonical(value: &Value) -> String {
    let mut out = String::new();
    write_canonical(value, &mut out);
    out
}

fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(object) => {
            // `Map` keeps the order of insertion when any crate of the build asks
            // for that, so the order is made here.
            let mut members: Vec<_> = object.iter().collect();
            members.sort_unstable_by_key(|(key, _)| *key);
            out.push('{');
            for (index, (key, value)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write_canonical(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

fn unescape(token: &str) -> Cow<'_, str> {
    if token.contains('~') {
        token.replace("~1", "/").replace("~0", "~").into()
    } else {
        token.into()
    }
}

/// An array index of RFC 6901: no sign and no leading zero.
fn index(token: &str) -> Option<usize> {
    let plain = token.bytes().all(|byte| byte.is_ascii_digit());
    if !plain || (token.len() > 1 && token.starts_with('0')) { None } else { token.parse().ok() }
}

/// Folds case as the most liberal of readers do: by way of upper case, so that
/// `ſ` and the Kelvin sign are `s` and `k`.
/// `key` as readers see it that do not tell cases apart.
pub(crate) fn fold(key: &str) -> String {
    key.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

fn position(bytes: &[u8], at: usize) -> String {
    let before = bytes.get(..at).unwrap_or(bytes);
    let line = before.split(|&byte| byte == b'\n').count();
    let column = before.iter().rev().take_while(|&&byte| byte != b'\n').count().saturating_add(1);
    format!("at line {line} column {column} (byte {at})")
}

/// What is wrong, and the byte where.
struct Fault {
    code: UnparsedCode,
    what: &'static str,
    at: usize,
}

const NUMBER_INEXACT: &str = "a number is too large to be held exactly";

struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl<'t> Parser<'t> {
    fn document(&mut self) -> Result<Value, Fault> {
        self.space();
        let value = self.value(0)?;
        self.space();
        match self.peek() {
            None => Ok(value),
            Some(_) => Err(self.malformed("something follows the document")),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, Fault> {
        match self.peek() {
            Some(b'{' | b'[') if depth >= self.depth => {
                Err(self.fault(UnparsedCode::TooDeep, "the document nests deeper than the limit"))
            }
            Some(b'{') => self.object(depth.saturating_add(1)),
            Some(b'[') => self.array(depth.saturating_add(1)),
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number().map(Value::Number),
            Some(b't') => self.literal("true", Value::Bool(true)),
            Some(b'f') => self.literal("false", Value::Bool(false)),
            Some(b'n') => self.literal("null", Value::Null),
            Some(_) => Err(self.malformed("a value was expected")),
            None => Err(self.malformed("the document ends early")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, Fault> {
        let mut object = Map::new();
        self.advance();
        self.space();
        if self.take(b'}') {
            return Ok(Value::Object(object));
        }
        loop {
            let key_at = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.malformed("a key was expected"));
            }
            let key = self.string()?;
            self.space();
            if !self.take(b':') {
                return Err(self.malformed("a colon was expected"));
            }
            self.space();
            let value = self.value(depth)?;
            if object.insert(key, value).is_some() {
                return Err(Fault {
                    code: UnparsedCode::JsonDuplicateKey,
                    what: "an object has the same key twice",
                    at: key_at,
                });
            }
            self.space();
            if self.take(b'}') {
                return Ok(Value::Object(object));
            }
            if !self.take(b',') {
                return Err(self.malformed("a comma or the end of an object was expected"));
            }
            self.space();
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, Fault> {
        let mut items = Vec::new();
        self.advance();
        self.space();
        if self.take(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value(depth)?);
            self.space();
            if self.take(b']') {
                return Ok(Value::Array(items));
            }
            if !self.take(b',') {
                return Err(self.malformed("a comma or the end of an array was expected"));
            }
            self.space();
        }
    }

    fn string(&mut self) -> Result<String, Fault> {
        let mut out = String::new();
        self.advance();
        loop {
            let plain = self.rest().find(|c| c == '"' || c == '\\' || c < ' ');
            let Some(run) = plain.and_then(|length| self.rest().get(..length)) else {
                self.at = self.text.len();
                return Err(self.malformed("the document ends early"));
            };
            out.push_str(run);
            self.at = self.at.saturating_add(run.len());
            match self.peek() {
                Some(b'"') => {
                    self.advance();
                    return Ok(out);
                }
                Some(b'\\') => out.push(self.escape()?),
                _ => return Err(self.malformed("a string has a control character")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        let start = self.at;
        self.advance();
        let escaped = match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.advance();
                return self.unicode().ok_or(Fault {
                    code: UnparsedCode::JsonMalformed,
                    what: "a string has an escape that is no character",
                    at: start,
                });
            }
            _ => return Err(self.malformed("a string has an unknown escape")),
        };
        self.advance();
        Ok(escaped)
    }

    /// The rest of `\uXXXX`, or of a pair of them; `None` for a lone surrogate,
    /// which readers replace in different ways.
    fn unicode(&mut self) -> Option<char> {
        let first = self.hex4()?;
        let mut units = vec![first];
        if (0xd800..0xdc00).contains(&first) {
            if !(self.take(b'\\') && self.take(b'u')) {
                return None;
            }
            units.push(self.hex4()?);
        }
        let mut chars = char::decode_utf16(units);
        match (chars.next(), chars.next()) {
            (Some(Ok(c)), None) => Some(c),
            _ => None,
        }
    }

    fn hex4(&mut self) -> Option<u16> {
        let digits = self.rest().get(..4)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        self.at = self.at.saturating_add(4);
        u16::from_str_radix(digits, 16).ok()
    }

    fn number(&mut self) -> Result<Number, Fault> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        let mut whole = true;
        if self.take(b'.') {
            whole = false;
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            whole = false;
            if !self.take(b'+') {
                self.take(b'-');
            }
            self.digits()?;
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        let number = if whole { integer(text) } else { double(text) };
        number.ok_or(Fault {
            code: UnparsedCode::JsonNumberInexact,
            what: NUMBER_INEXACT,
            at: start,
        })
    }

    fn digits(&mut self) -> Result<(), Fault> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.malformed("a digit was expected"));
        }
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.advance();
        }
        Ok(())
    }

    fn literal(&mut self, word: &str, value: Value) -> Result<Value, Fault> {
        if !self.rest().starts_with(word) {
            return Err(self.malformed("a value was expected"));
        }
        self.at = self.at.saturating_add(word.len());
        Ok(value)
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.advance();
        }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn advance(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.advance();
        }
        found
    }

    fn malformed(&self, what: &'static str) -> Fault {
        self.fault(UnparsedCode::JsonMalformed, what)
    }

    fn fault(&self, code: UnparsedCode, what: &'static str) -> Fault {
        Fault { code, what, at: self.at }
    }
}

fn integer(text: &str) -> Option<Number> {
    match text.parse::<i64>() {
        Ok(number) => Some(number.into()),
        Err(_) => text.parse::<u64>().ok().map(Number::from),
    }
}

/// A number written with a fraction or an exponent. Up to 2^53 every whole double
/// is that integer and no other.
fn double(text: &str) -> Option<Number> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite())?;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
        return Some((number as i64).into());
    }
    Number::from_f64(number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn refused(text: &str) -> (UnparsedCode, String) {
        let unparsed = parse(text.as_bytes(), 8).unwrap_err();
        (unparsed.code, unparsed.detail)
    }

    fn pointer(text: &str) -> JsonPointer {
        JsonPointer::try_from(text.to_owned()).unwrap()
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
    fn a_path_means_one_value_or_the_list_of_those_that_it_meets() {
        let document = json!({ "a": [{ "b": 1 }, { "b": [2] }, 3], "c": { "b": null } });
        let select =
            |path: &str| select(&document, &FieldPath::try_from(path.to_owned()).unwrap()).unwrap();
        assert_eq!(select("$.c.b"), Some(json!(null)));
        assert_eq!(select("$.c.x"), None);
        assert_eq!(select("$.a[1].b[0]"), Some(json!(2)));
        assert_eq!(select("$.a[*].b"), Some(json!([1, [2]])));
        assert_eq!(select("$..b"), Some(json!([1, [2], null])));
        assert_eq!(select("$..x"), None);
        assert_eq!(select("/a/2"), Some(json!(3)));
        assert_eq!(select("$"), Some(document.clone()));
        let twice = json!({ "x": { "B": 1 } });
        let path = FieldPath::try_from("$..b".to_owned()).unwrap();
        let code = super::select(&twice, &path).unwrap_err().code;
        assert_eq!(code, UnparsedCode::JsonKeyAmbiguous);
    }

    #[test]
    fn nesting_is_bounded_before_it_is_entered() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(8).as_bytes(), 8).is_ok());
        assert_eq!(refused(&nested(9)).0, UnparsedCode::TooDeep);
        // Whatever the limit says.
        let deep = parse(nested(100_000).as_bytes(), usize::MAX).unwrap_err();
        assert_eq!(deep.code, UnparsedCode::TooDeep);
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
        for text in ["18446744073709551616", "-9223372036854775809", "1e309", "-1e309"] {
            assert_eq!(read(text).unwrap_err().code, UnparsedCode::JsonNumberInexact, "{text}");
        }
    }

    #[test]
    fn a_pointer_finds_what_rfc_6901_says() {
        let document = json!({ "a/b": { "m~n": [10, { "": 1 }] }, "0": "x" });
        let at = |text: &str| lookup(&document, &pointer(text)).unwrap();
        assert_eq!(at(""), Some(&document));
        assert_eq!(at("/a~1b/m~0n/0"), Some(&json!(10)));
        assert_eq!(at("/a~1b/m~0n/1/"), Some(&json!(1)));
        assert_eq!(at("/0"), Some(&json!("x")));
        for absent in ["/a~1b/m~0n/00", "/a~1b/m~0n/+1", "/a~1b/m~0n/-", "/a~1b/m~0n/2", "/0/x"] {
            assert_eq!(at(absent), None, "{absent}");
        }
    }

    #[test]
    fn a_key_in_another_case_is_ambiguous_on_the_way_only() {
        let document = json!({ "user": { "id": 1, "ID": 2, "name": "x" }, "other": 1 });
        assert!(lookup(&document, &pointer("/user/name")).is_ok());
        for text in ["/user/id", "/user/Id", "/USER/name"] {
            let unparsed = lookup(&document, &pointer(text)).unwrap_err();
            assert_eq!(unparsed.code, UnparsedCode::JsonKeyAmbiguous, "{text}");
        }
        let kelvin = json!({ "\u{212a}ey": 1 });
        assert!(lookup(&kelvin, &pointer("/key")).is_err());
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
}
