//! The statements about API keys.

use std::num::NonZeroU32;

use chaperone_inspection::digest::Digest;
use rusqlite::{Connection, Row, named_params, params};

use super::StoreError;
use super::rows::{count, number};
use crate::store::{ApiKeyChange, ApiKeyEvent, ApiKeyRow, ApiKeyStep};
use crate::time::UnixMillis;

/// Makes a change; `false`, and nothing done, if it conflicts.
pub(super) fn change(connection: &Connection, change: &ApiKeyChange) -> Result<bool, StoreError> {
    match change {
        ApiKeyChange::Create(row) => create(connection, row),
        ApiKeyChange::Revoke { id, by, at } => revoke(connection, id, by, *at),
        ApiKeyChange::Forget(before) => {
            connection
                .prepare_cached("DELETE FROM api_keys WHERE expires_at < ?")?
                .execute([before.millis()])?;
            Ok(true)
        }
    }
}

fn create(connection: &Connection, row: &ApiKeyRow) -> Result<bool, StoreError> {
    let groups = serde_json::to_string(&row.groups)
        .map_err(|error| StoreError::Failed(error.to_string()))?;
    let mut statement = connection.prepare_cached(
        "INSERT INTO api_keys (step, id, name, owner, groups, hash, by, at, expires_at)
         SELECT 'created', :id, :name, :owner, :groups, :hash, :by, :at, :expires_at
         WHERE NOT EXISTS (
             SELECT 1 FROM api_keys AS other
             WHERE other.step = 'created' AND other.name = :name AND other.owner <> :owner
             AND other.expires_at > :at AND NOT EXISTS (
                 SELECT 1 FROM api_keys AS end WHERE end.step = 'revoked' AND end.id = other.id
             )
         )
         ON CONFLICT DO NOTHING",
    )?;
    let changed = statement.execute(named_params! {
        ":id": row.id,
        ":name": row.name,
        ":owner": row.owner,
        ":groups": groups,
        ":hash": row.hash.as_bytes(),
        ":by": row.by,
        ":at": row.at.millis(),
        ":expires_at": row.expires_at.millis(),
    })?;
    Ok(changed == 1)
}

fn revoke(connection: &Connection, id: &str, by: &str, at: UnixMillis) -> Result<bool, StoreError> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO api_keys (step, id, name, owner, groups, hash, by, at, expires_at)
         SELECT 'revoked', id, name, owner, groups, hash, :by, :at, expires_at
         FROM api_keys WHERE id = :id AND step = 'created' AND expires_at > :at
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
) -> Result<Vec<ApiKeyEvent>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, step, id, name, owner, groups, hash, by, at, expires_at
         FROM api_keys WHERE seq > ? ORDER BY seq LIMIT ?",
    )?;
    let mut rows = statement.query(params![number(seq), limit.get()])?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        events.push(event(row)?);
    }
    Ok(events)
}

fn event(row: &Row<'_>) -> Result<ApiKeyEvent, StoreError> {
    let (step, groups): (String, String) = (row.get("step")?, row.get("groups")?);
    let corrupt = |what: &str| StoreError::Corrupt(format!("an API key has no {what}"));
    Ok(ApiKeyEvent {
        seq: count(row.get("seq")?),
        what: ApiKeyStep::named(&step).ok_or_else(|| corrupt("step that is known"))?,
        row: ApiKeyRow {
            id: row.get("id")?,
            name: row.get("name")?,
            owner: row.get("owner")?,
            groups: serde_json::from_str(&groups).map_err(|_| corrupt("groups"))?,
            hash: Digest::from_bytes(row.get("hash")?),
            by: row.get("by")?,
            at: UnixMillis::new(row.get("at")?),
            expires_at: UnixMillis::new(row.get("expires_at")?),
        },
    })
}
