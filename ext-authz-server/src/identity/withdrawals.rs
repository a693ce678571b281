//! What is given and taken back by hand, as one server knows it: revocations and API
//! keys, read from the store again and again.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::api_key::{ApiKeyBook, ApiKeyError, ApiKeys};
use super::polled::POLL;
use super::revocation::{RevocationBook, RevocationError, Revocations};
use crate::store::Store;
use crate::time::{Clock, UnixMillis};

/// How often what is long over is taken from the store.
const FORGET: Duration = Duration::from_hours(1);

/// Revocations and API keys of one store.
pub struct Withdrawals {
    store: Arc<dyn Store>,
    pub(super) revocations: Revocations,
    pub(super) api_keys: ApiKeys,
}

/// They could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WithdrawalsError {
    /// The revocations.
    #[error("revocations: {0}")]
    Revocations(#[from] RevocationError),
    /// The API keys.
    #[error("API keys: {0}")]
    ApiKeys(#[from] ApiKeyError),
}

/// Which of both cannot be read.
type Failing = mem::Discriminant<WithdrawalsError>;

impl fmt::Debug for Withdrawals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Withdrawals")
            .field("revocations", &self.revocations)
            .finish_non_exhaustive()
    }
}

impl Withdrawals {
    /// Those in `store`, not read yet: until [`Self::read`] nobody gets in.
    pub const fn new(store: Arc<dyn Store>) -> Self {
        Self { store, revocations: Revocations::new(), api_keys: ApiKeys::new() }
    }

    /// Reads what has changed since the last time. Either is read though the other
    /// cannot be.
    pub async fn read(&self, now: UnixMillis) -> Result<(), WithdrawalsError> {
        let revocations = self.revocations.refresh(&*self.store, now).await;
        let api_keys = self.api_keys.refresh(&*self.store, now).await;
        revocations?;
        Ok(api_keys?)
    }

    /// Reads them for the first time. Without API keys a server can start, and accepts
    /// none; that they cannot be read, [`Self::keep_fresh`] tells.
    pub async fn start(&self, now: UnixMillis) -> Result<(), WithdrawalsError> {
        match self.read(now).await {
            Err(WithdrawalsError::ApiKeys(_)) => Ok(()),
            read => read,
        }
    }

    /// How many revocations count at `now`; `None` while that cannot be told, and nobody
    /// gets in.
    pub fn revoked(&self, now: UnixMillis) -> Option<usize> {
        self.revocations.count(now)
    }

    /// Reads them every [`POLL`], and now and then takes from the store what is long
    /// over. Does not end.
    pub async fn keep_fresh(self: Arc<Self>, clock: Arc<dyn Clock>) {
        // Side by side: to write may take seconds, and what is not read meanwhile is
        // believed no longer.
        tokio::join!(self.keep_reading(&*clock), self.keep_forgetting(&*clock));
    }

    async fn keep_reading(&self, clock: &dyn Clock) {
        let mut ticks = interval(POLL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = None;
        loop {
            ticks.tick().await;
            failing = self.read_or_tell(clock.now(), failing).await;
        }
    }

    async fn keep_forgetting(&self, clock: &dyn Clock) {
        let mut ticks = interval(FORGET);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.forget(clock.now()).await;
        }
    }

    /// Says what failed; tells of it once and not four times a second.
    async fn read_or_tell(&self, now: UnixMillis, before: Option<Failing>) -> Option<Failing> {
        let error = self.read(now).await.err();
        let failing = error.as_ref().map(mem::discriminant);
        if failing != before {
            match &error {
                None => tracing::info!("revocations and API keys are read again"),
                Some(error @ WithdrawalsError::Revocations(_)) => {
                    tracing::error!(%error, "revocations cannot be read; soon nobody gets in");
                }
                Some(error @ WithdrawalsError::ApiKeys(_)) => {
                    tracing::error!(%error, "API keys cannot be read; soon none is accepted");
                }
            }
        }
        failing
    }

    async fn forget(&self, now: UnixMillis) {
        let revocations = RevocationBook::new(Arc::clone(&self.store)).forget(now).await;
        if let Err(error) = revocations {
            tracing::warn!(%error, "revocations that are over stay in the store");
        }
        if let Err(error) = ApiKeyBook::new(Arc::clone(&self.store)).forget(now).await {
            tracing::warn!(%error, "API keys that are over stay in the store");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;
    use tokio::time::timeout;

    use super::*;
    use crate::store::{Durability, SqliteStore};

    /// Counts how often it is asked.
    #[derive(Default)]
    struct Counting {
        asked: AtomicUsize,
        again: Notify,
    }

    impl Clock for Counting {
        fn now(&self) -> UnixMillis {
            self.asked.fetch_add(1, Ordering::SeqCst);
            self.again.notify_one();
            UnixMillis::new(1_800_000_000_000)
        }
    }

    #[tokio::test]
    async fn the_store_is_read_while_what_is_over_cannot_be_taken_from_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let store = Arc::new(SqliteStore::open(&path, Durability::Normal).unwrap());
        let other = rusqlite::Connection::open(&path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let clock = Arc::new(Counting::default());
        let withdrawals = Arc::new(Withdrawals::new(store));
        let reading = tokio::spawn(withdrawals.keep_fresh(clock.clone()));
        // Once to forget, which waits for the other; the rest to read.
        let read_again = async {
            while clock.asked.load(Ordering::SeqCst) < 5 {
                clock.again.notified().await;
            }
        };
        timeout(Duration::from_secs(3), read_again).await.expect("it is read again and again");
        reading.abort();
    }
}
