//! What waits for a human.
//!
//! An approval is for one action, named by its digest; `rules` say who may vote
//! and when it is given, `lifecycle` moves it from state to state.

mod digest;
mod error;
mod lifecycle;
mod record;
mod rules;
#[cfg(test)]
mod tests;
mod view;

pub use digest::ActionToApprove;
pub use error::ApprovalError;
pub use lifecycle::{ApprovalRequest, Approvals, Approved, Consumed, Standing};
pub use record::{Approval, ApprovalHop, ApprovalId, ApprovalIdError, Vote};
pub use rules::{Approver, ApproverKind, Ballot, Verdict, VoteRefusal};
pub use view::{ApprovalView, TermsView, VoteView};

pub use crate::store::ApprovalState;
