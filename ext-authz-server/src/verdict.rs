//! What a request is answered with, before it is put into a caller's protocol.

use std::time::Duration;

use chaperone_inspection::obligations::MaskOrder;
use serde::Serialize;
use uuid::Uuid;

use crate::time::UnixMillis;

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
    pub outcome: Result<Permit, Refusal>,
}

/// The protocol that the caller speaks.
#[derive(Clone, Debug, PartialEq)]
pub enum Caller {
    /// HTTP: problem details (RFC 9457).
    Http,
    /// gRPC: a status with details.
    Grpc,
    /// MCP: a JSON-RPC error with the id of the request.
    Mcp {
        /// The request's id.
        id: serde_json::Value,
    },
}

/// It may pass, with this.
#[derive(Debug)]
pub struct Permit {
    /// What to mask in the response.
    pub mask: Option<MaskOrder>,
    /// Whether the caller's credential is kept from the service.
    pub remove_credentials: bool,
    /// The headers that may hold one, besides `Authorization`.
    pub credential_headers: Vec<String>,
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
        /// The RFC 9728 metadata URL of the service.
        resource_metadata: Option<String>,
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
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unauthenticated { code, .. }
            | Self::Denied { code, .. }
            | Self::Unavailable { code, .. } => code,
            Self::NeedsApproval { .. } => "approval_required",
        }
    }

    /// The HTTP status of the answer over plain HTTP.
    pub const fn http_status(&self) -> u16 {
        match self {
            Self::Unauthenticated { .. } => 401,
            Self::Denied { .. } | Self::NeedsApproval { .. } => 403,
            Self::Unavailable { .. } => 503,
        }
    }

    /// What was wrong, for the caller.
    pub fn detail(&self) -> &str {
        match self {
            Self::Unauthenticated { detail, .. }
            | Self::Denied { detail, .. }
            | Self::Unavailable { detail, .. } => detail,
            Self::NeedsApproval { .. } => {
                "A human must approve this request. Send the same request again once it is approved."
            }
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
