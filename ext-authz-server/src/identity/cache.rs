//! Tokens whose signatures were verified, so that the next request with the same one
//! costs no signature check. What depends on the request, its time included, is
//! judged every time all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::chain::{Chain, Hop};
use super::jwks::VerificationKey;
use super::token::TokenDigest;
use super::verified::{TokenFacts, VerifiedToken};
use crate::time::UnixMillis;

/// The most memory that remembered tokens take, about.
const MAX_BYTES: u64 = 32 * 1024 * 1024;
/// The most tokens that are remembered.
const MAX_TOKENS: u64 = 16 * 1024;

/// A token that is remembered.
#[derive(Clone, Debug)]
pub(super) struct Remembered {
    /// What it says.
    pub(super) token: Arc<VerifiedToken>,
    /// The key that verified it: the token is good for as long as its issuer has that.
    pub(super) key: Arc<VerificationKey>,
    /// The first moment at which it is surely expired.
    pub(super) until: UnixMillis,
}

/// Tokens that were verified, by the digest of their text. The text is not kept.
///
/// Of its evictions, [quick_cache] takes those first that were used once: a flood of
/// tokens that are never seen again does not drive out those that are.
#[derive(Debug)]
pub(super) struct VerifiedTokens {
    tokens: Cache<TokenDigest, Remembered, Bytes>,
    /// How often tokens were forgotten.
    forgotten: AtomicU64,
}

/// When a verification began: a token that was to be forgotten meanwhile is not
/// remembered after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Began(u64);

impl Default for VerifiedTokens {
    fn default() -> Self {
        Self::bounded(MAX_BYTES, MAX_TOKENS)
    }
}

impl VerifiedTokens {
    fn bounded(max_bytes: u64, max_tokens: u64) -> Self {
        // That no token weighs less bounds their number.
        let least = max_bytes.div_ceil(max_tokens.max(1));
        let expected = usize::try_from(max_tokens).unwrap_or(usize::MAX);
        let tokens = Cache::with_weighter(expected, max_bytes, Bytes { least });
        Self { tokens, forgotten: AtomicU64::new(0) }
    }

    /// The token with that digest, unless it is expired at `now`.
    pub(super) fn get(&self, digest: &TokenDigest, now: UnixMillis) -> Option<Remembered> {
        let found = self.tokens.get(digest)?;
        if now < found.until {
            return Some(found);
        }
        self.remove(digest);
        None
    }

    /// To be asked for before a token is verified.
    pub(super) fn begin(&self) -> Began {
        Began(self.forgotten.load(Ordering::SeqCst))
    }

    /// Remembers a token whose verification has `began`.
    pub(super) fn insert(&self, digest: TokenDigest, remembered: Remembered, began: Began) {
        self.tokens.insert(digest, remembered);
        // Looked at after it is in: whoever forgets counts first and looks after that,
        // so one of us sees the other.
        if self.forgotten.load(Ordering::SeqCst) != began.0 {
            self.remove(&digest);
        }
    }

    /// Forgets that token.
    pub(super) fn remove(&self, digest: &TokenDigest) {
        self.tokens.remove(digest);
    }

    /// Forgets every token of which `which` is true.
    pub(super) fn forget(&self, which: impl Fn(&Chain, &TokenFacts) -> bool) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.tokens.retain(|_, kept| !which(&kept.token.chain, &kept.token.facts));
    }

    /// Forgets every token.
    pub(super) fn clear(&self) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.tokens.clear();
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }
}

/// How much memory a remembered token takes, about: at least so much.
#[derive(Clone, Copy, Debug)]
struct Bytes {
    least: u64,
}

impl Weighter<TokenDigest, Remembered> for Bytes {
    fn weight(&self, _: &TokenDigest, remembered: &Remembered) -> u64 {
        remembered.token.weight.max(self.least)
    }
}

/// What everything else that a token says can take, about, when its claims are so many
/// `bytes` of JSON: nothing for tokens that say little besides their chain.
pub(super) fn weight_besides(bytes: usize) -> u64 {
    /// The most memory that a byte of JSON becomes: `0,` is a number in an array.
    const BLOWN_UP: usize = 40;
    u64::try_from(bytes.saturating_sub(1024).saturating_mul(BLOWN_UP)).unwrap_or(u64::MAX)
}

/// What a chain takes, about: its texts, and what sets and maps take besides.
pub(super) fn weight_of(chain: &Chain) -> u64 {
    /// A node of a set or a map, the smallest there is.
    const NODE: usize = 512;
    /// An entry beyond its text: its pointer and length, and the allocator's share.
    const ENTRY: usize = 48;
    let entry = |text: &str| text.len() + ENTRY;
    let hop = |hop: &Hop| {
        let groups: usize = hop.groups.iter().map(|group| entry(group.as_str())).sum();
        let attributes = hop.attributes.iter();
        let attributes: usize = attributes.map(|(name, value)| entry(name) + entry(value)).sum();
        let principal = entry(hop.principal.issuer.as_str()) + entry(&hop.principal.subject);
        size_of::<Hop>() + 2 * NODE + principal + groups + attributes
    };
    let hops: usize = chain.hops().iter().map(hop).sum();
    u64::try_from(size_of::<VerifiedToken>() + size_of::<TokenFacts>() + 2 * NODE + hops)
        .unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
