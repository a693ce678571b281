//! `application/x-www-form-urlencoded` forms: plain HTTP, with the fields that the
//! route names.

use super::Reading;
use crate::facts::{Command, Unparsed, UnparsedCode};
use crate::plan::FormPlan;

/// The commands of one request.
pub(super) fn commands(plan: &FormPlan, request: &Reading<'_>) -> Result<Vec<Command>, Unparsed> {
    let _ = (plan, request);
    Err(Unparsed::new(UnparsedCode::EndpointUnknown, "this protocol is not read yet"))
}
