//! Which key signs at a moment, and which are published: a pure function of when each
//! key appeared, so that every replica with the same files says the same.
//!
//! A key is published when it appears and signs a while later, when whoever keeps the
//! published keys has fetched it. It stays published after its successor signs for as
//! long as a token may live that it has signed.

use std::time::Duration;

use crate::time::UnixMillis;

/// How long keys wait and linger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delays {
    /// How long a new key is published before it signs.
    pub(super) ahead: Duration,
    /// How long a key is published after its successor signs.
    pub(super) linger: Duration,
}

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// It is published, and does not sign yet.
    Pending,
    /// It signs.
    Signing,
    /// It is published for the tokens that it has signed.
    Retired,
    /// It does nothing any more.
    Past,
}

impl KeyState {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Signing => "signing",
            Self::Retired => "retired",
            Self::Past => "past",
        }
    }

    /// Whether the key is published.
    pub const fn is_published(self) -> bool {
        !matches!(self, Self::Past)
    }
}

/// What each key does at `now`; `appeared` is when each did, the oldest first. Exactly
/// one signs, if there is any: when none has been published long enough, the oldest.
pub(super) fn states(appeared: &[UnixMillis], delays: Delays, now: UnixMillis) -> Vec<KeyState> {
    let signs_from = |at: &UnixMillis| at.after(delays.ahead);
    let signer = appeared.iter().rposition(|at| signs_from(at) <= now).unwrap_or(0);
    let state = |index: usize| match index.cmp(&signer) {
        std::cmp::Ordering::Greater => KeyState::Pending,
        std::cmp::Ordering::Equal => KeyState::Signing,
        std::cmp::Ordering::Less => {
            let successor = appeared.get(index + 1).map(signs_from);
            let until = successor.map(|from| from.after(delays.linger));
            if until.is_some_and(|until| until > now) { KeyState::Retired } else { KeyState::Past }
        }
    };
    (0..appeared.len()).map(state).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DELAYS: Delays =
        Delays { ahead: Duration::from_millis(100), linger: Duration::from_millis(50) };

    fn at(appeared: &[i64], now: i64) -> Vec<KeyState> {
        let appeared: Vec<_> = appeared.iter().copied().map(UnixMillis::new).collect();
        states(&appeared, DELAYS, UnixMillis::new(now))
    }

    #[test]
    fn a_key_is_published_then_signs_then_lingers() {
        use KeyState::{Past, Pending, Retired, Signing};
        assert_eq!(at(&[0], 10), [Signing], "the only key signs at once");
        assert_eq!(at(&[0, 1000], 1000), [Signing, Pending]);
        assert_eq!(at(&[0, 1000], 1099), [Signing, Pending]);
        assert_eq!(at(&[0, 1000], 1100), [Retired, Signing]);
        assert_eq!(at(&[0, 1000], 1149), [Retired, Signing]);
        assert_eq!(at(&[0, 1000], 1150), [Past, Signing]);
        assert!(at(&[], 0).is_empty());
    }

    proptest! {
        #[test]
        fn one_key_signs_and_what_signed_lately_is_published(
            mut appeared in proptest::collection::vec(0..2000_i64, 1..6), now in 0..3000_i64,
            back in 0..50_i64,
        ) {
            appeared.sort_unstable();
            let states = at(&appeared, now);
            prop_assert_eq!(states.iter().filter(|s| **s == KeyState::Signing).count(), 1);
            // Of the keys that were there, whichever signed a token that may still live
            // is published.
            let before = at(&appeared, now - back);
            let signed = before.iter().position(|state| *state == KeyState::Signing).unwrap();
            prop_assert!(states[signed].is_published());
        }

        #[test]
        fn whichever_key_signs_was_published_before_unless_there_was_no_other(
            mut appeared in proptest::collection::vec(0..2000_i64, 1..6), now in 0..3000_i64,
        ) {
            appeared.sort_unstable();
            let states = at(&appeared, now);
            let signer = states.iter().position(|s| *s == KeyState::Signing).unwrap();
            prop_assert!(appeared[signer] + 100 <= now || signer == 0);
        }
    }
}
