//! The one table of actions, resources and attributes.
//!
//! Facts can only hold what stands here; the server generates its Cedar schema
//! from it, so a policy can only ask for what a fact can say.

/// A set of actions that policies can name together, such as `sql:write`.
#[derive(Debug)]
pub struct ActionGroup {
    /// Its name.
    pub name: &'static str,
    /// The groups it is in.
    pub parents: &'static [&'static str],
    /// What it means, for the documentation.
    pub doc: &'static str,
}

/// One action.
#[derive(Debug)]
pub struct ActionSpec {
    /// Its name, `<family>:<verb>`.
    pub name: &'static str,
    /// The groups it is in.
    pub parents: &'static [&'static str],
    /// What it acts on, besides the service as a whole.
    pub resource: ResourceKind,
    /// The attributes that its commands carry.
    pub family: &'static Family,
    /// What it means, for the documentation.
    pub doc: &'static str,
}

/// The kinds of resource inside a service: Cedar entity types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ResourceKind {
    /// A normalised request path.
    Path,
    /// A table, named in the SQL text, its name folded as the database folds it.
    Table,
    /// An MCP tool.
    Tool,
    /// An MCP prompt.
    Prompt,
    /// An MCP resource, by URI.
    McpResource,
}

impl ResourceKind {
    /// Every kind.
    pub const ALL: [Self; 5] =
        [Self::Path, Self::Table, Self::Tool, Self::Prompt, Self::McpResource];

    /// The Cedar entity type.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Path => "Path",
            Self::Table => "Table",
            Self::Tool => "Tool",
            Self::Prompt => "Prompt",
            Self::McpResource => "McpResource",
        }
    }
}

/// Attributes that a family of actions shares; in policy they stand under
/// `context.<name>`.
#[derive(Debug)]
pub struct Family {
    /// The name under `context`.
    pub name: &'static str,
    /// Its attributes.
    pub attributes: &'static [AttributeSpec],
}

/// One attribute.
#[derive(Debug)]
pub struct AttributeSpec {
    /// Its name.
    pub name: &'static str,
    /// The type of its value.
    pub kind: AttributeKind,
    /// Whether every command of the family has it.
    pub required: bool,
    /// What it means, for the documentation.
    pub doc: &'static str,
}

/// The types of attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttributeKind {
    /// JSON true or false; Cedar `Bool`.
    Bool,
    /// A JSON integer; Cedar `Long`.
    Long,
    /// A JSON string; Cedar `String`.
    Text,
    /// A JSON array of strings, sorted and without repeats; Cedar `Set<String>`.
    TextSet,
    /// A JSON object of any shape; Cedar `Fields`, an entity whose tags are the
    /// scalars in it as text, by their path (`id`, `address/city`, `items/0`; `/` and
    /// `~` in a name are written `~1` and `~0`). Numbers are as RFC 8785 writes them,
    /// so `7` and `7.0` are both `"7"`; true, false and null are by those names.
    Fields,
    /// Any JSON, carried for the answer and the action's digest; not in policy.
    Carried,
}

/// Attributes of plain HTTP and JSON commands.
pub static HTTP: Family = Family {
    name: "http",
    attributes: &[
        required("method", AttributeKind::Text, "The request method, in upper case."),
        required("path", AttributeKind::Text, "The path without its query."),
        optional(
            "fields",
            AttributeKind::Fields,
            "The JSON fields that the route names, by those names.",
        ),
    ],
};

/// Attributes of SQL commands.
pub static SQL: Family = Family {
    name: "sql",
    attributes: &[
        required(
            "has_where",
            AttributeKind::Bool,
            "Whether every UPDATE and DELETE, or without one every SELECT from a table, has a WHERE \
             that depends on the row and is not plainly always true.",
        ),
        required("tables_read", AttributeKind::TextSet, "Every table that the statement reads."),
        required(
            "tables_written",
            AttributeKind::TextSet,
            "Every table that the statement writes.",
        ),
        required(
            "functions",
            AttributeKind::TextSet,
            "Every function that the statement calls, in lower case.",
        ),
        required("statements", AttributeKind::Long, "How many statements the text has."),
    ],
};

/// Attributes of MCP commands.
pub static MCP: Family = Family {
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

/// Attributes of a token exchange.
pub static EXCHANGE: Family = Family {
    name: "exchange",
    attributes: &[
        required("audiences", AttributeKind::TextSet, "Whom the new token is for."),
        required("scopes", AttributeKind::TextSet, "The scopes that it states."),
        required("lifetime", AttributeKind::Long, "How many seconds it lives."),
        required("bound", AttributeKind::Bool, "Whether it is bound to a key of the actor."),
    ],
};

/// Every group.
pub static GROUPS: &[ActionGroup] = &[
    group("read", &[], "Looks and changes nothing."),
    group("write", &[], "Changes something."),
    group("sql:read", &["read"], "SQL that reads."),
    group("sql:write", &["write"], "SQL that changes data or structure."),
    group("sql:destructive", &["sql:write"], "SQL that removes structure or whole tables."),
    group(
        "sql:admin",
        &["sql:write"],
        "SQL that changes rights, runs procedures or does what no other action covers.",
    ),
    group("mcp:session", &["read"], "What every MCP session needs before it does anything."),
    group("mcp:read", &["read"], "MCP requests that read."),
];

/// Every action.
pub static ACTIONS: &[ActionSpec] = &[
    http("http:get", &["read"], "GET."),
    http("http:head", &["read"], "HEAD."),
    http("http:options", &["read"], "OPTIONS."),
    http("http:post", &["write"], "POST."),
    http("http:put", &["write"], "PUT."),
    http("http:patch", &["write"], "PATCH."),
    http("http:delete", &["write"], "DELETE."),
    http("http:other", &["write"], "Any other method."),
    sql("sql:select", &["sql:read"], "SELECT, VALUES, TABLE."),
    sql("sql:explain", &["sql:read"], "EXPLAIN that does not execute, SHOW, DESCRIBE."),
    sql("sql:insert", &["sql:write"], "INSERT, REPLACE."),
    sql(
        "sql:update",
        &["sql:write"],
        "UPDATE; besides `sql:insert`, REPLACE and an INSERT that updates on conflict.",
    ),
    sql("sql:delete", &["sql:write"], "DELETE."),
    sql("sql:merge", &["sql:write"], "MERGE."),
    sql(
        "sql:create",
        &["sql:write"],
        "CREATE of tables, views, indexes, schemas, sequences and types, and SELECT INTO.",
    ),
    sql("sql:copy", &["sql:admin"], "COPY, LOAD DATA, UNLOAD, EXPORT."),
    sql("sql:call", &["sql:admin"], "CALL, EXECUTE, PREPARE."),
    sql("sql:grant", &["sql:admin"], "GRANT, REVOKE, roles and users."),
    sql("sql:set", &["sql:admin"], "SET, PRAGMA, USE and other session settings."),
    sql("sql:transaction", &["sql:read"], "BEGIN, COMMIT, ROLLBACK, SAVEPOINT."),
    sql("sql:alter", &["sql:destructive"], "ALTER, RENAME."),
    sql("sql:drop", &["sql:destructive"], "DROP."),
    sql("sql:truncate", &["sql:destructive"], "TRUNCATE."),
    SQL_OTHER_SPEC,
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
    ActionSpec {
        name: "token:exchange",
        // In no group: who may read or write may not thereby hand that on.
        parents: &[],
        resource: ResourceKind::Path,
        family: &EXCHANGE,
        doc: "A token for the service is made, for the actor at the end of the chain.",
    },
];

const SQL_OTHER_SPEC: ActionSpec =
    sql("sql:other", &["sql:admin"], "A statement that parses and that no other action covers.");

/// The row of `sql:other`.
pub(crate) static SQL_OTHER: ActionSpec = SQL_OTHER_SPEC;

/// The action of that name.
pub fn action(name: &str) -> Option<&'static ActionSpec> {
    ACTIONS.iter().find(|spec| spec.name == name)
}

const fn required(name: &'static str, kind: AttributeKind, doc: &'static str) -> AttributeSpec {
    AttributeSpec { name, kind, required: true, doc }
}

const fn optional(name: &'static str, kind: AttributeKind, doc: &'static str) -> AttributeSpec {
    AttributeSpec { name, kind, required: false, doc }
}

const fn group(
    name: &'static str,
    parents: &'static [&'static str],
    doc: &'static str,
) -> ActionGroup {
    ActionGroup { name, parents, doc }
}

const fn http(
    name: &'static str,
    parents: &'static [&'static str],
    doc: &'static str,
) -> ActionSpec {
    ActionSpec { name, parents, resource: ResourceKind::Path, family: &HTTP, doc }
}

const fn sql(
    name: &'static str,
    parents: &'static [&'static str],
    doc: &'static str,
) -> ActionSpec {
    ActionSpec { name, parents, resource: ResourceKind::Table, family: &SQL, doc }
}

const fn mcp(
    name: &'static str,
    parents: &'static [&'static str],
    resource: ResourceKind,
    doc: &'static str,
) -> ActionSpec {
    ActionSpec { name, parents, resource, family: &MCP, doc }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn every_name_is_unique_and_every_parent_is_a_group() {
        let groups: BTreeSet<_> = GROUPS.iter().map(|group| group.name).collect();
        assert_eq!(groups.len(), GROUPS.len());
        let names: BTreeSet<_> = ACTIONS.iter().map(|action| action.name).collect();
        assert_eq!(names.len(), ACTIONS.len());
        assert!(names.is_disjoint(&groups));
        let parents = GROUPS
            .iter()
            .flat_map(|group| group.parents)
            .chain(ACTIONS.iter().flat_map(|action| action.parents));
        for parent in parents {
            assert!(groups.contains(parent), "{parent} is not a group");
        }
    }
}
