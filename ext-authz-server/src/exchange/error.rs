//! Why a token is not given: RFC 6749 section 5.2 in the words of RFC 8693 section
//! 2.2.2, with our own stable code beside.

use crate::audit::Verdict;
use crate::identity::{DelegationError, Fault, IdentityError, ShownToken, UnnamedIssuer};
use crate::issuing::{MintError, TermsError};

/// What a request for a token says that is no request for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// It is not a form.
    #[error("send the parameters as application/x-www-form-urlencoded")]
    NotAForm,
    /// It is longer than any honest request, or did not come to its end.
    #[error("the request is too long or did not end")]
    TooLarge,
    /// It is a form that can be read in more than one way.
    #[error("the form is not strictly encoded")]
    Malformed,
    /// A parameter is there twice.
    #[error("a parameter is there twice")]
    Twice,
    /// A parameter has a value that it cannot have.
    #[error("the parameter {0} has a value that it cannot have")]
    Invalid(&'static str),
    /// A parameter is missing.
    #[error("the parameter {0} is missing")]
    Missing(&'static str),
    /// `audience` and `resource` name different targets, or one of them is there twice.
    #[error("audience and resource name more than one target; a token is for one")]
    TwoTargets,
    /// It asks for something else than an exchange.
    #[error("the grant_type is not urn:ietf:params:oauth:grant-type:token-exchange")]
    GrantType,
    /// A token cannot be read.
    #[error("{}: {error}", .token.name())]
    Token {
        /// Which.
        token: ShownToken,
        /// Why not.
        error: &'static str,
        /// The stable code.
        code: &'static str,
    },
}

impl FormError {
    const fn code(self) -> &'static str {
        match self {
            Self::NotAForm => "content_type_unexpected",
            Self::TooLarge => "request_too_large",
            Self::Malformed => "form_malformed",
            Self::Twice => "parameter_twice",
            Self::Invalid(_) => "parameter_invalid",
            Self::Missing(_) => "parameter_missing",
            Self::TwoTargets => "target_ambiguous",
            Self::GrantType => "grant_type_unsupported",
            Self::Token { code, .. } => code,
        }
    }
}

/// Why a token is not given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// The request cannot be read.
    #[error("{0}")]
    Form(FormError),
    /// Nobody says who acts.
    #[error("say who acts: send an actor_token, or the actor's own token in Authorization")]
    ActorMissing,
    /// The token in `Authorization` is not good.
    #[error("Authorization: {0}")]
    Client(IdentityError),
    /// A token is not good, or they do not go together.
    #[error("{0}")]
    Credentials(DelegationError),
    /// The token would be wider than its parent, or nothing.
    #[error("{0}")]
    Terms(TermsError),
    /// The audience is of no service.
    #[error("the audience is of no service")]
    ServiceUnknown,
    /// Policy does not permit it.
    #[error("{0}")]
    Denied(String),
    /// Policy asks for a person, whom an exchange does not wait for.
    #[error("policy asks for an approval, which an exchange cannot have")]
    NeedsApproval,
    /// Somebody in the chain cannot be named.
    #[error("{0}")]
    Unnamed(#[from] UnnamedIssuer),
    /// The token could not be made.
    #[error("{0}")]
    Mint(#[from] MintError),
    /// There is no key to sign with.
    #[error("no key can sign")]
    NoKey,
    /// The exchange could not be recorded.
    #[error("the exchange could not be recorded")]
    AuditUnavailable,
}

impl ExchangeError {
    /// The error of the credentials; `by_header` when the actor's token was in
    /// `Authorization`.
    pub(super) fn credentials(error: DelegationError, by_header: bool) -> Self {
        match error {
            DelegationError::Token { token: ShownToken::Actor, error } if by_header => {
                Self::Client(error)
            }
            error => Self::Credentials(error),
        }
    }

    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Form(error) => error.code(),
            Self::ActorMissing => "actor_missing",
            Self::Client(error) => error.code(),
            Self::Credentials(error) => error.code(),
            Self::Terms(error) => error.code(),
            Self::ServiceUnknown => "service_unknown",
            Self::Denied(_) => "policy_denied",
            Self::NeedsApproval => "approval_required",
            Self::Unnamed(_) => "issuer_unnamed",
            Self::Mint(MintError::TooLarge) => "token_too_large",
            Self::Mint(MintError::NotSigned(_)) | Self::NoKey => "keys_unavailable",
            Self::AuditUnavailable => "audit_unavailable",
        }
    }

    /// The error as OAuth names it.
    pub const fn oauth(&self) -> OAuthError {
        match self {
            Self::Client(error)
            | Self::Credentials(
                DelegationError::Token { error, .. }
                | DelegationError::Proof(error)
                | DelegationError::Together(error),
            ) if matches!(error.fault(), Fault::Operator) => OAuthError::TemporarilyUnavailable,
            Self::Form(FormError::GrantType) => OAuthError::UnsupportedGrantType,
            Self::Credentials(DelegationError::Proof(IdentityError::ProofNonceRequired {
                ..
            })) => OAuthError::UseDpopNonce,
            Self::Credentials(DelegationError::Proof(_)) => OAuthError::InvalidDpopProof,
            Self::ActorMissing | Self::Client(_) => OAuthError::InvalidClient,
            // RFC 8693 section 2.2.2: there is no token for these targets.
            Self::Form(FormError::TwoTargets)
            | Self::Terms(TermsError::AudienceMissing | TermsError::AudienceWider)
            | Self::ServiceUnknown => OAuthError::InvalidTarget,
            // The same: tokens that are not good are an invalid request.
            Self::Form(_)
            | Self::Credentials(_)
            | Self::Unnamed(_)
            | Self::Terms(TermsError::NoLifetime)
            | Self::Mint(MintError::TooLarge) => OAuthError::InvalidRequest,
            Self::Terms(TermsError::ScopeWider) => OAuthError::InvalidScope,
            Self::Denied(_) | Self::NeedsApproval => OAuthError::UnauthorizedClient,
            Self::Mint(MintError::NotSigned(_)) | Self::NoKey | Self::AuditUnavailable => {
                OAuthError::TemporarilyUnavailable
            }
        }
    }

    /// The nonce that the next proof must have (RFC 9449 section 8).
    pub const fn nonce(&self) -> Option<&str> {
        match self {
            Self::Credentials(DelegationError::Proof(IdentityError::ProofNonceRequired {
                nonce,
            })) => Some(nonce.as_str()),
            _ => None,
        }
    }

    /// What the audit log calls it.
    pub(super) const fn verdict(&self) -> Verdict {
        match (self, self.oauth()) {
            (_, OAuthError::TemporarilyUnavailable) => Verdict::Unavailable,
            (Self::ActorMissing | Self::Client(_) | Self::Credentials(_), _) => {
                Verdict::Unauthenticated
            }
            _ => Verdict::Deny,
        }
    }
}

/// An error of the token endpoint, as OAuth names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OAuthError {
    /// The request, or a token in it, is not good.
    InvalidRequest,
    /// The one who asks is not known.
    InvalidClient,
    /// The audience is not to be had (RFC 8707 section 2).
    InvalidTarget,
    /// The scope is not to be had.
    InvalidScope,
    /// The one who asks may not.
    UnauthorizedClient,
    /// It is no exchange that is asked for.
    UnsupportedGrantType,
    /// The proof of possession is not good (RFC 9449 section 5).
    InvalidDpopProof,
    /// The proof of possession must have a nonce of ours (RFC 9449 section 8).
    UseDpopNonce,
    /// It cannot be decided now.
    TemporarilyUnavailable,
}

impl OAuthError {
    /// The `error` of the answer.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidTarget => "invalid_target",
            Self::InvalidScope => "invalid_scope",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::UseDpopNonce => "use_dpop_nonce",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
        }
    }

    /// The HTTP status of the answer.
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidClient => 401,
            Self::TemporarilyUnavailable => 503,
            _ => 400,
        }
    }
}
