//! Facts: what a request would do, as read from its body.
//!
//! The JSON form is a contract (`chaperone inspect` prints it, the facts header
//! carries it): `{"protocol":…,"commands":[…],"unparsed":null}`.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

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
}

impl Facts {
    /// Facts of a body that was read whole.
    pub fn parsed(protocol: Protocol, commands: Vec<Command>) -> Self {
        Self { protocol, commands, unparsed: None }
    }

    /// Facts of a body that was not read.
    pub fn unparsed(protocol: Protocol, unparsed: Unparsed) -> Self {
        Self { protocol, commands: Vec::new(), unparsed: Some(unparsed) }
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
    /// Model Context Protocol: JSON-RPC 2.0 over HTTP.
    Mcp,
    /// SQL text in an HTTP request.
    Sql,
}

impl Protocol {
    /// The name in configuration, facts and documentation.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Json => "json",
            Self::Mcp => "mcp",
            Self::Sql => "sql",
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

/// Stable codes of what can go wrong with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnparsedCode {
    /// The body is larger than the route's limit.
    BodyTooLarge,
    /// The route needs a body and there is none.
    BodyMissing,
    /// The method is not one that the protocol uses.
    MethodUnexpected,
    /// The content type is not one that the protocol uses.
    ContentTypeUnexpected,
    /// The body is compressed or otherwise encoded.
    EncodingUnsupported,
    /// The charset is not UTF-8.
    CharsetUnsupported,
    /// The bytes are not UTF-8.
    Utf8Invalid,
    /// The body is not well-formed JSON.
    JsonMalformed,
    /// An object has the same key twice.
    JsonDuplicateKey,
    /// A key that matters stands there a second time, spelt in another case.
    JsonKeyAmbiguous,
    /// A number that could only be held as another number.
    JsonNumberInexact,
    /// The document, or the SQL text, nests deeper than the limit.
    TooDeep,
    /// The body is not a JSON-RPC 2.0 message.
    JsonRpcInvalid,
    /// A JSON-RPC batch, which the protocol revision does not have.
    BatchRefused,
    /// A method that is not known.
    MethodUnknown,
    /// The SQL text is not where the configuration says, or not only there.
    SqlMissing,
    /// The SQL text is not of the configured dialect, or a database could read
    /// more into it than we do.
    SqlMalformed,
    /// More commands than the limit.
    TooManyCommands,
    /// The path can be read in more than one way.
    PathAmbiguous,
    /// The facts do not fit the facts header.
    FactsTooLarge,
}

impl UnparsedCode {
    /// The code as facts, answers and audit records have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BodyTooLarge => "body_too_large",
            Self::BodyMissing => "body_missing",
            Self::MethodUnexpected => "method_unexpected",
            Self::ContentTypeUnexpected => "content_type_unexpected",
            Self::EncodingUnsupported => "encoding_unsupported",
            Self::CharsetUnsupported => "charset_unsupported",
            Self::Utf8Invalid => "utf8_invalid",
            Self::JsonMalformed => "json_malformed",
            Self::JsonDuplicateKey => "json_duplicate_key",
            Self::JsonKeyAmbiguous => "json_key_ambiguous",
            Self::JsonNumberInexact => "json_number_inexact",
            Self::TooDeep => "too_deep",
            Self::JsonRpcInvalid => "json_rpc_invalid",
            Self::BatchRefused => "batch_refused",
            Self::MethodUnknown => "method_unknown",
            Self::SqlMissing => "sql_missing",
            Self::SqlMalformed => "sql_malformed",
            Self::TooManyCommands => "too_many_commands",
            Self::PathAmbiguous => "path_ambiguous",
            Self::FactsTooLarge => "facts_too_large",
        }
    }

    /// Every code.
    pub const ALL: [Self; 20] = [
        Self::BodyTooLarge,
        Self::BodyMissing,
        Self::MethodUnexpected,
        Self::ContentTypeUnexpected,
        Self::EncodingUnsupported,
        Self::CharsetUnsupported,
        Self::Utf8Invalid,
        Self::JsonMalformed,
        Self::JsonDuplicateKey,
        Self::JsonKeyAmbiguous,
        Self::JsonNumberInexact,
        Self::TooDeep,
        Self::JsonRpcInvalid,
        Self::BatchRefused,
        Self::MethodUnknown,
        Self::SqlMissing,
        Self::SqlMalformed,
        Self::TooManyCommands,
        Self::PathAmbiguous,
        Self::FactsTooLarge,
    ];
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_code_has_one_name_in_facts_and_elsewhere() {
        for code in UnparsedCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.name());
        }
    }
}
