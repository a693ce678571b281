//! A stream of JSON tokens, read strictly (RFC 8259) from chunks of any size.
//!
//! Each token comes with where it stands in the chunk, so that a reader can copy
//! what it leaves alone as it is. A token that a chunk cuts is held until it is
//! whole: nothing else is kept, and that is bounded.

/// The deepest nesting that is read.
pub const MAX_DEPTH: usize = 64;
/// The longest string that is held, in bytes between the quotes as they are
/// written; a longer one is passed over unread ([`Token::long`]).
pub const MAX_STRING: usize = 64 * 1024;
/// The longest number that is read, in bytes.
pub const MAX_NUMBER: usize = 1024;

/// Reads one document, or several in a row, chunk by chunk.
#[derive(Debug)]
pub struct Tokenizer {
    expect: Expect,
    /// Whether each open container is an object, the innermost in the last bit.
    objects: u64,
    depth: usize,
    partial: Option<Partial>,
    held: Vec<u8>,
    /// Where in the chunk the partial token begins.
    cut: usize,
    /// Bytes of earlier chunks.
    before: u64,
    sequence: bool,
    started: bool,
}

/// One token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Where it begins in the chunk; 0 when it began in an earlier one.
    pub start: usize,
    /// After its last byte in the chunk.
    pub end: usize,
    /// It began in an earlier chunk, and its bytes are held.
    pub held: bool,
    /// It is a string longer than [`MAX_STRING`], whose text is not there.
    pub long: bool,
    /// What a string holds.
    pub traits: Traits,
}

/// The kinds of token; colons and commas are checked and not reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Kind {
    BeginObject,
    EndObject,
    BeginArray,
    EndArray,
    Key,
    String,
    Number,
    True,
    False,
    Null,
}

/// What the bytes of a string have in common with what a reader may look for, as
/// seen while looking for the string's end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traits(u8);

impl Traits {
    /// It has an escape.
    pub const fn escapes(self) -> bool {
        self.0 & BACKSLASH != 0
    }

    /// It has a digit.
    pub const fn digits(self) -> bool {
        self.0 & DIGIT != 0
    }

    /// It has an `@`.
    pub const fn at_signs(self) -> bool {
        self.0 & AT != 0
    }

    const fn non_ascii(self) -> bool {
        self.0 & NON_ASCII != 0
    }
}

/// The bytes are not the JSON that is read. Offsets count from the first chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not well-formed.
    #[error("not well-formed JSON at byte {0}")]
    Malformed(u64),
    /// Cut off.
    #[error("the JSON ends early")]
    Truncated,
    /// Not UTF-8.
    #[error("not UTF-8 in the string that ends at byte {0}")]
    Utf8(u64),
    /// A string has an escape that there is none of, or half of a surrogate pair.
    #[error("{0}")]
    Escape(#[from] super::escape::EscapeError),
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("nested deeper than 64 levels at byte {0}")]
    TooDeep(u64),
    /// A number longer than [`MAX_NUMBER`].
    #[error("a number of more than 1024 bytes")]
    NumberTooLong,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    Value,
    FirstElement,
    FirstKey,
    Key,
    Colon,
    CommaOrEnd,
    Nothing,
}

/// A token that the chunk has cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Partial {
    String(OpenString),
    Word,
}

/// A string as far as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OpenString {
    kind: Kind,
    /// It began in an earlier chunk.
    held: bool,
    long: bool,
    /// Its last byte was a backslash that escapes the next.
    escaped: bool,
    traits: Traits,
}

impl Tokenizer {
    /// A reader of one document.
    pub const fn document() -> Self {
        Self {
            expect: Expect::Value,
            objects: 0,
            depth: 0,
            partial: None,
            held: Vec::new(),
            cut: 0,
            before: 0,
            sequence: false,
            started: false,
        }
    }

    /// A reader of any number of documents with white space between them, as in
    /// newline-delimited JSON.
    pub fn sequence() -> Self {
        Self { sequence: true, ..Self::document() }
    }

    /// The next token at or after `at` in `chunk`, or `None` when the rest of the
    /// chunk holds no whole one: then the next call is with the next chunk, at 0.
    pub fn next(&mut self, chunk: &[u8], at: usize) -> Result<Option<Token>, JsonError> {
        let token = self.read(chunk, at)?;
        if token.is_none() {
            self.before = self.offset(chunk.len());
        }
        Ok(token)
    }

    /// Ends the input; a number may turn out to be whole only now.
    pub fn finish(&mut self) -> Result<Option<Token>, JsonError> {
        let token = match self.partial.take() {
            None => None,
            Some(Partial::String(_)) => return Err(JsonError::Truncated),
            Some(Partial::Word) => {
                let kind = word_kind(&self.held).ok_or(JsonError::Malformed(self.before))?;
                self.expect = self.after_value();
                Some(Token { held: true, ..Token::plain(kind, 0, 0) })
            }
        };
        let whole = self.expect == Expect::Nothing || (self.sequence && !self.started);
        if whole { Ok(token) } else { Err(JsonError::Truncated) }
    }

    /// The token's bytes: of a string what is between the quotes, as written.
    pub fn text<'a>(&'a self, token: &Token, chunk: &'a [u8]) -> &'a [u8] {
        let bytes = self.bytes(token, chunk);
        match token.kind {
            Kind::String | Kind::Key => {
                bytes.get(1..bytes.len().saturating_sub(1)).unwrap_or_default()
            }
            _ => bytes,
        }
    }

    /// The token's bytes, quotes included.
    pub fn bytes<'a>(&'a self, token: &Token, chunk: &'a [u8]) -> &'a [u8] {
        if token.held { &self.held } else { chunk.get(token.start..token.end).unwrap_or_default() }
    }

    /// How much of a chunk of `length` bytes, of which [`Self::next`] has just
    /// said that no more whole token is in it, belongs to no held token.
    pub const fn whole(&self, length: usize) -> usize {
        if self.partial.is_some() { self.cut } else { length }
    }

    #[cfg(all(test, not(target_arch = "wasm32")))]
    pub(crate) fn held_bytes(&self) -> usize {
        self.held.capacity()
    }

    fn read(&mut self, chunk: &[u8], at: usize) -> Result<Option<Token>, JsonError> {
        if let Some(partial) = self.partial.take() {
            return self.resume(partial, chunk);
        }
        self.held.clear();
        let mut at = at;
        loop {
            let rest = chunk.get(at..).unwrap_or_default();
            let Some(blank) = rest.iter().position(|byte| !is_white_space(*byte)) else {
                return Ok(None);
            };
            let start = at.saturating_add(blank);
            let byte = rest.get(blank).copied().unwrap_or_default();
            at = start.saturating_add(1);
            match (self.expect, byte) {
                (Expect::Colon, b':') => self.expect = Expect::Value,
                (Expect::CommaOrEnd, b',') => {
                    self.expect = if self.in_object() { Expect::Key } else { Expect::Value };
                }
                (Expect::FirstKey | Expect::Key, b'"') => {
                    return self.string(Kind::Key, chunk, start);
                }
                (Expect::FirstKey | Expect::CommaOrEnd, b'}') if self.in_object() => {
                    return Ok(Some(self.close(Kind::EndObject, start)));
                }
                (Expect::FirstElement | Expect::CommaOrEnd, b']') if !self.in_object() => {
                    return Ok(Some(self.close(Kind::EndArray, start)));
                }
                (Expect::Value | Expect::FirstElement, _) => {
                    return self.value(byte, chunk, start);
                }
                (Expect::Nothing, _) if self.sequence => return self.value(byte, chunk, start),
                _ => return Err(JsonError::Malformed(self.offset(start))),
            }
        }
    }

    fn value(&mut self, byte: u8, chunk: &[u8], start: usize) -> Result<Option<Token>, JsonError> {
        self.started = true;
        match byte {
            b'"' => self.string(Kind::String, chunk, start),
            b'{' => self.open(Kind::BeginObject, start).map(Some),
            b'[' => self.open(Kind::BeginArray, start).map(Some),
            b'-' | b'0'..=b'9' | b'a'..=b'z' => self.word(chunk, start, false),
            _ => Err(JsonError::Malformed(self.offset(start))),
        }
    }

    fn resume(&mut self, partial: Partial, chunk: &[u8]) -> Result<Option<Token>, JsonError> {
        match partial {
            Partial::String(open) => self.string_on(OpenString { held: true, ..open }, chunk, 0, 0),
            Partial::Word => self.word(chunk, 0, true),
        }
    }

    // Containers

    fn open(&mut self, kind: Kind, start: usize) -> Result<Token, JsonError> {
        if self.depth == MAX_DEPTH {
            return Err(JsonError::TooDeep(self.offset(start)));
        }
        let object = kind == Kind::BeginObject;
        self.depth = self.depth.saturating_add(1);
        self.objects = self.objects.wrapping_shl(1) | u64::from(object);
        self.expect = if object { Expect::FirstKey } else { Expect::FirstElement };
        Ok(Token::plain(kind, start, start.saturating_add(1)))
    }

    fn close(&mut self, kind: Kind, start: usize) -> Token {
        self.depth = self.depth.saturating_sub(1);
        self.objects = self.objects.wrapping_shr(1);
        self.expect = self.after_value();
        Token::plain(kind, start, start.saturating_add(1))
    }

    const fn in_object(&self) -> bool {
        self.depth > 0 && self.objects & 1 != 0
    }

    const fn after_value(&self) -> Expect {
        if self.depth == 0 { Expect::Nothing } else { Expect::CommaOrEnd }
    }

    // Strings, numbers and literals

    fn string(
        &mut self,
        kind: Kind,
        chunk: &[u8],
        start: usize,
    ) -> Result<Option<Token>, JsonError> {
        let traits = Traits::default();
        let open = OpenString { kind, held: false, long: false, escaped: false, traits };
        self.string_on(open, chunk, start, start.saturating_add(1))
    }

    /// Reads on in a string from `from`; what this chunk has of it begins at `start`.
    fn string_on(
        &mut self,
        mut open: OpenString,
        chunk: &[u8],
        start: usize,
        from: usize,
    ) -> Result<Option<Token>, JsonError> {
        let length = open
            .read(chunk.get(from..).unwrap_or_default())
            .map_err(|bad| JsonError::Malformed(self.offset(from.saturating_add(bad))))?;
        let end = length.map_or(chunk.len(), |length| from.saturating_add(length));
        let new = chunk.get(start..end).unwrap_or_default();
        let quotes = if length.is_some() { 2 } else { 1 };
        let written = self.held.len().saturating_add(new.len()).saturating_sub(quotes);
        open.long |= written > MAX_STRING;
        if open.long {
            self.held = Vec::new();
        } else if open.held || length.is_none() {
            self.held.extend_from_slice(new);
        }
        if length.is_none() {
            self.cut = start;
            self.partial = Some(Partial::String(open));
            return Ok(None);
        }
        let OpenString { kind, held, long, traits, .. } = open;
        let token = Token { kind, start, end, held, long, traits };
        if !long && traits.non_ascii() && std::str::from_utf8(self.bytes(&token, chunk)).is_err() {
            return Err(JsonError::Utf8(self.offset(end)));
        }
        self.expect = if kind == Kind::Key { Expect::Colon } else { self.after_value() };
        Ok(Some(token))
    }

    /// Reads a number or literal, which ends before the first byte that is in none.
    fn word(&mut self, chunk: &[u8], start: usize, held: bool) -> Result<Option<Token>, JsonError> {
        let rest = chunk.get(start..).unwrap_or_default();
        let length = rest.iter().position(|byte| !is_word(*byte));
        let new = rest.get(..length.unwrap_or(rest.len())).unwrap_or_default();
        if self.held.len().saturating_add(new.len()) > MAX_NUMBER {
            return Err(JsonError::NumberTooLong);
        }
        if held || length.is_none() {
            self.held.extend_from_slice(new);
        }
        if length.is_none() {
            self.cut = start;
            self.partial = Some(Partial::Word);
            return Ok(None);
        }
        let bytes = if held { &self.held } else { new };
        let end = start.saturating_add(new.len());
        let kind = word_kind(bytes).ok_or(JsonError::Malformed(self.offset(end)))?;
        self.expect = self.after_value();
        Ok(Some(Token { held, ..Token::plain(kind, start, end) }))
    }

    fn offset(&self, index: usize) -> u64 {
        self.before.saturating_add(u64::try_from(index).unwrap_or(u64::MAX))
    }
}

impl Token {
    const fn plain(kind: Kind, start: usize, end: usize) -> Self {
        Self { kind, start, end, held: false, long: false, traits: Traits(0) }
    }
}

impl OpenString {
    /// The length up to and with the closing quote, if `bytes` has it; the index of
    /// a control character, which may not stand in a string, as the error.
    fn read(&mut self, bytes: &[u8]) -> Result<Option<usize>, usize> {
        let mut rest = bytes.iter();
        if self.escaped && rest.next().is_some() {
            self.escaped = false;
        }
        let mut traits = self.traits.0;
        while let Some(byte) = rest.find(|byte| {
            let class = class(**byte);
            traits |= class;
            class & STOP != 0
        }) {
            let read = bytes.len().saturating_sub(rest.len());
            match byte {
                b'"' => {
                    self.traits = Traits(traits);
                    return Ok(Some(read));
                }
                // Which escapes there are is checked where they are decoded.
                b'\\' => self.escaped = rest.next().is_none(),
                _ => return Err(read.saturating_sub(1)),
            }
        }
        self.traits = Traits(traits);
        Ok(None)
    }
}

const STOP: u8 = 1;
const BACKSLASH: u8 = 1 << 1;
const NON_ASCII: u8 = 1 << 2;
const DIGIT: u8 = 1 << 3;
const AT: u8 = 1 << 4;

static CLASSES: [u8; 256] = classes();

fn class(byte: u8) -> u8 {
    CLASSES.get(usize::from(byte)).copied().unwrap_or(STOP)
}

#[expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "runs in the compiler, where a mistake is a build error"
)]
const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        table[index] = match index as u8 {
            0..=0x1f | b'"' => STOP,
            b'\\' => STOP | BACKSLASH,
            b'0'..=b'9' => DIGIT,
            b'@' => AT,
            0x80.. => NON_ASCII,
            _ => 0,
        };
        index += 1;
    }
    table
}

const fn is_white_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

fn word_kind(word: &[u8]) -> Option<Kind> {
    match word {
        b"true" => Some(Kind::True),
        b"false" => Some(Kind::False),
        b"null" => Some(Kind::Null),
        _ => is_number(word).then_some(Kind::Number),
    }
}

/// The grammar of RFC 8259 section 6.
fn is_number(word: &[u8]) -> bool {
    let digits = |bytes: &[u8]| !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit);
    let unsigned = word.strip_prefix(b"-").unwrap_or(word);
    let mut halves = unsigned.splitn(2, |byte| matches!(byte, b'e' | b'E'));
    let mut parts = halves.next().unwrap_or_default().splitn(2, |byte| *byte == b'.');
    let whole = parts.next().unwrap_or_default();
    let exponent = halves.next().is_none_or(|exponent| {
        digits(exponent.strip_prefix(b"+").or(exponent.strip_prefix(b"-")).unwrap_or(exponent))
    });
    let leading_zero = whole.len() > 1 && whole.first() == Some(&b'0');
    digits(whole) && !leading_zero && parts.next().is_none_or(digits) && exponent
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::Kind::{
        BeginArray, BeginObject, EndArray, EndObject, False, Key, Null, Number, True,
    };
    use super::*;
    use crate::json::escape;

    /// Every token of the chunks, with its text.
    fn tokens(chunks: &[&[u8]]) -> Result<Vec<(Kind, Vec<u8>)>, JsonError> {
        let mut tokenizer = Tokenizer::document();
        let mut tokens = Vec::new();
        for chunk in chunks {
            let mut at = 0;
            while let Some(token) = tokenizer.next(chunk, at)? {
                at = token.end;
                tokens.push((token.kind, tokenizer.text(&token, chunk).to_vec()));
            }
        }
        if let Some(token) = tokenizer.finish()? {
            tokens.push((token.kind, tokenizer.text(&token, &[]).to_vec()));
        }
        Ok(tokens)
    }

    fn is_json(bytes: &[u8]) -> bool {
        let escapes = |(kind, text): &(Kind, Vec<u8>)| {
            !matches!(kind, Kind::String | Key) || escape::decode(text, &mut Vec::new()).is_ok()
        };
        tokens(&[bytes]).is_ok_and(|tokens| tokens.iter().all(escapes))
    }

    #[test]
    fn a_document_reads_as_its_tokens_wherever_it_is_cut() {
        let body = br#" {"a\"\\":[-1.5e3,true,null],"":{"b":"\u00e9"},"c":false} "#;
        let kinds: Vec<Kind> = tokens(&[body]).unwrap().iter().map(|(kind, _)| *kind).collect();
        assert_eq!(
            kinds,
            [
                BeginObject,
                Key,
                BeginArray,
                Number,
                True,
                Null,
                EndArray,
                Key,
                BeginObject,
                Key,
                Kind::String,
                EndObject,
                Key,
                False,
                EndObject,
            ]
        );
        for at in 0..=body.len() {
            let (head, tail) = body.split_at(at);
            assert_eq!(tokens(&[head, tail]), tokens(&[body]), "cut at {at}");
        }
    }

    #[test]
    fn documents_in_a_row_are_read_only_where_they_are_expected() {
        let read = |mut tokenizer: Tokenizer| -> Result<usize, JsonError> {
            let (mut at, mut count) = (0, 0);
            let body = b"{}\n[] 1\ntrue";
            while let Some(token) = tokenizer.next(body, at)? {
                (at, count) = (token.end, count + 1);
            }
            Ok(count + usize::from(tokenizer.finish()?.is_some()))
        };
        assert_eq!(read(Tokenizer::sequence()), Ok(6));
        assert_eq!(read(Tokenizer::document()), Err(JsonError::Malformed(3)));
    }

    proptest! {
        /// Another strict reader is the judge of what is JSON.
        #[test]
        fn what_is_read_is_what_another_reader_reads(
            pieces in vec(prop_oneof![
                proptest::sample::select(vec![
                    "{", "}", "[", "]", ",", ":", "\"a\"", "\"", "1", "-0", "01", "1.", ".5", "1e5",
                    "1E+", "true", "nul", "null", " ", "\n", "\t", "\\u0041", "\\n", "\\", "\u{1}",
                    "é", "{\"a\":1}", "[1,2]", "\"\\ud83d\\ude00\"", "\"\\ud83d\"", "{\"b\":[true,{}]}",
                ]).prop_map(|piece| piece.as_bytes().to_vec()),
                any::<u8>().prop_map(|byte| vec![byte]),
            ], 0..8),
        ) {
            let bytes = pieces.concat();
            let other = serde_json::from_slice::<serde_json::Value>(&bytes).is_ok();
            prop_assert_eq!(is_json(&bytes), other, "{}", String::from_utf8_lossy(&bytes));
        }
    }
}
