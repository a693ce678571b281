//! The wire format of protobuf: numbers, and fields with their numbers.

use super::malformed;
use crate::facts::Unparsed;

/// A value as it is on the wire, its type not known yet.
#[derive(Clone, Copy)]
pub(super) enum Wire<'b> {
    Varint(u64),
    Fixed64([u8; 8]),
    Fixed32([u8; 4]),
    Bytes(&'b [u8]),
}

/// What is left of a message.
pub(super) struct Reader<'b>(pub(super) &'b [u8]);

impl<'b> Reader<'b> {
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next field: its number and its value.
    pub(super) fn field(&mut self) -> Result<(u32, Wire<'b>), Unparsed> {
        let before = self.0.len();
        let tag = u32::try_from(self.varint()?)
            .map_err(|_| malformed("a field has a number that is too large"))?;
        let read = before.saturating_sub(self.0.len());
        // Tags in more bytes than they need are read by some and refused by others.
        let shortest = match read {
            1 => true,
            2..=5 => tag >> read.saturating_sub(1).saturating_mul(7) != 0,
            _ => false,
        };
        if !shortest {
            return Err(malformed("the number of a field is not written in its shortest form"));
        }
        let number = tag >> 3;
        if number == 0 {
            return Err(malformed("a field has the number 0"));
        }
        let wire = match tag & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Fixed64(self.fixed()?),
            2 => {
                let length = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
                let (bytes, rest) = self.0.split_at_checked(length).ok_or_else(ends_early)?;
                self.0 = rest;
                Wire::Bytes(bytes)
            }
            5 => Wire::Fixed32(self.fixed()?),
            3 | 4 => return Err(malformed("a message has a group, which is not read")),
            _ => return Err(malformed("a field has a wire type that does not exist")),
        };
        Ok((number, wire))
    }

    /// A number of at most 64 bits.
    pub(super) fn varint(&mut self) -> Result<u64, Unparsed> {
        let mut value = 0_u64;
        for shift in (0..70_u32).step_by(7) {
            let (&byte, rest) = self.0.split_first().ok_or_else(ends_early)?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits.checked_shl(shift).unwrap_or_default();
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(malformed("a number is longer than 64 bits"))
    }

    pub(super) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Unparsed> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or_else(ends_early)?;
        self.0 = rest;
        Ok(*bytes)
    }
}

fn ends_early() -> Unparsed {
    malformed("a message ends early")
}
