//! Records of what was given and taken back by hand: revocations and API keys.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::store::{ApiKeyStep, RevocationKind, RevocationStep};
use crate::time::UnixMillis;

/// Something was revoked, or a revocation lifted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationRecord {
    /// What happened.
    pub event: RevocationStep,
    /// The revocation.
    pub revocation_id: String,
    /// What `value` names.
    pub kind: RevocationKind,
    /// The alias of the issuer that it belongs to; none for every issuer.
    pub issuer: Option<String>,
    /// What is revoked.
    pub value: String,
    /// Why they say they did.
    pub reason: Option<String>,
    /// Who did it, as they say: whoever can write to the store may.
    pub by: String,
    /// When it happened.
    pub at: UnixMillis,
    /// When it no longer counts.
    pub expires_at: UnixMillis,
}

/// An API key was made, or revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKeyRecord {
    /// What happened.
    pub event: ApiKeyStep,
    /// The key's id, which is no secret.
    pub key_id: String,
    /// The name of the automation that has it.
    pub name: String,
    /// Who answers for it.
    pub owner: String,
    /// The groups that the automation is in.
    pub groups: BTreeSet<String>,
    /// Who did it, as they say.
    pub by: String,
    /// When it happened.
    pub at: UnixMillis,
    /// When the key is no longer good.
    pub expires_at: UnixMillis,
}
