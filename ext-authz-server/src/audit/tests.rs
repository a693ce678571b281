use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chaperone_inspection::digest::Digest;
use proptest::prelude::*;
use rusqlite::Connection;
use tempfile::TempDir;

use super::record::tests::{decision, outcome};
use super::*;
use crate::store::{Durability, Position, SqliteStore};
use crate::time::UnixMillis;

/// A log in a file that others can get at.
struct Tampered {
    folder: TempDir,
    log: AuditLog,
}

impl Tampered {
    async fn with(records: &[Record]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let store = SqliteStore::open(&path, Durability::Normal).unwrap();
        let log = AuditLog::new(Arc::new(store));
        log.append_all(records, UnixMillis::new(1000)).await.unwrap();
        Self { folder, log }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("store.db")
    }

    /// Runs SQL as somebody would who has the file, checks and all turned off.
    fn tamper(&self, sql: &str) {
        let connection = Connection::open(self.path()).unwrap();
        connection.pragma_update(None, "ignore_check_constraints", true).unwrap();
        connection.execute_batch(sql).unwrap();
    }

    async fn first_bad(&self) -> Option<Bad> {
        self.log.verify(None).await.unwrap().first_bad
    }
}

fn decisions(count: u64) -> Vec<Record> {
    (1..=count).map(|number| decision(&format!("d{number}"), Verdict::Allow)).collect()
}

#[tokio::test]
async fn an_untouched_log_is_intact_however_long_it_is() {
    let empty = Tampered::with(&[]).await.log.verify(None).await.unwrap();
    let genesis = Position::genesis().hash;
    assert_eq!(empty, Verification { entries: 0, head: genesis, first_bad: None });

    // Longer than two pages.
    let long = Tampered::with(&decisions(1001)).await;
    let early = long.log.entries_after(2, NonZeroU32::MIN).await.unwrap()[0].position;
    let verified = long.log.verify(Some(early.hash)).await.unwrap();
    assert!(verified.is_intact());
    assert_eq!(verified.entries, 1001);
    assert_eq!(verified.head, long.log.head().await.unwrap().hash);
    assert!(long.log.verify(Some(verified.head)).await.unwrap().is_intact());
    assert!(long.log.verify(Some(genesis)).await.unwrap().is_intact());
}

#[tokio::test]
async fn what_was_done_to_a_log_is_told_with_its_place() {
    let changed = |seq| Some(Bad { seq, problem: Problem::Changed });
    let missing = |seq| Some(Bad { seq, problem: Problem::Missing });
    for (sql, found) in [
        ("UPDATE audit SET body = replace(body, 'allow', 'deny') WHERE seq = 4", changed(4)),
        ("UPDATE audit SET body = CAST(x'ff' AS TEXT) WHERE seq = 4", changed(4)),
        ("UPDATE audit SET kind = 'outcome' WHERE seq = 4", changed(4)),
        ("UPDATE audit SET kind = 'rumour' WHERE seq = 4", changed(4)),
        ("UPDATE audit SET at = at + 1 WHERE seq = 4", changed(4)),
        ("UPDATE audit SET decision_id = NULL WHERE seq = 4", changed(4)),
        ("UPDATE audit SET decision_id = 'd5' WHERE seq = 4", changed(4)),
        ("UPDATE audit SET hash = x'00' WHERE seq = 4", changed(4)),
        ("UPDATE audit SET hash = zeroblob(32) WHERE seq = 9", changed(9)),
        ("DELETE FROM audit WHERE seq = 1", missing(1)),
        ("DELETE FROM audit WHERE seq BETWEEN 4 AND 6", missing(4)),
        ("UPDATE audit SET seq = 4000 WHERE seq = 4", missing(4)),
        (
            "DELETE FROM audit WHERE seq = 4; UPDATE audit SET seq = seq - 1 WHERE seq > 4",
            changed(4),
        ),
        (
            "UPDATE audit SET seq = 99 WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = 4;
             UPDATE audit SET seq = 4 WHERE seq = 99",
            changed(3),
        ),
        (
            "INSERT INTO audit SELECT 10, hash, at, kind, decision_id, body FROM audit WHERE seq = 9",
            changed(10),
        ),
        (
            "INSERT INTO audit SELECT 77, hash, at, kind, decision_id, body FROM audit WHERE seq = 9",
            missing(10),
        ),
    ] {
        let log = Tampered::with(&decisions(9)).await;
        log.tamper(sql);
        assert_eq!(log.first_bad().await, found, "{sql}");
    }
}

#[tokio::test]
async fn nothing_can_be_slipped_in_before_the_first_entry() {
    let log = Tampered::with(&decisions(2)).await;
    log.tamper(
        "INSERT INTO audit SELECT -1, hash, at, kind, decision_id, body FROM audit WHERE seq = 1",
    );
    assert_eq!(log.log.entries_of("d1").await.unwrap().len(), 1);
    assert_eq!(log.first_bad().await, None, "what is there is not of the log");
}

#[tokio::test]
async fn a_log_that_was_cut_or_written_anew_lacks_its_kept_head() {
    let log = Tampered::with(&decisions(9)).await;
    let kept = log.log.verify(None).await.unwrap().head;
    log.tamper("DELETE FROM audit WHERE seq > 7");
    assert_eq!(log.first_bad().await, None, "a shorter log is a log");
    let verified = log.log.verify(Some(kept)).await.unwrap();
    assert_eq!(verified.entries, 7);
    assert_eq!(verified.first_bad, Some(Bad { seq: 8, problem: Problem::HeadMissing }));

    let anew = Tampered::with(&decisions(8)).await;
    let verified = anew.log.verify(Some(kept)).await.unwrap();
    assert_eq!(verified.first_bad, Some(Bad { seq: 9, problem: Problem::HeadMissing }));
}

#[tokio::test]
async fn a_log_goes_on_after_a_bad_entry_and_stays_bad() {
    let log = Tampered::with(&decisions(3)).await;
    log.tamper("UPDATE audit SET at = 0 WHERE seq = 3");
    log.log.append(&outcome("d1"), UnixMillis::new(2000)).await.unwrap();
    let verified = log.log.verify(None).await.unwrap();
    assert_eq!(verified.entries, 2);
    assert_eq!(verified.first_bad, Some(Bad { seq: 3, problem: Problem::Changed }));
}

#[tokio::test]
async fn gaps_are_decisions_without_outcomes_and_outcomes_without_decisions() {
    let kept = Tampered::with(&[
        decision("ended", Verdict::Allow),
        outcome("ended"),
        decision("allowed", Verdict::Allow),
        decision("undecided", Verdict::Unavailable),
        decision("denied", Verdict::Deny),
        outcome("unheard of"),
    ])
    .await;
    let log = &kept.log;
    log.append(&decision("fresh", Verdict::Allow), UnixMillis::new(31_000)).await.unwrap();
    let gaps = |since, now, limit| {
        let limit = NonZeroU32::new(limit).unwrap();
        let grace = Duration::from_secs(30);
        async move {
            let now = UnixMillis::new(now);
            let gaps = log.gaps(UnixMillis::new(since), grace, now, limit).await.unwrap();
            let ids = |gaps: Vec<Gap>| -> Vec<_> {
                gaps.into_iter().map(|gap| (gap.decision_id, gap.seq)).collect()
            };
            (ids(gaps.decisions_without_outcome), ids(gaps.outcomes_without_decision))
        }
    };
    let found = |id: &str, seq| (id.to_owned(), seq);
    let open = vec![found("allowed", 3), found("denied", 5)];
    let unknown = vec![found("unheard of", 6)];
    assert_eq!(gaps(0, 31_001, 9).await, (open.clone(), unknown.clone()));
    assert_eq!(gaps(0, 31_001, 1).await, (open[..1].to_vec(), unknown));
    assert_eq!(gaps(0, 31_000, 9).await, (vec![], vec![]), "within the time of grace");
    assert_eq!(gaps(1001, 61_001, 9).await, (vec![found("fresh", 7)], vec![]));
}

#[tokio::test]
async fn a_batch_of_records_is_kept_whole() {
    let kept = Tampered::with(&[]).await;
    let log = &kept.log;
    let now = UnixMillis::new(5);
    let first = log.append(&decision("d1", Verdict::Allow), now).await.unwrap();
    let rest = log.append_all(&[outcome("d1"), outcome("d2")], now).await.unwrap();
    assert_eq!(first.seq, 1);
    assert_eq!(rest.iter().map(|position| position.seq).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(log.head().await.unwrap(), rest[1]);
    let about = log.entries_of("d1").await.unwrap();
    let kinds: Vec<_> = about.iter().map(|entry| entry.draft.kind.name()).collect();
    assert_eq!(kinds, ["decision", "outcome"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Any one byte of any one column of any one entry.
    #[test]
    fn any_flipped_byte_is_noticed_where_it_is(
        seq in 1..=6_u64,
        column in prop_oneof![Just("hash"), Just("kind"), Just("decision_id"), Just("body")],
        place in any::<prop::sample::Index>(),
        flip in 1..=255_u8,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let log = Tampered::with(&decisions(6)).await;
            let connection = Connection::open(log.path()).unwrap();
            let read = format!("SELECT CAST({column} AS BLOB) FROM audit WHERE seq = ?");
            let mut bytes: Vec<u8> =
                connection.query_row(&read, [seq.cast_signed()], |row| row.get(0)).unwrap();
            let place = place.index(bytes.len());
            bytes[place] ^= flip;
            let kind = if column == "hash" { "BLOB" } else { "TEXT" };
            let write = format!("UPDATE audit SET {column} = CAST(? AS {kind}) WHERE seq = ?");
            connection.execute(&write, (bytes, seq.cast_signed())).unwrap();
            assert_eq!(log.first_bad().await, Some(Bad { seq, problem: Problem::Changed }));
        });
    }
}

#[test]
fn a_head_that_is_printed_can_be_given_back() {
    let printed = serde_json::to_value(Verification {
        entries: 0,
        head: Position::genesis().hash,
        first_bad: Some(Bad { seq: 1, problem: Problem::HeadMissing }),
    })
    .unwrap();
    assert_eq!(printed["head"].as_str().unwrap().parse::<Digest>(), Ok(Position::genesis().hash));
    assert_eq!(printed["first_bad"]["problem"], "head_missing");
}
