//! Routes that could never do what they say: refused at load, because an operator
//! who wrote one believes that it guards something.

use super::PlanError;
use crate::plan::{FieldPath, JsonPointer, Limits, ProtocolPlan, RoutePlan, ServicePlan, Upgrades};

/// An error if a route of `service` can never be taken, or can take no request that
/// its protocol reads. `limits` are those of routes without any of their own.
pub(super) fn check(service: &ServicePlan, limits: &Limits) -> Result<(), PlanError> {
    for (index, route) in service.routes.iter().enumerate() {
        let dead = |why: String| {
            PlanError(format!("route `{}` of service `{}`: {why}", route.path, service.name))
        };
        let earlier = service.routes.iter().take(index);
        if earlier.into_iter().any(|earlier| takes_all_of(earlier, route)) {
            return Err(dead(
                "it is never reached: an earlier route of this path takes every request that it \
                 would take"
                    .to_owned(),
            ));
        }
        check_route(route, route.limits.as_ref().unwrap_or(limits)).map_err(dead)?;
    }
    Ok(())
}

fn check_route(route: &RoutePlan, limits: &Limits) -> Result<(), String> {
    let name = route.inspect.protocol().name();
    let known = Known::of(&route.inspect);
    if let Some(method) = route.methods.iter().find(|method| !is_method(method)) {
        return Err(format!("`{method}` is not the name of a method in upper case"));
    }
    if let Some(media_type) = route.content_types.iter().find(|name| !is_media_type(name)) {
        return Err(format!("`{media_type}` is not a media type in lower case without parameters"));
    }
    let methods = &route.methods;
    if !methods.is_empty() && !known.methods.is_empty() {
        let readable = methods.iter().any(|method| known.methods.contains(&method.as_str()));
        if !readable {
            return Err(format!(
                "{name} is never sent by its methods, but by {}",
                list(known.methods)
            ));
        }
    }
    let types = &route.content_types;
    if !types.is_empty() && !types.iter().any(|media_type| (known.takes)(media_type)) {
        return Err(format!("{name} never has its content types"));
    }
    if limits.body_bytes < known.least_bytes {
        return Err(format!(
            "limit `body_bytes` is {}, and the smallest message of {name} has {} bytes",
            limits.body_bytes, known.least_bytes
        ));
    }
    if limits.decoded_bytes < limits.body_bytes {
        return Err(format!(
            "limit `decoded_bytes` is {}, below `body_bytes`, {}: bodies between them would never \
             be read",
            limits.decoded_bytes, limits.body_bytes
        ));
    }
    if limits.depth < known.least_depth {
        return Err(format!(
            "limit `depth` is {}, and what is read of {name} nests {} deep",
            limits.depth, known.least_depth
        ));
    }
    if route.detect.as_ref().is_some_and(|detect| detect.detectors.is_empty()) {
        return Err("`detect` names no detector".to_owned());
    }
    if let Some(detect) = &route.detect
        && let Some(field) = detect.fields.iter().find(|field| field.depth() > limits.depth)
    {
        return Err(format!(
            "`detect` looks at `{}`, deeper than limit `depth`",
            String::from(field.clone())
        ));
    }
    let upgradable = methods.is_empty() || methods.contains("GET") || methods.contains("CONNECT");
    if matches!(route.upgrades, Upgrades::Allow) && !upgradable {
        return Err(
            "an upgrade is asked for by GET or CONNECT, which its methods are not".to_owned()
        );
    }
    Ok(())
}

/// What is known of every request that a protocol reads.
struct Known {
    /// Its methods; any when there is none.
    methods: &'static [&'static str],
    /// Whether its body may be of a media type; the empty one is none at all.
    takes: fn(&str) -> bool,
    /// The smallest body that says anything, in bytes.
    least_bytes: usize,
    /// The nesting of the deepest value that is read.
    least_depth: usize,
}

impl Known {
    fn of(plan: &ProtocolPlan) -> Self {
        const WITH_BODY: &[&str] = &["POST", "PUT", "PATCH", "DELETE"];
        const POST: &[&str] = &["POST"];
        let any = Self { methods: &[], takes: |_| true, least_bytes: 1, least_depth: 1 };
        match plan {
            ProtocolPlan::Http => Self { least_bytes: 0, ..any },
            ProtocolPlan::Json(plan) => {
                let embedded = plan.embedded.iter().map(|embedded| depth(&embedded.at));
                let deepest = plan.fields.values().map(FieldPath::depth).chain(embedded).max();
                Self {
                    methods: WITH_BODY,
                    takes: is_json,
                    least_depth: deepest.unwrap_or(1),
                    ..any
                }
            }
            ProtocolPlan::Form(_) => Self {
                methods: WITH_BODY,
                takes: |name| name == "application/x-www-form-urlencoded",
                ..any
            },
            ProtocolPlan::Multipart(_) => {
                Self { methods: WITH_BODY, takes: |name| name == "multipart/form-data", ..any }
            }
            ProtocolPlan::Mcp(plan) => {
                // Arguments are in `params.arguments` of the message.
                let embedded = plan.embedded.iter().map(|embedded| depth(&embedded.at));
                Self {
                    methods: &["POST", "GET", "DELETE"],
                    takes: |name| matches!(name, "application/json" | ""),
                    least_bytes: r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#.len(),
                    least_depth: embedded.max().unwrap_or(0).saturating_add(3),
                }
            }
            ProtocolPlan::A2a(_) | ProtocolPlan::Graphql(_) => {
                Self { methods: &["POST", "GET"], least_depth: 2, ..any }
            }
            ProtocolPlan::Grpc(_) => Self {
                methods: POST,
                takes: |name| name.starts_with("application/grpc"),
                // The prefix of an empty message.
                least_bytes: 5,
                ..any
            },
            ProtocolPlan::Sql(_) | ProtocolPlan::Kubernetes(_) | ProtocolPlan::Elasticsearch(_) => {
                any
            }
        }
    }
}

fn is_json(media_type: &str) -> bool {
    media_type == "application/json"
        || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}

/// How deep the value at a pointer is nested.
fn depth(pointer: &JsonPointer) -> usize {
    pointer.as_str().split('/').count().saturating_sub(1)
}

/// Whether `earlier` takes whatever `later` could.
fn takes_all_of(earlier: &RoutePlan, later: &RoutePlan) -> bool {
    let methods = earlier.methods.is_empty()
        || (!later.methods.is_empty() && later.methods.is_subset(&earlier.methods));
    let types = earlier.content_types.is_empty()
        || (!later.content_types.is_empty()
            && later.content_types.is_subset(&earlier.content_types));
    earlier.path == later.path && methods && types
}

fn is_method(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-')
}

fn is_media_type(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() && !byte.is_ascii_uppercase();
    let whole = name.split_once('/').is_some_and(|(kind, sub)| !kind.is_empty() && !sub.is_empty());
    name.is_empty() || (whole && !name.contains([';', ',']) && name.bytes().all(plain))
}

fn list(names: &[&str]) -> String {
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn refusal(routes: &Value) -> Option<String> {
        let service = json!({ "name": "crm", "hosts": ["*"], "routes": routes });
        let service: ServicePlan = serde_json::from_value(service).unwrap();
        check(&service, &Limits::default()).err().map(|error| error.to_string())
    }

    #[test]
    fn a_route_that_could_never_do_what_it_says_is_refused_with_the_reason() {
        let sql = json!({ "sql": { "dialect": "mysql", "statement": "body" } });
        let json_of = |at: &str| json!({ "json": { "fields": { "x": at } } });
        let deep = "/a/b/c/d";
        for (routes, why) in [
            (
                json!([{ "path": "/a", "inspect": "mcp" }, { "path": "/a", "inspect": "json" }]),
                "it is never reached",
            ),
            (
                json!([
                    { "path": "/a", "methods": ["POST", "PUT"], "inspect": "mcp" },
                    { "path": "/a", "methods": ["PUT"], "content_types": ["text/sql"],
                      "inspect": sql },
                ]),
                "it is never reached",
            ),
            (
                json!([{ "path": "/a", "methods": ["GET", "HEAD"], "inspect": "json" }]),
                "json is never sent by its methods, but by POST, PUT, PATCH, DELETE",
            ),
            (
                json!([{ "path": "/a", "methods": ["PUT"], "inspect": "grpc" }]),
                "grpc is never sent by its methods, but by POST",
            ),
            (
                json!([{ "path": "/a", "content_types": ["text/plain"], "inspect": "form" }]),
                "form never has its content types",
            ),
            (json!([{ "path": "/a", "methods": ["post"], "inspect": "form" }]), "`post` is not"),
            (
                json!([{ "path": "/a", "content_types": ["Text/SQL"], "inspect": sql }]),
                "`Text/SQL` is not a media type",
            ),
            (
                json!([{ "path": "/a", "content_types": ["text/sql; charset=utf-8"],
                         "inspect": sql }]),
                "is not a media type",
            ),
            (
                json!([{ "path": "/a", "limits": { "body_bytes": 39 }, "inspect": "mcp" }]),
                "limit `body_bytes` is 39, and the smallest message of mcp has 40 bytes",
            ),
            (
                json!([{ "path": "/a", "limits": { "decoded_bytes": 100 }, "inspect": "json" }]),
                "limit `decoded_bytes` is 100, below `body_bytes`, 65536",
            ),
            (
                json!([{ "path": "/a", "limits": { "depth": 3 }, "inspect": json_of(deep) }]),
                "limit `depth` is 3, and what is read of json nests 4 deep",
            ),
            (
                json!([{ "path": "/a", "detect": { "detectors": [] }, "inspect": "json" }]),
                "`detect` names no detector",
            ),
            (
                json!([{ "path": "/a", "methods": ["POST"], "upgrades": "allow",
                         "inspect": "json" }]),
                "an upgrade is asked for by GET or CONNECT",
            ),
        ] {
            let told = refusal(&routes).unwrap_or_else(|| panic!("{routes} is taken"));
            assert!(told.contains(why), "{told}");
            assert!(told.starts_with("route `/a` of service `crm`: "), "{told}");
        }
    }

    #[test]
    fn routes_that_differ_in_what_they_take_are_all_reached() {
        let routes = json!([
            { "path": "/a", "methods": ["GET"], "inspect": "http" },
            { "path": "/a", "methods": ["GET", "POST"], "content_types": ["application/json"],
              "inspect": { "json": { "fields": { "x": "/a/b/c/d" } } },
              "limits": { "depth": 4 } },
            { "path": "/a", "methods": ["GET", "POST"], "inspect": "mcp" },
            { "path": "/a/b", "inspect": "kubernetes", "upgrades": "allow" },
        ]);
        assert_eq!(refusal(&routes), None);
    }
}
