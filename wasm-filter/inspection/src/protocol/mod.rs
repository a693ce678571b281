//! Requests to facts: what a request would do, one file a protocol.
//!
//! [`Inspector`] finds the route of a request and reads its body by the route's
//! protocol. What cannot be read is a fact as well ([`Facts::unparsed`]); nothing
//! here fails, and nothing quotes the body.

mod content;
mod http;
mod json;
mod mcp;
mod path;
mod routing;
mod sql;

use self::path::NormalPath;
use self::routing::Hosts;
use crate::facts::{Facts, Unparsed, UnparsedCode};
use crate::plan::{Limits, Plan, ProtocolPlan};

pub use self::http::http_facts;

/// Reads requests by a [`Plan`].
///
/// # Examples
///
/// ```
/// use chaperone_inspection::Inspector;
/// use chaperone_inspection::plan::Plan;
/// use chaperone_inspection::protocol::RequestHead;
///
/// let plan: Plan = serde_json::from_str(
///     r#"{
///         "services": [{
///             "name": "crm",
///             "hosts": ["crm.example"],
///             "routes": [{
///                 "path": "/sql",
///                 "inspect": { "sql": { "dialect": "sqlite", "statement": "body" } }
///             }]
///         }],
///         "limits": {}
///     }"#,
/// )?;
/// let inspector = Inspector::new(plan)?;
/// let head = RequestHead {
///     method: "POST",
///     authority: "crm.example:8080",
///     path: "/sql",
///     content_type: Some("application/sql"),
///     content_encoding: None,
/// };
/// let route = inspector.route(head.authority, head.path).unwrap().unwrap();
/// let facts = inspector.inspect(route, &head, b"DELETE FROM users WHERE 1=1");
/// assert_eq!(facts.commands[0].action.name(), "sql:delete");
/// assert_eq!(facts.commands[0].resource, "users");
/// assert_eq!(facts.commands[0].attributes["has_where"], false);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Inspector {
    plan: Plan,
    hosts: Hosts,
}

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
    pub fn new(plan: Plan) -> Result<Self, PlanError> {
        let hosts = Hosts::of(&plan)?;
        Ok(Self { plan, hosts })
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The route of a request; `None` when its host is no service's, an error when
    /// its path can be read in more than one way.
    ///
    /// Hosts are compared without case, port and final dot: a name first, then the
    /// longest `*.suffix`, then `*`. `path` is the `:path` header, query included.
    pub fn route(&self, authority: &str, path: &str) -> Option<Result<Route<'_>, Unparsed>> {
        let service = self.plan.services.get(self.hosts.find(authority)?)?;
        let inspect = NormalPath::parse(path).and_then(|path| routing::route(service, &path));
        Some(inspect.map(|inspect| Route { service: &service.name, inspect }))
    }

    /// Reads a whole request on `route`.
    pub fn inspect(&self, route: Route<'_>, head: &RequestHead<'_>, body: &[u8]) -> Facts {
        inspect_body(route.inspect, &self.plan.limits, head, body)
    }
}

/// A plan that contradicts itself. The message names the part that does.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PlanError(pub String);

/// Reads one body outside of any plan, as `chaperone inspect` does.
pub fn inspect_body(
    plan: &ProtocolPlan,
    limits: &Limits,
    head: &RequestHead<'_>,
    body: &[u8],
) -> Facts {
    let protocol = plan.protocol();
    let read = if body.len() > limits.body_bytes && !matches!(plan, ProtocolPlan::Http) {
        Err(Unparsed::new(
            UnparsedCode::BodyTooLarge,
            format!("the body is larger than {} bytes", limits.body_bytes),
        ))
    } else {
        match plan {
            ProtocolPlan::Http => http::command(head.method, head.path).map(|one| vec![one]),
            ProtocolPlan::Json(json) => {
                json::command(json, limits, head, body).map(|one| vec![one])
            }
            ProtocolPlan::Mcp => mcp::command(limits, head, body).map(|one| vec![one]),
            ProtocolPlan::Sql(sql) => sql::commands(sql, limits, head, body),
        }
    };
    match read {
        Ok(commands) => Facts::parsed(protocol, commands),
        Err(unparsed) => Facts::unparsed(protocol, unparsed),
    }
}
