//! GraphQL operations.

use super::{ActionGroup, ActionSpec, AttributeKind, Family, ResourceKind, required};

/// Attributes of these commands.
pub(super) static GRAPHQL: Family = Family {
    name: "graphql",
    attributes: &[required("depth", AttributeKind::Long, "How deep the selection nests.")],
};

/// The groups of these actions.
pub(super) static GROUPS: &[ActionGroup] = &[];

/// The actions.
pub(super) static ACTIONS: &[ActionSpec] = &[
    graphql("graphql:query", &["read"], "query."),
    graphql("graphql:mutation", &["write"], "mutation."),
    graphql("graphql:subscription", &["read"], "subscription."),
];

const fn graphql(
    name: &'static str,
    parents: &'static [&'static str],
    doc: &'static str,
) -> ActionSpec {
    ActionSpec { name, parents, resource: ResourceKind::GraphqlField, family: &GRAPHQL, doc }
}
