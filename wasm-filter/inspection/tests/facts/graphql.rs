//! GraphQL requests.

use std::collections::{BTreeMap, BTreeSet};

use chaperone_inspection::facts::{Command, Facts};
use chaperone_inspection::plan::{GraphqlPlan, Limits, ProtocolPlan};
use chaperone_inspection::protocol::inspect_body;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{body, cases, code, conform, head};

#[derive(Deserialize)]
struct GraphqlCase {
    case: String,
    #[serde(flatten)]
    request: Request,
    #[serde(flatten)]
    facts: GraphqlFacts,
}

/// A request: a document by itself, with variables, stands for its JSON body.
#[derive(Deserialize)]
struct Request {
    method: Option<String>,
    /// After the path, its question mark included.
    url: Option<String>,
    content_type: Option<String>,
    query: Option<String>,
    #[serde(default)]
    variables: Value,
    #[serde(default)]
    operation: Value,
    body: Option<Value>,
    raw: Option<String>,
    #[serde(default)]
    plan: GraphqlPlan,
    #[serde(default)]
    limits: Limits,
}

impl Request {
    fn facts(&self) -> Facts {
        let document = self.query.as_ref().map(
            |query| json!({ "query": query, "variables": self.variables, "operationName": self.operation }),
        );
        let body = body(self.body.as_ref().or(document.as_ref()), self.raw.clone());
        let content_type = self.content_type.as_deref().unwrap_or("application/json");
        let headers = [("content-type", content_type)];
        let path = format!("/graphql{}", self.url.as_deref().unwrap_or_default());
        let head = head(self.method.as_deref().unwrap_or("POST"), &path, &headers);
        inspect_body(&ProtocolPlan::Graphql(self.plan.clone()), &self.limits, &head, &body)
    }
}

/// Facts in short: `<action> <field>` of each command with its arguments, and what all
/// of them say together.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct GraphqlFacts {
    commands: Vec<String>,
    /// Of each command; none when no command has any.
    arguments: Vec<Value>,
    fields: BTreeSet<String>,
    operation_names: BTreeSet<String>,
    directives: BTreeSet<String>,
    introspection: bool,
    persisted: bool,
    /// Numbers that are not what `fields` would make them.
    counts: BTreeMap<String, i64>,
    unparsed: Option<String>,
}

impl GraphqlFacts {
    fn of(facts: &Facts) -> Self {
        let commands = &facts.commands;
        let any = |name| commands.iter().any(|command| command.attributes[name] == true);
        let union = |name| -> BTreeSet<String> {
            let sets = commands.iter().filter_map(|command| command.attributes.get(name));
            sets.flat_map(|set| match set {
                Value::String(text) => vec![text.clone()],
                set => serde_json::from_value(set.clone()).unwrap(),
            })
            .collect()
        };
        let mut arguments: Vec<_> =
            commands.iter().map(|command| command.attributes["arguments"].clone()).collect();
        if arguments.iter().all(|arguments| *arguments == json!({})) {
            arguments.clear();
        }
        let in_short = |c: &Command| format!("{} {}", c.action.name(), c.resource);
        let fields = union("fields");
        Self {
            counts: counts(commands, &fields),
            commands: commands.iter().map(in_short).collect(),
            arguments,
            fields,
            operation_names: union("operation_name"),
            directives: union("directives"),
            introspection: any("introspection"),
            persisted: any("persisted"),
            unparsed: code(facts),
        }
    }
}

fn counts(commands: &[Command], fields: &BTreeSet<String>) -> BTreeMap<String, i64> {
    let deepest = fields.iter().map(|path| path.split('.').count()).max().unwrap_or(0);
    let usual =
        [("depth", deepest), ("field_count", fields.len()), ("aliases", 0), ("batch_size", 1)];
    let largest = |name| commands.iter().filter_map(move |c| c.attributes[name].as_i64()).max();
    usual
        .into_iter()
        .filter_map(|(name, usual)| {
            let count = largest(name).filter(|count| usize::try_from(*count) != Ok(usual))?;
            Some((name.to_owned(), count))
        })
        .collect()
}

#[test]
fn graphql_makes_the_facts_that_were_reviewed() {
    let mut wrong = Vec::new();
    for case in cases::<GraphqlCase>("graphql", 100) {
        let facts = case.request.facts();
        conform(&facts);
        let actual = GraphqlFacts::of(&facts);
        if actual != case.facts {
            let unparsed = facts.unparsed.map_or(String::new(), |unparsed| unparsed.detail);
            wrong.push(format!("{}: {unparsed}\n  {:?}\n  {actual:?}", case.case, case.facts));
        }
    }
    assert!(wrong.is_empty(), "expected, then found:\n{}", wrong.join("\n"));
}
