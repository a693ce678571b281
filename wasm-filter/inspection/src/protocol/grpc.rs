//! gRPC: the service, the method, and the fields of the messages.

use super::Reading;
use crate::facts::{Command, Unparsed, UnparsedCode};
use crate::plan::GrpcPlan;

/// The commands of one request.
pub(super) fn commands(plan: &GrpcPlan, request: &Reading<'_>) -> Result<Vec<Command>, Unparsed> {
    let _ = (plan, request);
    Err(Unparsed::new(UnparsedCode::EndpointUnknown, "this protocol is not read yet"))
}
