//! Length-prefixed messages: how gRPC divides a body, and compresses its parts.

use std::borrow::Cow;

use super::super::Reading;
use super::malformed;
use crate::encoding::{Coding, decode_all};
use crate::facts::Unparsed;

/// The messages of a body, without their compression: together within the limit on
/// decoded bytes.
pub(super) fn messages<'b>(request: &Reading<'b>) -> Result<Vec<Cow<'b, [u8]>>, Unparsed> {
    let coding = request.head.header("grpc-encoding").unwrap_or_default();
    let mut left = request.limits.decoded_bytes;
    let mut rest = request.body;
    let mut messages = Vec::new();
    while !rest.is_empty() {
        let (&[flag, a, b, c, d], after) =
            rest.split_first_chunk().ok_or_else(|| malformed("a message has no whole prefix"))?;
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        let (bytes, after) = after
            .split_at_checked(length)
            .ok_or_else(|| malformed("a message is shorter than its prefix says"))?;
        let message = match flag {
            0 => Cow::Borrowed(bytes),
            1 => {
                let coding = Coding::named(&coding)?.ok_or_else(|| {
                    malformed("a message is compressed, and `grpc-encoding` names no way")
                })?;
                Cow::Owned(decode_all(coding, bytes, left)?)
            }
            // Trailers of gRPC-Web, which only answers have, among others.
            _ => return Err(malformed("the prefix of a message has an unknown flag")),
        };
        left = left.saturating_sub(message.len());
        messages.push(message);
        rest = after;
    }
    Ok(messages)
}
