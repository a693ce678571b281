//! Values in a document that was read: at a JSON Pointer (RFC 6901), or by a path
//! (RFC 9535).
//!
//! Some readers match keys without regard to case (Go's `encoding/json` does), and
//! some end a key at a NUL (those in C may). So a key on the way that is another's
//! only to such a reader is an error: the upstream might take the one that was not
//! looked at.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::path::{Segment, Selector};
use crate::facts::{Unparsed, UnparsedCode};
use crate::plan::{FieldPath, JsonPointer};

/// The value at `pointer`; `None` if there is none.
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

/// An error if `object` has a key that some readers take for `key` and others do not.
pub fn only_spelling(object: &Map<String, Value>, key: &str) -> Result<(), Unparsed> {
    if object.keys().any(|other| other != key && may_be_taken_for(other, key)) {
        return Err(Unparsed::new(
            UnparsedCode::JsonKeyAmbiguous,
            format!("a key differs from `{key}` in case only, or from a NUL on"),
        ));
    }
    Ok(())
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

/// Whether the most liberal of readers takes `key` for `wanted`.
fn may_be_taken_for(key: &str, wanted: &str) -> bool {
    if key.eq_ignore_ascii_case(wanted) {
        return true;
    }
    // The usual case, and what every key of a large object goes through.
    if key.bytes().all(|byte| matches!(byte, 1..=0x7f)) && wanted.is_ascii() {
        return false;
    }
    let end = key.find('\0').filter(|_| !wanted.contains('\0'));
    let key = end.and_then(|end| key.get(..end)).unwrap_or(key);
    folded(key).eq(folded(wanted))
}

/// `key` as readers see it that do not tell cases apart.
pub(crate) fn fold(key: &str) -> String {
    folded(key).collect()
}

/// Folds case as the most liberal of readers do: by way of upper case, so that
/// `ſ` and the Kelvin sign are `s` and `k`.
fn folded(key: &str) -> impl Iterator<Item = char> {
    key.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn pointer(text: &str) -> JsonPointer {
        JsonPointer::try_from(text.to_owned()).unwrap()
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
    fn a_key_that_is_another_up_to_a_nul_is_ambiguous() {
        for key in ["id\0", "id\0x", "ID\0\0", "id\0é"] {
            let document = json!({ key: 1 });
            assert!(lookup(&document, &pointer("/id")).is_err(), "{key:?}");
        }
        let document = json!({ "id\0x": 1, "x\0id": 2 });
        assert_eq!(lookup(&document, &pointer("/id\0x")), Ok(Some(&json!(1))));
        assert_eq!(lookup(&document, &pointer("/x\0")), Ok(None));
    }
}
