//! The Kubernetes API.

use super::{ActionGroup, ActionSpec, AttributeKind, Family, ResourceKind, required};

/// Attributes of these commands.
pub(super) static KUBERNETES: Family = Family {
    name: "k8s",
    attributes: &[required("verb", AttributeKind::Text, "The verb, as Kubernetes authorizes it.")],
};

/// The groups of these actions.
pub(super) static GROUPS: &[ActionGroup] = &[];

/// The actions.
pub(super) static ACTIONS: &[ActionSpec] = &[k8s("k8s:get", &["read"], "Reads one object.")];

const fn k8s(
    name: &'static str,
    parents: &'static [&'static str],
    doc: &'static str,
) -> ActionSpec {
    ActionSpec {
        name,
        parents,
        resource: ResourceKind::KubernetesResource,
        family: &KUBERNETES,
        doc,
    }
}
