//! Who may vote on an approval, and when it is given. Pure.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::record::{Approval, Vote};
use crate::identity::{GroupName, Principal};
use crate::policy::ApprovalTerms;
use crate::store::ApprovalState;
use crate::time::UnixMillis;

/// Somebody who votes, as their credential proves them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approver {
    /// Who.
    pub principal: Principal,
    /// Their groups.
    pub groups: BTreeSet<GroupName>,
    /// Whether they are a human.
    pub kind: ApproverKind,
}

/// Whether somebody is a human.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApproverKind {
    /// A human, in person.
    Human,
    /// An automation, or a human through one.
    Agent,
}

/// What somebody votes.
#[derive(Clone, Copy, Debug)]
pub struct Ballot<'a> {
    /// Who.
    pub approver: &'a Approver,
    /// What.
    pub verdict: Verdict,
    /// Why, in their words.
    pub reason: Option<&'a str>,
}

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Yes.
    Approve,
    /// No.
    Deny,
}

/// A vote does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VoteRefusal {
    /// It is decided already.
    #[error("the approval is {} already", .0.name())]
    NotPending(ApprovalState),
    /// Its time is over.
    #[error("the approval has expired")]
    Expired,
    /// Only humans vote.
    #[error("only a human can vote, in person")]
    NotHuman,
    /// They are part of what they would approve.
    #[error("nobody votes on what is done for them or by them")]
    InChain,
    /// They are in none of the groups that are asked.
    #[error("only members of these groups can vote: {}", names(.0))]
    NotInGroup(BTreeSet<GroupName>),
    /// They voted before.
    #[error("everybody votes once")]
    AlreadyVoted,
    /// The reason is too long to be kept.
    #[error("a reason has at most {} characters", VoteRefusal::REASON_CHARS)]
    ReasonTooLong,
}

impl VoteRefusal {
    /// How long a reason may be, in characters.
    pub const REASON_CHARS: usize = 1000;

    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotPending(_) => "approval_not_pending",
            Self::Expired => "approval_expired",
            Self::NotHuman => "approver_not_human",
            Self::InChain => "approver_in_chain",
            Self::NotInGroup(_) => "approver_not_in_group",
            Self::AlreadyVoted => "approver_already_voted",
            Self::ReasonTooLong => "reason_too_long",
        }
    }
}

/// Whether `ballot` counts for `approval` at `now`.
pub(super) fn may_vote(
    approval: &Approval,
    ballot: &Ballot<'_>,
    now: UnixMillis,
) -> Result<(), VoteRefusal> {
    let approver = ballot.approver;
    match approval.state_at(now) {
        ApprovalState::Pending => {}
        ApprovalState::Expired => return Err(VoteRefusal::Expired),
        state => return Err(VoteRefusal::NotPending(state)),
    }
    if approver.kind != ApproverKind::Human {
        return Err(VoteRefusal::NotHuman);
    }
    if approval.chain.iter().any(|hop| hop.is_of(&approver.principal)) {
        return Err(VoteRefusal::InChain);
    }
    if approval.terms.groups.is_disjoint(&approver.groups) {
        return Err(VoteRefusal::NotInGroup(approval.terms.groups.clone()));
    }
    if approval.votes.iter().any(|vote| vote.approver == approver.principal) {
        return Err(VoteRefusal::AlreadyVoted);
    }
    if ballot.reason.is_some_and(|reason| reason.chars().count() > VoteRefusal::REASON_CHARS) {
        return Err(VoteRefusal::ReasonTooLong);
    }
    Ok(())
}

/// What `votes` make of an approval on `terms`: one denial denies; it is approved
/// when as many different people as the quorum approve, and in each group that is
/// asked at least one of them is.
pub(super) fn tally(terms: &ApprovalTerms, votes: &[Vote]) -> ApprovalState {
    if votes.iter().any(|vote| vote.verdict == Verdict::Deny) {
        return ApprovalState::Denied;
    }
    let people: BTreeSet<_> = votes.iter().map(|vote| &vote.approver).collect();
    let groups: BTreeSet<_> = votes.iter().flat_map(|vote| &vote.groups).collect();
    let quorum = usize::try_from(terms.quorum.get()).unwrap_or(usize::MAX);
    let asked = !terms.groups.is_empty() && terms.groups.iter().all(|group| groups.contains(group));
    if asked && people.len() >= quorum { ApprovalState::Approved } else { ApprovalState::Pending }
}

fn names(groups: &BTreeSet<GroupName>) -> String {
    groups.iter().map(GroupName::as_str).collect::<Vec<_>>().join(", ")
}
