//! Proofs of possession (DPoP, RFC 9449): a JWT, signed for this one request with the
//! key that the token is bound to.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::algorithm::Algorithm;
use super::claims::{Claims, name, parse_object, seconds};
use super::error::IdentityError;
use super::jwks::VerificationKey;
use super::jwt::{decoded, is_type};
use super::nonce::{NonceKey, Nonces};
use super::presented::Presented;
use super::replay::{ReplayCache, Unusable};
use super::target::is_target;
use super::thumbprint::Thumbprint;
use crate::time::UnixMillis;

/// The longest proof that is read. With an RSA key of 8192 bits one has 4 KiB.
const MAX_PROOF_BYTES: usize = 8 * 1024;
/// The members of a JWK that are not for everybody's eyes (RFC 7518 section 6).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// How proofs are judged.
#[derive(Clone, Debug)]
pub struct ProofSettings {
    /// How old a proof may be.
    pub max_age: Duration,
    /// How far its time may be ahead of ours.
    pub max_ahead: Duration,
    /// The keys of the server's nonces: the first makes them, any may have made them.
    /// With none, no nonce is asked for.
    pub nonce_keys: Vec<NonceKey>,
    /// How many used proofs are remembered at most. Were there more within their time,
    /// further ones would be refused.
    pub remembered: usize,
}

impl Default for ProofSettings {
    fn default() -> Self {
        Self {
            max_age: Duration::from_mins(1),
            max_ahead: Duration::from_secs(5),
            nonce_keys: Vec::new(),
            remembered: 1 << 19,
        }
    }
}

/// A proof that is good for this request, not yet used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Proof {
    /// The key that its sender has.
    pub(super) key: Thumbprint,
    id: Thumbprint,
    good_until: i64,
}

/// Judges proofs, and lets each be used once.
#[derive(Debug)]
pub(super) struct Proofs {
    max_age: i64,
    max_ahead: i64,
    nonces: Option<Nonces>,
    used: ReplayCache,
}

impl Proofs {
    pub(super) fn new(settings: ProofSettings) -> Self {
        let ProofSettings { max_age, max_ahead, nonce_keys, remembered } = settings;
        let nonces = (!nonce_keys.is_empty()).then(|| Nonces::new(nonce_keys));
        Self {
            max_age: seconds(max_age),
            max_ahead: seconds(max_ahead),
            nonces,
            used: ReplayCache::new(remembered),
        }
    }

    /// The proof that the request shows, if it is one of this request, of now and of
    /// `token` where there is one (RFC 9449 section 4.3).
    pub(super) fn check(
        &self,
        presented: &Presented<'_>,
        token: Option<&str>,
        now: UnixMillis,
    ) -> Result<Proof, IdentityError> {
        let text = presented.proof.ok_or(IdentityError::ProofMissing)?.trim_matches([' ', '\t']);
        let Signed { claims, key } = Signed::read(text)?;
        let text = |claim: &str| claims.object().get(claim).and_then(Value::as_str);
        if text("htm") != Some(presented.method) {
            return Err(invalid("its `htm` is not the method of the request"));
        }
        if !text("htu").is_some_and(|htu| is_target(htu, presented)) {
            return Err(invalid("its `htu` is not the URL of the request"));
        }
        let hash = |token: &str| URL_SAFE_NO_PAD.encode(Sha256::digest(token));
        if token.is_some_and(|token| text("ath") != Some(hash(token).as_str())) {
            return Err(invalid("its `ath` is not the hash of the token"));
        }
        if let Some(nonces) = &self.nonces
            && !text("nonce").is_some_and(|nonce| nonces.accepts(nonce, now))
        {
            let nonce = nonces.current(now).unwrap_or_default();
            return Err(IdentityError::ProofNonceRequired { nonce });
        }
        let good_until = self.good_until(&claims, now)?;
        let jti = name(claims.object().get("jti")).ok().flatten();
        let jti = jti.ok_or(invalid("its `jti` is not a name"))?;
        // A `jti` is unique among the proofs of one key.
        let id = Thumbprint::of(&[key.as_bytes(), jti.as_bytes()].concat());
        Ok(Proof { key, id, good_until })
    }

    /// The nonce that a proof made at `now` must have, where one is asked for.
    pub(super) fn nonce(&self, now: UnixMillis) -> Option<String> {
        self.nonces.as_ref()?.current(now)
    }

    /// Uses the proof up.
    pub(super) fn spend(&self, proof: Proof, now: UnixMillis) -> Result<(), IdentityError> {
        let spent = self.used.spend(proof.id, proof.good_until, now.seconds());
        spent.map_err(|unusable| match unusable {
            Unusable::Used => IdentityError::ProofReplayed,
            Unusable::Forgotten => IdentityError::ProofExpired,
            Unusable::Full => IdentityError::ProofsUnavailable,
        })
    }

    /// The last second of a proof that is good at `now`.
    fn good_until(&self, claims: &Claims, now: UnixMillis) -> Result<i64, IdentityError> {
        let made = claims.time("iat").ok().flatten();
        let made = made.ok_or(invalid("its `iat` is not a number of seconds"))?;
        let good_until = made.saturating_add(self.max_age);
        if good_until < now.seconds() {
            return Err(IdentityError::ProofExpired);
        }
        if made > now.seconds().saturating_add(self.max_ahead) {
            return Err(IdentityError::ProofNotYetValid);
        }
        Ok(good_until)
    }
}

/// A proof whose signature is that of the key in it.
struct Signed {
    claims: Claims,
    key: Thumbprint,
}

impl Signed {
    fn read(text: &str) -> Result<Self, IdentityError> {
        // Envoy joins repeated headers with a comma.
        if text.contains(',') {
            return Err(invalid("more than one DPoP header was sent"));
        }
        if text.len() > MAX_PROOF_BYTES {
            return Err(invalid("it is too long"));
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(invalid("it is not a JWT"))?;
        let (header, claims) = signed.split_once('.').ok_or(invalid("it is not a JWT"))?;
        let header = decoded(header).and_then(|header| parse_object(&header, 0).ok());
        let header = header.ok_or(invalid("its header is not an encoded JSON object"))?;
        let (key, thumbprint, algorithm) = key_of(&header)?;
        if !key.verifies(algorithm, signed, signature) {
            return Err(invalid("its signature is not that of the key in it"));
        }
        let claims = decoded(claims).and_then(|claims| Claims::parse(&claims, 0).ok());
        let claims = claims.ok_or(invalid("its claims are not an encoded JSON object"))?;
        Ok(Self { claims, key: thumbprint })
    }
}

/// The key that the proof is signed with, by its own word. It is good for this proof
/// and for nothing else.
fn key_of(
    header: &Map<String, Value>,
) -> Result<(VerificationKey, Thumbprint, Algorithm), IdentityError> {
    if header.contains_key("crit") {
        return Err(invalid("its header has `crit`, and no critical extension is supported"));
    }
    if !header.get("typ").is_some_and(|typ| is_type(typ, &["dpop+jwt"])) {
        return Err(invalid("its `typ` is not dpop+jwt"));
    }
    let algorithm = header.get("alg").and_then(Value::as_str).and_then(|alg| alg.parse().ok());
    let algorithm = algorithm.ok_or(invalid("its `alg` is not a supported signature algorithm"))?;
    let jwk = header.get("jwk").and_then(Value::as_object);
    let jwk = jwk.ok_or(invalid("its header has no `jwk`"))?;
    if PRIVATE_MEMBERS.iter().any(|member| jwk.contains_key(*member)) {
        return Err(invalid("its `jwk` is not a public key alone"));
    }
    let thumbprint = Thumbprint::of_key(jwk).ok_or(invalid("its `jwk` cannot be used"))?;
    let key = VerificationKey::read(Value::Object(jwk.clone()))
        .map_err(|_| invalid("its `jwk` cannot be used"))?;
    if !key.fits(algorithm) {
        return Err(invalid("its `jwk` is not for its `alg`"));
    }
    Ok((key, thumbprint, algorithm))
}

const fn invalid(why: &'static str) -> IdentityError {
    IdentityError::ProofInvalid(why)
}

#[cfg(test)]
mod tests;
