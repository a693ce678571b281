//! JSON documents.

use chaperone_inspection::plan::{Limits, ProtocolPlan};
use chaperone_inspection::protocol::inspect_body;
use serde::{Deserialize, Deserializer};
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
    /// Bytes that are no text.
    hex: Option<String>,
    fields: Option<Value>,
    /// A command without fields.
    #[serde(default)]
    no_fields: bool,
    /// The whole document; `null` is one.
    #[serde(default, deserialize_with = "some")]
    value: Option<Value>,
    unparsed: Option<String>,
}

fn some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

#[test]
fn json_makes_the_facts_that_were_reviewed() {
    let plan = |fields: Value| -> ProtocolPlan {
        serde_json::from_value(json!({ "json": { "fields": fields } })).unwrap()
    };
    let named = plan(json!({ "email": "/email", "city": "/address/city" }));
    let whole = plan(json!({ "value": "" }));
    for case in cases::<JsonCase>("json", 420) {
        let method = case.method.as_deref().unwrap_or("POST");
        let content_type = case.content_type.as_deref().unwrap_or("application/json");
        let mut headers = vec![("content-type", content_type)];
        headers.extend(case.content_encoding.as_deref().map(|coding| ("content-encoding", coding)));
        let head = head(method, "/api/x?y=1", &headers);
        let body = match case.hex {
            Some(hex) => hex::decode(hex).unwrap(),
            None => body(case.body.as_ref(), case.raw),
        };
        let plan = if case.value.is_some() { &whole } else { &named };
        let facts = inspect_body(plan, &Limits::default(), &head, &body);
        conform(&facts);
        assert_eq!(code(&facts), case.unparsed, "{}: {facts:?}", case.case);
        let fields = case.fields.or_else(|| case.value.map(|value| json!({ "value": value })));
        let mut expected = Vec::new();
        if fields.is_some() || case.no_fields {
            let mut attributes = json!({
                "method": method, "path": "/api/x", "query": { "y": "1" },
            });
            if let Some(fields) = fields {
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
