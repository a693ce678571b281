//! Here-documents (POSIX.1-2024, XCU 2.7.4).

use super::reader::{Pending, Read, Reader, undecidable};
use super::syntax::{Here, Part, Target, Word};

impl Reader<'_, '_> {
    /// After `<<` or `<<-`: the delimiter. The text follows in the next line.
    pub(super) fn here_document(&mut self, strips_tabs: bool) -> Read<Target> {
        self.skip_blanks();
        let start = self.rest();
        let word = self.word()?.ok_or_else(|| undecidable("a redirection without a word"))?;
        let written = start.len().saturating_sub(self.rest().len());
        let written = start.get(..written).unwrap_or_default();
        let mut delimiter = String::new();
        let mut quoted = false;
        for part in &word.parts {
            match part {
                Part::Text(text) => delimiter.push_str(text),
                Part::Quoted(text) => {
                    quoted = true;
                    delimiter.push_str(text);
                }
                _ => return Err(undecidable("a delimiter that is not plain")),
            }
        }
        if written.contains(['$', '`', '\n']) || delimiter.contains('\n') {
            return Err(undecidable("a delimiter that is not plain"));
        }
        let index = self.heredocs.len();
        self.heredocs.push(Here::default());
        self.pending.push(Pending { index, delimiter, quoted, strips_tabs });
        Ok(Target::Here(index))
    }

    /// Takes the end of the line, and the here-documents that begin after it.
    pub(super) fn end_line(&mut self) -> Read<()> {
        if self.blocked {
            return Err(undecidable("a here-document whose text is not within its command"));
        }
        self.skip(1);
        self.here_texts()
    }

    /// The texts of the here-documents that wait.
    pub(super) fn here_texts(&mut self) -> Read<()> {
        for pending in std::mem::take(&mut self.pending) {
            let body = self.here_text(&pending)?;
            let here = if pending.quoted {
                self.note_text(&body);
                let parts = vec![Part::Quoted(body)];
                Here { body: Word { parts }, nested: Vec::new() }
            } else {
                self.budget.enter()?;
                #[expect(clippy::redundant_closure_for_method_calls, reason = "of any lifetime")]
                let (body, nested) = self.inside(&body, |reader| reader.here_parts())?;
                self.budget.leave();
                Here { body, nested }
            };
            if let Some(place) = self.heredocs.get_mut(pending.index) {
                *place = here;
            }
        }
        Ok(())
    }

    fn here_text(&mut self, pending: &Pending) -> Read<String> {
        let mut body = String::new();
        // The lines that a backslash at their end joins, where it does.
        let mut joined = String::new();
        let mut joins = false;
        while !self.at_end() {
            let line = self.take_until(|character| character == '\n');
            let ends = self.eat("\n");
            let line = if pending.strips_tabs { line.trim_start_matches('\t') } else { line };
            let continues = !pending.quoted && escapes_the_end(line);
            joined.push_str(line.strip_suffix('\\').filter(|_| continues).unwrap_or(line));
            let delimits = line == pending.delimiter;
            if (joins || continues) && (delimits || joined == pending.delimiter) {
                return Err(undecidable("a here-document that may end in two places"));
            }
            if delimits {
                return Ok(body);
            }
            body.push_str(line);
            if ends {
                body.push('\n');
            }
            joins = continues;
            if !joins {
                joined.clear();
            }
        }
        Ok(body)
    }

    fn here_parts(&mut self) -> Read<Word> {
        let mut word = Word::default();
        word.open_quotes();
        while let Some(character) = self.bump() {
            self.quoted_part(&mut word, character, "$`\\")?;
        }
        Ok(word)
    }
}

fn escapes_the_end(line: &str) -> bool {
    let backslashes = line.chars().rev().take_while(|character| *character == '\\').count();
    !backslashes.is_multiple_of(2)
}
