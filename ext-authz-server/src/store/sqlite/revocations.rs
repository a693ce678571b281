//! The statements about revocations.

use std::num::NonZeroU32;

use rusqlite::{Connection, Row, named_params, params};

use super::StoreError;
use super::rows::{count, number};
use crate::store::{
    RevocationChange, RevocationEvent, RevocationKind, RevocationRow, RevocationStep,
};
use crate::time::UnixMillis;

/// Makes a change; `false`, and nothing done, if it conflicts.
pub(super) fn change(
    connection: &Connection,
    change: &RevocationChange,
) -> Result<bool, StoreError> {
    match change {
        RevocationChange::Revoke(row) => revoke(connection, row),
        RevocationChange::Lift { id, by, at } => lift(connection, id, by, *at),
        RevocationChange::Forget(before) => {
            connection
                .prepare_cached("DELETE FROM revocations WHERE expires_at < ?")?
                .execute([before.millis()])?;
            Ok(true)
        }
    }
}

fn revoke(connection: &Connection, row: &RevocationRow) -> Result<bool, StoreError> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO revocations (step, id, kind, issuer, value, reason, by, at, expires_at)
         VALUES ('revoked', :id, :kind, :issuer, :value, :reason, :by, :at, :expires_at)
         ON CONFLICT DO NOTHING",
    )?;
    let changed = statement.execute(named_params! {
        ":id": row.id,
        ":kind": row.kind.name(),
        ":issuer": row.issuer,
        ":value": row.value,
        ":reason": row.reason,
        ":by": row.by,
        ":at": row.at.millis(),
        ":expires_at": row.expires_at.millis(),
    })?;
    Ok(changed == 1)
}

fn lift(connection: &Connection, id: &str, by: &str, at: UnixMillis) -> Result<bool, StoreError> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO revocations (step, id, kind, issuer, value, reason, by, at, expires_at)
         SELECT 'lifted', id, kind, issuer, value, reason, :by, :at, expires_at
         FROM revocations WHERE id = :id AND step = 'revoked' AND expires_at > :at
         ON CONFLICT DO NOTHING",
    )?;
    let changed = statement.execute(named_params! { ":id": id, ":by": by, ":at": at.millis() })?;
    Ok(changed == 1)
}

/// Changes after `seq`.
pub(super) fn after(
    connection: &Connection,
    seq: u64,
    limit: NonZeroU32,
) -> Result<Vec<RevocationEvent>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, step, id, kind, issuer, value, reason, by, at, expires_at
         FROM revocations WHERE seq > ? ORDER BY seq LIMIT ?",
    )?;
    let mut rows = statement.query(params![number(seq), limit.get()])?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        events.push(event(row)?);
    }
    Ok(events)
}

fn event(row: &Row<'_>) -> Result<RevocationEvent, StoreError> {
    let (step, kind): (String, String) = (row.get("step")?, row.get("kind")?);
    let unknown = || StoreError::Corrupt(format!("a revocation is of no kind `{step} {kind}`"));
    Ok(RevocationEvent {
        seq: count(row.get("seq")?),
        what: RevocationStep::named(&step).ok_or_else(unknown)?,
        row: RevocationRow {
            id: row.get("id")?,
            kind: RevocationKind::named(&kind).ok_or_else(unknown)?,
            issuer: row.get("issuer")?,
            value: row.get("value")?,
            reason: row.get("reason")?,
            by: row.get("by")?,
            at: UnixMillis::new(row.get("at")?),
            expires_at: UnixMillis::new(row.get("expires_at")?),
        },
    })
}
