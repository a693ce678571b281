//! Why a credential is refused: stable codes, whose fault it is, and messages that
//! never repeat what a token holds.

use super::revocation::RevocationId;
use crate::time::UnixMillis;

/// A credential that is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// There is none.
    #[error("no credential was sent; send `Authorization: Bearer <token>`")]
    TokenMissing,
    /// It cannot be read.
    #[error("the credential is malformed: {0}")]
    Malformed(&'static str),
    /// Its claims are signed and cannot be read all the same.
    #[error("the token's claims are malformed: {0}")]
    ClaimsMalformed(&'static str),
    /// It is bound to something that cannot be checked here.
    #[error("the token's `cnf` has a member that is not supported; supported are jkt and x5t#S256")]
    ConfirmationUnsupported,
    /// It is bound to a key, and nothing proves that its sender has that key.
    #[error("the token is bound to a key, and no proof of it was sent")]
    ProofMissing,
    /// The proof is none of this request.
    #[error("the DPoP proof is refused: {0}")]
    ProofInvalid(&'static str),
    /// The proof is too old.
    #[error("the DPoP proof's `iat` is too long ago; make a new proof for each request")]
    ProofExpired,
    /// The proof is of the future.
    #[error("the DPoP proof's `iat` is in the future")]
    ProofNotYetValid,
    /// The proof was used before.
    #[error("the DPoP proof was used before; make a new proof for each request")]
    ProofReplayed,
    /// The proof has no nonce of ours, or an old one.
    #[error("the DPoP proof must have the nonce that this answer's DPoP-Nonce header holds")]
    ProofNonceRequired {
        /// The nonce to use.
        nonce: String,
    },
    /// There is no room to remember that the proof was used.
    #[error("too many DPoP proofs were sent lately to tell whether this one was used before")]
    ProofsUnavailable,
    /// The token is bound to something else than what its sender has shown.
    #[error("the token's binding is not met: {0}")]
    TokenBindingMismatch(&'static str),
    /// A client certificate is needed, and the connection showed none.
    #[error("a client certificate is needed, and none was shown")]
    PeerMissing,
    /// The client certificate is not that of the token's subject.
    #[error("the client certificate is not that of the workload that the token names")]
    PeerMismatch,
    /// What Envoy tells of the client certificate cannot be read.
    #[error("the client certificate cannot be used: {0}")]
    PeerMalformed(&'static str),
    /// The client certificate is of a trust domain that is not configured, or of nobody.
    #[error("no token was sent, and the client certificate is of no trust domain that is known")]
    PeerUnknown,
    /// The client certificate has expired, or is not good yet.
    #[error("the client certificate is not valid now")]
    PeerExpired,
    /// Envoy does not tell the client certificate.
    #[error("the proxy does not tell the client certificate")]
    PeerHidden,
    /// It says who may act for its chain, and somebody else does.
    #[error("the token's `may_act` does not name the one who calls")]
    MayActMismatch,
    /// A hop passed on scopes that it did not have.
    #[error("the token's `act` states scopes that do not include those passed on")]
    ScopeWidened,
    /// The credential of the one who calls tells of a chain of its own.
    #[error("the actor's own token must name nobody but the actor")]
    ActorNested,
    /// It is longer than any honest token.
    #[error("the token is longer than {max} bytes")]
    TokenTooLarge {
        /// The most bytes there may be.
        max: usize,
    },
    /// Its `typ` says that it is something else than a token for calling services.
    #[error("the token's `typ` says that it is no access token")]
    TypeRefused,
    /// Its header has `crit`: extensions that must be understood and are not.
    #[error("the token's header has `crit`, and no critical extension is supported")]
    CriticalHeader,
    /// Its signature algorithm is not one that its issuer is configured to use.
    #[error("the token's signature algorithm is not allowed")]
    AlgorithmNotAllowed,
    /// Its `iss` is not configured.
    #[error("the token's issuer is not configured")]
    IssuerUnknown,
    /// Its issuer, or the issuer of the calling agent, is not accepted here.
    #[error("the service does not accept agents of this issuer")]
    IssuerNotAccepted,
    /// Its issuer has no such key.
    #[error("the token is signed with a key that its issuer does not publish")]
    KeyUnknown,
    /// Its key is for another algorithm.
    #[error("the token's key is not for the token's algorithm")]
    KeyUnfit,
    /// Its signature does not verify.
    #[error("the token's signature is invalid")]
    SignatureInvalid,
    /// It never expires.
    #[error("the token has no `exp`; a token that never expires is refused")]
    ExpirationMissing,
    /// It has expired.
    #[error("the token expired at {at}")]
    TokenExpired {
        /// Its `exp`.
        at: UnixMillis,
    },
    /// Its `nbf` or `iat` is in the future.
    #[error("the token is not valid before {from}")]
    TokenNotYetValid {
        /// Its `nbf` or `iat`.
        from: UnixMillis,
    },
    /// It lives longer than its issuer's tokens may.
    #[error("the token lives longer than the {max_seconds} seconds allowed")]
    LifetimeTooLong {
        /// The longest life there may be.
        max_seconds: u64,
    },
    /// It is for somebody else, or for nobody in particular.
    #[error("the token's `aud` names nobody that is meant here")]
    AudienceMismatch,
    /// It says nothing of whom it is for.
    #[error("the token has no `sub`")]
    SubjectMissing,
    /// It names more hops than a chain may have.
    #[error("the token's delegation chain has more than {max} hops")]
    ChainTooDeep {
        /// The most hops there may be.
        max: usize,
    },
    /// Somebody is in its chain twice.
    #[error("the token's delegation chain names a principal twice")]
    ChainLoop,
    /// An actor in its chain cannot be read.
    #[error("the token's `act` is malformed: {0}")]
    ActorMalformed(&'static str),
    /// Somebody in its chain belongs to an issuer that is not configured.
    #[error("the token's chain names somebody of an issuer that is not configured")]
    ActorIssuerUnknown,
    /// Another issuer says that a person is calling.
    #[error("the token says that a person calls; people are proven by their own tokens only")]
    PersonNotProven,
    /// A claim that is configured to hold groups holds something else.
    #[error("the token's claim `{claim}` is not a group or a list of groups")]
    GroupsMalformed {
        /// The claim, as configured.
        claim: String,
    },
    /// It was revoked, or something that it descends from.
    #[error("the credential, or one that it descends from, was revoked{}", by.map(|id| format!(" ({id})")).unwrap_or_default())]
    Revoked {
        /// The revocation; `None` for an API key, which is revoked by itself.
        by: Option<RevocationId>,
    },
    /// What was revoked cannot be read.
    #[error("it cannot be told whether the credential was revoked")]
    RevocationsUnavailable,
    /// The API keys cannot be read.
    #[error("it cannot be told which API keys there are")]
    ApiKeysUnavailable,
    /// The service does not take API keys.
    #[error("the service does not accept API keys")]
    ApiKeyNotAccepted,
    /// There is no such API key, or its secret is another one.
    #[error("the API key is not known")]
    ApiKeyUnknown,
    /// The API key's time is over.
    #[error("the API key expired at {at}")]
    ApiKeyExpired {
        /// When.
        at: UnixMillis,
    },
    /// A claim that is configured to be an attribute is no text.
    #[error("the token's claim for the attribute `{attribute}` is not text of reasonable length")]
    AttributesMalformed {
        /// The attribute, as configured.
        attribute: String,
    },
    /// It names somebody outside of its issuer's trust domain.
    #[error("the token's `sub` is not the SPIFFE ID of a workload in its issuer's trust domain")]
    SpiffeIdRefused,
    /// The token's issuer says that it is not good, and not why (RFC 7662 section 2.2).
    #[error("the token is not active, says its issuer")]
    TokenInactive,
    /// The token's issuer cannot be asked.
    #[error("the token's issuer cannot be asked about it")]
    IntrospectionUnavailable,
    /// The keys to verify it with cannot be had, or are too old to trust.
    #[error("the keys of the token's issuer are not available")]
    KeysUnavailable,
}

/// What is wrong with what a caller sent (RFC 6750 section 3.1, RFC 9449 sections 7.1
/// and 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Complaint<'a> {
    /// It is no credential.
    NoCredential,
    /// It cannot be read.
    Request,
    /// The token is not good.
    Token,
    /// The proof is not good.
    Proof,
    /// The proof has not this nonce.
    Nonce(&'a str),
}

/// Who has to act on an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Whoever sent the credential.
    Caller,
    /// Whoever runs the server or the issuer.
    Operator,
}

impl IdentityError {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TokenMissing => "token_missing",
            Self::Malformed(_) => "malformed",
            Self::ClaimsMalformed(_) => "claims_malformed",
            Self::ConfirmationUnsupported => "cnf_unsupported",
            Self::ProofMissing => "proof_missing",
            Self::ProofInvalid(_) => "proof_invalid",
            Self::ProofExpired => "proof_expired",
            Self::ProofNotYetValid => "proof_not_yet_valid",
            Self::ProofReplayed => "proof_replayed",
            Self::ProofNonceRequired { .. } => "proof_nonce_required",
            Self::ProofsUnavailable => "proofs_unavailable",
            Self::TokenBindingMismatch(_) => "token_binding_mismatch",
            Self::PeerMissing => "peer_missing",
            Self::PeerMismatch => "peer_mismatch",
            Self::PeerMalformed(_) => "peer_malformed",
            Self::PeerUnknown => "peer_unknown",
            Self::PeerExpired => "peer_expired",
            Self::PeerHidden => "peer_hidden",
            Self::MayActMismatch => "may_act_mismatch",
            Self::ScopeWidened => "scope_widened",
            Self::ActorNested => "actor_nested",
            Self::TokenTooLarge { .. } => "token_too_large",
            Self::TypeRefused => "token_type_refused",
            Self::CriticalHeader => "crit_unsupported",
            Self::AlgorithmNotAllowed => "alg_not_allowed",
            Self::IssuerUnknown => "issuer_unknown",
            Self::IssuerNotAccepted => "issuer_not_accepted",
            Self::KeyUnknown => "key_unknown",
            Self::KeyUnfit => "key_unfit",
            Self::SignatureInvalid => "signature_invalid",
            Self::ExpirationMissing => "exp_missing",
            Self::TokenExpired { .. } => "token_expired",
            Self::TokenNotYetValid { .. } => "token_not_yet_valid",
            Self::LifetimeTooLong { .. } => "lifetime_too_long",
            Self::AudienceMismatch => "audience_mismatch",
            Self::SubjectMissing => "subject_missing",
            Self::ChainTooDeep { .. } => "chain_too_deep",
            Self::ChainLoop => "chain_loop",
            Self::ActorMalformed(_) => "actor_malformed",
            Self::ActorIssuerUnknown => "actor_issuer_unknown",
            Self::PersonNotProven => "person_not_proven",
            Self::GroupsMalformed { .. } => "groups_malformed",
            Self::Revoked { .. } => "revoked",
            Self::RevocationsUnavailable => "revocations_unavailable",
            Self::ApiKeysUnavailable => "api_keys_unavailable",
            Self::ApiKeyNotAccepted => "api_key_not_accepted",
            Self::ApiKeyUnknown => "api_key_unknown",
            Self::ApiKeyExpired { .. } => "api_key_expired",
            Self::AttributesMalformed { .. } => "attributes_malformed",
            Self::SpiffeIdRefused => "spiffe_id_refused",
            Self::TokenInactive => "token_inactive",
            Self::IntrospectionUnavailable => "introspection_unavailable",
            Self::KeysUnavailable => "keys_unavailable",
        }
    }

    /// What a caller must send instead, as far as the standards have a word for it.
    pub fn complaint(&self) -> Complaint<'_> {
        match self {
            Self::TokenMissing | Self::PeerUnknown => Complaint::NoCredential,
            Self::Malformed(_) => Complaint::Request,
            Self::ProofInvalid(_)
            | Self::ProofExpired
            | Self::ProofNotYetValid
            | Self::ProofReplayed => Complaint::Proof,
            Self::ProofNonceRequired { nonce } => Complaint::Nonce(nonce),
            _ => Complaint::Token,
        }
    }

    /// Whose fault it is.
    pub const fn fault(&self) -> Fault {
        match self {
            Self::KeysUnavailable
            | Self::ProofsUnavailable
            | Self::PeerHidden
            | Self::RevocationsUnavailable
            | Self::ApiKeysUnavailable
            | Self::IntrospectionUnavailable => Fault::Operator,
            _ => Fault::Caller,
        }
    }
}
