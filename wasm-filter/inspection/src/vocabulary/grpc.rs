//! gRPC calls.

use super::{ActionGroup, ActionSpec, AttributeKind, Family, ResourceKind, optional, required};

/// Attributes of these commands.
pub(super) static GRPC: Family = Family {
    name: "grpc",
    attributes: &[
        required("service", AttributeKind::Text, "The full name of the service."),
        required("method", AttributeKind::Text, "The name of the method."),
        required(
            "messages",
            AttributeKind::Long,
            "How many messages the call has; each is a command, if descriptors are configured.",
        ),
        optional(
            "fields",
            AttributeKind::Fields,
            "The fields of the message that the route names, by those names.",
        ),
        optional(
            "unknown_fields",
            AttributeKind::Long,
            "How many fields of the message, at any depth, are not in the descriptors.",
        ),
    ],
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
