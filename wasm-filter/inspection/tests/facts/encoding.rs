//! Content codings and charsets: bodies that are JSON once they are decoded.

use chaperone_inspection::plan::{Limits, ProtocolPlan};
use chaperone_inspection::protocol::inspect_body;
use serde::Deserialize;
use serde_json::json;

use crate::{cases, code, conform, head};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EncodingCase {
    case: String,
    /// The values of `content-encoding`, a header each.
    #[serde(default)]
    encoding: Vec<String>,
    /// The values of `content-type`, a header each.
    content_type: Option<Vec<String>>,
    /// The body in hexadecimal.
    hex: Option<String>,
    /// A part of it that follows, so many times.
    repeated: Option<(String, usize)>,
    /// The body as text.
    text: Option<String>,
    /// What is read: the JSON string `email`.
    email: Option<String>,
    unparsed: Option<String>,
}

#[test]
fn encoded_bodies_make_the_facts_that_were_reviewed() {
    let plan = json!({ "json": { "fields": { "email": "/email" } } });
    let plan: ProtocolPlan = serde_json::from_value(plan).unwrap();
    for case in cases::<EncodingCase>("encoding", 40) {
        let json = vec!["application/json".to_owned()];
        let content_types = case.content_type.unwrap_or(json);
        let mut headers = Vec::new();
        headers.extend(content_types.iter().map(|value| ("content-type", value.as_str())));
        headers.extend(case.encoding.iter().map(|value| ("content-encoding", value.as_str())));
        let bytes = |hex: &str| hex::decode(hex.replace(' ', "")).unwrap();
        let mut body = case
            .hex
            .as_deref()
            .map(bytes)
            .or(case.text.map(String::into_bytes))
            .unwrap_or_default();
        if let Some((part, times)) = &case.repeated {
            body.extend(bytes(part).repeat(*times));
        }
        let head = head("POST", "/x", &headers);
        let facts = inspect_body(&plan, &Limits::default(), &head, &body);
        conform(&facts);
        assert_eq!(code(&facts), case.unparsed, "{}: {facts:?}", case.case);
        let read = facts.commands.first().map(|command| &command.attributes["fields"]["email"]);
        assert_eq!(json!(read), json!(case.email), "{}", case.case);
    }
}
