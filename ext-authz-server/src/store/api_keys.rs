//! API keys as a store keeps them: by a hash, and as events in one order, as
//! revocations are.

use std::collections::BTreeSet;

use chaperone_inspection::digest::Digest;
use serde::{Deserialize, Serialize};

use crate::time::UnixMillis;

/// One API key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyRow {
    /// Its id, which is part of the key and no secret.
    pub id: String,
    /// The name of the automation that has it.
    pub name: String,
    /// Who answers for it.
    pub owner: String,
    /// The groups that the automation is in.
    pub groups: BTreeSet<String>,
    /// The SHA-256 of its secret.
    pub hash: Digest,
    /// Who made it, or revoked it.
    pub by: String,
    /// When.
    pub at: UnixMillis,
    /// When it is no longer good.
    pub expires_at: UnixMillis,
}

/// A change of the API keys, with what must be so for it to happen.
#[derive(Clone, Debug)]
pub enum ApiKeyChange {
    /// A new key: there must be none with its id, nor one with its name that is still
    /// good at `at` and has another owner.
    Create(ApiKeyRow),
    /// The end of a key before its time: there must be one of that id that is neither
    /// revoked nor over.
    Revoke {
        /// Its id.
        id: String,
        /// Who revokes it.
        by: String,
        /// When.
        at: UnixMillis,
    },
    /// Forgets those that were over before this moment; there may be none.
    Forget(UnixMillis),
}

/// A change as it is read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyEvent {
    /// Its place among the changes, as that of a revocation.
    pub seq: u64,
    /// Whether it was made or revoked.
    pub what: ApiKeyStep,
    /// The key; in a revoked one `by` and `at` tell of the revocation.
    pub row: ApiKeyRow,
}

/// What happens to an API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApiKeyStep {
    /// It is good from now on.
    Created,
    /// It is no longer good.
    Revoked,
}

impl ApiKeyStep {
    /// The name in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Revoked => "revoked",
        }
    }

    /// The step of that name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Created, Self::Revoked].into_iter().find(|step| step.name() == name)
    }
}
