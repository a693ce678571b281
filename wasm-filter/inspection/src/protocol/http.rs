//! Plain HTTP: the method and the path are all there is to know.

use serde_json::Value;

use super::path::NormalPath;
use super::{Reading, RequestHead};
use crate::facts::{Action, Attributes, Command, Unparsed, UnparsedCode};

/// The command of one request: its method on its path.
pub(super) fn command(request: &Reading<'_>) -> Result<Command, Unparsed> {
    let RequestHead { method, path, .. } = *request.head;
    let path = NormalPath::parse(path)?.into_string();
    let name = match method {
        _ if request.head.asks_for_tunnel() => "http:upgrade",
        "GET" => "http:get",
        "HEAD" => "http:head",
        "OPTIONS" => "http:options",
        "POST" => "http:post",
        "PUT" => "http:put",
        "PATCH" => "http:patch",
        "DELETE" => "http:delete",
        // Methods have case (RFC 9110 section 9.1), and there are upstreams that
        // do not mind: to them `delete` is DELETE, to others it is nothing.
        other if other.bytes().any(|byte| byte.is_ascii_lowercase()) => {
            return Err(Unparsed::new(
                UnparsedCode::MethodUnexpected,
                "the method is not in upper case",
            ));
        }
        _ => "http:other",
    };
    let action = Action::named(name).ok_or_else(|| {
        Unparsed::new(UnparsedCode::MethodUnexpected, "the method is not in the vocabulary")
    })?;
    let mut attributes = Attributes::new();
    attributes.insert("method".to_owned(), Value::from(method));
    attributes.insert("path".to_owned(), Value::from(path.as_str()));
    Ok(Command { action, resource: path, attributes })
}
