//! What is no longer good although its issuer signed it.
//!
//! Revocations are kept in the store (`book`), and every server holds those that
//! count in memory, read again every [`POLL`]: to look one up costs a few hash
//! lookups, and nothing while there is none. Whatever descends from what was revoked
//! is refused with it: a chain names its principals, and the ids of a credential are
//! those of [`ids_of`].
//!
//! [`POLL`]: super::POLL

mod book;
mod target;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tokio::time::Instant;

pub use self::book::{Revocation, RevocationBook, RevocationError, RevocationOrder};
pub use self::target::{RevocationId, RevocationIdError, RevocationTarget, TargetError};
use super::chain::{Chain, IssuerAlias, Principal};
use super::error::IdentityError;
use super::polled::Polled;
use super::verified::TokenFacts;
use crate::store::Store;
use crate::time::UnixMillis;

/// The revocations that count, as they were when the store was last read.
#[derive(Debug)]
pub struct Revocations {
    lists: Polled<Lists>,
}

/// Something that a credential, or one that it was made from, can be revoked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CredentialId<'a> {
    /// A token's `jti`.
    Token(&'a IssuerAlias, &'a str),
    /// The `kid` of the key that signed it.
    Key(&'a IssuerAlias, &'a str),
}

/// The ids of a credential. One that was made from others has theirs as well.
pub(super) fn ids_of(facts: &TokenFacts) -> impl Iterator<Item = CredentialId<'_>> + Clone {
    let own = ids(&facts.issuer, facts.id.as_deref(), facts.key.as_deref());
    let inherited = facts.lineage.iter().flat_map(|ancestor| {
        ids(&ancestor.issuer, ancestor.id.as_deref(), ancestor.key.as_deref())
    });
    own.chain(inherited)
}

fn ids<'a>(
    issuer: &'a IssuerAlias,
    jti: Option<&'a str>,
    kid: Option<&'a str>,
) -> impl Iterator<Item = CredentialId<'a>> + Clone {
    let token = jti.map(|jti| CredentialId::Token(issuer, jti));
    token.into_iter().chain(kid.map(|kid| CredentialId::Key(issuer, kid)))
}

impl Default for Revocations {
    fn default() -> Self {
        Self::new()
    }
}

impl Revocations {
    /// Revocations that were not read yet: nobody gets in before [`Self::refresh`].
    pub const fn new() -> Self {
        Self { lists: Polled::never() }
    }

    /// Reads what has changed in `store` since the last time.
    pub async fn refresh(&self, store: &dyn Store, now: UnixMillis) -> Result<(), RevocationError> {
        let asked_at = Instant::now();
        let last = self.lists.last().unwrap_or_default();
        let next = last.followed(store, now).await?.map_or(last, Arc::new);
        self.lists.keep(next, asked_at);
        Ok(())
    }

    /// How many count at `now`; `None` when that is not known, for the store was not
    /// read for too long.
    pub fn count(&self, now: UnixMillis) -> Option<usize> {
        let held = self.lists.fresh(Instant::now())?;
        let counts = |one: &&Revocation| one.expires_at > now;
        held.as_ref().map(|held| held.value().known.values().filter(counts).count())
    }

    /// Whether a credential of this chain and with these ids is still good at `now`.
    pub(super) fn check<'a>(
        &self,
        chain: &Chain,
        ids: impl IntoIterator<Item = CredentialId<'a>>,
        now: UnixMillis,
    ) -> Result<(), IdentityError> {
        let held = self.lists.fresh(Instant::now()).ok_or(IdentityError::RevocationsUnavailable)?;
        let lists = held.as_ref().ok_or(IdentityError::RevocationsUnavailable)?.value();
        if lists.known.is_empty() {
            return Ok(());
        }
        match lists.found(chain, ids, now) {
            Some(listed) => Err(IdentityError::Revoked { by: Some(listed.id) }),
            None => Ok(()),
        }
    }
}

#[derive(Debug, Default)]
struct Lists {
    /// By their ids, those that are over for a short while among them: a clock that
    /// jumps ahead and back must not lose one that counts.
    known: BTreeMap<String, Revocation>,
    /// The place of the last change that was read.
    seen: u64,
    tokens: Named,
    keys: Named,
    subjects: Named,
    roots: Named,
}

/// What is revoked, by its issuer and its name there.
#[derive(Debug, Default)]
struct Named {
    of_issuer: HashMap<IssuerAlias, HashMap<String, Listed>>,
    of_any: HashMap<String, Listed>,
}

#[derive(Clone, Copy, Debug)]
struct Listed {
    id: RevocationId,
    expires_at: UnixMillis,
}

impl Lists {
    /// The lists with what has changed in `store`; `None` when nothing has.
    async fn followed(
        &self,
        store: &dyn Store,
        now: UnixMillis,
    ) -> Result<Option<Self>, RevocationError> {
        let mut events = store.revocations_after(self.seen, book::PAGE).await?;
        let long_over = |one: &Revocation| one.expires_at.after(book::FORGET_AFTER) <= now;
        let over = self.known.values().any(long_over);
        if events.is_empty() && !over {
            return Ok(None);
        }
        let (mut known, mut seen) = (self.known.clone(), self.seen);
        while let Some(last) = events.last() {
            seen = last.seq;
            for event in &events {
                book::follow(&mut known, event)?;
            }
            events = store.revocations_after(seen, book::PAGE).await?;
        }
        known.retain(|_, one| !long_over(one));
        Ok(Some(Self::new(known, seen)))
    }

    fn new(known: BTreeMap<String, Revocation>, seen: u64) -> Self {
        let mut lists = Self { seen, ..Self::default() };
        for revocation in known.values() {
            let named = match &revocation.target {
                RevocationTarget::Jti { .. } => &mut lists.tokens,
                RevocationTarget::Subject(_) => &mut lists.subjects,
                RevocationTarget::IssuerKey { .. } => &mut lists.keys,
                RevocationTarget::ChainRoot(_) => &mut lists.roots,
            };
            named.insert(revocation);
        }
        Self { known, ..lists }
    }

    fn found<'a>(
        &self,
        chain: &Chain,
        ids: impl IntoIterator<Item = CredentialId<'a>>,
        now: UnixMillis,
    ) -> Option<Listed> {
        let principal = |named: &Named, who: &Principal| named.find(&who.issuer, &who.subject, now);
        let id = |id: CredentialId<'_>| match id {
            CredentialId::Token(issuer, jti) => self.tokens.find(issuer, jti, now),
            CredentialId::Key(issuer, kid) => self.keys.find(issuer, kid, now),
        };
        principal(&self.roots, &chain.root().principal)
            .or_else(|| {
                chain.hops().iter().find_map(|hop| principal(&self.subjects, &hop.principal))
            })
            .or_else(|| ids.into_iter().find_map(id))
    }
}

impl Named {
    /// Lists a revocation; of two of the same thing the one that counts longer.
    fn insert(&mut self, revocation: &Revocation) {
        let listed = Listed { id: revocation.id, expires_at: revocation.expires_at };
        let names = match revocation.target.issuer() {
            Some(issuer) => self.of_issuer.entry(issuer.clone()).or_default(),
            None => &mut self.of_any,
        };
        let known = names.entry(revocation.target.value().to_owned()).or_insert(listed);
        if known.expires_at < listed.expires_at {
            *known = listed;
        }
    }

    fn find(&self, issuer: &IssuerAlias, name: &str, now: UnixMillis) -> Option<Listed> {
        let own = self.of_issuer.get(issuer).and_then(|names| names.get(name));
        let any = self.of_any.get(name);
        own.into_iter().chain(any).find(|listed| listed.expires_at > now).copied()
    }
}
