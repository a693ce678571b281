//! How documents are read: JSON, forms, and the texts of other languages in them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{FieldPath, JsonPointer, SqlDialect};

/// How a JSON body is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct JsonPlan {
    /// Attribute names to where their values are.
    #[serde(default)]
    pub fields: BTreeMap<String, FieldPath>,
    /// Texts in it that are commands of another language.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub embedded: Vec<EmbeddedPlan>,
}

/// How a form is read, URL-encoded or multipart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FormPlan {
    /// Attribute names to the names of the form's fields. A form that has one of them
    /// twice is not read.
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
    /// Attribute names to the names of fields that may be there any number of times,
    /// such as `tags[]`; the attribute is the list of their values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lists: BTreeMap<String, String>,
}

impl FormPlan {
    /// The names of the form's fields that it reads.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.fields.values().chain(self.lists.values()).map(String::as_str).collect()
    }
}

/// A text in a document that is a command of another language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EmbeddedPlan {
    /// The tool whose arguments hold it (MCP only), `*` for any characters; every
    /// tool when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// Where it is: in the JSON body, or in the arguments of the tool.
    pub at: JsonPointer,
    /// What it is.
    #[serde(rename = "as")]
    pub language: Language,
}

/// The languages of embedded texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// A command line of a POSIX shell or bash, or a list of arguments.
    Shell,
    /// SQL.
    Sql(SqlDialect),
}
