//! Issuers as they are configured.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use serde::{Deserialize, Serialize};

use super::algorithm::Algorithm;
use super::attributes::AttributeClaim;
use super::binding::PeerBinding;
use super::chain::IssuerAlias;
use super::fetch::{FetchSettings, JwksUrl, JwksUrlError, Location};
use super::groups::GroupClaim;
use super::introspection::IntrospectionSettings;
use super::jwks::JwkSet;
use super::presets::Preset;
use super::profile::TokenProfile;
use super::spiffe::TrustDomain;
use super::token_review::TokenReviewSettings;

/// One issuer of tokens.
#[derive(Clone, Debug)]
pub struct IssuerSettings {
    /// Its short name.
    pub alias: IssuerAlias,
    /// The `iss` of its tokens.
    pub issuer: IssuerUrl,
    /// The `aud` values that are for us: at least one. A service may name others.
    pub audiences: BTreeSet<String>,
    /// The algorithms that it signs with: at least one.
    pub algorithms: BTreeSet<Algorithm>,
    /// Where its keys are.
    pub keys: KeySource,
    /// Whom it names.
    pub kind: PrincipalKind,
    /// The claims whose values are groups.
    pub groups: Vec<GroupClaim>,
    /// The attributes that its tokens tell of their subject; of one name, the last
    /// that a token has.
    pub attributes: Vec<AttributeClaim>,
    /// What kind of token it signs.
    pub profile: TokenProfile,
    /// The preset that it was configured with, if any.
    pub preset: Option<Preset>,
    /// The other issuers whose principals its tokens may name in a chain.
    pub may_attest: BTreeSet<IssuerAlias>,
    /// How far its clock and ours may be apart.
    pub leeway: Duration,
    /// The longest life of its tokens, from `iat` to `exp`.
    pub max_lifetime: Duration,
    /// The trust domain whose workloads are its principals: their certificates are
    /// credentials.
    pub trust_domain: Option<TrustDomain>,
    /// Whether the sender of its tokens must prove to have a key.
    pub require_proof: bool,
    /// Which peer its tokens must come from; any when `None`.
    pub peer_binding: Option<PeerBinding>,
    /// How often its keys are fetched.
    pub refresh: Duration,
    /// How long fetched keys are used when they can no longer be fetched; at least
    /// `refresh`.
    pub max_stale: Duration,
    /// Where it is asked about opaque tokens; `None` when it has none.
    pub introspection: Option<IntrospectionSettings>,
    /// How its keys are fetched, if they are.
    pub fetch: FetchSettings,
}

impl IssuerSettings {
    /// The trust domain of its workloads, if it has one.
    pub(super) fn trust_domain(&self) -> Option<&TrustDomain> {
        self.trust_domain.as_ref().or_else(|| self.profile.trust_domain())
    }

    /// An issuer of agents whose keys are in `keys`; everything else is as it is by
    /// default. It accepts no audience until one is named.
    pub fn new(alias: IssuerAlias, issuer: IssuerUrl, keys: KeySource) -> Self {
        Self {
            alias,
            issuer,
            keys,
            audiences: BTreeSet::new(),
            algorithms: [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa].into(),
            kind: PrincipalKind::Agent,
            groups: Vec::new(),
            attributes: Vec::new(),
            profile: TokenProfile::Plain,
            preset: None,
            may_attest: BTreeSet::new(),
            leeway: Duration::from_secs(30),
            max_lifetime: Duration::from_hours(1),
            trust_domain: None,
            require_proof: false,
            peer_binding: None,
            refresh: Duration::from_mins(5),
            max_stale: Duration::from_hours(24),
            introspection: None,
            fetch: FetchSettings::default(),
        }
    }

    /// Whether this issuer is the server itself.
    pub const fn is_own(&self) -> bool {
        matches!(self.keys, KeySource::Own(_))
    }
}

/// An `iss`: compared as it is, byte for byte (RFC 7519 section 4.1.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IssuerUrl(String);

/// The text is no `iss`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an issuer is the `iss` of its tokens, such as https://idp.example, without spaces")]
pub struct IssuerUrlError;

impl IssuerUrl {
    /// The issuer `text` names. Not every issuer in use is a URL.
    pub fn parse(text: &str) -> Result<Self, IssuerUrlError> {
        if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(IssuerUrlError);
        }
        Ok(Self(text.to_owned()))
    }

    /// The issuer as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IssuerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where the keys of an issuer are.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// In the configuration.
    Document(JwkSet),
    /// Published at a URL.
    Published(PublishedAt),
    /// Nowhere: it signs no tokens.
    Unsigned,
    /// Nowhere: a Kubernetes API server says who a token is.
    Review(TokenReviewSettings),
    /// Those that this server signs with.
    Own(OwnKeys),
}

/// Where an issuer publishes its keys.
#[derive(Clone, Debug)]
pub struct PublishedAt(pub(super) Location);

impl fmt::Display for PublishedAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Location::Keys(url) => url.fmt(f),
            Location::Discovery { document, .. } => write!(f, "discovered at {document}"),
        }
    }
}

/// The public halves of the keys that this server signs with: whoever holds the keys
/// replaces them here when they change, and tokens are verified with them at once.
#[derive(Clone, Debug, Default)]
pub struct OwnKeys(pub(super) Arc<ArcSwapOption<JwkSet>>);

impl OwnKeys {
    /// From now on, these are the keys.
    pub fn replace(&self, keys: JwkSet) {
        self.0.store(Some(Arc::new(keys)));
    }

    /// From now on, there is none.
    pub fn withdraw(&self) {
        self.0.store(None);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.load().as_ref().map_or(0, |keys| keys.len())
    }
}

impl KeySource {
    /// A JWK Set at `url`.
    pub const fn url(url: JwksUrl) -> Self {
        Self::Published(PublishedAt(Location::Keys(url)))
    }

    /// A JWK Set at the URL that the issuer's OpenID Connect discovery document
    /// names.
    pub fn discovery(issuer: &IssuerUrl) -> Result<Self, JwksUrlError> {
        Location::discovery(issuer).map(|location| Self::Published(PublishedAt(location)))
    }
}

/// Whom an issuer names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrincipalKind {
    /// Automations: they call.
    Agent,
    /// People: they approve.
    Human,
}
