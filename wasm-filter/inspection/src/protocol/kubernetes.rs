//! The Kubernetes API: what Kubernetes itself would authorize, and what of a pod or a
//! role would be made.
//!
//! The path and the method are read as `kube-apiserver` reads them (`RequestInfo` in
//! `k8s.io/apiserver/pkg/endpoints/request`); the query as Go's `net/url` and the
//! conversions of `k8s.io/apimachinery` do, with what is there twice refused.

mod action;
mod body;
mod connect;
mod discovery;
mod json_patch;
#[cfg(all(test, not(target_arch = "wasm32")))]
mod laws;
mod node;
mod options;
mod pod;
mod query;
mod rbac;
mod request_info;
mod selector;
#[cfg(test)]
mod tests;

use serde_json::Value;

use self::query::Query;
use self::request_info::RequestInfo;
use super::Reading;
use super::path::NormalPath;
use crate::facts::{Action, Attributes, Command, Unparsed, UnparsedCode};
use crate::plan::KubernetesPlan;

/// The commands of one request: its own, and the programs that `exec` runs.
pub(super) fn commands(
    plan: &KubernetesPlan,
    request: &Reading<'_>,
) -> Result<Vec<Command>, Unparsed> {
    let query = Query::parse(request.head.query())?;
    let command = command(plan, request, &query)?;
    let mut commands = connect::programs(&command, &query, request.limits)?;
    commands.insert(0, command);
    Ok(commands)
}

/// What the request does to the API.
fn command(
    plan: &KubernetesPlan,
    request: &Reading<'_>,
    query: &Query,
) -> Result<Command, Unparsed> {
    refuse_another_reader(request)?;
    let path = NormalPath::parse(request.head.path)?;
    let path = below(plan.prefix.as_deref(), path.as_str())?;
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let Some(info) = RequestInfo::parse(request.head.method, &segments, query)? else {
        return discovery::command(request, path, &segments);
    };
    let name = action::of(&info, request.head.method)?;
    let mut attributes = info.attributes();
    if connect::is_stream(name) {
        connect::check_upgrade(request.head)?;
        connect::describe(&info, query, &mut attributes)?;
    } else {
        refuse_tunnel(request)?;
        options::describe(&info, request, query, &mut attributes)?;
        if name != "k8s:proxy" {
            body::describe(&info, request, &mut attributes)?;
        }
    }
    Ok(Command { action: named(name)?, resource: info.id(), attributes })
}

/// Headers by which the request would be done as somebody else, and a content encoding,
/// which the API server leaves as it is.
fn refuse_another_reader(request: &Reading<'_>) -> Result<(), Unparsed> {
    let mut names = request.head.headers.iter().map(|(name, _)| *name);
    if names.any(super::head::is_somebody_else) {
        return Err(Unparsed::new(
            UnparsedCode::HeaderMismatch,
            "a header says that the request is somebody else's (`impersonate-*`, `x-remote-*`)",
        ));
    }
    match request.head.header("content-encoding") {
        Some(coding) if !coding.trim().eq_ignore_ascii_case("identity") => Err(Unparsed::new(
            UnparsedCode::EncodingUnsupported,
            "the API server does not decode the content encoding of requests",
        )),
        _ => Ok(()),
    }
}

fn refuse_tunnel(request: &Reading<'_>) -> Result<(), Unparsed> {
    if request.head.asks_for_tunnel() {
        return Err(Unparsed::new(
            UnparsedCode::MethodUnexpected,
            "the request asks for a tunnel that is none of exec, attach and portforward",
        ));
    }
    Ok(())
}

/// The path below the one at which the API is mounted.
fn below<'p>(prefix: Option<&str>, path: &'p str) -> Result<&'p str, Unparsed> {
    let prefix = prefix.unwrap_or_default().trim_end_matches('/');
    let rest = path.strip_prefix(prefix).filter(|rest| rest.starts_with('/'));
    rest.ok_or_else(|| unknown("the path is not below the configured prefix"))
}

fn named(action: &str) -> Result<Action, Unparsed> {
    // Every name given here stands in the vocabulary; a test holds that.
    Action::named(action).ok_or_else(|| unknown("the action is not in the vocabulary"))
}

fn unknown(why: &str) -> Unparsed {
    Unparsed::new(UnparsedCode::EndpointUnknown, why)
}

fn malformed(why: impl Into<String>) -> Unparsed {
    Unparsed::new(UnparsedCode::FieldMalformed, why)
}

fn unexpected_method() -> Unparsed {
    Unparsed::new(UnparsedCode::MethodUnexpected, "the path does not take the method")
}

fn write(attributes: &mut Attributes, name: &str, value: impl Into<Value>) {
    attributes.insert(name.to_owned(), value.into());
}
