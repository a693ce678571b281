//! A client certificate as the credential of a workload (SPIFFE X509-SVID).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::super::acting::Shown;
use super::super::authority::Authority;
use super::super::chain::{Assurance, Chain, CredentialKind, Hop, Principal};
use super::super::confirmation::Confirmation;
use super::super::error::IdentityError;
use super::super::issuer::{IssuerSettings, KeySource};
use super::super::peer::{Peer, PeerSource};
use super::super::spiffe::SpiffeId;
use super::super::verified::{Lifetime, TokenFacts, VerifiedToken};
use super::{Acceptance, Authenticator, AuthenticatorSettings, SettingsError};
use crate::time::UnixMillis;

/// How long a certificate is taken to be good whose end is not told. Envoy has verified
/// it when the connection began.
const UNTOLD_LIFE: Duration = Duration::from_mins(1);

impl Authenticator {
    /// The credential that the certificate of `peer` is, at `now`.
    pub(super) fn certified(
        &self,
        peer: Option<&Peer>,
        acceptance: &Acceptance,
        now: UnixMillis,
    ) -> Result<Shown, IdentityError> {
        let peer = peer.filter(|_| !self.trust_domains.is_empty());
        let peer = peer.ok_or(IdentityError::TokenMissing)?;
        let id = peer.workload()?.ok_or(IdentityError::PeerUnknown)?;
        let alias = self.trust_domains.get(id.trust_domain()).ok_or(IdentityError::PeerUnknown)?;
        let issuer = &self.issuers.get(alias).ok_or(IdentityError::PeerUnknown)?.settings;
        acceptance.accepts(alias)?;
        let lifetime = peer.lifetime(now);
        // A certificate is no bearer secret: how long it lives is its authority's matter.
        lifetime
            .check(now, issuer.leeway, Duration::MAX)
            .map_err(|_| IdentityError::PeerExpired)?;
        let principal = Principal { issuer: alias.clone(), subject: id.as_str().to_owned() };
        let hop = Hop {
            groups: self.patterns.of(&principal).cloned().collect(),
            attributes: attributes(id),
            credential: CredentialKind::Certificate,
            ..Hop::new(principal, Assurance::Proven, BTreeSet::new())
        };
        let chain = Chain::new(vec![hop]).map_err(|_| IdentityError::SubjectMissing)?;
        let facts = TokenFacts {
            issuer: alias.clone(),
            key: None,
            id: peer.thumbprint.map(|thumbprint| thumbprint.to_string()),
            expires_at: lifetime.expires_at(),
            authority: Authority::default(),
            acr: None,
            authenticated_at: None,
            transaction: None,
            lineage: Vec::new(),
        };
        let token = VerifiedToken {
            chain: Arc::new(chain),
            kind: issuer.kind,
            audiences: BTreeSet::new(),
            lifetime,
            confirmation: Confirmation::default(),
            may_act: None,
            facts: Arc::new(facts),
            // It is made anew each time.
            weight: 0,
        };
        Ok(Shown { token: Arc::new(token), sender_constrained: true })
    }
}

/// Whether what `issuer` needs of certificates is there, and is not that of one of the
/// issuers `before` it.
pub(super) fn check(
    settings: &AuthenticatorSettings,
    issuer: &IssuerSettings,
    before: &[IssuerSettings],
) -> Result<(), SettingsError> {
    let alias = issuer.alias.clone();
    let known = issuer.trust_domain().is_some() || issuer.introspection.is_some();
    if matches!(issuer.keys, KeySource::Unsigned) && !known {
        return Err(SettingsError::NoKeys(alias));
    }
    // The trust domain of JWT-SVIDs is also that of certificates, where those are told.
    let certifies = issuer.trust_domain.is_some() && !issuer.profile.needs_no_issuer();
    let needs_peer = certifies || issuer.peer_binding.is_some();
    if needs_peer && settings.peer == PeerSource::Nowhere {
        return Err(SettingsError::NoPeer(alias));
    }
    let same = |other: &&IssuerSettings| {
        other.trust_domain().is_some() && other.trust_domain() == issuer.trust_domain()
    };
    match before.iter().find(same) {
        Some(other) => Err(SettingsError::TrustDomainTwice(other.alias.clone(), alias)),
        None => Ok(()),
    }
}

impl Peer {
    /// When the certificate is good.
    fn lifetime(&self, now: UnixMillis) -> Lifetime {
        match self.validity {
            Some(validity) => Lifetime::between(validity.not_before, validity.not_after),
            None => Lifetime::between(now.seconds(), now.after(UNTOLD_LIFE).seconds()),
        }
    }
}

/// What a SPIFFE ID says besides who.
fn attributes(id: &SpiffeId) -> BTreeMap<String, String> {
    let mut attributes = BTreeMap::from([("trust_domain", id.trust_domain().as_str())]);
    if let Some((namespace, account)) = id.service_account() {
        attributes.extend([("namespace", namespace), ("service_account", account)]);
    }
    attributes.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
