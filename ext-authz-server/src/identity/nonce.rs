//! The server's nonces for proofs of possession (RFC 9449 section 9): made of the time
//! and a key, so that nothing need be remembered and every replica knows them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::time::UnixMillis;

/// How many seconds one nonce is given out for. It is taken for as long again.
const SECONDS: i64 = 60;
/// How many bytes of the MAC a nonce is.
const BYTES: usize = 16;

/// A secret that nonces are made with. It does not print.
#[derive(Clone)]
pub struct NonceKey(Zeroizing<[u8; 32]>);

impl NonceKey {
    /// The key that these bytes are, which must not be guessable.
    pub fn new(secret: [u8; 32]) -> Self {
        Self(Zeroizing::new(secret))
    }

    /// The nonce of that stretch of time.
    fn mac(&self, stretch: i64) -> Hmac<Sha256> {
        // A key shorter than a block is one with zeros at its end (RFC 2104).
        let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
        block[..self.0.len()].copy_from_slice(self.0.as_slice());
        let mut mac = Hmac::new(&block);
        mac.update(b"dpop nonce");
        mac.update(&stretch.to_be_bytes());
        mac
    }
}

impl fmt::Debug for NonceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NonceKey(..)")
    }
}

/// Makes nonces and knows them again.
#[derive(Clone, Debug)]
pub(super) struct Nonces(Vec<NonceKey>);

impl Nonces {
    /// Nonces that the first of `keys` makes, and any of them may have made.
    pub(super) const fn new(keys: Vec<NonceKey>) -> Self {
        Self(keys)
    }

    /// The nonce to send at `now`; `None` when there is no key.
    pub(super) fn current(&self, now: UnixMillis) -> Option<String> {
        let mac = self.0.first()?.mac(stretch(now)).finalize().into_bytes();
        Some(URL_SAFE_NO_PAD.encode(&mac[..BYTES]))
    }

    /// Whether `nonce` was given out lately: in this stretch of time or the one before
    /// it, or in the next one by a replica whose clock is ahead.
    pub(super) fn accepts(&self, nonce: &str, now: UnixMillis) -> bool {
        let Ok(nonce) = URL_SAFE_NO_PAD.decode(nonce) else { return false };
        let stretch = stretch(now);
        let made_in = |key: &NonceKey, ago: i64| {
            key.mac(stretch.saturating_sub(ago)).verify_truncated_left(&nonce).is_ok()
        };
        nonce.len() == BYTES
            && self.0.iter().any(|key| [0, 1, -1].iter().any(|ago| made_in(key, *ago)))
    }
}

const fn stretch(now: UnixMillis) -> i64 {
    now.seconds().div_euclid(SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nonces(keys: &[u8]) -> Nonces {
        Nonces::new(keys.iter().map(|key| NonceKey::new([*key; 32])).collect())
    }

    fn at(seconds: i64) -> UnixMillis {
        UnixMillis::new(seconds * 1000)
    }

    #[test]
    fn a_nonce_is_good_for_one_to_two_minutes() {
        let nonces = nonces(&[1]);
        let nonce = nonces.current(at(6000)).unwrap();
        assert_eq!(nonces.current(at(6059)), Some(nonce.clone()));
        assert_ne!(nonces.current(at(6060)), Some(nonce.clone()));
        for (seconds, good) in
            [(5939, false), (5940, true), (6000, true), (6119, true), (6120, false)]
        {
            assert_eq!(nonces.accepts(&nonce, at(seconds)), good, "{seconds}");
        }
    }

    #[test]
    fn a_nonce_of_another_key_or_a_changed_one_is_not_ours() {
        let nonce = nonces(&[1]).current(at(6000)).unwrap();
        assert!(nonces(&[2, 1]).accepts(&nonce, at(6000)), "keys can be rotated");
        assert!(!nonces(&[2]).accepts(&nonce, at(6000)));
        assert!(!nonces(&[]).accepts(&nonce, at(6000)));
        for changed in
            ["", "AAAA", &nonce[1..], &nonce[..20], &format!("{nonce}A"), &nonce.to_lowercase()]
        {
            assert!(!nonces(&[1]).accepts(changed, at(6000)), "{changed}");
        }
    }

    #[test]
    fn a_key_does_not_print() {
        assert_eq!(format!("{:?}", NonceKey::new([7; 32])), "NonceKey(..)");
    }
}
