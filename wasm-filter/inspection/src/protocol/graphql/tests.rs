#[cfg(not(target_arch = "wasm32"))]
mod laws;

use std::fmt::Write as _;

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::facts::UnparsedCode;
use crate::protocol::RequestHead;

/// The commands of a POST of that document.
fn post(text: &str, limits: &Limits) -> Result<Vec<Command>, UnparsedCode> {
    let head = RequestHead {
        method: "POST",
        authority: "a.example",
        path: "/graphql",
        headers: &[("content-type", "application/graphql")],
    };
    let reading = Reading { head: &head, body: text.as_bytes(), limits, paths: &[] };
    commands(&GraphqlPlan::default(), &reading).map_err(|unparsed| unparsed.code)
}

fn refusal(text: &str) -> Option<UnparsedCode> {
    post(text, &Limits::default()).err()
}

fn persisted(id: &str, text: &str) -> Result<(), String> {
    let persisted = [(id.to_owned(), text.to_owned())].into();
    refuse_persisted(&GraphqlPlan { persisted, ..GraphqlPlan::default() })
}

#[test]
fn each_kind_of_operation_is_an_action() {
    for kind in ["query", "mutation", "subscription"] {
        let commands = post(&format!("{kind} {{ a }}"), &Limits::default()).unwrap();
        assert_eq!(commands[0].action.name(), format!("graphql:{kind}"));
    }
}

#[test]
fn the_digest_of_the_document_is_that_of_its_bytes() {
    let commands = post("{ me { id } }", &Limits::default()).unwrap();
    assert_eq!(
        commands[0].attributes["document_sha256"],
        "sha256:c53d78fa4c9c65a93967d42316fcd207fd611c7cac40a103820a866c3e5dd8f5"
    );
}

#[test]
fn a_persisted_document_that_cannot_be_used_is_refused_with_the_reason() {
    let digest = Digest::of(b"{ a }").to_string();
    assert_eq!(persisted("x", "query A { a } query B { ...F } fragment F on T { b }"), Ok(()));
    assert_eq!(persisted(&digest, "{ a }"), Ok(()));
    for (id, text, reason) in [
        ("", "{ a }", "persisted document `` has an empty id"),
        (&*digest, "{ b }", "has another digest than its id"),
        ("sha256:00", "{ a }", "has another digest than its id"),
        ("x", "{ a", "persisted document `x` cannot be read: a name was expected, at byte 3"),
        ("x", "type A { a: Int }", "an operation or a fragment was expected, at byte 0"),
        ("x", "fragment F on T { a }", "the document has no operation"),
        ("x", "{ ...F }", "a fragment that is not defined is spread"),
        ("x", "{ a } { b }", "an operation without a name is not alone"),
    ] {
        let refused = persisted(id, text).unwrap_err();
        assert!(refused.contains(reason), "{refused}");
    }
}

#[test]
fn a_plan_with_a_bad_persisted_document_is_not_loaded() {
    let load = |text: &str| {
        let plan = serde_json::json!({
            "services": [{ "name": "shop", "hosts": ["*"], "routes": [{
                "path": "/graphql",
                "inspect": { "graphql": { "persisted": { "x": text }, "batches": "allow" } },
            }] }],
            "limits": {},
        });
        crate::Inspector::new(serde_json::from_value(plan).unwrap()).map(drop)
    };
    assert_eq!(load("{ a }"), Ok(()));
    assert_eq!(
        load("{ a ").unwrap_err().to_string(),
        "path `/graphql` of service `shop`: persisted document `x` cannot be read: a name was \
         expected, at byte 4 of the document"
    );
}

#[test]
fn a_fragment_bomb_is_measured_without_being_lit() {
    // 64 fragments, each of which doubles the next: 2^64 fields.
    let mut text = "{ ...F0 } fragment F64 on T { a }".to_owned();
    for level in 0_u8..64 {
        let next = level + 1;
        write!(text, " fragment F{level} on T {{ ...F{next} ...F{next} }}").unwrap();
    }
    assert_eq!(refusal(&text), Some(UnparsedCode::ExpandsTooMuch));
}

#[test]
fn a_long_chain_of_fragments_is_too_deep() {
    for forward in [true, false] {
        let mut text = "{ a }".to_owned();
        for number in 0_u32..2_000 {
            let next = if forward { number + 1 } else { number.saturating_sub(1) };
            match number {
                0 if !forward => text.push_str("fragment F0 on T { a }"),
                _ => write!(text, "fragment F{number} on T {{ ...F{next} }}").unwrap(),
            }
        }
        text.push_str("fragment F2000 on T { a }");
        assert_eq!(refusal(&text), Some(UnparsedCode::TooDeep), "{forward}");
    }
}

#[test]
fn the_deepest_document_is_read_and_a_deeper_one_refused() {
    let limits = Limits { depth: document::MAX_DEPTH, ..Limits::default() };
    let selections = |depth: usize| "{ a ".repeat(depth) + &"}".repeat(depth);
    let values = |depth: usize| format!("{{ a(x: {}1{}) }}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(
        post(&selections(document::MAX_DEPTH), &limits).unwrap()[0].attributes["depth"],
        document::MAX_DEPTH
    );
    assert!(post(&values(document::MAX_DEPTH - 1), &limits).is_ok());
    for deeper in [
        selections(document::MAX_DEPTH + 1),
        values(document::MAX_DEPTH),
        "{ a ".repeat(20_000),
        "{...".repeat(20_000),
        format!("{{ a(x: {}", "{x:".repeat(20_000)),
        format!("query ($v: {}", "[".repeat(20_000)),
    ] {
        assert_eq!(post(&deeper, &limits), Err(UnparsedCode::TooDeep));
    }
}

#[test]
fn long_paths_are_bounded_together() {
    let name = "n".repeat(1_000);
    let text = format!("{{ {name} {{ {} }} }}", "a ".repeat(1_000));
    assert_eq!(refusal(&text), Some(UnparsedCode::ExpandsTooMuch));
}

#[test]
fn root_fields_are_counted_before_they_are_facts() {
    let many = format!("{{ {} }} fragment F on T {{ a }}", "...F ".repeat(65));
    assert_eq!(refusal(&many), Some(UnparsedCode::TooManyCommands));
}
