//! `$'…'` (POSIX.1-2024, XCU 2.2.4): quotes with escapes.

use super::reader::{Read, Reader, undecidable};
use super::syntax::{Part, Word};

impl Reader<'_, '_> {
    /// After `$'`, up to and with the last quote.
    pub(super) fn ansi_c_quotes(&mut self, word: &mut Word) -> Read<()> {
        let mut bytes = Vec::new();
        loop {
            match self.bump() {
                None => return Err(undecidable("a quote without an end")),
                Some('\'') => break,
                Some('\\') => self.escape(&mut bytes)?,
                Some(character) => push(&mut bytes, character),
            }
        }
        let text = String::from_utf8(bytes)
            .map_err(|_| undecidable("an escape that makes no UTF-8 character"))?;
        if text.contains('\0') {
            return Err(undecidable("a zero byte"));
        }
        self.note_text(&text);
        word.open_quotes();
        if let Some(Part::Quoted(quoted)) = word.parts.last_mut() {
            quoted.push_str(&text);
        }
        Ok(())
    }

    fn escape(&mut self, bytes: &mut Vec<u8>) -> Read<()> {
        let plain = match self.bump() {
            Some('a') => 0x07,
            Some('b') => 0x08,
            Some('e' | 'E') => 0x1b,
            Some('f') => 0x0c,
            Some('n') => b'\n',
            Some('r') => b'\r',
            Some('t') => b'\t',
            Some('v') => 0x0b,
            Some('\\') => b'\\',
            Some('"') => b'"',
            Some('?') => b'?',
            Some('c') => self.control()?,
            Some('x') => {
                let value = self.digits(16, 2)?;
                // Some shells take every digit there is.
                if self.peek().is_some_and(|next| next.is_ascii_hexdigit()) {
                    return Err(undecidable("`\\x` with more than two digits"));
                }
                byte(value)?
            }
            Some(first @ '0'..='7') => {
                let first = first.to_digit(8).unwrap_or_default();
                let (value, count) = self.more_digits(8, 2);
                byte(first.saturating_mul(8_u32.saturating_pow(count)).saturating_add(value))?
            }
            Some('u') => return self.character(4, bytes),
            Some('U') => return self.character(8, bytes),
            // A shell without these quotes would end them here.
            Some('\'') => return Err(undecidable("an escaped quote within `$'…'`")),
            _ => return Err(undecidable("an escape that is not known")),
        };
        bytes.push(plain);
        Ok(())
    }

    /// After `\c`.
    fn control(&mut self) -> Read<u8> {
        match self.bump() {
            Some(letter @ ('a'..='z' | 'A'..='Z')) => byte(u32::from(letter) & 0x1f),
            _ => Err(undecidable("an escape that is not known")),
        }
    }

    fn character(&mut self, digits: u32, bytes: &mut Vec<u8>) -> Read<()> {
        let character = char::from_u32(self.digits(16, digits)?)
            .ok_or_else(|| undecidable("an escape that makes no UTF-8 character"))?;
        push(bytes, character);
        Ok(())
    }

    fn digits(&mut self, radix: u32, most: u32) -> Read<u32> {
        match self.more_digits(radix, most) {
            (_, 0) => Err(undecidable("an escape without its digits")),
            (value, _) => Ok(value),
        }
    }

    fn more_digits(&mut self, radix: u32, most: u32) -> (u32, u32) {
        let (mut value, mut count) = (0_u32, 0_u32);
        while count < most
            && let Some(digit) = self.peek().and_then(|next| next.to_digit(radix))
        {
            self.bump();
            value = value.saturating_mul(radix).saturating_add(digit);
            count = count.saturating_add(1);
        }
        (value, count)
    }
}

fn push(bytes: &mut Vec<u8>, character: char) {
    bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

fn byte(value: u32) -> Read<u8> {
    u8::try_from(value).map_err(|_| undecidable("an escape that is no byte"))
}
