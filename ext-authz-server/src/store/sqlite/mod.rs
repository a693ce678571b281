//! The store in one SQLite file.
//!
//! One thread writes, and commits together what waits together; reads run on
//! connections of their own beside it. No call blocks the async runtime.

mod api_keys;
mod readers;
mod revocations;
mod rows;
mod schema;
#[cfg(test)]
mod tests;
mod tools;
mod writer;

use std::num::NonZeroU32;
use std::path::Path;

use async_trait::async_trait;
use chaperone_inspection::digest::Digest;

use self::readers::Readers;
use self::writer::Writer;
use super::{
    ApiKeyEvent, ApprovalFilter, ApprovalRow, Batch, Entry, Position, RevocationEvent, Store,
    StoreError, ToolKey, UnpairedSearch,
};
use crate::time::UnixMillis;

/// A store in an SQLite file, which several processes may have open.
#[derive(Debug)]
pub struct SqliteStore {
    writer: Writer,
    readers: Readers,
}

/// What a commit survives once it has returned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// A power failure: the file is synced before the commit returns.
    #[default]
    Full,
    /// A crash of the process, but perhaps not a power failure.
    Normal,
}

impl SqliteStore {
    /// Opens the store at `path`; makes it, readable by its owner alone, if there
    /// is none. The folder must exist.
    pub fn open(path: &Path, durability: Durability) -> Result<Self, StoreError> {
        let connection = schema::open(path, durability)?;
        Ok(Self { writer: Writer::start(connection, path)?, readers: Readers::new(path) })
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn commit(&self, batch: Batch) -> Result<Vec<Position>, StoreError> {
        self.writer.commit(batch).await
    }

    async fn head(&self) -> Result<Position, StoreError> {
        self.readers.read(rows::head).await
    }

    async fn entries_after(&self, seq: u64, limit: NonZeroU32) -> Result<Vec<Entry>, StoreError> {
        self.readers.read(move |connection| rows::entries_after(connection, seq, limit)).await
    }

    async fn entries_of(&self, decision_id: &str) -> Result<Vec<Entry>, StoreError> {
        let decision_id = decision_id.to_owned();
        self.readers.read(move |connection| rows::entries_of(connection, &decision_id)).await
    }

    async fn unpaired(
        &self,
        search: UnpairedSearch,
        limit: NonZeroU32,
    ) -> Result<Vec<Entry>, StoreError> {
        self.readers.read(move |connection| rows::unpaired(connection, &search, limit)).await
    }

    async fn approval(&self, id: &str) -> Result<Option<ApprovalRow>, StoreError> {
        let id = id.to_owned();
        self.readers.read(move |connection| rows::approval(connection, &id)).await
    }

    async fn latest_approval(&self, action: Digest) -> Result<Option<ApprovalRow>, StoreError> {
        self.readers.read(move |connection| rows::latest_approval(connection, action)).await
    }

    async fn approvals(
        &self,
        filter: ApprovalFilter,
        now: UnixMillis,
        limit: NonZeroU32,
    ) -> Result<Vec<ApprovalRow>, StoreError> {
        self.readers.read(move |connection| rows::approvals(connection, filter, now, limit)).await
    }

    async fn revocations_after(
        &self,
        seq: u64,
        limit: NonZeroU32,
    ) -> Result<Vec<RevocationEvent>, StoreError> {
        self.readers.read(move |connection| revocations::after(connection, seq, limit)).await
    }

    async fn api_keys_after(
        &self,
        seq: u64,
        limit: NonZeroU32,
    ) -> Result<Vec<ApiKeyEvent>, StoreError> {
        self.readers.read(move |connection| api_keys::after(connection, seq, limit)).await
    }

    async fn tool_seen(&self, key: ToolKey) -> Result<Option<Digest>, StoreError> {
        self.readers.read(move |connection| tools::seen(connection, &key)).await
    }
}
