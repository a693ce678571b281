//! Who calls, on whose behalf, and how well each of them is known.
//!
//! [`Authenticator::authenticate`] is the way of a request's credentials (`presented`):
//! a token is read, bounded and strictly (`token`, `jwt`), verified with its issuer's
//! keys (`keys`, `jwks`, `fetch`), only then believed (`claims`, `verified`), and made
//! into a chain (`actors`, `groups`, `attributes`); its sender proves to have its key
//! (`confirmation`), and acts on behalf of a second credential's chain (`acting`).

mod acting;
mod actors;
mod algorithm;
mod attributes;
mod authenticator;
mod chain;
mod claim_path;
mod claims;
mod confirmation;
mod error;
mod fetch;
mod groups;
mod issuer;
mod jwks;
mod jwt;
mod keys;
mod presented;
mod presets;
mod profile;
mod spiffe;
#[cfg(test)]
pub(crate) mod test_issuer;
mod token;
mod token_review;
mod verified;

pub use algorithm::{Algorithm, AlgorithmError};
pub use attributes::{AttributeClaim, AttributeClaimError, AttributeForm};
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
pub use issuer::{
    IssuerSettings, IssuerUrl, IssuerUrlError, KeySource, PrincipalKind, PublishedAt,
};
pub use jwks::{JwkSet, JwkSetError, KeyProblem};
pub use presented::{HeaderName, HeaderNameError, Holds, Presented, SecondCredential};
pub use presets::{InCluster, Preset, PresetError, PresetIssuer, PresetSpec};
pub use profile::TokenProfile;
pub use spiffe::{SpiffeError, SpiffeId, TrustDomain};
pub use token::{MAX_TOKEN_BYTES, Token};
pub use token_review::TokenReviewSettings;
pub use verified::TokenFacts;
