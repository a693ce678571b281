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
            "The JSON-RPC method; `response` for an answer to the server, `GET` and `DELETE` for a request without a message.",
        ),
        optional(
            "protocol_version",
            AttributeKind::Text,
            "The revision of the protocol: in `initialize` the one that the client offers, absent when the request does not say it.",
        ),
        optional("server", AttributeKind::Text, "The server, as the configuration calls it."),
        optional("tool", AttributeKind::Text, "The tool that is called."),
        optional("prompt", AttributeKind::Text, "The prompt that is asked for or completed."),
        optional("arguments", AttributeKind::Fields, "The arguments of the tool or prompt."),
        optional(
            "task",
            AttributeKind::Bool,
            "True when the tool is to run as a task, whose result is fetched later; absent otherwise.",
        ),
        optional("task_id", AttributeKind::Text, "The task that is asked about or cancelled."),
        optional(
            "uri",
            AttributeKind::Text,
            "The URI of the resource in the normal form of RFC 3986; of a completion the URI template as it is written.",
        ),
        optional("uri_scheme", AttributeKind::Text, "The URI's scheme in lower case."),
        optional(
            "uri_host",
            AttributeKind::Text,
            "The URI's host decoded and in lower case, without its port; absent when it has none.",
        ),
        optional(
            "uri_path",
            AttributeKind::Text,
            "The URI's path with its escapes decoded; it has no segments of dots.",
        ),
        optional(
            "listens_to",
            AttributeKind::TextSet,
            "What `subscriptions/listen` asks for, such as `toolsListChanged`.",
        ),
        optional(
            "answers",
            AttributeKind::TextSet,
            "What the client answers to the server, also along with a request that it sends again: `elicitation`, `sampling`, `roots`, `error` or `other`.",
        ),
        optional(
            "elicited",
            AttributeKind::Fields,
            "What a user entered for the server; by the keys of the server where a request brings several answers.",
        ),
        optional(
            "id",
            AttributeKind::Carried,
            "The JSON-RPC id, which the answer repeats; absent in notifications.",
        ),
        optional("batch", AttributeKind::Bool, "`true` where the request came in a batch."),
        optional(
            "params_sha256",
            AttributeKind::Carried,
            "The digest of the parameters without `arguments`, progress token and trace context: an approval is bound to it and to the attributes.",
        ),
    ],
};

/// The groups of these actions.
pub(super) static GROUPS: &[ActionGroup] = &[
    group("mcp:session", &["read"], "What MCP needs before it does anything."),
    group("mcp:read", &["read"], "MCP requests that read."),
    group(
        "mcp:server_requests",
        &[],
        "What an MCP server asks of the agent: neither `read` nor `write` of the service.",
    ),
];

/// The actions.
pub(super) static ACTIONS: &[ActionSpec] = &[
    session("mcp:initialize", "initialize: opens a session (until 2025-11-25)."),
    session("mcp:server/discover", "server/discover: what the server can do (2026-07-28)."),
    session("mcp:ping", "ping (until 2025-11-25)."),
    session("mcp:notification", "A notification of the client that is known by name."),
    session("mcp:response", "The client's answer to a request of the server."),
    session("mcp:stream", "GET: listens to the server's messages."),
    session("mcp:session/end", "DELETE: ends the session."),
    session("mcp:logging/setLevel", "logging/setLevel (until 2025-11-25)."),
    read("mcp:completion/complete", ResourceKind::Path, "completion/complete."),
    read("mcp:tools/list", ResourceKind::Path, "tools/list."),
    read("mcp:prompts/list", ResourceKind::Path, "prompts/list."),
    read("mcp:prompts/get", ResourceKind::Prompt, "prompts/get."),
    read("mcp:resources/list", ResourceKind::Path, "resources/list."),
    read("mcp:resources/templates/list", ResourceKind::Path, "resources/templates/list."),
    read("mcp:resources/read", ResourceKind::McpResource, "resources/read."),
    read(
        "mcp:resources/subscribe",
        ResourceKind::McpResource,
        "resources/subscribe, and each resource that subscriptions/listen names.",
    ),
    read("mcp:resources/unsubscribe", ResourceKind::McpResource, "resources/unsubscribe."),
    read(
        "mcp:subscriptions/listen",
        ResourceKind::Path,
        "subscriptions/listen: a stream of changes (2026-07-28).",
    ),
    read("mcp:tasks/get", ResourceKind::Path, "tasks/get (since 2025-11-25)."),
    read("mcp:tasks/result", ResourceKind::Path, "tasks/result (2025-11-25)."),
    read("mcp:tasks/list", ResourceKind::Path, "tasks/list (2025-11-25)."),
    write("mcp:tasks/cancel", ResourceKind::Path, "tasks/cancel (since 2025-11-25)."),
    write(
        "mcp:tasks/update",
        ResourceKind::Path,
        "tasks/update: gives a task the input that it waits for (2026-07-28).",
    ),
    write(
        "mcp:tools/call",
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

const fn session(name: &'static str, doc: &'static str) -> ActionSpec {
    mcp(name, &["mcp:session"], ResourceKind::Path, doc)
}

const fn read(name: &'static str, resource: ResourceKind, doc: &'static str) -> ActionSpec {
    mcp(name, &["mcp:read"], resource, doc)
}

const fn write(name: &'static str, resource: ResourceKind, doc: &'static str) -> ActionSpec {
    mcp(name, &["write"], resource, doc)
}

const fn mcp(
    name: &'static str,
    parents: &'static [&'static str],
    resource: ResourceKind,
    doc: &'static str,
) -> ActionSpec {
    ActionSpec { name, parents, resource, family: &MCP, doc }
}
