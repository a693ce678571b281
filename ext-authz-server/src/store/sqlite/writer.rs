//! The one thread that writes.
//!
//! Whatever waits when a transaction begins is committed in it: under load, many
//! commits share one sync of the file, which is what they take their time for.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::{Batch, Position, StoreError};
use super::{api_keys, revocations, rows, tools};

/// How many commits may wait before those who bring more are held up.
const WAITING: usize = 1024;

/// How many commits share a transaction at most, so that the first of them does
/// not wait long for the last.
const GROUP: usize = 256;

/// Hands commits to the thread.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
}

/// A commit that waits.
#[derive(Debug)]
struct Job {
    batch: Batch,
    reply: oneshot::Sender<Committed>,
}

type Committed = Result<Vec<Position>, StoreError>;

impl Writer {
    /// Starts the thread. It ends when the last handle is dropped and all that
    /// waits is written.
    pub(super) fn start(connection: Connection, path: &Path) -> Result<Self, StoreError> {
        let failed = |error: io::Error| StoreError::Failed(error.to_string());
        let file = OpenFile::of(path).map_err(failed)?;
        let (jobs, waiting) = mpsc::channel(WAITING);
        std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || write_all(connection, &file, waiting))
            .map_err(failed)?;
        Ok(Self { jobs })
    }

    /// Writes `batch` or nothing of it. Once it is handed over it is written, even
    /// if nobody waits for the answer any more.
    pub(super) async fn commit(&self, batch: Batch) -> Committed {
        let (reply, committed) = oneshot::channel();
        self.jobs.send(Job { batch, reply }).await.map_err(|_| StoreError::Closed)?;
        committed.await.map_err(|_| StoreError::Closed)?
    }
}

fn write_all(mut connection: Connection, file: &OpenFile, mut waiting: mpsc::Receiver<Job>) {
    let mut group = Vec::with_capacity(GROUP);
    while waiting.blocking_recv_many(&mut group, GROUP) > 0 {
        let committed = file.is_in_place().and_then(|()| write_group(&mut connection, &group));
        // Who no longer waits for the answer does not get it.
        match committed {
            Ok(answers) => {
                for (job, answer) in group.drain(..).zip(answers) {
                    let _ = job.reply.send(answer);
                }
            }
            Err(error) => {
                for job in group.drain(..) {
                    let _ = job.reply.send(Err(error.clone()));
                }
            }
        }
    }
}

/// Writes a group in one transaction. A batch that conflicts writes nothing and
/// leaves the others alone; any other error undoes the whole group.
fn write_group(connection: &mut Connection, group: &[Job]) -> Result<Vec<Committed>, StoreError> {
    // The lock is taken first, so that the head stays the head.
    let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut head = rows::head(&transaction)?;
    let mut answers = Vec::with_capacity(group.len());
    for job in group {
        answers.push(write_batch(&mut transaction, &mut head, &job.batch)?);
    }
    transaction.commit()?;
    Ok(answers)
}

fn write_batch(
    transaction: &mut Transaction<'_>,
    head: &mut Position,
    batch: &Batch,
) -> Result<Committed, StoreError> {
    let Batch { approvals, revocations, api_keys, tools, entries: _ } = batch;
    let changes = [approvals.len(), revocations.len(), api_keys.len(), tools.len()];
    if changes.iter().any(|count| *count > 0) {
        let savepoint = transaction.savepoint()?;
        if !change_all(&savepoint, batch)? {
            // Dropped without a commit, the savepoint takes back what it did.
            return Ok(Err(StoreError::Conflict));
        }
        savepoint.commit()?;
    }
    let mut positions = Vec::with_capacity(batch.entries.len());
    for draft in &batch.entries {
        *head = head.next(draft);
        rows::insert_entry(transaction, *head, draft)?;
        positions.push(*head);
    }
    Ok(Ok(positions))
}

/// Makes every change of `batch` but its entries; `false` if one conflicts.
fn change_all(connection: &Connection, batch: &Batch) -> Result<bool, StoreError> {
    for change in &batch.approvals {
        if !rows::change_approval(connection, change)? {
            return Ok(false);
        }
    }
    for change in &batch.revocations {
        if !revocations::change(connection, change)? {
            return Ok(false);
        }
    }
    for change in &batch.api_keys {
        if !api_keys::change(connection, change)? {
            return Ok(false);
        }
    }
    for seen in &batch.tools {
        tools::see(connection, seen)?;
    }
    Ok(true)
}

/// The file that is open, to notice when its path leads elsewhere. SQLite would go
/// on writing to a file that was deleted, and records would be lost in silence.
#[derive(Debug)]
struct OpenFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl OpenFile {
    fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: identity(path)? })
    }

    fn is_in_place(&self) -> Result<(), StoreError> {
        match identity(&self.path) {
            Ok(identity) if identity == self.identity => Ok(()),
            _ => Err(StoreError::Moved),
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}
