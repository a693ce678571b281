//! An approval as people and programs are shown it.

use std::collections::BTreeSet;

use chaperone_inspection::digest::Digest;
use serde::Serialize;
use serde_json::Value;

use super::record::{Approval, ApprovalHop, ApprovalId, Vote};
use super::rules::Verdict;
use crate::identity::{GroupName, Principal};
use crate::store::ApprovalState;
use crate::time::UnixMillis;

/// What is shown of an approval.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ApprovalView {
    /// Its id.
    pub id: ApprovalId,
    /// Its state by now.
    pub state: ApprovalState,
    /// The service that the request is for.
    pub service: String,
    /// Through whom it comes, the root first.
    pub chain: Vec<ApprovalHop>,
    /// What the request would do, masked.
    pub actions: Value,
    /// What it takes to give it.
    pub terms: TermsView,
    /// The votes so far.
    pub votes: Vec<VoteView>,
    /// When it was asked for.
    pub created_at: UnixMillis,
    /// When it can no longer be given or used.
    pub expires_at: UnixMillis,
    /// The digest of the action that it is for.
    pub action_digest: Digest,
    /// The decision that asked for it.
    pub requested_by: String,
    /// The decision that used it.
    pub consumed_by: Option<String>,
}

/// What it takes to give an approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TermsView {
    /// An approver of each of these groups is needed.
    pub groups: BTreeSet<GroupName>,
    /// How many different people must approve.
    pub quorum: u32,
    /// How long it can be given and used, in seconds.
    pub ttl_seconds: u64,
}

/// One human's vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VoteView {
    /// Who.
    pub approver: Principal,
    /// What.
    pub verdict: Verdict,
    /// Why, in their words.
    pub reason: Option<String>,
    /// When.
    pub at: UnixMillis,
}

impl ApprovalView {
    /// `approval` as it is at `now`.
    pub fn of(approval: &Approval, now: UnixMillis) -> Self {
        let vote = |vote: &Vote| VoteView {
            approver: vote.approver.clone(),
            verdict: vote.verdict,
            reason: vote.reason.clone(),
            at: vote.at,
        };
        Self {
            id: approval.id,
            state: approval.state_at(now),
            service: approval.service.clone(),
            chain: approval.chain.clone(),
            actions: approval.actions.clone(),
            terms: TermsView {
                groups: approval.terms.groups.clone(),
                quorum: approval.terms.quorum.get(),
                ttl_seconds: approval.terms.ttl.as_secs(),
            },
            votes: approval.votes.iter().map(vote).collect(),
            created_at: approval.created_at,
            expires_at: approval.expires_at,
            action_digest: approval.action,
            requested_by: approval.requested_by.clone(),
            consumed_by: approval.consumed_by.clone(),
        }
    }
}
