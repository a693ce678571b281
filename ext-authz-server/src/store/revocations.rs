//! Revocations as a store keeps them: events in one order, so that whoever has read
//! up to a place asks only for what comes after.

use serde::{Deserialize, Serialize};

use crate::time::UnixMillis;

/// One revocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationRow {
    /// Its id.
    pub id: String,
    /// What `value` names.
    pub kind: RevocationKind,
    /// The alias of the issuer that `value` belongs to; `None` for every issuer.
    pub issuer: Option<String>,
    /// What is revoked.
    pub value: String,
    /// Why.
    pub reason: Option<String>,
    /// Who revoked, or lifted.
    pub by: String,
    /// When.
    pub at: UnixMillis,
    /// When it no longer counts.
    pub expires_at: UnixMillis,
}

/// What a revocation names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevocationKind {
    /// A token, by its `jti`.
    Jti,
    /// A principal, wherever in a chain.
    Subject,
    /// A key of an issuer, by its `kid`.
    IssuerKey,
    /// A principal at the root of a chain.
    ChainRoot,
}

impl RevocationKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Jti, Self::Subject, Self::IssuerKey, Self::ChainRoot];

    /// The name in records and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jti => "jti",
            Self::Subject => "subject",
            Self::IssuerKey => "issuer_key",
            Self::ChainRoot => "chain_root",
        }
    }

    /// The kind of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A change of the revocations, with what must be so for it to happen.
#[derive(Clone, Debug)]
pub enum RevocationChange {
    /// A new revocation: there must be none with its id.
    Revoke(RevocationRow),
    /// The end of a revocation before its time: there must be one of that id that is
    /// neither lifted nor over.
    Lift {
        /// Its id.
        id: String,
        /// Who lifts it.
        by: String,
        /// When.
        at: UnixMillis,
    },
    /// Forgets those that were over before this moment; there may be none.
    Forget(UnixMillis),
}

/// A change as it is read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationEvent {
    /// Its place among the changes, counted from 1. Places are given in the order of
    /// commits and never again, not even after the change was forgotten: who has
    /// seen a place has seen all before it.
    pub seq: u64,
    /// Whether it was revoked or lifted.
    pub what: RevocationStep,
    /// The revocation; in a lifted one `by` and `at` tell of the lifting.
    pub row: RevocationRow,
}

/// What happens to a revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevocationStep {
    /// It counts from now on.
    Revoked,
    /// It no longer counts.
    Lifted,
}

impl RevocationStep {
    /// The name in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Lifted => "lifted",
        }
    }

    /// The step of that name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Revoked, Self::Lifted].into_iter().find(|step| step.name() == name)
    }
}
