//! E-mail addresses: the common subset of RFC 5321, with internationalised
//! domains (RFC 5890) in either form.

use super::alphabet;
use super::{DetectorId, Finding, Judged, More, Text};

/// RFC 5321 section 4.5.3.1.1.
const MAX_LOCAL: usize = 64;
/// RFC 1035 section 2.3.4, in characters.
const MAX_LABEL: usize = 63;
/// RFC 5321 section 4.5.3.1.2, in bytes.
const MAX_DOMAIN: usize = 255;

/// Judges the `@` at `index`.
pub(super) fn around(text: &Text<'_>, index: usize) -> Judged {
    let run = text.bytes.get(local_start(text, index)..index).unwrap_or_default();
    let local = run.trim_ascii_start();
    let trimmed = local.iter().skip_while(|byte| matches!(byte, b'.' | b'\'')).count();
    if trimmed == 0 {
        return Ok(None);
    }
    let Some(end) = domain_end(text, index.saturating_add(1))? else { return Ok(None) };
    let start = index.saturating_sub(trimmed);
    Ok(Some(Finding { id: DetectorId::Email, start, end, open: None }))
}

/// The address whose local part goes on from `index` to its `@`.
pub(super) fn through(text: &Text<'_>, index: usize) -> Judged {
    let mut at_sign = index;
    while at_sign <= index.saturating_add(MAX_LOCAL) {
        match text.at(at_sign)? {
            Some(b'@') => return around(text, at_sign),
            Some(byte) if alphabet::class(byte) & alphabet::LOCAL != 0 => {
                at_sign = at_sign.saturating_add(1);
            }
            _ => break,
        }
    }
    Ok(None)
}

/// Where a local part that reaches `index` would begin.
pub(super) fn local_start(text: &Text<'_>, index: usize) -> usize {
    let judged = text.bytes.get(text.from..index).unwrap_or_default();
    let run = judged.iter().rev().take(MAX_LOCAL);
    let length = run.take_while(|&&byte| alphabet::class(byte) & alphabet::LOCAL != 0).count();
    index.saturating_sub(length)
}

/// The end of the domain that starts at `start`, if one does: the longest run of
/// labels of which the last can be a top-level domain.
fn domain_end(text: &Text<'_>, start: usize) -> Result<Option<usize>, More> {
    let mut end = None;
    let mut labels = 0_usize;
    let mut first = Label::default();
    let mut at = start;
    loop {
        let label = Label::read(text, at, start.saturating_add(MAX_DOMAIN))?;
        if label.characters == 0 || label.characters > MAX_LABEL {
            break;
        }
        labels = labels.saturating_add(1);
        match labels {
            1 => first = label,
            // A package at a version: `left-pad@1.3.0-rc.one`.
            2 if first.is_version(text) && label.starts_with_digit(text) => return Ok(None),
            _ => {}
        }
        if labels >= 2 && label.is_top_level(text) {
            if first.is_scale(text) && label.is_image(text) {
                return Ok(None);
            }
            end = Some(label.end);
        }
        // A hyphen after the label, or anything but a dot, ends the domain.
        if label.end != label.run_end || text.at(label.end)? != Some(b'.') {
            break;
        }
        at = label.end.saturating_add(1);
    }
    Ok(end)
}

/// One label of a domain.
#[derive(Clone, Copy, Debug, Default)]
struct Label {
    start: usize,
    /// After its last letter or digit.
    end: usize,
    /// After the hyphens that follow that.
    run_end: usize,
    characters: usize,
    /// It has letters only.
    alphabetic: bool,
}

impl Label {
    /// Reads the label at `start`, which ends before `limit`.
    fn read(text: &Text<'_>, start: usize, limit: usize) -> Result<Self, More> {
        let mut label = Self { start, end: start, run_end: start, characters: 0, alphabetic: true };
        let mut characters = 0_usize;
        while label.run_end < limit
            && characters <= MAX_LABEL
            && let Some(character) = text.char_at(label.run_end)?
        {
            if !(character.is_alphanumeric() || (character == '-' && characters > 0)) {
                break;
            }
            characters = characters.saturating_add(1);
            label.run_end = label.run_end.saturating_add(character.len_utf8());
            if character != '-' {
                label.end = label.run_end;
                label.characters = characters;
            }
            label.alphabetic &= character.is_alphabetic() || character == '-';
        }
        Ok(label)
    }

    fn bytes<'a>(&self, text: &Text<'a>) -> &'a [u8] {
        text.bytes.get(self.start..self.end).unwrap_or_default()
    }

    fn is_top_level(&self, text: &Text<'_>) -> bool {
        let bytes = self.bytes(text);
        let punycode = bytes.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case(b"xn--"));
        punycode || (self.alphabetic && self.characters >= 2 && !bytes.contains(&b'-'))
    }

    fn starts_with_digit(&self, text: &Text<'_>) -> bool {
        self.bytes(text).first().is_some_and(u8::is_ascii_digit)
    }

    /// `1` or `v1`.
    fn is_version(&self, text: &Text<'_>) -> bool {
        let bytes = self.bytes(text);
        let digits = bytes.strip_prefix(b"v").unwrap_or(bytes);
        !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
    }

    /// `2x`, as in `logo@2x.png`.
    fn is_scale(&self, text: &Text<'_>) -> bool {
        matches!(self.bytes(text), [b'1'..=b'9', b'x'])
    }

    fn is_image(&self, text: &Text<'_>) -> bool {
        const IMAGES: [&[u8]; 7] = [b"png", b"jpg", b"jpeg", b"gif", b"webp", b"svg", b"avif"];
        IMAGES.contains(&self.bytes(text))
    }
}
