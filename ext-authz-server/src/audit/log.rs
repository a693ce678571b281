//! The log: records in, entries out, and the check that nobody touched it.

use std::num::NonZeroU32;
use std::sync::Arc;

use chaperone_inspection::digest::Digest;
use serde::Serialize;

use super::record::Record;
use crate::store::{Batch, Entry, Position, Store, StoreError};
use crate::time::UnixMillis;

/// How many entries are read at once.
pub(super) const PAGE: NonZeroU32 = NonZeroU32::new(500).unwrap();

/// The audit log: entries that are only added, each linked to the one before it.
pub struct AuditLog {
    pub(super) store: Arc<dyn Store>,
}

impl std::fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuditLog")
    }
}

/// The log cannot be written or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// The store cannot.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A record cannot be written as JSON.
    #[error("a record cannot be written as JSON: {0}")]
    Encode(String),
}

impl AuditError {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Store(error) => error.code(),
            Self::Encode(_) => "record_unencodable",
        }
    }
}

/// What a check of the log has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// How many entries are good, up to the first that is not.
    pub entries: u64,
    /// The hash of the last good one. Kept elsewhere, it lets a later check notice
    /// that entries were cut off, or that the whole log was written anew.
    pub head: Digest,
    /// The first that is not good.
    pub first_bad: Option<Bad>,
}

impl Verification {
    /// Whether nothing was found.
    pub const fn is_intact(&self) -> bool {
        self.first_bad.is_none()
    }
}

/// A place where the log is not as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Bad {
    /// The place.
    pub seq: u64,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// There is no entry at this place, and later ones exist.
    Missing,
    /// The entry, or the one before it, is not the one that was written.
    Changed,
    /// The log ends before this place, and the head that should be in it is not.
    HeadMissing,
}

impl AuditLog {
    /// The log in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Adds `record`, and returns once it is durable.
    pub async fn append(&self, record: &Record, now: UnixMillis) -> Result<Position, AuditError> {
        let entries = vec![record.draft(now)?];
        let positions = self.store.commit(Batch { entries, ..Batch::default() }).await?;
        let unplaced = || StoreError::Failed("an entry was given no place".to_owned());
        Ok(positions.first().copied().ok_or_else(unplaced)?)
    }

    /// Adds all of `records`, in order and with nothing between them, or none.
    pub async fn append_all(
        &self,
        records: &[Record],
        now: UnixMillis,
    ) -> Result<Vec<Position>, AuditError> {
        let entries = records.iter().map(|record| record.draft(now)).collect::<Result<_, _>>()?;
        Ok(self.store.commit(Batch { entries, ..Batch::default() }).await?)
    }

    /// The last entry's position; [`Position::genesis`] while there is none.
    pub async fn head(&self) -> Result<Position, AuditError> {
        Ok(self.store.head().await?)
    }

    /// Entries after place `seq`, in order, at most `limit`.
    pub async fn entries_after(
        &self,
        seq: u64,
        limit: NonZeroU32,
    ) -> Result<Vec<Entry>, AuditError> {
        Ok(self.store.entries_after(seq, limit).await?)
    }

    /// Every entry about one decision, in order.
    pub async fn entries_of(&self, decision_id: &str) -> Result<Vec<Entry>, AuditError> {
        Ok(self.store.entries_of(decision_id).await?)
    }

    /// Walks the whole log as it is now and computes every hash anew. `kept_head`
    /// is the hash of an earlier head: the log must still have it.
    pub async fn verify(&self, kept_head: Option<Digest>) -> Result<Verification, AuditError> {
        let genesis = Position::genesis();
        let mut good = genesis;
        let mut head_seen = kept_head.is_none_or(|head| head == genesis.hash);
        let end = self.head().await?.seq;
        let mut first_bad = None;
        while first_bad.is_none() && good.seq < end {
            let page = self.entries_after(good.seq, PAGE).await?;
            first_bad = check(&page, &mut good, |hash| head_seen |= kept_head == Some(hash));
            if page.is_empty() {
                first_bad = Some(Bad { seq: after(good.seq), problem: Problem::Missing });
            }
        }
        if first_bad.is_none() && !head_seen {
            first_bad = Some(Bad { seq: after(good.seq), problem: Problem::HeadMissing });
        }
        Ok(Verification { entries: good.seq, head: good.hash, first_bad })
    }
}

/// Checks that `page` follows `good`, which moves to the last entry that does.
fn check(page: &[Entry], good: &mut Position, mut seen: impl FnMut(Digest)) -> Option<Bad> {
    for entry in page {
        let expected = good.next(&entry.draft);
        if entry.position.seq != expected.seq {
            return Some(Bad { seq: expected.seq, problem: Problem::Missing });
        }
        if entry.position.hash != expected.hash {
            return Some(Bad { seq: expected.seq, problem: Problem::Changed });
        }
        *good = expected;
        seen(expected.hash);
    }
    None
}

const fn after(seq: u64) -> u64 {
    seq.saturating_add(1)
}
