//! A token in the words of RFC 9068 and RFC 8693, signed.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::signing::{SigningKey, SigningKeyError};
use super::terms::TokenTerms;
use crate::identity::{ChainClaims, Thumbprint};
use crate::time::UnixMillis;

/// The longest token that is minted: a request's headers as a whole must stay below
/// what servers take, often 8 KiB, and most requests have others.
pub const MAX_MINTED_BYTES: usize = 7 * 1024;

/// The key that a token is bound to (RFC 9449 section 6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundTo {
    /// The thumbprint of the key.
    pub jkt: Thumbprint,
}

/// What a token says.
#[derive(Clone, Debug)]
pub struct Wording<'a> {
    /// The `iss`.
    pub issuer: &'a str,
    /// The chain.
    pub chain: ChainClaims,
    /// What it is for, and how long.
    pub terms: &'a TokenTerms,
    /// The `jti`: of no other token.
    pub id: &'a str,
    /// The `client_id`: who asked for it.
    pub client: &'a str,
    /// The `txn`: what it belongs to.
    pub transaction: &'a str,
    /// The `acr` of the token before.
    pub acr: Option<&'a str>,
    /// The `auth_time` of the token before.
    pub authenticated_at: Option<UnixMillis>,
    /// The key that it is bound to.
    pub bound_to: Option<&'a BoundTo>,
    /// What the parent's token allows besides its scopes (RFC 9396).
    pub authorization_details: Option<&'a [Value]>,
}

/// A token that was signed. It does not print.
pub struct Minted {
    /// The token, in compact form.
    pub token: Zeroizing<String>,
    /// The name of the key that signed it.
    pub kid: String,
}

impl fmt::Debug for Minted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Minted").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// Why a token was not signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// It would be too long to be sent.
    #[error("the token would be longer than {MAX_MINTED_BYTES} bytes: its chain says too much")]
    TooLarge,
    /// The key does not sign.
    #[error("the token could not be signed")]
    NotSigned(#[from] SigningKeyError),
}

/// Signs with `key`, at `now`, what `wording` says.
pub fn mint(key: &SigningKey, wording: Wording<'_>, now: UnixMillis) -> Result<Minted, MintError> {
    signed(key, "at+jwt", claims(wording, now))
}

/// Signs a token of that `typ` with those claims.
pub(super) fn signed(
    key: &SigningKey,
    typ: &str,
    claims: Map<String, Value>,
) -> Result<Minted, MintError> {
    let header = json!({ "alg": key.algorithm().name(), "kid": key.kid(), "typ": typ });
    let claims = Value::Object(claims);
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let mut token = Zeroizing::new(format!("{}.{}", encode(&header), encode(&claims)));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(token.as_bytes())?);
    if token.len() + 1 + signature.len() > MAX_MINTED_BYTES {
        return Err(MintError::TooLarge);
    }
    token.push('.');
    token.push_str(&signature);
    Ok(Minted { token, kid: key.kid().to_owned() })
}

fn claims(wording: Wording<'_>, now: UnixMillis) -> Map<String, Value> {
    let Wording { issuer, chain, terms, id, client, transaction, .. } = wording;
    let mut claims = chain.into_object();
    let mut put = |name: &str, value: Value| drop(claims.insert(name.to_owned(), value));
    put("iss", json!(issuer));
    put("aud", json!(terms.audience));
    put("iat", json!(now.seconds()));
    put("exp", json!(terms.expires_at.seconds()));
    put("jti", json!(id));
    put("client_id", json!(client));
    put("txn", json!(transaction));
    if let Some(scopes) = &terms.scopes {
        // No scope is told apart from no word of scopes.
        put("scope", json!(scopes.iter().map(String::as_str).collect::<Vec<_>>().join(" ")));
    }
    if let Some(details) = wording.authorization_details {
        put("authorization_details", json!(details));
    }
    if let Some(acr) = wording.acr {
        put("acr", json!(acr));
    }
    if let Some(at) = wording.authenticated_at {
        put("auth_time", json!(at.seconds()));
    }
    if let Some(BoundTo { jkt }) = wording.bound_to {
        put("cnf", json!({ "jkt": jkt.to_string() }));
    }
    claims
}
