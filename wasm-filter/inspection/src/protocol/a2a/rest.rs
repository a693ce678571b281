//! The REST binding: the operation from the method and the end of the path, whatever it
//! begins with (1.0: an agent's base and a tenant; 0.3: `/v1`).

use serde_json::{Map, Value};

use super::super::jsonrpc::invalid;
use super::super::path::{NormalPath, form_decode};
use super::super::{Reading, content};
use super::operation::{self, Kind, Operation};
use super::params::text;
use crate::facts::{Unparsed, UnparsedCode};

/// What a path asks for.
pub(super) struct Endpoint {
    pub(super) operation: &'static Operation,
    /// The task in the path.
    task: Option<String>,
}

/// The endpoint of a request; none when its path is none of the binding's.
pub(super) fn endpoint(method: &str, path: &NormalPath<'_>) -> Result<Option<Endpoint>, Unparsed> {
    let segments: Vec<&str> = path.as_str().split('/').skip(1).collect();
    let found = find(method, &segments);
    let tasks = segments.iter().filter(|segment| segment.eq_ignore_ascii_case("tasks")).count();
    if found.as_ref().is_some_and(|found| found.operation.kind != Kind::Agent) && tasks > 1 {
        return Err(Unparsed::new(
            UnparsedCode::PathAmbiguous,
            "the path has `tasks` in it more than once",
        ));
    }
    // Routers that do not mind case, or an operation that is not known, would do
    // something else with what is then read as JSON-RPC.
    if found.is_none() && (tasks > 0 || segments.last().is_some_and(|last| last.contains(':'))) {
        return Err(Unparsed::new(
            UnparsedCode::EndpointUnknown,
            "the path looks like one of the REST binding and is none",
        ));
    }
    Ok(found)
}

fn find(method: &str, segments: &[&str]) -> Option<Endpoint> {
    let (operation, task) = match (method, segments) {
        ("POST", [.., "message:send"]) => (&operation::SEND, None),
        ("POST", [.., "message:stream"]) => (&operation::STREAM, None),
        ("GET", [.., ".well-known", "agent-card.json" | "agent.json"]) => (&operation::CARD, None),
        (
            "GET",
            [.., "extendedAgentCard"]
            | [.., "v1", "card"]
            | [.., "agent", "authenticatedExtendedCard"],
        ) => (&operation::EXTENDED_CARD, None),
        ("GET", [.., "tasks"]) => (&operation::LIST, None),
        (_, [.., "tasks", task]) => return of_task(method, task),
        ("GET", [.., "tasks", task, "pushNotificationConfigs"]) => {
            (&operation::LIST_PUSH, Some(*task))
        }
        ("POST", [.., "tasks", task, "pushNotificationConfigs"]) => {
            (&operation::SET_PUSH, Some(*task))
        }
        ("GET", [.., "tasks", task, "pushNotificationConfigs", id]) if !id.is_empty() => {
            (&operation::GET_PUSH, Some(*task))
        }
        ("DELETE", [.., "tasks", task, "pushNotificationConfigs", id]) if !id.is_empty() => {
            (&operation::DELETE_PUSH, Some(*task))
        }
        _ => return None,
    };
    if task.is_some_and(|task| task.is_empty() || task.contains(':')) {
        return None;
    }
    Some(Endpoint { operation, task: task.map(str::to_owned) })
}

/// `{id}`, `{id}:cancel` or `{id}:subscribe`.
fn of_task(method: &str, segment: &str) -> Option<Endpoint> {
    let (task, verb) = segment.split_once(':').unwrap_or((segment, ""));
    let operation = match (method, verb) {
        ("GET", "") if task == segment => &operation::GET,
        ("POST", "cancel") => &operation::CANCEL,
        // Version 1.0 has GET, 0.3 had POST.
        ("GET" | "POST", "subscribe") => &operation::SUBSCRIBE,
        _ => return None,
    };
    (!task.is_empty()).then(|| Endpoint { operation, task: Some(task.to_owned()) })
}

/// The parameters: the body, and what the path and the query say.
pub(super) fn params(
    endpoint: &Endpoint,
    request: &Reading<'_>,
) -> Result<Map<String, Value>, Unparsed> {
    let mut params = body(endpoint, request)?;
    if let Some(task) = &endpoint.task {
        let keys: &[(&str, &str)] = match endpoint.operation.kind {
            Kind::Task => &[("id", "id"), ("taskId", "task_id")],
            _ => &[("taskId", "task_id")],
        };
        for (name, other) in keys {
            if text(&params, name, other)?.is_some_and(|said| said != *task) {
                return Err(Unparsed::new(
                    UnparsedCode::HeaderMismatch,
                    "the path and the body name two tasks",
                ));
            }
        }
        params.remove("task_id");
        params.insert("taskId".to_owned(), Value::from(task.as_str()));
    }
    if endpoint.operation.kind == Kind::Tasks {
        query(request.head.query(), &mut params)?;
    }
    Ok(params)
}

fn body(endpoint: &Endpoint, request: &Reading<'_>) -> Result<Map<String, Value>, Unparsed> {
    let needed = matches!(endpoint.operation.kind, Kind::Message | Kind::SetPush);
    match (request.head.method, request.body.is_empty()) {
        ("POST", true) if needed => Err(content::missing()),
        (_, true) => Ok(Map::new()),
        ("POST", false) => match content::json(request)? {
            Value::Object(body) => Ok(body),
            _ => Err(invalid("the body is not an object")),
        },
        _ => Err(Unparsed::new(
            UnparsedCode::MethodUnexpected,
            "a request by GET or DELETE has a body",
        )),
    }
}

/// Takes the context and the tenant from the query, each of them there once at most.
fn query(query: &str, params: &mut Map<String, Value>) -> Result<(), Unparsed> {
    let malformed = || Unparsed::new(UnparsedCode::FieldMalformed, "the query is not well-formed");
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decode(name).ok_or_else(malformed)?;
        let key = match name.to_ascii_lowercase().replace('_', "").as_str() {
            "contextid" => "contextId",
            "tenant" => "tenant",
            _ => continue,
        };
        if params.contains_key(key) {
            return Err(Unparsed::new(
                UnparsedCode::FieldMalformed,
                format!("the query has `{key}` more than once"),
            ));
        }
        params.insert(key.to_owned(), Value::from(decode(value).ok_or_else(malformed)?));
    }
    Ok(())
}

fn decode(text: &str) -> Option<String> {
    String::from_utf8(form_decode(text.as_bytes())?).ok()
}
