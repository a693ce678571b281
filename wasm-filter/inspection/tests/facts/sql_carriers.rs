//! Requests of the APIs that carry SQL.

use chaperone_inspection::plan::{Limits, ProtocolPlan};
use chaperone_inspection::protocol::inspect_body;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::sql::SqlFacts;
use crate::{body, cases, conform, head};

#[derive(Deserialize)]
struct CarrierCase {
    case: String,
    carrier: Value,
    /// That of the API, unless it is another one.
    dialect: Option<String>,
    /// `<method> <path and query>`.
    request: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    body: Option<Value>,
    raw: Option<String>,
    #[serde(flatten)]
    facts: SqlFacts,
}

#[test]
fn carriers_make_the_facts_that_were_reviewed() {
    let mut wrong = Vec::new();
    for case in cases::<CarrierCase>("sql_carriers", 60) {
        let dialect = case.dialect.as_deref().unwrap_or(match case.carrier.as_str() {
            Some("neon" | "postgrest") => "postgresql",
            Some("elasticsearch_sql" | "body") | None => "generic",
            Some(name) => name,
        });
        let plan = json!({ "sql": { "dialect": dialect, "statement": case.carrier } });
        let plan: ProtocolPlan = serde_json::from_value(plan).unwrap();
        let (method, path) = case.request.split_once(' ').unwrap();
        let mut headers: Vec<_> =
            case.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        if case.body.is_some() && !headers.iter().any(|(name, _)| *name == "content-type") {
            headers.push(("content-type", "application/json"));
        }
        let body = body(case.body.as_ref(), case.raw);
        let facts = inspect_body(&plan, &Limits::default(), &head(method, path, &headers), &body);
        conform(&facts);
        let actual = SqlFacts::of(&facts);
        if actual != case.facts {
            let unparsed = facts.unparsed.map_or(String::new(), |unparsed| unparsed.detail);
            wrong.push(format!("{}: {unparsed}\n  {:?}\n  {actual:?}", case.case, case.facts));
        }
    }
    assert!(wrong.is_empty(), "expected, then found:\n{}", wrong.join("\n"));
}
