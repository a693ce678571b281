//! The life of an approval: requested, voted on, used once or expired.
//!
//! Every step is one commit of the store: the new version, on the condition that
//! the old one is still there, and the audit entry that tells of it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::record::{Approval, ApprovalHop, ApprovalId, Vote};
use super::rules::{self, Ballot, Verdict, VoteRefusal};
use super::{ActionToApprove, ApprovalError};
use crate::audit::{ApprovalEvent, ApprovalRecord, Record};
use crate::policy::ApprovalTerms;
use crate::store::{
    ApprovalChange, ApprovalFilter, ApprovalState, Batch, Draft, Store, StoreError,
};
use crate::time::{Clock, UnixMillis};

/// How often an approval is looked at by who waits for it: another process may
/// decide it.
const POLL: Duration = Duration::from_millis(250);

/// How often a change is tried anew when somebody else came first.
const ATTEMPTS: usize = 16;

/// How many approvals are written as expired in one go.
const SWEEP: NonZeroU32 = NonZeroU32::new(100).unwrap();

/// Keeps what waits for a human.
pub struct Approvals {
    store: Arc<dyn Store>,
    decided: Notify,
}

impl std::fmt::Debug for Approvals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Approvals")
    }
}

/// A request for an approval.
#[derive(Clone, Copy, Debug)]
pub struct ApprovalRequest<'a> {
    /// What it is for.
    pub action: ActionToApprove<'a>,
    /// What it takes to give it.
    pub terms: &'a ApprovalTerms,
    /// The action as people are shown it: masked.
    pub display: &'a Value,
    /// The decision that asks.
    pub decision_id: &'a str,
    /// The id of the approval, should it be a new one.
    pub new_id: ApprovalId,
}

/// How an action stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// It waits for humans.
    Pending(Approval),
    /// It was approved; whoever comes first may use that.
    Approved(Approved),
    /// A human denied it, and it stays so until the approval would have expired.
    Denied(Approval),
}

/// An approval that was given, and that somebody may have used meanwhile. To
/// forward a request takes a [`Consumed`].
#[derive(Clone, Debug, PartialEq)]
pub struct Approved(Approval);

impl Approved {
    /// The approval.
    pub const fn approval(&self) -> &Approval {
        &self.0
    }
}

/// An approval that this request has used, and that no other can use: only
/// [`Approvals::consume`] makes one.
#[derive(Debug, PartialEq)]
#[must_use = "an approval was used up for this"]
pub struct Consumed(Approval);

impl Consumed {
    /// The approval.
    pub const fn approval(&self) -> &Approval {
        &self.0
    }
}

impl Approvals {
    /// The approvals in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, decided: Notify::new() }
    }

    /// How the action stands; asks for an approval if there is none that counts.
    ///
    /// One that was used, or that has expired, does not count: the same action
    /// needs another. Asking again finds what was asked before.
    pub async fn request(
        &self,
        asked: &ApprovalRequest<'_>,
        now: UnixMillis,
    ) -> Result<Standing, ApprovalError> {
        let action = asked.action.digest()?;
        for _ in 0..ATTEMPTS {
            let latest = self.store.latest_approval(action).await?;
            let latest = latest.as_ref().map(Approval::from_row).transpose()?;
            if let Some(approval) = &latest
                && let Some(standing) = standing(approval, now)
            {
                return Ok(standing);
            }
            let ordinal = latest.as_ref().map_or(0, |latest| latest.ordinal).saturating_add(1);
            let approval = Approval {
                id: asked.new_id,
                action,
                state: ApprovalState::Pending,
                service: asked.action.service.to_owned(),
                chain: hops(&asked.action),
                actions: asked.display.clone(),
                terms: asked.terms.clone(),
                votes: Vec::new(),
                created_at: now,
                expires_at: now.after(asked.terms.ttl),
                requested_by: asked.decision_id.to_owned(),
                consumed_by: None,
                ordinal,
                version: 1,
            };
            let mut batch = match &latest {
                Some(latest) => lapse(latest, now)?,
                None => Batch::default(),
            };
            batch.approvals.push(ApprovalChange::Insert(approval.to_row()?));
            batch.entries.push(Event::new(ApprovalEvent::Requested, &approval).draft(now)?);
            if self.changed(batch).await? {
                return Ok(Standing::Pending(approval));
            }
        }
        Err(ApprovalError::Contended)
    }

    /// Uses an approval for the decision `decision_id`: of all who try, one does.
    ///
    /// [`ApprovalError::NotUsable`] for the others, and when its time is over.
    pub async fn consume(
        &self,
        approved: Approved,
        decision_id: &str,
        now: UnixMillis,
    ) -> Result<Consumed, ApprovalError> {
        let Approved(approval) = approved;
        if approval.state_at(now) != ApprovalState::Approved {
            self.changed(lapse(&approval, now)?).await?;
            return Err(ApprovalError::NotUsable);
        }
        let mut consumed = approval.moved_to(ApprovalState::Consumed);
        consumed.consumed_by = Some(decision_id.to_owned());
        let event = Event { decision_id, ..Event::new(ApprovalEvent::Consumed, &consumed) };
        if self.changed(step(&consumed, &event, now)?).await? {
            Ok(Consumed(consumed))
        } else {
            Err(ApprovalError::NotUsable)
        }
    }

    /// Casts a vote, and gives the approval as it is since.
    pub async fn vote(
        &self,
        id: ApprovalId,
        ballot: &Ballot<'_>,
        now: UnixMillis,
    ) -> Result<Approval, ApprovalError> {
        for _ in 0..ATTEMPTS {
            let approval = self.get(id).await?.ok_or(ApprovalError::NotFound)?;
            if let Err(refusal) = rules::may_vote(&approval, ballot, now) {
                if refusal == VoteRefusal::Expired {
                    self.changed(lapse(&approval, now)?).await?;
                }
                return Err(refusal.into());
            }
            let (voted, what) = cast(&approval, ballot, now);
            let by = ballot.approver.principal.to_string();
            let event = Event { by: Some(&by), reason: ballot.reason, ..Event::new(what, &voted) };
            if self.changed(step(&voted, &event, now)?).await? {
                self.decided.notify_waiters();
                return Ok(voted);
            }
        }
        Err(ApprovalError::Contended)
    }

    /// The approval of that id.
    pub async fn get(&self, id: ApprovalId) -> Result<Option<Approval>, ApprovalError> {
        let row = self.store.approval(&id.to_string()).await?;
        row.as_ref().map(Approval::from_row).transpose()
    }

    /// Approvals, the newest first, at most `limit`; only those in `state` at `now`,
    /// if one is given.
    pub async fn list(
        &self,
        state: Option<ApprovalState>,
        now: UnixMillis,
        limit: NonZeroU32,
    ) -> Result<Vec<Approval>, ApprovalError> {
        let filter = state.map_or(ApprovalFilter::Any, ApprovalFilter::In);
        let rows = self.store.approvals(filter, now, limit).await?;
        rows.iter().map(Approval::from_row).collect()
    }

    /// Returns once the approval no longer waits for humans, or at `deadline`.
    pub async fn wait_until_decided(
        &self,
        id: ApprovalId,
        deadline: UnixMillis,
        clock: &dyn Clock,
    ) -> Result<(), ApprovalError> {
        // The clock may be set while we wait; how long we wait at most is not.
        let until = Instant::now() + deadline.since(clock.now());
        loop {
            // Listens before it looks, so that no decision falls in between.
            let decided = self.decided.notified();
            tokio::pin!(decided);
            decided.as_mut().enable();
            let approval = self.get(id).await?.ok_or(ApprovalError::NotFound)?;
            let waits = approval.state_at(clock.now()) == ApprovalState::Pending;
            if !waits || Instant::now() >= until {
                return Ok(());
            }
            let next = until.min(Instant::now() + POLL);
            let _ = tokio::time::timeout_at(next, decided).await;
        }
    }

    /// Writes as expired what has expired by `now`, so that the audit log tells of
    /// it; says how many. Nothing depends on its being called: an approval whose
    /// time is over is not usable, written or not.
    pub async fn sweep(&self, now: UnixMillis) -> Result<usize, ApprovalError> {
        let mut swept = 0;
        for row in self.store.approvals(ApprovalFilter::Lapsed, now, SWEEP).await? {
            let changed = self.changed(lapse(&Approval::from_row(&row)?, now)?).await?;
            swept += usize::from(changed);
        }
        Ok(swept)
    }

    /// Commits `batch`; `false` when somebody else came first.
    async fn changed(&self, batch: Batch) -> Result<bool, ApprovalError> {
        match self.store.commit(batch).await {
            Ok(_) => Ok(true),
            Err(StoreError::Conflict) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// How the action of its latest `approval` stands; `None` when it needs a new one.
fn standing(approval: &Approval, now: UnixMillis) -> Option<Standing> {
    match approval.state_at(now) {
        ApprovalState::Pending => Some(Standing::Pending(approval.clone())),
        ApprovalState::Approved => Some(Standing::Approved(Approved(approval.clone()))),
        ApprovalState::Denied if now < approval.expires_at => {
            Some(Standing::Denied(approval.clone()))
        }
        ApprovalState::Denied | ApprovalState::Consumed | ApprovalState::Expired => None,
    }
}

fn hops(action: &ActionToApprove<'_>) -> Vec<ApprovalHop> {
    let hop = |hop: &crate::identity::Hop| ApprovalHop {
        principal: hop.principal.clone(),
        assurance: hop.assurance,
        owner: hop.owner(),
    };
    action.chain.hops().iter().map(hop).collect()
}

/// The approval with one more vote, which the rules have let pass.
fn cast(approval: &Approval, ballot: &Ballot<'_>, now: UnixMillis) -> (Approval, ApprovalEvent) {
    let approver = ballot.approver;
    let mut votes = approval.votes.clone();
    votes.push(Vote {
        approver: approver.principal.clone(),
        groups: approval.terms.groups.intersection(&approver.groups).cloned().collect(),
        verdict: ballot.verdict,
        reason: ballot.reason.map(str::to_owned),
        at: now,
    });
    let state = rules::tally(&approval.terms, &votes);
    let event = match ballot.verdict {
        Verdict::Approve => ApprovalEvent::Approved,
        Verdict::Deny => ApprovalEvent::Denied,
    };
    (Approval { votes, ..approval.moved_to(state) }, event)
}

/// Writes that `approval` has expired, if it has and is not yet written so.
fn lapse(approval: &Approval, now: UnixMillis) -> Result<Batch, ApprovalError> {
    if approval.state_at(now) == approval.state {
        return Ok(Batch::default());
    }
    let expired = approval.moved_to(ApprovalState::Expired);
    step(&expired, &Event::new(ApprovalEvent::Expired, &expired), now)
}

fn step(next: &Approval, event: &Event<'_>, now: UnixMillis) -> Result<Batch, ApprovalError> {
    Ok(Batch {
        approvals: vec![ApprovalChange::Replace(next.to_row()?)],
        entries: vec![event.draft(now)?],
        ..Batch::default()
    })
}

/// What the audit log is told.
struct Event<'a> {
    what: ApprovalEvent,
    approval: &'a Approval,
    by: Option<&'a str>,
    reason: Option<&'a str>,
    decision_id: &'a str,
}

impl<'a> Event<'a> {
    fn new(what: ApprovalEvent, approval: &'a Approval) -> Self {
        Self { what, approval, by: None, reason: None, decision_id: &approval.requested_by }
    }

    fn draft(&self, now: UnixMillis) -> Result<Draft, ApprovalError> {
        let record = Record::Approval(ApprovalRecord {
            event: self.what,
            approval_id: self.approval.id.to_string(),
            state: self.approval.state.name().to_owned(),
            action: self.approval.action,
            service: self.approval.service.clone(),
            at: now,
            by: self.by.map(str::to_owned),
            reason: self.reason.map(str::to_owned),
            decision_id: self.decision_id.to_owned(),
        });
        Ok(record.draft(now)?)
    }
}
