//! What an authenticator is made of, and what a service accepts of what it tells.

use std::collections::BTreeSet;

use super::super::chain::IssuerAlias;
use super::super::dpop::ProofSettings;
use super::super::error::IdentityError;
use super::super::groups::GroupPatterns;
use super::super::issuer::{IssuerSettings, KeySource};
use super::super::peer::PeerSource;
use super::super::presented::{HeaderName, SecondCredential};
use super::certified;

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
    /// The `aud` values that are for it in tokens that this server signed; `None` for
    /// the same ones as in others. One server signs for many services, and a token
    /// for one of them is for no other.
    pub own: Option<BTreeSet<String>>,
    /// The `aud` values that are for it besides, in tokens that others signed.
    pub also: BTreeSet<String>,
    /// Whether agents with API keys may call it, which are of no issuer.
    pub api_keys: bool,
}

impl Acceptance {
    /// Whether a token of `issuer` with those `audiences` is for the service.
    pub(super) fn is_meant(&self, audiences: &BTreeSet<String>, issuer: &IssuerSettings) -> bool {
        let also = !issuer.is_own() && !audiences.is_disjoint(&self.also);
        also || !audiences.is_disjoint(self.audiences_of(issuer))
    }

    /// The `aud` values that are for it in tokens of `issuer`.
    pub fn audiences_of<'a>(&'a self, issuer: &'a IssuerSettings) -> &'a BTreeSet<String> {
        match &self.own {
            Some(own) if issuer.is_own() => own,
            _ => self.audiences.as_ref().unwrap_or(&issuer.audiences),
        }
    }

    pub(super) fn accepts(&self, issuer: &IssuerAlias) -> Result<(), IdentityError> {
        match &self.issuers {
            Some(issuers) if !issuers.contains(issuer) => Err(IdentityError::IssuerNotAccepted),
            _ => Ok(()),
        }
    }
}

/// What an authenticator is made of.
#[derive(Clone, Debug)]
pub struct AuthenticatorSettings {
    /// Who signs tokens.
    pub issuers: Vec<IssuerSettings>,
    /// The groups that the configuration makes.
    pub groups: GroupPatterns,
    /// The most hops in a chain.
    pub max_depth: usize,
    /// Where requests may carry a second credential.
    pub second: Option<SecondCredential>,
    /// The header that an API key may be in, besides `Authorization`.
    pub api_key_header: Option<HeaderName>,
    /// Where it is told who the peer of a request is.
    pub peer: PeerSource,
    /// How proofs of possession are judged.
    pub proofs: ProofSettings,
}

impl AuthenticatorSettings {
    /// Those issuers, and everything else as it is by default.
    pub fn new(issuers: Vec<IssuerSettings>) -> Self {
        Self {
            issuers,
            groups: GroupPatterns::default(),
            max_depth: 8,
            second: None,
            api_key_header: None,
            peer: PeerSource::default(),
            proofs: ProofSettings::default(),
        }
    }

    /// The issuers whose workloads call with client certificates.
    pub fn certified(&self) -> impl Iterator<Item = &IssuerAlias> {
        let told = self.peer != PeerSource::Nowhere;
        let issuers = self.issuers.iter().filter(move |_| told);
        issuers.filter(|issuer| issuer.trust_domain().is_some()).map(|issuer| &issuer.alias)
    }
}

/// Settings that contradict each other.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Two issuers have one alias.
    #[error("there are two issuers `{0}`")]
    AliasTwice(IssuerAlias),
    /// The alias is that of API keys.
    #[error("the alias `{0}` is that of API keys; take another")]
    AliasReserved(IssuerAlias),
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
    /// It is not clear whom to ask about an opaque token.
    #[error(
        "the issuers `{0}` and `{1}` have opaque tokens; give each an `introspection.prefix` of its own"
    )]
    PrefixTwice(IssuerAlias, IssuerAlias),
    /// Two issuers have one trust domain.
    #[error("the issuers `{0}` and `{1}` have the same `trust_domain`")]
    TrustDomainTwice(IssuerAlias, IssuerAlias),
    /// Nothing of an issuer can be verified.
    #[error("issuer `{0}` has neither keys nor a `trust_domain`")]
    NoKeys(IssuerAlias),
    /// Certificates would be needed that are told nowhere.
    #[error(
        "issuer `{0}` needs client certificates; say where they are told, such as \
         `peer: {{ from: tls }}`"
    )]
    NoPeer(IssuerAlias),
    /// Keys would be too old before they are fetched again.
    #[error("issuer `{0}` has a `max_stale` that is shorter than its `refresh`")]
    StaleBeforeRefresh(IssuerAlias),
    /// Chains of that depth are not read.
    #[error("a chain's `max_depth` is from 1 to {MAX_MAX_DEPTH}")]
    MaxDepth,
    /// Keys cannot be fetched by https.
    #[error("keys cannot be fetched by https: no usable certificates on this system")]
    HttpClient(#[source] reqwest::Error),
    /// An issuer's CA file cannot be used.
    #[error("issuer `{issuer}` has a `fetch.ca_file` that cannot be used: {problem}")]
    CaFile {
        /// The issuer.
        issuer: IssuerAlias,
        /// Which file, and why not.
        problem: String,
    },
}

/// Whether the settings go together.
pub(super) fn check(settings: &AuthenticatorSettings) -> Result<(), SettingsError> {
    let AuthenticatorSettings { issuers, groups: patterns, max_depth, .. } = settings;
    if !(1..=MAX_MAX_DEPTH).contains(max_depth) {
        return Err(SettingsError::MaxDepth);
    }
    let known = |alias: &IssuerAlias| issuers.iter().any(|issuer| issuer.alias == *alias);
    let reserved = |alias: &IssuerAlias| alias.as_str() == IssuerAlias::API_KEYS;
    for (nth, issuer) in issuers.iter().enumerate() {
        let alias = issuer.alias.clone();
        let before = &issuers[..nth];
        if reserved(&alias) {
            return Err(SettingsError::AliasReserved(alias));
        }
        if before.iter().any(|other| other.alias == alias) {
            return Err(SettingsError::AliasTwice(alias));
        }
        if let Some(other) = before.iter().find(|other| other.issuer == issuer.issuer) {
            return Err(SettingsError::IssuerTwice(other.alias.clone(), alias));
        }
        let signs = !matches!(issuer.keys, KeySource::Unsigned);
        let tokens = signs || issuer.introspection.is_some();
        if tokens && issuer.audiences.is_empty() {
            return Err(SettingsError::NoAudience(alias));
        }
        if signs && issuer.algorithms.is_empty() {
            return Err(SettingsError::NoAlgorithm(alias));
        }
        certified::check(settings, issuer, before)?;
        if issuer.max_stale < issuer.refresh {
            return Err(SettingsError::StaleBeforeRefresh(alias));
        }
        if let Some(attested) = issuer.may_attest.iter().find(|alias| !known(alias)) {
            let attested = attested.clone();
            return Err(SettingsError::AttestedUnknown { issuer: alias, attested });
        }
    }
    let mut named = patterns.patterns().filter_map(|pattern| pattern.issuer());
    match named.find(|alias| !known(alias) && !reserved(alias)) {
        Some(alias) => Err(SettingsError::PatternIssuerUnknown(alias.clone())),
        None => Ok(()),
    }
}
