use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use tempfile::TempDir;

use super::*;
use crate::store::conformance::{self, Fixture, draft};

mod conforms {
    use super::{FileFixture, conformance};

    conformance::suite!(FileFixture::new());
}

/// A folder with one store in it.
struct FileFixture(TempDir);

impl FileFixture {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

impl Fixture for FileFixture {
    fn open(&self) -> Arc<dyn Store> {
        Arc::new(SqliteStore::open(&self.0.path().join("store.db"), Durability::Full).unwrap())
    }
}

fn one(body: &str) -> Batch {
    Batch { entries: vec![draft("decision", 0, None, body)], ..Batch::default() }
}

#[tokio::test]
async fn a_store_whose_file_was_deleted_refuses_to_write() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = SqliteStore::open(&path, Durability::Full).unwrap();
    store.commit(one("{}")).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(store.commit(one("{}")).await, Err(StoreError::Moved));
    std::fs::write(&path, "").unwrap();
    assert_eq!(store.ping().await, Err(StoreError::Moved));
}

#[tokio::test]
async fn a_store_that_another_process_keeps_locked_is_busy_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = SqliteStore::open(&path, Durability::Full).unwrap();
    let other = schema::open(&path, Durability::Full).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(store.commit(one("{}")).await, Err(StoreError::Busy));
    assert_eq!(store.head().await, Ok(Position::genesis()), "reads go on");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(store.commit(one("{}")).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_full_disk_fails_the_commit_and_keeps_what_there_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let connection = schema::open(&path, Durability::Full).unwrap();
    connection.pragma_update(None, "max_page_count", 64).unwrap();
    let writer = Writer::start(connection, &path).unwrap();
    let store = SqliteStore { writer, readers: Readers::new(&path) };
    let mut kept = 0;
    let error = loop {
        match store.commit(one(&"x".repeat(10_000))).await {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error, StoreError::Full);
    assert!(kept > 0);
    assert_eq!(store.head().await.unwrap().seq, kept);
}

/// Not a test by itself: what the one below runs in a process to kill. It appends
/// until it dies, and prints the place of every entry once that is acknowledged.
#[test]
#[ignore = "run by a_killed_process_loses_nothing_that_it_acknowledged"]
fn appends_until_killed() {
    let Some(path) = std::env::var_os("CHAPERONE_TEST_STORE") else { return };
    let store = Arc::new(SqliteStore::open(Path::new(&path), Durability::Full).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    runtime.block_on(async {
        let writer = |_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                while let Ok(positions) = store.commit(one("{}")).await {
                    println!("\nacknowledged {} {}", positions[0].seq, positions[0].hash);
                }
            })
        };
        for writer in (0..8).map(writer).collect::<Vec<_>>() {
            writer.await.unwrap();
        }
    });
}

#[tokio::test]
async fn a_killed_process_loses_nothing_that_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::sqlite::tests::appends_until_killed", "--ignored", "--nocapture"])
        .env("CHAPERONE_TEST_STORE", &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let acknowledged = |line: std::io::Result<String>| {
        let line = line.ok()?;
        let (seq, hash) = line.strip_prefix("acknowledged ")?.split_once(' ')?;
        Some((seq.parse::<u64>().ok()?, hash.parse::<Digest>().ok()?))
    };
    let mut told: Vec<_> = lines.by_ref().filter_map(acknowledged).take(200).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    told.extend(lines.filter_map(acknowledged));

    let store = SqliteStore::open(&path, Durability::Full).unwrap();
    let entries = store.entries_after(0, NonZeroU32::MAX).await.unwrap();
    let mut head = Position::genesis();
    for entry in &entries {
        head = head.next(&entry.draft);
        assert_eq!(entry.position, head);
    }
    assert!(told.len() >= 200);
    for (seq, hash) in told {
        let entry = &entries[usize::try_from(seq).unwrap() - 1];
        assert_eq!(entry.position, Position { seq, hash });
    }
}

/// Prints a measurement: `cargo test --release -p chaperone --lib appends_a_second
/// -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn appends_a_second() {
    let body = "x".repeat(1200);
    for durability in [Durability::Full, Durability::Normal] {
        for writers in [1_usize, 64] {
            let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
            let path = folder.path().join("store.db");
            let store = Arc::new(SqliteStore::open(&path, durability).unwrap());
            let started = Instant::now();
            let each = 20_000 / if writers == 1 { 10 } else { writers };
            let writer = |_| {
                let (store, body) = (Arc::clone(&store), body.clone());
                tokio::spawn(async move {
                    for number in 0..each {
                        let id = format!("dec_{number}");
                        let entries = vec![draft("decision", 0, Some(&id), &body)];
                        store.commit(Batch { entries, ..Batch::default() }).await.unwrap();
                    }
                })
            };
            for writer in (0..writers).map(writer).collect::<Vec<_>>() {
                writer.await.unwrap();
            }
            let appends = u32::try_from(writers * each).unwrap();
            let rate = f64::from(appends) / started.elapsed().as_secs_f64();
            println!("{durability:?}, {writers} at once: {rate:.0} appends a second");
        }
    }
}
