//! MCP messages.

use chaperone_inspection::facts::Command;
use chaperone_inspection::plan::{Limits, McpPlan, ProtocolPlan};
use chaperone_inspection::protocol::inspect_body;
use serde::Deserialize;
use serde_json::Value;

use crate::{body, cases, code, conform, head};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct McpCase {
    case: String,
    method: Option<String>,
    content_type: Option<String>,
    body: Option<Value>,
    raw: Option<String>,
    #[serde(default)]
    commands: Vec<Command>,
    unparsed: Option<String>,
}

#[test]
fn mcp_makes_the_facts_that_were_reviewed() {
    let plan = ProtocolPlan::Mcp(McpPlan::default());
    for case in cases::<McpCase>("mcp", 20) {
        let method = case.method.as_deref().unwrap_or("POST");
        let content_type = case.content_type.as_deref().unwrap_or("application/json");
        let headers = [("content-type", content_type)];
        let head = head(method, "/mcp", &headers);
        let body = body(case.body.as_ref(), case.raw);
        let facts = inspect_body(&plan, &Limits::default(), &head, &body);
        conform(&facts);
        assert_eq!(code(&facts), case.unparsed, "{}: {facts:?}", case.case);
        assert_eq!(facts.commands, case.commands, "{}", case.case);
    }
}
