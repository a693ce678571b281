//! What the parameters of a method say.

use serde_json::{Map, Value};

use super::super::jsonrpc::{invalid, member};
use super::super::spelling;
use super::super::uri::{self, Uri};
use super::answer;
use super::method::{Kind, Method};
use crate::facts::{Attributes, Unparsed, UnparsedCode};
use crate::json::select;

/// What the parameters of a method say.
#[derive(Default)]
pub(super) struct Params {
    /// What it acts on; empty for the server as a whole.
    pub(super) resource: String,
    /// What is said of it besides.
    pub(super) attributes: Attributes,
    /// What `Mcp-Name` repeats, as it is written.
    pub(super) named: Option<String>,
    /// The tool that is called.
    pub(super) tool: Option<String>,
    /// The resources whose changes the client wants to hear of.
    pub(super) watched: Vec<Uri>,
}

impl Params {
    /// Reads `params`, and takes the arguments of a tool or a prompt out of them, which
    /// become an attribute.
    pub(super) fn read(
        method: &Method,
        mut params: Option<&mut Map<String, Value>>,
    ) -> Result<Self, Unparsed> {
        let mut read = Self::default();
        if let (Kind::Tool | Kind::Prompt, Some(params)) = (method.kind, &mut params) {
            read.arguments(params)?;
        }
        let params = params.map(|params| &*params);
        match method.kind {
            Kind::Tool => {
                let params = needed(params)?;
                read.resource = read.name(params, "name")?;
                read.tool = Some(read.resource.clone());
                read.text("tool", &read.resource.clone());
                if member(params, "task")?.is_some() {
                    read.attributes.insert("task".to_owned(), Value::Bool(true));
                }
            }
            Kind::Prompt => {
                let params = needed(params)?;
                read.resource = read.name(params, "name")?;
                read.text("prompt", &read.resource.clone());
            }
            Kind::Resource => {
                let uri = text(needed(params)?, "uri")?;
                read.named = Some(uri.to_owned());
                let uri = parse(uri)?;
                describe(&uri, &mut read.attributes);
                read.resource = uri.normal;
            }
            Kind::Task => {
                let task = read.name(needed(params)?, "taskId")?;
                read.text("task_id", &task);
            }
            Kind::Completion => read.completion(needed(params)?)?,
            Kind::Listen => read.listen(needed(params)?)?,
            Kind::Notification | Kind::Plain => {}
        }
        match params.map(|params| member(params, "inputResponses")).transpose()?.flatten() {
            None => {}
            Some(Value::Object(responses)) => {
                answer::describe_all(responses, &mut read.attributes);
            }
            Some(_) => return Err(invalid("`params.inputResponses` is not an object")),
        }
        Ok(read)
    }

    fn text(&mut self, attribute: &str, value: &str) {
        self.attributes.insert(attribute.to_owned(), Value::from(value));
    }

    /// The member that names what the method acts on.
    fn name(&mut self, params: &Map<String, Value>, key: &str) -> Result<String, Unparsed> {
        let name = text(params, key)?;
        spelling::check(name, key)?;
        self.named = Some(name.to_owned());
        Ok(name.to_owned())
    }

    fn arguments(&mut self, params: &mut Map<String, Value>) -> Result<(), Unparsed> {
        select::only_spelling(params, "arguments")?;
        match params.remove_entry("arguments") {
            None => {}
            Some((name, arguments @ Value::Object(_))) => {
                self.attributes.insert(name, arguments);
            }
            Some(_) => return Err(invalid("`params.arguments` is not an object")),
        }
        Ok(())
    }

    /// What is to be completed: a prompt by name, or a template of resources, which
    /// is no URI yet.
    fn completion(&mut self, params: &Map<String, Value>) -> Result<(), Unparsed> {
        let Some(Value::Object(reference)) = member(params, "ref")? else {
            return Err(invalid("`params.ref` is not an object"));
        };
        let (attribute, key) = match text(reference, "type")? {
            "ref/prompt" => ("prompt", "name"),
            "ref/resource" => ("uri", "uri"),
            _ => return Err(invalid("`params.ref` is of no type that is known")),
        };
        let name = text(reference, key)?;
        spelling::check(name, key)?;
        self.text(attribute, name);
        Ok(())
    }

    fn listen(&mut self, params: &Map<String, Value>) -> Result<(), Unparsed> {
        let Some(Value::Object(filter)) = member(params, "notifications")? else {
            return Err(invalid("`params.notifications` is not an object"));
        };
        if let Some(uris) = member(filter, "resourceSubscriptions")? {
            let uris = uris.as_array().ok_or_else(|| invalid("subscriptions are no list"))?;
            for uri in uris {
                let uri = uri.as_str().ok_or_else(|| invalid("a subscription is no string"))?;
                self.watched.push(parse(uri)?);
            }
        }
        let mut wanted: Vec<&str> = filter
            .iter()
            .filter(|(_, wanted)| !matches!(wanted, Value::Null | Value::Bool(false)))
            .map(|(kind, _)| kind.as_str())
            .collect();
        wanted.sort_unstable();
        self.attributes.insert("listens_to".to_owned(), Value::from(wanted));
        Ok(())
    }
}

/// Writes what is known of a resource's URI.
pub(super) fn describe(uri: &Uri, attributes: &mut Attributes) {
    attributes.insert("uri".to_owned(), Value::from(uri.normal.as_str()));
    attributes.insert("uri_scheme".to_owned(), Value::from(uri.scheme.as_str()));
    if let Some(host) = &uri.host {
        attributes.insert("uri_host".to_owned(), Value::from(host.as_str()));
    }
    attributes.insert("uri_path".to_owned(), Value::from(uri.path.as_str()));
}

fn needed(params: Option<&Map<String, Value>>) -> Result<&Map<String, Value>, Unparsed> {
    params.ok_or_else(|| invalid("the method needs `params`"))
}

fn text<'v>(object: &'v Map<String, Value>, key: &str) -> Result<&'v str, Unparsed> {
    match member(object, key)? {
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        _ => Err(invalid(&format!("`{key}` is not a string with something in it"))),
    }
}

fn parse(text: &str) -> Result<Uri, Unparsed> {
    uri::parse(text).map_err(|why| {
        Unparsed::new(
            UnparsedCode::FieldMalformed,
            format!("the URI of a resource can be read in more than one way: {why}"),
        )
    })
}
