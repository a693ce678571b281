//! Connections that read, on threads that may block.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::{StoreError, schema};

/// How many reads run at once; more would only wait for the same disk.
const READERS: usize = 4;

/// A few connections, opened when they are needed and kept.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Semaphore,
}

impl Readers {
    /// Readers of the file at `path`, which must be a store.
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), idle: Arc::default(), permits: Semaphore::new(READERS) }
    }

    /// What `query` reads.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let _permit = self.permits.acquire().await.map_err(|_| StoreError::Closed)?;
        let path = self.path.clone();
        let idle = Arc::clone(&self.idle);
        let reading = tokio::task::spawn_blocking(move || {
            let kept = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = match kept {
                Some(connection) => connection,
                None => schema::open_reader(&path)?,
            };
            let read = query(&connection)?;
            // After an error the connection is not kept: the next one starts anew.
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            Ok(read)
        });
        reading.await.map_err(|_| StoreError::Closed)?
    }
}
