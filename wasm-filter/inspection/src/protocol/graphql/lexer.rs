//! The tokens of GraphQL documents (September 2025, section 2.1).
//!
//! Control characters and the line separators of Unicode are refused wherever they
//! stand: editions and readers differ in whether a line, and so a comment, ends there.

use std::borrow::Cow;

use crate::facts::{Unparsed, UnparsedCode};

/// One token.
#[derive(Debug)]
pub(super) enum Token<'t> {
    /// A punctuator of one character.
    Punctuator(u8),
    /// `...`
    Spread,
    /// A name; keywords are names too.
    Name(&'t str),
    /// An integer or a float, which are written as JSON writes them.
    Number(&'t str),
    /// What a string or a block string stands for.
    Text(Cow<'t, str>),
    /// The end of the document.
    End,
}

/// What is wrong with a document, and the byte where.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) code: UnparsedCode,
    pub(super) what: &'static str,
    pub(super) at: usize,
}

impl Fault {
    pub(super) const fn malformed(what: &'static str, at: usize) -> Self {
        Self { code: UnparsedCode::GraphqlMalformed, what, at }
    }
}

impl From<Fault> for Unparsed {
    fn from(fault: Fault) -> Self {
        Self::new(fault.code, format!("{}, at byte {} of the document", fault.what, fault.at))
    }
}

/// Reads a document token by token.
#[derive(Debug)]
pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str) -> Result<Self, Fault> {
        match text.char_indices().find(|(_, c)| is_refused(*c)) {
            None => Ok(Self { text, at: 0 }),
            Some((at, _)) => Err(Fault::malformed("a control character or line separator", at)),
        }
    }

    /// The next token and where it begins.
    pub(super) fn next(&mut self) -> Result<(Token<'t>, usize), Fault> {
        self.pass_ignored();
        let start = self.at;
        let token = match self.peek() {
            None => Token::End,
            Some(
                byte @ (b'!' | b'$' | b'&' | b'(' | b')' | b':' | b'=' | b'@' | b'[' | b']' | b'{'
                | b'|' | b'}'),
            ) => {
                self.advance(1);
                Token::Punctuator(byte)
            }
            Some(b'.') if self.rest().starts_with("...") => {
                self.advance(3);
                Token::Spread
            }
            Some(byte) if is_name_start(byte) => Token::Name(self.name()),
            Some(b'-' | b'0'..=b'9') => Token::Number(self.number()?),
            Some(b'"') if self.rest().starts_with("\"\"\"") => Token::Text(self.block()?.into()),
            Some(b'"') => Token::Text(self.string()?),
            Some(_) => return Err(Fault::malformed("a character that begins no token", start)),
        };
        Ok((token, start))
    }

    /// White space, commas, byte order marks and comments.
    fn pass_ignored(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' | b',' => self.advance(1),
                b'#' => {
                    let rest = self.rest();
                    self.advance(rest.find(['\n', '\r']).unwrap_or(rest.len()));
                }
                _ if self.rest().starts_with('\u{feff}') => self.advance('\u{feff}'.len_utf8()),
                _ => return,
            }
        }
    }

    fn name(&mut self) -> &'t str {
        self.take_while(|byte| is_name_start(byte) || byte.is_ascii_digit())
    }

    fn number(&mut self) -> Result<&'t str, Fault> {
        let from = self.rest();
        let start = self.at;
        self.take(b'-');
        let mut good = match self.digits() {
            "" => false,
            whole => whole.len() == 1 || !whole.starts_with('0'),
        };
        if self.take(b'.') {
            good &= !self.digits().is_empty();
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            good &= !self.digits().is_empty();
        }
        // What follows must not make it longer (section 2.9.1).
        good &= !self.peek().is_some_and(|byte| is_name_start(byte) || byte == b'.');
        let number = from.get(..self.at.saturating_sub(start)).filter(|_| good);
        number.ok_or(Fault::malformed("a number is not written as one", start))
    }

    fn digits(&mut self) -> &'t str {
        self.take_while(|byte| byte.is_ascii_digit())
    }

    fn string(&mut self) -> Result<Cow<'t, str>, Fault> {
        self.advance(1);
        let mut text = Cow::Borrowed("");
        loop {
            let rest = self.rest();
            let run = rest.find(['"', '\\', '\n', '\r']).unwrap_or(rest.len());
            let plain = rest.get(..run).unwrap_or_default();
            if text.is_empty() {
                text = plain.into();
            } else {
                text.to_mut().push_str(plain);
            }
            self.advance(run);
            match self.peek() {
                Some(b'"') => {
                    self.advance(1);
                    return Ok(text);
                }
                Some(b'\\') => {
                    let start = self.at;
                    let character = self.escape();
                    let what = "a string has an escape that is no character";
                    text.to_mut().push(character.ok_or(Fault::malformed(what, start))?);
                }
                _ => return Err(Fault::malformed("a string does not end on its line", self.at)),
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        self.advance(1);
        let character = match self.peek()? {
            byte @ (b'"' | b'\\' | b'/') => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.advance(1);
                return self.unicode();
            }
            _ => return None,
        };
        self.advance(1);
        Some(character)
    }

    /// What follows `\u`: four digits, or any number in braces. A surrogate counts
    /// only in a pair of the first form.
    fn unicode(&mut self) -> Option<char> {
        if self.take(b'{') {
            let digits = self.take_while(|byte| byte.is_ascii_hexdigit());
            let value = u32::from_str_radix(digits, 16).ok()?;
            return self.take(b'}').then(|| char::from_u32(value))?;
        }
        let first = self.four_digits()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first.into());
        }
        if !(self.take(b'\\') && self.take(b'u')) {
            return None;
        }
        char::decode_utf16([first, self.four_digits()?]).next()?.ok()
    }

    fn four_digits(&mut self) -> Option<u16> {
        let digits = self.rest().get(..4)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        self.advance(4);
        u16::from_str_radix(digits, 16).ok()
    }

    fn block(&mut self) -> Result<String, Fault> {
        let start = self.at;
        self.advance(3);
        let mut raw = String::new();
        loop {
            let Some((run, _)) = self.rest().split_once("\"\"\"") else {
                return Err(Fault::malformed("a block string does not end", start));
            };
            self.advance(run.len().saturating_add(3));
            let Some(run) = run.strip_suffix('\\') else {
                raw.push_str(run);
                return Ok(dedented(&raw));
            };
            raw.push_str(run);
            raw.push_str("\"\"\"");
        }
    }

    fn take_while(&mut self, wanted: fn(u8) -> bool) -> &'t str {
        let rest = self.rest();
        let length = rest.bytes().take_while(|byte| wanted(*byte)).count();
        self.advance(length);
        rest.get(..length).unwrap_or_default()
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        if there {
            self.advance(1);
        }
        there
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn advance(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes);
    }
}

fn is_refused(c: char) -> bool {
    (c.is_control() && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{2028}' | '\u{2029}')
}

const fn is_name_start(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphabetic()
}

/// The value of a block string (section 2.9.4, `BlockStringValue`): without the
/// indentation that its lines share, and without blank lines around it.
fn dedented(raw: &str) -> String {
    let raw = raw.replace("\r\n", "\n").replace('\r', "\n");
    let indent = |line: &str| line.bytes().take_while(|byte| is_blank(*byte)).count();
    let filled = |line: &&str| !line.bytes().all(is_blank);
    let common = raw.split('\n').skip(1).filter(filled).map(indent).min().unwrap_or(0);
    let mut lines: Vec<&str> = raw
        .split('\n')
        .enumerate()
        .map(|(number, line)| match number {
            0 => line,
            _ => line.get(common..).unwrap_or_default(),
        })
        .collect();
    while lines.last().is_some_and(|line| !filled(line)) {
        lines.pop();
    }
    let blank = lines.iter().take_while(|line| !filled(line)).count();
    lines.get(blank..).unwrap_or_default().join("\n")
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}
