//! Agents and tool servers of the official MCP SDK, with Chaperone between them.

use harness::{Behind, Mesh, Setup};
use serde_json::json;

use crate::cast;

const POLICIES: &str = r#"
@id("tools-that-look")
@mask("pii")
permit (
  principal in Group::"ci-jobs",
  action == Action::"mcp:tools/call",
  resource in Service::"customers"
)
when { resource in [Tool::"echo", Tool::"slow_count"] };

@id("no-secrets-to-tools")
forbid (principal, action == Action::"mcp:tools/call", resource == Tool::"echo")
when {
  context.mcp has arguments && context.mcp.arguments.hasTag("text") &&
  context.mcp.arguments.getTag("text") like "*password*"
};
"#;

#[tokio::test]
async fn an_agent_of_the_sdk_calls_the_tools_that_policy_permits() {
    let setup = Setup {
        behind: Behind::McpSdk,
        // The client takes the host from its URL.
        configure: |text| text.replace("[customers.example]", "[customers.example, 127.0.0.1]"),
        files: &[("policies/tools.cedar", POLICIES)],
        ..Setup::default()
    };
    let mesh = Mesh::start(setup).await.unwrap_or_else(|failure| panic!("{failure}"));
    let mark = cast::mark();
    let calls = json!([
        { "name": "echo", "arguments": { "text": "write to ada@example.com" } },
        { "name": "slow_count", "arguments": { "to": 5 } },
        { "name": "echo", "arguments": { "text": format!("my password {mark}") } },
        { "name": "delete_customer", "arguments": { "id": 1 } },
    ]);
    let told = mesh.mcp_client("/mcp", &mesh.issuer.job(), &calls).await.unwrap();
    assert_eq!(told["server"], "customers", "{told}");
    assert!(told["tools"].as_array().unwrap().contains(&json!("echo")), "{told}");
    assert_eq!(told["results"][0], json!({ "text": "write to [masked:email]" }), "{told}");
    assert_eq!(told["results"][1], json!({ "text": "counted to 5" }), "{told}");
    assert_eq!(told["progress"], 5, "{told}");
    let denied = &told["results"][2];
    assert!(denied["data"].to_string().contains("policy_denied"), "{told}");
    assert!(!mesh.tap.saw(&mark), "the denied call arrived");
    let held = &told["results"][3];
    assert!(held["data"].to_string().contains("approval"), "{told}");

    let told = mesh.mcp_client("/mcp", "no-token", &json!([])).await.unwrap();
    assert!(told["failed"].is_string(), "{told}");
}
