//! gRPC calls.

use super::{ActionGroup, ActionSpec, AttributeKind, Family, ResourceKind, required};

/// Attributes of these commands.
pub(super) static GRPC: Family = Family {
    name: "grpc",
    attributes: &[required("service", AttributeKind::Text, "The full name of the service.")],
};

/// The groups of these actions.
pub(super) static GROUPS: &[ActionGroup] = &[];

/// The actions.
pub(super) static ACTIONS: &[ActionSpec] = &[grpc("grpc:call", &["write"], "Calls a method.")];

const fn grpc(
    name: &'static str,
    parents: &'static [&'static str],
    doc: &'static str,
) -> ActionSpec {
    ActionSpec { name, parents, resource: ResourceKind::GrpcMethod, family: &GRPC, doc }
}
