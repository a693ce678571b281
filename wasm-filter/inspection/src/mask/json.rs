//! JSON: values under a field rule are masked whole, and what the detectors find
//! in strings, keys and numbers is masked in its place.
//!
//! The document keeps its shape. Under a field rule a string becomes
//! `"[masked]"`, a number `0`, a boolean `false`; `null` stays, and containers
//! keep their members, each masked so. What is not masked is copied as it was
//! written, white space and escapes included.

use super::fields::{Place, RuleId};
use super::{CompiledProfile, Counts, MASKED, Unmaskable};
use crate::detect::{DetectorId, Detectors, is_card_number};
use crate::json::escape::{self, EscapeError, Places};
use crate::json::tokenizer::{Kind, Token, Tokenizer, Traits};

/// Masks JSON as it streams by.
#[derive(Debug)]
pub(super) struct JsonMasker {
    tokenizer: Tokenizer,
    editor: Editor,
}

impl JsonMasker {
    /// For one document.
    pub(super) fn document() -> Self {
        Self { tokenizer: Tokenizer::document(), editor: Editor::default() }
    }

    /// For documents one after the other.
    pub(super) fn sequence() -> Self {
        Self { tokenizer: Tokenizer::sequence(), editor: Editor::default() }
    }

    pub(super) fn push(
        &mut self,
        profile: &CompiledProfile,
        counts: &mut Counts,
        chunk: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Unmaskable> {
        let mut copied = 0;
        let mut at = 0;
        while let Some(token) = self.tokenizer.next(chunk, at)? {
            at = token.end;
            let written = self.tokenizer.text(&token, chunk);
            let edit = self.editor.edit(profile, counts, &token, written)?;
            if edit == Edit::Keep && !token.held {
                continue;
            }
            out.extend_from_slice(chunk.get(copied..token.start).unwrap_or_default());
            self.editor.write(edit, self.tokenizer.bytes(&token, chunk), out);
            copied = token.end;
        }
        let whole = self.tokenizer.whole(chunk.len());
        out.extend_from_slice(chunk.get(copied..whole).unwrap_or_default());
        Ok(())
    }

    pub(super) fn finish(
        &mut self,
        profile: &CompiledProfile,
        counts: &mut Counts,
        out: &mut Vec<u8>,
    ) -> Result<(), Unmaskable> {
        if let Some(token) = self.tokenizer.finish()? {
            let written = self.tokenizer.text(&token, &[]);
            let edit = self.editor.edit(profile, counts, &token, written)?;
            self.editor.write(edit, self.tokenizer.bytes(&token, &[]), out);
        }
        Ok(())
    }

    #[cfg(all(test, not(target_arch = "wasm32")))]
    pub(super) fn held_bytes(&self) -> usize {
        let editor = &self.editor;
        let scratch = editor.decoded.capacity().saturating_add(editor.replacement.capacity());
        self.tokenizer.held_bytes().saturating_add(scratch)
    }
}

/// Whether `text` begins as JSON objects and arrays do, and hardly anything else.
pub(super) fn begins_like_json(text: &[u8]) -> bool {
    match without_byte_order_mark(text).trim_ascii_start() {
        [b'{', rest @ ..] => matches!(rest.trim_ascii_start(), [b'"' | b'}', ..]),
        [b'[', rest @ ..] => matches!(rest.trim_ascii_start(), [b'"' | b'{' | b'[', ..]),
        _ => false,
    }
}

/// `text` without the mark that some writers put before it. No JSON has it (RFC
/// 8259 section 8.1), and lenient readers skip it.
pub(super) fn without_byte_order_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}

/// What happens to a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edit {
    Keep,
    /// By a value that is the same for every token of its kind.
    Fixed(&'static str),
    /// By [`Editor::replacement`], between quotes.
    Replaced,
}

/// A value's place in its container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Next {
    /// An element of an array, or the document itself.
    #[default]
    Element,
    /// The value of a key, with the rule that masks it.
    Member(Option<RuleId>),
}

/// Decides on each token in turn.
#[derive(Debug, Default)]
struct Editor {
    place: Place,
    depth: usize,
    /// What the value is that comes next.
    next: Next,
    /// The depth of the container that is being masked whole.
    masked: Option<usize>,
    /// How many documents this one is inside of, each a string of the next.
    nesting: usize,
    masked_keys: u64,
    decoded: Vec<u8>,
    replacement: Vec<u8>,
}

impl Editor {
    fn edit(
        &mut self,
        profile: &CompiledProfile,
        counts: &mut Counts,
        token: &Token,
        written: &[u8],
    ) -> Result<Edit, Unmaskable> {
        match token.kind {
            Kind::BeginObject | Kind::BeginArray => {
                self.value_begins(profile, counts);
                self.place.enter();
                self.depth = self.depth.saturating_add(1);
                Ok(Edit::Keep)
            }
            Kind::EndObject | Kind::EndArray => {
                self.place.leave();
                self.depth = self.depth.saturating_sub(1);
                self.value_ends();
                Ok(Edit::Keep)
            }
            Kind::Key => self.key(profile, counts, token, written),
            _ => {
                self.value_begins(profile, counts);
                let masked = self.masked.is_some();
                self.value_ends();
                match token.kind {
                    _ if masked => Ok(mask_of(token.kind)),
                    Kind::String => self.string(profile, counts, token, written),
                    Kind::Number => Ok(number(profile.detectors, counts, written)),
                    _ => Ok(Edit::Keep),
                }
            }
        }
    }

    fn write(&self, edit: Edit, bytes: &[u8], out: &mut Vec<u8>) {
        match edit {
            Edit::Keep => out.extend_from_slice(bytes),
            Edit::Fixed(text) => out.extend_from_slice(text.as_bytes()),
            Edit::Replaced => {
                out.push(b'"');
                out.extend_from_slice(&self.replacement);
                out.push(b'"');
            }
        }
    }

    fn value_begins(&mut self, profile: &CompiledProfile, counts: &mut Counts) {
        let rule = match std::mem::take(&mut self.next) {
            Next::Member(rule) => rule,
            Next::Element if self.depth == 0 => self.place.begin(&profile.fields),
            Next::Element => self.place.element(&profile.fields),
        };
        if self.masked.is_none()
            && let Some(rule) = rule
        {
            counts.add_rule(&profile.fields, rule);
            self.masked = Some(self.depth);
        }
    }

    fn value_ends(&mut self) {
        if self.masked == Some(self.depth) {
            self.masked = None;
        }
    }

    fn key(
        &mut self,
        profile: &CompiledProfile,
        counts: &mut Counts,
        token: &Token,
        written: &[u8],
    ) -> Result<Edit, Unmaskable> {
        let text = decoded(written, token.traits, &mut self.decoded)?;
        self.next = Next::Member(self.place.key(&profile.fields, text));
        self.replacement.clear();
        if token.long {
            counts.add(LONG_STRING);
            self.replacement.extend_from_slice(MASKED.as_bytes());
        } else if !replace(profile.detectors, counts, token, written, text, &mut self.replacement) {
            return Ok(Edit::Keep);
        }
        // Keys that were different must stay so.
        self.masked_keys = self.masked_keys.saturating_add(1);
        if self.masked_keys > 1 {
            self.replacement.extend_from_slice(format!("#{}", self.masked_keys).as_bytes());
        }
        Ok(Edit::Replaced)
    }

    fn string(
        &mut self,
        profile: &CompiledProfile,
        counts: &mut Counts,
        token: &Token,
        written: &[u8],
    ) -> Result<Edit, Unmaskable> {
        if token.long {
            counts.add(LONG_STRING);
            return Ok(mask_of(Kind::String));
        }
        let text = decoded(written, token.traits, &mut self.decoded)?;
        self.replacement.clear();
        if self.nesting < MAX_NESTING && matches!(text.trim_ascii_start(), [b'{' | b'[', ..]) {
            match document_in_string(profile, counts, text, self.nesting) {
                Ok(masked) if masked == text => return Ok(Edit::Keep),
                Ok(masked) => {
                    escape::encode(&masked, &mut self.replacement);
                    return Ok(Edit::Replaced);
                }
                // Cut off, or written for a more lenient reader: its fields cannot
                // be told apart.
                Err(_) if begins_like_json(text) => {
                    counts.add(MALFORMED_JSON);
                    return Ok(mask_of(Kind::String));
                }
                Err(_) => {}
            }
        }
        let found = replace(profile.detectors, counts, token, written, text, &mut self.replacement);
        Ok(if found { Edit::Replaced } else { Edit::Keep })
    }
}

/// How deep documents are read that are strings of each other. Each level at least
/// doubles the backslashes before a quote, so that more does not occur.
const MAX_NESTING: usize = 4;

const LONG_STRING: &str = "long_string";
const MALFORMED_JSON: &str = "malformed_json";

const fn mask_of(kind: Kind) -> Edit {
    match kind {
        Kind::String => Edit::Fixed("\"[masked]\""),
        Kind::Number => Edit::Fixed("0"),
        Kind::True | Kind::False => Edit::Fixed("false"),
        _ => Edit::Keep,
    }
}

fn number(detectors: Detectors, counts: &mut Counts, written: &[u8]) -> Edit {
    const SHORTEST: usize = 13;
    if written.len() < SHORTEST
        || !detectors.has(DetectorId::PaymentCard)
        || !is_card_number(written)
    {
        return Edit::Keep;
    }
    counts.add_detector(DetectorId::PaymentCard);
    mask_of(Kind::Number)
}

/// What a string as written stands for.
fn decoded<'a>(
    written: &'a [u8],
    traits: Traits,
    buffer: &'a mut Vec<u8>,
) -> Result<&'a [u8], EscapeError> {
    if !traits.escapes() {
        return Ok(written);
    }
    buffer.clear();
    escape::decode(written, buffer)?;
    Ok(buffer)
}

/// Masks the document that a string holds: a tool's result is often JSON in a
/// string, and may hold another tool's.
fn document_in_string(
    profile: &CompiledProfile,
    counts: &mut Counts,
    text: &[u8],
    nesting: usize,
) -> Result<Vec<u8>, Unmaskable> {
    let mut document = JsonMasker::document();
    document.editor.nesting = nesting.saturating_add(1);
    let mut own = Counts::default();
    let mut masked = Vec::with_capacity(text.len());
    document.push(profile, &mut own, text, &mut masked)?;
    document.finish(profile, &mut own, &mut masked)?;
    counts.add_all(own);
    Ok(masked)
}

/// Writes the string with what is found in it masked, as it stands between quotes;
/// says whether anything was found.
fn replace(
    detectors: Detectors,
    counts: &mut Counts,
    token: &Token,
    written: &[u8],
    text: &[u8],
    replacement: &mut Vec<u8>,
) -> bool {
    let traits = token.traits;
    let (digits, at_signs) =
        (traits.digits() || traits.escapes(), traits.at_signs() || traits.escapes());
    if !detectors.may_find(text.len(), digits, at_signs) {
        return false;
    }
    let found = detectors.find_all(text);
    if found.is_empty() {
        return false;
    }
    let mut places = Places::new(written);
    let mut place = |at| if traits.escapes() { places.written(at) } else { at };
    let mut copied = 0;
    for finding in found {
        counts.add_detector(finding.id);
        let (start, end) = (place(finding.start), place(finding.end));
        replacement.extend_from_slice(written.get(copied..start).unwrap_or_default());
        replacement.extend_from_slice(finding.id.mask().as_bytes());
        copied = end;
    }
    replacement.extend_from_slice(written.get(copied..).unwrap_or_default());
    true
}
