//! Proofs that were used: each is good once (RFC 9449 section 11.1).

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::sync::{Mutex, PoisonError};

use super::thumbprint::Thumbprint;

/// The proofs that this server has seen and that could be sent again. It holds digests
/// only, each until its proof has expired; a full one takes no more.
#[derive(Debug)]
pub(super) struct ReplayCache {
    capacity: usize,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    proofs: HashSet<Thumbprint>,
    by_end: BinaryHeap<Reverse<End>>,
    /// The last second of the proofs that were forgotten. Should the clock be set back,
    /// they could be good again, and nobody would know that they were used.
    forgotten_until: i64,
}

/// When a proof ends, and which.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct End {
    good_until: i64,
    proof: [u8; 32],
}

/// Why a proof cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// It was used before.
    Used,
    /// It is so old that it may have been used before.
    Forgotten,
    /// There is no room to remember it.
    Full,
}

impl ReplayCache {
    /// A cache of at most that many proofs, about 100 bytes each; it grows as needed.
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, seen: Mutex::default() }
    }

    /// Uses up a proof that can be sent until `good_until`. Times are in seconds since
    /// 1970.
    pub(super) fn spend(
        &self,
        proof: Thumbprint,
        good_until: i64,
        now: i64,
    ) -> Result<(), Unusable> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.forget_before(now);
        if good_until <= seen.forgotten_until {
            return Err(Unusable::Forgotten);
        }
        if seen.proofs.contains(&proof) {
            return Err(Unusable::Used);
        }
        if seen.proofs.len() >= self.capacity {
            return Err(Unusable::Full);
        }
        seen.proofs.insert(proof);
        seen.by_end.push(Reverse(End { good_until, proof: *proof.as_bytes() }));
        Ok(())
    }
}

impl Seen {
    fn forget_before(&mut self, now: i64) {
        while let Some(Reverse(first)) = self.by_end.peek()
            && first.good_until < now
        {
            self.forgotten_until = self.forgotten_until.max(first.good_until);
            self.proofs.remove(&Thumbprint::from_bytes(first.proof));
            self.by_end.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn proof(nth: u8) -> Thumbprint {
        Thumbprint::of(&[nth])
    }

    #[test]
    fn a_proof_is_good_once() {
        let cache = ReplayCache::new(8);
        assert_eq!(cache.spend(proof(1), 160, 100), Ok(()));
        assert_eq!(cache.spend(proof(1), 160, 100), Err(Unusable::Used));
        assert_eq!(cache.spend(proof(1), 160, 160), Err(Unusable::Used));
        assert_eq!(cache.spend(proof(2), 160, 160), Ok(()));
    }

    #[test]
    fn a_full_cache_takes_no_more_until_proofs_expire() {
        let cache = ReplayCache::new(2);
        assert_eq!(cache.spend(proof(1), 110, 100), Ok(()));
        assert_eq!(cache.spend(proof(2), 160, 100), Ok(()));
        assert_eq!(cache.spend(proof(3), 160, 100), Err(Unusable::Full));
        assert_eq!(cache.spend(proof(3), 160, 110), Err(Unusable::Full));
        assert_eq!(cache.spend(proof(3), 160, 111), Ok(()));
        assert_eq!(cache.spend(proof(2), 160, 111), Err(Unusable::Used));
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_make_a_used_proof_good() {
        let cache = ReplayCache::new(8);
        assert_eq!(cache.spend(proof(1), 160, 100), Ok(()));
        assert_eq!(cache.spend(proof(2), 900, 861), Ok(()));
        assert_eq!(cache.spend(proof(1), 160, 100), Err(Unusable::Forgotten));
        assert_eq!(cache.spend(proof(3), 161, 101), Ok(()));
    }

    proptest! {
        #[test]
        fn no_proof_is_good_twice_and_there_are_never_too_many(
            sent in proptest::collection::vec((0..12_u8, 0..400_i64), 1..200)
        ) {
            let cache = ReplayCache::new(6);
            let mut used = BTreeSet::new();
            for (nth, now) in sent {
                // Each proof has one end, as the signed `iat` gives it one.
                let good_until = 60 + i64::from(nth) * 30;
                if cache.spend(proof(nth), good_until, now).is_ok() {
                    prop_assert!(used.insert(nth), "{nth} twice");
                }
                let seen = cache.seen.lock().unwrap();
                prop_assert!(seen.proofs.len() <= 6);
                prop_assert_eq!(seen.proofs.len(), seen.by_end.len());
            }
        }
    }
}
