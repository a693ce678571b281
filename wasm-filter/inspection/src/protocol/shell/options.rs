//! The options of programs that run other programs.

use super::expansion::Argument;
use super::reader::{Read, undecidable};

/// The options that a program knows. Any other is refused: it might take the next
/// argument with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    /// Letters without a value.
    pub(super) flags: &'static str,
    /// Letters with a value, attached or as the next argument.
    pub(super) takes: &'static str,
    /// Long options without a value, or with one after `=`.
    pub(super) long: &'static [&'static str],
    /// Long options with a value, after `=` or as the next argument.
    pub(super) long_takes: &'static [&'static str],
}

pub(super) const NO_OPTIONS: Options = Options { flags: "", takes: "", long: &[], long_takes: &[] };

pub(super) const fn options(
    flags: &'static str,
    takes: &'static str,
    long: &'static [&'static str],
    long_takes: &'static [&'static str],
) -> Options {
    Options { flags, takes, long, long_takes }
}

/// Options by their letter or name, and what follows them.
#[derive(Debug)]
pub(super) struct Scanned<'a> {
    pub(super) found: Vec<(String, Option<Argument>)>,
    pub(super) rest: &'a [Argument],
}

impl Scanned<'_> {
    pub(super) fn has(&self, name: &str) -> bool {
        self.found.iter().any(|(found, _)| found == name)
    }

    pub(super) fn value(&self, names: &[&str]) -> Option<&Argument> {
        let mut found = self.found.iter().rev();
        found.find(|(name, _)| names.contains(&name.as_str())).and_then(|(_, value)| value.as_ref())
    }
}

impl Options {
    /// The options at the start of `arguments`.
    pub(super) fn scan<'a>(&self, arguments: &'a [Argument]) -> Read<Scanned<'a>> {
        let mut found = Vec::new();
        let mut rest = arguments;
        while let Some((argument, after)) = rest.split_first() {
            if argument.is_unclear() {
                return Err(unclear());
            }
            let text = argument.text.as_str();
            if text == "--" {
                rest = after;
                break;
            }
            if text == "-" || !text.starts_with('-') {
                break;
            }
            rest = after;
            if let Some(long) = text.strip_prefix("--") {
                self.long(argument, long, &mut rest, &mut found)?;
            } else {
                self.cluster(argument, &mut rest, &mut found)?;
            }
        }
        Ok(Scanned { found, rest })
    }

    fn long(
        &self,
        argument: &Argument,
        long: &str,
        rest: &mut &[Argument],
        found: &mut Vec<(String, Option<Argument>)>,
    ) -> Read<()> {
        let (name, value) = match long.split_once('=') {
            Some((name, value)) => (name, Some(with_text(argument, value))),
            None => (long, None),
        };
        if self.long_takes.contains(&name) {
            let value = value.map_or_else(|| next(rest), Ok)?;
            found.push((name.to_owned(), Some(value)));
        } else if self.long.contains(&name) {
            found.push((name.to_owned(), value));
        } else {
            return Err(unclear());
        }
        Ok(())
    }

    fn cluster(
        &self,
        argument: &Argument,
        rest: &mut &[Argument],
        found: &mut Vec<(String, Option<Argument>)>,
    ) -> Read<()> {
        let mut letters = argument.text.chars();
        letters.next();
        while let Some(letter) = letters.next() {
            let name = letter.to_string();
            if self.takes.contains(letter) {
                let attached = letters.as_str();
                let value =
                    if attached.is_empty() { next(rest)? } else { with_text(argument, attached) };
                found.push((name, Some(value)));
                break;
            }
            if !self.flags.contains(letter) {
                return Err(unclear());
            }
            found.push((name, None));
        }
        Ok(())
    }
}

/// The next argument, as the value of an option.
fn next(rest: &mut &[Argument]) -> Read<Argument> {
    match rest.split_first() {
        Some((value, after)) if !value.splits => {
            *rest = after;
            Ok(value.clone())
        }
        _ => Err(unclear()),
    }
}

fn with_text(argument: &Argument, text: &str) -> Argument {
    Argument { text: text.to_owned(), ..argument.clone() }
}

pub(super) fn unclear() -> crate::facts::Unparsed {
    undecidable("options of a program that runs another, which are not known")
}
