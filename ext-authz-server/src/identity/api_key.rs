//! API keys, for what can do no better: secrets that are sent along, with an owner and
//! an end.
//!
//! A key is `chp_<id>_<secret>`, both in hexadecimal. The store has the SHA-256 of the
//! secret and not the secret: of 256 random bits nobody finds the preimage, however
//! fast they hash, so that a slow hash, which is for passwords that people choose,
//! would only cost time in every request.

mod book;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use chaperone_inspection::digest::Digest;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use zeroize::Zeroizing;

pub use self::book::{
    ApiKeyBook, ApiKeyError, ApiKeyOrder, ApiKeyView, MAX_API_KEY_LIFE, NewApiKey,
};
use super::chain::{Assurance, CredentialKind, GroupName, Hop, IssuerAlias, Principal};
use super::error::IdentityError;
use super::groups::GroupPatterns;
use super::polled::Polled;
use super::revocation::CredentialId;
use crate::store::{ApiKeyEvent, ApiKeyStep, Store};
use crate::time::UnixMillis;

/// What every key begins with, so that scanners find one that leaked.
const PREFIX: &str = "chp_";
const ID_BYTES: usize = 8;
const SECRET_BYTES: usize = 32;

/// An API key. It does not print, and is wiped from memory when it is dropped.
pub struct ApiKey {
    id: ApiKeyId,
    secret: Zeroizing<[u8; SECRET_BYTES]>,
}

/// The part of an API key that is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ApiKeyId([u8; ID_BYTES]);

impl ApiKey {
    /// The key made of those random bytes.
    pub fn new(id: [u8; ID_BYTES], secret: Zeroizing<[u8; SECRET_BYTES]>) -> Self {
        Self { id: ApiKeyId(id), secret }
    }

    /// A new key.
    pub fn generate() -> Result<Self, ApiKeyError> {
        let (mut id, mut secret) = ([0; ID_BYTES], Zeroizing::new([0; SECRET_BYTES]));
        for bytes in [&mut id[..], &mut secret[..]] {
            aws_lc_rs::rand::fill(bytes).map_err(|_| ApiKeyError::NoRandomness)?;
        }
        Ok(Self::new(id, secret))
    }

    /// Whether `text` is meant to be an API key: no token begins like one.
    pub(super) fn is_meant_by(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    /// The key `text` is.
    pub(super) fn parse(text: &str) -> Result<Self, IdentityError> {
        let malformed =
            IdentityError::Malformed("an API key is written `chp_<16 hex digits>_<64 hex digits>`");
        let (id, secret) = text
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split_once('_'))
            .ok_or(malformed.clone())?;
        let id = id.parse().map_err(|_| malformed.clone())?;
        let secret = unhex(secret).ok_or(malformed)?;
        Ok(Self { id, secret })
    }

    /// The key as text, to be shown to its owner once.
    pub fn reveal(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(96));
        text.push_str(PREFIX);
        text.push_str(&self.id.to_string());
        text.push('_');
        text.push_str(&Zeroizing::new(hex::encode(&self.secret[..])));
        text
    }

    /// Its id.
    pub const fn id(&self) -> ApiKeyId {
        self.id
    }

    fn hash(&self) -> Digest {
        Digest::of(&self.secret[..])
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl fmt::Display for ApiKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// The text is not an API key's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an API key's id: expected 16 hex digits, as `chaperone api-keys list` prints them")]
pub struct ApiKeyIdError;

impl FromStr for ApiKeyId {
    type Err = ApiKeyIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        unhex(text).map(|bytes| Self(*bytes)).ok_or(ApiKeyIdError)
    }
}

impl TryFrom<String> for ApiKeyId {
    type Error = ApiKeyIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ApiKeyId> for String {
    fn from(id: ApiKeyId) -> Self {
        id.to_string()
    }
}

/// The bytes that `text` spells in lower-case hexadecimal: one key has one spelling.
fn unhex<const N: usize>(text: &str) -> Option<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    let lower = !text.contains(|c: char| c.is_ascii_uppercase());
    (lower && hex::decode_to_slice(text, &mut bytes[..]).is_ok()).then_some(bytes)
}

/// The API keys, as they were when the store was last read.
#[derive(Debug)]
pub struct ApiKeys {
    known: Polled<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// The place of the last change that was read.
    seen: u64,
    keys: HashMap<ApiKeyId, Arc<KnownKey>>,
}

/// A key that was made.
#[derive(Clone, Debug)]
struct KnownKey {
    name: String,
    owner: String,
    groups: BTreeSet<GroupName>,
    hash: Digest,
    expires_at: UnixMillis,
    revoked: bool,
}

/// An API key that is good.
#[derive(Debug)]
pub(super) struct GoodKey {
    /// Who has it.
    pub(super) hop: Hop,
    /// Until when it is good.
    pub(super) expires_at: UnixMillis,
}

impl Default for ApiKeys {
    fn default() -> Self {
        Self::new()
    }
}

impl ApiKeys {
    /// API keys that were not read yet: none is good before [`Self::refresh`].
    pub const fn new() -> Self {
        Self { known: Polled::never() }
    }

    /// Reads what has changed in `store` since the last time.
    pub async fn refresh(&self, store: &dyn Store, now: UnixMillis) -> Result<(), ApiKeyError> {
        let asked_at = Instant::now();
        let last = self.known.last().unwrap_or_default();
        let mut events = store.api_keys_after(last.seen, book::PAGE).await?;
        let mut next = Known { seen: last.seen, keys: last.keys.clone() };
        while let Some(latest) = events.last() {
            next.seen = latest.seq;
            for event in &events {
                next.follow(event)?;
            }
            events = store.api_keys_after(next.seen, book::PAGE).await?;
        }
        next.keys.retain(|_, key| key.expires_at.after(book::FORGET_AFTER) > now);
        self.known.keep(Arc::new(next), asked_at);
        Ok(())
    }

    /// Who has `key`, if it is good at `now`. Why a key is not good is told only to
    /// who has its secret.
    pub(super) fn check(
        &self,
        key: &ApiKey,
        patterns: &GroupPatterns,
        now: UnixMillis,
    ) -> Result<GoodKey, IdentityError> {
        let held = self.known.fresh(Instant::now()).ok_or(IdentityError::ApiKeysUnavailable)?;
        let known = held.as_ref().and_then(|held| held.value().keys.get(&key.id));
        let known = known.ok_or(IdentityError::ApiKeyUnknown)?;
        verify_slices_are_equal(known.hash.as_bytes(), key.hash().as_bytes())
            .map_err(|_| IdentityError::ApiKeyUnknown)?;
        if known.revoked {
            return Err(IdentityError::Revoked { by: None });
        }
        if known.expires_at <= now {
            return Err(IdentityError::ApiKeyExpired { at: known.expires_at });
        }
        Ok(GoodKey { hop: known.hop(patterns), expires_at: known.expires_at })
    }

    /// Whether an API key that was good, if `id` is that of one, was not revoked since.
    pub(super) fn check_unrevoked(&self, id: CredentialId<'_>) -> Result<(), IdentityError> {
        let CredentialId::Token(issuer, id) = id else { return Ok(()) };
        if issuer.as_str() != IssuerAlias::API_KEYS {
            return Ok(());
        }
        let id: ApiKeyId = id.parse().map_err(|_| IdentityError::ApiKeyUnknown)?;
        let held = self.known.fresh(Instant::now()).ok_or(IdentityError::ApiKeysUnavailable)?;
        // One that is forgotten has been over for long, and was not revoked in time.
        match held.as_ref().and_then(|held| held.value().keys.get(&id)) {
            Some(known) if known.revoked => Err(IdentityError::Revoked { by: None }),
            _ => Ok(()),
        }
    }
}

impl Known {
    fn follow(&mut self, event: &ApiKeyEvent) -> Result<(), ApiKeyError> {
        let corrupt = || ApiKeyError::Corrupt(event.row.id.clone());
        let id: ApiKeyId = event.row.id.parse().map_err(|_| corrupt())?;
        let groups = event.row.groups.iter().map(|group| group.parse());
        let key = KnownKey {
            name: event.row.name.clone(),
            owner: event.row.owner.clone(),
            groups: groups.collect::<Result<_, _>>().map_err(|_| corrupt())?,
            hash: event.row.hash,
            expires_at: event.row.expires_at,
            revoked: event.what == ApiKeyStep::Revoked,
        };
        self.keys.insert(id, Arc::new(key));
        Ok(())
    }
}

impl KnownKey {
    fn hop(&self, patterns: &GroupPatterns) -> Hop {
        let principal = Principal { issuer: IssuerAlias::api_keys(), subject: self.name.clone() };
        let mut groups = self.groups.clone();
        groups.extend(patterns.of(&principal).cloned());
        Hop {
            attributes: BTreeMap::from([("owner".to_owned(), self.owner.clone())]),
            credential: CredentialKind::ApiKey,
            ..Hop::new(principal, Assurance::Proven, groups)
        }
    }
}
