//! Who calls, on whose behalf, and how well each of them is known.
//!
//! [`Authenticator::authenticate`] is the way of a request's credentials (`presented`):
//! a token is read, bounded and strictly (`token`, `jwt`), verified with its issuer's
//! keys (`keys`, `jwks`, `fetch`; from where, says `reach`) unless it was before
//! (`cache`), only then believed (`claims`, `verified`), and made
//! into a chain (`actors`, `groups`, `attributes`); its sender proves to have its key
//! (`confirmation`: by a proof, `dpop`, or by the certificate of the connection, `peer`),
//! and acts on behalf of a second credential's chain (`acting`). A workload's certificate
//! is a credential of its own (`authenticator/certified`). An opaque token's issuer is
//! asked what it says (`introspection`), and an API key is looked up (`api_key`). Nothing
//! of all that may have been revoked (`revocation`).
//! [`Authenticator::delegate`] is the way of a token exchange's (`delegation`); what the
//! tokens that come of it say of a chain is written and read in `own`.

mod acting;
mod actors;
mod algorithm;
mod api_key;
mod attributes;
mod authenticator;
mod authority;
mod binding;
mod cache;
mod certificate;
mod chain;
mod claim_path;
mod claims;
mod confirmation;
mod delegation;
mod dpop;
mod error;
mod fetch;
mod groups;
mod introspection;
mod issuer;
mod jwks;
mod jwt;
mod key_events;
mod keys;
mod material;
mod nonce;
mod own;
mod peer;
mod polled;
mod presented;
mod presets;
mod profile;
mod reach;
mod replay;
mod revocation;
mod sought;
mod spiffe;
mod target;
#[cfg(test)]
pub(crate) mod test_certificate;
#[cfg(test)]
pub(crate) mod test_issuer;
mod thumbprint;
mod token;
mod token_review;
mod verified;
mod withdrawals;
mod xfcc;

pub use algorithm::{Algorithm, AlgorithmError};
pub use api_key::{
    ApiKey, ApiKeyBook, ApiKeyError, ApiKeyId, ApiKeyIdError, ApiKeyOrder, ApiKeyView,
    MAX_API_KEY_LIFE, NewApiKey,
};
pub use attributes::{AttributeClaim, AttributeClaimError, AttributeForm};
pub use authenticator::{
    Acceptance, Authenticator, AuthenticatorSettings, Credential, IssuerHealth, SettingsError,
};
pub use authority::Authority;
pub use binding::{PeerBinding, PeerBindingError, SpiffeTemplate};
pub use chain::{
    Assurance, Chain, CredentialKind, EmptyChain, GroupName, Hop, IssuerAlias, NameError, Principal,
};
pub use delegation::{Delegation, DelegationError, ShownToken};
pub use dpop::ProofSettings;
pub use error::{Complaint, Fault, IdentityError};
pub use fetch::{FetchSettings, JwksUrl, JwksUrlError};
pub use groups::{
    GroupClaim, GroupClaimError, GroupPatterns, PrincipalPattern, PrincipalPatternError,
};
pub use introspection::{ClientSecret, IntrospectionSettings};
pub use issuer::{
    IssuerSettings, IssuerUrl, IssuerUrlError, KeySource, OwnKeys, PrincipalKind, PublishedAt,
};
pub use jwks::{JwkSet, JwkSetError, KeyProblem};
pub use key_events::KeysEvent;
pub use nonce::NonceKey;
pub use own::{ChainClaims, UnnamedIssuer};
pub use peer::{PeerAttributes, PeerSource};
pub use polled::POLL;
pub use presented::{HeaderName, HeaderNameError, Holds, Presented, SecondCredential};
pub use presets::{InCluster, Preset, PresetError, PresetIssuer, PresetSpec};
pub use profile::TokenProfile;
pub use reach::PrivateAddresses;
pub use revocation::{
    Revocation, RevocationBook, RevocationError, RevocationId, RevocationIdError, RevocationOrder,
    RevocationTarget, TargetError,
};
pub use spiffe::{SpiffeError, SpiffeId, TrustDomain};
pub use target::{ExternalUrl, ExternalUrlError};
pub use thumbprint::{Thumbprint, ThumbprintError};
pub use token::{MAX_TOKEN_BYTES, Scheme, Token};
pub use token_review::TokenReviewSettings;
pub use verified::{Ancestor, TokenFacts};
pub use withdrawals::{Withdrawals, WithdrawalsError};
