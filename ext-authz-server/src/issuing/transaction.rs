//! A token for the service that a request goes to, in place of the caller's own: who
//! calls, for whom, and the decision that let it pass (the OAuth working group's draft
//! on transaction tokens).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::keys::SigningKeys;
use super::mint::{MintError, signed};
use crate::identity::{Authenticator, ChainClaims, Credential, IssuerUrl, UnnamedIssuer};
use crate::time::UnixMillis;

/// What tells it apart from access tokens: it is no credential to call with, here or
/// elsewhere.
const TYPE: &str = "txntoken+jwt";

/// Signs transaction tokens.
pub struct Transactions {
    keys: Arc<SigningKeys>,
    issuer: IssuerUrl,
}

impl fmt::Debug for Transactions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transactions").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// Why a transaction token was not signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// There is no key to sign with.
    #[error("no key can sign")]
    NoKey,
    /// Somebody in the chain cannot be named.
    #[error("{0}")]
    Unnamed(#[from] UnnamedIssuer),
    /// It could not be made.
    #[error("{0}")]
    Mint(#[from] MintError),
}

impl Transactions {
    /// What `issuer` signs with `keys`.
    pub const fn new(keys: Arc<SigningKeys>, issuer: IssuerUrl) -> Self {
        Self { keys, issuer }
    }

    /// The token for `audience`, good for `lifetime` from `now`, that tells of
    /// `credential` and of the decision that let it pass.
    pub fn mint(
        &self,
        credential: &Credential,
        authenticator: &Authenticator,
        audience: &str,
        lifetime: Duration,
        decision: &str,
        now: UnixMillis,
    ) -> Result<Zeroizing<String>, TransactionError> {
        let key = self.keys.signer(now).ok_or(TransactionError::NoKey)?;
        // Agents with API keys are ours to name.
        let named = |alias: &_| authenticator.issuer_url(alias).or(Some(&self.issuer));
        let chain = ChainClaims::new(&credential.chain, None, &[], named)?;
        let mut claims = chain.into_object();
        self.add(&mut claims, credential, decision);
        claims.insert("aud".to_owned(), json!(audience));
        claims.insert("iat".to_owned(), json!(now.seconds()));
        claims.insert("exp".to_owned(), json!(now.after(lifetime).seconds()));
        Ok(signed(&key, TYPE, claims)?.token)
    }

    fn add(&self, claims: &mut Map<String, Value>, credential: &Credential, decision: &str) {
        let mut put = |name: &str, value: Value| drop(claims.insert(name.to_owned(), value));
        let facts = &credential.token;
        put("iss", json!(self.issuer.as_str()));
        put("txn", json!(facts.transaction.as_deref().unwrap_or(decision)));
        // One decision lets one request pass, so it names the token as well.
        put("jti", json!(decision));
        put("req_wl", json!(credential.chain.current().principal));
        put("tctx", json!({ "decision": decision }));
        if let Some(scopes) = &facts.authority.scopes {
            put("scope", json!(scopes.iter().map(String::as_str).collect::<Vec<_>>().join(" ")));
        }
    }
}
