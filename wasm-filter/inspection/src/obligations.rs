//! Obligations: what the server tells the filter to do with the response.
//!
//! They travel as one JSON string in ext_authz dynamic metadata (namespace
//! [`METADATA_NAMESPACE`], key [`METADATA_KEY`]), which a client cannot forge.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::mask::profile::Profile;

/// The dynamic metadata namespace that Envoy's ext_authz filter writes to.
pub const METADATA_NAMESPACE: &str = "envoy.filters.http.ext_authz";

/// The key in that namespace.
pub const METADATA_KEY: &str = "chaperone";

/// What goes with one decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Obligations {
    /// The decision's id, which the outcome repeats.
    pub decision: String,
    /// What to mask; nothing when `None`.
    pub mask: Option<MaskOrder>,
    /// What to let through of an answer of an MCP server; `None` when it is of another
    /// protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcp: Option<McpOrder>,
}

/// What to let through of an answer of an MCP server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct McpOrder {
    /// The requests of the server that may reach the caller, by their methods.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub server_requests: BTreeSet<String>,
    /// The request lists tools: this ticket goes back to the server with what is listed,
    /// and the server says which of it may be shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list_ticket: Option<String>,
}

/// What to mask in a response.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaskOrder {
    /// The digest of the profile's JSON form: the key under which the filter
    /// keeps what it compiled.
    pub digest: Digest,
    /// The union of the profiles that policy ordered.
    pub profile: Profile,
    /// What to do with a response that cannot be masked.
    pub on_unmaskable: OnUnmaskable,
}

/// What to do with a response that cannot be masked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnUnmaskable {
    /// Answer 502, or reset the stream when the answer has begun.
    #[default]
    Block,
    /// Let it pass as it is.
    Pass,
}
