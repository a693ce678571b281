//! Credentials that are no signed tokens: opaque tokens and API keys.

use std::sync::Arc;

use super::possession::Sent;
use super::{Acceptance, Authenticator, Issuer};
use crate::identity::acting::Shown;
use crate::identity::api_key::ApiKey;
use crate::identity::claims::Claims;
use crate::identity::error::IdentityError;
use crate::identity::jwt::has_header;
use crate::identity::presented::Presented;
use crate::identity::token::{OpaqueToken, Scheme, Token, sent};
use crate::identity::verified::VerifiedToken;
use crate::time::UnixMillis;

impl Authenticator {
    /// The token `text` in an `Authorization` header, signed or opaque, if it is good for
    /// this request.
    pub(super) async fn signed_or_opaque(
        &self,
        text: &str,
        sent: &Sent<'_>,
        acceptance: &Acceptance,
        now: UnixMillis,
    ) -> Result<Shown, IdentityError> {
        if let Some((token, issuer)) = self.opaque(text)? {
            return self.introspected(&token, issuer, sent, acceptance, now).await;
        }
        self.shown(&Token::parse(text)?, sent, acceptance, now).await
    }

    /// The opaque token that `text` is, if it is one, and whom to ask about it.
    fn opaque(&self, text: &str) -> Result<Option<(OpaqueToken, &Issuer)>, IdentityError> {
        if self.prefixes.is_empty() || Token::parse(text).is_ok_and(|token| has_header(&token)) {
            return Ok(None);
        }
        let token = OpaqueToken::parse(text)?;
        let issuer = self.prefixes.issuer_of(&token).and_then(|alias| self.issuers.get(alias));
        Ok(issuer.map(|issuer| (token, issuer)))
    }

    /// The opaque token, if its issuer says that it is good for this request.
    async fn introspected(
        &self,
        token: &OpaqueToken,
        issuer: &Issuer,
        sent: &Sent<'_>,
        acceptance: &Acceptance,
        now: UnixMillis,
    ) -> Result<Shown, IdentityError> {
        let settings = &issuer.settings;
        acceptance.accepts(&settings.alias)?;
        let asked = issuer.introspector.as_ref().ok_or(IdentityError::IssuerUnknown)?;
        let read = |claims: &Claims| self.read(settings, claims, None);
        let known = asked.introspect(token, self.max_depth, now, read).await?;
        self.fits(known, token.as_str(), settings, sent, acceptance, now)
    }

    /// The API key, if it is good.
    pub(super) fn keyed(&self, key: &ApiKey, now: UnixMillis) -> Result<Shown, IdentityError> {
        let known = self.withdrawals.as_ref().ok_or(IdentityError::ApiKeyUnknown)?;
        let good = known.api_keys.check(key, &self.patterns, now)?;
        let token = VerifiedToken::of_api_key(key.id(), good);
        let token = Arc::new(token.map_err(|_| IdentityError::SubjectMissing)?);
        Ok(Shown { token, sender_constrained: false })
    }
}

/// The API key that a request shows instead of a token, if it does. Its header is
/// looked at only for a service that accepts API keys: for another one it may hold
/// a credential of the service's own.
pub(super) fn api_key(
    presented: &Presented<'_>,
    acceptance: &Acceptance,
) -> Result<Option<ApiKey>, IdentityError> {
    if let (Some(key), true) = (presented.api_key, acceptance.api_keys) {
        if presented.authorization.is_some() {
            return Err(IdentityError::Malformed(
                "an API key was sent in its header, and an Authorization header beside it",
            ));
        }
        return ApiKey::parse(key.trim_matches([' ', '\t'])).map(Some);
    }
    match presented.authorization.map(sent) {
        // Bound to nothing; it must not reach whoever is asked about opaque tokens.
        Some(Ok((Scheme::Dpop, text))) if ApiKey::is_meant_by(text) => {
            Err(IdentityError::Malformed("an API key is sent as `Bearer`, not as `DPoP`"))
        }
        Some(Ok((Scheme::Bearer, text))) if ApiKey::is_meant_by(text) => {
            if !acceptance.api_keys {
                return Err(IdentityError::ApiKeyNotAccepted);
            }
            ApiKey::parse(text).map(Some)
        }
        _ => Ok(None),
    }
}
