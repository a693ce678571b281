//! How gRPC is read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How gRPC is read. Without `descriptors`, methods are known by their paths only; a
/// policy that forbids one should have them, since there are servers (ASP.NET's) to
/// which `/acme.Orders/cancel` is `/acme.Orders/Cancel`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GrpcPlan {
    /// A file with the services and messages: a `FileDescriptorSet`, which `buf build`
    /// and `protoc --include_imports --descriptor_set_out` write. Relative to the
    /// configuration file. Methods that are not in it are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub descriptors: Option<String>,
    /// Methods (`acme.Orders/Cancel`, `acme.Orders/*` or `*`) to attribute names, and
    /// those to the paths of fields in the request: `order.id`. The values of a
    /// repeated field are a list, and so are those below one; after a map comes a key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, BTreeMap<String, String>>,
    /// What the server makes of `descriptors`; not to be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub schema: Option<GrpcSchema>,
}

impl GrpcPlan {
    /// The attribute names and field paths of a method.
    pub fn fields_of<'p>(&'p self, method: &'p str) -> impl Iterator<Item = (&'p str, &'p str)> {
        let of_method = |(pattern, _): &(&String, _)| grpc_concerns(pattern, method);
        let fields = self.fields.iter().filter(of_method).flat_map(|(_, fields)| fields);
        fields.map(|(name, path)| (name.as_str(), path.as_str()))
    }
}

/// Whether `pattern` stands for `method`, `package.Service/Method`.
pub fn grpc_concerns(pattern: &str, method: &str) -> bool {
    match pattern.strip_suffix('*') {
        None => pattern == method,
        Some("") => true,
        Some(service) => service.ends_with('/') && method.starts_with(service),
    }
}

/// What of a descriptor set is needed to read messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrpcSchema {
    /// Methods by `package.Service/Method`.
    pub methods: BTreeMap<String, GrpcMethod>,
    /// The types of messages; others name them by their places.
    pub messages: Vec<Vec<GrpcField>>,
    /// The enums: numbers to names.
    pub enums: Vec<BTreeMap<i32, String>>,
}

impl GrpcSchema {
    /// The key of a map's entries.
    pub fn map_key(&self, map: &GrpcField) -> Option<&GrpcField> {
        self.field_numbered(map.kind, 1)
    }

    /// The value of a map's entries.
    pub fn map_value(&self, map: &GrpcField) -> Option<&GrpcField> {
        self.field_numbered(map.kind, 2)
    }

    fn field_numbered(&self, kind: GrpcKind, number: u32) -> Option<&GrpcField> {
        let GrpcKind::Message(index) = kind else { return None };
        self.messages.get(index)?.iter().find(|field| field.number == number)
    }
}

/// A method.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrpcMethod {
    /// The type of its requests.
    pub input: GrpcKind,
    /// The type of its answers.
    pub output: GrpcKind,
    /// Whether a call has any number of requests.
    #[serde(default, skip_serializing_if = "is_false")]
    pub client_streaming: bool,
}

/// A field of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrpcField {
    /// Its number.
    pub number: u32,
    /// Its name, as in the `.proto` file.
    pub name: String,
    /// What it holds.
    pub kind: GrpcKind,
    /// How often it is there.
    #[serde(default, skip_serializing_if = "GrpcLabel::is_singular")]
    pub label: GrpcLabel,
    /// Which group of fields it is of, one of which is there at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oneof: Option<u32>,
    /// Whether its option `debug_redact` is set: its value is not to be shown.
    #[serde(default, skip_serializing_if = "is_false")]
    pub redact: bool,
}

/// How often a field is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GrpcLabel {
    /// Once or not at all.
    #[default]
    Singular,
    /// Once; not being there means its default value, as in proto3.
    Implicit,
    /// Any number of times.
    Repeated,
    /// Any number of times, as the entries of a map.
    Map,
}

impl GrpcLabel {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
    const fn is_singular(&self) -> bool {
        matches!(self, Self::Singular)
    }
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum GrpcKind {
    Double,
    Float,
    Int64,
    Uint64,
    Int32,
    Fixed64,
    Fixed32,
    Bool,
    String,
    Bytes,
    Uint32,
    Sfixed32,
    Sfixed64,
    Sint32,
    Sint64,
    /// An enum, by its place.
    Enum(usize),
    /// A message, by its place.
    Message(usize),
    /// A message of a type that nothing is to be read of.
    Opaque,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}
