//! JSON documents.

use chaperone_inspection::plan::{Limits, ProtocolPlan};
use chaperone_inspection::protocol::inspect_body;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{body, cases, code, conform, head};

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
    for case in cases::<JsonCase>("json", 15) {
        let method = case.method.as_deref().unwrap_or("POST");
        let content_type = case.content_type.as_deref().unwrap_or("application/json");
        let mut headers = vec![("content-type", content_type)];
        headers.extend(case.content_encoding.as_deref().map(|coding| ("content-encoding", coding)));
        let head = head(method, "/api/x?y=1", &headers);
        let body = body(case.body.as_ref(), case.raw);
        let facts = inspect_body(&plan, &Limits::default(), &head, &body);
        conform(&facts);
        assert_eq!(code(&facts), case.unparsed, "{}: {facts:?}", case.case);
        let mut expected = Vec::new();
        if case.fields.is_some() || case.no_fields {
            let mut attributes = json!({
                "method": method, "path": "/api/x", "query": { "y": "1" },
            });
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
