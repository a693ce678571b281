//! stub: requests to facts.
use crate::facts::{Facts, Unparsed};
use crate::plan::{Limits, Plan, ProtocolPlan};

/// Reads requests by a [`Plan`].
#[derive(Debug)]
pub struct Inspector {}

/// What of a request's headers decides how its body is read.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// `:method`.
    pub method: &'a str,
    /// `:authority`.
    pub authority: &'a str,
    /// `:path`, query included.
    pub path: &'a str,
    /// `content-type`.
    pub content_type: Option<&'a str>,
    /// `content-encoding`.
    pub content_encoding: Option<&'a str>,
}

/// Where a request goes by the plan.
#[derive(Clone, Copy, Debug)]
pub struct Route<'p> {
    /// The service's name.
    pub service: &'p str,
    /// How the route's requests are read.
    pub inspect: &'p ProtocolPlan,
}

impl Inspector {
    /// An inspector for that plan; refuses a plan that contradicts itself.
    pub fn new(_plan: Plan) -> Result<Self, PlanError> {
        todo!()
    }
    /// The plan.
    pub fn plan(&self) -> &Plan {
        todo!()
    }
    /// The route of a request; `None` when its host is no service's, an error when its path can be read in more than one way.
    pub fn route(&self, _authority: &str, _path: &str) -> Option<Result<Route<'_>, Unparsed>> {
        todo!()
    }
    /// Reads a whole request on `route`.
    pub fn inspect(&self, _route: Route<'_>, _head: &RequestHead<'_>, _body: &[u8]) -> Facts {
        todo!()
    }
}

/// A plan that contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PlanError(pub String);

/// Reads one body outside of any plan, as `chaperone inspect` does.
pub fn inspect_body(
    _plan: &ProtocolPlan,
    _limits: &Limits,
    _head: &RequestHead<'_>,
    _body: &[u8],
) -> Facts {
    todo!()
}
