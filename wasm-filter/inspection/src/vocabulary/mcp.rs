//! Model Context Protocol.

use super::{
    ActionGroup, ActionSpec, AttributeKind, Family, ResourceKind, group, optional, required,
};

/// Attributes of MCP commands.
pub(super) static MCP: Family = Family {
    name: "mcp",
    attributes: &[
        required(
            "method",
            AttributeKind::Text,
            "The JSON-RPC method; `response` for an answer to the server.",
        ),
        optional("arguments", AttributeKind::Fields, "The arguments of the tool or prompt."),
        optional(
            "id",
            AttributeKind::Carried,
            "The JSON-RPC id, which the answer repeats; absent in notifications.",
        ),
        optional(
            "params_sha256",
            AttributeKind::Carried,
            "The digest of the parameters without their progress token: what an approval is bound to.",
        ),
    ],
};

/// The groups of these actions.
pub(super) static GROUPS: &[ActionGroup] = &[
    group("mcp:session", &["read"], "What every MCP session needs before it does anything."),
    group("mcp:read", &["read"], "MCP requests that read."),
    group(
        "mcp:server_requests",
        &[],
        "What an MCP server asks of the agent: neither `read` nor `write` of the service.",
    ),
];

/// The actions.
pub(super) static ACTIONS: &[ActionSpec] = &[
    mcp("mcp:initialize", &["mcp:session"], ResourceKind::Path, "initialize."),
    mcp("mcp:ping", &["mcp:session"], ResourceKind::Path, "ping."),
    mcp("mcp:notification", &["mcp:session"], ResourceKind::Path, "notifications/*."),
    mcp(
        "mcp:response",
        &["mcp:session"],
        ResourceKind::Path,
        "The client's answer to a request of the server.",
    ),
    mcp(
        "mcp:stream",
        &["mcp:session"],
        ResourceKind::Path,
        "GET: listens to the server's messages.",
    ),
    mcp("mcp:session/end", &["mcp:session"], ResourceKind::Path, "DELETE: ends the session."),
    mcp("mcp:logging/setLevel", &["mcp:session"], ResourceKind::Path, "logging/setLevel."),
    mcp("mcp:completion/complete", &["mcp:read"], ResourceKind::Path, "completion/complete."),
    mcp("mcp:tools/list", &["mcp:read"], ResourceKind::Path, "tools/list."),
    mcp("mcp:prompts/list", &["mcp:read"], ResourceKind::Path, "prompts/list."),
    mcp("mcp:prompts/get", &["mcp:read"], ResourceKind::Prompt, "prompts/get."),
    mcp("mcp:resources/list", &["mcp:read"], ResourceKind::Path, "resources/list."),
    mcp(
        "mcp:resources/templates/list",
        &["mcp:read"],
        ResourceKind::Path,
        "resources/templates/list.",
    ),
    mcp("mcp:resources/read", &["mcp:read"], ResourceKind::McpResource, "resources/read."),
    mcp(
        "mcp:resources/subscribe",
        &["mcp:read"],
        ResourceKind::McpResource,
        "resources/subscribe.",
    ),
    mcp(
        "mcp:resources/unsubscribe",
        &["mcp:read"],
        ResourceKind::McpResource,
        "resources/unsubscribe.",
    ),
    mcp(
        "mcp:tools/call",
        &["write"],
        ResourceKind::Tool,
        "tools/call: in `write`, since what a tool does is the tool's affair.",
    ),
    mcp(
        "mcp:sampling/createMessage",
        &["mcp:server_requests"],
        ResourceKind::Path,
        "sampling/createMessage: the server has the agent's model write something. Asked \
         about with each request of the agent's; an approval counts as a denial.",
    ),
    mcp(
        "mcp:elicitation/create",
        &["mcp:server_requests"],
        ResourceKind::Path,
        "elicitation/create: the server asks the agent's user something.",
    ),
    mcp(
        "mcp:roots/list",
        &["mcp:server_requests"],
        ResourceKind::Path,
        "roots/list: the server asks for the agent's folders.",
    ),
];

const fn mcp(
    name: &'static str,
    parents: &'static [&'static str],
    resource: ResourceKind,
    doc: &'static str,
) -> ActionSpec {
    ActionSpec { name, parents, resource, family: &MCP, doc }
}
