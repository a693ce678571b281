//! Headers that repeat parts of the message (2026-07-28, Request Metadata): proxies go
//! by them, the server by the message, so both must say the same.

use std::borrow::Cow;
use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::super::head::MCP_PARAM;
use super::super::jsonrpc::Call;
use super::super::{RequestHead, embedded};
use super::params::Params;
use crate::facts::{Unparsed, UnparsedCode};
use crate::json::select;
use crate::plan::{McpPlan, McpRevision, ParamHeaderPlan};

/// The headers of the protocol.
pub(super) struct Headers<'a> {
    /// `MCP-Protocol-Version`.
    pub(super) version: Option<&'a str>,
    method: Option<&'a str>,
    name: Option<&'a str>,
    /// `Mcp-Param-*`: the names behind that, in lower case, and the values.
    params: Vec<(&'a str, &'a str)>,
}

impl<'a> Headers<'a> {
    /// Those of a request; an error if one is there twice.
    pub(super) fn of(head: &RequestHead<'a>) -> Result<Self, Unparsed> {
        let params: Vec<_> = head
            .headers
            .iter()
            .filter_map(|(name, value)| Some((name.strip_prefix(MCP_PARAM)?, *value)))
            .collect();
        let names: BTreeSet<_> = params.iter().map(|(name, _)| name).collect();
        if names.len() < params.len() {
            return Err(mismatch("an `Mcp-Param` header is there more than once"));
        }
        Ok(Self {
            version: head.single("mcp-protocol-version")?,
            method: head.single("mcp-method")?,
            name: head.single("mcp-name")?,
            params,
        })
    }

    /// An error if there is a header that repeats a call: where there is none, or several.
    pub(super) fn repeat_nothing(&self) -> Result<(), Unparsed> {
        if self.method.is_some() || self.name.is_some() || !self.params.is_empty() {
            return Err(mismatch("a header names a call, and the request is not that one call"));
        }
        Ok(())
    }

    /// An error unless the headers repeat what the call says, all that its revision
    /// wants repeated.
    pub(super) fn repeat(
        &self,
        plan: &McpPlan,
        revision: Option<McpRevision>,
        call: &Call,
        params: &Params,
    ) -> Result<(), Unparsed> {
        let required = revision.is_some_and(McpRevision::is_stateless) && call.id.is_some();
        match self.method {
            None if required => return Err(mismatch("`Mcp-Method` is missing")),
            Some(method) if method != call.method => {
                return Err(mismatch("`Mcp-Method` is not the method of the message"));
            }
            _ => {}
        }
        match (self.name, params.named.as_deref()) {
            (None, None) => {}
            (None, Some(_)) if !required => {}
            (None, Some(_)) => return Err(mismatch("`Mcp-Name` is missing")),
            (Some(_), None) => return Err(mismatch("`Mcp-Name` names what the message does not")),
            (Some(header), Some(name)) if decode(header)? == name => {}
            (Some(_), Some(_)) => {
                return Err(mismatch("`Mcp-Name` is not the name in the message"));
            }
        }
        self.repeat_arguments(plan, required, params)
    }

    fn repeat_arguments(
        &self,
        plan: &McpPlan,
        required: bool,
        params: &Params,
    ) -> Result<(), Unparsed> {
        let Some(tool) = params.tool.as_deref() else {
            return if self.params.is_empty() { Ok(()) } else { Err(no_argument()) };
        };
        let known: Vec<&ParamHeaderPlan> = plan
            .param_headers
            .iter()
            .filter(|known| known.tool.as_ref().is_none_or(|of| embedded::matches(of, tool)))
            .collect();
        let arguments = params.attributes.get("arguments").unwrap_or(&Value::Null);
        for known in &known {
            let header = self.params.iter().find(|(name, _)| is(known, name));
            let header = header.map(|(_, header)| decode(header)).transpose()?;
            let argument = select::lookup(arguments, &known.at)?;
            match (header, argument.filter(|argument| !argument.is_null())) {
                (None, None) => {}
                (None, Some(_)) if !required => {}
                (None, Some(_)) => return Err(mismatch("an `Mcp-Param` header is missing")),
                (Some(header), Some(argument))
                    if scalar(argument).is_some_and(|said| said == header) => {}
                (Some(_), _) => return Err(no_argument()),
            }
        }
        // Which argument another header repeats stands in the tool's schema, which is
        // not here: it must at least be one.
        let mut others = self.params.iter().filter(|(name, _)| !known.iter().any(|k| is(k, name)));
        let mut scalars = Vec::new();
        if !self.params.is_empty() {
            collect(arguments, &mut scalars);
            scalars.sort_unstable();
        }
        others.try_for_each(|(_, header)| {
            let header = decode(header)?;
            scalars.binary_search(&header).map(|_| ()).map_err(|_| no_argument())
        })
    }
}

fn is(known: &ParamHeaderPlan, name: &str) -> bool {
    known.header.eq_ignore_ascii_case(name)
}

/// What a header says of an argument: a string, an integer or a boolean; none of others.
fn scalar(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(text.as_str().into()),
        Value::Bool(true) => Some("true".into()),
        Value::Bool(false) => Some("false".into()),
        Value::Number(number) if number.is_f64() => None,
        Value::Number(number) => Some(number.to_string().into()),
        _ => None,
    }
}

/// Collects the scalars in `value` that are reached by names alone, as an argument in a
/// header is.
fn collect<'v>(value: &'v Value, scalars: &mut Vec<Cow<'v, str>>) {
    match value {
        Value::Object(members) => members.values().for_each(|member| collect(member, scalars)),
        value => scalars.extend(scalar(value)),
    }
}

/// A header's value without its encoding (Value Encoding): base64 of UTF-8 between
/// markers, whose case counts, or visible ASCII as it is.
fn decode(value: &str) -> Result<Cow<'_, str>, Unparsed> {
    if !value.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~')) {
        return Err(mismatch("a header has a character that is not visible ASCII"));
    }
    let encoded = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?="));
    let Some(encoded) = encoded else { return Ok(value.into()) };
    let bytes = STANDARD.decode(encoded).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.map(Cow::Owned).ok_or_else(|| mismatch("a header's base64 does not decode to UTF-8"))
}

fn no_argument() -> Unparsed {
    mismatch("an `Mcp-Param` header repeats no argument of the call")
}

fn mismatch(why: &str) -> Unparsed {
    Unparsed::new(UnparsedCode::HeaderMismatch, why)
}
