//! Plain HTTP: the method and the path are all there is to know.

use serde_json::Value;

use super::path::NormalPath;
use crate::facts::{Action, Attributes, Command, Facts, Protocol, Unparsed, UnparsedCode};

/// The facts of a request whose body is not read: its method on its path (the
/// `:path` header, query included).
pub fn http_facts(method: &str, path: &str) -> Facts {
    match command(method, path) {
        Ok(command) => Facts::parsed(Protocol::Http, vec![command]),
        Err(unparsed) => Facts::unparsed(Protocol::Http, unparsed),
    }
}

pub(super) fn command(method: &str, path: &str) -> Result<Command, Unparsed> {
    let path = NormalPath::parse(path)?.into_string();
    let name = match method {
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
