//! The characters of a shell text, and the bounds on reading them.

use std::collections::BTreeMap;

use super::syntax::{Here, Script, Word};
use crate::facts::{Unparsed, UnparsedCode};

/// How deep syntax may nest, whatever the limits say: each level takes stack, of
/// which Wasm has 1 MiB.
const MAX_DEPTH: usize = 64;

/// Characters looked at for each byte of the text, at most. Every level of nesting
/// may look at its part again; ordinary text needs two or three.
const STEPS_PER_BYTE: usize = 256;

pub(super) type Read<T> = Result<T, Unparsed>;

pub(super) fn undecidable(detail: &'static str) -> Unparsed {
    Unparsed::new(UnparsedCode::ShellUndecidable, detail)
}

/// What may still be spent on one text and all the texts in it.
#[derive(Debug)]
pub(super) struct Budget {
    steps: usize,
    depth: usize,
}

impl Budget {
    pub(super) fn new(bytes: usize, depth: usize) -> Self {
        let steps = bytes.saturating_add(64).saturating_mul(STEPS_PER_BYTE);
        Self { steps, depth: depth.min(MAX_DEPTH) }
    }

    #[cfg(test)]
    pub(super) const fn steps_left(&self) -> usize {
        self.steps
    }

    pub(super) const fn spend(&mut self, steps: usize) {
        self.steps = self.steps.saturating_sub(steps);
    }

    pub(super) fn check(&mut self) -> Read<()> {
        self.spend(1);
        if self.steps == 0 {
            return Err(undecidable("the shell text takes too long to read"));
        }
        Ok(())
    }

    /// One level down; [`Self::leave`] comes up again.
    pub(super) fn enter(&mut self) -> Read<()> {
        self.check()?;
        self.depth = self.depth.checked_sub(1).ok_or_else(|| {
            Unparsed::new(UnparsedCode::TooDeep, "the shell text nests deeper than the limit")
        })?;
        Ok(())
    }

    pub(super) const fn leave(&mut self) {
        self.depth = self.depth.saturating_add(1);
    }
}

/// A here-document whose body has not been reached.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) index: usize,
    pub(super) delimiter: String,
    pub(super) quoted: bool,
    pub(super) strips_tabs: bool,
}

/// What was seen on the way that matters to the text as a whole.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// How often a name is assigned, or stands where a command may assign it.
    pub(super) names: BTreeMap<String, usize>,
    /// A command may assign variables whose names are not seen.
    pub(super) assigns_unseen: bool,
    /// An expression is evaluated, in which values are expressions again.
    pub(super) evaluates: bool,
    /// A function may stand for any program.
    pub(super) functions: bool,
    /// A quoted text has a command, which runs when it is evaluated: `a[$(…)]`.
    pub(super) loaded: bool,
}

impl Notes {
    pub(super) fn name(&mut self, name: &str) {
        let count = self.names.entry(name.to_owned()).or_default();
        *count = count.saturating_add(1);
    }
}

/// Reads one text. The methods are in [`super::words`], [`super::grammar`] and
/// [`super::heredoc`].
#[derive(Debug)]
pub(super) struct Reader<'t, 'b> {
    text: &'t str,
    at: usize,
    pub(super) budget: &'b mut Budget,
    pub(super) pending: Vec<Pending>,
    /// A here-document of an outer command waits for the next line.
    pub(super) blocked: bool,
    pub(super) heredocs: Vec<Here>,
    /// The substitutions of the command that is being read.
    pub(super) nested: Vec<Script>,
    pub(super) notes: Notes,
}

impl<'t, 'b> Reader<'t, 'b> {
    pub(super) fn new(text: &'t str, budget: &'b mut Budget) -> Self {
        Self {
            text,
            at: 0,
            budget,
            pending: Vec::new(),
            blocked: false,
            heredocs: Vec::new(),
            nested: Vec::new(),
            notes: Notes::default(),
        }
    }

    /// Reads another text, which is a part of this one, with `read`.
    pub(super) fn inside<T>(
        &mut self,
        text: &str,
        read: fn(&mut Reader<'_, '_>) -> Read<T>,
    ) -> Read<(T, Vec<Script>)> {
        let mut inner = Reader {
            text,
            at: 0,
            budget: &mut *self.budget,
            pending: Vec::new(),
            blocked: false,
            heredocs: std::mem::take(&mut self.heredocs),
            nested: Vec::new(),
            notes: std::mem::take(&mut self.notes),
        };
        let value = read(&mut inner)?;
        let nested = std::mem::take(&mut inner.nested);
        self.notes = std::mem::take(&mut inner.notes);
        self.heredocs = inner.heredocs;
        Ok((value, nested))
    }

    pub(super) fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn ahead(&self, text: &str) -> bool {
        self.rest().starts_with(text)
    }

    pub(super) fn bump(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.skip(character.len_utf8());
        Some(character)
    }

    pub(super) fn skip(&mut self, bytes: usize) {
        self.budget.spend(bytes);
        self.at = self.at.saturating_add(bytes);
    }

    pub(super) fn eat(&mut self, text: &str) -> bool {
        let found = self.ahead(text);
        if found {
            self.skip(text.len());
        }
        found
    }

    /// The text up to the first character that `stops`, which is not taken.
    pub(super) fn take_until(&mut self, stops: fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let taken = rest.split(stops).next().unwrap_or_default();
        self.skip(taken.len());
        taken
    }

    /// A name of a variable, possibly empty.
    pub(super) fn take_name(&mut self) -> &'t str {
        if self.peek().is_some_and(|first| first.is_ascii_digit()) {
            return "";
        }
        self.take_until(|character| !is_name(character))
    }

    /// The name at the start of what is left; not taken.
    pub(super) fn name_ahead(&self) -> &'t str {
        let name = self.rest().split(|character| !is_name(character)).next().unwrap_or_default();
        if name.starts_with(|first: char| first.is_ascii_digit()) { "" } else { name }
    }

    pub(super) fn skip_blanks(&mut self) {
        loop {
            match self.peek() {
                Some(' ' | '\t') => self.skip(1),
                Some('\\') if self.ahead("\\\n") => self.skip(2),
                Some('#') => {
                    self.take_until(|character| character == '\n');
                }
                _ => break,
            }
        }
    }

    pub(super) fn at_end(&self) -> bool {
        self.rest().is_empty()
    }

    pub(super) fn into_parts(self) -> (Vec<Here>, Notes) {
        (self.heredocs, self.notes)
    }

    /// A word of quoted or plain text, which might be evaluated.
    pub(super) fn note_text(&mut self, text: &str) {
        if text.contains("$(") || text.contains('`') {
            self.notes.loaded = true;
        }
    }

    /// An escaped character, which might be evaluated without its backslash.
    pub(super) fn note_escape(&mut self, character: char) {
        if character == '`' || (character == '$' && self.ahead("(")) {
            self.notes.loaded = true;
        }
    }

    /// A word that stands where a command may take it for a variable to assign.
    pub(super) fn note_word(&mut self, word: &Word) {
        let Some(text) = word.literal() else { return };
        let end = text.find(|character| !is_name(character)).unwrap_or(text.len());
        let name = text.get(..end).unwrap_or_default();
        if !name.is_empty() {
            self.notes.name(name);
        }
    }
}

pub(super) const fn is_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// Whether a word ends before it.
pub(super) const fn is_delimiter(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | ';' | '&' | '|' | '<' | '>' | '(' | ')')
}
