//! The door of the room: a token in, a credential or a refusal out.

mod certified;
mod possession;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

pub(super) use self::possession::{KeyShown, Sent};
use self::unsigned::api_key;
use super::acting::Shown;
use super::actors::Signed;
use super::cache::{Remembered, VerifiedTokens, weight_besides, weight_of};
use super::chain::{Chain, CredentialKind, IssuerAlias};
use super::claims::{Claims, name};
use super::confirmation::Confirmation;
use super::dpop::{ProofSettings, Proofs};
use super::error::IdentityError;
use super::fetch::{Clients, FetcherError, KeyFetcher};
use super::groups::GroupPatterns;
use super::introspection::{Introspector, PrefixTwice, Prefixes};
use super::issuer::{IssuerSettings, IssuerUrl, KeySource, PrincipalKind, PublishedAt};
use super::jwks::VerificationKey;
use super::jwt::{Claimed, Unverified};
use super::key_events::{KeysEvent, Teller};
use super::keys::{Keys, PublishedKeys};
use super::own;
use super::peer::{Peer, PeerSource};
use super::presented::{HeaderName, Holds, Presented, SecondCredential};
use super::revocation::{CredentialId, ids_of};
use super::spiffe::{SpiffeId, TrustDomain};
use super::token::{Scheme, Token, TokenDigest, sent};
use super::token_review::TokenReview;
use super::verified::{TokenFacts, VerifiedToken};
use super::withdrawals::Withdrawals;
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
    fn is_meant(&self, audiences: &BTreeSet<String>, issuer: &IssuerSettings) -> bool {
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

    fn accepts(&self, issuer: &IssuerAlias) -> Result<(), IdentityError> {
        match &self.issuers {
            Some(issuers) if !issuers.contains(issuer) => Err(IdentityError::IssuerNotAccepted),
            _ => Ok(()),
        }
    }
}

/// What the credentials of a request prove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Who calls, on whose behalf.
    pub chain: Arc<Chain>,
    /// What the current actor is. A person is never the current actor by another
    /// issuer's word.
    pub kind: PrincipalKind,
    /// What the credential says that tells of the chain.
    pub token: Arc<TokenFacts>,
    /// What the current actor's own credential says, where it is another one.
    pub actor: Option<Arc<TokenFacts>>,
    /// The thumbprint of the client certificate of the connection, where certificates
    /// count and one was shown.
    pub certificate: Option<String>,
    /// Whether whoever sent it proved to have the key that it is bound to, so that a
    /// copy of it is worth nothing.
    pub sender_constrained: bool,
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
}

/// Tells who sends a request.
pub struct Authenticator {
    issuers: BTreeMap<IssuerAlias, Issuer>,
    aliases: BTreeMap<String, IssuerAlias>,
    patterns: GroupPatterns,
    max_depth: usize,
    prefixes: Prefixes,
    second: Option<SecondCredential>,
    api_key_header: Option<HeaderName>,
    trust_domains: BTreeMap<TrustDomain, IssuerAlias>,
    peer: PeerSource,
    proofs: Proofs,
    withdrawals: Option<Arc<Withdrawals>>,
    verified: VerifiedTokens,
    /// Keep keys fresh; they end with the authenticator.
    tasks: OnceLock<JoinSet<()>>,
}

struct Issuer {
    settings: IssuerSettings,
    keys: Keys,
    introspector: Option<Introspector>,
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
    /// An authenticator with those settings. Published keys are fetched from
    /// [`Self::start`] on.
    pub fn new(settings: AuthenticatorSettings) -> Result<Self, SettingsError> {
        check(&settings)?;
        let AuthenticatorSettings {
            issuers,
            groups: patterns,
            max_depth,
            second,
            api_key_header,
            peer,
            proofs,
        } = settings;
        let trust_domains = issuers
            .iter()
            .filter_map(|issuer| Some((issuer.trust_domain()?.clone(), issuer.alias.clone())))
            .collect();
        let aliases =
            issuers.iter().map(|issuer| (issuer.issuer.as_str().to_owned(), issuer.alias.clone()));
        let aliases = aliases.collect();
        let mut clients = Clients::default();
        let issuers: BTreeMap<_, _> = issuers
            .into_iter()
            .map(|settings| Ok((settings.alias.clone(), Issuer::new(settings, &mut clients)?)))
            .collect::<Result<_, SettingsError>>()?;
        let asked = issuers
            .iter()
            .filter_map(|(alias, issuer)| Some((alias, issuer.settings.introspection.as_ref()?)));
        let prefixes = Prefixes::new(asked)
            .map_err(|PrefixTwice(one, other)| SettingsError::PrefixTwice(one, other))?;
        Ok(Self {
            issuers,
            aliases,
            patterns,
            max_depth,
            prefixes,
            second,
            api_key_header,
            trust_domains,
            peer,
            proofs: Proofs::new(proofs),
            withdrawals: None,
            verified: VerifiedTokens::default(),
            tasks: OnceLock::new(),
        })
    }

    /// The same one, which refuses what was revoked, and knows API keys. Without them
    /// nothing is revoked, and no API key is known.
    #[must_use]
    pub fn with_withdrawals(self, withdrawals: Arc<Withdrawals>) -> Self {
        Self { withdrawals: Some(withdrawals), ..self }
    }

    /// Fetches published keys, waits until each set of them was fetched or could not
    /// be, and keeps them fresh until the authenticator is dropped. Needs a Tokio
    /// runtime; a second call only waits.
    pub async fn start(&self) {
        self.begin(None).await;
    }

    /// The same, and tells `events` from then on when an issuer's keys become unusable
    /// and usable again. Events that nobody takes are lost, so there should be room for
    /// one an issuer.
    pub async fn start_telling(&self, events: mpsc::Sender<KeysEvent>) {
        self.begin(Some(events)).await;
    }

    async fn begin(&self, events: Option<mpsc::Sender<KeysEvent>>) {
        self.tasks.get_or_init(|| {
            let mut tasks = JoinSet::new();
            for (alias, issuer) in &self.issuers {
                if let Some(keys) = issuer.published() {
                    let teller = Teller::new(alias.clone(), events.clone());
                    tasks.spawn(Arc::clone(keys).keep_fresh(teller));
                }
            }
            tasks
        });
        for keys in self.issuers.values().filter_map(Issuer::published) {
            keys.first_fetch().await;
        }
    }

    /// Forgets the verified tokens of which `which` is true: each is verified again
    /// when it is next seen, also one that is being verified meanwhile. To forget is
    /// not to refuse: whoever revokes a token refuses it besides.
    pub fn forget(&self, which: impl Fn(&Chain, &TokenFacts) -> bool) {
        self.verified.forget(which);
    }

    /// Forgets every verified token.
    pub fn clear(&self) {
        self.verified.clear();
    }

    /// How many verified tokens are remembered.
    pub fn remembered(&self) -> usize {
        self.verified.len()
    }

    /// The `iss` of the issuer of that alias.
    pub fn issuer_url(&self, alias: &IssuerAlias) -> Option<&IssuerUrl> {
        self.issuers.get(alias).map(|issuer| &issuer.settings.issuer)
    }

    /// The most hops in a chain.
    pub(super) const fn max_depth(&self) -> usize {
        self.max_depth
    }

    /// The header that a second credential is read from, if any is.
    pub fn second_header(&self) -> Option<&HeaderName> {
        self.second.as_ref().map(|second| &second.header)
    }

    /// The header that an API key is read from, if any is.
    pub const fn api_key_header(&self) -> Option<&HeaderName> {
        self.api_key_header.as_ref()
    }

    /// The headers besides `Authorization` that hold credentials of ours in a request
    /// to a service that accepts what `acceptance` says.
    pub fn credential_headers(&self, acceptance: &Acceptance) -> Vec<String> {
        let api_key = self.api_key_header().filter(|_| acceptance.api_keys);
        let headers = self.second_header().into_iter().chain(api_key);
        headers.map(|header| header.as_str().to_owned()).collect()
    }

    /// Who the credentials of a request prove at `now`, for a service that accepts
    /// what `acceptance` says.
    pub async fn authenticate(
        &self,
        presented: &Presented<'_>,
        acceptance: &Acceptance,
        now: UnixMillis,
    ) -> Result<Credential, IdentityError> {
        let credential = self.credential(presented, acceptance, now).await?;
        self.still_good(&credential, now)?;
        Ok(credential)
    }

    /// Whether nothing of a credential was revoked until `now`.
    pub fn still_good(
        &self,
        credential: &Credential,
        now: UnixMillis,
    ) -> Result<(), IdentityError> {
        let Some(withdrawals) = &self.withdrawals else { return Ok(()) };
        let actor = credential.actor.as_deref();
        let certificate = credential.certificate.iter().flat_map(|thumbprint| {
            let of = [&credential.chain.current().principal.issuer, &credential.token.issuer];
            of.map(|issuer| CredentialId::Token(issuer, thumbprint))
        });
        let ids = ids_of(&credential.token).chain(actor.into_iter().flat_map(ids_of));
        let ids = ids.chain(certificate);
        withdrawals.revocations.check(&credential.chain, ids, now)
    }

    /// What the credentials of a request prove, revoked or not.
    async fn credential(
        &self,
        presented: &Presented<'_>,
        acceptance: &Acceptance,
        now: UnixMillis,
    ) -> Result<Credential, IdentityError> {
        let shown = self.peer.peer(&presented.peer)?;
        // Envoy has looked at the certificate when the connection began, which may be
        // long ago: an expired one proves nothing now.
        let peer = shown.as_ref().filter(|peer| peer.is_good_at(now));
        let credential = self.proven(presented, shown.as_ref(), peer, acceptance, now).await?;
        let certificate = peer.and_then(|peer| peer.thumbprint);
        Ok(Credential { certificate: certificate.map(|shown| shown.to_string()), ..credential })
    }

    async fn proven(
        &self,
        presented: &Presented<'_>,
        shown: Option<&Peer>,
        peer: Option<&Peer>,
        acceptance: &Acceptance,
        now: UnixMillis,
    ) -> Result<Credential, IdentityError> {
        let second = self.second_of(presented)?;
        let first = match (api_key(presented, acceptance)?, presented.authorization) {
            (Some(key), _) => self.keyed(&key, now)?,
            (None, Some(authorization)) => {
                let (scheme, text) = sent(authorization)?;
                let key = match scheme {
                    Scheme::Bearer => KeyShown::No,
                    Scheme::Dpop => KeyShown::ByProof(presented),
                };
                self.signed_or_opaque(text, &Sent { key, peer }, acceptance, now).await?
            }
            // A certificate says who calls, never on whose behalf.
            (None, None) if matches!(second, Some((_, Holds::Actor))) => {
                return Err(IdentityError::TokenMissing);
            }
            (None, None) => self.certified(shown, acceptance, now)?,
        };
        let Some((second, holds)) = second else {
            return Ok(self.calling(first, peer)?.alone());
        };
        // What a proof is bound to is the credential in `Authorization` (RFC 9449
        // section 4.3), so a second one that needs a proof of its own is refused.
        let beside = Sent { key: KeyShown::No, peer };
        let second = self.shown(&second, &beside, acceptance, now).await?;
        let (actor, subject) = match holds {
            Holds::Subject => (first, second),
            Holds::Actor => (second, first),
        };
        self.constrained_enough(&subject)?;
        self.calling(actor, peer)?.acting_for(&subject.token, self.max_depth)
    }

    /// Who one token proves at `now`, sent alone and without a proof.
    pub async fn verify(
        &self,
        token: &Token,
        acceptance: &Acceptance,
        now: UnixMillis,
    ) -> Result<Credential, IdentityError> {
        self.verify_with(token, None, acceptance, now).await
    }

    fn second_of(
        &self,
        presented: &Presented<'_>,
    ) -> Result<Option<(Token, Holds)>, IdentityError> {
        let (Some(value), Some(SecondCredential { holds, .. })) = (presented.second, &self.second)
        else {
            return Ok(None);
        };
        Ok(Some((Token::parse(value.trim_matches([' ', '\t']))?, *holds)))
    }

    /// The token, if it is good for this request.
    pub(super) async fn shown(
        &self,
        token: &Token,
        sent: &Sent<'_>,
        acceptance: &Acceptance,
        now: UnixMillis,
    ) -> Result<Shown, IdentityError> {
        let text = token.as_str();
        let (token, issuer) = self.signed(token, acceptance, now).await?;
        self.fits(token, text, issuer, sent, acceptance, now)
    }

    /// The token of `issuer`, sent as `text`, if it is good for this request.
    fn fits(
        &self,
        token: Arc<VerifiedToken>,
        text: &str,
        issuer: &IssuerSettings,
        sent: &Sent<'_>,
        acceptance: &Acceptance,
        now: UnixMillis,
    ) -> Result<Shown, IdentityError> {
        token.lifetime.check(now, issuer.leeway, issuer.max_lifetime)?;
        if !acceptance.is_meant(&token.audiences, issuer) {
            return Err(IdentityError::AudienceMismatch);
        }
        acceptance.accepts(&token.chain.current().principal.issuer)?;
        let sender_constrained = self.possessed(&token.confirmation, text, sent, now)?;
        Ok(Shown { token, sender_constrained })
    }

    /// The token, if its issuer signed it: what does not depend on the request. Where
    /// the issuer is asked, `now` tells whether its last answer is still good.
    async fn signed(
        &self,
        token: &Token,
        acceptance: &Acceptance,
        now: UnixMillis,
    ) -> Result<(Arc<VerifiedToken>, &IssuerSettings), IdentityError> {
        let digest = token.digest();
        if let Some((token, settings)) = self.remembered_as(&digest, now) {
            acceptance.accepts(&settings.alias)?;
            return Ok((token, settings));
        }
        let began = self.verified.begin();
        let unverified = Unverified::read(token, self.max_depth)?;
        let Issuer { settings, keys, .. } = self.issuer_of(&unverified.claimed()?)?;
        // What we sign for upstreams to read is no credential to call with.
        if settings.is_own() && !unverified.is_access_token {
            return Err(IdentityError::TypeRefused);
        }
        if !settings.algorithms.contains(&unverified.algorithm) {
            return Err(IdentityError::AlgorithmNotAllowed);
        }
        if let Keys::Reviewed(review) = keys {
            // Nobody is asked about what would be refused anyway.
            acceptance.accepts(&settings.alias)?;
            let claims = review.claims(token, unverified.payload(), now).await?;
            let mut token = self.read(settings, &claims, None)?;
            // What the token says of itself can only make it good for less: by this it
            // can be revoked.
            let own = Claims::parse(unverified.payload(), self.max_depth)?;
            let facts = Arc::make_mut(&mut token.facts);
            facts.key = unverified.kid;
            if facts.id.is_none() {
                facts.id = name(own.object().get("jti")).ok().flatten().map(str::to_owned);
            }
            return Ok((Arc::new(token), settings));
        }
        let keys = keys.candidates(unverified.kid.as_deref(), unverified.algorithm).await?;
        let bytes = unverified.payload().len();
        let (claims, key) = unverified.verified_by(&keys)?;
        let mut token = self.read(settings, &claims, Some(&key))?;
        token.weight += weight_besides(bytes);
        let token = Arc::new(token);
        let until = token.facts.expires_at.after(settings.leeway);
        if now < until {
            let remembered = Remembered { token: Arc::clone(&token), key, until };
            self.verified.insert(digest, remembered, began);
        }
        // Only now: whoever cannot sign is not told who would be accepted.
        acceptance.accepts(&settings.alias)?;
        Ok((token, settings))
    }

    /// The token with that digest, if it was verified before with a key that its
    /// issuer still has.
    fn remembered_as(
        &self,
        digest: &TokenDigest,
        now: UnixMillis,
    ) -> Option<(Arc<VerifiedToken>, &IssuerSettings)> {
        let Remembered { token, key, .. } = self.verified.get(digest, now)?;
        let Issuer { settings, keys, .. } = self.issuers.get(&token.facts.issuer)?;
        if keys.vouch_for(&key, Instant::now()) {
            return Some((token, settings));
        }
        self.verified.remove(digest);
        None
    }

    /// The issuer that a token says it has. A JWT-SVID need not say; its subject's
    /// trust domain is that of its issuer.
    fn issuer_of(&self, claimed: &Claimed<'_>) -> Result<&Issuer, IdentityError> {
        let alias = match claimed {
            Claimed::Issuer(iss) => self.aliases.get(iss.as_ref()),
            Claimed::Subject(subject) => {
                let id = subject.parse::<SpiffeId>().ok();
                id.and_then(|id| self.trust_domains.get(id.trust_domain()))
            }
        };
        let names_none = matches!(claimed, Claimed::Subject(_));
        alias
            .and_then(|alias| self.issuers.get(alias))
            .filter(|issuer| !names_none || issuer.settings.profile.needs_no_issuer())
            .ok_or(IdentityError::IssuerUnknown)
    }

    /// What the claims of a token of `signer` say: one that `key` signed, or that the
    /// API server vouches for.
    fn read(
        &self,
        signer: &IssuerSettings,
        claims: &Claims,
        key: Option<&VerificationKey>,
    ) -> Result<VerifiedToken, IdentityError> {
        let lifetime = signer.profile.lifetime(claims)?;
        let credential = key.map_or(CredentialKind::Opaque, |_| CredentialKind::Token);
        let signed = self.signed_by(signer, credential);
        let chain = signed.chain(claims)?;
        signer.profile.check(&signer.alias, claims, &chain)?;
        let may_act = signed.may_act(claims)?;
        if let Some(named) = &may_act
            && chain.depth() > 1
            && chain.current().principal != *named
        {
            return Err(IdentityError::MayActMismatch);
        }
        let mut facts = TokenFacts::read(&signer.alias, key, claims, lifetime)?;
        if signer.is_own() {
            facts.lineage = own::lineage(claims.object())?;
        }
        Ok(VerifiedToken {
            weight: weight_of(&chain),
            kind: self.kind_of(&chain.current().principal.issuer, signer)?,
            chain: Arc::new(chain),
            audiences: claims.audiences(),
            lifetime,
            confirmation: Confirmation::read(claims.object())?,
            may_act,
            facts: Arc::new(facts),
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

    fn signed_by<'a>(
        &'a self,
        signer: &'a IssuerSettings,
        credential: CredentialKind,
    ) -> Signed<'a> {
        Signed {
            signer: &signer.alias,
            own: signer.is_own(),
            group_claims: &signer.groups,
            attribute_claims: &signer.attributes,
            may_attest: &signer.may_attest,
            aliases: &self.aliases,
            patterns: &self.patterns,
            max_depth: self.max_depth,
            credential,
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
    fn new(settings: IssuerSettings, clients: &mut Clients) -> Result<Self, SettingsError> {
        let keys = match settings.keys.clone() {
            KeySource::Document(set) => Keys::Written(set),
            KeySource::Own(keys) => Keys::Own(keys),
            KeySource::Published(PublishedAt(location)) => {
                let fetcher = KeyFetcher::new(location, settings.fetch.clone(), clients);
                let fetcher = fetcher.map_err(|error| match error {
                    FetcherError::Client(error) => SettingsError::HttpClient(error),
                    FetcherError::CaFile(problem) => {
                        SettingsError::CaFile { issuer: settings.alias.clone(), problem }
                    }
                })?;
                let (refresh, max_stale) = (settings.refresh, settings.max_stale);
                Keys::Published(Arc::new(PublishedKeys::new(fetcher, refresh, max_stale)))
            }
            KeySource::Unsigned => Keys::Unsigned,
            KeySource::Review(review) => {
                let review = TokenReview::new(settings.alias.clone(), review);
                Keys::Reviewed(Arc::new(review.map_err(SettingsError::HttpClient)?))
            }
        };
        let introspector = settings.introspection.clone().map(|introspection| {
            Introspector::new(settings.alias.clone(), settings.issuer.clone(), introspection)
        });
        let introspector = introspector.transpose().map_err(SettingsError::HttpClient)?;
        Ok(Self { settings, keys, introspector })
    }

    const fn published(&self) -> Option<&Arc<PublishedKeys>> {
        match &self.keys {
            Keys::Written(_) | Keys::Reviewed(_) | Keys::Own(_) | Keys::Unsigned => None,
            Keys::Published(keys) => Some(keys),
        }
    }
}

fn check(settings: &AuthenticatorSettings) -> Result<(), SettingsError> {
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

#[cfg(test)]
impl Authenticator {
    pub(super) const fn verified_tokens(&self) -> &VerifiedTokens {
        &self.verified
    }
}

#[cfg(test)]
mod tests;
mod unsigned;
