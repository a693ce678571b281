//! Where a request goes by the plan: host to service, path to route.

use std::collections::{BTreeMap, BTreeSet};

use super::path::NormalPath;
use super::{PlanError, RequestHead, content, form, graphql, reachable};
use crate::facts::{Unparsed, UnparsedCode};
use crate::json::document;
use crate::plan::{Limits, Plan, ProtocolPlan, RoutePlan, ServicePlan};

/// How a path is read that no route has.
pub(super) static PLAIN_HTTP: RoutePlan = RoutePlan::new(String::new(), ProtocolPlan::Http);

/// Hosts to the places of their services in the plan.
#[derive(Debug)]
pub(super) struct Hosts {
    exact: BTreeMap<String, usize>,
    /// Without the asterisk: `.example.com`.
    suffixes: BTreeMap<String, usize>,
    any: Option<usize>,
}

impl Hosts {
    /// The hosts of a plan that does not contradict itself.
    pub(super) fn of(plan: &Plan) -> Result<Self, PlanError> {
        check_limits(&plan.limits)?;
        let mut hosts = Self { exact: BTreeMap::new(), suffixes: BTreeMap::new(), any: None };
        let mut names = BTreeSet::new();
        for (index, service) in plan.services.iter().enumerate() {
            if service.name.is_empty() {
                return Err(PlanError("a service has an empty name".to_owned()));
            }
            if !names.insert(service.name.as_str()) {
                return Err(PlanError(format!("service `{}` stands there twice", service.name)));
            }
            if service.hosts.is_empty() {
                return Err(PlanError(format!("service `{}` has no host", service.name)));
            }
            for host in &service.hosts {
                if let Some(other) = hosts.insert(host, index, &service.name)? {
                    let other = plan.services.get(other).map_or("", |service| &service.name);
                    return Err(PlanError(format!(
                        "host `{host}` of service `{}` belongs to service `{other}` already",
                        service.name
                    )));
                }
            }
            check_routes(service)?;
            check_paths(service)?;
            reachable::check(service, &plan.limits)?;
        }
        Ok(hosts)
    }

    /// The place of the service that answers to `authority`.
    pub(super) fn find(&self, authority: &str) -> Option<usize> {
        let host = host_of(authority)?;
        if let Some(&index) = self.exact.get(&host) {
            return Some(index);
        }
        // The first suffix found is the longest.
        let mut rest = host.as_str();
        while let Some((_, below)) = rest.split_once('.') {
            let dotted = host.get(host.len().saturating_sub(below.len().saturating_add(1))..)?;
            if let Some(&index) = self.suffixes.get(dotted) {
                return Some(index);
            }
            rest = below;
        }
        self.any
    }

    /// Gives the service that has the host already, if there is one.
    fn insert(
        &mut self,
        pattern: &str,
        index: usize,
        service: &str,
    ) -> Result<Option<usize>, PlanError> {
        if pattern == "*" {
            return Ok(self.any.replace(index));
        }
        let bare = pattern.strip_prefix('*').unwrap_or(pattern);
        let dotted = bare.len() == pattern.len() || bare.starts_with('.');
        let name = bare.strip_prefix('.').filter(|_| bare.len() < pattern.len()).unwrap_or(bare);
        let plain = host_of(name).as_deref() == Some(name);
        if !dotted || !plain {
            return Err(PlanError(format!(
                "host `{pattern}` of service `{service}` is not a lower-case host name without a \
                 port, `*.` and such a name, or `*`"
            )));
        }
        let map = if bare.len() < pattern.len() { &mut self.suffixes } else { &mut self.exact };
        Ok(map.insert(bare.to_owned(), index))
    }
}

/// The place of the route by which `path` is read on `service`: the first of the longest
/// matching prefix that takes the method and the content type, or none, which is plain
/// HTTP, where no prefix matches.
pub(super) fn route(
    service: &ServicePlan,
    path: &NormalPath<'_>,
    head: &RequestHead<'_>,
) -> Result<Option<usize>, Unparsed> {
    let longest = |covers: fn(&str, &str) -> bool| {
        let matching = service.routes.iter().filter(|route| covers(&route.path, path.as_str()));
        matching.map(|route| route.path.len()).max()
    };
    let exact = longest(covers);
    let liberal = longest(covers_in_any_case);
    // `/SQL` is `/sql` to an upstream that does not mind case.
    if exact != liberal {
        return Err(Unparsed::new(
            UnparsedCode::PathAmbiguous,
            "the path can be read in more than one way: it differs from a route in case only",
        ));
    }
    let Some(length) = exact else { return Ok(None) };
    let takes_method = |route: &RoutePlan| {
        route.path.len() == length
            && covers(&route.path, path.as_str())
            && (route.methods.is_empty() || route.methods.contains(head.method))
    };
    let mut routes =
        service.routes.iter().enumerate().filter(|(_, route)| takes_method(route)).peekable();
    if routes.peek().is_none() {
        return Err(Unparsed::new(
            UnparsedCode::MethodUnexpected,
            "no route of this path takes the method",
        ));
    }
    let takes_type = |route: &RoutePlan| {
        route.content_types.is_empty()
            || content::media_type(head).is_ok_and(|name| route.content_types.contains(&name))
    };
    routes
        .find(|(_, route)| takes_type(route))
        .map(|(index, _)| Some(index))
        .ok_or_else(|| content::unexpected("no route of this path takes the content type"))
}

/// Whether `path` is `prefix` or below it.
fn covers(prefix: &str, path: &str) -> bool {
    covers_in_any_case(prefix, path) && path.starts_with(prefix.strip_suffix('/').unwrap_or(prefix))
}

/// Whether `path` is `prefix` or below it to a reader that does not mind case.
fn covers_in_any_case(prefix: &str, path: &str) -> bool {
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    path.split_at_checked(prefix.len()).is_some_and(|(beginning, rest)| {
        beginning.eq_ignore_ascii_case(prefix) && (rest.is_empty() || rest.starts_with('/'))
    })
}

/// The host of an authority in lower case, without port and final dot; `None` if
/// it is not a host name or an address.
fn host_of(authority: &str) -> Option<String> {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            host
        }
        _ => authority,
    };
    if let Some(address) = host.strip_prefix('[') {
        let address = address.strip_suffix(']')?;
        let plain = |byte: u8| byte.is_ascii_hexdigit() || byte == b':' || byte == b'.';
        let plain = !address.is_empty() && address.bytes().all(plain);
        return plain.then(|| host.to_ascii_lowercase());
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let label = |label: &str| !label.is_empty() && label.bytes().all(plain);
    host.split('.').all(label).then(|| host.to_ascii_lowercase())
}

fn check_routes(service: &ServicePlan) -> Result<(), PlanError> {
    for RoutePlan { path, inspect, .. } in &service.routes {
        let plain = NormalPath::parse(path).is_ok_and(|normal| normal.as_str() == path);
        if !plain || path.contains('?') || (path.len() > 1 && path.ends_with('/')) {
            return Err(PlanError(format!(
                "path `{path}` of service `{}` is not a plain path: it begins with a slash, does \
                 not end with one, and has no query, escape, empty or dot segment",
                service.name
            )));
        }
        if let ProtocolPlan::Sql(sql) = inspect
            && let Some(why) = sql.contradiction()
        {
            return Err(PlanError(format!("path `{path}` of service `{}` {why}", service.name)));
        }
        if let ProtocolPlan::Graphql(plan) = inspect {
            graphql::refuse_persisted(plan).map_err(|why| {
                PlanError(format!("path `{path}` of service `{}`: {why}", service.name))
            })?;
        }
        if let ProtocolPlan::Form(plan) | ProtocolPlan::Multipart(plan) = inspect
            && let Some(why) = form::contradiction(plan)
        {
            return Err(PlanError(format!("path `{path}` of service `{}`: {why}", service.name)));
        }
    }
    Ok(())
}

fn check_paths(service: &ServicePlan) -> Result<(), PlanError> {
    for (index, path) in service.paths.iter().enumerate() {
        for other in service.paths.iter().take(index) {
            if let Some(why) = path.conflict(other) {
                return Err(PlanError(format!(
                    "paths `{}` and `{}` of service `{}` cannot be told apart: {why}",
                    other.as_str(),
                    path.as_str(),
                    service.name
                )));
            }
        }
    }
    Ok(())
}

fn check_limits(limits: &Limits) -> Result<(), PlanError> {
    if limits.depth == 0 || limits.depth > document::MAX_DEPTH {
        return Err(PlanError(format!(
            "limit `depth` is {}, not between 1 and {}",
            limits.depth,
            document::MAX_DEPTH
        )));
    }
    if limits.commands == 0 || limits.body_bytes == 0 {
        return Err(PlanError("limits `commands` and `body_bytes` are at least 1".to_owned()));
    }
    Ok(())
}
