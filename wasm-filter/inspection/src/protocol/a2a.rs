//! Agent2Agent: JSON-RPC 2.0 or REST over HTTP.

use super::Reading;
use crate::facts::{Command, Unparsed, UnparsedCode};
use crate::plan::A2aPlan;

/// The commands of one request.
pub(super) fn commands(plan: &A2aPlan, request: &Reading<'_>) -> Result<Vec<Command>, Unparsed> {
    let _ = (plan, request);
    Err(Unparsed::new(UnparsedCode::EndpointUnknown, "this protocol is not read yet"))
}
