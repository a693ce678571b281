//! Where the values are that a route names.

use serde::{Deserialize, Serialize};

use super::JsonPointer;
use crate::json::path::Path;

/// Where a value is in a JSON document: an RFC 6901 pointer (`/address/city`), or an
/// RFC 9535 path that may mean several (`$.items[*].id`, `$..email`), of which there are
/// names, indexes, wildcards and descendants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "String"))]
#[serde(try_from = "String", into = "String")]
pub enum FieldPath {
    /// One value.
    Pointer(JsonPointer),
    /// One value or several.
    Query(Path),
}

impl FieldPath {
    /// The depth of the shallowest value that it can mean; the document itself is 0.
    pub fn depth(&self) -> usize {
        match self {
            Self::Pointer(pointer) => pointer.as_str().split('/').count().saturating_sub(1),
            Self::Query(path) => path.depth(),
        }
    }
}

impl TryFrom<String> for FieldPath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.starts_with('$') {
            Path::parse(&text).map(Self::Query).map_err(|error| error.to_string())
        } else {
            JsonPointer::try_from(text).map(Self::Pointer).map_err(|error| error.to_string())
        }
    }
}

impl From<FieldPath> for String {
    fn from(field: FieldPath) -> Self {
        match field {
            FieldPath::Pointer(pointer) => pointer.into(),
            FieldPath::Query(path) => path.text().to_owned(),
        }
    }
}
