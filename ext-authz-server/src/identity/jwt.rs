//! Signed JWTs (RFC 7515, 7519, 8725): what the header may say, and whether the
//! signature is the issuer's.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use super::algorithm::Algorithm;
use super::claims::{Claims, name, parse_object};
use super::error::IdentityError;
use super::jwks::VerificationKey;
use super::token::{Parts, Token};

/// The `typ` values of tokens that services are called with, in lower case: plain
/// JWTs, `JOSE` (SPIFFE), access tokens (RFC 9068) and transaction tokens. Whatever
/// else an issuer signs (logout tokens, DPoP proofs, security events) is for
/// something else and refused (RFC 8725 section 3.11).
const ACCEPTED_TYPES: [&str; 4] = ["jwt", "jose", ACCESS_TOKEN, "txntoken+jwt"];
const ACCESS_TOKEN: &str = "at+jwt";
/// How many keys are tried when a token does not say which one signed it.
pub(super) const MAX_KEYS_TRIED: usize = 8;

const NOT_CLAIMS: IdentityError = IdentityError::Malformed("the claims are not a JSON object");

/// A token that was read, not yet believed.
pub(super) struct Unverified<'a> {
    /// The algorithm in its header.
    pub(super) algorithm: Algorithm,
    /// The `kid` in its header.
    pub(super) kid: Option<String>,
    /// Whether its `typ` is that of an access token (RFC 9068 section 2.1).
    pub(super) is_access_token: bool,
    payload: Vec<u8>,
    /// Read once, for who the issuer is said to be and for what is believed once the
    /// signature is verified. Until then nobody is given them, nor told what is wrong
    /// with them.
    claims: Result<Claims, IdentityError>,
    parts: Parts<'a>,
}

/// All that is looked at before the signature: whose keys to try.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Claimed<'a> {
    /// Those of the issuer that the token names.
    Issuer(Cow<'a, str>),
    /// It names none; those of whoever may name this subject (a JWT-SVID says no
    /// more).
    Subject(Cow<'a, str>),
}

#[derive(Deserialize)]
struct ClaimedIssuer<'a> {
    #[serde(borrow)]
    iss: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct ClaimedSubject<'a> {
    #[serde(borrow)]
    sub: Option<Cow<'a, str>>,
}

impl<'a> Unverified<'a> {
    /// Reads the header, and claims of a chain of at most `max_depth` hops.
    ///
    /// Keys and key URLs in the header (`jwk`, `jku`, `x5c`, `x5u`) are not looked
    /// at: a token does not say what it is verified with.
    pub(super) fn read(token: &'a Token, max_depth: usize) -> Result<Self, IdentityError> {
        let parts = token.parts();
        let header = decoded(parts.header)
            .and_then(|header| parse_object(&header, 0).ok())
            .ok_or(IdentityError::Malformed("the header is not an encoded JSON object"))?;
        if header.contains_key("crit") {
            return Err(IdentityError::CriticalHeader);
        }
        let typ = header.get("typ");
        if !typ.is_none_or(|typ| is_type(typ, &ACCEPTED_TYPES)) {
            return Err(IdentityError::TypeRefused);
        }
        let is_access_token = typ.is_some_and(|typ| is_type(typ, &[ACCESS_TOKEN]));
        let algorithm = header
            .get("alg")
            .and_then(Value::as_str)
            .ok_or(IdentityError::Malformed("the header has no `alg`"))?
            .parse()
            .map_err(|_| IdentityError::AlgorithmNotAllowed)?;
        let kid = name(header.get("kid"))
            .map_err(|_| IdentityError::Malformed("the header's `kid` is not a name"))?
            .map(str::to_owned);
        let payload = decoded(parts.claims)
            .ok_or(IdentityError::Malformed("the claims are not encoded in base64url"))?;
        let claims = Claims::parse(&payload, max_depth);
        Ok(Self { algorithm, kid, is_access_token, payload, claims, parts })
    }

    /// Who the token says has issued it: whose keys to try, nothing more.
    pub(super) fn claimed(&self) -> Result<Claimed<'_>, IdentityError> {
        let Ok(claims) = &self.claims else { return self.claimed_unread() };
        let text = |claim| match claims.object().get(claim) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(Cow::Borrowed(text.as_str()))),
            Some(_) => Err(NOT_CLAIMS),
        };
        if let Some(iss) = text("iss")? {
            return Ok(Claimed::Issuer(iss));
        }
        text("sub")?.map(Claimed::Subject).ok_or(IdentityError::IssuerUnknown)
    }

    /// The same of claims that will be refused, but not before the signature is
    /// verified.
    fn claimed_unread(&self) -> Result<Claimed<'_>, IdentityError> {
        let ClaimedIssuer { iss } = self.peek()?;
        if let Some(iss) = iss {
            return Ok(Claimed::Issuer(iss));
        }
        let ClaimedSubject { sub } = self.peek()?;
        sub.map(Claimed::Subject).ok_or(IdentityError::IssuerUnknown)
    }

    /// The claims, still encoded in JSON.
    pub(super) fn payload(&self) -> &[u8] {
        &self.payload
    }

    fn peek<'p, T: Deserialize<'p>>(&'p self) -> Result<T, IdentityError> {
        serde_json::from_slice(&self.payload).map_err(|_| NOT_CLAIMS)
    }

    /// The claims, if one of `keys` signed them, and that key.
    pub(super) fn verified_by(
        self,
        keys: &[Arc<VerificationKey>],
    ) -> Result<(Claims, Arc<VerificationKey>), IdentityError> {
        let Parts { signed, signature, .. } = self.parts;
        let key = keys
            .iter()
            .take(MAX_KEYS_TRIED)
            .find(|key| key.verifies(self.algorithm, signed, signature))
            .ok_or(IdentityError::SignatureInvalid)?;
        Ok((self.claims?, Arc::clone(key)))
    }
}

/// Whether `token` is meant to be a signed one: an opaque token may have dots too, and
/// no JSON in front of them.
pub(super) fn has_header(token: &Token) -> bool {
    decoded(token.parts().header).is_some_and(|header| parse_object(&header, 0).is_ok())
}

/// A part of a token, decoded.
pub(super) fn decoded(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

/// Whether `typ` is one of `accepted`: a media type in any case, `application/` left out
/// or not (RFC 7515 section 4.1.9).
pub(super) fn is_type(typ: &Value, accepted: &[&str]) -> bool {
    let Some(typ) = typ.as_str() else { return false };
    let typ = typ.to_ascii_lowercase();
    let typ = typ.strip_prefix("application/").unwrap_or(&typ);
    accepted.contains(&typ)
}

#[cfg(test)]
mod tests;
