//! Whether a chain may do what a request would do.

mod decision;

pub use decision::{ApprovalTerms, Decision, Grant, PolicyId, ProfileName, Reason};
