//! Agent2Agent messages.

use super::{ActionGroup, ActionSpec, AttributeKind, Family, ResourceKind, required};

/// Attributes of these commands.
pub(super) static A2A: Family = Family {
    name: "a2a",
    attributes: &[required("method", AttributeKind::Text, "The JSON-RPC method.")],
};

/// The groups of these actions.
pub(super) static GROUPS: &[ActionGroup] = &[];

/// The actions.
pub(super) static ACTIONS: &[ActionSpec] = &[a2a("a2a:message/send", &["write"], "message/send.")];

const fn a2a(
    name: &'static str,
    parents: &'static [&'static str],
    doc: &'static str,
) -> ActionSpec {
    ActionSpec { name, parents, resource: ResourceKind::Skill, family: &A2A, doc }
}
