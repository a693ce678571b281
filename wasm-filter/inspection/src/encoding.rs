//! Content codings (RFC 9110 section 8.4): what a body is before it was compressed.
//!
//! [`Decoder`] undoes one coding while the bytes come in; [`decode`] a whole body.
//! Where servers are known to read one stream differently it is refused: a second
//! gzip member or zstd frame, deflate without its zlib wrapping, bytes after the end.

mod brotli;
mod deflate;
mod zstd;

use std::borrow::Cow;

use self::brotli::Brotli;
use self::deflate::Deflate;
use self::zstd::Zstd;
use crate::facts::{Unparsed, UnparsedCode};

/// The most that is decoded at a time, in bytes.
const STEP_BYTES: usize = 16 * 1024;

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// `gzip` (RFC 1952), one member.
    Gzip,
    /// `deflate`: the zlib format (RFC 1950).
    Deflate,
    /// `br` (RFC 7932).
    Brotli,
    /// `zstd` (RFC 8878), one frame without a dictionary, its window of at most 8 MiB
    /// (RFC 9659).
    Zstd,
}

impl Coding {
    /// What the value of `content-encoding` or `grpc-encoding` names; `None` if it is
    /// `identity` or empty. A list of codings is not supported: few servers undo one,
    /// and those that do not take its first or its last.
    ///
    /// # Examples
    ///
    /// ```
    /// use chaperone_inspection::encoding::Coding;
    ///
    /// assert_eq!(Coding::named(" GZip "), Ok(Some(Coding::Gzip)));
    /// assert_eq!(Coding::named("identity"), Ok(None));
    /// assert!(Coding::named("gzip, br").is_err());
    /// ```
    pub fn named(value: &str) -> Result<Option<Self>, Unparsed> {
        let is = |name: &str| value.trim_matches([' ', '\t']).eq_ignore_ascii_case(name);
        if is("") || is("identity") {
            Ok(None)
        } else if is("gzip") || is("x-gzip") {
            Ok(Some(Self::Gzip))
        } else if is("deflate") {
            Ok(Some(Self::Deflate))
        } else if is("br") {
            Ok(Some(Self::Brotli))
        } else if is("zstd") {
            Ok(Some(Self::Zstd))
        } else {
            Err(Unparsed::new(
                UnparsedCode::EncodingUnsupported,
                "the content encoding is none of gzip, deflate, br and zstd, or several",
            ))
        }
    }
}

/// Why a stream was not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are not of that coding, or could be read in more than one way.
    #[error("{0}")]
    Malformed(&'static str),
    /// What they decode to is longer than this many bytes.
    #[error("the body decodes to more than {0} bytes")]
    TooLarge(usize),
}

impl From<DecodeError> for Unparsed {
    fn from(error: DecodeError) -> Self {
        let code = match error {
            DecodeError::Malformed(_) => UnparsedCode::EncodingMalformed,
            DecodeError::TooLarge(_) => UnparsedCode::ExpandsTooMuch,
        };
        Self::new(code, error.to_string())
    }
}

/// Undoes one coding of a stream that comes in chunks.
///
/// Beside what it gives, it holds at most the coding's window (32 KiB for gzip and
/// deflate, 16 MiB for br, 8 MiB for zstd) and one block of zstd (128 KiB).
///
/// # Examples
///
/// ```
/// use chaperone_inspection::encoding::{Coding, Decoder};
///
/// let body = b"\x78\x9c\xcb\xc8\x04\x00\x01\x3b\x00\xd2";
/// let mut decoder = Decoder::new(Coding::Deflate, 100);
/// let mut decoded = Vec::new();
/// for chunk in body.chunks(3) {
///     decoder.push(chunk, &mut decoded)?;
/// }
/// decoder.finish()?;
/// assert_eq!(decoded, b"hi");
/// # Ok::<_, chaperone_inspection::encoding::DecodeError>(())
/// ```
pub struct Decoder {
    state: State,
    allowance: Allowance,
    failed: Option<DecodeError>,
}

enum State {
    Deflate(Box<Deflate>),
    Brotli(Box<Brotli>),
    Zstd(Box<Zstd>),
}

impl Decoder {
    /// A decoder of a stream that decodes to at most `limit` bytes.
    pub fn new(coding: Coding, limit: usize) -> Self {
        let state = match coding {
            Coding::Gzip => State::Deflate(Box::new(Deflate::gzip())),
            Coding::Deflate => State::Deflate(Box::new(Deflate::zlib())),
            Coding::Brotli => State::Brotli(Box::new(Brotli::new())),
            Coding::Zstd => State::Zstd(Box::new(Zstd::new())),
        };
        Self { state, allowance: Allowance { limit, left: limit }, failed: None }
    }

    /// Takes the next bytes of the stream and appends what they decode to. After an
    /// error, every further call gives that error.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let allowance = &mut self.allowance;
        let pushed = match &mut self.state {
            State::Deflate(state) => state.push(chunk, out, allowance),
            State::Brotli(state) => state.push(chunk, out, allowance),
            State::Zstd(state) => state.push(chunk, out, allowance),
        };
        self.failed = pushed.err();
        pushed
    }

    /// An error unless the stream is complete: its end was there, the checksums that it
    /// has are right, and nothing followed.
    pub fn finish(self) -> Result<(), DecodeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let complete = match &self.state {
            State::Deflate(state) => state.is_complete(),
            State::Brotli(state) => state.is_complete(),
            State::Zstd(state) => state.is_complete(),
        };
        if complete { Ok(()) } else { Err(DecodeError::Malformed("the encoded body ends early")) }
    }
}

/// How much may still be decoded.
struct Allowance {
    limit: usize,
    left: usize,
}

impl Allowance {
    /// Takes note of so many more bytes.
    fn take(&mut self, bytes: usize) -> Result<(), DecodeError> {
        self.left = self.left.checked_sub(bytes).ok_or(DecodeError::TooLarge(self.limit))?;
        Ok(())
    }

    /// How much room to give to the next step: at most one byte more than is left, by
    /// which it is known that there is too much.
    fn step(&self) -> usize {
        self.left.saturating_add(1).min(STEP_BYTES)
    }
}

const TRAILING: DecodeError = DecodeError::Malformed("something follows the encoded body");

/// The body without its content coding, of at most `limit` bytes. `coding` is the
/// value of `content-encoding`.
///
/// An encoded body that could be read as text as well is refused: a server that does
/// not undo encodings would read that text.
pub fn decode<'b>(
    coding: Option<Cow<'_, str>>,
    body: &'b [u8],
    limit: usize,
) -> Result<Cow<'b, [u8]>, Unparsed> {
    let coding = Coding::named(&coding.unwrap_or_default())?;
    match coding {
        // No bytes are no bytes in any coding.
        Some(_) if body.is_empty() => Ok(Cow::Borrowed(body)),
        Some(_) if std::str::from_utf8(body).is_ok() => Err(Unparsed::new(
            UnparsedCode::EncodingMalformed,
            "the encoded body could be read as text as well",
        )),
        Some(coding) => Ok(Cow::Owned(decode_all(coding, body, limit)?)),
        None if body.len() > limit => Err(Unparsed::new(
            UnparsedCode::ExpandsTooMuch,
            format!("the body is larger than {limit} bytes"),
        )),
        None => Ok(Cow::Borrowed(body)),
    }
}

/// What `bytes` decode to, of at most `limit` bytes.
pub fn decode_all(coding: Coding, bytes: &[u8], limit: usize) -> Result<Vec<u8>, DecodeError> {
    let mut decoder = Decoder::new(coding, limit);
    let mut decoded = Vec::new();
    decoder.push(bytes, &mut decoded)?;
    decoder.finish()?;
    Ok(decoded)
}

#[cfg(test)]
mod tests;
