//! Who calls, on whose behalf, and how well each of them is known.
//!
//! [`Authenticator::authenticate`] is the way of a request's credentials (`presented`):
//! a token is read, bounded and strictly (`token`, `jwt`), verified with its issuer's
//! keys (`keys`, `jwks`, `fetch`), only then believed (`claims`, `verified`), and made
//! into a chain (`actors`, `groups`); its sender proves to have its key
//! (`confirmation`), and acts on behalf of a second credential's chain (`acting`).
//! [`Authenticator::delegate`] is the way of a token exchange's (`delegation`); what the
//! tokens that come of it say of a chain is written and read in `own`.

mod acting;
mod actors;
mod algorithm;
mod authenticator;
mod chain;
mod claims;
mod confirmation;
mod delegation;
mod error;
mod fetch;
mod groups;
mod issuer;
mod jwks;
mod jwt;
mod keys;
mod own;
mod presented;
#[cfg(test)]
pub(crate) mod test_issuer;
mod token;
mod verified;

pub use algorithm::{Algorithm, AlgorithmError};
pub use authenticator::{
    Acceptance, Authenticator, AuthenticatorSettings, Credential, IssuerHealth, SettingsError,
};
pub use chain::{
    Assurance, Chain, CredentialKind, EmptyChain, GroupName, Hop, IssuerAlias, NameError, Principal,
};
pub use delegation::{Delegation, DelegationError, ShownToken};
pub use error::{Fault, IdentityError};
pub use fetch::{JwksUrl, JwksUrlError};
pub use groups::{
    GroupClaim, GroupClaimError, GroupPatterns, PrincipalPattern, PrincipalPatternError,
};
pub use issuer::{
    IssuerSettings, IssuerUrl, IssuerUrlError, KeySource, OwnKeys, PrincipalKind, PublishedAt,
};
pub use jwks::{JwkSet, JwkSetError, KeyProblem};
pub use own::{ChainClaims, UnnamedIssuer};
pub use presented::{HeaderName, HeaderNameError, Holds, Presented, SecondCredential};
pub use token::{MAX_TOKEN_BYTES, Token};
pub use verified::{Ancestor, TokenFacts};
