//! Requests to facts: what a request would do, one file a protocol.
//!
//! [`Inspector`] finds the route of a request and reads its body by the route's
//! protocol. What cannot be read is a fact as well ([`Facts::unparsed`]); nothing
//! here fails, and nothing quotes the body.

mod a2a;
mod content;
mod detection;
mod elasticsearch;
mod embedded;
mod form;
mod graphql;
mod grpc;
mod head;
mod http;
mod json;
mod jsonrpc;
mod kubernetes;
mod mcp;
mod multipart;
mod path;
mod query;
mod reachable;
mod routing;
mod shell;
mod spelling;
mod sql;
mod template;
mod uri;

use std::collections::BTreeSet;

pub use self::head::{RequestHead, is_read};
use self::path::NormalPath;
use self::routing::Hosts;
use crate::detect::DetectorId;
use crate::encoding;
use crate::facts::{Command, Facts, Unparsed, UnparsedCode};
use crate::plan::{Limits, PathTemplate, Plan, ProtocolPlan, RoutePlan, ServicePlan, Upgrades};

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
///     headers: &[("content-type", "application/sql")],
/// };
/// let route = inspector.route(&head).unwrap().unwrap();
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

/// Where a request goes by the plan.
#[derive(Clone, Copy, Debug)]
pub struct Route<'p> {
    /// The service.
    pub service: &'p ServicePlan,
    /// How the request is read.
    pub plan: &'p RoutePlan,
    /// Within which bounds.
    pub limits: &'p Limits,
}

/// The place of a route in the plan of one inspector: what is kept of a [`Route`] while
/// the rest of its request comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoutePlace {
    service: usize,
    /// `None` where no route of the service has the path: plain HTTP.
    route: Option<usize>,
}

impl Route<'_> {
    /// Whether its requests are held and read; of the others the method and the path
    /// are all there is to know.
    pub const fn is_inspected(&self) -> bool {
        !matches!(self.plan.inspect, ProtocolPlan::Http)
    }
}

/// One request as a protocol reads it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading<'a> {
    /// Its headers.
    pub(crate) head: &'a RequestHead<'a>,
    /// Its body, without its content encoding.
    pub(crate) body: &'a [u8],
    /// The bounds on what is read.
    pub(crate) limits: &'a Limits,
    /// The service's paths with named segments.
    pub(crate) paths: &'a [PathTemplate],
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
    /// its path can be read in more than one way, or no route of its path takes it.
    ///
    /// Hosts are compared without case, port and final dot: a name first, then the
    /// longest `*.suffix`, then `*`.
    pub fn route(&self, head: &RequestHead<'_>) -> Option<Result<Route<'_>, Unparsed>> {
        match self.find(head)? {
            Ok(place) => self.at(place).map(Ok),
            Err(unparsed) => Some(Err(unparsed)),
        }
    }

    /// The place of what [`Self::route`] gives.
    pub fn find(&self, head: &RequestHead<'_>) -> Option<Result<RoutePlace, Unparsed>> {
        let index = self.hosts.find(head.authority)?;
        let service = self.plan.services.get(index)?;
        let route =
            NormalPath::parse(head.path).and_then(|path| routing::route(service, &path, head));
        Some(route.map(|route| RoutePlace { service: index, route }))
    }

    /// The route at a place; `None` if it is one of another plan.
    pub fn at(&self, place: RoutePlace) -> Option<Route<'_>> {
        let service = self.plan.services.get(place.service)?;
        let plan = match place.route {
            Some(index) => service.routes.get(index)?,
            None => &routing::PLAIN_HTTP,
        };
        let limits = plan.limits.as_ref().unwrap_or(&self.plan.limits);
        Some(Route { service, plan, limits })
    }

    /// Reads a whole request on `route`.
    pub fn inspect(&self, route: Route<'_>, head: &RequestHead<'_>, body: &[u8]) -> Facts {
        inspect(route.plan, route.limits, &route.service.paths, head, body)
    }
}

/// A plan that contradicts itself. The message names the part that does.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PlanError(pub String);

/// Reads one request outside of any service, as `chaperone inspect` does.
pub fn inspect_body(
    plan: &ProtocolPlan,
    limits: &Limits,
    head: &RequestHead<'_>,
    body: &[u8],
) -> Facts {
    inspect(&RoutePlan::new("/".to_owned(), plan.clone()), limits, &[], head, body)
}

fn inspect(
    route: &RoutePlan,
    limits: &Limits,
    paths: &[PathTemplate],
    head: &RequestHead<'_>,
    body: &[u8],
) -> Facts {
    let protocol = route.inspect.protocol();
    match read(route, limits, paths, head, body) {
        Ok((commands, contains)) => Facts { contains, ..Facts::parsed(protocol, commands) },
        Err(unparsed) => Facts::unparsed(protocol, unparsed),
    }
}

fn read(
    route: &RoutePlan,
    limits: &Limits,
    paths: &[PathTemplate],
    head: &RequestHead<'_>,
    body: &[u8],
) -> Result<(Vec<Command>, BTreeSet<DetectorId>), Unparsed> {
    head.refuse_another_method()?;
    let plain = matches!(route.inspect, ProtocolPlan::Http);
    let tunnel = head.asks_for_tunnel();
    if tunnel && !plain && matches!(route.upgrades, Upgrades::Deny) {
        return Err(Unparsed::new(
            UnparsedCode::MethodUnexpected,
            "the request asks for a tunnel, whose contents are not inspected",
        ));
    }
    // What goes into a pod is named by the head of the request; the rest is the stream.
    let into_pod = tunnel && matches!(route.inspect, ProtocolPlan::Kubernetes(_));
    if plain || (tunnel && !into_pod) {
        let bare = Reading { head, body: &[], limits, paths };
        return Ok((vec![http::command(&bare)?], BTreeSet::new()));
    }
    let body = if into_pod { &[] } else { body };
    if body.len() > limits.body_bytes {
        return Err(too_large(limits));
    }
    let decoded = encoding::decode(head.header("content-encoding"), body, limits.decoded_bytes)?;
    if matches!(decoded, std::borrow::Cow::Owned(_)) {
        form::refuse_undecoded(&route.inspect, head, body)?;
    }
    content::check_ascii(head, &decoded)?;
    let reading = Reading { head, body: &decoded, limits, paths };
    let commands = commands(&route.inspect, &reading)?;
    if commands.len() > limits.commands {
        return Err(Unparsed::new(
            UnparsedCode::TooManyCommands,
            format!("the request makes more than {} commands", limits.commands),
        ));
    }
    if commands.iter().any(|command| command.attributes.iter().any(|(_, value)| changes(value))) {
        return Err(Unparsed::new(
            UnparsedCode::JsonKeyAmbiguous,
            "a name is one that a library reads as something else",
        ));
    }
    let contains = route.detect.as_ref().map(|detect| detection::contains(detect, &reading));
    Ok((commands, contains.unwrap_or_default()))
}

/// Whether a value would be another one once it has crossed the facts header.
fn changes(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Object(members) => members
            .iter()
            .any(|(name, value)| crate::json::document::is_serdes_own(name) || changes(value)),
        serde_json::Value::Array(items) => items.iter().any(changes),
        _ => false,
    }
}

/// What a body over the limit is.
pub fn too_large(limits: &Limits) -> Unparsed {
    Unparsed::new(
        UnparsedCode::BodyTooLarge,
        format!("the body is larger than the limit of {} bytes", limits.body_bytes),
    )
}

fn commands(plan: &ProtocolPlan, request: &Reading<'_>) -> Result<Vec<Command>, Unparsed> {
    match plan {
        ProtocolPlan::Http => Ok(vec![http::command(request)?]),
        ProtocolPlan::Json(plan) => json::commands(plan, request),
        ProtocolPlan::Form(plan) => form::commands(plan, request),
        ProtocolPlan::Multipart(plan) => multipart::commands(plan, request),
        ProtocolPlan::Mcp(plan) => mcp::commands(plan, request),
        ProtocolPlan::A2a(plan) => a2a::commands(plan, request),
        ProtocolPlan::Sql(plan) => sql::commands(plan, request),
        ProtocolPlan::Graphql(plan) => graphql::commands(plan, request),
        ProtocolPlan::Kubernetes(plan) => kubernetes::commands(plan, request),
        ProtocolPlan::Elasticsearch(plan) => elasticsearch::commands(plan, request),
        ProtocolPlan::Grpc(plan) => grpc::commands(plan, request),
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

    fn get(path: &str) -> RequestHead<'_> {
        RequestHead { method: "GET", authority: "crm.example.com", path, headers: &[] }
    }

    fn service(authority: &str) -> Option<String> {
        let head = RequestHead { authority, ..get("/") };
        inspector().route(&head).map(|route| route.unwrap().service.name.clone())
    }

    fn protocol(path: &str) -> Result<Protocol, UnparsedCode> {
        let inspector = inspector();
        let route = inspector.route(&get(path)).unwrap();
        route.map(|route| route.plan.inspect.protocol()).map_err(|unparsed| unparsed.code)
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
        assert!(Inspector::new(only).unwrap().route(&get("/")).is_none());
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
        let head = RequestHead { authority: "localhost", ..get("/x") };
        let route = inspector.route(&head).unwrap().unwrap();
        assert_eq!(route.plan.inspect, ProtocolPlan::Http);
    }

    #[test]
    fn routes_of_one_path_are_told_apart_by_method_and_content_type() {
        let inspector = Inspector::new(plan(&json!([
            { "name": "crm", "hosts": ["*"], "routes": [
                { "path": "/", "inspect": "http" },
                { "path": "/q", "methods": ["GET"], "inspect": "http" },
                { "path": "/q", "methods": ["POST"], "content_types": ["application/json"],
                  "inspect": "graphql" },
                { "path": "/q", "methods": ["POST"], "content_types": ["", "text/plain"],
                  "inspect": { "sql": { "dialect": "mysql", "statement": "body" } } },
            ] },
        ])))
        .unwrap_or_else(|error| panic!("{error}"));
        let read = |method, content_type: Option<&str>| {
            let headers: Vec<_> = content_type.map(|t| ("content-type", t)).into_iter().collect();
            let head = RequestHead { method, headers: &headers, ..get("/q/x") };
            let route = inspector.route(&head).unwrap();
            route.map(|route| route.plan.inspect.protocol()).map_err(|unparsed| unparsed.code)
        };
        assert_eq!(read("GET", None), Ok(Protocol::Http));
        assert_eq!(read("POST", Some("Application/JSON; charset=utf-8")), Ok(Protocol::Graphql));
        assert_eq!(read("POST", None), Ok(Protocol::Sql));
        assert_eq!(read("PUT", None), Err(UnparsedCode::MethodUnexpected));
        assert_eq!(read("POST", Some("text/html")), Err(UnparsedCode::ContentTypeUnexpected));
    }

    #[test]
    fn a_request_that_says_to_be_another_one_is_not_read() {
        for (headers, expected) in [
            (&[("x-http-method-override", "DELETE")][..], Some(UnparsedCode::HeaderMismatch)),
            (
                &[("x-method-override", "POST"), ("x-http-method", "PUT")],
                Some(UnparsedCode::HeaderMismatch),
            ),
            (&[("x-http-method-override", "POST")], None),
        ] {
            let head = RequestHead { method: "POST", headers, ..get("/docs") };
            let facts = inspect_body(&ProtocolPlan::Http, &Limits::default(), &head, b"");
            assert_eq!(facts.unparsed.map(|unparsed| unparsed.code), expected, "{headers:?}");
        }
    }

    #[test]
    fn an_upgrade_is_a_command_of_its_own_or_is_not_read() {
        let head = RequestHead { headers: &[("upgrade", "websocket")], ..get("/x") };
        let facts = |inspect: &str, upgrades: &str| {
            let route = json!({ "path": "/x", "inspect": inspect, "upgrades": upgrades });
            let service = json!([{ "name": "s", "hosts": ["*"], "routes": [route] }]);
            let inspector = Inspector::new(plan(&service)).unwrap();
            let route = inspector.route(&head).unwrap().unwrap();
            let facts = inspector.inspect(route, &head, b"");
            let action = facts.commands.first().map(|command| command.action.name());
            (action, facts.unparsed.map(|unparsed| unparsed.code))
        };
        let refused = (None, Some(UnparsedCode::MethodUnexpected));
        assert_eq!(facts("json", "deny"), refused);
        assert_eq!(facts("json", "allow"), (Some("http:upgrade"), None));
        assert_eq!(facts("http", "deny"), (Some("http:upgrade"), None));
        assert_eq!(facts("kubernetes", "deny"), refused);
        assert_eq!(facts("kubernetes", "allow"), refused);
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
            (json!([service(&["a"], vec![route("/x"), route("/x")])]), "route `/x`"),
            (json!([service(&["a"], vec![route("x")])]), "path `x`"),
            (json!([service(&["a"], vec![route("/x/")])]), "path `/x/`"),
            (json!([service(&["a"], vec![route("/x?y")])]), "path `/x?y`"),
            (json!([service(&["a"], vec![route("/%78")])]), "path `/%78`"),
            (json!([service(&["a"], vec![route("/a/../b")])]), "path `/a/../b`"),
        ] {
            let error = Inspector::new(plan(&services)).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        let mut crossed = service(&["a"], vec![]);
        crossed["paths"] = json!(["/a/{b}", "/{a}/b"]);
        let error = Inspector::new(plan(&json!([crossed]))).unwrap_err().to_string();
        assert!(error.contains("paths `/a/{b}` and `/{a}/b` of service `crm`"), "{error}");
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
            headers: &[("content-type", "application/json")],
        };
        let inspector = inspector();
        let route = inspector.route(&head).unwrap().unwrap();
        let mut body = vec![b' '; Limits::default().body_bytes];
        body[0] = b'1';
        assert_eq!(inspector.inspect(route, &head, &body).unparsed, None);
        body.push(b' ');
        let unparsed = inspector.inspect(route, &head, &body).unparsed.unwrap();
        assert_eq!(unparsed.code, UnparsedCode::BodyTooLarge);
    }
}
