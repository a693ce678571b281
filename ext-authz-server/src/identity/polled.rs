//! What is read from the store again and again, and is not believed once it is old:
//! better to refuse a request than to miss that somebody was locked out.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwapOption, Guard};
use tokio::time::Instant;

/// How old what was read may get. It is read every [`POLL`]: this is the time that
/// the store may be out of reach before nobody gets in.
const MAX_AGE: Duration = Duration::from_secs(5);

/// How often the store is read. What was committed counts everywhere after this time
/// and that of one read, which together stay well below a second.
pub const POLL: Duration = Duration::from_millis(250);

/// The last value that was read, and when that was.
#[derive(Debug)]
pub(super) struct Polled<T> {
    held: ArcSwapOption<Held<T>>,
}

#[derive(Debug)]
pub(super) struct Held<T> {
    value: Arc<T>,
    read_at: Instant,
}

impl<T> Held<T> {
    /// The value.
    pub(super) fn value(&self) -> &T {
        &self.value
    }
}

impl<T> Polled<T> {
    /// Nothing was read yet.
    pub(super) const fn never() -> Self {
        Self { held: ArcSwapOption::const_empty() }
    }

    /// The last value, unless it is too old to be believed at that instant.
    pub(super) fn fresh(&self, at: Instant) -> Option<Guard<Option<Arc<Held<T>>>>> {
        let held = self.held.load();
        let fresh =
            held.as_ref().is_some_and(|held| at.saturating_duration_since(held.read_at) <= MAX_AGE);
        fresh.then_some(held)
    }

    /// The last value, however old.
    pub(super) fn last(&self) -> Option<Arc<T>> {
        self.held.load().as_ref().map(|held| Arc::clone(&held.value))
    }

    /// Keeps a value. It is as old as the question for it, not as the answer.
    pub(super) fn keep(&self, value: Arc<T>, asked_at: Instant) {
        self.held.store(Some(Arc::new(Held { value, read_at: asked_at })));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_too_long_ago_is_not_believed_until_it_is_read_again() {
        let polled = Polled::never();
        let start = Instant::now();
        assert!(polled.fresh(start).is_none(), "nothing was read");
        polled.keep(Arc::new(1), start);
        let late = start + MAX_AGE + Duration::from_millis(1);
        assert!(polled.fresh(start + MAX_AGE).is_some());
        assert!(polled.fresh(late).is_none());
        assert_eq!(polled.last().as_deref(), Some(&1));
        polled.keep(Arc::new(2), late);
        assert_eq!(polled.fresh(late).unwrap().as_ref().map(|held| *held.value()), Some(2));
    }
}
