//! URL-encoded forms.

use chaperone_inspection::plan::{Limits, ProtocolPlan};
use chaperone_inspection::protocol::inspect_body;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{cases, code, conform, head};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FormCase {
    case: String,
    method: Option<String>,
    path: Option<String>,
    content_type: Option<String>,
    content_encoding: Option<String>,
    /// The body, its bytes those of the text.
    form: Option<String>,
    /// The body in hexadecimal.
    hex: Option<String>,
    fields: Option<Value>,
    unparsed: Option<String>,
}

#[test]
fn forms_make_the_facts_that_were_reviewed() {
    let plan = json!({ "form": {
        "fields": { "user": "user", "role": "account[role]", "note": "note" },
        "lists": { "tags": "tags[]" },
    } });
    let plan: ProtocolPlan = serde_json::from_value(plan).unwrap();
    for case in cases::<FormCase>("form", 40) {
        let method = case.method.as_deref().unwrap_or("POST");
        let path = case.path.as_deref().unwrap_or("/form");
        let form = case.form.map(String::into_bytes);
        let body = form.or(case.hex.map(|hex| hex::decode(hex).unwrap())).unwrap_or_default();
        let usual = "application/x-www-form-urlencoded";
        let mut headers = Vec::new();
        if !body.is_empty() {
            headers.push(("content-type", case.content_type.as_deref().unwrap_or(usual)));
        }
        headers.extend(case.content_encoding.as_deref().map(|coding| ("content-encoding", coding)));
        let head = head(method, path, &headers);
        let facts = inspect_body(&plan, &Limits::default(), &head, &body);
        conform(&facts);
        assert_eq!(code(&facts), case.unparsed, "{}: {facts:?}", case.case);
        let expected: Vec<Value> = case.fields.map_or_else(Vec::new, |mut fields| {
            if let Some(fields) = fields.as_object_mut() {
                fields.entry("tags").or_insert_with(|| json!([]));
            }
            vec![json!({
                "action": format!("http:{}", method.to_lowercase()),
                "resource": "/form",
                "attributes": { "method": method, "path": "/form", "fields": fields },
            })]
        });
        // What a query says is reviewed in a corpus of its own.
        let mut commands = facts.commands.clone();
        for command in &mut commands {
            command.attributes.remove("query");
        }
        assert_eq!(json!(commands), json!(expected), "{}", case.case);
    }
}
