//! Facts: what a request would do, as read from its body.
//!
//! The JSON form is a contract (`chaperone inspect` prints it, the facts header
//! carries it): `{"protocol":…,"commands":[…],"unparsed":null}`.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::detect::DetectorId;
use crate::vocabulary::{self, ActionSpec};

/// What one request would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// The protocol the route is configured for.
    pub protocol: Protocol,
    /// Every command found, in the order of the body.
    pub commands: Vec<Command>,
    /// Why the body could not be read whole; `None` when it could. Commands that
    /// were found before that point are not to be trusted as complete.
    pub unparsed: Option<Unparsed>,
    /// The detectors that found something in the fields that the route names.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub contains: BTreeSet<DetectorId>,
}

impl Facts {
    /// Facts of a body that was read whole.
    pub fn parsed(protocol: Protocol, commands: Vec<Command>) -> Self {
        Self { protocol, commands, unparsed: None, contains: BTreeSet::new() }
    }

    /// Facts of a body that was not read.
    pub fn unparsed(protocol: Protocol, unparsed: Unparsed) -> Self {
        let unparsed = Some(unparsed);
        Self { protocol, commands: Vec::new(), unparsed, contains: BTreeSet::new() }
    }
}

/// The protocols that bodies are inspected for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Method and path alone; no body is read.
    Http,
    /// A JSON document; configured fields become attributes.
    Json,
    /// An `application/x-www-form-urlencoded` body.
    Form,
    /// A `multipart/form-data` body.
    Multipart,
    /// Model Context Protocol: JSON-RPC 2.0 over HTTP.
    Mcp,
    /// Agent2Agent: JSON-RPC 2.0 or REST over HTTP.
    A2a,
    /// SQL text in an HTTP request.
    Sql,
    /// GraphQL over HTTP.
    Graphql,
    /// The Kubernetes API.
    Kubernetes,
    /// The Elasticsearch and OpenSearch REST API.
    Elasticsearch,
    /// gRPC.
    Grpc,
}

impl Protocol {
    /// The name in configuration, facts and documentation.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Json => "json",
            Self::Form => "form",
            Self::Multipart => "multipart",
            Self::Mcp => "mcp",
            Self::A2a => "a2a",
            Self::Sql => "sql",
            Self::Graphql => "graphql",
            Self::Kubernetes => "kubernetes",
            Self::Elasticsearch => "elasticsearch",
            Self::Grpc => "grpc",
        }
    }
}

/// One thing that a request would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// What it does.
    pub action: Action,
    /// What it does it to, within the service: a table, a tool, a path. Empty
    /// when the command has no resource of its own and acts on the service.
    pub resource: String,
    /// What else is known of it, by the names in [`vocabulary`].
    pub attributes: Attributes,
}

/// Attribute names to values; the names and kinds are those of
/// [`vocabulary::Family::attributes`].
pub type Attributes = serde_json::Map<String, Value>;

/// An action of the [`vocabulary`]: an unknown one cannot be made.
#[derive(Clone, Copy)]
pub struct Action(&'static ActionSpec);

impl Action {
    /// The action of that name, such as `sql:delete`; `None` if there is none.
    pub fn named(name: &str) -> Option<Self> {
        vocabulary::action(name).map(Self)
    }

    /// Its name, such as `sql:delete`.
    pub const fn name(self) -> &'static str {
        self.0.name
    }

    /// Its row in the vocabulary.
    pub const fn spec(self) -> &'static ActionSpec {
        self.0
    }

    pub(crate) const fn of(spec: &'static ActionSpec) -> Self {
        Self(spec)
    }
}

impl PartialEq for Action {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for Action {}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }
}

impl Serialize for Action {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name)
    }
}

impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::named(&name).ok_or_else(|| serde::de::Error::custom("unknown action"))
    }
}

/// Why a body could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unparsed {
    /// The stable code.
    pub code: UnparsedCode,
    /// What was wrong and where, for people. It never quotes the body.
    pub detail: String,
}

impl Unparsed {
    /// A reason with its explanation; `detail` must not quote the body.
    pub fn new(code: UnparsedCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)*) => {
        /// Stable codes of what can go wrong with a body.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum UnparsedCode {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $variant,)*
        }

        impl UnparsedCode {
            /// The code as facts, answers and audit records have it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// What it means, for the documentation.
            pub const fn doc(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($doc),+),)*
                }
            }

            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];
        }
    };
}

codes! {
    /// The body is larger than the route's limit.
    BodyTooLarge = "body_too_large",
    /// The route needs a body and there is none.
    BodyMissing = "body_missing",
    /// The method is not one that the protocol uses.
    MethodUnexpected = "method_unexpected",
    /// The content type is not one that the protocol uses.
    ContentTypeUnexpected = "content_type_unexpected",
    /// The body is compressed or otherwise encoded.
    EncodingUnsupported = "encoding_unsupported",
    /// The charset is not UTF-8.
    CharsetUnsupported = "charset_unsupported",
    /// The bytes are not UTF-8.
    Utf8Invalid = "utf8_invalid",
    /// The body is not well-formed JSON.
    JsonMalformed = "json_malformed",
    /// An object has the same key twice.
    JsonDuplicateKey = "json_duplicate_key",
    /// A key that matters stands there a second time, spelt in another case.
    JsonKeyAmbiguous = "json_key_ambiguous",
    /// A number that could only be held as another number.
    JsonNumberInexact = "json_number_inexact",
    /// The document, or the SQL text, nests deeper than the limit.
    TooDeep = "too_deep",
    /// The body is not a JSON-RPC 2.0 message.
    JsonRpcInvalid = "json_rpc_invalid",
    /// A batch, which the protocol revision does not have or the route does not take.
    BatchRefused = "batch_refused",
    /// A method that is not known.
    MethodUnknown = "method_unknown",
    /// The SQL text is not where the configuration says, or not only there.
    SqlMissing = "sql_missing",
    /// The SQL text is not of the configured dialect, or a database could read
    /// more into it than we do.
    SqlMalformed = "sql_malformed",
    /// More commands than the limit.
    TooManyCommands = "too_many_commands",
    /// The path can be read in more than one way.
    PathAmbiguous = "path_ambiguous",
    /// The facts do not fit the facts header.
    FactsTooLarge = "facts_too_large",
    /// A header says another thing than the body, the path or another header.
    HeaderMismatch = "header_mismatch",
    /// A revision of the protocol that is not read.
    ProtocolVersionUnsupported = "protocol_version_unsupported",
    /// The body does not decode by its content encoding.
    EncodingMalformed = "encoding_malformed",
    /// The body decodes to more than the limit.
    ExpandsTooMuch = "expands_too_much",
    /// The form, or the multipart body, is not well-formed or can be read in two ways.
    FormMalformed = "form_malformed",
    /// The document is not GraphQL, or its operation cannot be told.
    GraphqlMalformed = "graphql_malformed",
    /// A persisted query that is not configured.
    QueryUnknown = "query_unknown",
    /// What the shell would run cannot be told from the text.
    ShellUndecidable = "shell_undecidable",
    /// The path is none of the API that the route is configured for.
    EndpointUnknown = "endpoint_unknown",
    /// The body is not framed as gRPC, or a message is not of its type.
    GrpcMalformed = "grpc_malformed",
    /// A method that the descriptor set does not have.
    GrpcMethodUnknown = "grpc_method_unknown",
    /// A field that matters has a value that cannot be what the API takes there.
    FieldMalformed = "field_malformed",
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_code_has_one_name_in_facts_and_elsewhere() {
        for &code in UnparsedCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.name());
        }
    }
}
