//! Paths to values: a subset of JSONPath (RFC 9535), parsed once, and followed while a
//! document streams by or through one that is there.
//!
//! Masking compares names without regard to ASCII case, `_`, `-` and spaces, so that
//! `$..api_key` finds `apiKey` and `API-Key` too: that can only mask more. Facts
//! compare them exactly, and refuse what differs in case only.

use super::tokenizer::MAX_DEPTH;

/// Which values of a document are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    text: String,
    segments: Vec<Segment>,
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// It may skip any number of levels: `..`.
    pub(crate) descendant: bool,
    pub(crate) selector: Selector,
}

/// Which children a step goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selector {
    /// A member of that name.
    Name(Name),
    /// An element.
    Index(u64),
    /// Every member or element.
    Wildcard,
}

/// A member's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// As it is written.
    pub(crate) exact: String,
    /// As masking compares it: [`normalised`].
    pub(crate) normalised: Vec<u8>,
}

/// A path cannot be read, or can never match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Something else stands where `expected` should.
    #[error("at character {at}: expected {expected}")]
    Syntax {
        /// Which character, counted from 1.
        at: usize,
        /// What may stand there.
        expected: &'static str,
    },
    /// A part of RFC 9535 that is not supported.
    #[error("at character {at}: {what} are not supported")]
    Unsupported {
        /// Which character, counted from 1.
        at: usize,
        /// What stands there.
        what: &'static str,
    },
    /// It is longer than any document that is read is deep.
    #[error("it can never match: documents are read to 64 levels")]
    TooDeep,
}

impl Path {
    /// Parses `$` and any number of `.name`, `['name']`, `[0]`, `.*`, `[*]`, and
    /// the same after `..`.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let mut parser = Parser { rest: text.chars(), read: 0 };
        parser.expect('$', "`$`")?;
        let mut segments = Vec::new();
        while parser.peek().is_some() {
            segments.push(parser.segment()?);
        }
        if segments.len() > MAX_DEPTH {
            return Err(PathError::TooDeep);
        }
        Ok(Self { text: text.to_owned(), segments })
    }

    /// The path as configured.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it can mean one value only.
    pub fn is_singular(&self) -> bool {
        let one = |segment: &Segment| {
            !segment.descendant && !matches!(segment.selector, Selector::Wildcard)
        };
        self.segments.iter().all(one)
    }

    /// The depth of the shallowest value that it can mean.
    pub fn depth(&self) -> usize {
        self.segments.len()
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The name, if the path is `$..name`.
    pub(crate) fn anywhere(&self) -> Option<&[u8]> {
        match self.segments.as_slice() {
            [Segment { descendant: true, selector: Selector::Name(name) }] => {
                Some(&name.normalised)
            }
            _ => None,
        }
    }
}

/// The bytes of the form in which names are compared. A name of separators only
/// is nothing, and equals every other such name.
pub(crate) fn normalised(name: &[u8]) -> impl Iterator<Item = u8> {
    let significant = name.iter().filter(|byte| !matches!(byte, b'_' | b'-' | b' '));
    significant.map(u8::to_ascii_lowercase)
}

struct Parser<'a> {
    rest: std::str::Chars<'a>,
    read: usize,
}

impl Parser<'_> {
    fn segment(&mut self) -> Result<Segment, PathError> {
        match self.peek() {
            Some('[') => Ok(Segment { descendant: false, selector: self.bracketed()? }),
            Some('.') => {
                self.advance();
                let descendant = self.peek() == Some('.');
                if descendant {
                    self.advance();
                }
                let selector = match self.peek() {
                    Some('[') if descendant => self.bracketed()?,
                    Some('*') => {
                        self.advance();
                        Selector::Wildcard
                    }
                    _ => self.shorthand()?,
                };
                Ok(Segment { descendant, selector })
            }
            _ => Err(self.expected("`.` or `[`")),
        }
    }

    /// `name` after a dot: letters, digits, `_` and what is not ASCII.
    fn shorthand(&mut self) -> Result<Selector, PathError> {
        let mut name = String::new();
        while let Some(character) = self.peek() {
            let letter = character.is_ascii_alphabetic() || character == '_';
            let first_or_digit = !name.is_empty() && character.is_ascii_digit();
            if !(letter || first_or_digit || !character.is_ascii()) {
                break;
            }
            name.push(character);
            self.advance();
        }
        if name.is_empty() {
            return Err(self.expected("a name, `*`, or a name in brackets: `['a-b']`"));
        }
        Ok(Selector::name(&name))
    }

    fn bracketed(&mut self) -> Result<Selector, PathError> {
        self.advance();
        let selector = match self.peek() {
            Some('*') => {
                self.advance();
                Selector::Wildcard
            }
            Some(quote @ ('\'' | '"')) => self.quoted(quote)?,
            Some('0'..='9') => self.index()?,
            Some('-') => return Err(self.unsupported("indexes from the end")),
            Some('?') => return Err(self.unsupported("filters")),
            Some(':') => return Err(self.unsupported("slices")),
            _ => return Err(self.expected("`*`, a number, or a quoted name")),
        };
        match self.peek() {
            Some(',') => Err(self.unsupported("several selectors in one pair of brackets")),
            Some(':') => Err(self.unsupported("slices")),
            _ => self.expect(']', "`]`").map(|()| selector),
        }
    }

    fn quoted(&mut self, quote: char) -> Result<Selector, PathError> {
        self.advance();
        let mut name = String::new();
        loop {
            match self.peek() {
                Some('\\') => {
                    self.advance();
                    match self.peek() {
                        Some(escaped @ ('\\' | '/' | '\'' | '"')) => name.push(escaped),
                        _ => return Err(self.expected("an escaped quote, `/` or `\\`")),
                    }
                }
                Some(end) if end == quote => {
                    self.advance();
                    return Ok(Selector::name(&name));
                }
                Some(character) if !character.is_control() => name.push(character),
                _ => return Err(self.expected("the closing quote")),
            }
            self.advance();
        }
    }

    fn index(&mut self) -> Result<Selector, PathError> {
        let at = self.read;
        let mut digits = String::new();
        while let Some(digit @ '0'..='9') = self.peek() {
            digits.push(digit);
            self.advance();
        }
        // RFC 9535 section 2.1: within the integers of I-JSON, no leading zero.
        let index = digits.parse().ok().filter(|index| *index < 1_u64 << 53);
        match index {
            Some(index) if digits.len() == 1 || !digits.starts_with('0') => {
                Ok(Selector::Index(index))
            }
            _ => Err(PathError::Syntax {
                at: at.saturating_add(1),
                expected: "a number without leading zeros, below 2^53",
            }),
        }
    }

    fn peek(&self) -> Option<char> {
        self.rest.clone().next()
    }

    fn advance(&mut self) {
        self.rest.next();
        self.read = self.read.saturating_add(1);
    }

    fn expect(&mut self, character: char, expected: &'static str) -> Result<(), PathError> {
        if self.peek() != Some(character) {
            return Err(self.expected(expected));
        }
        self.advance();
        Ok(())
    }

    const fn expected(&self, expected: &'static str) -> PathError {
        PathError::Syntax { at: self.read.saturating_add(1), expected }
    }

    const fn unsupported(&self, what: &'static str) -> PathError {
        PathError::Unsupported { at: self.read.saturating_add(1), what }
    }
}

impl Selector {
    fn name(name: &str) -> Self {
        let normalised = normalised(name.as_bytes()).collect();
        Self::Name(Name { exact: name.to_owned(), normalised })
    }
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_path_reads_as_its_segments() {
        let child = |selector| Segment { descendant: false, selector };
        let below = |selector| Segment { descendant: true, selector };
        let name = Selector::name;
        let cases = [
            ("$", vec![]),
            ("$.a.b1", vec![child(name("a")), child(name("b1"))]),
            ("$['a-b']", vec![child(name("a-b"))]),
            (r#"$["it's \"A\""]"#, vec![child(name("it's \"A\""))]),
            (
                "$[0][*].*",
                vec![
                    child(Selector::Index(0)),
                    child(Selector::Wildcard),
                    child(Selector::Wildcard),
                ],
            ),
            ("$..a", vec![below(name("a"))]),
            ("$..['a'].b", vec![below(name("a")), child(name("b"))]),
            ("$..*", vec![below(Selector::Wildcard)]),
            ("$..[12]", vec![below(Selector::Index(12))]),
            ("$.é", vec![child(name("é"))]),
        ];
        for (text, segments) in cases {
            assert_eq!(Path::parse(text).unwrap().segments(), segments, "{text}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused_where_it_goes_wrong() {
        let cases = [
            ("", 1),
            (".a", 1),
            ("$a", 2),
            ("$.", 3),
            ("$.a.", 5),
            ("$...a", 4),
            ("$.1", 3),
            ("$.a b", 4),
            ("$.a-b", 4),
            ("$[", 3),
            ("$[a]", 3),
            ("$['a'", 6),
            ("$['a", 5),
            ("$[01]", 3),
            ("$[9007199254740992]", 3),
            ("$[-1]", 3),
            ("$[1:2]", 4),
            ("$[:2]", 3),
            ("$[?@.a]", 3),
            ("$['a','b']", 6),
            ("$['\\u0041']", 5),
            ("$ .a", 2),
            ("$.a]", 4),
        ];
        for (text, expected) in cases {
            match Path::parse(text) {
                Err(PathError::Syntax { at, .. } | PathError::Unsupported { at, .. }) => {
                    assert_eq!(at, expected, "{text}");
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}
