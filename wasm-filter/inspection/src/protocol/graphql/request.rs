//! Where in an HTTP request GraphQL stands, and that it stands nowhere else.
//!
//! Servers agree on `application/json` and on GET (the GraphQL-over-HTTP draft), and
//! differ in most else: what they take from the URL of a POST, which other names a
//! document's id goes by, whether case matters. A request that one of them could read
//! in another way is refused.

use serde_json::{Map, Value};

use super::super::{Reading, content, path};
use crate::digest::Digest;
use crate::facts::{Unparsed, UnparsedCode};
use crate::json::document;
use crate::plan::{Batches, GraphqlPlan};

/// What a request asks for.
#[derive(Debug)]
pub(super) struct Asked {
    /// Each operation by itself; at least one.
    pub(super) operations: Vec<Parameters>,
    /// It came by GET, which changes nothing.
    pub(super) by_get: bool,
}

/// The parameters of one operation.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    /// The document, as it was sent.
    query: Option<String>,
    /// The ids by which it was asked for, as the plan names them.
    ids: Vec<String>,
    /// Which of the document's operations is meant.
    pub(super) operation_name: Option<String>,
    /// The values of variables.
    pub(super) variables: Map<String, Value>,
}

/// Reads the request.
pub(super) fn read(plan: &GraphqlPlan, request: &Reading<'_>) -> Result<Asked, Unparsed> {
    let Reading { head, body, limits, .. } = *request;
    let by_get = match head.method {
        "GET" if body.is_empty() => true,
        "POST" if body.is_empty() => return Err(content::missing()),
        "POST" => false,
        _ => {
            return Err(Unparsed::new(
                UnparsedCode::MethodUnexpected,
                "GraphQL uses POST, and GET without a body, only",
            ));
        }
    };
    if names_document(head.path) {
        return Err(malformed("the path ends in what may be the hash of a document"));
    }
    let url = of_url(head.query(), limits.depth)?;
    if by_get {
        return Ok(Asked { operations: vec![url.unwrap_or_default()], by_get });
    }
    if url.is_some() {
        return Err(malformed("the URL has a parameter of GraphQL, as the body does"));
    }
    let operations = match content::media_type(head)?.as_str() {
        "application/json" => of_json(plan, document::parse(body, limits.depth)?)?,
        "application/graphql" => vec![of_text(body)?],
        "multipart/form-data" => return Err(content::unexpected("uploads are not read")),
        _ => {
            return Err(content::unexpected(
                "the content type is not `application/json` or `application/graphql`",
            ));
        }
    };
    Ok(Asked { operations, by_get })
}

impl Parameters {
    /// The text of the document; a document that was asked for by an id is the plan's.
    pub(super) fn document<'p>(&'p self, plan: &'p GraphqlPlan) -> Result<&'p str, Unparsed> {
        let mut document = self.query.as_deref();
        for id in &self.ids {
            let text = match (document, plan.persisted.get(id)) {
                (_, Some(text)) => text,
                // This is how clients of Apollo register a document: the id proves it.
                (Some(text), None) if id.starts_with("sha256:") => {
                    if Digest::of(text.as_bytes()).to_string() != *id {
                        return Err(malformed("a hash is not that of the document"));
                    }
                    text
                }
                _ => {
                    return Err(Unparsed::new(
                        UnparsedCode::QueryUnknown,
                        "the document is asked for by an id that is not configured",
                    ));
                }
            };
            if document.is_some_and(|other| other != text) {
                return Err(malformed("the request names two documents"));
            }
            document = Some(text);
        }
        document.ok_or_else(|| malformed("the request has no document"))
    }

    /// Takes one parameter.
    fn set(&mut self, parameter: Parameter, value: Value) -> Result<(), Unparsed> {
        match (parameter, value) {
            (_, Value::Null) => {}
            (Parameter::Variables, Value::Object(variables)) => self.variables = variables,
            (Parameter::Extensions, Value::Object(extensions)) => self.extend(extensions)?,
            (Parameter::Query, Value::String(text)) => self.query = some(text),
            (Parameter::OperationName, Value::String(name)) => self.operation_name = some(name),
            (Parameter::Id, Value::String(id)) => self.ids.push(id),
            _ => {
                return Err(Unparsed::new(
                    UnparsedCode::FieldMalformed,
                    "a parameter of GraphQL has a value of another type than it takes",
                ));
            }
        }
        Ok(())
    }

    /// Takes what is read of `extensions`: the hash of an automatic persisted query.
    fn extend(&mut self, mut extensions: Map<String, Value>) -> Result<(), Unparsed> {
        let persisted = extensions.remove("persistedQuery");
        if extensions.keys().any(|name| resembles_parameter(name)) {
            return Err(malformed("`extensions` has a parameter of GraphQL"));
        }
        let mut persisted = match persisted {
            None | Some(Value::Null) => return Ok(()),
            Some(Value::Object(persisted)) => persisted,
            Some(_) => return Err(malformed("`persistedQuery` is not an object")),
        };
        let version = persisted.remove("version");
        let hash = persisted.remove("sha256Hash");
        let hash = hash.as_ref().and_then(Value::as_str).map(|hash| format!("sha256:{hash}"));
        // A digest is written in one way, and servers compare texts.
        let hash = hash.filter(|hash| hash.parse().is_ok_and(|d: Digest| d.to_string() == *hash));
        match hash {
            Some(hash) if persisted.is_empty() && version.is_none_or(|version| version == 1) => {
                self.ids.push(hash);
                Ok(())
            }
            _ => Err(malformed("`persistedQuery` is not of version 1 with a SHA-256 in hex")),
        }
    }
}

/// To most servers an empty parameter is none, and to the others an error.
fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// What a request says.
#[derive(Clone, Copy, Debug)]
enum Parameter {
    Query,
    OperationName,
    Variables,
    Extensions,
    Id,
}

impl Parameter {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "query" => Self::Query,
            "operationName" => Self::OperationName,
            "variables" => Self::Variables,
            "extensions" => Self::Extensions,
            // The draft's name, Hot Chocolate's and Relay's.
            "documentId" | "id" | "doc_id" => Self::Id,
            _ => return None,
        })
    }
}

/// Whether a reader that is liberal with case and punctuation, or makes objects of
/// `variables[id]` as PHP and Node.js do, may take `name` for one of its parameters.
fn resembles_parameter(name: &str) -> bool {
    const PARAMETERS: [&str; 18] = [
        "query",
        "operationname",
        "variables",
        "extensions",
        "persistedquery",
        "sha256hash",
        "documentid",
        "id",
        "docid",
        "queryid",
        "operationid",
        "persisted",
        "hash",
        "document",
        "operations",
        "batchoperations",
        "batch",
        "map",
    ];
    let base = name.split(['[', '.']).next().unwrap_or(name);
    let plain = base.bytes().filter(u8::is_ascii_alphanumeric);
    let folded: String = plain.map(|byte| char::from(byte.to_ascii_lowercase())).collect();
    !name.is_ascii() || PARAMETERS.contains(&folded.as_str())
}

/// Some servers take the id from the path: `/graphql/sha256:…` or `/graphql/<hash>`.
fn names_document(target: &str) -> bool {
    let path = target.split('?').next().unwrap_or_default().trim_end_matches('/');
    path.bytes().rev().take_while(u8::is_ascii_hexdigit).count() >= 32
}

fn of_json(plan: &GraphqlPlan, body: Value) -> Result<Vec<Parameters>, Unparsed> {
    match body {
        Value::Object(members) => Ok(vec![of_members(members)?]),
        Value::Array(_) if plan.batches == Batches::Deny => {
            Err(Unparsed::new(UnparsedCode::BatchRefused, "the route takes no batches"))
        }
        Value::Array(items) if !items.is_empty() => {
            let members = |item| match item {
                Value::Object(members) => of_members(members),
                _ => Err(malformed("a request in the batch is not an object")),
            };
            items.into_iter().map(members).collect()
        }
        _ => Err(malformed("the body is not a request")),
    }
}

/// No other members: the draft reserves them, and to some server each is something.
fn of_members(members: Map<String, Value>) -> Result<Parameters, Unparsed> {
    let mut parameters = Parameters::default();
    for (name, value) in members {
        let Some(parameter) = Parameter::of(&name) else {
            return Err(malformed("the request has a member that is none of GraphQL over HTTP"));
        };
        parameters.set(parameter, value)?;
    }
    Ok(parameters)
}

fn of_text(body: &[u8]) -> Result<Parameters, Unparsed> {
    let query = Some(utf8(body.to_vec())?);
    Ok(Parameters { query, ..Parameters::default() })
}

/// The parameters in a query string; `None` when there are none.
fn of_url(query: &str, depth: usize) -> Result<Option<Parameters>, Unparsed> {
    // To some readers a semicolon separates parameters, to others it does not.
    if query.bytes().any(|byte| matches!(byte, 0..=b' ' | b'#' | b';' | 0x7f..)) {
        return Err(malformed("the query string has a character that is not encoded"));
    }
    let mut found = None;
    let mut seen = Vec::new();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = form_decode(name)?;
        let Some(parameter) = Parameter::of(&name) else {
            if resembles_parameter(&name) {
                return Err(malformed("a parameter of the URL resembles one of GraphQL"));
            }
            continue;
        };
        if seen.contains(&name) {
            return Err(malformed("the URL has a parameter twice"));
        }
        seen.push(name);
        let text = form_decode(value)?;
        let value = match parameter {
            _ if text.is_empty() => Value::Null,
            Parameter::Variables | Parameter::Extensions => {
                document::parse(text.as_bytes(), depth)?
            }
            _ => Value::from(text),
        };
        found.get_or_insert_with(Parameters::default).set(parameter, value)?;
    }
    Ok(found)
}

fn form_decode(text: &str) -> Result<String, Unparsed> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'+' => decoded.push(b' '),
            b'%' => {
                let escape = path::escape(after);
                let (byte, after) = escape.ok_or_else(|| {
                    malformed("the query string has a percent sign that begins no escape")
                })?;
                decoded.push(byte);
                rest = after;
            }
            byte => decoded.push(byte),
        }
    }
    utf8(decoded)
}

fn utf8(bytes: Vec<u8>) -> Result<String, Unparsed> {
    String::from_utf8(bytes)
        .map_err(|_| Unparsed::new(UnparsedCode::Utf8Invalid, "the document is not UTF-8"))
}

fn malformed(why: &str) -> Unparsed {
    Unparsed::new(UnparsedCode::GraphqlMalformed, why)
}
