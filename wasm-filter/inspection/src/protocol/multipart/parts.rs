//! The parts of a `multipart/form-data` body, in the form that every client writes:
//! nothing before the first boundary and after the last, lines that end in CR LF,
//! headers on one line each.

use super::super::content::{self, Parameter};
use super::super::form::{malformed, too_many};
use crate::facts::Unparsed;

/// The most parts: PHP and others leave out or refuse what comes after.
const MAX_PARTS: usize = 1000;

/// One part.
pub(super) struct Part<'b> {
    /// The name of the field.
    pub(super) name: String,
    /// The name of the file, if it is one.
    pub(super) file: Option<String>,
    /// In lower case, without parameters.
    pub(super) media_type: String,
    /// What is in it.
    pub(super) content: &'b [u8],
}

/// The parts of `body`.
pub(super) fn of<'b>(body: &'b [u8], boundary: &str) -> Result<Vec<Part<'b>>, Unparsed> {
    let delimiter = format!("--{boundary}");
    let mut parts = Vec::new();
    let mut from = None;
    let mut ended = false;
    for at in places(body, delimiter.as_bytes()) {
        let after_at = at.saturating_add(delimiter.len());
        let after = body.get(after_at..).unwrap_or_default();
        let begins = match from {
            None => at == 0,
            Some(from) => {
                let end = at.saturating_sub(2);
                let part = body.get(from..end).filter(|_| body.get(end..at) == Some(b"\r\n"));
                if let Some(part) = part {
                    if parts.len() >= MAX_PARTS {
                        return Err(too_many());
                    }
                    parts.push(read(part)?);
                }
                part.is_some()
            }
        };
        if !begins || ended {
            return Err(malformed("the boundary stands where it does not divide the form"));
        }
        ended = matches!(after, b"--" | b"--\r\n");
        if !ended && !after.starts_with(b"\r\n") {
            return Err(malformed("the boundary is not followed by the end of its line"));
        }
        from = Some(after_at.saturating_add(2));
    }
    if ended { Ok(parts) } else { Err(malformed("the form does not end with its boundary")) }
}

/// Whether a byte may be in a token (RFC 9110 section 5.6.2).
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Wherever `delimiter` is in `body`.
fn places<'b>(body: &'b [u8], delimiter: &'b [u8]) -> impl Iterator<Item = usize> + 'b {
    let windows = body.windows(delimiter.len()).enumerate();
    windows.filter(move |(_, window)| *window == delimiter).map(|(at, _)| at)
}

fn read(part: &[u8]) -> Result<Part<'_>, Unparsed> {
    let end = places(part, b"\r\n\r\n")
        .next()
        .ok_or_else(|| malformed("a part of the form has no headers"))?;
    let headers = part.get(..end).unwrap_or_default();
    let content = part.get(end.saturating_add(4)..).unwrap_or_default();
    let headers =
        std::str::from_utf8(headers).map_err(|_| malformed("a header of the form is not UTF-8"))?;
    let headers = Headers::read(headers)?;
    let disposition = headers
        .value("content-disposition")
        .ok_or_else(|| malformed("a part of the form has no disposition"))?;
    let (name, file) = disposition_of(disposition)
        .ok_or_else(|| malformed("the disposition of a part is not well-formed"))?;
    // RFC 7578 section 4.7: transfer encodings are not used, and few readers undo them.
    let encoding = headers.value("content-transfer-encoding").unwrap_or("binary");
    if !["7bit", "8bit", "binary"].iter().any(|plain| encoding.eq_ignore_ascii_case(plain)) {
        return Err(malformed("a part of the form has a transfer encoding"));
    }
    let length = headers.value("content-length").map(str::parse);
    if length.is_some_and(|length| length != Ok(content.len())) {
        return Err(malformed("a part of the form has another length than it says"));
    }
    let (media_type, parameters) =
        content::content_type_of(headers.value("content-type").unwrap_or("text/plain"))?;
    if media_type.starts_with("multipart/") {
        return Err(malformed("a part of the form is a multipart body itself"));
    }
    if file.is_none() {
        content::check_charset(&parameters)?;
    }
    Ok(Part { name, file, media_type, content })
}

/// Names in lower case, and values.
struct Headers<'b>(Vec<(String, &'b str)>);

impl<'b> Headers<'b> {
    fn read(block: &'b str) -> Result<Self, Unparsed> {
        let mut headers = Self(Vec::new());
        for line in block.split("\r\n") {
            let (name, value) = line.split_once(':').unwrap_or_default();
            // A folded line begins with a blank, which is in no name.
            if name.is_empty()
                || !name.bytes().all(is_token)
                || value.contains(|c: char| c.is_control() && c != '\t')
            {
                return Err(malformed("a header of the form is not well-formed"));
            }
            let name = name.to_ascii_lowercase();
            if headers.value(&name).is_some() {
                return Err(malformed("a part of the form has a header twice"));
            }
            headers.0.push((name, value.trim_matches([' ', '\t'])));
        }
        Ok(headers)
    }

    fn value(&self, name: &str) -> Option<&'b str> {
        self.0.iter().find(|(known, _)| known == name).map(|&(_, value)| value)
    }
}

/// The name and the file name that a disposition has; `None` if readers could find
/// others.
fn disposition_of(value: &str) -> Option<(String, Option<String>)> {
    let (kind, rest) = value.split_once(';')?;
    if !kind.trim_matches([' ', '\t']).eq_ignore_ascii_case("form-data") {
        return None;
    }
    let (mut name, mut file) = (None, None);
    for Parameter { name: key, value, is_quoted } in content::parameters(rest)? {
        let value = value?;
        // `filename*` (RFC 5987) is read by some; RFC 7578 section 4.2 forbids it.
        if !key.bytes().all(is_token) || key.contains('*') {
            return None;
        }
        if !is_quoted && (value.is_empty() || !value.bytes().all(is_token)) {
            return None;
        }
        let place = match key.as_str() {
            "name" => &mut name,
            "filename" => &mut file,
            _ => continue,
        };
        if place.replace(value.to_owned()).is_some() {
            return None;
        }
    }
    // Browsers write a quote and the end of a line like this, and readers differ in
    // whether they undo it.
    let name: String = name?;
    let folded = name.to_ascii_lowercase();
    let escaped = ["%22", "%0d", "%0a"].iter().any(|escape| folded.contains(escape));
    (!escaped).then_some((name, file))
}
