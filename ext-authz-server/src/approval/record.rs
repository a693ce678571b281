//! An approval as it is kept.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use chaperone_inspection::digest::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::ApprovalError;
use super::rules::Verdict;
use crate::identity::{Assurance, GroupName, Principal};
use crate::policy::ApprovalTerms;
use crate::store::{ApprovalRow, ApprovalState};
use crate::time::UnixMillis;

/// One approval: asked for, perhaps given, used at most once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// Its id.
    pub id: ApprovalId,
    /// The digest of the action that it is for.
    pub action: Digest,
    /// Its state when it was last written; [`Self::state_at`] knows the time too.
    pub state: ApprovalState,
    /// The service that the request is for.
    pub service: String,
    /// Through whom it comes, the root first.
    pub chain: Vec<ApprovalHop>,
    /// What the request would do, as people are shown it: masked.
    pub actions: Value,
    /// What it takes to give it.
    pub terms: ApprovalTerms,
    /// The votes so far.
    pub votes: Vec<Vote>,
    /// When it was asked for.
    pub created_at: UnixMillis,
    /// When it can no longer be given or used.
    pub expires_at: UnixMillis,
    /// The decision that asked for it.
    pub requested_by: String,
    /// The decision that used it.
    pub consumed_by: Option<String>,
    pub(super) ordinal: u64,
    pub(super) version: u64,
}

impl Approval {
    /// Its state at `now`: what is pending or approved expires by itself.
    pub fn state_at(&self, now: UnixMillis) -> ApprovalState {
        self.state.at(self.expires_at, now)
    }

    /// The next version of it, in `state`.
    pub(super) fn moved_to(&self, state: ApprovalState) -> Self {
        Self { state, version: self.version.saturating_add(1), ..self.clone() }
    }

    /// The row that it is stored as.
    pub(super) fn to_row(&self) -> Result<ApprovalRow, ApprovalError> {
        let body = serde_json::to_string(self)
            .map_err(|error| ApprovalError::Encode(error.to_string()))?;
        Ok(ApprovalRow {
            id: self.id.to_string(),
            action: self.action,
            ordinal: self.ordinal,
            version: self.version,
            state: self.state,
            created_at: self.created_at,
            expires_at: self.expires_at,
            body,
        })
    }

    /// The approval that is stored as `row`.
    pub(super) fn from_row(row: &ApprovalRow) -> Result<Self, ApprovalError> {
        let corrupt = |problem: String| ApprovalError::Corrupt(format!("{}: {problem}", row.id));
        let approval: Self =
            serde_json::from_str(&row.body).map_err(|error| corrupt(error.to_string()))?;
        // What is searched by and what is read are written together; if they differ,
        // somebody else wrote one of them.
        if approval.to_row()? == *row {
            Ok(approval)
        } else {
            Err(corrupt("its columns and its body differ".to_owned()))
        }
    }
}

/// One hop of the chain that asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalHop {
    /// Who.
    pub principal: Principal,
    /// How well known.
    pub assurance: Assurance,
    /// Who answers for it, where it has an API key whose owner is a principal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Principal>,
}

impl ApprovalHop {
    /// Whether it is that principal, or one that they answer for.
    pub(super) fn is_of(&self, principal: &Principal) -> bool {
        self.principal == *principal || self.owner.as_ref() == Some(principal)
    }
}

/// One human's vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// Who.
    pub approver: Principal,
    /// The groups that they voted for: theirs among those that were asked.
    pub groups: BTreeSet<GroupName>,
    /// What.
    pub verdict: Verdict,
    /// Why, in their words.
    pub reason: Option<String>,
    /// When.
    pub at: UnixMillis,
}

/// The id of an approval: `apr_` and a UUID.
///
/// Who has it can read the approval's state, so it must not be guessed: make it of
/// a UUIDv4, which has 122 random bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ApprovalId(Uuid);

impl ApprovalId {
    /// The id made of that UUID.
    pub const fn new(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl fmt::Display for ApprovalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "apr_{}", self.0.simple())
    }
}

/// The text is not an approval's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an approval's id: expected `apr_` and 32 hex digits")]
pub struct ApprovalIdError;

impl FromStr for ApprovalId {
    type Err = ApprovalIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix("apr_").ok_or(ApprovalIdError)?;
        let id = Uuid::try_parse(digits).map(Self).map_err(|_| ApprovalIdError)?;
        // One id has one spelling.
        if id.to_string() == text { Ok(id) } else { Err(ApprovalIdError) }
    }
}

impl TryFrom<String> for ApprovalId {
    type Error = ApprovalIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ApprovalId> for String {
    fn from(id: ApprovalId) -> Self {
        id.to_string()
    }
}
