//! The statements, and rows to values and back.

use std::num::NonZeroU32;

use chaperone_inspection::digest::Digest;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension as _, Params, Row, named_params, params};

use super::{ApprovalFilter, ApprovalRow, Entry, Position, StoreError, UnpairedSearch};
use crate::store::{ApprovalChange, ApprovalState, Draft, Kind};
use crate::time::UnixMillis;

/// The last entry's position.
pub(super) fn head(connection: &Connection) -> Result<Position, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")?;
    let head = statement.query_row([], position).optional()?;
    Ok(head.unwrap_or_else(Position::genesis))
}

/// Writes an entry to its place.
pub(super) fn insert_entry(
    connection: &Connection,
    position: Position,
    draft: &Draft,
) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO audit (seq, hash, at, kind, decision_id, body) VALUES (?, ?, ?, ?, ?, ?)",
    )?;
    statement.execute(params![
        number(position.seq),
        position.hash.as_bytes(),
        draft.at.millis(),
        draft.kind.name(),
        draft.decision_id,
        draft.body,
    ])?;
    Ok(())
}

/// Entries after `seq`.
pub(super) fn entries_after(
    connection: &Connection,
    seq: u64,
    limit: NonZeroU32,
) -> Result<Vec<Entry>, StoreError> {
    entries(
        connection,
        "SELECT seq, hash, at, kind, decision_id, body FROM audit
         WHERE seq > ? ORDER BY seq LIMIT ?",
        params![number(seq), limit.get()],
    )
}

/// Entries about one decision. Nothing stands before place 1, so what somebody
/// put there is not of the log.
pub(super) fn entries_of(
    connection: &Connection,
    decision_id: &str,
) -> Result<Vec<Entry>, StoreError> {
    entries(
        connection,
        "SELECT seq, hash, at, kind, decision_id, body FROM audit
         WHERE decision_id = ? AND seq > 0 ORDER BY seq",
        params![decision_id],
    )
}

/// Entries that lack a counterpart.
pub(super) fn unpaired(
    connection: &Connection,
    search: &UnpairedSearch,
    limit: NonZeroU32,
) -> Result<Vec<Entry>, StoreError> {
    entries(
        connection,
        "SELECT seq, hash, at, kind, decision_id, body FROM audit AS one
         WHERE seq > :after AND kind = :kind AND at >= :since AND at < :until
         AND decision_id IS NOT NULL AND NOT EXISTS (
             SELECT 1 FROM audit AS other
             WHERE other.decision_id = one.decision_id AND other.kind = :without
         )
         ORDER BY seq LIMIT :limit",
        named_params! {
            ":after": number(search.after),
            ":kind": search.kind.name(),
            ":without": search.without.name(),
            ":since": search.since.millis(),
            ":until": search.until.millis(),
            ":limit": limit.get(),
        },
    )
}

/// Makes a change of an approval; `false`, and nothing done, if it conflicts.
pub(super) fn change_approval(
    connection: &Connection,
    change: &ApprovalChange,
) -> Result<bool, StoreError> {
    let (sql, row) = match change {
        ApprovalChange::Insert(row) => (
            "INSERT INTO approvals
             (id, action, ordinal, version, state, created_at, expires_at, body)
             VALUES (:id, :action, :ordinal, :version, :state, :created_at, :expires_at, :body)
             ON CONFLICT DO NOTHING",
            row,
        ),
        ApprovalChange::Replace(row) => (
            "UPDATE approvals
             SET version = :version, state = :state, expires_at = :expires_at, body = :body
             WHERE id = :id AND version = :version - 1 AND action = :action
             AND ordinal = :ordinal AND created_at = :created_at",
            row,
        ),
    };
    let changed = connection.prepare_cached(sql)?.execute(named_params! {
        ":id": row.id,
        ":action": row.action.as_bytes(),
        ":ordinal": number(row.ordinal),
        ":version": number(row.version),
        ":state": row.state.name(),
        ":created_at": row.created_at.millis(),
        ":expires_at": row.expires_at.millis(),
        ":body": row.body,
    })?;
    Ok(changed == 1)
}

/// The approval of that id.
pub(super) fn approval(
    connection: &Connection,
    id: &str,
) -> Result<Option<ApprovalRow>, StoreError> {
    let sql = "SELECT id, action, ordinal, version, state, created_at, expires_at, body
               FROM approvals WHERE id = ?";
    Ok(approval_rows(connection, sql, params![id])?.pop())
}

/// The latest approval of that action.
pub(super) fn latest_approval(
    connection: &Connection,
    action: Digest,
) -> Result<Option<ApprovalRow>, StoreError> {
    let sql = "SELECT id, action, ordinal, version, state, created_at, expires_at, body
               FROM approvals WHERE action = ? ORDER BY ordinal DESC LIMIT 1";
    Ok(approval_rows(connection, sql, params![action.as_bytes()])?.pop())
}

/// Approvals that pass `filter` at `now`; the conditions are those of
/// [`ApprovalFilter::passes`].
pub(super) fn approvals(
    connection: &Connection,
    filter: ApprovalFilter,
    now: UnixMillis,
    limit: NonZeroU32,
) -> Result<Vec<ApprovalRow>, StoreError> {
    let condition = match filter {
        ApprovalFilter::Any => "TRUE",
        ApprovalFilter::In(ApprovalState::Pending) => "state = 'pending' AND expires_at > ?1",
        ApprovalFilter::In(ApprovalState::Approved) => "state = 'approved' AND expires_at > ?1",
        ApprovalFilter::In(ApprovalState::Denied) => "state = 'denied'",
        ApprovalFilter::In(ApprovalState::Consumed) => "state = 'consumed'",
        ApprovalFilter::In(ApprovalState::Expired) => {
            "(state = 'expired' OR state IN ('pending', 'approved') AND expires_at <= ?1)"
        }
        ApprovalFilter::Lapsed => "state IN ('pending', 'approved') AND expires_at <= ?1",
    };
    let sql = format!(
        "SELECT id, action, ordinal, version, state, created_at, expires_at, body
         FROM approvals WHERE {condition} ORDER BY created_at DESC, id LIMIT ?2"
    );
    approval_rows(connection, &sql, params![now.millis(), limit.get()])
}

fn entries(
    connection: &Connection,
    sql: &str,
    params: impl Params,
) -> Result<Vec<Entry>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let entries = statement.query_map(params, entry)?.collect::<Result<_, _>>()?;
    Ok(entries)
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let decision_id = match row.get_ref("decision_id")? {
        ValueRef::Null => None,
        _ => Some(text(row, "decision_id")?),
    };
    let draft = Draft {
        kind: Kind::stored(text(row, "kind")?),
        at: UnixMillis::new(row.get("at")?),
        decision_id,
        body: text(row, "body")?,
    };
    Ok(Entry { position: position(row)?, draft })
}

fn position(row: &Row<'_>) -> rusqlite::Result<Position> {
    // A hash of another length was not made by us: it reads as one that fits nothing.
    let hash = row.get_ref("hash")?.as_blob().ok().and_then(|hash| hash.try_into().ok());
    let hash = Digest::from_bytes(hash.unwrap_or([0; 32]));
    Ok(Position { seq: count(row.get("seq")?), hash })
}

/// Text that somebody may have tampered with: what is not UTF-8 is replaced, so
/// that it can be read, hashed and found to be wrong.
fn text(row: &Row<'_>, column: &str) -> rusqlite::Result<String> {
    match row.get_ref(column)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            Ok(String::from_utf8_lossy(bytes).into_owned())
        }
        _ => row.get(column),
    }
}

fn approval_rows(
    connection: &Connection,
    sql: &str,
    params: impl Params,
) -> Result<Vec<ApprovalRow>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut approvals = Vec::new();
    while let Some(row) = rows.next()? {
        approvals.push(approval_row(row)?);
    }
    Ok(approvals)
}

fn approval_row(row: &Row<'_>) -> Result<ApprovalRow, StoreError> {
    let state: String = row.get("state")?;
    let state = ApprovalState::named(&state)
        .ok_or_else(|| StoreError::Corrupt(format!("an approval is in no state `{state}`")))?;
    Ok(ApprovalRow {
        id: row.get("id")?,
        action: Digest::from_bytes(row.get("action")?),
        ordinal: count(row.get("ordinal")?),
        version: count(row.get("version")?),
        state,
        created_at: UnixMillis::new(row.get("created_at")?),
        expires_at: UnixMillis::new(row.get("expires_at")?),
        body: row.get("body")?,
    })
}

/// SQLite's integers have a sign; no log gets so long that it matters.
pub(super) fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
