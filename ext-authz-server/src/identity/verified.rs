//! A token whose signature is its issuer's: everything it says, read once. What
//! depends on the request (the time, the service, a proof) is judged anew each time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::api_key::{ApiKeyId, GoodKey};
use super::authority::Authority;
use super::chain::{Chain, EmptyChain, IssuerAlias, Principal};
use super::claims::{Claims, name, seconds};
use super::confirmation::Confirmation;
use super::error::IdentityError;
use super::issuer::PrincipalKind;
use super::jwks::VerificationKey;
use crate::time::UnixMillis;

/// A token that its issuer signed.
#[derive(Clone, Debug)]
pub(super) struct VerifiedToken {
    /// Who it names.
    pub(super) chain: Arc<Chain>,
    /// What the current actor is.
    pub(super) kind: PrincipalKind,
    /// Whom it is for.
    pub(super) audiences: BTreeSet<String>,
    /// When it is good.
    pub(super) lifetime: Lifetime,
    /// What its sender must prove.
    pub(super) confirmation: Confirmation,
    /// Who may act on behalf of its chain; `None` when it does not say.
    pub(super) may_act: Option<Principal>,
    /// What it says besides.
    pub(super) facts: Arc<TokenFacts>,
    /// How much memory it takes, about, in bytes.
    pub(super) weight: u64,
}

impl VerifiedToken {
    /// The same of an API key, which names one principal and nothing else.
    pub(super) fn of_api_key(id: ApiKeyId, key: GoodKey) -> Result<Self, EmptyChain> {
        let GoodKey { hop, expires_at } = key;
        Ok(Self {
            facts: Arc::new(TokenFacts {
                issuer: hop.principal.issuer.clone(),
                key: None,
                id: Some(id.to_string()),
                expires_at,
                authority: Authority::default(),
                acr: None,
                authenticated_at: None,
                transaction: None,
                lineage: Vec::new(),
            }),
            chain: Arc::new(Chain::new(vec![hop])?),
            kind: PrincipalKind::Agent,
            // It is not kept.
            weight: 0,
            audiences: BTreeSet::new(),
            lifetime: Lifetime { expires: expires_at.seconds(), not_before: None, issued: None },
            confirmation: Confirmation::default(),
            may_act: None,
        })
    }

    /// The same token with another chain.
    pub(super) fn with_chain(&self, chain: Arc<Chain>) -> Self {
        Self { chain, ..self.clone() }
    }
}

/// What a credential says besides who its chain is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFacts {
    /// The issuer that signed it.
    pub issuer: IssuerAlias,
    /// The `kid` of the key that signed it, if that has one.
    pub key: Option<String>,
    /// Its `jti`, or the thumbprint of a certificate.
    pub id: Option<String>,
    /// Its `exp`.
    pub expires_at: UnixMillis,
    /// What it allows, as far as it states that.
    pub authority: Authority,
    /// The class of the authentication behind it, `acr`.
    pub acr: Option<String>,
    /// When a person authenticated, `auth_time`.
    pub authenticated_at: Option<UnixMillis>,
    /// The transaction it belongs to, `txn`.
    pub transaction: Option<String>,
    /// The tokens that it descends from, the earliest first. Only what this server
    /// signed says so, of what it was shown.
    pub lineage: Vec<Ancestor>,
}

/// A token that another one descends from, by an exchange.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ancestor {
    /// The issuer that signed it.
    pub issuer: IssuerAlias,
    /// The `kid` of the key that signed it, if that has one.
    pub key: Option<String>,
    /// Its `jti`, if it has one.
    pub id: Option<String>,
}

impl Ancestor {
    /// The key that signed it, `<issuer alias>/<kid>`.
    pub fn issuer_key(&self) -> Option<String> {
        self.key.as_ref().map(|kid| format!("{}/{kid}", self.issuer))
    }
}

impl TokenFacts {
    /// This token, as those that descend from it name it.
    pub fn as_ancestor(&self) -> Ancestor {
        Ancestor { issuer: self.issuer.clone(), key: self.key.clone(), id: self.id.clone() }
    }

    /// What `claims` of a token of `issuer` say, which `key` signed if one is known.
    pub(super) fn read(
        issuer: &IssuerAlias,
        key: Option<&VerificationKey>,
        claims: &Claims,
        lifetime: Lifetime,
    ) -> Result<Self, IdentityError> {
        let object = claims.object();
        Ok(Self {
            issuer: issuer.clone(),
            key: key.and_then(VerificationKey::kid).map(str::to_owned),
            id: text(object, "jti", "`jti` is not a name")?,
            expires_at: lifetime.expires_at(),
            authority: Authority::read(object)?,
            acr: text(object, "acr", "`acr` is not a name")?,
            authenticated_at: claims.time("auth_time")?.map(moment),
            transaction: text(object, "txn", "`txn` is not a name")?,
            lineage: Vec::new(),
        })
    }
}

fn text(
    claims: &Map<String, Value>,
    claim: &str,
    problem: &'static str,
) -> Result<Option<String>, IdentityError> {
    let text = name(claims.get(claim)).map_err(|_| IdentityError::ClaimsMalformed(problem))?;
    Ok(text.map(str::to_owned))
}

/// When a token is good: its `exp`, `nbf` and `iat`, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lifetime {
    expires: i64,
    not_before: Option<i64>,
    issued: Option<i64>,
}

impl Lifetime {
    /// The times of `claims`; a token without `exp` is refused.
    pub(super) fn read(claims: &Claims) -> Result<Self, IdentityError> {
        Ok(Self {
            expires: claims.time("exp")?.ok_or(IdentityError::ExpirationMissing)?,
            not_before: claims.time("nbf")?,
            issued: claims.time("iat")?,
        })
    }

    /// From one second to another.
    pub(super) const fn between(not_before: i64, expires: i64) -> Self {
        Self { expires, not_before: Some(not_before), issued: None }
    }

    /// The same, ending no later than at `seconds`.
    pub(super) fn ending(self, seconds: i64) -> Self {
        Self { expires: self.expires.min(seconds), ..self }
    }

    /// The `exp`, or what ends it earlier.
    pub(super) const fn expires_at(self) -> UnixMillis {
        moment(self.expires)
    }

    /// Whether it is good at `now`, give or take `leeway`, and not for longer than
    /// `max_lifetime`.
    pub(super) fn check(
        self,
        now: UnixMillis,
        leeway: Duration,
        max_lifetime: Duration,
    ) -> Result<(), IdentityError> {
        let (now, leeway) = (now.seconds(), seconds(leeway));
        if self.expires.saturating_add(leeway) <= now {
            return Err(IdentityError::TokenExpired { at: self.expires_at() });
        }
        for from in [self.not_before, self.issued].into_iter().flatten() {
            if from > now.saturating_add(leeway) {
                return Err(IdentityError::TokenNotYetValid { from: moment(from) });
            }
        }
        let born = self.issued.or(self.not_before).unwrap_or(now);
        if self.expires.saturating_sub(born) > seconds(max_lifetime) {
            return Err(IdentityError::LifetimeTooLong { max_seconds: max_lifetime.as_secs() });
        }
        Ok(())
    }
}

const fn moment(seconds: i64) -> UnixMillis {
    UnixMillis::new(seconds.saturating_mul(1000))
}
