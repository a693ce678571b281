//! `((…))` and `[[ … ]]` (the bash manual, "Conditional Constructs"), which a shell
//! without them takes for a subshell and for a program.

use super::reader::{Read, Reader, is_delimiter, undecidable};
use super::syntax::{Compound, Word};

impl Reader<'_, '_> {
    /// `((…))`.
    pub(super) fn arithmetic_command(&mut self) -> Read<Compound> {
        self.skip(2);
        let start = self.rest();
        self.arithmetic()?;
        let length = start.len().saturating_sub(self.rest().len()).saturating_sub(2);
        if start.get(..length).unwrap_or_default().split(['&', '|', ';', '\n', '(']).any(may_run) {
            return Err(undecidable("an expression that some shells take for commands"));
        }
        Ok(Compound::default())
    }

    /// `[[ … ]]`.
    pub(super) fn test(&mut self) -> Read<Compound> {
        self.skip(2);
        let mut words = Vec::new();
        // Whether a shell without this command would begin another one here.
        let mut begins = false;
        loop {
            self.skip_blanks();
            begins |= self.peek() == Some('\n');
            self.skip_lines()?;
            if self.word_ahead() == "]]" {
                self.skip(2);
                return Ok(Compound { test: Some(words), ..Compound::default() });
            }
            if self.eat("&&") || self.eat("||") {
                begins = true;
            } else if !self.ahead("<(") && (self.eat("(") || self.eat(")") || self.eat("<")) {
            } else {
                let word = self.word()?.ok_or_else(|| undecidable("`[[` without its end"))?;
                let text = word.literal().unwrap_or_default();
                if begins && text != "!" && !text.starts_with('-') {
                    return Err(undecidable("a test that some shells take for commands"));
                }
                begins = begins && text == "!";
                words.push(word);
                match text.as_str() {
                    "=~" => words.push(self.expression()?),
                    "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge" | "-v" => {
                        self.notes.evaluates = true;
                    }
                    _ => {}
                }
            }
        }
    }

    /// After `=~`: a regular expression, in which parentheses belong to the word.
    fn expression(&mut self) -> Read<Word> {
        self.skip_blanks();
        let mut word = Word::default();
        let mut depth = 0_usize;
        loop {
            let next = self.peek();
            match next {
                Some('(') => depth = depth.saturating_add(1),
                Some(')') if depth > 0 => depth = depth.saturating_sub(1),
                Some('|') if depth > 0 => {}
                Some(' ' | '\t' | '\n') if depth == 0 => return Ok(word),
                Some(next) if !is_delimiter(next) => {
                    self.part(&mut word)?;
                    continue;
                }
                _ => return Err(undecidable("an expression without an end")),
            }
            self.skip(1);
            word.push(true, next.unwrap_or_default());
        }
    }
}

/// Whether a shell without arithmetic commands, which reads a subshell in a subshell,
/// could find a program in this part of an expression. That there is none of a name
/// such as `i++` is taken for granted.
fn may_run(part: &str) -> bool {
    let part = part.trim_matches([' ', '\t', ')']);
    let word = part.split(is_delimiter).next().unwrap_or_default();
    let number = word.chars().all(|c| c.is_ascii_digit());
    let plain = !word.contains(['/', '$', '`', '*', '?', '[', '"', '~', '{']);
    let operator = word.contains(['+', '%', '^', ',']);
    // It would assign, and run what follows.
    let assigns = word.contains('=') && word.len() == part.len();
    !(number || (plain && (operator || assigns)))
}
