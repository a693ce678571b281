//! GraphQL over HTTP.

use super::Reading;
use crate::facts::{Command, Unparsed, UnparsedCode};
use crate::plan::GraphqlPlan;

/// The commands of one request.
pub(super) fn commands(
    plan: &GraphqlPlan,
    request: &Reading<'_>,
) -> Result<Vec<Command>, Unparsed> {
    let _ = (plan, request);
    Err(Unparsed::new(UnparsedCode::EndpointUnknown, "this protocol is not read yet"))
}
