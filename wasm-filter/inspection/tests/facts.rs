//! Requests and the facts that they make, reviewed as data: `tests/facts/*.json`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use chaperone_inspection::facts::{Command, Facts};
use chaperone_inspection::plan::{Limits, ProtocolPlan, SqlCarrier, SqlDialect, SqlPlan};
use chaperone_inspection::protocol::{RequestHead, http_facts, inspect_body};
use chaperone_inspection::vocabulary::AttributeKind;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct SqlCase {
    case: String,
    dialect: Option<SqlDialect>,
    sql: String,
    #[serde(flatten)]
    facts: SqlFacts,
}

/// Facts in short: `<action> <table>` of each command, the tables and functions of
/// all of them together, and whether any of them has a WHERE.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SqlFacts {
    commands: Vec<String>,
    reads: BTreeSet<String>,
    writes: BTreeSet<String>,
    functions: BTreeSet<String>,
    has_where: bool,
    /// When it is not one.
    statements: Option<Value>,
    unparsed: Option<String>,
}

impl SqlFacts {
    fn of(facts: &Facts) -> Self {
        let attribute = |name| facts.commands.iter().map(move |c| c.attributes[name].clone());
        let union = |name| {
            let sets = attribute(name).map(|set| serde_json::from_value(set).unwrap());
            sets.flat_map(|set: Vec<String>| set).collect()
        };
        let in_short = |c: &Command| format!("{} {}", c.action.name(), c.resource);
        Self {
            commands: facts.commands.iter().map(in_short).collect(),
            reads: union("tables_read"),
            writes: union("tables_written"),
            functions: union("functions"),
            has_where: attribute("has_where").any(|has| has == true),
            statements: attribute("statements").next().filter(|count| *count != 1),
            unparsed: code(facts),
        }
    }
}

#[test]
fn sql_makes_the_facts_that_were_reviewed() {
    let mut wrong = Vec::new();
    for case in cases::<SqlCase>("sql.json", 40) {
        let dialect = case.dialect.unwrap_or(SqlDialect::Generic);
        let plan = ProtocolPlan::Sql(SqlPlan { dialect, statement: SqlCarrier::Body });
        let head = head("POST", "/sql", Some("application/sql"), None);
        let facts = inspect_body(&plan, &Limits::default(), &head, case.sql.as_bytes());
        conform(&facts);
        let actual = SqlFacts::of(&facts);
        if actual != case.facts {
            let unparsed = facts.unparsed.map_or(String::new(), |unparsed| unparsed.detail);
            wrong.push(format!("{}: {unparsed}\n  {:?}\n  {actual:?}", case.case, case.facts));
        }
    }
    assert!(wrong.is_empty(), "expected, then found:\n{}", wrong.join("\n"));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct McpCase {
    case: String,
    method: Option<String>,
    content_type: Option<String>,
    body: Option<Value>,
    raw: Option<String>,
    #[serde(default)]
    commands: Vec<Command>,
    unparsed: Option<String>,
}

#[test]
fn mcp_makes_the_facts_that_were_reviewed() {
    for case in cases::<McpCase>("mcp.json", 20) {
        let method = case.method.as_deref().unwrap_or("POST");
        let content_type = case.content_type.as_deref().unwrap_or("application/json");
        let head = head(method, "/mcp", Some(content_type), None);
        let body = body(case.body.as_ref(), case.raw);
        let facts = inspect_body(&ProtocolPlan::Mcp, &Limits::default(), &head, &body);
        conform(&facts);
        assert_eq!(code(&facts), case.unparsed, "{}: {facts:?}", case.case);
        assert_eq!(facts.commands, case.commands, "{}", case.case);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonCase {
    case: String,
    method: Option<String>,
    content_type: Option<String>,
    content_encoding: Option<String>,
    body: Option<Value>,
    raw: Option<String>,
    fields: Option<Value>,
    /// A command without fields.
    #[serde(default)]
    no_fields: bool,
    unparsed: Option<String>,
}

#[test]
fn json_makes_the_facts_that_were_reviewed() {
    let plan = json!({ "json": { "fields": { "email": "/email", "city": "/address/city" } } });
    let plan: ProtocolPlan = serde_json::from_value(plan).unwrap();
    for case in cases::<JsonCase>("json.json", 15) {
        let method = case.method.as_deref().unwrap_or("POST");
        let content_type = case.content_type.as_deref().unwrap_or("application/json");
        let head = head(method, "/api/x?y=1", Some(content_type), case.content_encoding.as_deref());
        let body = body(case.body.as_ref(), case.raw);
        let facts = inspect_body(&plan, &Limits::default(), &head, &body);
        conform(&facts);
        assert_eq!(code(&facts), case.unparsed, "{}: {facts:?}", case.case);
        let mut expected = Vec::new();
        if case.fields.is_some() || case.no_fields {
            let mut attributes = json!({ "method": method, "path": "/api/x" });
            if let Some(fields) = case.fields {
                attributes["fields"] = fields;
            }
            let action = format!("http:{}", method.to_lowercase());
            expected.push(json!({
                "action": action, "resource": "/api/x", "attributes": attributes
            }));
        }
        assert_eq!(json!(facts.commands), json!(expected), "{}", case.case);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PathCase {
    path: String,
    normal: Option<String>,
    /// A part of the reason.
    ambiguous: Option<String>,
}

#[test]
fn a_path_has_one_reading_or_is_refused() {
    for case in cases::<PathCase>("paths.json", 20) {
        let facts = http_facts("GET", &case.path);
        let normal = facts.commands.first().map(|command| command.resource.clone());
        assert_eq!(normal, case.normal, "{}", case.path);
        match (&facts.unparsed, &case.ambiguous) {
            (None, None) => {}
            (Some(unparsed), Some(why)) => {
                assert_eq!(unparsed.code.name(), "path_ambiguous");
                assert!(unparsed.detail.contains(why), "{}: {}", case.path, unparsed.detail);
            }
            (unparsed, why) => panic!("{}: {unparsed:?}, not {why:?}", case.path),
        }
    }
}

#[test]
fn every_file_of_facts_is_read_by_a_test() {
    let names: BTreeSet<_> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let known = ["json.json", "mcp.json", "paths.json", "sql.json"];
    assert_eq!(names, known.iter().map(ToString::to_string).collect());
}

/// Facts say what the vocabulary lets them say, and nothing else.
fn conform(facts: &Facts) {
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

/// The cases of a file: at least so many, so that an emptied file is noticed.
fn cases<T: DeserializeOwned>(file: &str, least: usize) -> Vec<T> {
    let text = std::fs::read_to_string(folder().join(file)).unwrap();
    let cases: Vec<T> = serde_json::from_str(&text).unwrap();
    assert!(cases.len() >= least, "{file} has {} cases", cases.len());
    cases
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/facts")
}

fn head<'a>(
    method: &'a str,
    path: &'a str,
    content_type: Option<&'a str>,
    content_encoding: Option<&'a str>,
) -> RequestHead<'a> {
    RequestHead { method, authority: "a.example", path, content_type, content_encoding }
}

fn body(json: Option<&Value>, raw: Option<String>) -> Vec<u8> {
    json.map(Value::to_string).or(raw).unwrap_or_default().into_bytes()
}

fn code(facts: &Facts) -> Option<String> {
    facts.unparsed.as_ref().map(|unparsed| unparsed.code.name().to_owned())
}
