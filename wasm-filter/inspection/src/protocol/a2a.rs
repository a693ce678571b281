//! Agent2Agent, versions 0.2 to 1.0: JSON-RPC 2.0, or REST (HTTP+JSON) told from it by
//! the path; the agent card is read by GET.
//!
//! Version 1.0 is protobuf's JSON, whose readers take a field by its name in camel case
//! and by the one in the `.proto` file, so both are looked for and only one may be there.

mod operation;
mod params;
mod push;
mod rest;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use self::operation::Operation;
use super::jsonrpc::{self, Call, Message, invalid};
use super::path::NormalPath;
use super::{Reading, content, spelling};
use crate::facts::{Action, Attributes, Command, Unparsed, UnparsedCode};
use crate::json::select;
use crate::plan::A2aPlan;

/// The commands of one request.
pub(super) fn commands(plan: &A2aPlan, request: &Reading<'_>) -> Result<Vec<Command>, Unparsed> {
    let mut attributes = Attributes::new();
    if let Some(version) = version(request.head.single("a2a-version")?)? {
        attributes.insert("protocol_version".to_owned(), Value::from(version));
    }
    let path = NormalPath::parse(request.head.path)?;
    if let Some(endpoint) = rest::endpoint(request.head.method, &path)? {
        attributes.insert("binding".to_owned(), Value::from("rest"));
        attributes.insert("path".to_owned(), Value::from(path.as_str()));
        let params = rest::params(&endpoint, request)?;
        return command(plan, endpoint.operation, params, attributes);
    }
    if request.head.method != "POST" {
        return Err(Unparsed::new(
            UnparsedCode::EndpointUnknown,
            "the method and the path are none of the protocol's",
        ));
    }
    attributes.insert("binding".to_owned(), Value::from("jsonrpc"));
    let Call { method, id, params } = call(request)?;
    let operation = Operation::named(&method).ok_or_else(jsonrpc::unknown)?;
    let id = id.ok_or_else(|| invalid("a request needs an `id`"))?;
    attributes.insert("id".to_owned(), id);
    let mut params = params.unwrap_or_default();
    params::settle_task(operation, &method, &mut params)?;
    command(plan, operation, params, attributes)
}

fn call(request: &Reading<'_>) -> Result<Call, Unparsed> {
    if request.body.is_empty() {
        return Err(content::missing());
    }
    match content::json(request)? {
        Value::Array(_) => Err(Unparsed::new(
            UnparsedCode::BatchRefused,
            "a batch, which the protocol does not have",
        )),
        message => match jsonrpc::message(message)? {
            Message::Call(call) => Ok(call),
            Message::Answer { .. } => Err(invalid("clients of agents send no answers")),
        },
    }
}

fn command(
    plan: &A2aPlan,
    operation: &Operation,
    params: Map<String, Value>,
    mut attributes: Attributes,
) -> Result<Vec<Command>, Unparsed> {
    let name = operation.name;
    attributes.insert("method".to_owned(), Value::from(name));
    params::describe(operation, &params, &mut attributes)?;
    let resource = skill(plan, params)?;
    // Every name given here stands in the vocabulary; a test holds that.
    let action = Action::named(&format!("a2a:{name}")).ok_or_else(jsonrpc::unknown)?;
    Ok(vec![Command { action, resource, attributes }])
}

/// The skill that a message names; empty when it names none.
fn skill(plan: &A2aPlan, params: Map<String, Value>) -> Result<String, Unparsed> {
    let params = Value::Object(params);
    let mut skill = String::new();
    for place in &plan.skill_at {
        match select::lookup(&params, place)? {
            None | Some(Value::Null) => {}
            Some(Value::String(name)) if !name.is_empty() => {
                spelling::check(name, "skill")?;
                if !skill.is_empty() && *name != skill {
                    return Err(malformed("the message names two skills"));
                }
                skill.clone_from(name);
            }
            Some(_) => return Err(malformed("the skill is not a string with something in it")),
        }
    }
    Ok(skill)
}

/// The version of the header `A2A-Version`, without the patch, which changes nothing
/// (section 3.6). None or an empty one is 0.3 to servers of 1.0.
fn version(header: Option<&str>) -> Result<Option<&'static str>, Unparsed> {
    let Some(header) = header.filter(|header| !header.is_empty()) else { return Ok(None) };
    for known in ["0.2", "0.3", "1.0"] {
        let patch = header.strip_prefix(known);
        let plain = |patch: &str| {
            patch.is_empty()
                || patch.strip_prefix('.').is_some_and(|digits| digits.parse::<u16>().is_ok())
        };
        if patch.is_some_and(plain) {
            return Ok(Some(known));
        }
    }
    Err(Unparsed::new(
        UnparsedCode::ProtocolVersionUnsupported,
        "the version of the protocol is not one that is read here",
    ))
}

fn malformed(why: &str) -> Unparsed {
    Unparsed::new(UnparsedCode::FieldMalformed, why)
}
