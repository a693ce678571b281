//! What simple commands are made of besides words: assignments and redirections
//! (POSIX.1-2024, XCU 2.7 and 2.9.1; the bash manual, "Arrays" and "Redirections").

use super::reader::{Read, Reader, is_delimiter, is_name, undecidable};
use super::syntax::{Assign, Operator, Redirect, Simple, Target, Word};

/// Builtins that assign variables which their arguments name, or run what does.
pub(super) const ASSIGNING: [&str; 19] = [
    "read",
    "mapfile",
    "readarray",
    "declare",
    "typeset",
    "local",
    "readonly",
    "export",
    "unset",
    "let",
    "getopts",
    "eval",
    "source",
    ".",
    "trap",
    "nameref",
    "integer",
    "float",
    "wait",
];

/// What runs a builtin in the same shell.
const RUNNING: [&str; 5] = ["command", "builtin", "time", "noglob", "nocorrect"];

/// Those of them whose arguments can be arrays.
pub(super) const DECLARING: [&str; 5] = ["declare", "typeset", "local", "readonly", "export"];

impl Reader<'_, '_> {
    /// `name=value` at this place, as it can stand before a program.
    pub(super) fn assignment(&mut self) -> Read<Option<Assign>> {
        let name = self.name_ahead();
        if name.is_empty() {
            return Ok(None);
        }
        let after = self.rest().get(name.len()..).unwrap_or_default();
        let subscript = subscript(after);
        let operator = after.get(subscript..).unwrap_or_default();
        let appends = operator.starts_with("+=");
        if !appends && !operator.starts_with('=') {
            return Ok(None);
        }
        let name = name.to_owned();
        let sign = if appends { "+=" } else { "=" };
        self.skip(name.len().saturating_add(subscript));
        self.eat(sign);
        self.notes.name(&name);
        if subscript > 0 {
            self.notes.evaluates = true;
        }
        if self.peek() == Some('(') {
            self.array()?;
            return Ok(Some(Assign { name, value: None }));
        }
        let value = self.word()?.unwrap_or_default();
        self.note_word(&value);
        let plain = !appends && subscript == 0;
        Ok(Some(Assign { name, value: plain.then_some(value) }))
    }

    /// The words of an array, with their parentheses.
    fn array(&mut self) -> Read<()> {
        self.skip(1);
        loop {
            self.skip_lines()?;
            if self.eat(")") {
                break;
            }
            self.word()?.ok_or_else(|| undecidable("an array that is not complete"))?;
        }
        if self.peek().is_none_or(is_delimiter) {
            return Ok(());
        }
        Err(undecidable("an array within a word"))
    }

    /// What the last word of `simple` may do to variables, after `program`.
    pub(super) fn argument(&mut self, simple: &Simple, program: Option<&str>) -> Read<()> {
        let Some(word) = simple.words.last() else { return Ok(()) };
        let text = word.literal();
        let first = simple.words.len() == 1;
        let runs = first || program.is_none_or(|program| RUNNING.contains(&program));
        match text.as_deref() {
            Some(text) if runs && ASSIGNING.contains(&text) => {
                self.notes.assigns_unseen = true;
                self.notes.evaluates = true;
            }
            Some("-v") => {
                self.notes.assigns_unseen = true;
                self.notes.evaluates = true;
            }
            // Braces may make any of these words.
            Some(text) if text.contains('{') && text.contains(',') => {
                self.notes.assigns_unseen = true;
            }
            _ => {}
        }
        if !first {
            self.note_word(word);
        }
        if self.peek() == Some('(')
            && text.is_some_and(|text| text.ends_with('='))
            && program.is_some_and(|program| DECLARING.contains(&program))
        {
            self.array()?;
        }
        Ok(())
    }

    /// The redirection at this place.
    pub(super) fn redirect(&mut self) -> Read<Option<Redirect>> {
        let descriptor = self.descriptor_ahead();
        let after = self.rest().get(descriptor.len()..).unwrap_or_default();
        let both = descriptor.is_empty() && after.starts_with("&>");
        if !both && !after.starts_with(['<', '>']) {
            return Ok(None);
        }
        if after.starts_with("<(") || after.starts_with(">(") {
            if descriptor.is_empty() {
                return Ok(None);
            }
            return Err(undecidable("a process substitution within a word"));
        }
        let descriptor = (!descriptor.is_empty()).then(|| descriptor.to_owned());
        self.skip(descriptor.as_ref().map_or(0, String::len));
        if let Some(variable) = descriptor.as_ref().and_then(|name| name.strip_prefix('{')) {
            self.notes.name(variable.trim_end_matches('}'));
        }
        let (operator, target) = self.operator_and_target()?;
        Ok(Some(Redirect { descriptor, operator, target }))
    }

    fn operator_and_target(&mut self) -> Read<(Operator, Target)> {
        for (sign, strips_tabs) in [("<<-", true), ("<<<", false), ("<<", false)] {
            if self.eat(sign) {
                let target = if sign == "<<<" {
                    Target::Word(self.target()?)
                } else {
                    self.here_document(strips_tabs)?
                };
                return Ok((Operator::Text, target));
            }
        }
        let signs = [
            ("&>>", Operator::Append),
            ("&>", Operator::Write),
            ("<&", Operator::DuplicateInput),
            ("<>", Operator::ReadWrite),
            ("<", Operator::Read),
            (">>", Operator::Append),
            (">&", Operator::Duplicate),
            (">|", Operator::Write),
            (">", Operator::Write),
        ];
        for (sign, operator) in signs {
            if self.eat(sign) {
                let word = self.target()?;
                // `>& file` is `&> file`; `>& 1` and `<& -` are about descriptors.
                let copies = word.literal().is_some_and(|text| {
                    text.trim_end_matches('-').chars().all(|c| c.is_ascii_digit())
                });
                let operator = match operator {
                    Operator::Duplicate if sign == ">&" && !copies => Operator::Write,
                    operator => operator,
                };
                return Ok((operator, Target::Word(word)));
            }
        }
        Err(undecidable("a redirection that is not known"))
    }

    fn target(&mut self) -> Read<Word> {
        self.skip_blanks();
        self.word()?.ok_or_else(|| undecidable("a redirection without a word"))
    }

    /// Digits, or `{name}`, right before a redirection; not taken.
    fn descriptor_ahead(&self) -> &str {
        let rest = self.rest();
        let end = match rest.strip_prefix('{') {
            Some(inside) => match inside.find(|c| !is_name(c)) {
                Some(end) if inside.get(end..).is_some_and(|rest| rest.starts_with('}')) => {
                    end.saturating_add(2)
                }
                _ => 0,
            },
            None => rest.find(|c: char| !c.is_ascii_digit()).unwrap_or_default(),
        };
        let descriptor = rest.get(..end).unwrap_or_default();
        let after = rest.get(end..).unwrap_or_default();
        if after.starts_with(['<', '>']) { descriptor } else { "" }
    }
}

/// The length of a plain subscript, with its brackets.
fn subscript(text: &str) -> usize {
    if !text.starts_with('[') {
        return 0;
    }
    let plain = |c: char| is_name(c) || matches!(c, '+' | '-' | '*' | '@');
    let inside = text.get(1..).unwrap_or_default();
    let end = inside.find(|c| !plain(c)).unwrap_or(inside.len());
    if inside.get(end..).is_some_and(|rest| rest.starts_with(']')) {
        end.saturating_add(2)
    } else {
        0
    }
}
