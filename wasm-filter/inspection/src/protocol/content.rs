//! What the content headers say of a body, and its reading as JSON.

use serde_json::Value;

use super::{Reading, RequestHead};
use crate::facts::{Unparsed, UnparsedCode};
use crate::json::document;

/// The media type in lower case and without parameters, empty when there is none;
/// an error if the body is not said to be UTF-8.
pub(super) fn media_type(head: &RequestHead<'_>) -> Result<String, Unparsed> {
    let content_type = head.header("content-type").unwrap_or_default();
    let (media_type, parameters) = content_type_of(&content_type)?;
    check_charset(&parameters)?;
    Ok(media_type)
}

/// A media type in lower case, and its parameters.
pub(super) fn content_type_of(value: &str) -> Result<(String, Vec<Parameter<'_>>), Unparsed> {
    // The comma of a list, which is one value or several depending on the reader.
    if value.contains(',') {
        return Err(unexpected("the request has more than one content type"));
    }
    let (media_type, rest) = value.split_once(';').unwrap_or((value, ""));
    let parameters =
        parameters(rest).ok_or_else(|| unexpected("the content type is not well-formed"))?;
    Ok((blank_trimmed(media_type).to_ascii_lowercase(), parameters))
}

/// A parameter of a header's value.
pub(super) struct Parameter<'v> {
    /// In lower case.
    pub(super) name: String,
    /// Without its quotes; `None` where there is no equals sign.
    pub(super) value: Option<&'v str>,
    pub(super) is_quoted: bool,
}

/// What stands between the semicolons of `rest`; `None` if readers could divide it in
/// more than one way: by a quoted semicolon, a backslash, a quote inside a value.
pub(super) fn parameters(rest: &str) -> Option<Vec<Parameter<'_>>> {
    if rest.contains('\\') || rest.contains(|c: char| c.is_control() && c != '\t') {
        return None;
    }
    let mut found = Vec::new();
    for part in rest.split(';').map(blank_trimmed).filter(|part| !part.is_empty()) {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (name, Some(blank_trimmed(value))),
            None => (part, None),
        };
        let unquoted = value.and_then(|value| value.strip_prefix('"')?.strip_suffix('"'));
        let is_quoted = unquoted.is_some();
        let value = unquoted.or(value);
        if name.contains('"') || value.is_some_and(|value| value.contains('"')) {
            return None;
        }
        let name = blank_trimmed(name).to_ascii_lowercase();
        found.push(Parameter { name, value, is_quoted });
    }
    Some(found)
}

/// An error if the parameters of a content type name another charset than UTF-8 or
/// its part ASCII, or name one twice or in pieces (RFC 2231).
pub(super) fn check_charset(parameters: &[Parameter<'_>]) -> Result<(), Unparsed> {
    let mut charsets = parameters.iter().filter(|parameter| parameter.name.starts_with("charset"));
    let Some(first) = charsets.next() else { return Ok(()) };
    let value = first.value.unwrap_or_default();
    let known = ["utf-8", "utf8", "us-ascii"];
    let is_known = known.iter().any(|known| value.eq_ignore_ascii_case(known));
    if first.name == "charset" && is_known && charsets.next().is_none() {
        return Ok(());
    }
    Err(charset("the body's charset is not UTF-8"))
}

/// An error if a body that is said to be ASCII is not: some readers take what is left
/// for Latin 1.
pub(super) fn check_ascii(head: &RequestHead<'_>, body: &[u8]) -> Result<(), Unparsed> {
    if body.is_ascii() {
        return Ok(());
    }
    let content_type = head.header("content-type").unwrap_or_default();
    let Ok((_, parameters)) = content_type_of(&content_type) else { return Ok(()) };
    let says_ascii = parameters.iter().any(|parameter| {
        parameter.name == "charset"
            && parameter.value.is_some_and(|value| value.eq_ignore_ascii_case("us-ascii"))
    });
    if says_ascii {
        return Err(charset("the body is not ASCII, as its charset says"));
    }
    Ok(())
}

/// The body as the JSON document that the headers say it is.
pub(super) fn json(request: &Reading<'_>) -> Result<Value, Unparsed> {
    let media_type = media_type(request.head)?;
    let suffixed = media_type.starts_with("application/") && media_type.ends_with("+json");
    if media_type != "application/json" && !suffixed {
        return Err(unexpected("the content type is not `application/json` or one with `+json`"));
    }
    document::parse(request.body, request.limits.depth)
}

/// The content type is not one that the protocol uses; `why` does not quote it.
pub(super) fn unexpected(why: &str) -> Unparsed {
    Unparsed::new(UnparsedCode::ContentTypeUnexpected, why)
}

/// The charset is not one that is read.
pub(super) fn charset(why: &str) -> Unparsed {
    Unparsed::new(UnparsedCode::CharsetUnsupported, why)
}

/// The body is missing.
pub(super) fn missing() -> Unparsed {
    Unparsed::new(UnparsedCode::BodyMissing, "the request has no body")
}

/// Without the blanks around it (RFC 9110 section 5.6.3).
fn blank_trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}
