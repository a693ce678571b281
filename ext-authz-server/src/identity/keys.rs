//! The keys of one issuer, kept fresh: fetched in the background, fetched again
//! when a token names a key that is not known, refused when they are too old.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::algorithm::Algorithm;
use super::chain::IssuerAlias;
use super::error::IdentityError;
use super::fetch::{FETCH_TIMEOUT, FetchError, KeyFetcher, Location};
use super::jwks::{JwkSet, VerificationKey};

/// How soon after a fetch a token can cause another one.
const REFETCH_EVERY: Duration = Duration::from_secs(5);
/// How soon a fetch that failed is tried again, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How long a request waits for a fetch: discovery and keys, one after the other.
const LONGEST_WAIT: Duration = FETCH_TIMEOUT.saturating_mul(2);

/// The keys of one issuer.
#[derive(Debug)]
pub(super) enum Keys {
    /// The configuration has them.
    Written(JwkSet),
    /// The issuer publishes them.
    Published(Arc<PublishedKeys>),
    /// There are none.
    Unsigned,
}

impl Keys {
    /// The keys that may have signed a token whose header has that `kid` and that
    /// algorithm: at least one.
    pub(super) async fn candidates(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Vec<Arc<VerificationKey>>, IdentityError> {
        let found = match self {
            Self::Written(set) => set.named(kid),
            Self::Published(published) => published.named(kid).await?,
            Self::Unsigned => return Err(IdentityError::KeyUnknown),
        };
        if found.is_empty() {
            return Err(IdentityError::KeyUnknown);
        }
        let fitting: Vec<_> = found.into_iter().filter(|key| key.fits(algorithm)).collect();
        if fitting.is_empty() { Err(IdentityError::KeyUnfit) } else { Ok(fitting) }
    }

    /// How they are at that instant.
    pub(super) fn state(&self, at: Instant) -> KeysState {
        match self {
            Self::Written(set) => {
                KeysState { usable: true, count: set.len(), age: None, last_error: None }
            }
            Self::Published(published) => published.state(at),
            Self::Unsigned => KeysState { usable: true, count: 0, age: None, last_error: None },
        }
    }
}

/// How the keys of an issuer are.
pub(super) struct KeysState {
    /// Whether tokens can be verified with them.
    pub(super) usable: bool,
    /// How many there are.
    pub(super) count: usize,
    /// How long ago they were fetched.
    pub(super) age: Option<Duration>,
    /// Why the last fetch failed, if it did.
    pub(super) last_error: Option<String>,
}

/// Keys that are fetched. Ages are counted on the monotonic clock: setting the
/// system's clock does not make keys old or young.
#[derive(Debug)]
pub(super) struct PublishedKeys {
    alias: IssuerAlias,
    location: Location,
    refresh: Duration,
    max_stale: Duration,
    refetch_every: Duration,
    held: ArcSwapOption<Held>,
    last_error: ArcSwapOption<FetchError>,
    wanted: Notify,
    attempts: watch::Sender<Attempts>,
}

#[derive(Debug)]
struct Held {
    set: JwkSet,
    fetched: Instant,
}

#[derive(Clone, Copy, Debug, Default)]
struct Attempts {
    count: u64,
    last_ended: Option<Instant>,
}

impl PublishedKeys {
    /// Keys that are not fetched yet; see [`Self::keep_fresh`].
    pub(super) fn new(
        alias: IssuerAlias,
        location: Location,
        refresh: Duration,
        max_stale: Duration,
    ) -> Self {
        Self {
            alias,
            location,
            refresh,
            max_stale,
            refetch_every: REFETCH_EVERY,
            held: ArcSwapOption::empty(),
            last_error: ArcSwapOption::empty(),
            wanted: Notify::new(),
            attempts: watch::Sender::default(),
        }
    }

    /// Where they are published.
    pub(super) const fn location(&self) -> &Location {
        &self.location
    }

    /// Fetches them, and again and again. One task a set of keys runs this, so there
    /// is never more than one fetch of it under way.
    pub(super) async fn keep_fresh(self: Arc<Self>, fetcher: KeyFetcher) {
        let (first_retry, longest_retry) = RETRY;
        let mut retry = first_retry;
        loop {
            let pause = if self.fetch(&fetcher).await {
                retry = first_retry;
                self.refresh
            } else {
                let pause = retry.min(self.refresh);
                retry = retry.saturating_mul(2).min(longest_retry);
                pause
            };
            self.pause(pause).await;
        }
    }

    /// Waits until the first fetch has ended, well or not.
    pub(super) async fn first_fetch(&self) {
        let mut attempts = self.attempts.subscribe();
        // The sender is ours, so the channel does not close while we wait.
        let _ = attempts.wait_for(|attempts| attempts.count > 0).await;
    }

    /// The keys called `kid`. When there is none, they are fetched once more, for
    /// everybody who asks meanwhile.
    async fn named(&self, kid: Option<&str>) -> Result<Vec<Arc<VerificationKey>>, IdentityError> {
        if self.usable(Instant::now()).is_none() && self.attempts.borrow().count == 0 {
            self.refetched().await;
        }
        let held = self.usable(Instant::now()).ok_or(IdentityError::KeysUnavailable)?;
        let found = held.set.named(kid);
        if !found.is_empty() || !self.refetched().await {
            return Ok(found);
        }
        let held = self.usable(Instant::now()).ok_or(IdentityError::KeysUnavailable)?;
        Ok(held.set.named(kid))
    }

    /// The keys, unless they are too old at that instant.
    fn usable(&self, at: Instant) -> Option<Arc<Held>> {
        let held = self.held.load_full()?;
        (at.saturating_duration_since(held.fetched) <= self.max_stale).then_some(held)
    }

    fn state(&self, at: Instant) -> KeysState {
        let held = self.held.load();
        KeysState {
            usable: self.usable(at).is_some(),
            count: held.as_ref().map_or(0, |held| held.set.len()),
            age: held.as_ref().map(|held| at.saturating_duration_since(held.fetched)),
            last_error: self.last_error.load().as_ref().map(ToString::to_string),
        }
    }

    /// Has the keys fetched, unless that was just done. Everybody who waits here
    /// waits for the same fetch. Says whether there was one.
    async fn refetched(&self) -> bool {
        let mut attempts = self.attempts.subscribe();
        let seen = *attempts.borrow_and_update();
        if !self.may_refetch(seen) {
            return false;
        }
        self.wanted.notify_one();
        let ended = attempts.wait_for(|attempts| attempts.count > seen.count);
        matches!(timeout(LONGEST_WAIT, ended).await, Ok(Ok(_)))
    }

    fn may_refetch(&self, attempts: Attempts) -> bool {
        attempts.last_ended.is_none_or(|ended| ended.elapsed() >= self.refetch_every)
    }

    /// Waits that long, or until a token names a key that is not known. A wish that
    /// the last fetch has fulfilled already is let go.
    async fn pause(&self, pause: Duration) {
        let next = Instant::now() + pause;
        loop {
            tokio::select! {
                () = sleep_until(next) => return,
                () = self.wanted.notified() => {
                    let attempts = *self.attempts.borrow();
                    if self.may_refetch(attempts) {
                        return;
                    }
                }
            }
        }
    }

    async fn fetch(&self, fetcher: &KeyFetcher) -> bool {
        // Keys are as old as the question for them, not as the answer.
        let started = Instant::now();
        let answer = fetcher.fetch(&self.location).await;
        let well = answer.is_ok();
        match answer {
            Ok(set) => {
                self.last_error.store(None);
                self.held.store(Some(Arc::new(Held { set, fetched: started })));
            }
            Err(error) => {
                let usable = self.usable(Instant::now()).is_some();
                tracing::warn!(issuer = %self.alias, %error, usable, "keys could not be fetched");
                self.last_error.store(Some(Arc::new(error)));
            }
        }
        self.attempts.send_modify(|attempts| {
            attempts.count += 1;
            attempts.last_ended = Some(Instant::now());
        });
        well
    }
}

#[cfg(test)]
mod tests;
