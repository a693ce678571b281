//! Brotli (RFC 7932), without the large windows that are not in the RFC.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};

use super::{Allowance, DecodeError, TRAILING};

/// One Brotli stream.
pub(super) struct Brotli {
    state: BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    complete: bool,
}

impl Brotli {
    pub(super) fn new() -> Self {
        let alloc = StandardAlloc::default;
        Self { state: BrotliState::new_strict(alloc(), alloc(), alloc()), complete: false }
    }

    pub(super) const fn is_complete(&self) -> bool {
        self.complete
    }

    pub(super) fn push(
        &mut self,
        chunk: &[u8],
        out: &mut Vec<u8>,
        allowance: &mut Allowance,
    ) -> Result<(), DecodeError> {
        let mut left = chunk.len();
        let mut at = 0;
        while !self.complete {
            let start = out.len();
            let mut room = allowance.step();
            out.resize(start.saturating_add(room), 0);
            let mut written = 0;
            let mut total = 0;
            let result = BrotliDecompressStream(
                &mut left,
                &mut at,
                chunk,
                &mut room,
                &mut written,
                out.get_mut(start..).unwrap_or_default(),
                &mut total,
                &mut self.state,
            );
            out.truncate(start.saturating_add(written));
            allowance.take(written)?;
            match result {
                BrotliResult::ResultSuccess => self.complete = true,
                BrotliResult::NeedsMoreOutput => {}
                BrotliResult::NeedsMoreInput => return Ok(()),
                BrotliResult::ResultFailure => {
                    return Err(DecodeError::Malformed(
                        "the body is not what its encoding, br, says",
                    ));
                }
            }
        }
        if left > 0 { Err(TRAILING) } else { Ok(()) }
    }
}
