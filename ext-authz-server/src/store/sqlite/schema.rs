//! The file: how it is made, recognised, migrated and opened.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::{Durability, StoreError};

/// Marks the file as ours (`PRAGMA application_id`): `Chap` in ASCII.
const APPLICATION_ID: i64 = 0x4368_6170;

/// How long a lock of another process is waited for. A commit takes
/// milliseconds; a caller of Envoy's has given up after a few seconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// The steps from each schema to the next; `PRAGMA user_version` counts them.
const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE audit (
    seq         INTEGER PRIMARY KEY CHECK (seq > 0),
    hash        BLOB    NOT NULL CHECK (length(hash) = 32),
    at          INTEGER NOT NULL,
    kind        TEXT    NOT NULL,
    decision_id TEXT,
    body        TEXT    NOT NULL
) STRICT;
CREATE INDEX audit_decision ON audit (decision_id, kind) WHERE decision_id IS NOT NULL;

CREATE TABLE approvals (
    id         TEXT    PRIMARY KEY,
    action     BLOB    NOT NULL CHECK (length(action) = 32),
    ordinal    INTEGER NOT NULL CHECK (ordinal > 0),
    version    INTEGER NOT NULL CHECK (version > 0),
    state      TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    body       TEXT    NOT NULL,
    UNIQUE (action, ordinal)
) STRICT;
CREATE INDEX approvals_created ON approvals (created_at);
CREATE INDEX approvals_state ON approvals (state, expires_at);
",
    "
CREATE TABLE revocations (
    -- AUTOINCREMENT: a place is never given twice, even when its row is gone.
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    step       TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    issuer     TEXT,
    value      TEXT    NOT NULL,
    reason     TEXT,
    by         TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    UNIQUE (id, step)
) STRICT;
CREATE INDEX revocations_expiry ON revocations (expires_at);

CREATE TABLE api_keys (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    step       TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    owner      TEXT    NOT NULL,
    groups     TEXT    NOT NULL,
    hash       BLOB    NOT NULL CHECK (length(hash) = 32),
    by         TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    UNIQUE (id, step)
) STRICT;
CREATE INDEX api_keys_name ON api_keys (name);
CREATE INDEX api_keys_expiry ON api_keys (expires_at);
",
    "
CREATE TABLE mcp_tools (
    service TEXT    NOT NULL,
    route   TEXT    NOT NULL,
    tool    TEXT    NOT NULL,
    digest  BLOB    NOT NULL CHECK (length(digest) = 32),
    at      INTEGER NOT NULL,
    PRIMARY KEY (service, route, tool)
) STRICT, WITHOUT ROWID;
",
];

/// Opens the file at `path` to write to it, at the latest schema.
pub(super) fn open(path: &Path, durability: Durability) -> Result<Connection, StoreError> {
    create_private(path)
        .map_err(|error| StoreError::Open { path: path.to_owned(), reason: error.to_string() })?;
    let mut connection = connect(path)?;
    if !is_ours(&connection).map_err(|error| unreadable(path, &error))? {
        return Err(StoreError::Foreign { path: path.to_owned() });
    }
    use_write_ahead_log(&connection)?;
    connection.pragma_update(
        None,
        "synchronous",
        match durability {
            Durability::Full => "FULL",
            Durability::Normal => "NORMAL",
        },
    )?;
    migrate(&mut connection)?;
    Ok(connection)
}

/// Opens a connection that only reads.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let connection = connect(path)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(path, flags).map_err(|error| unreadable(path, &error))?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

/// Makes the file if there is none, for its owner alone: records name people and
/// what they did. SQLite gives the files beside it the same mode.
fn create_private(path: &Path) -> io::Result<()> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path).map(drop)
}

/// Whether the file is a store of ours, or nothing yet. Both are read at one
/// moment: another process may be making it.
fn is_ours(connection: &Connection) -> rusqlite::Result<bool> {
    let moment = connection.unchecked_transaction()?;
    let application = pragma(&moment, "application_id")?;
    let tables: i64 =
        moment.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(application == APPLICATION_ID || (application == 0 && tables == 0))
}

/// Lets readers read while the writer writes. Two processes that open a new file
/// at once get in each other's way here, and SQLite does not wait by itself.
fn use_write_ahead_log(connection: &Connection) -> Result<(), StoreError> {
    let started = Instant::now();
    loop {
        let mode = connection
            .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0));
        match mode {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(mode) => {
                let message = format!("no write-ahead log is possible here, only `{mode}`");
                return Err(StoreError::Failed(message));
            }
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && started.elapsed() < BUSY_TIMEOUT =>
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Brings the file to the latest schema, in one transaction: of two processes one
/// does it and the other finds it done.
fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = pragma(&transaction, "user_version")?;
    let done = usize::try_from(found).ok().filter(|done| *done <= MIGRATIONS.len());
    let steps = done
        .and_then(|done| MIGRATIONS.get(done..))
        .ok_or(StoreError::SchemaNewer { found, known })?;
    for step in steps {
        transaction.execute_batch(step)?;
    }
    if !steps.is_empty() {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", known)?;
    }
    transaction.commit()?;
    Ok(())
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

fn unreadable(path: &Path, error: &rusqlite::Error) -> StoreError {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => StoreError::Foreign { path },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy,
        _ => StoreError::Open { path, reason: error.to_string() },
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Corrupt(error.to_string())
            }
            _ => Self::Failed(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn opened(path: &Path) -> Result<(), StoreError> {
        open(path, Durability::Full).map(drop)
    }

    #[test]
    fn a_new_store_is_readable_by_its_owner_alone_with_all_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chaperone.db");
        let connection = open(&path, Durability::Full).unwrap();
        let mut files = 0;
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let mode = file.as_ref().unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{:?}", file.unwrap().path());
            files += 1;
        }
        assert_eq!(files, 3, "the database, its log and the log's index");
        drop(connection);
        assert_eq!(opened(&path), Ok(()), "and opens again");
    }

    #[test]
    fn a_file_of_somebody_else_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        std::fs::write(&path, "milk, eggs, and what else a breakfast needs").unwrap();
        assert_eq!(opened(&path), Err(StoreError::Foreign { path: path.clone() }));
        assert!(std::fs::read_to_string(&path).unwrap().starts_with("milk"));

        let path = folder.path().join("theirs.db");
        let theirs = Connection::open(&path).unwrap();
        theirs.execute_batch("CREATE TABLE customers (name TEXT)").unwrap();
        assert_eq!(opened(&path), Err(StoreError::Foreign { path: path.clone() }));
        let mode: String =
            theirs.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!(mode, "delete");
    }

    #[test]
    fn a_store_of_a_later_version_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chaperone.db");
        open(&path, Durability::Full).unwrap().pragma_update(None, "user_version", 99).unwrap();
        assert_eq!(opened(&path), Err(StoreError::SchemaNewer { found: 99, known: 3 }));
    }

    #[test]
    fn a_store_of_an_earlier_version_is_brought_up_to_date_with_what_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chaperone.db");
        let first = Connection::open(&path).unwrap();
        first.execute_batch(MIGRATIONS[0]).unwrap();
        first.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        first.pragma_update(None, "user_version", 1).unwrap();
        let insert = "INSERT INTO audit VALUES (1, zeroblob(32), 5, 'system', NULL, '{}')";
        first.execute(insert, []).unwrap();
        drop(first);
        let connection = open(&path, Durability::Full).unwrap();
        let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("SELECT at FROM audit"), 5);
        assert_eq!(count("SELECT count(*) FROM revocations"), 0);
        assert_eq!(count("SELECT count(*) FROM api_keys"), 0);
        assert_eq!(count("SELECT count(*) FROM mcp_tools"), 0);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = opened(Path::new("/nowhere/at/all/chaperone.db")).unwrap_err();
        assert_eq!(error.code(), "store_open_failed");
        assert!(error.to_string().contains("/nowhere/at/all/chaperone.db"), "{error}");
    }

    #[test]
    fn many_may_open_a_new_store_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chaperone.db");
        let opening = |_| {
            let path = path.clone();
            std::thread::spawn(move || opened(&path))
        };
        let all: Vec<_> = (0..8).map(opening).collect();
        for one in all {
            assert_eq!(one.join().unwrap(), Ok(()));
        }
    }
}
