//! Who calls, on whose behalf, and how well each of them is known.
//!
//! [`Authenticator::authenticate`] is the way of a request's credentials (`presented`):
//! a token is read, bounded and strictly (`token`, `jwt`), verified with its issuer's
//! keys (`keys`, `jwks`, `fetch`), only then believed (`claims`, `verified`), and made
//! into a chain (`actors`, `groups`); its sender proves to have its key
//! (`confirmation`), and acts on behalf of a second credential's chain (`acting`).
//! Nothing of it may have been revoked (`revocation`). An opaque token's issuer is
//! asked what it says (`introspection`), and an API key is looked up (`api_key`).

mod acting;
mod actors;
mod algorithm;
mod api_key;
mod authenticator;
mod chain;
mod claims;
mod confirmation;
mod error;
mod fetch;
mod groups;
mod introspection;
mod issuer;
mod jwks;
mod jwt;
mod keys;
mod polled;
mod presented;
mod revocation;
#[cfg(test)]
pub(crate) mod test_issuer;
mod token;
mod verified;
mod withdrawals;

pub use algorithm::{Algorithm, AlgorithmError};
pub use api_key::{
    ApiKey, ApiKeyBook, ApiKeyError, ApiKeyId, ApiKeyIdError, ApiKeyOrder, ApiKeyView,
    MAX_API_KEY_LIFE, NewApiKey,
};
pub use authenticator::{
    Acceptance, Authenticator, AuthenticatorSettings, Credential, IssuerHealth, SettingsError,
};
pub use chain::{
    Assurance, Chain, CredentialKind, EmptyChain, GroupName, Hop, IssuerAlias, NameError, Principal,
};
pub use error::{Fault, IdentityError};
pub use fetch::{JwksUrl, JwksUrlError};
pub use groups::{
    GroupClaim, GroupClaimError, GroupPatterns, PrincipalPattern, PrincipalPatternError,
};
pub use introspection::{ClientSecret, IntrospectionSettings};
pub use issuer::{
    IssuerSettings, IssuerUrl, IssuerUrlError, KeySource, PrincipalKind, PublishedAt,
};
pub use jwks::{JwkSet, JwkSetError, KeyProblem};
pub use polled::POLL;
pub use presented::{HeaderName, HeaderNameError, Holds, Presented, SecondCredential};
pub use revocation::{
    Revocation, RevocationBook, RevocationError, RevocationId, RevocationIdError, RevocationOrder,
    RevocationTarget, TargetError,
};
pub use token::{MAX_TOKEN_BYTES, Token};
pub use verified::TokenFacts;
pub use withdrawals::{Withdrawals, WithdrawalsError};
