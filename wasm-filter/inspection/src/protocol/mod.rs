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

#[cfg(test)]
mod tests {
    use serde_json::json;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::facts::Protocol;

    fn plan(services: &serde_json::Value) -> Plan {
        serde_json::from_value(json!({ "services": services, "limits": {} })).unwrap()
    }

    fn inspector() -> Inspector {
        Inspector::new(plan(&json!([
            { "name": "any", "hosts": ["*"], "routes": [] },
            { "name": "apps", "hosts": ["*.example.com", "[::1]"], "routes": [] },
            { "name": "crm", "hosts": ["crm.example.com"], "routes": [
                { "path": "/", "inspect": { "json": { "fields": {} } } },
                { "path": "/sql", "inspect": { "sql": { "dialect": "mysql", "statement": "body" } } },
                { "path": "/sql/docs", "inspect": "http" },
                { "path": "/mcp", "inspect": "mcp" },
            ] },
            { "name": "deep", "hosts": ["*.crm.example.com"], "routes": [] },
        ])))
        .unwrap_or_else(|error| panic!("{error}"))
    }

    fn service(authority: &str) -> Option<String> {
        inspector().route(authority, "/").map(|route| route.unwrap().service.to_owned())
    }

    fn protocol(path: &str) -> Result<Protocol, UnparsedCode> {
        let inspector = inspector();
        let route = inspector.route("crm.example.com", path).unwrap();
        route.map(|route| route.inspect.protocol()).map_err(|unparsed| unparsed.code)
    }

    #[test]
    fn a_host_is_found_by_its_name_then_by_the_longest_suffix() {
        for (authority, name) in [
            ("crm.example.com", "crm"),
            ("CRM.Example.com.:8443", "crm"),
            ("a.crm.example.com", "deep"),
            ("b.a.crm.example.com", "deep"),
            ("web.example.com", "apps"),
            ("example.com", "any"),
            ("xexample.com", "any"),
            ("[::1]:80", "apps"),
            ("localhost", "any"),
            ("10.0.0.1:80", "any"),
        ] {
            assert_eq!(service(authority).as_deref(), Some(name), "{authority}");
        }
    }

    #[test]
    fn what_is_no_host_is_no_services() {
        for authority in
            ["", ":80", "a@crm.example.com", "crm.example.com:x", "a..b", "a b", "é", "[::1"]
        {
            assert_eq!(service(authority), None, "{authority}");
        }
        let only = plan(&json!([{ "name": "crm", "hosts": ["crm.example"], "routes": [] }]));
        assert!(Inspector::new(only).unwrap().route("other.example", "/").is_none());
    }

    #[test]
    fn a_route_is_the_longest_prefix_that_ends_at_a_segment() {
        for (path, expected) in [
            ("/sql", Protocol::Sql),
            ("/sql/", Protocol::Sql),
            ("/sql/x?y", Protocol::Sql),
            ("/s%71l", Protocol::Sql),
            ("/sql?path=/sql/docs", Protocol::Sql),
            ("/sql/docs", Protocol::Http),
            ("/sql/docs/x", Protocol::Http),
            ("/sql/docsx", Protocol::Sql),
            ("/sqlite", Protocol::Json),
            ("/", Protocol::Json),
            ("/m%63p", Protocol::Mcp),
        ] {
            assert_eq!(protocol(path), Ok(expected), "{path}");
        }
    }

    #[test]
    fn a_path_that_is_a_route_in_another_case_is_ambiguous() {
        for path in ["/SQL", "/Sql/x", "/s%51L", "/sql/DOCS", "/M%63P"] {
            assert_eq!(protocol(path), Err(UnparsedCode::PathAmbiguous), "{path}");
        }
    }

    #[test]
    fn a_path_without_a_route_is_plain_http() {
        let inspector = inspector();
        let route = inspector.route("localhost", "/x").unwrap().unwrap();
        assert_eq!(route.inspect, &ProtocolPlan::Http);
    }

    #[test]
    fn a_plan_that_contradicts_itself_is_refused_by_name() {
        let route = |path: &str| json!({ "path": path, "inspect": "mcp" });
        let service = |hosts: &[&str], routes: Vec<serde_json::Value>| json!({ "name": "crm", "hosts": hosts, "routes": routes });
        for (services, part) in [
            (json!([service(&["a"], vec![]), service(&["b"], vec![])]), "service `crm` stands"),
            (json!([service(&["a", "a"], vec![])]), "host `a`"),
            (json!([service(&["*", "*"], vec![])]), "host `*`"),
            (json!([service(&[], vec![])]), "service `crm` has no host"),
            (json!([service(&["A"], vec![])]), "host `A`"),
            (json!([service(&["a:80"], vec![])]), "host `a:80`"),
            (json!([service(&["*a"], vec![])]), "host `*a`"),
            (json!([service(&["a.*"], vec![])]), "host `a.*`"),
            (json!([service(&["*."], vec![])]), "host `*.`"),
            (json!([service(&[""], vec![])]), "host ``"),
            (json!([service(&["a"], vec![route("/x"), route("/x")])]), "path `/x`"),
            (json!([service(&["a"], vec![route("x")])]), "path `x`"),
            (json!([service(&["a"], vec![route("/x/")])]), "path `/x/`"),
            (json!([service(&["a"], vec![route("/x?y")])]), "path `/x?y`"),
            (json!([service(&["a"], vec![route("/%78")])]), "path `/%78`"),
            (json!([service(&["a"], vec![route("/a/../b")])]), "path `/a/../b`"),
        ] {
            let error = Inspector::new(plan(&services)).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        let mut deep = plan(&json!([]));
        deep.limits.depth = 1000;
        assert!(Inspector::new(deep).unwrap_err().to_string().contains("`depth`"));
    }

    #[test]
    fn a_body_over_the_limit_is_not_read() {
        let head = RequestHead {
            method: "POST",
            authority: "crm.example.com",
            path: "/",
            content_type: Some("application/json"),
            content_encoding: None,
        };
        let inspector = inspector();
        let route = inspector.route(head.authority, head.path).unwrap().unwrap();
        let mut body = vec![b' '; Limits::default().body_bytes];
        body[0] = b'1';
        assert_eq!(inspector.inspect(route, &head, &body).unparsed, None);
        body.push(b' ');
        let unparsed = inspector.inspect(route, &head, &body).unparsed.unwrap();
        assert_eq!(unparsed.code, UnparsedCode::BodyTooLarge);
    }
}
