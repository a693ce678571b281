//! Whether a chain may do what a request would do.
//!
//! [`Policies`] keeps the current [`PolicySet`] and replaces it when its files
//! change; a set answers a [`Question`] with a [`Decision`] and what it rests on.

mod annotations;
mod decide;
mod decision;
mod error;
mod explain;
#[cfg(test)]
mod golden;
mod law;
mod possible;
mod reference;
mod reload;
mod remedy;
mod request;
mod schema;
mod set;
mod source;
mod validate;

pub use decide::{
    Answer, Enforce, HopPolicies, Question, RequestContext, ShadowAnswer, TokenContext,
};
pub use decision::{ApprovalTerms, Decision, Grant, PolicyId, ProfileName, Reason};
pub use error::{Place, PolicyError, PolicyErrors, PolicyWarning, Problem};
pub use explain::{
    ExplainError, ExplainedApproval, ExplainedHop, ExplainedObligations, Explanation,
    HypotheticalHop, HypotheticalRequest, explain,
};
pub use reference::text as reference_text;
pub use reload::{Policies, PolicyEvent, PolicyHealth};
pub use remedy::Remedy;
pub use schema::text as schema_text;
pub use set::{Effect, Known, Policy, PolicySet};
pub use source::{PolicySources, SourceFile};
