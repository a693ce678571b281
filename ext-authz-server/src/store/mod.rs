//! What is kept on disk: the audit log, and the approvals, revocations, API keys and
//! tools that change with it.
//!
//! [`Store`] is the trait; every backend passes the one suite in `conformance`.
//! A store knows how entries are linked, and nothing of what they say.

mod api_keys;
mod approvals;
#[cfg(test)]
pub(crate) mod conformance;
mod error;
mod link;
mod revocations;
mod sqlite;
mod tools;

use std::borrow::Cow;
use std::num::NonZeroU32;

use async_trait::async_trait;
use chaperone_inspection::digest::Digest;
use serde::Serialize;

pub use api_keys::{ApiKeyChange, ApiKeyEvent, ApiKeyRow, ApiKeyStep};
pub use approvals::{ApprovalChange, ApprovalFilter, ApprovalRow, ApprovalState};
pub use error::StoreError;
pub use revocations::{
    RevocationChange, RevocationEvent, RevocationKind, RevocationRow, RevocationStep,
};
pub use sqlite::{Durability, SqliteStore};
pub use tools::{SeenTool, ToolKey};

use crate::time::UnixMillis;

/// Where the audit log, approvals, revocations and API keys are kept.
///
/// Several processes may have the same store open: the server, and the command
/// line beside it. What one has committed, the others read.
#[async_trait]
pub trait Store: Send + Sync {
    /// Writes all of `batch` or nothing of it, and returns once it is durable:
    /// the positions of its entries, which follow each other in the log.
    ///
    /// [`StoreError::Conflict`] when something that it changes is not as expected. An
    /// empty batch writes nothing and tells whether it could have.
    async fn commit(&self, batch: Batch) -> Result<Vec<Position>, StoreError>;

    /// The last entry's position; [`Position::genesis`] while there is none.
    async fn head(&self) -> Result<Position, StoreError>;

    /// Entries after `seq`, in order, at most `limit`.
    async fn entries_after(&self, seq: u64, limit: NonZeroU32) -> Result<Vec<Entry>, StoreError>;

    /// Every entry about one decision, in order.
    async fn entries_of(&self, decision_id: &str) -> Result<Vec<Entry>, StoreError>;

    /// Entries of one kind that lack a counterpart, in order, at most `limit`.
    async fn unpaired(
        &self,
        search: UnpairedSearch,
        limit: NonZeroU32,
    ) -> Result<Vec<Entry>, StoreError>;

    /// The approval of that id.
    async fn approval(&self, id: &str) -> Result<Option<ApprovalRow>, StoreError>;

    /// The latest approval of that action: the one with the highest ordinal.
    async fn latest_approval(&self, action: Digest) -> Result<Option<ApprovalRow>, StoreError>;

    /// Approvals that pass `filter` at `now`, the newest first, at most `limit`.
    async fn approvals(
        &self,
        filter: ApprovalFilter,
        now: UnixMillis,
        limit: NonZeroU32,
    ) -> Result<Vec<ApprovalRow>, StoreError>;

    /// Changes of the revocations after place `seq`, in order, at most `limit`.
    async fn revocations_after(
        &self,
        seq: u64,
        limit: NonZeroU32,
    ) -> Result<Vec<RevocationEvent>, StoreError>;

    /// Changes of the API keys after place `seq`, in order, at most `limit`.
    async fn api_keys_after(
        &self,
        seq: u64,
        limit: NonZeroU32,
    ) -> Result<Vec<ApiKeyEvent>, StoreError>;

    /// The digest of the definition of a tool that was seen last; `None` when it never
    /// was.
    async fn tool_seen(&self, key: ToolKey) -> Result<Option<Digest>, StoreError>;

    /// Whether the store can be written to.
    async fn ping(&self) -> Result<(), StoreError> {
        self.commit(Batch::default()).await.map(drop)
    }
}

/// What is written together.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Changes of approvals.
    pub approvals: Vec<ApprovalChange>,
    /// Changes of revocations.
    pub revocations: Vec<RevocationChange>,
    /// Changes of API keys.
    pub api_keys: Vec<ApiKeyChange>,
    /// Tools that MCP servers listed; they never conflict.
    pub tools: Vec<SeenTool>,
    /// New entries of the audit log.
    pub entries: Vec<Draft>,
}

/// An entry before it has its place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// What it is a record of.
    pub kind: Kind,
    /// When it was recorded.
    pub at: UnixMillis,
    /// The decision it is about, if it is about one.
    pub decision_id: Option<String>,
    /// The record, as JSON text. What is hashed is exactly these bytes.
    pub body: String,
}

/// What an entry is a record of, by a short name that the log's reader knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind(Cow<'static, str>);

impl Kind {
    /// The kind of that name.
    pub const fn named(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// A kind as it was read back, which may be none that we know.
    pub(super) const fn stored(name: String) -> Self {
        Self(Cow::Owned(name))
    }
}

/// A place in the audit log, with the hash that commits to it and to everything
/// before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Position {
    /// The place, counted from 1.
    pub seq: u64,
    /// The hash of the entry at that place.
    pub hash: Digest,
}

/// An entry of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands.
    pub position: Position,
    /// What it says.
    pub draft: Draft,
}

/// Which entries lack a counterpart: those of `kind` that are about a decision
/// about which there is no entry of the kind `without`.
#[derive(Clone, Debug)]
pub struct UnpairedSearch {
    /// The kind of the entries looked for.
    pub kind: Kind,
    /// The kind of the entry that each of them should have beside it.
    pub without: Kind,
    /// Only entries recorded at this moment or later,
    pub since: UnixMillis,
    /// and before this one.
    pub until: UnixMillis,
    /// Only entries after this place.
    pub after: u64,
}
