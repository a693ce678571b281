//! Which action a request is: the verb, or what a subresource does that a verb hides.

use super::request_info::RequestInfo;
use super::{unexpected_method, unknown};
use crate::facts::Unparsed;

/// The name of the action.
pub(super) fn of(info: &RequestInfo, method: &str) -> Result<&'static str, Unparsed> {
    if info.verb == "proxy" {
        return Ok("k8s:proxy");
    }
    let verb = info.verb;
    match (info.group.as_str(), info.resource.as_str(), info.subresource.as_str()) {
        ("", "pods", "exec") => stream(method, "k8s:exec"),
        ("", "pods", "attach") => stream(method, "k8s:attach"),
        ("", "pods", "portforward") => stream(method, "k8s:portforward"),
        ("", "pods" | "services" | "nodes", "proxy") => Ok("k8s:proxy"),
        ("", "serviceaccounts", "token") => only(verb, &["create"], "k8s:token"),
        ("", "pods", "eviction") => only(verb, &["create"], "k8s:evict"),
        ("", "pods", "binding") | ("", "bindings", "") => only(verb, &["create"], "k8s:bind"),
        ("", "pods", "ephemeralcontainers") if verb != "get" => {
            only(verb, &["update", "patch"], "k8s:ephemeralcontainers")
        }
        ("certificates.k8s.io", "certificatesigningrequests", "approval") if verb != "get" => {
            only(verb, &["update", "patch"], "k8s:approve")
        }
        ("authorization.k8s.io" | "authentication.k8s.io", resource, "")
            if resource.ends_with("reviews") =>
        {
            only(verb, &["create"], "k8s:review")
        }
        _ => by_verb(verb),
    }
}

/// A stream is opened by GET (WebSocket) or POST (SPDY).
fn stream(method: &str, action: &'static str) -> Result<&'static str, Unparsed> {
    if matches!(method, "GET" | "POST") { Ok(action) } else { Err(unexpected_method()) }
}

fn only(verb: &str, verbs: &[&str], action: &'static str) -> Result<&'static str, Unparsed> {
    if verbs.contains(&verb) { Ok(action) } else { Err(unexpected_method()) }
}

fn by_verb(verb: &str) -> Result<&'static str, Unparsed> {
    match verb {
        "get" => Ok("k8s:get"),
        "list" => Ok("k8s:list"),
        "watch" => Ok("k8s:watch"),
        "create" => Ok("k8s:create"),
        "update" => Ok("k8s:update"),
        "patch" => Ok("k8s:patch"),
        "delete" => Ok("k8s:delete"),
        "deletecollection" => Ok("k8s:deletecollection"),
        _ => Err(unknown("the verb is not known")),
    }
}
