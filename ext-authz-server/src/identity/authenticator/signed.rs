//! A signed token, verified: what does not depend on the request, and is remembered.

use std::sync::Arc;

use tokio::time::Instant;

use super::super::actors::Signed;
use super::super::cache::{Remembered, weight_besides, weight_of};
use super::super::chain::{CredentialKind, IssuerAlias};
use super::super::claims::{Claims, name};
use super::super::confirmation::Confirmation;
use super::super::error::IdentityError;
use super::super::issuer::{IssuerSettings, PrincipalKind};
use super::super::jwks::VerificationKey;
use super::super::jwt::{Claimed, Unverified};
use super::super::keys::Keys;
use super::super::own;
use super::super::spiffe::SpiffeId;
use super::super::token::{Token, TokenDigest};
use super::super::verified::{TokenFacts, VerifiedToken};
use super::{Acceptance, Authenticator, Issuer};
use crate::time::UnixMillis;

impl Authenticator {
    /// The token, if its issuer signed it: what does not depend on the request. Where
    /// the issuer is asked, `now` tells whether its last answer is still good.
    pub(super) async fn signed(
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
            let refuse = |own: &Claims| {
                let lifetime = settings.profile.lifetime(own)?;
                lifetime.check(now, settings.leeway, settings.max_lifetime)
            };
            let claims = review.claims(token, unverified.payload(), now, refuse).await?;
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
    pub(super) fn read(
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
