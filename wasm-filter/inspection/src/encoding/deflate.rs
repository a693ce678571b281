//! DEFLATE in its two wrappings: gzip (RFC 1952) and zlib (RFC 1950).

use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZFlush, MZStatus};

use super::{Allowance, DecodeError, TRAILING};

/// The longest gzip header that is read, in bytes: its file name and comment have no
/// bound of their own.
const MAX_HEADER_BYTES: usize = 4096;

/// A gzip member or a zlib stream.
pub(super) struct Deflate {
    stage: Stage,
    inflater: Box<InflateState>,
    /// Of gzip: what was read of the header or the trailer.
    held: Vec<u8>,
    crc: Crc32,
    length: u32,
}

#[derive(Clone, Copy)]
enum Stage {
    Header,
    /// The compressed bytes; of gzip, if a trailer is to follow.
    Data {
        gzip: bool,
    },
    Trailer,
    End,
}

impl Deflate {
    pub(super) fn gzip() -> Self {
        Self::new(Stage::Header, DataFormat::Raw)
    }

    pub(super) fn zlib() -> Self {
        Self::new(Stage::Data { gzip: false }, DataFormat::Zlib)
    }

    fn new(stage: Stage, format: DataFormat) -> Self {
        let inflater = InflateState::new_boxed(format);
        Self { stage, inflater, held: Vec::new(), crc: Crc32::new(), length: 0 }
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
        let mut rest = chunk;
        loop {
            match self.stage {
                Stage::Header => {
                    self.held.extend_from_slice(rest);
                    let held = std::mem::take(&mut self.held);
                    let Some(length) = header_length(&held)? else {
                        self.held = held;
                        return Ok(());
                    };
                    self.stage = Stage::Data { gzip: true };
                    let after = held.get(length..).unwrap_or_default();
                    return self.push(after, out, allowance);
                }
                Stage::Data { gzip } => match self.inflate(rest, out, allowance)? {
                    None => return Ok(()),
                    Some(after) => {
                        self.stage = if gzip { Stage::Trailer } else { Stage::End };
                        rest = after;
                    }
                },
                Stage::Trailer => {
                    let missing = 8_usize.saturating_sub(self.held.len());
                    let (trailer, after) = rest.split_at_checked(missing).unwrap_or((rest, &[]));
                    self.held.extend_from_slice(trailer);
                    if self.held.len() < 8 {
                        return Ok(());
                    }
                    self.check_trailer()?;
                    self.stage = Stage::End;
                    rest = after;
                }
                Stage::End if rest.is_empty() => return Ok(()),
                // RFC 1952 section 2.2 lets more members follow; there are servers that
                // read them and servers that do not.
                Stage::End => return Err(TRAILING),
            }
        }
    }

    /// Gives what follows the end of the compressed bytes, if that is there.
    fn inflate<'c>(
        &mut self,
        chunk: &'c [u8],
        out: &mut Vec<u8>,
        allowance: &mut Allowance,
    ) -> Result<Option<&'c [u8]>, DecodeError> {
        const MALFORMED: DecodeError =
            DecodeError::Malformed("the body is not what its encoding, deflate or gzip, says");
        let mut rest = chunk;
        loop {
            let start = out.len();
            let room = allowance.step();
            out.resize(start.saturating_add(room), 0);
            let free = out.get_mut(start..).unwrap_or_default();
            let step = inflate(&mut self.inflater, rest, free, MZFlush::None);
            out.truncate(start.saturating_add(step.bytes_written));
            rest = rest.get(step.bytes_consumed..).unwrap_or_default();
            allowance.take(step.bytes_written)?;
            let fresh = out.get(start..).unwrap_or_default();
            if matches!(self.stage, Stage::Data { gzip: true }) {
                self.crc.update(fresh);
                // ISIZE is the length modulo 2^32.
                self.length = self.length.wrapping_add(u32::try_from(fresh.len()).unwrap_or(0));
            }
            match step.status {
                Ok(MZStatus::StreamEnd) => return Ok(Some(rest)),
                Ok(MZStatus::Ok) if step.bytes_written == room => {}
                Ok(MZStatus::Ok) if rest.is_empty() => return Ok(None),
                Ok(MZStatus::Ok) if step.bytes_consumed > 0 || step.bytes_written > 0 => {}
                // No progress without input is how it asks for more.
                Err(_) if chunk.is_empty() || (rest.is_empty() && step.bytes_consumed == 0) => {
                    return if matches!(step.status, Err(miniz_oxide::MZError::Buf)) {
                        Ok(None)
                    } else {
                        Err(MALFORMED)
                    };
                }
                _ => return Err(MALFORMED),
            }
        }
    }

    fn check_trailer(&self) -> Result<(), DecodeError> {
        let field = |at| {
            let bytes = self.held.get(at..)?.first_chunk()?;
            Some(u32::from_le_bytes(*bytes))
        };
        if field(0) != Some(self.crc.value()) || field(4) != Some(self.length) {
            return Err(DecodeError::Malformed("the checksum of the gzip body is wrong"));
        }
        Ok(())
    }
}

/// The length of the gzip header (RFC 1952 section 2.3) that `bytes` begin with;
/// `None` if it is not whole yet.
fn header_length(bytes: &[u8]) -> Result<Option<usize>, DecodeError> {
    const MALFORMED: DecodeError = DecodeError::Malformed("the body has no gzip header");
    const FIXED: [u8; 3] = [0x1f, 0x8b, 8];
    if !bytes.iter().zip(FIXED).all(|(&byte, fixed)| byte == fixed) {
        return Err(MALFORMED);
    }
    let mut reader = Header { bytes, at: 10 };
    let Some(&flags) = bytes.get(3) else { return Ok(None) };
    if flags & 0xe0 != 0 {
        return Err(MALFORMED);
    }
    let length = reader.optional(flags);
    if length.unwrap_or(bytes.len()) > MAX_HEADER_BYTES {
        return Err(DecodeError::Malformed("the gzip header is too long"));
    }
    if length.is_some() && flags & 0x02 != 0 && !reader.checksum_is_right() {
        return Err(DecodeError::Malformed("the checksum of the gzip header is wrong"));
    }
    Ok(length)
}

struct Header<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Header<'_> {
    /// The end of the header; `None` if it is not whole.
    fn optional(&mut self, flags: u8) -> Option<usize> {
        if flags & 0x04 != 0 {
            let length = self.bytes.get(self.at..)?.first_chunk()?;
            let length = usize::from(u16::from_le_bytes(*length));
            self.at = self.at.checked_add(2)?.checked_add(length)?;
        }
        for text in [0x08, 0x10] {
            if flags & text != 0 {
                let rest = self.bytes.get(self.at..)?;
                let end = rest.iter().position(|&byte| byte == 0)?;
                self.at = self.at.checked_add(end)?.checked_add(1)?;
            }
        }
        if flags & 0x02 != 0 {
            self.at = self.at.checked_add(2)?;
        }
        (self.at <= self.bytes.len()).then_some(self.at)
    }

    fn checksum_is_right(&self) -> bool {
        let Some((covered, stated)) =
            self.bytes.get(..self.at).and_then(<[u8]>::split_last_chunk::<2>)
        else {
            return false;
        };
        let mut crc = Crc32::new();
        crc.update(covered);
        crc.value().to_le_bytes().first_chunk::<2>() == Some(stated)
    }
}

/// The CRC of RFC 1952 section 8.
struct Crc32(u32);

impl Crc32 {
    const TABLE: [u32; 256] = Self::table();

    const fn new() -> Self {
        Self(u32::MAX)
    }

    fn update(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let [low, ..] = self.0.to_le_bytes();
            let row = Self::TABLE.get(usize::from(low ^ byte)).copied().unwrap_or_default();
            self.0 = row ^ (self.0 >> 8);
        }
    }

    const fn value(&self) -> u32 {
        !self.0
    }

    #[expect(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "made by the compiler, which finds every fault of it"
    )]
    const fn table() -> [u32; 256] {
        let mut table = [0; 256];
        let mut index = 0;
        while index < 256 {
            let mut row = index as u32;
            let mut bit = 0;
            while bit < 8 {
                row = if row & 1 == 0 { row >> 1 } else { 0xedb8_8320 ^ (row >> 1) };
                bit += 1;
            }
            table[index] = row;
            index += 1;
        }
        table
    }
}
