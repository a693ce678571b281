//! Requests and the facts that they make, reviewed as data: `tests/corpora/*`, read
//! by the file of the same name here.

mod a2a;
mod elasticsearch;
mod encoding;
mod form;
mod graphql;
mod grpc;
mod json;
mod kubernetes;
mod mcp;
mod multipart;
mod paths;
mod shell;
mod sql;
mod sql_carriers;

use std::collections::BTreeSet;
use std::path::PathBuf;

use chaperone_inspection::facts::Facts;
use chaperone_inspection::protocol::RequestHead;
use chaperone_inspection::vocabulary::AttributeKind;
use serde::de::DeserializeOwned;
use serde_json::Value;

#[rustfmt::skip]
const CORPORA: &[&str] = &[
    "a2a",
    "elasticsearch",
    "encoding",
    "form",
    "graphql",
    "grpc",
    "json",
    "kubernetes",
    "mcp",
    "multipart",
    "paths",
    "queries",
    "shell",
    "sql",
    "sql_carriers",
    "templates",
];

#[test]
fn every_corpus_is_read_by_a_test() {
    let names: BTreeSet<_> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names, CORPORA.iter().map(ToString::to_string).collect());
}

/// Facts say what the vocabulary lets them say, and nothing else.
pub(crate) fn conform(facts: &Facts) {
    for command in &facts.commands {
        let specs = command.action.spec().family.attributes;
        for spec in specs.iter().filter(|spec| spec.required) {
            assert!(command.attributes.contains_key(spec.name), "{} is missing", spec.name);
        }
        for (name, value) in &command.attributes {
            let spec = specs.iter().find(|spec| spec.name == name);
            let spec = spec.unwrap_or_else(|| panic!("{name} is not in the vocabulary"));
            let fits = match spec.kind {
                AttributeKind::Bool => value.is_boolean(),
                AttributeKind::Long => value.is_i64(),
                AttributeKind::Text => value.is_string(),
                AttributeKind::TextSet => value.as_array().is_some_and(|set| {
                    let texts: Option<Vec<_>> = set.iter().map(Value::as_str).collect();
                    texts.is_some_and(|texts| texts.is_sorted_by(|a, b| a < b))
                }),
                AttributeKind::Fields => value.is_object(),
                AttributeKind::Carried => true,
            };
            assert!(fits, "{name} is {value}");
        }
    }
}

/// The cases of a corpus, of every file of it: at least so many, so that an emptied
/// one is noticed. A case with a `case` of its own is in it once.
pub(crate) fn cases<T: DeserializeOwned>(corpus: &str, least: usize) -> Vec<T> {
    let mut files: Vec<_> = std::fs::read_dir(folder().join(corpus))
        .unwrap_or_else(|error| panic!("{corpus}: {error}"))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut names = BTreeSet::new();
    let mut cases = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let values: Vec<Value> = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        for value in values {
            if let Some(name) = value["case"].as_str() {
                assert!(names.insert(name.to_owned()), "{corpus} has the case `{name}` twice");
            }
            let case = serde_json::from_value(value.clone());
            cases.push(case.unwrap_or_else(|error| panic!("{}: {error}: {value}", file.display())));
        }
    }
    assert!(cases.len() >= least, "{corpus} has {} cases", cases.len());
    cases
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpora")
}

/// The head of a request; its headers' names are in lower case.
pub(crate) fn head<'a>(
    method: &'a str,
    path: &'a str,
    headers: &'a [(&'a str, &'a str)],
) -> RequestHead<'a> {
    RequestHead { method, authority: "a.example", path, headers }
}

pub(crate) fn body(json: Option<&Value>, raw: Option<String>) -> Vec<u8> {
    json.map(Value::to_string).or(raw).unwrap_or_default().into_bytes()
}

pub(crate) fn code(facts: &Facts) -> Option<String> {
    facts.unparsed.as_ref().map(|unparsed| unparsed.code.name().to_owned())
}
