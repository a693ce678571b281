//! What can go wrong with an approval.

use super::rules::VoteRefusal;
use crate::audit::AuditError;
use crate::store::StoreError;

/// An approval could not be found, voted on or used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApprovalError {
    /// There is none of that id.
    #[error("there is no such approval")]
    NotFound,
    /// It cannot be used, or no longer: it was used, or its time is over.
    #[error("the approval was used or has expired")]
    NotUsable,
    /// It changed every time it was looked at.
    #[error("the approval keeps changing; try again")]
    Contended,
    /// The vote does not count.
    #[error(transparent)]
    Vote(#[from] VoteRefusal),
    /// What is stored is not an approval, or is another than it should be.
    #[error("the stored approval is damaged: {0}")]
    Corrupt(String),
    /// The action has no canonical form.
    #[error("the action cannot be written as JSON: {0}")]
    Encode(String),
    /// The change could not be recorded.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The store cannot.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ApprovalError {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "approval_not_found",
            Self::NotUsable => "approval_not_usable",
            Self::Contended => "approval_contended",
            Self::Vote(refusal) => refusal.code(),
            Self::Corrupt(_) => "approval_corrupt",
            Self::Encode(_) => "action_unencodable",
            Self::Audit(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }
}
