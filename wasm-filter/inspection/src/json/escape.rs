//! The escapes of JSON strings (RFC 8259 section 7), read and written.

/// An escape that there is none of, or half of a surrogate pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an invalid escape in a JSON string")]
pub struct EscapeError;

/// Appends to `decoded` what `written`, the bytes between the quotes, stands for.
pub fn decode(written: &[u8], decoded: &mut Vec<u8>) -> Result<(), EscapeError> {
    let mut pieces = Pieces { rest: written };
    while let Some(piece) = pieces.next(usize::MAX)? {
        match piece {
            Piece::Plain(bytes) => decoded.extend_from_slice(bytes),
            Piece::Escape(character) => {
                decoded.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
    }
    Ok(())
}

/// Appends `text` to `out` with what must be escaped escaped.
pub fn encode(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, 0..=0x1f | b'"' | b'\\')) {
        let (plain, from) = rest.split_at_checked(at).unwrap_or_default();
        out.extend_from_slice(plain);
        let Some((&byte, after)) = from.split_first() else { break };
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
        }
        rest = after;
    }
    out.extend_from_slice(rest);
}

/// Walks through a string as written by offsets into what it stands for.
#[derive(Debug)]
pub struct Places<'a> {
    pieces: Pieces<'a>,
    length: usize,
    decoded: usize,
}

impl<'a> Places<'a> {
    /// A walk through `written`.
    pub const fn new(written: &'a [u8]) -> Self {
        Self { pieces: Pieces { rest: written }, length: written.len(), decoded: 0 }
    }

    /// Where in the string as written the character at `decoded` begins. The
    /// offsets of successive calls must not fall.
    pub fn written(&mut self, decoded: usize) -> usize {
        while self.decoded < decoded {
            let missing = decoded.saturating_sub(self.decoded);
            let passed = match self.pieces.next(missing) {
                Ok(Some(Piece::Plain(bytes))) => bytes.len(),
                Ok(Some(Piece::Escape(character))) => character.len_utf8(),
                Ok(None) | Err(EscapeError) => break,
            };
            self.decoded = self.decoded.saturating_add(passed);
        }
        self.length.saturating_sub(self.pieces.rest.len())
    }
}

#[derive(Debug)]
struct Pieces<'a> {
    rest: &'a [u8],
}

enum Piece<'a> {
    /// Bytes that stand for themselves.
    Plain(&'a [u8]),
    /// The character that an escape stands for.
    Escape(char),
}

impl<'a> Pieces<'a> {
    /// The next piece; a plain one has at most `most` bytes.
    fn next(&mut self, most: usize) -> Result<Option<Piece<'a>>, EscapeError> {
        let bytes = self.rest;
        let plain = bytes.iter().take(most).take_while(|byte| **byte != b'\\').count();
        if plain > 0 {
            let (plain, rest) = bytes.split_at_checked(plain).unwrap_or_default();
            self.rest = rest;
            return Ok(Some(Piece::Plain(plain)));
        }
        let [b'\\', letter, rest @ ..] = bytes else {
            return if bytes.is_empty() { Ok(None) } else { Err(EscapeError) };
        };
        self.rest = rest;
        let character = match letter {
            b'"' | b'\\' | b'/' => char::from(*letter),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => self.unicode()?,
            _ => return Err(EscapeError),
        };
        Ok(Some(Piece::Escape(character)))
    }

    /// What follows `\u`: four hex digits, and for a high surrogate the low one.
    fn unicode(&mut self) -> Result<char, EscapeError> {
        let first = self.hex()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first).ok_or(EscapeError);
        }
        self.rest = self.rest.strip_prefix(b"\\u").ok_or(EscapeError)?;
        let units = [first, self.hex()?].map(|unit| u16::try_from(unit).unwrap_or_default());
        let mut characters = char::decode_utf16(units);
        characters.next().and_then(Result::ok).ok_or(EscapeError)
    }

    fn hex(&mut self) -> Result<u32, EscapeError> {
        let (digits, rest) = self.rest.split_first_chunk::<4>().ok_or(EscapeError)?;
        self.rest = rest;
        digits.iter().try_fold(0_u32, |value, digit| {
            let digit = char::from(*digit).to_digit(16).ok_or(EscapeError)?;
            Ok(value.wrapping_shl(4) | digit)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(written: &str) -> Option<String> {
        let mut decoded = Vec::new();
        decode(written.as_bytes(), &mut decoded).ok()?;
        String::from_utf8(decoded).ok()
    }

    #[test]
    fn escapes_read_as_another_reader_reads_them() {
        let texts = [
            "plain",
            "",
            r#"\"\\\/\b\f\n\r\t"#,
            r"\u0040\u00e9\u20AC",
            r"\ud83d\ude00x",
            r"é€😀",
            r"\ud83d",
            r"\ude00\ud83d",
            r"\ud83dx",
            r"\u12",
            r"\x41",
            r"\",
            r"\u00g0",
            r"\U0041",
        ];
        for text in texts {
            let other: Option<String> = serde_json::from_str(&format!("\"{text}\"")).ok();
            assert_eq!(decoded(text), other, "{text}");
        }
    }

    #[test]
    fn what_is_encoded_reads_back() {
        let text: String = (0..0x100).filter_map(char::from_u32).chain("€😀".chars()).collect();
        let mut written = Vec::new();
        encode(text.as_bytes(), &mut written);
        assert_eq!(decoded(std::str::from_utf8(&written).unwrap()), Some(text));
    }

    #[test]
    fn a_place_in_the_text_is_found_as_it_was_written() {
        let written = br"a\u0040\ud83d\ude00\nz";
        let mut places = Places::new(written);
        let found: Vec<usize> = [0, 1, 2, 6, 7, 8].map(|at| places.written(at)).to_vec();
        assert_eq!(found, [0, 1, 7, 19, 21, 22]);
    }
}
