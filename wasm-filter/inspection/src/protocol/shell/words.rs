//! Words: quotes, and what is expanded (POSIX.1-2024, XCU 2.2 and 2.6; the bash
//! manual, "Quoting" and "Shell Expansions").
//!
//! Where shells that are installed as `sh` would find another end of the word, the
//! text is refused.

use super::reader::{Read, Reader, is_delimiter, is_name, undecidable};
use super::syntax::{Origin, Part, Word};

impl Reader<'_, '_> {
    /// The word at this place; `None` where there is none.
    pub(super) fn word(&mut self) -> Read<Option<Word>> {
        self.budget.check()?;
        let mut word = Word::default();
        loop {
            match self.peek() {
                None => break,
                Some('<' | '>') if self.ahead("<(") || self.ahead(">(") => {
                    if !word.parts.is_empty() {
                        return Err(undecidable("a process substitution within a word"));
                    }
                    self.process_substitution(&mut word)?;
                }
                Some('(') if word.parts.last().is_some_and(is_pattern_operator) => {
                    return Err(undecidable("an extended pattern, which not every shell has"));
                }
                Some('\\') if self.ahead("\\\n") => {
                    let next = self.rest().chars().nth(2);
                    if !matches!(next, None | Some(' ' | '\t' | '\n')) && !word.parts.is_empty() {
                        return Err(undecidable("a word that goes on in the next line"));
                    }
                    break;
                }
                Some(character) if is_delimiter(character) => break,
                Some(_) => self.part(&mut word)?,
            }
        }
        Ok((!word.parts.is_empty()).then_some(word))
    }

    /// One part of a word outside of double quotes.
    pub(super) fn part(&mut self, word: &mut Word) -> Read<()> {
        match self.bump() {
            Some('\\') => match self.bump() {
                Some(character) => {
                    self.note_escape(character);
                    word.push(true, character);
                }
                None => return Err(undecidable("the text ends in a backslash")),
            },
            Some('\'') => self.single_quotes(word)?,
            Some('"') => self.double_quotes(word)?,
            Some('$') => self.dollar(word, false)?,
            Some('`') => self.backquotes(word, false)?,
            Some(character @ ('*' | '?' | '[')) => word.parts.push(Part::Pattern(character)),
            Some('\r') => return Err(undecidable("a carriage return without quotes")),
            Some(character) => word.push(false, character),
            None => {}
        }
        Ok(())
    }

    fn single_quotes(&mut self, word: &mut Word) -> Read<()> {
        let text = self.take_until(|character| character == '\'');
        if !self.eat("'") {
            return Err(undecidable("a quote without an end"));
        }
        self.note_text(text);
        word.open_quotes();
        if let Some(Part::Quoted(quoted)) = word.parts.last_mut() {
            quoted.push_str(text);
        }
        Ok(())
    }

    /// After the first double quote, up to and with the last.
    fn double_quotes(&mut self, word: &mut Word) -> Read<()> {
        word.open_quotes();
        loop {
            match self.bump() {
                None => return Err(undecidable("a quote without an end")),
                Some('"') => break,
                Some(character) => self.quoted_part(word, character, "$`\"\\")?,
            }
        }
        Ok(())
    }

    /// One part of a text with expansions and without word splitting, in which a
    /// backslash quotes the characters of `escapes`.
    pub(super) fn quoted_part(
        &mut self,
        word: &mut Word,
        character: char,
        escapes: &str,
    ) -> Read<()> {
        match character {
            '\\' if self.eat("\n") => {}
            '\\' => match self.peek() {
                Some(next) if escapes.contains(next) => {
                    self.bump();
                    self.note_escape(next);
                    word.push(true, next);
                }
                _ => word.push(true, '\\'),
            },
            '$' => self.dollar(word, true)?,
            '`' => self.backquotes(word, true)?,
            character => word.push(true, character),
        }
        Ok(())
    }

    /// After a `$`.
    fn dollar(&mut self, word: &mut Word, quoted: bool) -> Read<()> {
        match self.peek() {
            Some('\'') if !quoted => {
                self.bump();
                self.ansi_c_quotes(word)
            }
            Some('"') if !quoted => {
                self.bump();
                self.double_quotes(word)
            }
            Some('(') => self.parenthesis(word, quoted),
            Some('{') => {
                self.bump();
                self.budget.enter()?;
                let part = self.parameter(quoted)?;
                self.budget.leave();
                word.parts.push(part);
                Ok(())
            }
            Some('[') => Err(undecidable("`$[`, which not every shell has")),
            Some('=' | '~' | '^' | '+') if !quoted => {
                Err(undecidable("an expansion that only some shells have"))
            }
            Some('\\') if self.ahead("\\\n") => {
                Err(undecidable("an expansion that goes on in the next line"))
            }
            Some(first) if is_name(first) && !first.is_ascii_digit() => {
                let name = self.take_name().to_owned();
                word.parts.push(Part::Variable { name, quoted });
                Ok(())
            }
            Some(special @ ('@' | '*' | '#' | '?' | '-' | '$' | '!' | '0'..='9')) => {
                self.bump();
                word.parts.push(Part::Dynamic {
                    shown: format!("${special}"),
                    quoted: quoted && special != '@',
                    origin: Origin::Value,
                });
                Ok(())
            }
            _ => {
                word.push(true, '$');
                Ok(())
            }
        }
    }

    /// At the parenthesis of `$(…)` or `$((…))`.
    fn parenthesis(&mut self, word: &mut Word, quoted: bool) -> Read<()> {
        self.budget.enter()?;
        let part = if self.ahead("((") && self.is_arithmetic(2)? {
            self.skip(2);
            self.arithmetic()?;
            Part::Dynamic { shown: "$((…))".to_owned(), quoted, origin: Origin::Value }
        } else {
            self.skip(1);
            self.substitution()?;
            Part::Dynamic { shown: "$(…)".to_owned(), quoted, origin: Origin::Output }
        };
        self.budget.leave();
        word.parts.push(part);
        Ok(())
    }

    fn process_substitution(&mut self, word: &mut Word) -> Read<()> {
        let shown = if self.ahead("<") { "<(…)" } else { ">(…)" };
        self.skip(2);
        self.budget.enter()?;
        self.substitution()?;
        self.budget.leave();
        word.parts.push(Part::Dynamic {
            shown: shown.to_owned(),
            quoted: true,
            origin: Origin::Process,
        });
        if self.peek().is_some_and(|next| !is_delimiter(next)) {
            return Err(undecidable("a process substitution within a word"));
        }
        Ok(())
    }

    /// The commands up to the closing parenthesis, and that.
    fn substitution(&mut self) -> Read<()> {
        let blocked = self.blocked || !self.pending.is_empty();
        let outer = (
            std::mem::take(&mut self.pending),
            std::mem::replace(&mut self.blocked, blocked),
            std::mem::take(&mut self.nested),
        );
        let script = self.script_to_parenthesis()?;
        if !self.pending.is_empty() {
            return Err(undecidable("a here-document whose text is not within its command"));
        }
        (self.pending, self.blocked, self.nested) = outer;
        self.nested.push(script);
        Ok(())
    }

    /// After a backquote. Within, a backslash quotes `$`, a backquote and itself;
    /// what remains is a text of its own.
    fn backquotes(&mut self, word: &mut Word, quoted: bool) -> Read<()> {
        let mut inner = String::new();
        loop {
            match self.bump() {
                None => return Err(undecidable("a backquote without an end")),
                Some('`') => break,
                Some('\\') => match self.peek() {
                    Some(next @ ('$' | '`' | '\\')) => {
                        self.bump();
                        inner.push(next);
                    }
                    // Within double quotes some shells take the backslash away, too.
                    Some('"') if quoted => {
                        return Err(undecidable("an escaped quote within backquotes"));
                    }
                    _ => inner.push('\\'),
                },
                Some(character) => inner.push(character),
            }
        }
        self.budget.enter()?;
        #[expect(clippy::redundant_closure_for_method_calls, reason = "of any lifetime")]
        let (script, _) = self.inside(&inner, |reader| reader.script_to_end())?;
        self.budget.leave();
        self.nested.push(script);
        word.parts
            .push(Part::Dynamic { shown: "$(…)".to_owned(), quoted, origin: Origin::Output });
        Ok(())
    }

    /// After `${`, up to and with the brace that ends it.
    fn parameter(&mut self, quoted: bool) -> Read<Part> {
        let prefixed = ["!", "#"].iter().any(|sign| self.ahead(sign))
            && !["!}", "#}"].iter().any(|whole| self.ahead(whole));
        if prefixed {
            self.bump();
        }
        let mut plain = !prefixed;
        let name = match self.peek() {
            Some(first) if is_name(first) => self.take_until(|character| !is_name(character)),
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => {
                self.bump();
                ""
            }
            _ => return Err(undecidable("`${` before what is no parameter")),
        }
        .to_owned();
        let special = name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit());
        if self.eat("[") {
            plain = false;
            self.subscript()?;
        }
        let splits = !plain || special;
        if !self.eat("}") {
            plain = false;
            self.parameter_operator(&name)?;
            self.parameter_word(quoted)?;
        }
        if plain && !special {
            return Ok(Part::Variable { name, quoted });
        }
        // `"${a[@]}"` and `"$@"` are many words in spite of their quotes.
        let quoted = quoted && !splits;
        let shown = if special { "${…}".to_owned() } else { format!("${{{name}}}") };
        Ok(Part::Dynamic { shown, quoted, origin: Origin::Value })
    }

    fn subscript(&mut self) -> Read<()> {
        if self.eat("@]") || self.eat("*]") {
            return Ok(());
        }
        self.notes.evaluates = true;
        let mut ignored = Word::default();
        loop {
            match self.bump() {
                Some(']') => return Ok(()),
                Some('$') => self.dollar(&mut ignored, true)?,
                Some('"' | '\'' | '`' | '[' | '{' | '}' | '\\') | None => {
                    return Err(undecidable("a subscript that is not plain"));
                }
                Some(_) => {}
            }
        }
    }

    fn parameter_operator(&mut self, name: &str) -> Read<()> {
        match self.bump() {
            Some(':') => match self.peek() {
                Some('=') => self.notes.name(name),
                Some('-' | '?' | '+') => {}
                _ => self.notes.evaluates = true,
            },
            Some('=') => self.notes.name(name),
            Some('-' | '?' | '+' | '#' | '%' | '/' | '^' | ',') => {}
            // `@P` expands the value once more, and runs what is in it.
            Some('@') if self.rest().starts_with(['Q', 'U', 'u', 'L', 'E', 'K', 'k', 'a', '}']) => {
            }
            _ => return Err(undecidable("an operator of `${…}` that is not known")),
        }
        Ok(())
    }

    fn parameter_word(&mut self, quoted: bool) -> Read<()> {
        let mut ignored = Word::default();
        loop {
            match self.peek() {
                Some('}') => {
                    self.bump();
                    return Ok(());
                }
                Some(quote @ ('"' | '\'')) if quoted => {
                    self.bump();
                    self.quotes_within_quotes(quote)?;
                }
                Some('{') => return Err(undecidable("a brace within `${…}`")),
                Some('<' | '>') if !quoted && (self.ahead("<(") || self.ahead(">(")) => {
                    return Err(undecidable("a process substitution within a word"));
                }
                Some('$') => {
                    self.bump();
                    self.dollar(&mut ignored, quoted)?;
                }
                Some('\\') => {
                    self.bump();
                    self.bump();
                }
                Some('\r') | None => return Err(undecidable("`${` without an end")),
                Some(_) if quoted => {
                    if let Some(character) = self.bump() {
                        self.quoted_part(&mut ignored, character, "")?;
                    }
                }
                Some(_) => self.part(&mut ignored)?,
            }
        }
    }

    /// Within `"${x:-…}"`, shells do not agree whether a quote quotes. It makes no
    /// difference when nothing that it could quote stands before the next one.
    fn quotes_within_quotes(&mut self, quote: char) -> Read<()> {
        let text = self.take_until(|c| matches!(c, '\'' | '"' | '}' | '$' | '`' | '\\'));
        self.note_text(text);
        if self.peek() == Some(quote) {
            self.bump();
            return Ok(());
        }
        Err(undecidable("quotes within `${…}` within quotes"))
    }

    /// Whether the parentheses that opened `skipped` bytes from here are those of an
    /// arithmetic expression: whether they close together, too.
    pub(super) fn is_arithmetic(&mut self, skipped: usize) -> Read<bool> {
        let rest = self.rest().get(skipped..).unwrap_or_default();
        let mut depth = 0_usize;
        let mut characters = rest.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' => drop(characters.next()),
                quote @ ('\'' | '"') => loop {
                    match characters.next() {
                        None => return Err(undecidable("a parenthesis without an end")),
                        Some((_, '\\')) if quote == '"' => drop(characters.next()),
                        Some((_, end)) if end == quote => break,
                        Some(_) => {}
                    }
                },
                '(' => depth = depth.saturating_add(1),
                ')' if depth == 0 => {
                    self.budget.spend(at);
                    return Ok(characters.next().is_some_and(|(_, next)| next == ')'));
                }
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        Err(undecidable("a parenthesis without an end"))
    }

    /// The rest of an arithmetic expression, up to and with its `))`.
    pub(super) fn arithmetic(&mut self) -> Read<()> {
        self.budget.check()?;
        self.notes.evaluates = true;
        let mut ignored = Word::default();
        let mut depth = 0_usize;
        loop {
            match self.bump() {
                None => return Err(undecidable("an expression without an end")),
                Some('\'') => return Err(undecidable("a quote within an expression")),
                Some('\\') => return Err(undecidable("a backslash within an expression")),
                Some('(') => depth = depth.saturating_add(1),
                Some(')') => match depth.checked_sub(1) {
                    Some(less) => depth = less,
                    None if self.eat(")") => return Ok(()),
                    None => return Err(undecidable("an expression without an end")),
                },
                Some(character @ ('$' | '`')) => {
                    self.quoted_part(&mut ignored, character, "")?;
                }
                Some(_) => {}
            }
        }
    }
}

/// Whether a parenthesis after it would make an extended pattern.
fn is_pattern_operator(part: &Part) -> bool {
    match part {
        Part::Pattern(character) => *character != '[',
        Part::Text(text) => text.ends_with(['@', '+', '!']),
        _ => false,
    }
}
