//! Plain HTTP, JSON, forms: the method and the path, and the fields that the route names.

use super::{ActionGroup, ActionSpec, AttributeKind, Family, ResourceKind, optional, required};

/// Attributes of plain HTTP and JSON commands.
pub(super) static HTTP: Family = Family {
    name: "http",
    attributes: &[
        required("method", AttributeKind::Text, "The request method, in upper case."),
        required(
            "path",
            AttributeKind::Text,
            "The path without its query, decoded, whatever the resource is.",
        ),
        optional(
            "template",
            AttributeKind::Text,
            "The path of the configuration with named segments that the path is one of; it is the resource then.",
        ),
        optional(
            "segments",
            AttributeKind::Fields,
            "The named segments of that path, by their names; one for the rest holds its slashes.",
        ),
        optional(
            "query",
            AttributeKind::Fields,
            "The parameters of the query, decoded: `id`, or `id/0` and `id/1` if it is there twice. Absent when there is no query, or when it is unclear.",
        ),
        optional(
            "query_unclear",
            AttributeKind::Bool,
            "True when the query can be read in more than one way, or is longer than 4 KiB.",
        ),
        optional(
            "fields",
            AttributeKind::Fields,
            "The fields of the JSON document or the form that the route names, by those names.",
        ),
        optional("files", AttributeKind::TextSet, "The names of the files in a multipart form."),
        optional(
            "file_types",
            AttributeKind::TextSet,
            "The media types that the files say they have, `text/plain` where they say none.",
        ),
    ],
};

/// The groups of these actions.
pub(super) static GROUPS: &[ActionGroup] = &[];

/// The actions.
pub(super) static ACTIONS: &[ActionSpec] = &[
    http("http:get", &["read"], "GET."),
    http("http:head", &["read"], "HEAD."),
    http("http:options", &["read"], "OPTIONS."),
    http("http:post", &["write"], "POST."),
    http("http:put", &["write"], "PUT."),
    http("http:patch", &["write"], "PATCH."),
    http("http:delete", &["write"], "DELETE."),
    http(
        "http:upgrade",
        &["write"],
        "A request for a tunnel or another protocol, whose contents are not read.",
    ),
    http("http:other", &["write"], "Any other method."),
];

const fn http(
    name: &'static str,
    parents: &'static [&'static str],
    doc: &'static str,
) -> ActionSpec {
    ActionSpec { name, parents, resource: ResourceKind::Path, family: &HTTP, doc }
}
