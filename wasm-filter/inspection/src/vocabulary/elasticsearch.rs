//! The Elasticsearch and OpenSearch REST API.

use super::{ActionGroup, ActionSpec, AttributeKind, Family, ResourceKind, required};

/// Attributes of these commands.
pub(super) static ELASTICSEARCH: Family = Family {
    name: "es",
    attributes: &[required("method", AttributeKind::Text, "The request method.")],
};

/// The groups of these actions.
pub(super) static GROUPS: &[ActionGroup] = &[];

/// The actions.
pub(super) static ACTIONS: &[ActionSpec] = &[es("es:search", &["read"], "Searches.")];

const fn es(name: &'static str, parents: &'static [&'static str], doc: &'static str) -> ActionSpec {
    ActionSpec { name, parents, resource: ResourceKind::Index, family: &ELASTICSEARCH, doc }
}
