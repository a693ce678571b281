//! Request paths: one reading, or none.
//!
//! Envoy forwards the path as it came, and the upstream decodes it by rules of its
//! own. A path is taken only where all of them agree; anything else is ambiguous.

use std::borrow::Cow;

use crate::facts::{Unparsed, UnparsedCode};

/// A path with its escapes decoded, without the query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NormalPath<'a>(Cow<'a, str>);

impl<'a> NormalPath<'a> {
    /// The path of a `:path` header. The query is left out and not read.
    ///
    /// A trailing slash stays: to some upstreams it makes another resource.
    pub(crate) fn parse(target: &'a str) -> Result<Self, Unparsed> {
        if target.contains('#') {
            return Err(ambiguous("it has a fragment"));
        }
        let path = target.split_once('?').map_or(target, |(path, _)| path);
        let Some(segments) = path.strip_prefix('/') else {
            return Err(ambiguous("it does not begin with a slash"));
        };
        let count = segments.split('/').count();
        for (index, segment) in segments.split('/').enumerate() {
            let last = index.saturating_add(1) == count;
            check_raw(segment, last)?;
        }
        if !path.contains('%') {
            return Ok(Self(path.into()));
        }
        let decoded = decode(path)?;
        if decoded.split('/').any(is_dots) {
            return Err(ambiguous("a segment is dots only"));
        }
        Ok(Self(decoded.into()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn into_string(self) -> String {
        self.0.into_owned()
    }
}

fn check_raw(segment: &str, last: bool) -> Result<(), Unparsed> {
    if segment.is_empty() && !last {
        return Err(ambiguous("it has an empty segment"));
    }
    if is_dots(segment) {
        return Err(ambiguous("a segment is dots only"));
    }
    for c in segment.chars() {
        match c {
            '\\' => return Err(ambiguous("it has a backslash")),
            // Java's servers cut a segment's parameters off before they route.
            ';' => return Err(ambiguous("a segment has parameters")),
            c if c.is_control() || c == ' ' => {
                return Err(ambiguous("it has a space or a control character"));
            }
            c if !c.is_ascii() => return Err(ambiguous("it has a character that is not ASCII")),
            _ => {}
        }
    }
    Ok(())
}

fn is_dots(segment: &str) -> bool {
    !segment.is_empty() && segment.bytes().all(|byte| byte == b'.')
}

fn decode(path: &str) -> Result<String, Unparsed> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let Some((byte, after)) = escape(after) else {
            return Err(ambiguous("it has a percent sign that begins no escape"));
        };
        match byte {
            b'/' | b'\\' => return Err(ambiguous("it has an encoded slash or backslash")),
            b'?' | b'#' | b';' => return Err(ambiguous("it has an encoded delimiter")),
            // Some upstreams decode twice.
            b'%' if after.first_chunk::<2>().is_some_and(|two| hex_byte(*two).is_some()) => {
                return Err(ambiguous("it is encoded twice"));
            }
            _ => decoded.push(byte),
        }
        rest = after;
    }
    let decoded =
        String::from_utf8(decoded).map_err(|_| ambiguous("its escapes do not decode to UTF-8"))?;
    if decoded.chars().any(char::is_control) {
        return Err(ambiguous("it has an encoded control character"));
    }
    Ok(decoded)
}

/// The byte of an escape whose percent sign was taken, and what follows it.
pub(crate) fn escape(after_percent: &[u8]) -> Option<(u8, &[u8])> {
    let (two, rest) = after_percent.split_first_chunk::<2>()?;
    Some((hex_byte(*two)?, rest))
}

/// `text` with its escapes decoded, and with `plus` its plus signs as spaces; what is
/// no escape stays as it is. To look at, not to decide by: see [`NormalPath`].
pub(crate) fn unescape(text: &[u8], plus: bool) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, escape(after)) {
            (b'%', Some((byte, after))) => {
                decoded.push(byte);
                rest = after;
            }
            (b'+', _) if plus => decoded.push(b' '),
            (byte, _) => decoded.push(byte),
        }
    }
    decoded
}

fn hex_byte(digits: [u8; 2]) -> Option<u8> {
    let mut byte = [0];
    hex::decode_to_slice(digits, &mut byte).ok()?;
    let [byte] = byte;
    Some(byte)
}

fn ambiguous(why: &str) -> Unparsed {
    Unparsed::new(
        UnparsedCode::PathAmbiguous,
        format!("the path can be read in more than one way: {why}"),
    )
}
