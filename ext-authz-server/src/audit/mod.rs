//! What was decided, kept so that nobody can change it unnoticed.
//!
//! `record` and `withdrawal` are what the log says, `log` how it is written and checked, `gaps` what
//! is missing from it.

mod gaps;
mod log;
mod record;
#[cfg(test)]
mod tests;
mod withdrawal;

pub use gaps::{Gap, Gaps};
pub use log::{AuditError, AuditLog, Bad, Problem, Verification};
pub use record::{
    AncestorRecord, ApprovalEvent, ApprovalRecord, ApprovalRef, CommandRecord, DecisionRecord,
    ExchangeRecord, HiddenTool, HopPolicies, HopRecord, IssuedRecord, OutcomeRecord, ReasonRecord,
    Record, RequestRecord, ShadowRecord, SystemEvent, SystemRecord, TokenRecord, ToolListRecord,
    Verdict,
};
pub use withdrawal::{ApiKeyRecord, RevocationRecord};
