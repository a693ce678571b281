//! Documents to test with, as lists of tokens.

use proptest::prelude::*;

/// Documents as lists of tokens: good ones, and such as have been spoilt.
pub(super) fn documents() -> impl Strategy<Value = Vec<String>> {
    (prop::collection::vec(definition(), 1..4), edits()).prop_map(|(definitions, edits)| {
        let mut tokens = definitions.concat();
        for (at, edit, token) in edits {
            if tokens.is_empty() {
                break;
            }
            let at = at.index(tokens.len());
            match edit {
                0 => tokens[at] = token,
                1 => tokens.insert(at, token),
                _ => drop(tokens.remove(at)),
            }
        }
        tokens
    })
}

fn edits() -> impl Strategy<Value = Vec<(prop::sample::Index, usize, String)>> {
    let edit = (any::<prop::sample::Index>(), 0_usize..3, token());
    prop_oneof![
        2 => Just(Vec::new()),
        3 => prop::collection::vec(edit, 1..3),
    ]
}

pub(super) fn token() -> impl Strategy<Value = String> {
    let tokens = vec![
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        ":",
        "=",
        "!",
        "$",
        "@",
        "...",
        "&",
        "|",
        "on",
        "query",
        "mutation",
        "subscription",
        "fragment",
        "type",
        "extend",
        "null",
        "true",
        "a",
        "F",
        "$v",
        "1",
        "-1.5e3",
        "01",
        "1.",
        ".5",
        "-",
        "\"s\"",
        "\"\"\"b\"\"\"",
        "\"\\u{41}\"",
        "\"\\q\"",
        "\"",
        "#",
        "..",
        "é",
        "\\",
        "\u{0}",
    ];
    prop::sample::select(tokens).prop_map(str::to_owned)
}

const NAMES: [&str; 10] =
    ["a", "b", "F", "G", "on", "query", "fragment", "true", "_x1", "__typename"];

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(NAMES.to_vec()).prop_map(str::to_owned)
}

fn words(parts: &[&str]) -> Vec<String> {
    parts.iter().map(|part| (*part).to_owned()).collect()
}

fn literal() -> impl Strategy<Value = Vec<String>> {
    let scalar = prop_oneof![
        prop::sample::select(vec![
            "0",
            "-7",
            "1.50",
            "2E+3",
            "true",
            "null",
            "RED",
            "\"\"",
            "\"# {\\\"\\u00e9\\n\"",
            "\"\"\"\"\"\"",
            "\"\"\"\n  a\n    b \\\"\"\"\n\"\"\"",
            "\"\"\" a\r\n\r\n\tb\r  c\"\"\"",
            "\"\\uD83D\\uDE00\"",
        ])
        .prop_map(|word| words(&[word])),
        Just(words(&["$", "v"])),
        any::<i64>().prop_map(|number| vec![number.to_string()]),
        "[ -!#-\\[\\]-~\u{a1}-\u{ff}]{0,8}".prop_map(|text| vec![format!("\"{text}\"")]),
    ];
    scalar.prop_recursive(3, 12, 4, |inner| {
        let items = prop::collection::vec(inner.clone(), 0..3);
        let members = prop::collection::vec((name(), inner), 0..3);
        prop_oneof![
            items.prop_map(|items| [words(&["["]), items.concat(), words(&["]"])].concat()),
            members.prop_map(|list| [words(&["{"]), members_of(list), words(&["}"])].concat()),
        ]
    })
}

fn members_of(members: Vec<(String, Vec<String>)>) -> Vec<String> {
    members
        .into_iter()
        .flat_map(|(name, value)| [vec![name, ":".to_owned()], value].concat())
        .collect()
}

fn arguments() -> impl Strategy<Value = Vec<String>> {
    prop_oneof![
        3 => Just(Vec::new()),
        1 => prop::collection::vec((name(), literal()), 1..3)
            .prop_map(|list| [words(&["("]), members_of(list), words(&[")"])].concat()),
    ]
}

fn directives() -> impl Strategy<Value = Vec<String>> {
    let directive = (name(), arguments())
        .prop_map(|(name, arguments)| [words(&["@"]), vec![name], arguments].concat());
    prop_oneof![
        4 => Just(Vec::new()),
        1 => prop::collection::vec(directive, 1..3).prop_map(|all| all.concat()),
    ]
}

fn selections() -> impl Strategy<Value = Vec<String>> {
    let leaf = name().prop_map(|name| vec![name]);
    let braced = |inner: BoxedStrategy<Vec<String>>| {
        prop::collection::vec(inner, 1..4)
            .prop_map(|all| [words(&["{"]), all.concat(), words(&["}"])].concat())
    };
    let selection = leaf.prop_recursive(4, 24, 4, move |inner| {
        let nested = prop_oneof![Just(Vec::new()), braced(inner.boxed())];
        let alias =
            prop_oneof![Just(Vec::new()), name().prop_map(|name| vec![name, ":".to_owned()])];
        let field = (alias, name(), arguments(), directives(), nested.clone()).prop_map(
            |(alias, name, arguments, directives, nested)| {
                [alias, vec![name], arguments, directives, nested].concat()
            },
        );
        let spread = (name(), directives())
            .prop_map(|(name, directives)| [words(&["..."]), vec![name], directives].concat());
        let condition =
            prop_oneof![Just(Vec::new()), name().prop_map(|name| vec!["on".to_owned(), name])];
        let inline =
            (condition, directives(), nested).prop_map(|(condition, directives, nested)| {
                [words(&["..."]), condition, directives, nested].concat()
            });
        prop_oneof![4 => field, 1 => spread, 1 => inline]
    });
    braced(selection.boxed())
}

fn definition() -> impl Strategy<Value = Vec<String>> {
    let kind = prop::sample::select(vec!["query", "mutation", "subscription"]);
    let variables = prop::sample::select(vec![
        "",
        "( $ v : Int )",
        "( $ v : [ Int ! ] ! = [ 1 ] @ d $ w : T = { a : RED } )",
        "( \"described\" $ v : Int )",
    ]);
    let operation = (kind, name(), variables, directives(), selections()).prop_map(
        |(kind, name, variables, directives, selections)| {
            let variables = variables.split_whitespace().map(str::to_owned).collect();
            [vec![kind.to_owned(), name], variables, directives, selections].concat()
        },
    );
    let fragment =
        (name(), directives(), selections()).prop_map(|(name, directives, selections)| {
            [vec!["fragment".to_owned(), name], words(&["on", "T"]), directives, selections]
                .concat()
        });
    prop_oneof![
        1 => selections(),
        2 => operation,
        1 => fragment,
    ]
}

/// Good documents, in which every fragment that may be spread is defined.
pub(super) fn complete_documents() -> impl Strategy<Value = Vec<String>> {
    selections().prop_map(|selections| {
        let mut tokens = words(&["query", "Q", "(", "$", "v", ":", "Int", "=", "1", ")"]);
        tokens.extend(selections);
        for name in NAMES.iter().filter(|name| **name != "on") {
            tokens.extend(words(&["fragment", name, "on", "T", "{", "f", ":", "g", "}"]));
        }
        tokens
    })
}
