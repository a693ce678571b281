//! Token exchange.

use super::{ActionGroup, ActionSpec, AttributeKind, Family, ResourceKind, required};

/// Attributes of a token exchange.
pub(super) static EXCHANGE: Family = Family {
    name: "exchange",
    attributes: &[
        required("audiences", AttributeKind::TextSet, "Whom the new token is for."),
        required("scopes", AttributeKind::TextSet, "The scopes that it states."),
        required("lifetime", AttributeKind::Long, "How many seconds it lives."),
        required("bound", AttributeKind::Bool, "Whether it is bound to a key of the actor."),
    ],
};

/// The groups of these actions.
pub(super) static GROUPS: &[ActionGroup] = &[];

/// The actions.
pub(super) static ACTIONS: &[ActionSpec] = &[ActionSpec {
    name: "token:exchange",
    // In no group: who may read or write may not thereby hand that on.
    parents: &[],
    resource: ResourceKind::Path,
    family: &EXCHANGE,
    doc: "A token for the service is made, for the actor at the end of the chain.",
}];
