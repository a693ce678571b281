//! Request paths: one reading, or none.
//!
//! Envoy forwards the path as it came, and the upstream decodes it by rules of its
//! own. A path is taken only where all of them agree; anything else is ambiguous.

use std::borrow::Cow;

use super::spelling::is_unseen;
use crate::facts::{Unparsed, UnparsedCode};

/// The longest path, in bytes: servers cut longer ones off, or answer for themselves.
const MAX_BYTES: usize = 8 * 1024;

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
        if path.len() > MAX_BYTES {
            return Err(ambiguous("it is longer than some servers read"));
        }
        let count = segments.split('/').count();
        for (index, segment) in segments.split('/').enumerate() {
            let last = index.saturating_add(1) == count;
            check_raw(segment, last)?;
        }
        let decoded: Cow<'a, str> =
            if path.contains('%') { decode(path)?.into() } else { path.into() };
        decoded.split('/').try_for_each(check_decoded)?;
        Ok(Self(decoded))
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

/// What readers make of a decoded segment besides taking it as it is.
fn check_decoded(segment: &str) -> Result<(), Unparsed> {
    if !segment.is_empty() && segment.bytes().all(|byte| byte == b'.') {
        return Err(ambiguous("a segment is dots only"));
    }
    // Windows leaves dots and spaces at the end of a name out, and some trim spaces.
    if segment.ends_with(['.', ' ']) || segment.starts_with(' ') {
        return Err(ambiguous("a segment ends with a dot, or has a space at an end"));
    }
    // NTFS: `a::$DATA` is the contents of `a`, `a:$i30:$INDEX_ALLOCATION` the folder.
    if segment.contains(":$") {
        return Err(ambiguous("a segment names a stream of a file"));
    }
    if is_encoded(segment) {
        return Err(ambiguous("it is encoded twice"));
    }
    match segment.chars().find(|&c| is_another(c) || is_unseen(c)) {
        Some(_) => Err(ambiguous("it has a character that some take for another, or for none")),
        None => Ok(()),
    }
}

/// Whether there is still an escape in a decoded text: `%2e`, or `%u002e` of IIS. Some
/// upstreams decode twice, so it does not matter how the escape itself was written.
fn is_encoded(text: &str) -> bool {
    text.split('%').skip(1).any(|after| {
        let digits = |text: &str, count: usize| {
            text.bytes().take(count).filter(u8::is_ascii_hexdigit).count() == count
        };
        digits(after, 2) || after.strip_prefix(['u', 'U']).is_some_and(|code| digits(code, 4))
    })
}

/// Characters that compatibility normalisation (NFKC), the best fit of Windows' code pages
/// or the folding of case makes an ASCII character of, where that is one of those that
/// paths are made of.
fn is_another(c: char) -> bool {
    matches!(c,
        // Full width: all of ASCII. Small: `.;?#&*+-<>=\$%@` and more.
        '\u{ff01}'..='\u{ff5e}' | '\u{fe50}'..='\u{fe6b}'
        // Dots: leaders and the ellipsis, full stops of lists, commas of vertical text.
        | '\u{2024}'..='\u{2026}' | '\u{fe10}'..='\u{fe19}' | '\u{fe30}' | '\u{3002}' | '\u{ff61}'
        | '\u{2488}'..='\u{249b}' | '\u{1f100}' | '\u{33c2}' | '\u{33c7}' | '\u{33d8}'
        // Slashes, also those in `c/o` and in `1/2`.
        | '\u{2044}' | '\u{2215}' | '\u{29f8}' | '\u{2100}' | '\u{2101}' | '\u{2105}' | '\u{2106}'
        | '\u{bc}'..='\u{be}' | '\u{2150}'..='\u{215f}' | '\u{2189}' | '\u{338}'
        // Backslashes: set minus, and the yen and won signs, which stand at its place in
        // the code pages of Japan and Korea.
        | '\u{2216}' | '\u{29f5}' | '\u{29f9}' | '\u{a5}' | '\u{20a9}'
        // Percent signs, semicolons, question marks.
        | '\u{66a}' | '\u{37e}' | '\u{2047}'..='\u{2049}'
        // Long s and the Kelvin sign are `s` and `k` where case does not matter; spaces.
        | '\u{17f}' | '\u{212a}' | '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}'
        | '\u{3000}')
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

/// A field of a form or a query, decoded: a plus sign is a space. `None` where a percent
/// sign begins no escape.
pub(crate) fn form_decode(field: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (byte, after) = escape(rest)?;
                rest = after;
                byte
            }
            byte => byte,
        });
    }
    Some(decoded)
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
