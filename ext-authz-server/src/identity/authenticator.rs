//! The door of the room: a token in, a credential or a refusal out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::actors::Signed;
use super::chain::{Chain, IssuerAlias};
use super::error::IdentityError;
use super::fetch::KeyFetcher;
use super::groups::GroupPatterns;
use super::issuer::{IssuerSettings, KeySource, PrincipalKind, PublishedAt};
use super::jwt::Unverified;
use super::keys::{Keys, PublishedKeys};
use super::token::Token;
use crate::time::UnixMillis;

/// The most hops that may be configured: a chain is an argument about trust, and no
/// honest one is longer.
const MAX_MAX_DEPTH: usize = 64;

/// What a service accepts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acceptance {
    /// The issuers whose agents may call it; `None` for all of them.
    pub issuers: Option<BTreeSet<IssuerAlias>>,
    /// The `aud` values that are for it; `None` for those of the token's issuer.
    pub audiences: Option<BTreeSet<String>>,
}

impl Acceptance {
    fn accepts(&self, issuer: &IssuerAlias) -> Result<(), IdentityError> {
        match &self.issuers {
            Some(issuers) if !issuers.contains(issuer) => Err(IdentityError::IssuerNotAccepted),
            _ => Ok(()),
        }
    }
}

/// What a verified token proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Who calls, on whose behalf.
    pub chain: Chain,
    /// The issuer that signed it.
    pub issuer: IssuerAlias,
    /// Its `jti`.
    pub token_id: Option<String>,
    /// Its `exp`.
    pub expires_at: UnixMillis,
    /// What the current actor is. A person is never the current actor by another
    /// issuer's word.
    pub kind: PrincipalKind,
}

/// How an issuer's keys are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IssuerHealth {
    /// Its alias.
    pub issuer: IssuerAlias,
    /// Whether its tokens can be verified.
    pub ready: bool,
    /// How many keys it has.
    pub keys: usize,
    /// When they were last fetched; `None` when they never were or need not be.
    pub fetched_at: Option<UnixMillis>,
    /// Why the last fetch failed, if it did.
    pub last_error: Option<String>,
}

/// Settings that contradict each other.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Two issuers have one alias.
    #[error("there are two issuers `{0}`")]
    AliasTwice(IssuerAlias),
    /// Two issuers have one `iss`.
    #[error("the issuers `{0}` and `{1}` have the same `issuer`")]
    IssuerTwice(IssuerAlias, IssuerAlias),
    /// Whom an issuer's tokens are for is not said.
    #[error("issuer `{0}` has no audience; a token for anybody is good for nobody")]
    NoAudience(IssuerAlias),
    /// Nothing can be verified.
    #[error("issuer `{0}` has no algorithm")]
    NoAlgorithm(IssuerAlias),
    /// An issuer is mentioned that is not configured.
    #[error("issuer `{issuer}` may attest `{attested}`, which is not configured")]
    AttestedUnknown {
        /// The issuer.
        issuer: IssuerAlias,
        /// Whom it may attest.
        attested: IssuerAlias,
    },
    /// A group's pattern mentions an issuer that is not configured.
    #[error("a group has principals of the issuer `{0}`, which is not configured")]
    PatternIssuerUnknown(IssuerAlias),
    /// Keys would be too old before they are fetched again.
    #[error("issuer `{0}` has a `max_stale` that is shorter than its `refresh`")]
    StaleBeforeRefresh(IssuerAlias),
    /// Chains of that depth are not read.
    #[error("a chain's `max_depth` is from 1 to {MAX_MAX_DEPTH}")]
    MaxDepth,
    /// Keys cannot be fetched by https.
    #[error("keys cannot be fetched by https: no usable certificates on this system")]
    HttpClient(#[source] reqwest::Error),
}

/// Verifies tokens.
pub struct Authenticator {
    issuers: BTreeMap<IssuerAlias, Issuer>,
    aliases: BTreeMap<String, IssuerAlias>,
    patterns: GroupPatterns,
    max_depth: usize,
    fetcher: KeyFetcher,
    /// Keep keys fresh; they end with the authenticator.
    tasks: OnceLock<JoinSet<()>>,
}

struct Issuer {
    settings: IssuerSettings,
    keys: Keys,
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator")
            .field("issuers", &self.issuers.keys())
            .field("max_depth", &self.max_depth)
            .finish_non_exhaustive()
    }
}

impl Authenticator {
    /// An authenticator of those issuers, whose chains have at most `max_depth` hops.
    /// Published keys are fetched from [`Self::start`] on.
    pub fn new(
        issuers: Vec<IssuerSettings>,
        patterns: GroupPatterns,
        max_depth: usize,
    ) -> Result<Self, SettingsError> {
        check(&issuers, &patterns, max_depth)?;
        let aliases =
            issuers.iter().map(|issuer| (issuer.issuer.as_str().to_owned(), issuer.alias.clone()));
        let aliases = aliases.collect();
        let issuers: BTreeMap<_, _> = issuers
            .into_iter()
            .map(|settings| (settings.alias.clone(), Issuer::new(settings)))
            .collect();
        let locations = issuers.values().filter_map(Issuer::published).map(|keys| keys.location());
        let fetcher = KeyFetcher::new(locations).map_err(SettingsError::HttpClient)?;
        Ok(Self { issuers, aliases, patterns, max_depth, fetcher, tasks: OnceLock::new() })
    }

    /// Fetches published keys, waits until each set of them was fetched or could not
    /// be, and keeps them fresh until the authenticator is dropped. Needs a Tokio
    /// runtime; a second call only waits.
    pub async fn start(&self) {
        let published: Vec<_> = self.issuers.values().filter_map(Issuer::published).collect();
        self.tasks.get_or_init(|| {
            let mut tasks = JoinSet::new();
            for keys in &published {
                tasks.spawn(Arc::clone(keys).keep_fresh(self.fetcher.clone()));
            }
            tasks
        });
        for keys in published {
            keys.first_fetch().await;
        }
    }

    /// Who the token proves at `now`, for a service that accepts what `acceptance`
    /// says.
    pub async fn authenticate(
        &self,
        token: &Token,
        acceptance: &Acceptance,
        now: UnixMillis,
    ) -> Result<Credential, IdentityError> {
        let unverified = Unverified::read(token, self.max_depth)?;
        let issuer = unverified.issuer().and_then(|iss| self.aliases.get(iss));
        let Issuer { settings, keys } =
            issuer.and_then(|alias| self.issuers.get(alias)).ok_or(IdentityError::IssuerUnknown)?;
        acceptance.accepts(&settings.alias)?;
        if !settings.algorithms.contains(&unverified.algorithm) {
            return Err(IdentityError::AlgorithmNotAllowed);
        }
        let keys = keys.candidates(unverified.kid.as_deref(), unverified.algorithm).await?;
        let claims = unverified.verified_by(&keys)?;
        let expires_at = claims.check_times(now, settings.leeway, settings.max_lifetime)?;
        if !claims.is_for(acceptance.audiences.as_ref().unwrap_or(&settings.audiences)) {
            return Err(IdentityError::AudienceMismatch);
        }
        let chain = self.signed_by(settings).chain(&claims)?;
        let caller = &chain.current().principal.issuer;
        acceptance.accepts(caller)?;
        Ok(Credential {
            kind: self.kind_of(caller, settings)?,
            chain,
            issuer: settings.alias.clone(),
            token_id: claims.token_id()?.map(str::to_owned),
            expires_at,
        })
    }

    /// How every issuer's keys are at `now`.
    pub fn health(&self, now: UnixMillis) -> Vec<IssuerHealth> {
        let at = Instant::now();
        let health = |issuer: &Issuer| {
            let state = issuer.keys.state(at);
            let ago = |age: std::time::Duration| {
                let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
                UnixMillis::new(now.millis().saturating_sub(age))
            };
            IssuerHealth {
                issuer: issuer.settings.alias.clone(),
                ready: state.usable,
                keys: state.count,
                fetched_at: state.age.map(ago),
                last_error: state.last_error,
            }
        };
        self.issuers.values().map(health).collect()
    }

    fn signed_by<'a>(&'a self, signer: &'a IssuerSettings) -> Signed<'a> {
        Signed {
            signer: &signer.alias,
            group_claims: &signer.groups,
            may_attest: &signer.may_attest,
            aliases: &self.aliases,
            patterns: &self.patterns,
            max_depth: self.max_depth,
        }
    }

    /// What the principals of `caller` are. That a person is calling, their own
    /// issuer says and no other: a token exchange that could say so could approve
    /// what it asks for.
    fn kind_of(
        &self,
        caller: &IssuerAlias,
        signer: &IssuerSettings,
    ) -> Result<PrincipalKind, IdentityError> {
        let kind = self.issuers.get(caller).map(|issuer| issuer.settings.kind);
        match kind.ok_or(IdentityError::ActorIssuerUnknown)? {
            PrincipalKind::Human if *caller != signer.alias => Err(IdentityError::PersonNotProven),
            kind => Ok(kind),
        }
    }
}

impl Issuer {
    fn new(settings: IssuerSettings) -> Self {
        let keys = match settings.keys.clone() {
            KeySource::Document(set) => Keys::Written(set),
            KeySource::Published(PublishedAt(location)) => {
                let (refresh, max_stale) = (settings.refresh, settings.max_stale);
                let alias = settings.alias.clone();
                Keys::Published(Arc::new(PublishedKeys::new(alias, location, refresh, max_stale)))
            }
        };
        Self { settings, keys }
    }

    const fn published(&self) -> Option<&Arc<PublishedKeys>> {
        match &self.keys {
            Keys::Written(_) => None,
            Keys::Published(keys) => Some(keys),
        }
    }
}

fn check(
    issuers: &[IssuerSettings],
    patterns: &GroupPatterns,
    max_depth: usize,
) -> Result<(), SettingsError> {
    if !(1..=MAX_MAX_DEPTH).contains(&max_depth) {
        return Err(SettingsError::MaxDepth);
    }
    let known = |alias: &IssuerAlias| issuers.iter().any(|issuer| issuer.alias == *alias);
    for (nth, issuer) in issuers.iter().enumerate() {
        let alias = issuer.alias.clone();
        let before = &issuers[..nth];
        if before.iter().any(|other| other.alias == alias) {
            return Err(SettingsError::AliasTwice(alias));
        }
        if let Some(other) = before.iter().find(|other| other.issuer == issuer.issuer) {
            return Err(SettingsError::IssuerTwice(other.alias.clone(), alias));
        }
        if issuer.audiences.is_empty() {
            return Err(SettingsError::NoAudience(alias));
        }
        if issuer.algorithms.is_empty() {
            return Err(SettingsError::NoAlgorithm(alias));
        }
        if issuer.max_stale < issuer.refresh {
            return Err(SettingsError::StaleBeforeRefresh(alias));
        }
        if let Some(attested) = issuer.may_attest.iter().find(|alias| !known(alias)) {
            let attested = attested.clone();
            return Err(SettingsError::AttestedUnknown { issuer: alias, attested });
        }
    }
    match patterns.patterns().filter_map(|pattern| pattern.issuer()).find(|alias| !known(alias)) {
        Some(alias) => Err(SettingsError::PatternIssuerUnknown(alias.clone())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
