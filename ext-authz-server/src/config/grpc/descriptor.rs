//! What is read of `google/protobuf/descriptor.proto`. The types of `prost-types` are
//! of a time before `debug_redact` and editions.

use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub(super) struct FileDescriptorSet {
    #[prost(message, repeated, tag = "1")]
    pub(super) file: Vec<FileDescriptorProto>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct FileDescriptorProto {
    #[prost(string, tag = "2")]
    pub(super) package: String,
    #[prost(message, repeated, tag = "4")]
    pub(super) message_type: Vec<DescriptorProto>,
    #[prost(message, repeated, tag = "5")]
    pub(super) enum_type: Vec<EnumDescriptorProto>,
    #[prost(message, repeated, tag = "6")]
    pub(super) service: Vec<ServiceDescriptorProto>,
    #[prost(message, optional, tag = "8")]
    pub(super) options: Option<FileOptions>,
    /// `proto2` when it is empty.
    #[prost(string, tag = "12")]
    pub(super) syntax: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct DescriptorProto {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) field: Vec<FieldDescriptorProto>,
    #[prost(message, repeated, tag = "3")]
    pub(super) nested_type: Vec<DescriptorProto>,
    #[prost(message, repeated, tag = "4")]
    pub(super) enum_type: Vec<EnumDescriptorProto>,
    #[prost(message, optional, tag = "7")]
    pub(super) options: Option<MessageOptions>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct FieldDescriptorProto {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(int32, tag = "3")]
    pub(super) number: i32,
    /// 3 is repeated.
    #[prost(int32, tag = "4")]
    pub(super) label: i32,
    /// `FieldDescriptorProto.Type`.
    #[prost(int32, tag = "5")]
    pub(super) r#type: i32,
    /// With a dot before it.
    #[prost(string, tag = "6")]
    pub(super) type_name: String,
    #[prost(message, optional, tag = "8")]
    pub(super) options: Option<FieldOptions>,
    #[prost(int32, optional, tag = "9")]
    pub(super) oneof_index: Option<i32>,
    #[prost(bool, tag = "17")]
    pub(super) proto3_optional: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct EnumDescriptorProto {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) value: Vec<EnumValueDescriptorProto>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct EnumValueDescriptorProto {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(int32, tag = "2")]
    pub(super) number: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ServiceDescriptorProto {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) method: Vec<MethodDescriptorProto>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct MethodDescriptorProto {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) input_type: String,
    #[prost(string, tag = "3")]
    pub(super) output_type: String,
    #[prost(bool, tag = "5")]
    pub(super) client_streaming: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct FileOptions {
    #[prost(message, optional, tag = "50")]
    pub(super) features: Option<FeatureSet>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct MessageOptions {
    #[prost(bool, tag = "7")]
    pub(super) map_entry: bool,
    #[prost(message, optional, tag = "12")]
    pub(super) features: Option<FeatureSet>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct FieldOptions {
    #[prost(bool, tag = "16")]
    pub(super) debug_redact: bool,
    #[prost(message, optional, tag = "21")]
    pub(super) features: Option<FeatureSet>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct FeatureSet {
    /// 2 is implicit.
    #[prost(int32, optional, tag = "1")]
    pub(super) field_presence: Option<i32>,
}
