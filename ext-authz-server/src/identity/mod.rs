//! Who calls, on whose behalf, and how well each of them is known.
//!
//! [`Authenticator::authenticate`] is the way of a token: it is read, bounded and
//! strictly (`token`, `jwt`, `claims`), verified with its issuer's keys (`keys`,
//! `jwks`, `fetch`), and made into a chain (`actors`, `groups`).

mod actors;
mod algorithm;
mod authenticator;
mod chain;
mod claims;
mod error;
mod fetch;
mod groups;
mod issuer;
mod jwks;
mod jwt;
mod keys;
#[cfg(test)]
pub(crate) mod test_issuer;
mod token;

pub use algorithm::{Algorithm, AlgorithmError};
pub use authenticator::{Acceptance, Authenticator, Credential, IssuerHealth, SettingsError};
pub use chain::{Assurance, Chain, EmptyChain, GroupName, Hop, IssuerAlias, NameError, Principal};
pub use error::{Fault, IdentityError};
pub use fetch::{JwksUrl, JwksUrlError};
pub use groups::{
    GroupClaim, GroupClaimError, GroupPatterns, PrincipalPattern, PrincipalPatternError,
};
pub use issuer::{
    IssuerSettings, IssuerUrl, IssuerUrlError, KeySource, PrincipalKind, PublishedAt,
};
pub use jwks::{JwkSet, JwkSetError, KeyProblem};
pub use token::{MAX_TOKEN_BYTES, Token};
