//! Obligations: what the server tells the filter to do with the response.
//!
//! They travel as one JSON string in ext_authz dynamic metadata (namespace
//! [`METADATA_NAMESPACE`], key [`METADATA_KEY`]), which a client cannot forge.

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
