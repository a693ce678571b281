//! A2A messages.

use chaperone_inspection::facts::{Command, Facts};
use chaperone_inspection::plan::{A2aPlan, Limits, ProtocolPlan};
use chaperone_inspection::protocol::inspect_body;
use serde::Deserialize;
use serde_json::Value;

use crate::mcp::{respaced, turned};
use crate::{body, cases, code, conform, head};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct A2aCase {
    case: String,
    method: Option<String>,
    path: Option<String>,
    content_type: Option<String>,
    /// Headers besides, their names in lower case.
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    plan: A2aPlan,
    body: Option<Value>,
    raw: Option<String>,
    command: Option<Command>,
    unparsed: Option<String>,
}

impl A2aCase {
    fn facts(&self) -> Facts {
        self.facts_of(&body(self.body.as_ref(), self.raw.clone()))
    }

    fn facts_of(&self, body: &[u8]) -> Facts {
        let content_type = self.content_type.as_deref().unwrap_or("application/json");
        let mut headers = vec![("content-type", content_type)];
        headers.extend(self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let method = self.method.as_deref().unwrap_or("POST");
        let head = head(method, self.path.as_deref().unwrap_or("/a2a"), &headers);
        let plan = ProtocolPlan::A2a(self.plan.clone());
        inspect_body(&plan, &Limits::default(), &head, body)
    }
}

#[test]
fn a2a_makes_the_facts_that_were_reviewed() {
    let mut wrong = Vec::new();
    for case in cases::<A2aCase>("a2a", 90) {
        let facts = case.facts();
        conform(&facts);
        if code(&facts) != case.unparsed || facts.commands.first() != case.command.as_ref() {
            wrong.push(format!("{}: {facts:?}\n  not {:?}", case.case, case.command));
        }
        assert!(facts.commands.len() <= 1, "{}", case.case);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The order of keys and the white space of a message change no fact.
#[test]
fn a_message_is_the_same_however_it_is_written() {
    for case in cases::<A2aCase>("a2a", 90) {
        let Some(body) = &case.body else { continue };
        for other in [respaced(body), turned(body)] {
            assert_eq!(case.facts_of(other.as_bytes()), case.facts(), "{}", case.case);
        }
    }
}
