//! Content codings (RFC 9110 section 8.4): what a body is before it was compressed.

use std::borrow::Cow;

use crate::facts::{Unparsed, UnparsedCode};

/// The body without its content coding, of at most `limit` bytes. `coding` is the
/// value of `content-encoding`.
pub fn decode<'b>(
    coding: Option<Cow<'_, str>>,
    body: &'b [u8],
    limit: usize,
) -> Result<Cow<'b, [u8]>, Unparsed> {
    let coding = coding.unwrap_or_default();
    let coding = coding.trim();
    if !coding.is_empty() && !coding.eq_ignore_ascii_case("identity") {
        return Err(Unparsed::new(
            UnparsedCode::EncodingUnsupported,
            "the body has a content encoding",
        ));
    }
    if body.len() > limit {
        return Err(Unparsed::new(
            UnparsedCode::ExpandsTooMuch,
            format!("the body is larger than {limit} bytes"),
        ));
    }
    Ok(body.into())
}
