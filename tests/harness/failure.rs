//! Why the harness could not do something, told to the person who ran it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the harness gives, or why not.
pub type Result<T> = std::result::Result<T, Failure>;

/// The harness could not do something.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Something is not installed.
    #[error("{what} is missing: {remedy}")]
    Missing {
        /// What is.
        what: String,
        /// What to type.
        remedy: String,
    },
    /// A file, folder or socket.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A command ended badly.
    #[error("`{command}` failed ({status}){}", told(output))]
    Command {
        /// The command as typed.
        command: String,
        /// How it ended.
        status: String,
        /// The end of what it printed.
        output: String,
    },
    /// A program ended, or did not get ready in time.
    #[error("{program} did not get ready: {why}\n--- the end of {}\n{tail}", log.display())]
    NotReady {
        /// Which.
        program: &'static str,
        /// What was seen.
        why: String,
        /// Where it logs.
        log: PathBuf,
        /// The end of its log.
        tail: String,
    },
    /// Something that was waited for did not happen.
    #[error("{what} did not happen within {} s", within.as_secs_f32())]
    TimedOut {
        /// What was waited for.
        what: String,
        /// How long.
        within: Duration,
    },
    /// A port that was asked for is not free.
    #[error("port {port} is taken; name another one, or none to use any that is free")]
    PortTaken {
        /// Which.
        port: u16,
    },
    /// Something answered in a way that makes no sense here.
    #[error("{what}: {why}")]
    Unexpected {
        /// What was asked.
        what: String,
        /// What came.
        why: String,
    },
}

impl Failure {
    /// A failed operation on a file.
    pub fn io(doing: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { doing, path, source }
    }

    /// An answer that makes no sense.
    pub fn unexpected(what: impl Into<String>, why: impl fmt::Display) -> Self {
        Self::Unexpected { what: what.into(), why: format!("{why}") }
    }
}

fn told(output: &str) -> String {
    let output = output.trim();
    if output.is_empty() { String::new() } else { format!(":\n{output}") }
}
