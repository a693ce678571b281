//! Gaps: decisions without an outcome, and outcomes without a decision.
//!
//! The first is a request whose end nobody saw, the second one that passed by a
//! decision nobody recorded. The chain of hashes shows neither.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::log::{AuditError, AuditLog, PAGE};
use super::record::{Record, Verdict};
use crate::store::{Entry, Kind, UnpairedSearch};
use crate::time::UnixMillis;

/// What is missing from the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Gaps {
    /// Decisions whose outcome was never reported.
    pub decisions_without_outcome: Vec<Gap>,
    /// Outcomes of decisions that were never recorded.
    pub outcomes_without_decision: Vec<Gap>,
}

impl Gaps {
    /// Whether nothing is missing.
    pub fn is_empty(&self) -> bool {
        self.decisions_without_outcome.is_empty() && self.outcomes_without_decision.is_empty()
    }
}

/// An entry that lacks its counterpart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The decision.
    pub decision_id: String,
    /// The place of the entry that is there.
    pub seq: u64,
    /// When that was recorded.
    pub at: UnixMillis,
}

impl AuditLog {
    /// What is missing about requests since `since`, at most `limit` of each kind,
    /// the oldest first. The filter reports in batches, so what is younger than
    /// `grace` at `now` may still come.
    pub async fn gaps(
        &self,
        since: UnixMillis,
        grace: Duration,
        now: UnixMillis,
        limit: NonZeroU32,
    ) -> Result<Gaps, AuditError> {
        let until = now.before(grace);
        let search =
            |kind: Kind, without: Kind| UnpairedSearch { kind, without, since, until, after: 0 };
        let decisions = search(Record::DECISION, Record::OUTCOME);
        let outcomes = search(Record::OUTCOME, Record::DECISION);
        Ok(Gaps {
            decisions_without_outcome: self.unpaired(decisions, limit, expects_outcome).await?,
            outcomes_without_decision: self.unpaired(outcomes, limit, |_| true).await?,
        })
    }

    async fn unpaired(
        &self,
        mut search: UnpairedSearch,
        limit: NonZeroU32,
        counts: fn(&Entry) -> bool,
    ) -> Result<Vec<Gap>, AuditError> {
        let wanted = usize::try_from(limit.get()).unwrap_or(usize::MAX);
        let mut gaps = Vec::new();
        loop {
            let page = self.store.unpaired(search.clone(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(gaps) };
            search.after = last.position.seq;
            let missing = wanted.saturating_sub(gaps.len());
            gaps.extend(page.iter().filter(|entry| counts(entry)).map(gap).take(missing));
            if gaps.len() == wanted {
                return Ok(gaps);
            }
        }
    }
}

/// Whether the decision's request must have been seen to end. What cannot be read
/// must: it hides nothing.
fn expects_outcome(entry: &Entry) -> bool {
    #[derive(Deserialize)]
    struct Decided {
        verdict: Verdict,
    }
    serde_json::from_str::<Decided>(&entry.draft.body)
        .map_or(true, |decided| decided.verdict.expects_outcome())
}

fn gap(entry: &Entry) -> Gap {
    Gap {
        decision_id: entry.draft.decision_id.clone().unwrap_or_default(),
        seq: entry.position.seq,
        at: entry.draft.at,
    }
}
