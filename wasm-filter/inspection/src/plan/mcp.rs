//! How the protocols of agents are read.

use serde::{Deserialize, Serialize};

use super::EmbeddedPlan;

/// How MCP is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct McpPlan {
    /// Arguments that are commands of another language.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub embedded: Vec<EmbeddedPlan>,
    /// A file of pinned tools, which `chaperone mcp pin` writes: only what is in it may
    /// be called, and only as long as the server describes it as it did then. Relative
    /// to the configuration file. The filter does not need it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pins: Option<String>,
}

/// How A2A is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct A2aPlan {}
