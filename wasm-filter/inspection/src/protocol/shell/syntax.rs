//! The syntax tree of a shell text: what may run, and in which order.

/// Pipelines in the order of the text.
pub(super) type Script = Vec<Pipeline>;

/// `a | b | c`.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) stages: Vec<Stage>,
    /// `&` follows.
    pub(super) background: bool,
    /// It runs whatever came before it in its list.
    pub(super) certain: bool,
}

#[derive(Debug)]
pub(super) enum Stage {
    Simple(Simple),
    Compound(Compound),
}

/// `A=1 program argument > file`.
#[derive(Debug, Default)]
pub(super) struct Simple {
    pub(super) assigns: Vec<Assign>,
    pub(super) words: Vec<Word>,
    pub(super) redirects: Vec<Redirect>,
    /// The substitutions in all of its words.
    pub(super) nested: Vec<Script>,
    /// `coproc` stands before it.
    pub(super) background: bool,
}

/// A group, a loop, a condition, a function's body.
#[derive(Debug, Default)]
pub(super) struct Compound {
    pub(super) bodies: Vec<Script>,
    pub(super) redirects: Vec<Redirect>,
    pub(super) nested: Vec<Script>,
    /// The words of `[[ … ]]`.
    pub(super) test: Option<Vec<Word>>,
    pub(super) background: bool,
}

#[derive(Debug)]
pub(super) struct Assign {
    pub(super) name: String,
    /// `None` where it is not one plain value: an array, an element, `+=`.
    pub(super) value: Option<Word>,
}

#[derive(Debug)]
pub(super) struct Redirect {
    pub(super) descriptor: Option<String>,
    pub(super) operator: Operator,
    pub(super) target: Target,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Read,
    ReadWrite,
    Write,
    Append,
    Duplicate,
    DuplicateInput,
    /// `<<`, `<<-`, `<<<`: the text itself.
    Text,
}

#[derive(Debug)]
pub(super) enum Target {
    Word(Word),
    /// An index into the here-documents of the text.
    Here(usize),
}

/// A here-document: a text without word splitting.
#[derive(Debug, Default)]
pub(super) struct Here {
    pub(super) body: Word,
    pub(super) nested: Vec<Script>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Word {
    pub(super) parts: Vec<Part>,
}

#[derive(Clone, Debug)]
pub(super) enum Part {
    /// Without quotes: braces and the tilde mean something in it.
    Text(String),
    Quoted(String),
    /// One of `*`, `?`, `[`, without quotes.
    Pattern(char),
    Variable {
        name: String,
        quoted: bool,
    },
    /// What only the shell can know, as it is written in short.
    Dynamic {
        shown: String,
        quoted: bool,
        origin: Origin,
    },
}

/// Where the text of a dynamic part comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The output of commands.
    Output,
    /// A file that commands write to or read from: `<(…)`.
    Process,
    /// Anything else.
    Value,
}

impl Word {
    /// The text, when no part of it means anything to the shell.
    pub(super) fn literal(&self) -> Option<String> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(part) | Part::Quoted(part) => text.push_str(part),
                Part::Pattern('[') if self.parts.len() == 1 => text.push('['),
                _ => return None,
            }
        }
        Some(text)
    }

    pub(super) fn push(&mut self, quoted: bool, character: char) {
        match (self.parts.last_mut(), quoted) {
            (Some(Part::Text(text)), false) | (Some(Part::Quoted(text)), true) => {
                text.push(character);
            }
            (_, false) => self.parts.push(Part::Text(character.into())),
            (_, true) => self.parts.push(Part::Quoted(character.into())),
        }
    }

    /// There is a word, even when nothing is between its quotes.
    pub(super) fn open_quotes(&mut self) {
        if !matches!(self.parts.last(), Some(Part::Quoted(_))) {
            self.parts.push(Part::Quoted(String::new()));
        }
    }
}
