//! Shell command lines.

use super::{ActionGroup, ActionSpec, AttributeKind, Family, ResourceKind, required};

/// Attributes of these commands.
pub(super) static SHELL: Family = Family {
    name: "shell",
    attributes: &[required("program", AttributeKind::Text, "The program, without its folder.")],
};

/// The groups of these actions.
pub(super) static GROUPS: &[ActionGroup] = &[];

/// The actions.
pub(super) static ACTIONS: &[ActionSpec] = &[shell("shell:exec", &["write"], "Runs a program.")];

const fn shell(
    name: &'static str,
    parents: &'static [&'static str],
    doc: &'static str,
) -> ActionSpec {
    ActionSpec { name, parents, resource: ResourceKind::Program, family: &SHELL, doc }
}
