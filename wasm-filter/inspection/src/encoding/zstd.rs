//! Zstandard (RFC 8878): one frame, without a dictionary.

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::{Allowance, DecodeError, TRAILING};

/// The largest window (RFC 9659 section 3).
const MAX_WINDOW_BYTES: u64 = 8 << 20;

const MALFORMED: DecodeError =
    DecodeError::Malformed("the body is not what its encoding, zstd, says");

/// One zstd frame.
pub(super) struct Zstd {
    decoder: FrameDecoder,
    stage: Stage,
    /// What came of the header or block that is not whole yet.
    held: Vec<u8>,
    /// How much the frame says to decode to.
    content_bytes: Option<u64>,
    decoded_bytes: u64,
    has_checksum: bool,
}

#[derive(Clone, Copy)]
enum Stage {
    Header,
    Blocks,
    End,
}

impl Zstd {
    pub(super) fn new() -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(MAX_WINDOW_BYTES);
        Self {
            decoder,
            stage: Stage::Header,
            held: Vec::new(),
            content_bytes: None,
            decoded_bytes: 0,
            has_checksum: false,
        }
    }

    pub(super) const fn is_complete(&self) -> bool {
        matches!(self.stage, Stage::End)
    }

    pub(super) fn push(
        &mut self,
        chunk: &[u8],
        out: &mut Vec<u8>,
        allowance: &mut Allowance,
    ) -> Result<(), DecodeError> {
        let mut held = std::mem::take(&mut self.held);
        held.extend_from_slice(chunk);
        let mut rest = held.as_slice();
        loop {
            let part = match self.stage {
                Stage::Header => header_length(rest)?,
                Stage::Blocks => self.block_length(rest)?,
                Stage::End if rest.is_empty() => return Ok(()),
                // Frames may follow each other (section 3.1), and there are servers that
                // read the first one only.
                Stage::End => return Err(TRAILING),
            };
            let Some((part, after)) = part.and_then(|length| rest.split_at_checked(length)) else {
                break;
            };
            match self.stage {
                Stage::Header => self.header(part, allowance)?,
                _ => self.block(part, out, allowance)?,
            }
            rest = after;
        }
        self.held = rest.to_vec();
        Ok(())
    }

    fn header(&mut self, header: &[u8], allowance: &Allowance) -> Result<(), DecodeError> {
        let descriptor = header.get(4).copied().unwrap_or_default();
        // The reserved bit, and a dictionary that nobody has told us of.
        if descriptor & 0x08 != 0 || descriptor & 0x03 != 0 {
            return Err(MALFORMED);
        }
        self.decoder.init(header).map_err(|_| MALFORMED)?;
        self.has_checksum = descriptor & 0x04 != 0;
        let stated = descriptor & 0x20 != 0 || descriptor & 0xc0 != 0;
        self.content_bytes = stated.then(|| self.decoder.content_size());
        if self.content_bytes.is_some_and(|stated| {
            usize::try_from(stated).map_or(true, |stated| stated > allowance.left)
        }) {
            return Err(DecodeError::TooLarge(allowance.limit));
        }
        self.stage = Stage::Blocks;
        Ok(())
    }

    /// The length of the block that `bytes` begin with, with the frame's checksum if it
    /// is the last one; `None` if its header is not whole.
    fn block_length(&self, bytes: &[u8]) -> Result<Option<usize>, DecodeError> {
        let Some(&[a, b, c]) = bytes.first_chunk::<3>() else { return Ok(None) };
        let header = u32::from_le_bytes([a, b, c, 0]);
        let size = usize::try_from(header >> 3).unwrap_or(usize::MAX);
        // Block_Maximum_Size, and a type that is reserved (section 3.1.1.2).
        if size > 128 << 10 || header & 0x06 == 0x06 {
            return Err(MALFORMED);
        }
        let content = if header & 0x06 == 0x02 { 1 } else { size };
        let checksum = if header & 1 == 1 && self.has_checksum { 4 } else { 0 };
        Ok(Some(content.saturating_add(3).saturating_add(checksum)))
    }

    fn block(
        &mut self,
        block: &[u8],
        out: &mut Vec<u8>,
        allowance: &mut Allowance,
    ) -> Result<(), DecodeError> {
        let last = self
            .decoder
            .decode_blocks(block, BlockDecodingStrategy::UptoBlocks(1))
            .map_err(|_| MALFORMED)?;
        let decoded = self.decoder.collect().unwrap_or_default();
        allowance.take(decoded.len())?;
        self.decoded_bytes =
            self.decoded_bytes.saturating_add(u64::try_from(decoded.len()).unwrap_or(u64::MAX));
        out.extend_from_slice(&decoded);
        if !last {
            return Ok(());
        }
        self.stage = Stage::End;
        let stated = self.decoder.get_checksum_from_data();
        if self.has_checksum && stated != self.decoder.get_calculated_checksum() {
            return Err(DecodeError::Malformed("the checksum of the zstd body is wrong"));
        }
        if self.content_bytes.is_some_and(|stated| stated != self.decoded_bytes) {
            return Err(MALFORMED);
        }
        Ok(())
    }
}

/// The length of the frame header (section 3.1.1.1) that `bytes` begin with; `None` if
/// it is not whole.
fn header_length(bytes: &[u8]) -> Result<Option<usize>, DecodeError> {
    const MAGIC: [u8; 4] = 0xfd2f_b528_u32.to_le_bytes();
    // Skippable frames have other magic numbers: servers differ in whether they skip.
    if !bytes.iter().zip(MAGIC).all(|(&byte, magic)| byte == magic) {
        return Err(MALFORMED);
    }
    let Some(&descriptor) = bytes.get(4) else { return Ok(None) };
    let single_segment = descriptor & 0x20 != 0;
    let window = usize::from(!single_segment);
    let dictionary = match descriptor & 0x03 {
        3 => 4,
        bytes => usize::from(bytes),
    };
    let content = match descriptor >> 6 {
        0 => usize::from(single_segment),
        1 => 2,
        2 => 4,
        _ => 8,
    };
    let length = 5_usize.saturating_add(window).saturating_add(dictionary);
    Ok(Some(length.saturating_add(content)))
}
