//! The door of the room: a token in, a credential or a refusal out.

mod certified;
mod possession;
mod settings;
mod signed;
mod unsigned;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

pub(super) use self::possession::{KeyShown, Sent};
use self::settings::check;
pub use self::settings::{Acceptance, AuthenticatorSettings, SettingsError};
use self::unsigned::api_key;
use super::acting::Shown;
use super::cache::VerifiedTokens;
use super::chain::{Chain, CredentialKind, IssuerAlias};
use super::dpop::Proofs;
use super::error::IdentityError;
use super::fetch::{Clients, FetcherError, KeyFetcher};
use super::groups::GroupPatterns;
use super::introspection::{Introspector, PrefixTwice, Prefixes};
use super::issuer::{IssuerSettings, IssuerUrl, KeySource, PrincipalKind, PublishedAt};
use super::key_events::{KeysEvent, Teller};
use super::keys::{Keys, PublishedKeys};
use super::peer::{Peer, PeerSource};
use super::presented::{HeaderName, Holds, Presented, SecondCredential};
use super::revocation::{CredentialId, ids_of};
use super::spiffe::TrustDomain;
use super::token::{Scheme, Token, sent};
use super::token_review::TokenReview;
use super::verified::{TokenFacts, VerifiedToken};
use super::withdrawals::Withdrawals;
use crate::time::UnixMillis;

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

    /// Whether nothing of a credential was revoked until `now`, and nothing is over.
    pub fn still_good(
        &self,
        credential: &Credential,
        now: UnixMillis,
    ) -> Result<(), IdentityError> {
        let actor = credential.actor.as_deref();
        for facts in [Some(&*credential.token), actor].into_iter().flatten() {
            self.unexpired(credential, facts, now)?;
        }
        let Some(withdrawals) = &self.withdrawals else { return Ok(()) };
        let certificate = credential.certificate.iter().flat_map(|thumbprint| {
            let of = [&credential.chain.current().principal.issuer, &credential.token.issuer];
            of.map(|issuer| CredentialId::Token(issuer, thumbprint))
        });
        let ids = ids_of(&credential.token).chain(actor.into_iter().flat_map(ids_of));
        for id in ids.clone() {
            withdrawals.api_keys.check_unrevoked(id)?;
        }
        let ids = ids.chain(certificate);
        withdrawals.revocations.check(&credential.chain, ids, now)
    }

    /// Whether that part of a credential, a token, certificate or API key, is not over at
    /// `now`.
    fn unexpired(
        &self,
        credential: &Credential,
        facts: &TokenFacts,
        now: UnixMillis,
    ) -> Result<(), IdentityError> {
        let at = facts.expires_at;
        if facts.issuer.as_str() == IssuerAlias::API_KEYS {
            return if at <= now { Err(IdentityError::ApiKeyExpired { at }) } else { Ok(()) };
        }
        let issuer = self.issuers.get(&facts.issuer).ok_or(IdentityError::IssuerUnknown)?;
        if now.before(issuer.settings.leeway).seconds() < at.seconds() {
            return Ok(());
        }
        let own = credential.actor.as_ref().unwrap_or(&credential.token);
        match credential.chain.current().credential {
            CredentialKind::Certificate if facts.key.is_none() && **own == *facts => {
                Err(IdentityError::PeerExpired)
            }
            _ => Err(IdentityError::TokenExpired { at }),
        }
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

#[cfg(test)]
impl Authenticator {
    pub(super) const fn verified_tokens(&self) -> &VerifiedTokens {
        &self.verified
    }
}

#[cfg(test)]
mod tests;
