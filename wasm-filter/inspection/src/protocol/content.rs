//! What the content headers say of a body, and its reading as JSON.

use serde_json::Value;

use super::{Reading, RequestHead};
use crate::facts::{Unparsed, UnparsedCode};
use crate::json::document;

/// The media type in lower case and without parameters, empty when there is none;
/// an error if the body is not said to be UTF-8.
pub(super) fn media_type(head: &RequestHead<'_>) -> Result<String, Unparsed> {
    let content_type = head.header("content-type").unwrap_or_default();
    let mut parts = content_type.split(';');
    let media_type = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
    if media_type.contains(',') {
        return Err(unexpected("the request has more than one content type"));
    }
    for parameter in parts {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = value.trim().trim_matches('"');
        let utf8 = ["utf-8", "utf8", "us-ascii"];
        if name.trim().eq_ignore_ascii_case("charset")
            && !utf8.iter().any(|known| value.eq_ignore_ascii_case(known))
        {
            return Err(Unparsed::new(
                UnparsedCode::CharsetUnsupported,
                "the body's charset is not UTF-8",
            ));
        }
    }
    Ok(media_type)
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

/// The body is missing.
pub(super) fn missing() -> Unparsed {
    Unparsed::new(UnparsedCode::BodyMissing, "the request has no body")
}
