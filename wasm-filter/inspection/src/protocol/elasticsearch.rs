//! The REST API of Elasticsearch and OpenSearch: method and path say what is done, and
//! indices are named in the path, in the body, and inside queries.
//!
//! An endpoint that does not stand in the table is not read. Neither are the parameters
//! that the server would take for a part of the path or for the body.

mod bodies;
mod bulk;
mod call;
mod endpoint;
mod index;
mod query;
mod scan;
#[cfg(test)]
mod tests;

use self::call::Call;
use self::endpoint::{Body, Operation};
use super::Reading;
use crate::facts::{Command, Unparsed, UnparsedCode};
use crate::plan::ElasticsearchPlan;

/// The commands of one request.
pub(super) fn commands(
    _: &ElasticsearchPlan,
    request: &Reading<'_>,
) -> Result<Vec<Command>, Unparsed> {
    let mut call = Call::of(request)?;
    let segments = std::mem::take(&mut call.segments);
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let operation = endpoint::find(request.head.method, &segments)
        .ok_or_else(|| endpoint::unknown(&segments))?;
    call.describe(&operation)?;
    read(&mut call, &operation)?;
    let commands = call.into_commands();
    // An empty list of documents or actions.
    if commands.is_empty() { Err(malformed("the request does nothing")) } else { Ok(commands) }
}

fn read(call: &mut Call<'_>, operation: &Operation<'_>) -> Result<(), Unparsed> {
    match operation.body {
        Body::None => {
            call.no_body()?;
            call.on(operation.action, operation.index)
        }
        Body::Any => {
            call.json()?;
            call.on(operation.action, operation.index)
        }
        Body::Document => {
            call.object()?;
            call.on(operation.action, operation.index)
        }
        Body::Search => bodies::search(call, operation),
        Body::ByQuery => bodies::by_query(call, operation),
        Body::Update => bodies::update(call, operation),
        Body::Bulk => bulk::bulk(call, operation.index),
        Body::MultiSearch => bulk::multi_search(call, operation.index),
        Body::MultiGet => bodies::multi_get(call, operation.index),
        Body::Reindex => bodies::reindex(call),
        Body::Aliases => bodies::aliases(call),
        Body::Alias => bodies::alias(call, operation),
        Body::Create => bodies::create(call, operation),
        Body::Resize => bodies::resize(call, operation),
        Body::Template => bodies::template(call, operation),
        Body::Snapshot => bodies::snapshot(call, operation),
        Body::Enrich => bodies::enrich(call, operation),
    }
}

fn malformed(why: impl Into<String>) -> Unparsed {
    Unparsed::new(UnparsedCode::FieldMalformed, why)
}
