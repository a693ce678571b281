//! What holds for every document, and what another parser makes of it.

mod documents;
mod ours;
mod theirs;

use proptest::prelude::*;

use self::documents::{complete_documents, documents, token};
use self::ours::ours;
use self::theirs::{MISSING, theirs};
use super::*;
use crate::protocol::graphql::lexer::{Fault, Lexer, Token};

/// The descriptions that may stand before executable definitions since September 2025
/// (section 2.4, Descriptions), which `apollo-parser` does not know yet, left out.
fn without_descriptions(text: &str) -> String {
    let mut lexer = Lexer::new(text).unwrap();
    let mut kept = String::new();
    let (mut brackets, mut valued) = (0_usize, false);
    let (mut token, mut start) = lexer.next().unwrap();
    while !matches!(token, Token::End) {
        let (next, end) = lexer.next().unwrap();
        match token {
            Token::Punctuator(b'[') => brackets += 1,
            Token::Punctuator(b']') => brackets -= 1,
            _ => {}
        }
        let described = matches!(token, Token::Text(_)) && brackets == 0 && !valued;
        if !described {
            kept.push_str(&text[start..end]);
            kept.push(' ');
        }
        valued = matches!(token, Token::Punctuator(b':' | b'='));
        (token, start) = (next, end);
    }
    kept
}

/// Why we refuse what the grammar allows, or `apollo-parser` takes although it does not.
fn is_stricter(text: &str, fault: &Fault) -> bool {
    let stricter = [
        // Editions differ in what a line end is.
        "a control character or line separator",
        // Validation, sections 5.4.2, 5.6.3 and 5.8.1: uniqueness.
        "a list has the same name twice",
        // Section 2.8; they do not look after a description.
        "a fragment cannot be named `on`",
    ];
    let theirs = theirs(text).unwrap_or_default().to_string();
    // A request executes nothing else (section 5.1.1); an argument has a value (2.6).
    let lenient = theirs.contains("\"type system\"") || theirs.contains(MISSING);
    stricter.contains(&fault.what) || fault.code == UnparsedCode::TooDeep || lenient
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn a_document_reads_as_another_parser_reads_it(tokens in documents()) {
        let text = tokens.join(" ");
        match syntax::parse(&text, 64) {
            Ok(document) => {
                let theirs = theirs(&without_descriptions(&text));
                prop_assert!(theirs.is_some(), "they refuse {text}");
                let mut theirs = theirs.unwrap();
                // A stable sort: operations before fragments.
                theirs.as_array_mut().unwrap().sort_by_key(|shape| shape[0] == "fragment");
                prop_assert_eq!(ours(&document), theirs, "{}", text);
            }
            Err(fault) => {
                let refused = theirs(&text).is_none() || is_stricter(&text, &fault);
                prop_assert!(refused, "we refuse {text}: {}", fault.what);
            }
        }
    }

    #[test]
    fn what_is_ignored_changes_no_facts(
        tokens in complete_documents(),
        ignored in prop::collection::vec(
            prop::sample::select(vec![" ", ",", "\n", "\t\r\n", "# } \" x\n", "#\r", "\u{feff}", ",, "]),
            60,
        ),
    ) {
        let limits = Limits { commands: 1_000, ..Limits::default() };
        // A token alone may be half of one, such as a quotation mark.
        let whole = |token: &String| Lexer::new(token).is_ok_and(|mut lexer| lexer.next().is_ok());
        prop_assume!(tokens.iter().all(|token| whole(token) && token != "#"));
        let mut other = ignored.concat();
        for (token, ignored) in tokens.iter().zip(ignored.iter().cycle()) {
            other.push_str(token);
            other.push_str(ignored);
        }
        let facts = |text: &str| post(text, &limits).map(|mut commands| {
            for command in &mut commands {
                command.attributes.remove("document_sha256");
            }
            commands
        });
        prop_assert_eq!(facts(&tokens.join(" ")), facts(&other));
    }

    #[test]
    fn no_text_makes_it_panic(
        text in prop_oneof![
            any::<String>(),
            prop::collection::vec(token(), 0..40).prop_map(|tokens| tokens.concat()),
        ],
        bytes in any::<Vec<u8>>(),
    ) {
        let _ = refusal(&text);
        if let Ok(bytes) = std::str::from_utf8(&bytes) {
            let _ = refusal(bytes);
        }
    }
}

/// A good request, to be spoilt: its URL and its body.
const GOOD: [(&str, &str, &str); 3] = [
    (
        "POST",
        "/graphql",
        r#"[{"query":"query A($x: Int = 1) { ...F } fragment F on T { a(x: [$x]) }","operationName":"A","variables":{"x":{"y":"z"}},"extensions":{"persistedQuery":{"version":1,"sha256Hash":"00"}}}]"#,
    ),
    ("POST", "/graphql?a=b", r#"{"documentId":"x","variables":null,"operationName":""}"#),
    (
        "GET",
        "/graphql?query=query+A($x:Int){a(x:$x)}&variables={%22x%22:1}&extensions={}&operationName=A",
        "",
    ),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn no_request_makes_it_panic(
        (method, path, body) in prop::sample::select(GOOD.to_vec()),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..3, any::<char>()), 0..4),
    ) {
        let spoil = |text: &str| {
            let mut characters: Vec<char> = text.chars().collect();
            for (at, edit, character) in &edits {
                match edit {
                    _ if characters.is_empty() => {}
                    0 => drop(characters.remove(at.index(characters.len()))),
                    1 => characters.insert(at.index(characters.len()), *character),
                    _ => characters.push(*character),
                }
            }
            characters.into_iter().collect::<String>()
        };
        let (path, body) = (spoil(path), spoil(body));
        let limits = Limits::default();
        let headers = [("content-type", "application/json")];
        let head = RequestHead { method, authority: "a.example", path: &path, headers: &headers };
        let persisted = [("x".to_owned(), "{ a }".to_owned())].into();
        let plan = GraphqlPlan { persisted, batches: crate::plan::Batches::Allow };
        for body in [body.as_bytes(), &[]] {
            let reading = Reading { head: &head, body, limits: &limits, paths: &[] };
            if let Ok(commands) = commands(&plan, &reading) {
                prop_assert!(!commands.is_empty());
            }
        }
    }
}

/// An unoptimised build takes several times the stack of a Wasm module, which has 1 MiB.
#[test]
fn the_deepest_expansion_fits_a_small_stack() {
    let mut text = "{ ...F0 } fragment F200 on T { a }".to_owned();
    for number in 0..200 {
        write!(text, " fragment F{number} on T {{ ... {{ ...F{} }} }}", number + 1).unwrap();
    }
    let deep = "{ a ".repeat(112) + &"}".repeat(112);
    let run = move || {
        let limits = Limits { depth: 112, ..Limits::default() };
        assert_eq!(post(&text, &limits), Err(UnparsedCode::TooDeep));
        assert_eq!(post(&text.replace("...F100 ", "b "), &limits).unwrap()[0].resource, "b");
        assert!(post(&deep, &limits).is_ok());
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(run).unwrap().join().unwrap();
}
