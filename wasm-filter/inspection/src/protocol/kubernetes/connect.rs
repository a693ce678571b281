//! Streams into a pod: exec, attach, portforward. All that is said of them is in the
//! query; what goes through is not read.

use serde_json::{Map, Value};

use super::super::{RequestHead, shell};
use super::query::Query;
use super::request_info::RequestInfo;
use super::{malformed, write};
use crate::facts::{Attributes, Command, Unparsed, UnparsedCode};
use crate::plan::Limits;

/// Whether the action opens a stream into a pod.
pub(super) fn is_stream(action: &str) -> bool {
    matches!(action, "k8s:exec" | "k8s:attach" | "k8s:portforward")
}

/// Kubernetes upgrades to SPDY/3.1 and to WebSocket, to nothing else.
pub(super) fn check_upgrade(head: &RequestHead<'_>) -> Result<(), Unparsed> {
    let known = ["SPDY/3.1", "websocket"];
    match head.single("upgrade")? {
        Some(to) if !known.iter().any(|known| to.eq_ignore_ascii_case(known)) => {
            Err(Unparsed::new(
                UnparsedCode::MethodUnexpected,
                "the request asks for an upgrade that Kubernetes does not have",
            ))
        }
        _ => Ok(()),
    }
}

/// Writes what the query says of the stream.
pub(super) fn describe(
    info: &RequestInfo,
    query: &Query,
    attributes: &mut Attributes,
) -> Result<(), Unparsed> {
    if info.subresource == "portforward" {
        return Ok(());
    }
    for name in ["stdin", "tty"] {
        write(attributes, name, query.flag(name)?);
    }
    if let Some(container) = query.once("container")?.filter(|container| !container.is_empty()) {
        write(attributes, "container", container);
    }
    if info.subresource != "exec" {
        return Ok(());
    }
    let arguments = query.all("command")?;
    let program = arguments.first().filter(|program| !program.is_empty());
    write(attributes, "program", *program.ok_or_else(|| malformed("no command is named"))?);
    let mut by_place = Map::new();
    for (place, argument) in arguments.iter().enumerate() {
        by_place.insert(place.to_string(), Value::from(*argument));
    }
    write(attributes, "arguments", by_place);
    Ok(())
}

/// The programs that an exec runs; none for other commands.
pub(super) fn programs(
    command: &Command,
    query: &Query,
    limits: &Limits,
) -> Result<Vec<Command>, Unparsed> {
    if command.action.name() != "k8s:exec" {
        return Ok(Vec::new());
    }
    shell::of_arguments(&query.all("command")?, limits)
}
