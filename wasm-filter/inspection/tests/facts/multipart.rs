//! Multipart forms.

use chaperone_inspection::plan::{Limits, ProtocolPlan};
use chaperone_inspection::protocol::inspect_body;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{cases, code, conform, head};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MultipartCase {
    case: String,
    path: Option<String>,
    content_type: Option<String>,
    content_encoding: Option<String>,
    /// The body: lines that are joined by CR LF.
    lines: Option<Vec<String>>,
    /// The body as it is.
    body: Option<String>,
    /// The body in hexadecimal.
    hex: Option<String>,
    fields: Option<Value>,
    #[serde(default)]
    files: Vec<String>,
    #[serde(default)]
    file_types: Vec<String>,
    unparsed: Option<String>,
}

#[test]
fn multipart_forms_make_the_facts_that_were_reviewed() {
    let plan = json!({ "multipart": {
        "fields": { "user": "user", "role": "account[role]" },
        "lists": { "tags": "tags[]" },
    } });
    let plan: ProtocolPlan = serde_json::from_value(plan).unwrap();
    for case in cases::<MultipartCase>("multipart", 40) {
        let path = case.path.as_deref().unwrap_or("/form");
        let body = case
            .lines
            .map(|lines| lines.join("\r\n").into_bytes())
            .or(case.body.map(String::into_bytes))
            .or(case.hex.map(|hex| hex::decode(hex).unwrap()))
            .unwrap_or_default();
        let content_type =
            case.content_type.as_deref().unwrap_or("multipart/form-data; boundary=B");
        let mut headers = vec![("content-type", content_type)];
        headers.extend(case.content_encoding.as_deref().map(|coding| ("content-encoding", coding)));
        let head = head("POST", path, &headers);
        let facts = inspect_body(&plan, &Limits::default(), &head, &body);
        conform(&facts);
        assert_eq!(code(&facts), case.unparsed, "{}: {facts:?}", case.case);
        let mut expected = Vec::new();
        if let Some(mut fields) = case.fields {
            if let Some(fields) = fields.as_object_mut() {
                fields.entry("tags").or_insert_with(|| json!([]));
            }
            let mut attributes = json!({ "method": "POST", "path": "/form", "fields": fields });
            if !case.files.is_empty() {
                attributes["files"] = json!(case.files);
                attributes["file_types"] = json!(case.file_types);
            }
            expected.push(json!({
                "action": "http:post", "resource": "/form", "attributes": attributes
            }));
        }
        // What a query says is reviewed in a corpus of its own.
        let mut commands = facts.commands.clone();
        for command in &mut commands {
            command.attributes.remove("query");
        }
        assert_eq!(json!(commands), json!(expected), "{}", case.case);
    }
}
