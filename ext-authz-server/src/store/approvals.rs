//! Approvals as a store keeps them: what it must search and compare by, and the
//! rest as text.

use chaperone_inspection::digest::Digest;
use serde::{Deserialize, Serialize};

use crate::time::UnixMillis;

/// One approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalRow {
    /// Its id.
    pub id: String,
    /// The digest of the action that it is for.
    pub action: Digest,
    /// The how-manieth approval of that action it is, counted from 1.
    pub ordinal: u64,
    /// How often it was written, counted from 1.
    pub version: u64,
    /// Its state when it was written.
    pub state: ApprovalState,
    /// When it was asked for.
    pub created_at: UnixMillis,
    /// When it can no longer be given or used.
    pub expires_at: UnixMillis,
    /// Everything about it, as JSON text.
    pub body: String,
}

/// A change of an approval, with what must be so for it to happen.
#[derive(Clone, Debug)]
pub enum ApprovalChange {
    /// A new approval: there must be none with its id, nor one with its ordinal
    /// for its action. So of two who ask at once, one conflicts.
    Insert(ApprovalRow),
    /// A new version of an approval: the version before it must be the stored one.
    Replace(ApprovalRow),
}

/// The states of an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalState {
    /// It waits for humans.
    Pending,
    /// Enough humans approved; it can be used once.
    Approved,
    /// A human denied it.
    Denied,
    /// It was used.
    Consumed,
    /// It was not given or not used in time.
    Expired,
}

impl ApprovalState {
    /// Every state.
    pub const ALL: [Self; 5] =
        [Self::Pending, Self::Approved, Self::Denied, Self::Consumed, Self::Expired];

    /// The name in records and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Consumed => "consumed",
            Self::Expired => "expired",
        }
    }

    /// The state of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// What an approval written in this state is at `now`: time alone expires what
    /// is pending or approved, and nothing else.
    #[must_use]
    pub fn at(self, expires_at: UnixMillis, now: UnixMillis) -> Self {
        match self {
            Self::Pending | Self::Approved if now >= expires_at => Self::Expired,
            state => state,
        }
    }
}

/// Which approvals to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApprovalFilter {
    /// All of them.
    Any,
    /// Those that are in this state by now, as [`ApprovalState::at`] has it.
    In(ApprovalState),
    /// Those that have expired, and are not yet written so.
    Lapsed,
}

impl ApprovalFilter {
    /// Whether it lets `row` pass at `now`.
    pub fn passes(self, row: &ApprovalRow, now: UnixMillis) -> bool {
        let state = row.state.at(row.expires_at, now);
        match self {
            Self::Any => true,
            Self::In(wanted) => state == wanted,
            Self::Lapsed => state != row.state,
        }
    }
}
