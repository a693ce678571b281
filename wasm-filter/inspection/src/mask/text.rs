//! Text: what the detectors find is masked in its place. Field rules have no
//! meaning in it, so text that begins like JSON is masked as JSON.

use super::json::{JsonMasker, begins_like_json, without_byte_order_mark};
use super::{CompiledProfile, Counts, Unmaskable};
use crate::detect::{CONTEXT_BYTES, Opened, Skipped, Step, Text};

/// A chunk is taken in pieces of this size, so that a large one is not copied as
/// a whole.
const PIECE: usize = 16 * 1024;

/// Masks text as it streams by.
#[derive(Debug, Default)]
pub(super) struct TextMasker {
    /// What was not sent yet, after a few bytes that were.
    buffer: Vec<u8>,
    /// Where in the buffer that begins.
    from: usize,
    /// How much of the buffer is whole characters.
    valid: usize,
    /// A secret that goes on.
    opened: Option<Opened>,
}

impl TextMasker {
    pub(super) fn push(
        &mut self,
        profile: &CompiledProfile,
        counts: &mut Counts,
        chunk: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Unmaskable> {
        for piece in chunk.chunks(PIECE) {
            self.buffer.extend_from_slice(piece);
            self.drain(profile, counts, false, out)?;
        }
        Ok(())
    }

    pub(super) fn finish(
        &mut self,
        profile: &CompiledProfile,
        counts: &mut Counts,
        out: &mut Vec<u8>,
    ) -> Result<(), Unmaskable> {
        self.drain(profile, counts, true, out)
    }

    #[cfg(all(test, not(target_arch = "wasm32")))]
    pub(super) fn held_bytes(&self) -> usize {
        self.buffer.capacity()
    }

    fn drain(
        &mut self,
        profile: &CompiledProfile,
        counts: &mut Counts,
        ended: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Unmaskable> {
        self.validate(ended)?;
        let bytes = self.buffer.get(..self.valid).unwrap_or_default();
        let mut text = Text { bytes, from: self.from, ended };
        loop {
            if let Some(opened) = self.opened {
                match opened.skip(&text) {
                    Skipped::Closed(at) => (text.from, self.opened) = (at, None),
                    Skipped::Open(at) => {
                        text.from = at;
                        break;
                    }
                }
            }
            let step = profile.detectors.next(&text);
            let (Step::Clear(upto) | Step::Found(crate::detect::Finding { start: upto, .. })) =
                step;
            out.extend_from_slice(bytes.get(text.from..upto).unwrap_or_default());
            text.from = upto;
            let Step::Found(finding) = step else { break };
            counts.add_detector(finding.id);
            out.extend_from_slice(finding.id.mask().as_bytes());
            text.from = finding.end;
            self.opened = finding.open;
        }
        let sent = text.from.saturating_sub(CONTEXT_BYTES);
        self.from = text.from.saturating_sub(sent);
        self.valid = self.valid.saturating_sub(sent);
        self.buffer.drain(..sent);
        Ok(())
    }

    /// Finds how much of the buffer is whole characters.
    fn validate(&mut self, ended: bool) -> Result<(), Unmaskable> {
        let new = self.buffer.get(self.valid..).unwrap_or_default();
        match std::str::from_utf8(new) {
            Ok(_) => self.valid = self.buffer.len(),
            Err(error) if error.error_len().is_none() && !ended => {
                self.valid = self.valid.saturating_add(error.valid_up_to());
            }
            Err(_) => return Err(Unmaskable::Utf8Invalid),
        }
        Ok(())
    }
}

/// Masks text, or JSON that is served as text.
#[derive(Debug)]
pub(super) enum SniffingMasker {
    /// Too little to tell so far.
    Undecided(Vec<u8>),
    /// One or more JSON documents.
    Json(Box<JsonMasker>),
    /// Anything else.
    Text(TextMasker),
}

/// What is looked at to tell: much more white space than documents begin with.
const BEGINNING: usize = 4 * 1024;

impl SniffingMasker {
    pub(super) const fn new() -> Self {
        Self::Undecided(Vec::new())
    }

    pub(super) fn push(
        &mut self,
        profile: &CompiledProfile,
        counts: &mut Counts,
        chunk: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Unmaskable> {
        match self {
            Self::Json(masker) => masker.push(profile, counts, chunk, out),
            Self::Text(masker) => masker.push(profile, counts, chunk, out),
            Self::Undecided(begun) => {
                let room = BEGINNING.saturating_sub(begun.len()).min(chunk.len());
                let (beginning, rest) = chunk.split_at_checked(room).unwrap_or_default();
                begun.extend_from_slice(beginning);
                if begun.len() < BEGINNING && !is_decisive(begun) {
                    return Ok(());
                }
                self.decide(profile, counts, out)?;
                self.push(profile, counts, rest, out)
            }
        }
    }

    pub(super) fn finish(
        &mut self,
        profile: &CompiledProfile,
        counts: &mut Counts,
        out: &mut Vec<u8>,
    ) -> Result<(), Unmaskable> {
        self.decide(profile, counts, out)?;
        match self {
            Self::Undecided(_) => Ok(()),
            Self::Json(masker) => masker.finish(profile, counts, out),
            Self::Text(masker) => masker.finish(profile, counts, out),
        }
    }

    #[cfg(all(test, not(target_arch = "wasm32")))]
    pub(super) fn held_bytes(&self) -> usize {
        match self {
            Self::Undecided(begun) => begun.capacity(),
            Self::Json(masker) => masker.held_bytes(),
            Self::Text(masker) => masker.held_bytes(),
        }
    }

    fn decide(
        &mut self,
        profile: &CompiledProfile,
        counts: &mut Counts,
        out: &mut Vec<u8>,
    ) -> Result<(), Unmaskable> {
        let Self::Undecided(begun) = self else { return Ok(()) };
        let begun = std::mem::take(begun);
        *self = if begins_like_json(&begun) {
            Self::Json(Box::new(JsonMasker::sequence()))
        } else {
            Self::Text(TextMasker::default())
        };
        self.push(profile, counts, &begun, out)
    }
}

/// Whether a beginning says what the text is: it has a byte that is no bracket, or
/// a bracket and what follows it.
fn is_decisive(begun: &[u8]) -> bool {
    const BYTE_ORDER_MARK: &[u8] = &[0xef, 0xbb, 0xbf];
    match without_byte_order_mark(begun).trim_ascii_start() {
        [] => false,
        [b'{' | b'[', rest @ ..] => !rest.trim_ascii_start().is_empty(),
        rest => !BYTE_ORDER_MARK.starts_with(rest),
    }
}
