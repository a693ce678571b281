//! Who revokes and lifts: each change in one commit with the audit entry that tells
//! of it.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::target::{RevocationId, RevocationTarget};
use crate::audit::{AuditError, Record, RevocationRecord};
use crate::store::{
    Batch, RevocationChange, RevocationEvent, RevocationRow, RevocationStep, Store, StoreError,
};
use crate::time::UnixMillis;

/// How many changes are read at once.
pub(super) const PAGE: NonZeroU32 = NonZeroU32::new(1000).unwrap();

/// How long a revocation stays in the store, and in memory, after its time: a server
/// whose clock is fast must not take it from one whose clock is right, nor from itself
/// once its clock is right again.
pub(super) const FORGET_AFTER: Duration = Duration::from_hours(1);

/// The revocations in the store.
pub struct RevocationBook {
    store: Arc<dyn Store>,
}

/// What is to be revoked.
#[derive(Clone, Copy, Debug)]
pub struct RevocationOrder<'a> {
    /// What.
    pub target: &'a RevocationTarget,
    /// Why, for the record.
    pub reason: Option<&'a str>,
    /// Who orders it, for the record.
    pub by: &'a str,
    /// How long it counts.
    pub lasts: Duration,
    /// Its id.
    pub id: RevocationId,
}

/// One revocation, as it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Revocation {
    /// Its id.
    pub id: RevocationId,
    /// What is revoked.
    #[serde(flatten, serialize_with = "as_told")]
    pub target: RevocationTarget,
    /// Why.
    pub reason: Option<String>,
    /// Who revoked it.
    pub by: String,
    /// When.
    pub created_at: UnixMillis,
    /// When it no longer counts.
    pub expires_at: UnixMillis,
}

/// A revocation could not be made, found or lifted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RevocationError {
    /// There is none of that id that counts.
    #[error("there is no such revocation, or it was lifted or is over")]
    NotFound,
    /// What is stored is no revocation.
    #[error("a stored revocation is damaged: {0}")]
    Corrupt(String),
    /// It could not be recorded.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The store cannot.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RevocationError {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "revocation_not_found",
            Self::Corrupt(_) => "revocation_corrupt",
            Self::Audit(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }
}

impl std::fmt::Debug for RevocationBook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RevocationBook")
    }
}

impl RevocationBook {
    /// The revocations in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Revokes; it counts in every process as soon as that has read the store again.
    pub async fn revoke(
        &self,
        order: &RevocationOrder<'_>,
        now: UnixMillis,
    ) -> Result<Revocation, RevocationError> {
        let revocation = Revocation {
            id: order.id,
            target: order.target.clone(),
            reason: order.reason.map(str::to_owned),
            by: order.by.to_owned(),
            created_at: now,
            expires_at: now.after(order.lasts),
        };
        let row = revocation.row();
        let entry = record(RevocationStep::Revoked, &row).draft(now)?;
        self.store
            .commit(Batch {
                revocations: vec![RevocationChange::Revoke(row)],
                entries: vec![entry],
                ..Batch::default()
            })
            .await?;
        Ok(revocation)
    }

    /// Lifts a revocation before its time.
    pub async fn lift(
        &self,
        id: RevocationId,
        by: &str,
        now: UnixMillis,
    ) -> Result<Revocation, RevocationError> {
        let active = self.active(now).await?;
        let lifted =
            active.into_iter().find(|one| one.id == id).ok_or(RevocationError::NotFound)?;
        let row = RevocationRow { by: by.to_owned(), at: now, ..lifted.row() };
        let entry = record(RevocationStep::Lifted, &row).draft(now)?;
        let change = RevocationChange::Lift { id: row.id, by: row.by, at: now };
        let batch = Batch { revocations: vec![change], entries: vec![entry], ..Batch::default() };
        match self.store.commit(batch).await {
            Ok(_) => Ok(lifted),
            Err(StoreError::Conflict) => Err(RevocationError::NotFound),
            Err(error) => Err(error.into()),
        }
    }

    /// Those that count at `now`, the newest last.
    pub async fn active(&self, now: UnixMillis) -> Result<Vec<Revocation>, RevocationError> {
        let mut active = BTreeMap::new();
        let mut seen = 0;
        loop {
            let events = self.store.revocations_after(seen, PAGE).await?;
            let Some(last) = events.last() else { break };
            seen = last.seq;
            for event in &events {
                follow(&mut active, event)?;
            }
        }
        let mut active: Vec<Revocation> = active.into_values().collect();
        active.retain(|one| one.expires_at > now);
        active.sort_by_key(|one| (one.created_at, one.id));
        Ok(active)
    }

    /// Takes from the store what has been over for a while; the audit log keeps it.
    pub async fn forget(&self, now: UnixMillis) -> Result<(), RevocationError> {
        let change = RevocationChange::Forget(now.before(FORGET_AFTER));
        self.store.commit(Batch { revocations: vec![change], ..Batch::default() }).await?;
        Ok(())
    }
}

impl Revocation {
    fn row(&self) -> RevocationRow {
        RevocationRow {
            id: self.id.to_string(),
            kind: self.target.kind(),
            issuer: self.target.issuer().map(ToString::to_string),
            value: self.target.value().to_owned(),
            reason: self.reason.clone(),
            by: self.by.clone(),
            at: self.created_at,
            expires_at: self.expires_at,
        }
    }

    fn from_row(row: &RevocationRow) -> Option<Self> {
        Some(Self {
            id: row.id.parse().ok()?,
            target: RevocationTarget::from_row(row)?,
            reason: row.reason.clone(),
            by: row.by.clone(),
            created_at: row.at,
            expires_at: row.expires_at,
        })
    }
}

/// Puts one change to those before it.
pub(super) fn follow(
    active: &mut BTreeMap<String, Revocation>,
    event: &RevocationEvent,
) -> Result<(), RevocationError> {
    match event.what {
        RevocationStep::Revoked => {
            let corrupt = || RevocationError::Corrupt(event.row.id.clone());
            let revocation = Revocation::from_row(&event.row).ok_or_else(corrupt)?;
            active.insert(event.row.id.clone(), revocation);
        }
        RevocationStep::Lifted => drop(active.remove(&event.row.id)),
    }
    Ok(())
}

fn record(event: RevocationStep, row: &RevocationRow) -> Record {
    Record::Revocation(RevocationRecord {
        event,
        revocation_id: row.id.clone(),
        kind: row.kind,
        issuer: row.issuer.clone(),
        value: row.value.clone(),
        reason: row.reason.clone(),
        by: row.by.clone(),
        at: row.at,
        expires_at: row.expires_at,
    })
}

fn as_told<S: serde::Serializer>(
    target: &RevocationTarget,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Told<'a> {
        kind: &'static str,
        issuer: Option<&'a str>,
        value: &'a str,
    }
    let issuer = target.issuer().map(super::IssuerAlias::as_str);
    Told { kind: target.kind().name(), issuer, value: target.value() }.serialize(serializer)
}
