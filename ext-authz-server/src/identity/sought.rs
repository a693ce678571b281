//! The keys that tokens name and that are not known: which of them are worth a
//! fetch, and which were looked for in vain.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How many names are remembered. Whoever invents more of them is told at once that
/// there are no such keys.
const MAX_NAMES: usize = 64;
/// How long a name that was looked for in vain is not looked for again.
const IN_VAIN_FOR: Duration = Duration::from_secs(5);

/// Names of keys, and since when each is sought.
#[derive(Debug, Default)]
pub(super) struct Sought(Mutex<HashMap<String, Instant>>);

/// What to do about a key that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Search {
    /// Wait for a fetch that begins no earlier than this. A token that names the key
    /// was there then, so the key was published, if its issuer is honest.
    Since(Instant),
    /// Nothing: it was just looked for, or too many others are.
    InVain,
}

impl Sought {
    /// What to do about the key `kid` at `now`, when the last good fetch began at
    /// `fetched`.
    pub(super) fn search(&self, kid: &str, now: Instant, fetched: Option<Instant>) -> Search {
        let mut names = self.names();
        let answered = |since: Instant| fetched.is_some_and(|fetched| fetched >= since);
        if let Some(since) = names.get_mut(kid) {
            if answered(*since) {
                if now.saturating_duration_since(*since) < IN_VAIN_FOR {
                    return Search::InVain;
                }
                *since = now;
            }
            return Search::Since(*since);
        }
        if names.len() >= MAX_NAMES {
            names.retain(|_, since| !answered(*since));
        }
        if names.len() >= MAX_NAMES {
            return Search::InVain;
        }
        names.insert(kid.to_owned(), now);
        Search::Since(now)
    }

    /// Whether a fetch that begins now could find what the last good one, which began
    /// at `fetched`, could not.
    pub(super) fn is_open(&self, fetched: Option<Instant>) -> bool {
        self.names().values().any(|since| fetched.is_none_or(|fetched| fetched < *since))
    }

    fn names(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_key_is_sought_until_a_later_fetch_and_then_not_for_a_while() {
        let start = Instant::now();
        let sought = Sought::default();
        let search = |at: u32, fetched: Option<u32>| {
            sought.search("k", start + SECOND * at, fetched.map(|at| start + SECOND * at))
        };
        assert_eq!(search(10, None), Search::Since(start + SECOND * 10));
        // Whoever comes later waits for the same fetch.
        assert_eq!(search(11, Some(9)), Search::Since(start + SECOND * 10));
        assert!(sought.is_open(Some(start + SECOND * 9)));
        assert_eq!(search(13, Some(12)), Search::InVain);
        assert!(!sought.is_open(Some(start + SECOND * 12)));
        assert_eq!(search(16, Some(12)), Search::Since(start + SECOND * 16));
    }

    #[test]
    fn invented_names_are_bounded_and_make_room_once_answered() {
        let start = Instant::now();
        let sought = Sought::default();
        let waits = |prefix: &str, at: u32, fetched: Option<Instant>| {
            let at = start + SECOND * at;
            let search = |nth| sought.search(&format!("{prefix}{nth}"), at, fetched);
            (0..1000).map(search).filter(|search| *search != Search::InVain).count()
        };
        assert_eq!(waits("a", 0, None), MAX_NAMES);
        assert_eq!(waits("b", 0, None), 0);
        assert_eq!(waits("b", 2, Some(start + SECOND)), MAX_NAMES);
        assert_eq!(sought.names().len(), MAX_NAMES);
    }
}
