//! The one table of actions, resources and attributes.
//!
//! Facts can only hold what stands here; the server generates its Cedar schema
//! from it, so a policy can only ask for what a fact can say.

mod a2a;
mod elasticsearch;
mod exchange;
mod graphql;
mod grpc;
mod http;
mod kubernetes;
mod mcp;
mod shell;
mod sql;

pub(crate) use self::shell::{SHELL_ASSIGN, SHELL_EXEC, SHELL_REDIRECT};
pub(crate) use self::sql::SQL_OTHER;

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
    /// A skill of an A2A agent.
    Skill,
    /// A program that a shell runs, by its name without a folder.
    Program,
    /// A top-level field of a GraphQL operation.
    GraphqlField,
    /// A kind of Kubernetes object: `pods`, `apps/deployments`, with its subresource.
    KubernetesResource,
    /// A gRPC method: `package.Service/Method`.
    GrpcMethod,
    /// An index, alias or data stream, or a pattern of them.
    Index,
}

impl ResourceKind {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::Path,
        Self::Table,
        Self::Tool,
        Self::Prompt,
        Self::McpResource,
        Self::Skill,
        Self::Program,
        Self::GraphqlField,
        Self::KubernetesResource,
        Self::GrpcMethod,
        Self::Index,
    ];

    /// The Cedar entity type.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Path => "Path",
            Self::Table => "Table",
            Self::Tool => "Tool",
            Self::Prompt => "Prompt",
            Self::McpResource => "McpResource",
            Self::Skill => "Skill",
            Self::Program => "Program",
            Self::GraphqlField => "GraphqlField",
            Self::KubernetesResource => "KubernetesResource",
            Self::GrpcMethod => "GrpcMethod",
            Self::Index => "Index",
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

/// What one family of protocols can say.
#[derive(Debug)]
pub struct Vocabulary {
    /// The attributes of its commands.
    pub family: &'static Family,
    /// The groups that its actions are in, besides `read` and `write`.
    pub groups: &'static [ActionGroup],
    /// Its actions.
    pub actions: &'static [ActionSpec],
}

/// The whole of it: one row a family.
pub static VOCABULARY: &[Vocabulary] = &[
    Vocabulary { family: &http::HTTP, groups: http::GROUPS, actions: http::ACTIONS },
    Vocabulary { family: &mcp::MCP, groups: mcp::GROUPS, actions: mcp::ACTIONS },
    Vocabulary { family: &a2a::A2A, groups: a2a::GROUPS, actions: a2a::ACTIONS },
    Vocabulary { family: &sql::SQL, groups: sql::GROUPS, actions: sql::ACTIONS },
    Vocabulary { family: &shell::SHELL, groups: shell::GROUPS, actions: shell::ACTIONS },
    Vocabulary { family: &graphql::GRAPHQL, groups: graphql::GROUPS, actions: graphql::ACTIONS },
    Vocabulary {
        family: &kubernetes::KUBERNETES,
        groups: kubernetes::GROUPS,
        actions: kubernetes::ACTIONS,
    },
    Vocabulary { family: &grpc::GRPC, groups: grpc::GROUPS, actions: grpc::ACTIONS },
    Vocabulary {
        family: &elasticsearch::ELASTICSEARCH,
        groups: elasticsearch::GROUPS,
        actions: elasticsearch::ACTIONS,
    },
    Vocabulary {
        family: &exchange::EXCHANGE,
        groups: exchange::GROUPS,
        actions: exchange::ACTIONS,
    },
];

/// The groups of every family.
static GROUPS: &[ActionGroup] =
    &[group("read", &[], "Looks and changes nothing."), group("write", &[], "Changes something.")];

/// Every group.
pub fn groups() -> impl Iterator<Item = &'static ActionGroup> {
    GROUPS.iter().chain(VOCABULARY.iter().flat_map(|part| part.groups))
}

/// Every action.
pub fn actions() -> impl Iterator<Item = &'static ActionSpec> {
    VOCABULARY.iter().flat_map(|part| part.actions)
}

/// The action of that name. What stands before the colon is the same for all actions of
/// a family, and another one in each (a test holds that): one family is looked through.
pub fn action(name: &str) -> Option<&'static ActionSpec> {
    let family = |name: &'static str| name.split_once(':').map(|(family, _)| family);
    let (wanted, _) = name.split_once(':')?;
    let mut parts = VOCABULARY.iter();
    let part = parts.find(|part| part.actions.first().and_then(|a| family(a.name)) == Some(wanted));
    part?.actions.iter().find(|spec| spec.name == name)
}

/// The texts for people are in the server; the filter is loaded without them.
const fn for_people(doc: &'static str) -> &'static str {
    if cfg!(target_family = "wasm") { "" } else { doc }
}

const fn required(name: &'static str, kind: AttributeKind, doc: &'static str) -> AttributeSpec {
    AttributeSpec { name, kind, required: true, doc: for_people(doc) }
}

const fn optional(name: &'static str, kind: AttributeKind, doc: &'static str) -> AttributeSpec {
    AttributeSpec { name, kind, required: false, doc: for_people(doc) }
}

const fn group(
    name: &'static str,
    parents: &'static [&'static str],
    doc: &'static str,
) -> ActionGroup {
    ActionGroup { name, parents, doc: for_people(doc) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn every_name_is_unique_and_every_parent_is_a_group() {
        let names: BTreeSet<_> = groups().map(|group| group.name).collect();
        assert_eq!(names.len(), groups().count());
        let acts: BTreeSet<_> = actions().map(|action| action.name).collect();
        assert_eq!(acts.len(), actions().count());
        assert!(acts.is_disjoint(&names));
        let parents = groups()
            .flat_map(|group| group.parents)
            .chain(actions().flat_map(|action| action.parents));
        for parent in parents {
            assert!(names.contains(parent), "{parent} is not a group");
        }
    }

    #[test]
    fn an_action_is_found_by_its_name() {
        for spec in actions() {
            assert!(
                action(spec.name).is_some_and(|found| found.name == spec.name),
                "{}",
                spec.name
            );
        }
        for none in ["", "mcp", "mcp:", "mcp:nothing", "nothing:select", ":select"] {
            assert!(action(none).is_none(), "{none}");
        }
    }
}
