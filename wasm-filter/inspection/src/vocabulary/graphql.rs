//! GraphQL operations.

use super::{ActionGroup, ActionSpec, AttributeKind, Family, ResourceKind, optional, required};

/// Attributes of these commands.
pub(super) static GRAPHQL: Family = Family {
    name: "graphql",
    attributes: &[
        optional(
            "operation_name",
            AttributeKind::Text,
            "The name of the operation, if it has one.",
        ),
        required(
            "root_fields",
            AttributeKind::TextSet,
            "The names of the fields at the root of the operation, those in fragments \
             included; each is a command too.",
        ),
        required(
            "fields",
            AttributeKind::TextSet,
            "Every field that is selected at and below the command's, by its path from the \
             root without aliases: `user`, `user.orders`, `user.orders.total`. Fragments are \
             put in their places, and what `@skip` or `@include` might leave out is there.",
        ),
        required(
            "arguments",
            AttributeKind::Fields,
            "The arguments of the command's field, with variables replaced by their values, \
             and enum values as text. One whose variable has neither a value nor a default \
             is left out.",
        ),
        required("introspection", AttributeKind::Bool, "The field is `__schema` or `__type`."),
        required(
            "directives",
            AttributeKind::TextSet,
            "The names of the directives that the operation uses, without `@`.",
        ),
        required(
            "depth",
            AttributeKind::Long,
            "How deep the operation's fields nest; 1 when they select nothing further.",
        ),
        required(
            "field_count",
            AttributeKind::Long,
            "How many fields the operation selects, a fragment counted as often as it is used.",
        ),
        required(
            "aliases",
            AttributeKind::Long,
            "How many of these fields have an alias; under one, an answer names a field \
             otherwise, and a field can be asked for many times.",
        ),
        required(
            "batch_size",
            AttributeKind::Long,
            "How many operations the request asks for; 1 unless it is a batch.",
        ),
        required(
            "persisted",
            AttributeKind::Bool,
            "The document is one of the route's `persisted`, sent in full or named by its id.",
        ),
        required(
            "document_sha256",
            AttributeKind::Text,
            "The digest of the document's text: `sha256:` and 64 hex digits.",
        ),
    ],
};

/// The groups of these actions.
pub(super) static GROUPS: &[ActionGroup] = &[];

/// The actions.
pub(super) static ACTIONS: &[ActionSpec] = &[
    graphql("graphql:query", &["read"], "A field of a query."),
    graphql("graphql:mutation", &["write"], "A field of a mutation."),
    graphql("graphql:subscription", &["read"], "A field of a subscription."),
];

const fn graphql(
    name: &'static str,
    parents: &'static [&'static str],
    doc: &'static str,
) -> ActionSpec {
    ActionSpec { name, parents, resource: ResourceKind::GraphqlField, family: &GRAPHQL, doc }
}
