//! United States social security numbers in their written form, 3-2-4 digits
//! with hyphens or spaces, within the ranges that are assigned. Nine bare digits
//! say too little: field rules mask those by the name of their key.

use super::{DetectorId, Finding, Judged, Text};

const LENGTH: usize = 11;

/// Judges the number whose first digit stands at `start`.
pub(super) fn at(text: &Text<'_>, start: usize) -> Judged {
    if !stands_alone_before(text, start) {
        return Ok(None);
    }
    let separator = match text.at(start.saturating_add(3))? {
        Some(byte @ (b'-' | b' ')) => byte,
        _ => return Ok(None),
    };
    let mut digits = [0; LENGTH];
    for (offset, slot) in digits.iter_mut().enumerate() {
        let Some(byte) = text.at(start.saturating_add(offset))? else { return Ok(None) };
        let fits = if matches!(offset, 3 | 6) { byte == separator } else { byte.is_ascii_digit() };
        if !fits {
            return Ok(None);
        }
        *slot = byte;
    }
    let end = start.saturating_add(LENGTH);
    if text.is_word(end)?
        || (text.at(end)? == Some(b'-') && text.is_word(end.saturating_add(1))?)
        || !is_assigned(&digits)
    {
        return Ok(None);
    }
    Ok(Some(Finding { id: DetectorId::UsSsn, start, end, open: None }))
}

fn stands_alone_before(text: &Text<'_>, start: usize) -> bool {
    match text.before(start, 1) {
        Some(b'-' | b'.') => !text.before(start, 2).is_some_and(|byte| byte.is_ascii_digit()),
        Some(b'+') => false,
        Some(byte) => !byte.is_ascii_alphanumeric(),
        None => true,
    }
}

/// Areas 000, 666 and 900 to 999, group 00 and serial 0000 are never assigned
/// (SSA, "Social Security Number Randomization").
fn is_assigned(digits: &[u8; LENGTH]) -> bool {
    !matches!(
        digits,
        [b'0', b'0', b'0', ..]
            | [b'6', b'6', b'6', ..]
            | [b'9', ..]
            | [_, _, _, _, b'0', b'0', ..]
            | [.., b'0', b'0', b'0', b'0']
    )
}
