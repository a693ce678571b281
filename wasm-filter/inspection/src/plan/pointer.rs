//! RFC 6901 JSON Pointers.

use serde::{Deserialize, Serialize};

/// An RFC 6901 JSON Pointer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "String"))]
#[serde(try_from = "String", into = "String")]
pub struct JsonPointer(String);

impl JsonPointer {
    /// The pointer as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is not a JSON Pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a JSON Pointer: it is empty or starts with `/`, and `~` is followed by 0 or 1 (RFC 6901)"
)]
pub struct JsonPointerSyntaxError;

impl TryFrom<String> for JsonPointer {
    type Error = JsonPointerSyntaxError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let rooted = text.is_empty() || text.starts_with('/');
        let escaped = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        if rooted && escaped { Ok(Self(text)) } else { Err(JsonPointerSyntaxError) }
    }
}

impl From<JsonPointer> for String {
    fn from(pointer: JsonPointer) -> Self {
        pointer.0
    }
}
