//! Request paths.

use std::collections::BTreeMap;

use chaperone_inspection::Inspector;
use chaperone_inspection::facts::Facts;
use chaperone_inspection::plan::{Limits, Plan, ProtocolPlan};
use chaperone_inspection::protocol::inspect_body;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{cases, code, conform, head};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PathCase {
    path: String,
    /// What it is written of besides, when it is too long to be shown.
    repeated: Option<usize>,
    #[serde(default = "get")]
    method: String,
    normal: Option<String>,
    /// A part of the reason.
    ambiguous: Option<String>,
}

fn get() -> String {
    "GET".to_owned()
}

#[test]
fn a_path_has_one_reading_or_is_refused() {
    for case in cases::<PathCase>("paths", 100) {
        let path = case.path.repeat(case.repeated.unwrap_or(1));
        let head = head(&case.method, &path, &[]);
        let facts = inspect_body(&ProtocolPlan::Http, &Limits::default(), &head, &[]);
        conform(&facts);
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TemplateCase {
    case: String,
    paths: Vec<String>,
    path: String,
    /// None when it is the path itself.
    template: Option<String>,
    #[serde(default)]
    segments: BTreeMap<String, String>,
    unparsed: Option<String>,
}

fn facts_of(paths: &Value, method: &str, path: &str, inspect: &str, body: &[u8]) -> Facts {
    let plan = json!({ "limits": {}, "services": [{
        "name": "s", "hosts": ["*"], "paths": paths,
        "routes": [{ "path": "/", "inspect": inspect }],
    }] });
    let plan: Plan = serde_json::from_value(plan).unwrap();
    let inspector = Inspector::new(plan).unwrap();
    let head = head(method, path, &[("content-type", "application/json")]);
    let route = inspector.route(&head).unwrap();
    route.map_or_else(
        |unparsed| Facts::unparsed(chaperone_inspection::facts::Protocol::Http, unparsed),
        |route| inspector.inspect(route, &head, body),
    )
}

#[test]
fn a_path_is_named_by_the_template_that_says_most_of_it() {
    for case in cases::<TemplateCase>("templates", 20) {
        for (inspect, body) in [("http", ""), ("json", "{}")] {
            let paths = json!(case.paths);
            let facts = facts_of(&paths, "POST", &case.path, inspect, body.as_bytes());
            conform(&facts);
            assert_eq!(code(&facts), case.unparsed, "{}: {facts:?}", case.case);
            let Some(command) = facts.commands.first() else { continue };
            let template = command.attributes.get("template");
            assert_eq!(template, case.template.as_ref().map(|text| json!(text)).as_ref());
            let resource = case.template.as_deref().unwrap_or(&case.path);
            assert_eq!(command.resource, resource, "{}", case.case);
            let segments = command.attributes.get("segments").cloned();
            let expected = case.template.is_some().then(|| json!(case.segments));
            assert_eq!(segments, expected, "{}", case.case);
            assert!(command.attributes.contains_key("path"), "{}", case.case);
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QueryCase {
    case: String,
    query: String,
    method: String,
    /// The parameters; null when there are none that are clear.
    fields: Option<Value>,
    #[serde(default)]
    unclear: bool,
    unparsed: Option<String>,
}

#[test]
fn a_query_is_what_every_reader_takes_it_for_or_is_unclear() {
    for case in cases::<QueryCase>("queries", 40) {
        let path = format!("/a?{}", case.query);
        let facts = facts_of(&json!([]), &case.method, &path, "http", b"");
        conform(&facts);
        assert_eq!(code(&facts), case.unparsed, "{}: {facts:?}", case.case);
        let Some(command) = facts.commands.first() else { continue };
        assert_eq!(command.attributes.get("query"), case.fields.as_ref(), "{}", case.case);
        let unclear = command.attributes.contains_key("query_unclear");
        assert_eq!(unclear, case.unclear, "{}", case.case);
    }
}
