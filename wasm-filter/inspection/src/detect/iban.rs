//! International bank account numbers (ISO 13616): a country of the SWIFT
//! registry, its length, and check digits modulo 97; as stored or in groups of
//! four as printed.

use super::{DetectorId, Finding, Judged, Text};

const MAX_LENGTH: usize = 34;

/// Judges the first digit of a number, at `digit`: the check digits of an account
/// stand after its country.
pub(super) fn at(text: &Text<'_>, digit: usize) -> Judged {
    let (Some(second), Some(first)) = (text.before(digit, 1), text.before(digit, 2)) else {
        return Ok(None);
    };
    let start = digit.saturating_sub(2);
    let inside_word = text.before(digit, 3).is_some_and(|byte| byte.is_ascii_alphanumeric());
    let country = [first.to_ascii_uppercase(), second.to_ascii_uppercase()];
    let Some(length) = length_in(country) else { return Ok(None) };
    if inside_word || start < text.from {
        return Ok(None);
    }
    let mut account = [0; MAX_LENGTH];
    let mut at = start;
    let mut separator = None;
    for (index, slot) in account.iter_mut().take(length).enumerate() {
        let mut byte = text.at(at)?;
        if index > 0 && index.is_multiple_of(4) {
            if index == 4 {
                separator = byte.filter(|byte| matches!(byte, b' ' | b'-'));
            }
            if separator.is_some() && byte == separator {
                at = at.saturating_add(1);
                byte = text.at(at)?;
            }
        }
        let Some(byte) = byte.filter(u8::is_ascii_alphanumeric) else { return Ok(None) };
        if matches!(index, 2 | 3) && !byte.is_ascii_digit() {
            return Ok(None);
        }
        *slot = byte.to_ascii_uppercase();
        at = at.saturating_add(1);
    }
    let account = account.get(..length).unwrap_or_default();
    if text.is_word(at)? || !is_checked(account) {
        return Ok(None);
    }
    Ok(Some(Finding { id: DetectorId::Iban, start, end: at, open: None }))
}

/// ISO/IEC 7064, MOD 97-10: the first four characters go last, a letter is two
/// digits, and the remainder is 1.
fn is_checked(account: &[u8]) -> bool {
    let (head, tail) = account.split_at_checked(4).unwrap_or_default();
    let remainder = tail.iter().chain(head).fold(0_u32, |remainder, &byte| {
        let value = char::from(byte).to_digit(36).unwrap_or_default();
        let shift = if value > 9 { 100 } else { 10 };
        remainder.saturating_mul(shift).saturating_add(value).wrapping_rem(97)
    });
    remainder == 1
}

fn length_in(country: [u8; 2]) -> Option<usize> {
    let place = LENGTHS.binary_search_by_key(&country, |(country, _)| **country).ok()?;
    LENGTHS.get(place).map(|(_, length)| *length)
}

/// SWIFT IBAN registry, release 99.
const LENGTHS: &[(&[u8; 2], usize)] = &[
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BI", 27),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DJ", 27),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FK", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HN", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MN", 20),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NI", 28),
    (b"NL", 18),
    (b"NO", 15),
    (b"OM", 23),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"RU", 33),
    (b"SA", 24),
    (b"SC", 31),
    (b"SD", 18),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"SO", 23),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
    (b"YE", 30),
];
