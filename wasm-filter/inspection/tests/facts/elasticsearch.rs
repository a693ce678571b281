//! Requests to Elasticsearch and OpenSearch.

use chaperone_inspection::facts::Facts;
use chaperone_inspection::plan::{ElasticsearchPlan, Limits, ProtocolPlan};
use chaperone_inspection::protocol::inspect_body;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::mcp::{respaced, turned};
use crate::{body, cases, code, conform, head};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ElasticsearchCase {
    case: String,
    #[serde(default)]
    attack: bool,
    method: String,
    path: String,
    content_type: Option<String>,
    body: Option<Value>,
    raw: Option<String>,
    /// The commands; of the attributes those that are named.
    #[serde(default)]
    commands: Vec<Expected>,
    unparsed: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    action: String,
    resource: String,
    /// `null` for one that is not there.
    #[serde(default)]
    attributes: Map<String, Value>,
}

impl ElasticsearchCase {
    fn facts_of(&self, body: &[u8]) -> Facts {
        let content_type = self.content_type.as_deref().unwrap_or("application/json");
        let headers = [("content-type", content_type)];
        let head = head(&self.method, &self.path, &headers);
        let plan = ProtocolPlan::Elasticsearch(ElasticsearchPlan::default());
        inspect_body(&plan, &Limits::default(), &head, body)
    }

    fn fits(&self, facts: &Facts) -> bool {
        let fits = |(command, expected): (_, &Expected)| {
            let command: &chaperone_inspection::facts::Command = command;
            command.action.name() == expected.action
                && command.resource == expected.resource
                && expected.attributes.iter().all(|(name, value)| {
                    command.attributes.get(name).unwrap_or(&Value::Null) == value
                })
        };
        code(facts) == self.unparsed
            && facts.commands.len() == self.commands.len()
            && facts.commands.iter().zip(&self.commands).all(fits)
    }
}

#[test]
fn elasticsearch_makes_the_facts_that_were_reviewed() {
    let mut wrong = Vec::new();
    for case in cases::<ElasticsearchCase>("elasticsearch", 80) {
        let facts = case.facts_of(&body(case.body.as_ref(), case.raw.clone()));
        conform(&facts);
        if !case.fits(&facts) {
            wrong.push(format!("{}: {facts:?}", case.case));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn at_least_thirty_attacks_are_among_the_requests() {
    let cases = cases::<ElasticsearchCase>("elasticsearch", 80);
    assert!(cases.iter().filter(|case| case.attack).count() >= 30);
}

/// The order of keys and the white space of a body change no fact.
#[test]
fn a_body_is_the_same_however_it_is_written() {
    for case in cases::<ElasticsearchCase>("elasticsearch", 80) {
        let Some(body) = &case.body else { continue };
        for other in [respaced(body), turned(body)] {
            assert!(case.fits(&case.facts_of(other.as_bytes())), "{}", case.case);
        }
    }
}
