//! Words to arguments: braces, variables that the text itself sets, splitting (POSIX.1-2024,
//! XCU 2.6; the bash manual, "Brace Expansion").

use std::collections::BTreeMap;

use super::reader::{Budget, Read, undecidable};
use super::syntax::{Origin, Part, Word};

/// The most words that the braces of one word make.
const MAX_BRACED: usize = 64;

/// Variables whose values are known: assigned once, and surely, in this text.
pub(super) type Values = BTreeMap<String, String>;

/// One argument, as far as the text tells it.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Debug, Default)]
pub(super) struct Argument {
    /// Without quotes; the parts that are not known stand in it as they are written.
    pub(super) text: String,
    /// Something in it is not known.
    pub(super) dynamic: bool,
    /// It may be none or many arguments.
    pub(super) splits: bool,
    /// Its first character is not known: it may be an option.
    pub(super) opens: bool,
    /// Where the last part that is not known ends, in bytes.
    pub(super) tail: usize,
    /// All that is not known is the output of commands.
    pub(super) output: bool,
    /// It is a file that commands write to or read from.
    pub(super) process: bool,
}

impl Argument {
    pub(super) fn literal(text: &str) -> Self {
        Self { text: text.to_owned(), ..Self::default() }
    }

    fn unknown(&mut self, shown: &str, splits: bool, opens: bool, origin: Origin) {
        self.output = origin == Origin::Output && (self.output || !self.dynamic);
        self.process = self.process || origin == Origin::Process;
        self.opens |= opens && self.text.is_empty();
        self.dynamic = true;
        self.splits |= splits;
        self.text.push_str(shown);
        self.tail = self.text.len();
    }

    /// `~user/file`, of which only the user's folder is not known.
    fn unknown_home(&mut self, text: &str) {
        let end = text.find('/').unwrap_or(text.len());
        let (home, file) = text.split_at_checked(end).unwrap_or((text, ""));
        self.unknown(home, false, false, Origin::Value);
        self.text.push_str(file);
    }

    /// Whether its last name is known, if it is the path of a file.
    pub(super) fn is_named(&self) -> bool {
        let tail = self.text.get(self.tail..).unwrap_or_default();
        !self.dynamic || (!self.splits && tail.contains('/'))
    }

    /// Whether it may be an option, or several arguments.
    pub(super) const fn is_unclear(&self) -> bool {
        self.opens || self.splits
    }

    /// The argument as a command line shows it.
    pub(super) fn shown(&self, line: &mut String) {
        let plain = |c: char| c.is_ascii_alphanumeric() || "%+,-./:=@_^".contains(c);
        if self.dynamic || (!self.text.is_empty() && self.text.chars().all(plain)) {
            line.push_str(&self.text);
            return;
        }
        line.push('\'');
        for character in self.text.chars() {
            match character {
                '\'' => line.push_str("'\\''"),
                character => line.push(character),
            }
        }
        line.push('\'');
    }
}

/// The arguments that `word` makes.
pub(super) fn arguments(
    word: &Word,
    values: &Values,
    budget: &mut Budget,
    arguments: &mut Vec<Argument>,
) -> Read<()> {
    let has_braces =
        word.parts.iter().any(|part| matches!(part, Part::Text(text) if text.contains('{')));
    if !has_braces {
        fields(&word.parts, values, arguments);
        return Ok(());
    }
    for pieces in braced(&pieces(word), budget)? {
        fields(&parts(pieces), values, arguments);
    }
    Ok(())
}

/// The one argument that `word` makes where nothing is split.
pub(super) fn single(word: &Word, values: &Values) -> Argument {
    let mut argument = Argument::default();
    for (index, part) in word.parts.iter().enumerate() {
        match part {
            Part::Text(text) if index == 0 && text.starts_with('~') => {
                argument.unknown_home(text);
            }
            Part::Text(text) | Part::Quoted(text) => argument.text.push_str(text),
            Part::Pattern(character) => argument.text.push(*character),
            Part::Variable { name, .. } => match values.get(name) {
                Some(value) => argument.text.push_str(value),
                None => argument.unknown(&format!("${name}"), false, true, Origin::Value),
            },
            Part::Dynamic { shown, origin, .. } => {
                argument.unknown(shown, false, *origin != Origin::Process, *origin);
            }
        }
    }
    argument
}

/// The file that `word` names in a redirection, where some shells expand patterns and
/// braces.
pub(super) fn target(word: &Word, values: &Values) -> Argument {
    let mut argument = single(word, values);
    argument.dynamic |= word.parts.iter().any(|part| match part {
        Part::Text(text) => text.contains('{'),
        part => matches!(part, Part::Pattern(_)),
    });
    argument
}

fn fields(parts: &[Part], values: &Values, arguments: &mut Vec<Argument>) {
    let mut field: Option<Argument> = None;
    let last_closing = parts.iter().rposition(may_close);
    for (index, part) in parts.iter().enumerate() {
        match part {
            Part::Text(text) => {
                let field = field.get_or_insert_default();
                if index == 0 && text.starts_with('~') {
                    field.unknown_home(text);
                } else {
                    field.text.push_str(text);
                }
            }
            Part::Quoted(text) => field.get_or_insert_default().text.push_str(text),
            Part::Pattern('[') if last_closing.is_none_or(|closing| closing < index) => {
                field.get_or_insert_default().text.push('[');
            }
            Part::Pattern(character) => {
                let shown = character.encode_utf8(&mut [0; 4]).to_owned();
                field.get_or_insert_default().unknown(&shown, true, true, Origin::Value);
            }
            Part::Variable { name, quoted } => match (values.get(name), quoted) {
                (Some(value), true) => field.get_or_insert_default().text.push_str(value),
                (Some(value), false) if is_splittable(value, values) => {
                    split(value, &mut field, arguments);
                }
                _ => {
                    let shown = format!("${name}");
                    field.get_or_insert_default().unknown(&shown, !quoted, true, Origin::Value);
                }
            },
            Part::Dynamic { shown, quoted, origin } => {
                let opens = *origin != Origin::Process;
                field.get_or_insert_default().unknown(shown, !quoted, opens, *origin);
            }
        }
    }
    arguments.extend(field);
}

/// Whether it may have the `]` that makes a pattern of a bracket.
fn may_close(part: &Part) -> bool {
    match part {
        Part::Text(text) | Part::Quoted(text) => text.contains(']'),
        Part::Pattern(_) => false,
        Part::Variable { .. } | Part::Dynamic { .. } => true,
    }
}

fn is_splittable(value: &str, values: &Values) -> bool {
    !values.contains_key("IFS") && !value.contains(['*', '?', '[', '\\', '~'])
}

fn split(value: &str, field: &mut Option<Argument>, arguments: &mut Vec<Argument>) {
    let is_separator = |c: char| matches!(c, ' ' | '\t' | '\n');
    if value.starts_with(is_separator) {
        arguments.extend(field.take());
    }
    for (index, text) in value.split(is_separator).filter(|text| !text.is_empty()).enumerate() {
        if index > 0 {
            arguments.extend(field.take());
        }
        field.get_or_insert_default().text.push_str(text);
    }
    if value.ends_with(is_separator) {
        arguments.extend(field.take());
    }
}

/// A character without quotes, or a part that braces do not look into.
#[derive(Clone, Debug)]
enum Piece {
    Character(char),
    Part(Part),
}

fn pieces(word: &Word) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for part in &word.parts {
        match part {
            Part::Text(text) => pieces.extend(text.chars().map(Piece::Character)),
            part => pieces.push(Piece::Part(part.clone())),
        }
    }
    pieces
}

fn parts(pieces: Vec<Piece>) -> Vec<Part> {
    let mut word = Word::default();
    for piece in pieces {
        match piece {
            Piece::Character(character) => word.push(false, character),
            Piece::Part(part) => word.parts.push(part),
        }
    }
    word.parts
}

fn braced(pieces: &[Piece], budget: &mut Budget) -> Read<Vec<Vec<Piece>>> {
    budget.enter()?;
    let mut words = vec![Vec::new()];
    let mut rest = pieces;
    while let Some((first, after)) = rest.split_first() {
        budget.spend(words.len());
        rest = after;
        if !matches!(first, Piece::Character('{')) {
            push(&mut words, first);
            continue;
        }
        match group(after, budget)? {
            Group::None => push(&mut words, first),
            Group::Sequence(length) => {
                let shown = "{..}".to_owned();
                let part = Part::Dynamic { shown, quoted: false, origin: Origin::Value };
                push(&mut words, &Piece::Part(part));
                rest = after.get(length..).unwrap_or_default();
            }
            Group::Choices(choices, length) => {
                let mut expanded = Vec::new();
                for choice in choices {
                    expanded.extend(braced(choice, budget)?);
                }
                words = crossed(&words, &expanded)?;
                rest = after.get(length..).unwrap_or_default();
            }
        }
    }
    budget.leave();
    Ok(words)
}

fn push(words: &mut [Vec<Piece>], piece: &Piece) {
    for word in words {
        word.push(piece.clone());
    }
}

fn crossed(words: &[Vec<Piece>], choices: &[Vec<Piece>]) -> Read<Vec<Vec<Piece>>> {
    if words.len().saturating_mul(choices.len()) > MAX_BRACED {
        return Err(undecidable("braces that make too many words"));
    }
    let joined = |word: &Vec<Piece>, choice| [word.as_slice(), choice].concat();
    Ok(words
        .iter()
        .flat_map(|word| choices.iter().map(move |choice| joined(word, choice.as_slice())))
        .collect())
}

enum Group<'p> {
    /// The brace means itself.
    None,
    /// `{1..9}`, and how many pieces it takes after its first brace.
    Sequence(usize),
    /// `{a,b}`.
    Choices(Vec<&'p [Piece]>, usize),
}

fn group<'p>(pieces: &'p [Piece], budget: &mut Budget) -> Read<Group<'p>> {
    let mut depth = 0_usize;
    let mut start = 0_usize;
    let mut choices = Vec::new();
    let mut dots = false;
    for (at, piece) in pieces.iter().enumerate() {
        budget.check()?;
        let Piece::Character(character) = piece else { continue };
        let end = at.saturating_add(1);
        match character {
            '{' => depth = depth.saturating_add(1),
            ',' if depth == 0 => {
                choices.push(pieces.get(start..at).unwrap_or_default());
                start = end;
            }
            '.' if depth == 0 => {
                dots |= matches!(pieces.get(end), Some(Piece::Character('.')));
            }
            '}' => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None if choices.is_empty() && dots => return Ok(Group::Sequence(end)),
                None if choices.is_empty() => return Ok(Group::None),
                None => {
                    choices.push(pieces.get(start..at).unwrap_or_default());
                    return Ok(Group::Choices(choices, end));
                }
            },
            _ => {}
        }
    }
    Ok(Group::None)
}
