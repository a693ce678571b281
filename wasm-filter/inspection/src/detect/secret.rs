//! Secrets: AWS access key ids, JSON web tokens, PEM private keys. The last two
//! have no bound, so they are opened by a verdict and skipped to their end.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{DetectorId, Finding, Judged, More, Text};

/// The longest JWT header that is read, in base64 characters: room for an `x5c`
/// certificate chain.
const MAX_JWT_HEADER: usize = 8 * 1024;
/// The same for a token that a `-` or `_` joins to what stands before it: such
/// places can be many in one run, and each costs a look at this much.
const MAX_JOINED_JWT_HEADER: usize = 512;
/// The longest PEM label that is read (RFC 7468 section 3).
const MAX_LABEL: usize = 64;

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const RULE: &[u8] = b"-----";

/// A secret whose end has not been seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    Jwt,
    PrivateKey,
}

/// How far a secret goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Skipped {
    /// To here.
    Closed(usize),
    /// At least to here; what follows must be looked at again with more text.
    Open(usize),
}

impl Opened {
    /// Looks for the secret's end from [`Text::from`] on.
    pub(crate) fn skip(self, text: &Text<'_>) -> Skipped {
        match self {
            Self::Jwt => skip_jwt(text),
            Self::PrivateKey => skip_private_key(text),
        }
    }
}

/// Judges the `A` at `start`, which begins a word.
pub(super) fn aws_access_key_id(text: &Text<'_>, start: usize) -> Judged {
    const LENGTH: usize = 20;
    let mut prefix = [0; 4];
    for (offset, slot) in prefix.iter_mut().enumerate() {
        let Some(byte) = text.at(start.saturating_add(offset))? else { return Ok(None) };
        *slot = byte;
    }
    // Long-term, temporary, bearer and context-specific credentials; the other
    // prefixes of IAM identifiers name things that are no secret.
    if !matches!(&prefix, b"AKIA" | b"ASIA" | b"ABIA" | b"ACCA") {
        return Ok(None);
    }
    let end = start.saturating_add(LENGTH);
    for index in start..end {
        let byte = text.at(index)?;
        if !byte.is_some_and(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()) {
            return Ok(None);
        }
    }
    let found = Finding { id: DetectorId::AwsAccessKeyId, start, end, open: None };
    Ok((!text.is_word(end)?).then_some(found))
}

/// Judges the `e` at `start`, which begins a word: a token is a base64url header
/// that decodes to JSON with an `alg`, a dot, and more (RFC 7515 section 7.1, RFC
/// 7516 section 7.1). One that was cut off after that is still one.
pub(super) fn jwt(text: &Text<'_>, start: usize) -> Judged {
    // `{"` and `{ ` begin with `ey`, `{` before a line break with `ew`.
    if !matches!(text.at(start.saturating_add(1))?, Some(b'y' | b'w')) {
        return Ok(None);
    }
    let joined = text.before(start, 1).is_some_and(is_base64url);
    let longest = if joined { MAX_JOINED_JWT_HEADER } else { MAX_JWT_HEADER };
    let rest = text.bytes.get(start..).unwrap_or_default();
    let window = rest.get(..longest).unwrap_or(rest);
    let Some(length) = window.iter().position(|byte| !is_base64url(*byte)) else {
        return if text.ended || window.len() == longest { Ok(None) } else { Err(More) };
    };
    let dot = start.saturating_add(length);
    let end = dot.saturating_add(1);
    if text.at(dot)? != Some(b'.') || !text.at(end)?.is_some_and(is_token) {
        return Ok(None);
    }
    let header = window.get(..length).unwrap_or_default();
    let found = Finding { id: DetectorId::Jwt, start, end, open: Some(Opened::Jwt) };
    Ok(is_jose_header(header).then_some(found))
}

/// Judges the `-` at `start`.
pub(super) fn private_key(text: &Text<'_>, start: usize) -> Judged {
    if !follows(text, start, BEGIN)? {
        return Ok(None);
    }
    let label_start = start.saturating_add(BEGIN.len());
    let mut label_end = label_start;
    while text.at(label_end)?.is_some_and(is_label) {
        label_end = label_end.saturating_add(1);
        if label_end.saturating_sub(label_start) > MAX_LABEL {
            return Ok(None);
        }
    }
    let label = text.bytes.get(label_start..label_end).unwrap_or_default();
    let end = label_end.saturating_add(RULE.len());
    let private = label.windows(11).any(|words| words == b"PRIVATE KEY");
    if !private || !follows(text, label_end, RULE)? || !body_follows(text, end)? {
        return Ok(None);
    }
    let open = Some(Opened::PrivateKey);
    Ok(Some(Finding { id: DetectorId::PrivateKey, start, end, open }))
}

/// Whether a key follows the boundary that ends at `start`, rather than prose
/// about it: a line break (also one that stayed escaped), or what looks like
/// base64. A text that is cut off there counts.
fn body_follows(text: &Text<'_>, start: usize) -> Result<bool, More> {
    const ENOUGH: usize = 16;
    match text.at(start)? {
        None | Some(b'\n' | b'\r' | b'\\') => return Ok(true),
        _ => {}
    }
    let from = start.saturating_add(usize::from(text.at(start)? == Some(b' ')));
    for index in from..from.saturating_add(ENOUGH) {
        match text.at(index)? {
            None => return Ok(true),
            Some(b'+' | b'/') => {}
            Some(byte) if byte.is_ascii_alphanumeric() => {}
            Some(_) => return Ok(false),
        }
    }
    Ok(true)
}

fn skip_jwt(text: &Text<'_>) -> Skipped {
    let rest = text.bytes.get(text.from..).unwrap_or_default();
    match rest.iter().position(|byte| !is_token(*byte)) {
        Some(length) => Skipped::Closed(text.from.saturating_add(length)),
        None if text.ended => Skipped::Closed(text.bytes.len()),
        None => Skipped::Open(text.bytes.len()),
    }
}

/// To the end of the `-----END …-----` line. Without one, to the end of the text:
/// nothing in a key that was cut off says where it stops.
fn skip_private_key(text: &Text<'_>) -> Skipped {
    let mut at = text.from;
    while let Some(rest) = text.bytes.get(at..)
        && let Some(distance) = rest.iter().position(|byte| *byte == b'-')
    {
        at = at.saturating_add(distance);
        match end_line(text, at) {
            Ok(Some(end)) => return Skipped::Closed(end),
            Ok(None) => at = at.saturating_add(1),
            Err(More) => return Skipped::Open(at),
        }
    }
    let end = text.bytes.len();
    if text.ended { Skipped::Closed(end) } else { Skipped::Open(end) }
}

fn end_line(text: &Text<'_>, start: usize) -> Result<Option<usize>, More> {
    if !follows(text, start, END)? {
        return Ok(None);
    }
    let label = start.saturating_add(END.len());
    for index in label..label.saturating_add(MAX_LABEL) {
        if !text.at(index)?.is_some_and(is_label) {
            let closed = follows(text, index, RULE)?;
            return Ok(Some(if closed { index.saturating_add(RULE.len()) } else { index }));
        }
    }
    Ok(Some(label))
}

fn follows(text: &Text<'_>, start: usize, expected: &[u8]) -> Result<bool, More> {
    for (index, &byte) in (start..).zip(expected) {
        if text.at(index)? != Some(byte) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_jose_header(header: &[u8]) -> bool {
    let json = URL_SAFE_NO_PAD.decode(header).ok();
    let header = json.and_then(|json| serde_json::from_slice::<serde_json::Value>(&json).ok());
    header.is_some_and(|header| header.get("alg").is_some_and(serde_json::Value::is_string))
}

const fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// A byte of a token after its header; some writers pad the parts.
const fn is_token(byte: u8) -> bool {
    is_base64url(byte) || matches!(byte, b'.' | b'=')
}

const fn is_label(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' '
}
