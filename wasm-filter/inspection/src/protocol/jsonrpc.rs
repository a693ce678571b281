//! One JSON-RPC 2.0 message, with exactly the members that JSON-RPC names: another
//! member, or a known one in another case, might be what the server reads.

use serde_json::{Map, Value};

use crate::facts::{Unparsed, UnparsedCode};
use crate::json::select;

/// A message.
pub(super) enum Message {
    /// A request, or without an id a notification.
    Call(Call),
    /// An answer to a request of the other side.
    Answer {
        /// The id of what is answered.
        id: Value,
        /// The answer.
        outcome: Outcome,
    },
}

/// A request or a notification.
pub(super) struct Call {
    /// The method.
    pub(super) method: String,
    /// A string or an integer; none in a notification.
    pub(super) id: Option<Value>,
    /// The parameters: by name only.
    pub(super) params: Option<Map<String, Value>>,
}

/// What an answer says.
pub(super) enum Outcome {
    /// The request was done.
    Result(Value),
    /// It was not.
    Error,
}

/// Reads one message.
pub(super) fn message(message: Value) -> Result<Message, Unparsed> {
    let Value::Object(mut message) = message else {
        return Err(invalid("the message is not an object"));
    };
    if message.remove("jsonrpc").as_ref().and_then(Value::as_str) != Some("2.0") {
        return Err(invalid("`jsonrpc` is not \"2.0\""));
    }
    let id = match message.remove("id") {
        None => None,
        Some(id) if id.is_string() || id.is_i64() || id.is_u64() => Some(id),
        Some(_) => return Err(invalid("`id` is neither a string nor an integer")),
    };
    let read = match message.remove("method") {
        None => answer(&mut message, id)?,
        Some(Value::String(method)) => {
            let params = match message.remove("params") {
                None => None,
                Some(Value::Object(params)) => Some(params),
                Some(_) => return Err(invalid("`params` is not an object")),
            };
            Message::Call(Call { method, id, params })
        }
        Some(_) => return Err(invalid("`method` is not a string")),
    };
    if message.is_empty() {
        Ok(read)
    } else {
        Err(invalid("the message has a member that JSON-RPC does not name"))
    }
}

fn answer(message: &mut Map<String, Value>, id: Option<Value>) -> Result<Message, Unparsed> {
    let id = id.ok_or_else(|| invalid("the message has neither `method` nor `id`"))?;
    let outcome = match (message.remove("result"), message.remove("error")) {
        (Some(result), None) => Outcome::Result(result),
        (None, Some(Value::Object(_))) => Outcome::Error,
        _ => return Err(invalid("an answer has a `result` or an `error` object")),
    };
    Ok(Message::Answer { id, outcome })
}

/// The member `key`; an error if another one differs from it in case only.
pub(super) fn member<'v>(
    object: &'v Map<String, Value>,
    key: &str,
) -> Result<Option<&'v Value>, Unparsed> {
    select::only_spelling(object, key)?;
    Ok(object.get(key))
}

/// The message is not one of JSON-RPC, or not one of the protocol over it.
pub(super) fn invalid(why: &str) -> Unparsed {
    Unparsed::new(UnparsedCode::JsonRpcInvalid, why)
}

/// The method is none of the protocol's.
pub(super) fn unknown() -> Unparsed {
    Unparsed::new(UnparsedCode::MethodUnknown, "the method is not known")
}
