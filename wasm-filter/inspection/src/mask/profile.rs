//! What to mask: field rules and detectors.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::detect::DetectorId;
use crate::digest::Digest;

/// What to mask, as configured under a name or ordered by a decision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Fields whose values are masked whole, whatever they hold: paths in the
    /// RFC 9535 subset that [`super::path`] reads.
    #[serde(default)]
    pub fields: BTreeSet<String>,
    /// What is looked for in every text.
    #[serde(default)]
    pub detectors: BTreeSet<DetectorId>,
}

impl Profile {
    /// The built-in profile of that name: `pii`, `secrets` or `all`.
    pub fn built_in(name: &str) -> Option<Self> {
        todo!("{name}")
    }

    /// Adds what `other` masks.
    pub fn extend(&mut self, other: &Self) {
        self.fields.extend(other.fields.iter().cloned());
        self.detectors.extend(other.detectors.iter().copied());
    }

    /// The digest of its JSON form.
    pub fn digest(&self) -> Digest {
        Digest::of(serde_json::to_string(self).unwrap_or_default().as_bytes())
    }
}
