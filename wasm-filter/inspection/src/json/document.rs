//! A whole JSON document, read more strictly than RFC 8259 asks: what two
//! readers could take for different documents is refused, not guessed at.
//!
//! Where RFC 8259 leaves a choice, or readers differ in spite of it:
//!
//! | what | section | here |
//! | --- | --- | --- |
//! | a scalar as the document | 2 | read |
//! | white space | 2 | space, tab, line feed and carriage return, nothing else |
//! | comments, trailing commas, single quotes, anything after the document | 2 | refused |
//! | the same key twice in an object | 4 | refused (`json_duplicate_key`); keys are compared after escapes are undone |
//! | the order of members | 4 | means nothing |
//! | keys that differ in case only, or from a NUL on | 4 | two keys; refused where one of them is asked for ([`mod@super::select`]) |
//! | keys that differ in Unicode normalisation | 8.3 | two keys: nothing is normalised |
//! | an empty key; a NUL or another control character, escaped, in a key or a string | 7 | read |
//! | a whole number from -2^63 to 2^64 - 1, without fraction and exponent | 6 | read exactly |
//! | a whole number outside of that | 6 | refused (`json_number_inexact`) |
//! | a number with a fraction or an exponent | 6 | the nearest double, ties to even; the integer where it is whole and below 2^53 |
//! | a fraction that only rounding makes whole (`1.00000000000000000001`) | 6 | refused (`json_number_inexact`): a limit may lie between |
//! | a number that overflows a double, or is so small that it would be 0 | 6 | refused (`json_number_inexact`) |
//! | `-0`, `-0.0` | 6 | 0 |
//! | `NaN`, `Infinity`, leading zeros, `+1`, `.5`, `1.`, hexadecimals | 6 | refused |
//! | half of a surrogate pair (`\ud800`) | 8.2 | refused: readers replace it in different ways |
//! | noncharacters (`\uffff`, U+10FFFE) | 8.2 | read |
//! | bytes that are not UTF-8, surrogates and overlong forms among them | 8.1 | refused (`utf8_invalid`) |
//! | a byte order mark | 8.1 | refused |
//! | nesting | 9 | read up to the route's limit, 112 at most; refused deeper (`too_deep`) |
//!
//! Numbers are held by value, so `1.0`, `1e0` and `1` are one number.
//!
//! It is as fast as `serde_json` reads into a `Value`: the text is checked to be UTF-8
//! once and not string by string, a string without escapes is copied in one piece, and
//! its end is looked for eight bytes at a time.

use std::mem;

use serde_json::{Map, Number, Value};

use crate::facts::{Unparsed, UnparsedCode};

/// The deepest nesting that is read whatever the limits say: `Value` is dropped
/// and written by recursion, and a Wasm stack is small. What is selected of a document
/// goes into facts, and `serde_json` reads those only where they nest less than 128 deep.
pub const MAX_DEPTH: usize = 112;

/// Reads the whole of `bytes` as one document that nests at most `depth` deep (a
/// scalar has depth 0), and never deeper than [`MAX_DEPTH`].
///
/// # Examples
///
/// ```
/// use chaperone_inspection::json::document;
///
/// let error = document::parse(br#"{"role":"reader","role":"admin"}"#, 8).unwrap_err();
/// assert_eq!(error.detail, "an object has the same key twice, at line 1 column 18 (byte 17)");
/// ```
pub fn parse(bytes: &[u8], depth: usize) -> Result<Value, Unparsed> {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err(Unparsed::new(
            UnparsedCode::JsonMalformed,
            "the document begins with a byte order mark (RFC 8259 section 8.1)",
        ));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = position(bytes, error.valid_up_to());
        Unparsed::new(UnparsedCode::Utf8Invalid, format!("the body is not UTF-8, {at}"))
    })?;
    let mut parser =
        Parser { text, at: 0, depth: depth.min(MAX_DEPTH), scratch: String::new(), fault: None };
    parser.document().map_err(|Failed| {
        let (code, what, at) = match parser.fault {
            Some(Fault { code, what, at }) => (code, what, at),
            None => (UnparsedCode::JsonMalformed, "the document cannot be read", parser.at),
        };
        Unparsed::new(code, format!("{what}, {}", position(bytes, at)))
    })
}

/// Whether `serde_json` takes an object of this key for something else, a number or a raw
/// text, in builds that have those features: facts would change on their way.
pub(crate) fn is_serdes_own(key: &str) -> bool {
    key.starts_with("$serde_json::private::")
}

/// `value` without white space and with its keys sorted: equal values give equal
/// bytes, in every build.
pub fn canonical(value: &Value) -> String {
    let mut out = String::new();
    write_canonical(value, &mut out);
    out
}

fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(object) => {
            // `Map` keeps the order of insertion when any crate of the build asks
            // for that, so the order is made here.
            let mut members: Vec<_> = object.iter().collect();
            members.sort_unstable_by_key(|(key, _)| *key);
            out.push('{');
            for (index, (key, value)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write_canonical(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

fn position(bytes: &[u8], at: usize) -> String {
    let before = bytes.get(..at).unwrap_or(bytes);
    let line = before.split(|&byte| byte == b'\n').count();
    let column = before.iter().rev().take_while(|&&byte| byte != b'\n').count().saturating_add(1);
    format!("at line {line} column {column} (byte {at})")
}

/// What is wrong, and the byte where.
struct Fault {
    code: UnparsedCode,
    what: &'static str,
    at: usize,
}

/// Reading has ended; [`Parser::fault`] says why. It has no size, so that values are
/// returned as they are.
struct Failed;

struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
    /// Where strings with escapes are put together.
    scratch: String,
    fault: Option<Fault>,
}

impl<'t> Parser<'t> {
    fn document(&mut self) -> Result<Value, Failed> {
        self.space();
        let value = self.value(0)?;
        self.space();
        match self.peek() {
            None => Ok(value),
            Some(_) => self.malformed("something follows the document"),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, Failed> {
        match self.peek() {
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number().map(Value::Number),
            Some(b'{' | b'[') if depth >= self.depth => {
                self.fail(UnparsedCode::TooDeep, "the document nests deeper than the limit")
            }
            Some(b'{') => self.object(depth.saturating_add(1)),
            Some(b'[') => self.array(depth.saturating_add(1)),
            Some(b't') => self.literal("true", Value::Bool(true)),
            Some(b'f') => self.literal("false", Value::Bool(false)),
            Some(b'n') => self.literal("null", Value::Null),
            Some(_) => self.malformed("a value was expected"),
            None => self.malformed("the document ends early"),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, Failed> {
        let mut object = Map::new();
        self.advance(1);
        self.space();
        if self.take(b'}') {
            return Ok(Value::Object(object));
        }
        loop {
            let key_at = self.at;
            if self.peek() != Some(b'"') {
                return self.malformed("a key was expected");
            }
            let key = self.string()?;
            if is_serdes_own(&key) {
                self.at = key_at;
                return self.fail(
                    UnparsedCode::JsonKeyAmbiguous,
                    "a key is one that a library reads as something else",
                );
            }
            self.space();
            if !self.take(b':') {
                return self.malformed("a colon was expected");
            }
            self.space();
            let value = self.value(depth)?;
            if object.insert(key, value).is_some() {
                self.at = key_at;
                return self
                    .fail(UnparsedCode::JsonDuplicateKey, "an object has the same key twice");
            }
            self.space();
            if self.take(b'}') {
                return Ok(Value::Object(object));
            }
            if !self.take(b',') {
                return self.malformed("a comma or the end of an object was expected");
            }
            self.space();
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, Failed> {
        let mut items = Vec::new();
        self.advance(1);
        self.space();
        if self.take(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value(depth)?);
            self.space();
            if self.take(b']') {
                return Ok(Value::Array(items));
            }
            if !self.take(b',') {
                return self.malformed("a comma or the end of an array was expected");
            }
            self.space();
        }
    }

    fn string(&mut self) -> Result<String, Failed> {
        self.advance(1);
        let plain = self.plain();
        if self.take(b'"') { Ok(plain.to_owned()) } else { self.string_on(plain) }
    }

    /// The rest of a string that is not as it is written.
    fn string_on(&mut self, begun: &str) -> Result<String, Failed> {
        let mut text = mem::take(&mut self.scratch);
        text.clear();
        text.push_str(begun);
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.advance(1);
                    let exact = text.as_str().to_owned();
                    self.scratch = text;
                    return Ok(exact);
                }
                Some(b'\\') => text.push(self.escape()?),
                Some(_) => return self.malformed("a string has a control character"),
                None => return self.malformed("the document ends early"),
            }
            text.push_str(self.plain());
        }
    }

    /// Passes over what stands for itself in a string.
    fn plain(&mut self) -> &'t str {
        let start = self.at;
        self.advance(plain_length(self.rest()));
        self.since(start)
    }

    fn escape(&mut self) -> Result<char, Failed> {
        let start = self.at;
        self.advance(1);
        let escaped = match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.advance(1);
                let Some(character) = self.unicode() else {
                    self.at = start;
                    return self.malformed("a string has an escape that is no character");
                };
                return Ok(character);
            }
            _ => return self.malformed("a string has an unknown escape"),
        };
        self.advance(1);
        Ok(escaped)
    }

    /// The rest of `\uXXXX`, or of a pair of them; `None` for a lone surrogate.
    fn unicode(&mut self) -> Option<char> {
        let first = self.hex()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(u32::from(first));
        }
        if !(self.take(b'\\') && self.take(b'u')) {
            return None;
        }
        char::decode_utf16([first, self.hex()?]).next()?.ok()
    }

    fn hex(&mut self) -> Option<u16> {
        let digits = self.rest().first_chunk::<4>()?;
        let mut value = 0_u32;
        for digit in digits {
            value = value.wrapping_shl(4) | char::from(*digit).to_digit(16)?;
        }
        self.advance(4);
        u16::try_from(value).ok()
    }

    fn number(&mut self) -> Result<Number, Failed> {
        let start = self.at;
        let negative = self.take(b'-');
        let mut decimal = Decimal::default();
        if !self.take(b'0') {
            self.digits(&mut decimal)?;
        }
        if !matches!(self.peek(), Some(b'.' | b'e' | b'E')) {
            let number = decimal.magnitude().and_then(|magnitude| integer(negative, magnitude));
            return self.held(number.or_else(|| long_integer(self.since(start))), start);
        }
        if self.take(b'.') {
            let point = self.at;
            self.digits(&mut decimal)?;
            decimal.exponent = signed(self.at.saturating_sub(point)).saturating_neg();
        }
        if self.take(b'e') || self.take(b'E') {
            let less = !self.take(b'+') && self.take(b'-');
            let mut exponent = Decimal::default();
            self.digits(&mut exponent)?;
            let by = exponent.magnitude().and_then(|by| i64::try_from(by).ok()).unwrap_or(i64::MAX);
            let by = if less { by.saturating_neg() } else { by };
            decimal.exponent = decimal.exponent.saturating_add(by);
        }
        self.held(double(self.since(start), negative, &decimal), start)
    }

    fn held(&mut self, number: Option<Number>, start: usize) -> Result<Number, Failed> {
        let Some(number) = number else {
            self.at = start;
            return self.fail(
                UnparsedCode::JsonNumberInexact,
                "a number is too large, or too close to another, to be held as what it is",
            );
        };
        Ok(number)
    }

    fn digits(&mut self, decimal: &mut Decimal) -> Result<(), Failed> {
        let start = self.at;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            decimal.push(digit);
            self.advance(1);
        }
        if self.at == start { self.malformed("a digit was expected") } else { Ok(()) }
    }

    fn literal(&mut self, word: &str, value: Value) -> Result<Value, Failed> {
        if !self.rest().starts_with(word.as_bytes()) {
            return self.malformed("a value was expected");
        }
        self.advance(word.len());
        Ok(value)
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.advance(1);
        }
    }

    fn rest(&self) -> &'t [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    fn since(&self, start: usize) -> &'t str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    const fn advance(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes);
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.advance(1);
        }
        found
    }

    #[cold]
    fn malformed<T>(&mut self, what: &'static str) -> Result<T, Failed> {
        self.fail(UnparsedCode::JsonMalformed, what)
    }

    #[cold]
    fn fail<T>(&mut self, code: UnparsedCode, what: &'static str) -> Result<T, Failed> {
        self.fault = Some(Fault { code, what, at: self.at });
        Err(Failed)
    }
}

/// How many bytes stand for themselves in a string: up to a quote, a backslash or a
/// control character.
fn plain_length(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    let mut length = 0_usize;
    while let Some((eight, after)) = rest.split_first_chunk::<8>() {
        let stops = stops(u64::from_le_bytes(*eight));
        if stops != 0 {
            let first = usize::try_from(stops.trailing_zeros().wrapping_shr(3)).unwrap_or_default();
            return length.saturating_add(first);
        }
        length = length.saturating_add(8);
        rest = after;
    }
    let last = rest.iter().take_while(|byte| !matches!(byte, 0..=0x1f | b'"' | b'\\')).count();
    length.saturating_add(last)
}

/// The high bit of each byte that ends a run. Above the first of them it may be set for
/// others, because a subtraction borrows.
const fn stops(eight: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = EACH << 7;
    let controls = eight.wrapping_sub(EACH.wrapping_mul(0x20));
    let quotes = (eight ^ EACH.wrapping_mul(b'"' as u64)).wrapping_sub(EACH);
    let backslashes = (eight ^ EACH.wrapping_mul(b'\\' as u64)).wrapping_sub(EACH);
    (controls | quotes | backslashes) & !eight & HIGH
}

/// The digits of a number, as far as they fit: `significand` x 10^`exponent`.
#[derive(Default)]
struct Decimal {
    significand: u64,
    /// How many digits were read after leading zeros, those included that did not fit.
    digits: usize,
    exponent: i64,
}

impl Decimal {
    const fn push(&mut self, digit: u8) {
        let digit = digit.wrapping_sub(b'0') as u64;
        self.significand = self.significand.wrapping_mul(10).wrapping_add(digit);
        if self.digits > 0 || digit > 0 {
            self.digits = self.digits.saturating_add(1);
        }
    }

    /// The significand, unless it has more digits than surely fit.
    fn magnitude(&self) -> Option<u64> {
        const SURELY_FIT: usize = 19;
        (self.digits <= SURELY_FIT).then_some(self.significand)
    }
}

fn signed(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

fn integer(negative: bool, magnitude: u64) -> Option<Number> {
    if negative {
        0_i64.checked_sub_unsigned(magnitude).map(Number::from)
    } else {
        Some(magnitude.into())
    }
}

/// An integer of more digits than surely fit a [`Decimal`].
fn long_integer(text: &str) -> Option<Number> {
    match text.parse::<i64>() {
        Ok(number) => Some(number.into()),
        Err(_) => text.parse::<u64>().ok().map(Number::from),
    }
}

/// A number written with a fraction or an exponent.
fn double(text: &str, negative: bool, decimal: &Decimal) -> Option<Number> {
    /// From here on a double stands for more than one integer.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number = match short_double(decimal) {
        Some(number) if negative => -number,
        Some(number) => number,
        None => text.parse::<f64>().ok().filter(|number| number.is_finite())?,
    };
    if number == 0.0 {
        return is_zero(text).then(|| 0.into());
    }
    if number.fract() == 0.0 && number.abs() < EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
        return is_whole(text, decimal.exponent).then(|| (number as i64).into());
    }
    Number::from_f64(number)
}

/// The nearest double, where the significand and the power of ten are doubles both, so
/// that one operation rounds once (W. D. Clinger, 1990). Most numbers are of that kind.
fn short_double(decimal: &Decimal) -> Option<f64> {
    const POWERS: [f64; 23] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
        1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
    ];
    let significand = decimal.magnitude().filter(|magnitude| *magnitude < 1 << 53)?;
    let power = POWERS.get(usize::try_from(decimal.exponent.unsigned_abs()).ok()?)?;
    #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
    let significand = significand as f64;
    Some(if decimal.exponent < 0 { significand / power } else { significand * power })
}

/// Whether there is no digit but 0 before the exponent.
fn is_zero(text: &str) -> bool {
    let significand = text.split(['e', 'E']).next().unwrap_or_default();
    significand.bytes().all(|byte| matches!(byte, b'-' | b'0' | b'.'))
}

/// Whether the number, which is not 0, is whole as it is written and not only as the
/// nearest double: its last digit but zeros is no fraction. `exponent` is that of its
/// last digit.
fn is_whole(text: &str, exponent: i64) -> bool {
    let significand = text.split(['e', 'E']).next().unwrap_or_default();
    let digits = significand.bytes().rev().filter(|byte| *byte != b'.');
    let zeros = digits.take_while(|byte| *byte == b'0').count();
    exponent.saturating_add(signed(zeros)) >= 0
}

#[cfg(test)]
mod tests;
