//! The keys of one issuer, kept fresh: fetched in the background, fetched again
//! when a token names a key that is not known, refused when they are too old.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::algorithm::Algorithm;
use super::error::IdentityError;
use super::fetch::{DocumentDigest, FetchError, Fetched, KeyFetcher};
use super::issuer::OwnKeys;
use super::jwks::{JwkSet, VerificationKey};
use super::key_events::Teller;
use super::sought::{Search, Sought};
use super::token_review::TokenReview;

/// How soon after a fetch a token can cause another one. A token that was signed
/// right after the last fetch with a new key waits so long: less than Envoy does.
const REFETCH_EVERY: Duration = Duration::from_secs(1);
/// How soon a fetch that failed is tried again, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How many requests may wait for one issuer's keys. Envoy has 1024 requests under way
/// to a cluster by default; those of other issuers need some of them.
const MAX_WAITING: usize = 512;

/// The keys of one issuer.
#[derive(Debug)]
pub(super) enum Keys {
    /// The configuration has them.
    Written(JwkSet),
    /// The issuer publishes them.
    Published(Arc<PublishedKeys>),
    /// There are none.
    Unsigned,
    /// Nobody needs them: the API server is asked.
    Reviewed(Arc<TokenReview>),
    /// We sign with them ourselves.
    Own(OwnKeys),
}

impl Keys {
    /// The keys that may have signed a token whose header has that `kid` and that
    /// algorithm: at least one.
    pub(super) async fn candidates(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Vec<Arc<VerificationKey>>, IdentityError> {
        match self {
            Self::Written(set) => set.candidates(kid, algorithm),
            Self::Published(published) => published.candidates(kid, algorithm).await,
            Self::Own(OwnKeys(keys)) => keys
                .load()
                .as_ref()
                .ok_or(IdentityError::KeysUnavailable)?
                .candidates(kid, algorithm),
            Self::Reviewed(_) | Self::Unsigned => Err(IdentityError::KeyUnknown),
        }
    }

    /// Whether `key` is one of them, and they are not too old, at that instant.
    pub(super) fn vouch_for(&self, key: &VerificationKey, at: Instant) -> bool {
        match self {
            Self::Written(set) => set.holds(key),
            Self::Published(published) => {
                published.usable(at).is_some_and(|held| held.set.holds(key))
            }
            Self::Own(OwnKeys(keys)) => keys.load().as_ref().is_some_and(|keys| keys.holds(key)),
            Self::Reviewed(_) | Self::Unsigned => false,
        }
    }

    /// How they are at that instant.
    pub(super) fn state(&self, at: Instant) -> KeysState {
        match self {
            Self::Written(set) => {
                KeysState { usable: true, count: set.len(), age: None, last_error: None }
            }
            Self::Published(published) => published.state(at),
            Self::Unsigned => KeysState { usable: true, count: 0, age: None, last_error: None },
            // It is asked again for the next token, so it is never given up.
            Self::Reviewed(review) => {
                let last_error = review.last_error();
                KeysState { usable: true, count: 0, age: None, last_error }
            }
            Self::Own(OwnKeys(keys)) => {
                let keys = keys.load();
                KeysState {
                    usable: keys.is_some(),
                    count: keys.as_ref().map_or(0, |keys| keys.len()),
                    age: None,
                    last_error: None,
                }
            }
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
    fetcher: KeyFetcher,
    refresh: Duration,
    max_stale: Duration,
    refetch_every: Duration,
    held: ArcSwapOption<Held>,
    last_error: ArcSwapOption<FetchError>,
    sought: Sought,
    places: Semaphore,
    wanted: Notify,
    attempts: watch::Sender<Attempts>,
}

#[derive(Debug)]
struct Held {
    set: JwkSet,
    document: DocumentDigest,
    fetched: Instant,
}

/// The fetches so far.
#[derive(Clone, Copy, Debug, Default)]
struct Attempts {
    /// When the last one began and ended.
    last: Option<(Instant, Instant)>,
    /// When the last one that went well began.
    good: Option<Instant>,
}

impl Attempts {
    fn began_since(self, since: Instant) -> bool {
        self.last.is_some_and(|(began, _)| began >= since)
    }

    /// Whether the last one failed.
    fn failed(self) -> bool {
        self.last.is_some_and(|(began, _)| self.good != Some(began))
    }

    /// When the next one may be caused by a token.
    fn next(self, every: Duration) -> Option<Instant> {
        self.last.map(|(_, ended)| ended + every)
    }
}

impl PublishedKeys {
    /// Keys that are not fetched yet; see [`Self::keep_fresh`].
    pub(super) fn new(fetcher: KeyFetcher, refresh: Duration, max_stale: Duration) -> Self {
        Self {
            fetcher,
            refresh,
            max_stale,
            refetch_every: REFETCH_EVERY,
            held: ArcSwapOption::empty(),
            last_error: ArcSwapOption::empty(),
            sought: Sought::default(),
            places: Semaphore::new(MAX_WAITING),
            wanted: Notify::new(),
            attempts: watch::Sender::default(),
        }
    }

    /// Fetches them, and again and again, and tells when they become unusable and
    /// usable again. One task a set of keys runs this, so there is never more than one
    /// fetch of it under way.
    pub(super) async fn keep_fresh(self: Arc<Self>, mut teller: Teller) {
        let (first_retry, longest_retry) = RETRY;
        let mut retry = first_retry;
        loop {
            let pause = match self.fetch().await {
                Ok(()) => {
                    retry = first_retry;
                    self.next_refresh()
                }
                Err(error) => {
                    teller.failed(&error, self.usable(Instant::now()).is_some());
                    let pause = retry.min(self.refresh);
                    retry = retry.saturating_mul(2).min(longest_retry);
                    pause
                }
            };
            self.tell(&mut teller);
            self.pause(pause, &mut teller).await;
        }
    }

    /// When to fetch them next: as configured, or sooner where they ask for that.
    fn next_refresh(&self) -> Duration {
        let hint = self.held.load().as_ref().and_then(|held| held.set.refresh_hint());
        hint.map_or(self.refresh, |hint| self.refresh.min(hint.max(self.refetch_every)))
    }

    /// Waits until the first fetch has ended, well or not.
    pub(super) async fn first_fetch(&self) {
        let mut attempts = self.attempts.subscribe();
        // The sender is ours, so the channel does not close while we wait.
        let _ = attempts.wait_for(|attempts| attempts.last.is_some()).await;
    }

    /// The keys that may have signed a token with that `kid`. When there is none of
    /// that name, they are fetched once more, for everybody who asks meanwhile.
    async fn candidates(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Vec<Arc<VerificationKey>>, IdentityError> {
        if self.attempts.borrow().last.is_none() {
            let _place = self.place()?;
            let _ = timeout(self.fetcher.longest(), self.first_fetch()).await;
        }
        let found = self.known(kid, algorithm);
        let (Some(kid), Err(IdentityError::KeyUnknown)) = (kid, &found) else { return found };
        if self.looked_for(kid).await? { self.known(Some(kid), algorithm) } else { found }
    }

    fn known(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Vec<Arc<VerificationKey>>, IdentityError> {
        let Some(held) = self.usable(Instant::now()) else {
            // Once the outage is over, whoever asks again should not wait for the next
            // retry.
            self.wanted.notify_one();
            return Err(IdentityError::KeysUnavailable);
        };
        held.set.candidates(kid, algorithm)
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

    /// Has the keys fetched for the sake of one that is not known, unless that was
    /// just done: whether there was a fetch. Everybody who waits here waits for the
    /// same one. An error when there should have been one and it failed: then nobody
    /// knows whether there is such a key.
    async fn looked_for(&self, kid: &str) -> Result<bool, IdentityError> {
        let now = Instant::now();
        let mut attempts = self.attempts.subscribe();
        let last = *attempts.borrow_and_update();
        let outage = last.failed() && last.next(self.refetch_every).is_some_and(|next| now < next);
        if outage {
            return Err(IdentityError::KeysUnavailable);
        }
        let since = match self.sought.search(kid, now, last.good) {
            Search::Since(since) => since,
            Search::InVain if last.failed() => return Err(IdentityError::KeysUnavailable),
            Search::InVain => return Ok(false),
        };
        let _place = self.place()?;
        self.wanted.notify_one();
        let ended = attempts.wait_for(|attempts| attempts.began_since(since) || self.names(kid));
        let longest = self.fetcher.longest().saturating_add(self.refetch_every);
        match timeout(longest, ended).await {
            Ok(Ok(attempts)) if !attempts.failed() => Ok(true),
            _ => Err(IdentityError::KeysUnavailable),
        }
    }

    /// A place among those who wait.
    fn place(&self) -> Result<tokio::sync::SemaphorePermit<'_>, IdentityError> {
        self.places.try_acquire().map_err(|_| IdentityError::KeysUnavailable)
    }

    fn names(&self, kid: &str) -> bool {
        self.held.load().as_ref().is_some_and(|held| held.set.names(kid))
    }

    /// Waits that long, or until a token names a key that is not known, and then as
    /// long as it must. Meanwhile keys can become too old.
    async fn pause(&self, pause: Duration, teller: &mut Teller) {
        let next = Instant::now() + pause;
        loop {
            let stale = self.stale_at().filter(|at| *at > Instant::now() && *at < next);
            tokio::select! {
                () = sleep_until(stale.unwrap_or(next)) => {
                    if stale.is_none() {
                        return;
                    }
                    self.tell(teller);
                }
                () = self.wanted.notified() => {
                    let attempts = *self.attempts.borrow();
                    // A wish that the last fetch has fulfilled already is let go.
                    let unusable = self.usable(Instant::now()).is_none();
                    if unusable || self.sought.is_open(attempts.good) {
                        let soonest = attempts.next(self.refetch_every).unwrap_or(next);
                        sleep_until(soonest.min(next)).await;
                        return;
                    }
                }
            }
        }
    }

    /// The first instant at which the keys are too old.
    fn stale_at(&self) -> Option<Instant> {
        let held = self.held.load();
        let fetched = held.as_ref()?.fetched;
        fetched.checked_add(self.max_stale)?.checked_add(Duration::from_millis(1))
    }

    fn tell(&self, teller: &mut Teller) {
        let error = self.last_error.load();
        teller.tell(self.usable(Instant::now()).is_some(), error.as_deref());
    }

    async fn fetch(&self) -> Result<(), Arc<FetchError>> {
        // Keys are as old as the question for them, not as the answer.
        let began = Instant::now();
        let held = self.held.load_full();
        let answer = self.fetcher.fetch(held.as_ref().map(|held| &held.document)).await;
        let fresh = match (answer, held) {
            (Ok(Fetched::Keys(set, document)), _) => Ok((set, document)),
            (Ok(Fetched::Same), Some(held)) => Ok((held.set.clone(), held.document)),
            // It is the same as nothing, which cannot be.
            (Ok(Fetched::Same), None) => Err(FetchError::Broken),
            (Err(error), _) => Err(error),
        };
        let ended = fresh.map_err(Arc::new).map(|(set, document)| {
            self.held.store(Some(Arc::new(Held { set, document, fetched: began })));
        });
        self.last_error.store(ended.as_ref().err().map(Arc::clone));
        self.attempts.send_modify(|attempts| {
            attempts.last = Some((began, Instant::now()));
            if ended.is_ok() {
                attempts.good = Some(began);
            }
        });
        ended
    }
}

#[cfg(test)]
mod tests;
