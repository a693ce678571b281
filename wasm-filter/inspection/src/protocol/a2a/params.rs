//! What the parameters of an operation say: those of JSON-RPC, and the body of REST,
//! which has the same members.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::super::jsonrpc::{invalid, member};
use super::super::{spelling, uri};
use super::operation::{Kind, Operation};
use super::{malformed, push};
use crate::facts::{Attributes, Unparsed, UnparsedCode};

type Object = Map<String, Value>;

/// Brings the id of the task to the member `taskId`, from where the method has it.
///
/// The methods of 0.3 on tasks, and all of 1.0 but those on push notifications, have it
/// in `id`, where 1.0 has the configuration's id in the others. Some agents take either.
pub(super) fn settle_task(
    operation: &Operation,
    method: &str,
    params: &mut Object,
) -> Result<(), Unparsed> {
    let in_id = match operation.kind {
        Kind::Task => true,
        Kind::Push => method.contains('/'),
        _ => return Ok(()),
    };
    let task = text(params, "taskId", "task_id")?;
    let id = if in_id { text(params, "id", "id")? } else { None };
    let settled = match (id, task) {
        (Some(id), Some(task)) if id != task => {
            return Err(malformed("the parameters name two tasks"));
        }
        (Some(id), _) => id,
        (None, task) => task.ok_or_else(|| invalid("the parameters name no task"))?,
    };
    params.remove("task_id");
    params.insert("taskId".to_owned(), Value::from(settled));
    Ok(())
}

/// Writes what the parameters say.
pub(super) fn describe(
    operation: &Operation,
    params: &Object,
    attributes: &mut Attributes,
) -> Result<(), Unparsed> {
    write(attributes, "tenant", text(params, "tenant", "tenant")?);
    let mut pushed = Vec::new();
    match operation.kind {
        Kind::Message => {
            message(params, attributes)?;
            if let Some(configuration) = object(params, "configuration", "configuration")? {
                blocking(configuration, attributes)?;
                push::urls(configuration, &mut pushed)?;
            }
        }
        Kind::Task | Kind::Push => {
            write(attributes, "task_id", text(params, "taskId", "task_id")?);
        }
        Kind::SetPush => {
            write(attributes, "task_id", text(params, "taskId", "task_id")?);
            push::urls(params, &mut pushed)?;
            if pushed.is_empty() {
                return Err(malformed("the push notification configuration has no `url`"));
            }
        }
        Kind::Tasks => write(attributes, "context_id", text(params, "contextId", "context_id")?),
        Kind::Agent => {}
    }
    push::describe(&pushed, attributes)
}

fn message(params: &Object, attributes: &mut Attributes) -> Result<(), Unparsed> {
    // The name of the field in the `.proto` file of 0.3.
    if member(params, "request")?.is_some() {
        return Err(malformed("the message is in `request`"));
    }
    let message = object(params, "message", "message")?
        .ok_or_else(|| invalid("the parameters have no `message`"))?;
    write(attributes, "task_id", text(message, "taskId", "task_id")?);
    write(attributes, "context_id", text(message, "contextId", "context_id")?);
    let references = either(message, "referenceTaskIds", "reference_task_ids")?;
    if let Some(references) = references {
        attributes.insert("reference_task_ids".to_owned(), Value::from(texts(references)?));
    }
    // The field's name in the REST binding of 0.3.
    let Some(Value::Array(parts)) = either(message, "parts", "content")? else {
        return Err(invalid("the message has no list of `parts`"));
    };
    let mut read = Parts::default();
    for (index, part) in parts.iter().enumerate() {
        let part = part.as_object().ok_or_else(|| malformed("a part is not an object"))?;
        read.part(index, part)?;
    }
    read.write(attributes);
    Ok(())
}

/// Whether the answer waits for the task's end, where the request says it.
fn blocking(configuration: &Object, attributes: &mut Attributes) -> Result<(), Unparsed> {
    let blocking = boolean(configuration, "blocking", "blocking")?;
    let immediately = boolean(configuration, "returnImmediately", "return_immediately")?;
    let blocking = match (blocking, immediately) {
        (Some(blocking), Some(immediately)) if blocking == immediately => {
            return Err(malformed("the configuration both waits and does not"));
        }
        (Some(blocking), _) => blocking,
        (None, Some(immediately)) => !immediately,
        (None, None) => return Ok(()),
    };
    attributes.insert("blocking".to_owned(), Value::Bool(blocking));
    Ok(())
}

/// What the parts of a message are.
#[derive(Default)]
struct Parts {
    kinds: BTreeSet<&'static str>,
    schemes: BTreeSet<String>,
    hosts: BTreeSet<String>,
    /// Structured data by the part's place.
    data: Object,
}

impl Parts {
    /// A part has one content: `text`, `data`, a file of 0.3 in `file`, or one of 1.0 in
    /// `raw` or `url`.
    fn part(&mut self, index: usize, part: &Object) -> Result<(), Unparsed> {
        let mut found = Vec::new();
        for (key, kind) in [("text", "text"), ("data", "data"), ("raw", "file"), ("url", "file")] {
            if let Some(value) = either(part, key, key)? {
                found.push((kind, key, value));
            }
        }
        if let Some(file) = object(part, "file", "file")? {
            found.push(self::file(file)?);
        }
        let [(kind, key, value)] = found.as_slice() else {
            return Err(malformed("a part has not exactly one content"));
        };
        for discriminator in ["kind", "type"] {
            if text(part, discriminator, discriminator)?.is_some_and(|said| said != *kind) {
                return Err(malformed("a part says that it is of another kind than it is"));
            }
        }
        match (*key, value) {
            ("data", value) => {
                self.kinds.insert("data");
                self.data.insert(index.to_string(), (*value).clone());
            }
            ("text", Value::String(_)) => {
                self.kinds.insert("text");
            }
            ("raw", Value::String(_)) => {
                self.kinds.insert("file_bytes");
            }
            ("url", Value::String(url)) => self.uri(url)?,
            _ => return Err(malformed("the content of a part is not a string")),
        }
        Ok(())
    }

    fn uri(&mut self, text: &str) -> Result<(), Unparsed> {
        let uri = uri::parse(text).map_err(|why| {
            Unparsed::new(
                UnparsedCode::FieldMalformed,
                format!("the URI of a file can be read in more than one way: {why}"),
            )
        })?;
        self.kinds.insert("file_uri");
        self.schemes.insert(uri.scheme);
        self.hosts.extend(uri.host);
        Ok(())
    }

    fn write(self, attributes: &mut Attributes) {
        let kinds: Vec<_> = self.kinds.into_iter().collect();
        attributes.insert("part_kinds".to_owned(), Value::from(kinds));
        for (name, set) in [("file_schemes", self.schemes), ("file_hosts", self.hosts)] {
            if !set.is_empty() {
                let set: Vec<String> = set.into_iter().collect();
                attributes.insert(name.to_owned(), Value::from(set));
            }
        }
        if !self.data.is_empty() {
            attributes.insert("data".to_owned(), Value::Object(self.data));
        }
    }
}

/// The content of a file of 0.3, by the kind and the name that it has as a part of 1.0.
fn file(file: &Object) -> Result<(&'static str, &'static str, &Value), Unparsed> {
    let mut found = Vec::new();
    for (camel, snake, key) in [
        ("bytes", "bytes", "raw"),
        ("fileWithBytes", "file_with_bytes", "raw"),
        ("uri", "uri", "url"),
        ("fileWithUri", "file_with_uri", "url"),
    ] {
        if let Some(value) = either(file, camel, snake)? {
            found.push((key, value));
        }
    }
    match found.as_slice() {
        [(key, value)] => Ok(("file", key, value)),
        _ => Err(malformed("a file has not exactly one content")),
    }
}

fn write(attributes: &mut Attributes, name: &str, value: Option<String>) {
    if let Some(value) = value {
        attributes.insert(name.to_owned(), Value::from(value));
    }
}

/// The member by one name or the other, of which only one may be there; null is none.
pub(super) fn either<'v>(
    object: &'v Object,
    name: &str,
    other: &str,
) -> Result<Option<&'v Value>, Unparsed> {
    let value = member(object, name)?.filter(|value| !value.is_null());
    if name == other {
        return Ok(value);
    }
    let second = member(object, other)?.filter(|value| !value.is_null());
    if value.is_some() && second.is_some() {
        return Err(Unparsed::new(
            UnparsedCode::JsonKeyAmbiguous,
            format!("both `{name}` and `{other}` are there, which are one"),
        ));
    }
    Ok(value.or(second))
}

pub(super) fn object<'v>(
    object: &'v Object,
    name: &str,
    other: &str,
) -> Result<Option<&'v Object>, Unparsed> {
    match either(object, name, other)? {
        None => Ok(None),
        Some(Value::Object(value)) => Ok(Some(value)),
        Some(_) => Err(malformed(&format!("`{name}` is not an object"))),
    }
}

/// A string with something in it: an empty one is none in protobuf's JSON.
pub(super) fn text(object: &Object, name: &str, other: &str) -> Result<Option<String>, Unparsed> {
    match either(object, name, other)? {
        None => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => {
            spelling::check(text, name)?;
            Ok(Some(text.clone()))
        }
        Some(_) => Err(malformed(&format!("`{name}` is not a string"))),
    }
}

fn boolean(object: &Object, name: &str, other: &str) -> Result<Option<bool>, Unparsed> {
    match either(object, name, other)? {
        None => Ok(None),
        Some(Value::Bool(value)) => Ok(Some(*value)),
        Some(_) => Err(malformed(&format!("`{name}` is not true or false"))),
    }
}

fn texts(value: &Value) -> Result<Vec<String>, Unparsed> {
    let items = value.as_array().ok_or_else(|| malformed("a list was expected"))?;
    let texts: Option<BTreeSet<String>> =
        items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
    let texts = texts.ok_or_else(|| malformed("a list of strings was expected"))?;
    Ok(texts.into_iter().collect())
}
