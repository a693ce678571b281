//! Which revision of the protocol a request is of.
//!
//! The stateless revision says so twice, in `MCP-Protocol-Version` and in the message.
//! Of the older ones `initialize` offers one in the message, and what follows says it in
//! the header since 2025-06-18. A request that says nothing belongs to a session that
//! began with some revision before: it is read as those are, which is alike but for
//! batches.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::jsonrpc::{Message, invalid, member};
use crate::facts::{Unparsed, UnparsedCode};
use crate::plan::{McpPlan, McpRevision};

/// Where a message of the stateless revision says its revision.
const IN_META: &str = "io.modelcontextprotocol/protocolVersion";

/// The revision of a request with one message; none when only its session knows.
pub(super) fn of_message(
    plan: &McpPlan,
    header: Option<&str>,
    message: &Message,
) -> Result<Option<McpRevision>, Unparsed> {
    let said = said(message)?;
    let Some(header) = header else {
        return match said {
            Said { meta: Some(_), .. } => {
                Err(mismatch("the message says its revision, and no `MCP-Protocol-Version` does"))
            }
            Said { offered: Some(offered), .. } => taken(plan, offered).map(Some),
            Said { meta: None, offered: None } => of_session(plan, None),
        };
    };
    let revision = taken(plan, header)?;
    agrees(message, revision)?;
    let request = matches!(message, Message::Call(call) if call.id.is_some());
    if revision.is_stateless() && request && said.meta.is_none() {
        return Err(mismatch("`MCP-Protocol-Version` names a revision that the message does not"));
    }
    Ok(Some(revision))
}

/// The revision of a request without a message: there is a session.
pub(super) fn of_session(
    plan: &McpPlan,
    header: Option<&str>,
) -> Result<Option<McpRevision>, Unparsed> {
    if let Some(header) = header {
        return taken(plan, header).map(Some);
    }
    if plan.revisions.iter().all(|revision| revision.is_stateless()) {
        return Err(mismatch("`MCP-Protocol-Version` is missing"));
    }
    Ok(None)
}

/// The revision of a batch. Its revision had no header for that yet.
pub(super) fn of_batch(plan: &McpPlan, header: Option<&str>) -> Result<McpRevision, Unparsed> {
    let batches = McpRevision::V2025_03_26;
    let named = header.map_or(Ok(batches), |header| taken(plan, header))?;
    if named == batches && plan.revisions.contains(&batches) {
        return Ok(batches);
    }
    Err(Unparsed::new(
        UnparsedCode::BatchRefused,
        "a batch, which of all revisions only 2025-03-26 has",
    ))
}

/// An error if the message says that it is of another revision.
pub(super) fn agrees(message: &Message, revision: McpRevision) -> Result<(), Unparsed> {
    let Said { meta, offered } = said(message)?;
    if [meta, offered].into_iter().flatten().any(|said| said != revision.name()) {
        return Err(mismatch("`MCP-Protocol-Version` and the message name two revisions"));
    }
    Ok(())
}

/// What a message says of its revision.
#[derive(Clone, Copy)]
struct Said<'m> {
    /// In `_meta`.
    meta: Option<&'m str>,
    /// As the one that `initialize` offers.
    offered: Option<&'m str>,
}

fn said(message: &Message) -> Result<Said<'_>, Unparsed> {
    let mut said = Said { meta: None, offered: None };
    let Message::Call(call) = message else { return Ok(said) };
    let params = call.params.as_ref();
    if call.method == "initialize" {
        let offered = params.map(|params| member(params, "protocolVersion")).transpose()?.flatten();
        let offered = offered.and_then(Value::as_str);
        said.offered = Some(offered.ok_or_else(|| invalid("`initialize` offers no revision"))?);
    }
    let meta = params.map(|params| member(params, "_meta")).transpose()?.flatten();
    match meta {
        None => {}
        Some(Value::Object(meta)) => match member(meta, IN_META)? {
            None => {}
            Some(Value::String(version)) => said.meta = Some(version),
            Some(_) => return Err(invalid("the revision in `_meta` is not a string")),
        },
        Some(_) => return Err(invalid("`_meta` is not an object")),
    }
    Ok(said)
}

/// The revision of that name, if the plan takes it.
fn taken(plan: &McpPlan, name: &str) -> Result<McpRevision, Unparsed> {
    let revisions: &BTreeSet<McpRevision> = &plan.revisions;
    McpRevision::named(name).filter(|revision| revisions.contains(revision)).ok_or_else(|| {
        Unparsed::new(
            UnparsedCode::ProtocolVersionUnsupported,
            "the revision of the protocol is not one that is taken here",
        )
    })
}

fn mismatch(why: &str) -> Unparsed {
    Unparsed::new(UnparsedCode::HeaderMismatch, why)
}
