//! What a request is answered with, before it is put into a caller's protocol.

use std::sync::Arc;
use std::time::Duration;

use chaperone_inspection::obligations::{MaskOrder, McpOrder};
use serde::Serialize;
use uuid::Uuid;

use crate::identity::Scheme;
use crate::policy::Remedy;
use crate::time::UnixMillis;
use crate::upstream::HeaderChanges;

/// The id of one decision: `dec_` and a UUIDv7.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DecisionId(String);

impl DecisionId {
    /// The id made of that UUID.
    pub fn new(uuid: Uuid) -> Self {
        Self(format!("dec_{}", uuid.simple()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for DecisionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// One request, decided.
#[derive(Debug)]
pub struct Verdict {
    /// The decision's id, which every answer carries.
    pub decision: DecisionId,
    /// The protocol that the caller is answered in.
    pub caller: Caller,
    /// Whether it may pass.
    pub outcome: Result<Granted, Refusal>,
}

/// The protocol that the caller speaks.
#[derive(Clone, Debug, PartialEq)]
pub enum Caller {
    /// HTTP: problem details (RFC 9457).
    Http,
    /// gRPC: a status with details.
    Grpc,
    /// MCP and A2A: JSON-RPC errors with the ids of the requests.
    JsonRpc(JsonRpcCaller),
}

/// Who waits for JSON-RPC answers.
#[derive(Clone, Debug, PartialEq)]
pub enum JsonRpcCaller {
    /// The request with this id was sent alone.
    Single(serde_json::Value),
    /// The requests with these ids came in one batch (JSON-RPC 2.0 section 6).
    Batch(Vec<serde_json::Value>),
}

/// What a request gets that is not refused.
#[derive(Debug)]
pub enum Granted {
    /// It may pass to the service.
    Forward(Permit),
    /// It asked for what the service is as a protected resource, which is no secret:
    /// this document (RFC 9728).
    Metadata(Arc<str>),
}

/// It may pass, with this.
#[derive(Debug)]
pub struct Permit {
    /// What to mask in the response.
    pub mask: Option<MaskOrder>,
    /// What to let through of an MCP server's answer.
    pub mcp: Option<McpOrder>,
    /// What it carries to the service.
    pub headers: HeaderChanges,
    /// The nonce that the caller's next proof must have, where one is asked for
    /// (RFC 9449 section 8.2).
    pub dpop_nonce: Option<String>,
}

/// It may not pass.
#[derive(Debug)]
pub enum Refusal {
    /// No credential, or one that is not good.
    Unauthenticated {
        /// The stable code.
        code: &'static str,
        /// What was wrong, for the caller.
        detail: String,
        /// What to send instead.
        challenge: Challenge,
    },
    /// Known, and not allowed.
    Denied {
        /// The stable code.
        code: &'static str,
        /// What was wrong, for the caller.
        detail: String,
        /// The policies that denied it, where the service tells them.
        policies: Vec<String>,
    },
    /// Known, and not allowed with this token; a better one would help.
    Insufficient {
        /// What a better one is.
        remedy: Box<Remedy>,
        /// What was wrong, for the caller.
        detail: String,
        /// The policies that denied it, where the service tells them.
        policies: Vec<String>,
        /// How the better one is to be sent.
        scheme: Scheme,
        /// The RFC 9728 metadata URL of the service.
        resource_metadata: Option<String>,
    },
    /// A human must approve first.
    NeedsApproval {
        /// What the caller needs to know to come back.
        approval: ApprovalNotice,
        /// When to come back.
        retry_after: Duration,
    },
    /// It could not be decided; nobody's credentials or rights are at fault.
    Unavailable {
        /// The stable code.
        code: &'static str,
        /// What was wrong, for the caller.
        detail: String,
    },
}

impl Refusal {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unauthenticated { code, .. }
            | Self::Denied { code, .. }
            | Self::Unavailable { code, .. } => code,
            Self::Insufficient { remedy, .. } if remedy.is_step_up() => {
                "insufficient_user_authentication"
            }
            Self::Insufficient { .. } => "insufficient_scope",
            Self::NeedsApproval { .. } => "approval_required",
        }
    }

    /// The HTTP status of the answer over plain HTTP.
    pub fn http_status(&self) -> u16 {
        match self {
            Self::Unauthenticated { .. } => 401,
            // RFC 9470 section 3; RFC 6750 section 3.1 for scopes.
            Self::Insufficient { remedy, .. } if remedy.is_step_up() => 401,
            Self::Denied { .. } | Self::Insufficient { .. } | Self::NeedsApproval { .. } => 403,
            Self::Unavailable { .. } => 503,
        }
    }

    /// What was wrong, for the caller.
    pub fn detail(&self) -> &str {
        match self {
            Self::Unauthenticated { detail, .. }
            | Self::Denied { detail, .. }
            | Self::Insufficient { detail, .. }
            | Self::Unavailable { detail, .. } => detail,
            Self::NeedsApproval { .. } => {
                "A human must approve this request. Send the same request again once it is approved."
            }
        }
    }
}

/// What a caller without a good credential is asked for (`WWW-Authenticate`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// How a token is to be sent.
    pub scheme: Scheme,
    /// What was wrong; `None` when there was no credential at all, which is told no
    /// error (RFC 6750 section 3.1).
    pub error: Option<ChallengeError>,
    /// The RFC 9728 metadata URL of the service.
    pub resource_metadata: Option<String>,
}

/// What is wrong with a credential, in the words of the standards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChallengeError {
    /// It cannot be read.
    InvalidRequest,
    /// The token is not good.
    InvalidToken,
    /// The proof of possession is not good (RFC 9449 section 7.1).
    InvalidProof,
    /// The proof must have this nonce (RFC 9449 section 9).
    UseNonce(String),
}

impl ChallengeError {
    /// The `error` that it is.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidToken => "invalid_token",
            Self::InvalidProof => "invalid_dpop_proof",
            Self::UseNonce(_) => "use_dpop_nonce",
        }
    }
}

/// What a caller is told of an approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApprovalNotice {
    /// Its id.
    pub id: String,
    /// Where its state can be read.
    pub status_url: String,
    /// When it can no longer be given or used.
    pub expires_at: UnixMillis,
}
