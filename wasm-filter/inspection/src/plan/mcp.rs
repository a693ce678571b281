//! How the protocols of agents are read.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer, Serialize, de};

use super::{EmbeddedPlan, JsonPointer};

/// How MCP is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct McpPlan {
    /// What policies call the server, as `context.mcp.server`: of use where a service
    /// has more than one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The revisions of the protocol that are taken.
    #[serde(default = "current", deserialize_with = "at_least_one")]
    pub revisions: BTreeSet<McpRevision>,
    /// The arguments that clients repeat in `Mcp-Param-*` headers: where the server's
    /// tools say `x-mcp-header`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub param_headers: Vec<ParamHeaderPlan>,
    /// Arguments that are commands of another language.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub embedded: Vec<EmbeddedPlan>,
    /// A file of pinned tools, which `chaperone mcp pin` writes: only what is in it may
    /// be called, and only as long as the server describes it as it did then. Relative
    /// to the configuration file. The filter does not need it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pins: Option<String>,
}

impl Default for McpPlan {
    fn default() -> Self {
        Self {
            server: None,
            revisions: current(),
            param_headers: Vec::new(),
            embedded: Vec::new(),
            pins: None,
        }
    }
}

/// An argument that is repeated in a header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ParamHeaderPlan {
    /// The tool whose argument it is, `*` for any characters; every tool when there is
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// The name of the header behind `Mcp-Param-`, in any case.
    pub header: String,
    /// Where the argument is.
    pub at: JsonPointer,
}

/// A revision of MCP, by the date that is its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum McpRevision {
    /// The first, with a transport of its own for server-sent events.
    #[serde(rename = "2024-11-05")]
    V2024_11_05,
    /// Streamable HTTP; the only one with batches.
    #[serde(rename = "2025-03-26")]
    V2025_03_26,
    /// `MCP-Protocol-Version`, elicitation.
    #[serde(rename = "2025-06-18")]
    V2025_06_18,
    /// Tasks.
    #[serde(rename = "2025-11-25")]
    V2025_11_25,
    /// Stateless: no sessions, and every request says its revision.
    #[serde(rename = "2026-07-28")]
    V2026_07_28,
}

impl McpRevision {
    /// Every revision, oldest first.
    pub const ALL: [Self; 5] = [
        Self::V2024_11_05,
        Self::V2025_03_26,
        Self::V2025_06_18,
        Self::V2025_11_25,
        Self::V2026_07_28,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// The revision of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|revision| revision.name() == name)
    }

    /// Whether its requests stand alone, without a session that `initialize` opened.
    pub const fn is_stateless(self) -> bool {
        matches!(self, Self::V2026_07_28)
    }
}

fn current() -> BTreeSet<McpRevision> {
    [McpRevision::V2025_06_18, McpRevision::V2025_11_25, McpRevision::V2026_07_28].into()
}

fn at_least_one<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeSet<McpRevision>, D::Error> {
    let revisions = BTreeSet::deserialize(d)?;
    if revisions.is_empty() {
        return Err(de::Error::custom("`revisions` is empty: no request would be read"));
    }
    Ok(revisions)
}

/// How A2A is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct A2aPlan {
    /// Where a message names the skill that it is for, from the parameters of the
    /// request (in REST, from its body). The protocol has no place for it, so agents
    /// agree on one in the metadata.
    #[serde(default = "skill_places")]
    pub skill_at: Vec<JsonPointer>,
}

impl Default for A2aPlan {
    fn default() -> Self {
        Self { skill_at: skill_places() }
    }
}

fn skill_places() -> Vec<JsonPointer> {
    ["/message/metadata/skillId", "/metadata/skillId"]
        .into_iter()
        .filter_map(|place| JsonPointer::try_from(place.to_owned()).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_revision_is_written_as_its_name() {
        for revision in McpRevision::ALL {
            assert_eq!(serde_json::to_value(revision).unwrap(), revision.name());
            assert_eq!(McpRevision::named(revision.name()), Some(revision));
        }
        assert_eq!(McpRevision::named("2025-06-18 "), None);
    }

    #[test]
    fn a_plan_without_settings_takes_the_three_current_revisions() {
        let plan: McpPlan = serde_json::from_str("{}").unwrap();
        assert_eq!(plan, McpPlan::default());
        let names: Vec<_> = plan.revisions.iter().map(|revision| revision.name()).collect();
        assert_eq!(names, ["2025-06-18", "2025-11-25", "2026-07-28"]);
        let plan: A2aPlan = serde_json::from_str("{}").unwrap();
        assert_eq!(plan, A2aPlan::default());
        assert_eq!(plan.skill_at.len(), 2);
    }

    #[test]
    fn a_plan_that_takes_no_revision_is_refused() {
        let error = serde_json::from_str::<McpPlan>(r#"{"revisions":[]}"#).unwrap_err();
        assert!(error.to_string().contains("`revisions` is empty"), "{error}");
    }
}
