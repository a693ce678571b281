//! Plain HTTP: the method, the path and the query are all there is to know.

use serde_json::Value;

use super::path::NormalPath;
use super::template::{self, Match};
use super::{Reading, RequestHead, query};
use crate::facts::{Action, Attributes, Command, Unparsed, UnparsedCode};

/// The command of one request: its method on its path.
pub(super) fn command(request: &Reading<'_>) -> Result<Command, Unparsed> {
    let RequestHead { method, path, .. } = *request.head;
    let path = NormalPath::parse(path)?;
    let found = template::find(request.paths, &path)?;
    let path = path.into_string();
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
    let resource = match found {
        None => path,
        Some(Match { template, segments }) => {
            attributes.insert("template".to_owned(), Value::from(template.as_str()));
            attributes.insert("segments".to_owned(), segments.into());
            template.as_str().to_owned()
        }
    };
    let query = request.head.query();
    if !query.is_empty() {
        match query::parameters(query) {
            Some(parameters) => {
                attributes.insert("query".to_owned(), query::fields(parameters).into());
            }
            None => drop(attributes.insert("query_unclear".to_owned(), Value::from(true))),
        }
    }
    Ok(Command { action, resource, attributes })
}
