//! What a response's headers say of how its body is to be read.

use super::Unmaskable;

/// How a body carries what is to be masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// One JSON document.
    Json,
    /// JSON documents, one after the other.
    JsonLines,
    /// Server-sent events.
    Events,
    /// Text for people.
    Text,
}

impl Carrier {
    /// By the media type (RFC 9110 section 8.3.1), whose charset must be UTF-8.
    pub(crate) fn of(content_type: Option<&str>) -> Result<Self, Unmaskable> {
        let content_type = content_type.map(str::trim).filter(|value| !value.is_empty());
        let mut parts = content_type.ok_or(Unmaskable::ContentTypeMissing)?.split(';');
        let essence = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
        let carrier = match essence.as_str() {
            "application/json" | "text/json" => Self::Json,
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/x-jsonlines" => Self::JsonLines,
            "text/event-stream" => Self::Events,
            "text/plain"
            | "text/html"
            | "text/csv"
            | "text/tab-separated-values"
            | "text/markdown" => Self::Text,
            _ if is_structured_json(&essence) => Self::Json,
            _ => return Err(Unmaskable::ContentTypeUnsupported),
        };
        // A quoted value may hold a `;`; what is cut wrongly then names no charset
        // that is let through.
        if parts.any(|parameter| !is_readable(parameter)) {
            return Err(Unmaskable::CharsetUnsupported);
        }
        Ok(carrier)
    }
}

/// Refuses every content coding: what is compressed cannot be read yet.
pub(crate) fn require_identity(content_encoding: Option<&str>) -> Result<(), Unmaskable> {
    let mut codings = content_encoding.unwrap_or_default().split(',').map(str::trim);
    if codings.all(|coding| coding.is_empty() || coding.eq_ignore_ascii_case("identity")) {
        Ok(())
    } else {
        Err(Unmaskable::EncodingUnsupported)
    }
}

/// A type with the suffix of RFC 6839 section 3.1.
fn is_structured_json(essence: &str) -> bool {
    let name = essence.strip_prefix("application/").and_then(|name| name.strip_suffix("+json"));
    name.is_some_and(|name| !name.is_empty() && !name.contains([',', ' ', '"']))
}

/// Whether a parameter leaves the text in UTF-8.
fn is_readable(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else { return true };
    if !name.trim().eq_ignore_ascii_case("charset") {
        return true;
    }
    let value = value.trim().trim_matches('"');
    ["utf-8", "utf8", "us-ascii"].iter().any(|charset| value.eq_ignore_ascii_case(charset))
}
