//! What can go wrong with a store.

use std::path::PathBuf;

/// A store could not do what was asked. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It cannot be opened.
    #[error("cannot open the store {}: {reason}", path.display())]
    Open {
        /// Its file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The file is something else.
    #[error("{} is not a store of Chaperone's", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// It was written by a later version.
    #[error("the store has schema {found}, made by a later version; this one knows {known}")]
    SchemaNewer {
        /// The schema found.
        found: i64,
        /// The latest that is known.
        known: i64,
    },
    /// The file was moved or deleted while it was open: what is written to it now
    /// nobody would find.
    #[error("the store's file was moved or deleted")]
    Moved,
    /// Another process keeps it locked.
    #[error("another process keeps the store locked")]
    Busy,
    /// There is no space left.
    #[error("there is no space left for the store")]
    Full,
    /// What is in it cannot be read.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    /// Something was changed by somebody else meanwhile.
    #[error("somebody else changed it meanwhile")]
    Conflict,
    /// It was closed.
    #[error("the store is closed")]
    Closed,
    /// Anything else that the database reports.
    #[error("the store failed: {0}")]
    Failed(String),
}

impl StoreError {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Open { .. } => "store_open_failed",
            Self::Foreign { .. } => "store_foreign",
            Self::SchemaNewer { .. } => "store_schema_newer",
            Self::Moved => "store_moved",
            Self::Busy => "store_busy",
            Self::Full => "store_full",
            Self::Corrupt(_) => "store_corrupt",
            Self::Conflict => "store_conflict",
            Self::Closed => "store_closed",
            Self::Failed(_) => "store_failed",
        }
    }
}
