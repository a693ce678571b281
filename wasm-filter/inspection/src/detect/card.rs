//! Payment card numbers: 13 to 19 digits that a scheme issues, with a valid
//! check digit (ISO/IEC 7812-1), bare or in the groups that are printed on cards.

use super::{DetectorId, Finding, Judged, More, Text};

const MAX_DIGITS: usize = 19;

/// Judges the number whose first digit stands at `start`.
pub(super) fn at(text: &Text<'_>, start: usize) -> Judged {
    if !stands_alone_before(text, start) {
        return Ok(None);
    }
    let first = digits_at(text, start, MAX_DIGITS.saturating_add(1))?;
    let end = match first {
        13..=MAX_DIGITS => bare(text, start, first)?,
        4 => grouped(text, start)?,
        _ => None,
    };
    Ok(end.map(|end| Finding { id: DetectorId::PaymentCard, start, end, open: None }))
}

/// Whether a JSON number is a card number: written out, or as a float writes it
/// (`4111111111111111.0`, `4.111111111111111e15`).
pub(crate) fn is_number(number: &[u8]) -> bool {
    let mut number = number;
    let mut exponent = 0_usize;
    if let Some(e) = number.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        let (mantissa, rest) = number.split_at_checked(e).unwrap_or_default();
        let digits = rest.get(1..).unwrap_or_default();
        let digits = digits.strip_prefix(b"+").unwrap_or(digits);
        let Some(parsed) = std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok())
        else {
            return false;
        };
        (number, exponent) = (mantissa, parsed);
    }
    let mut parts = number.splitn(2, |&byte| byte == b'.');
    let whole = parts.next().unwrap_or_default();
    let whole = whole.strip_prefix(b"-").unwrap_or(whole);
    let fraction = parts.next().unwrap_or_default();
    if exponent > MAX_DIGITS || whole.len() > MAX_DIGITS {
        return false;
    }
    let digits = whole.iter().chain(fraction).copied().chain(std::iter::repeat(b'0'));
    let digits: Vec<u8> = digits.take(whole.len().saturating_add(exponent)).collect();
    fraction.iter().skip(exponent).all(|&digit| digit == b'0') && is_card(&digits)
}

/// A word, a decimal fraction or an international phone number goes on here.
fn stands_alone_before(text: &Text<'_>, start: usize) -> bool {
    let further = text.before(start, 2);
    match text.before(start, 1) {
        Some(b'.' | b',') => !further.is_some_and(|byte| byte.is_ascii_digit()),
        Some(b'+') => further.is_some_and(|byte| byte.is_ascii_alphanumeric()),
        Some(byte) => !byte.is_ascii_alphanumeric(),
        None => true,
    }
}

/// How many digits stand at `start`, counted up to `most`.
fn digits_at(text: &Text<'_>, start: usize, most: usize) -> Result<usize, More> {
    let mut count = 0_usize;
    while count < most
        && text.at(start.saturating_add(count))?.is_some_and(|byte| byte.is_ascii_digit())
    {
        count = count.saturating_add(1);
    }
    Ok(count)
}

fn bare(text: &Text<'_>, start: usize, digits: usize) -> Result<Option<usize>, More> {
    let end = start.saturating_add(digits);
    if !is_card(text.bytes.get(start..end).unwrap_or_default()) || text.is_word(end)? {
        return Ok(None);
    }
    // A decimal fraction makes it another number, unless a float wrote it: `.0`.
    let fraction = end.saturating_add(1);
    if text.at(end)? == Some(b'.') && digits_at(text, fraction, 1)? == 1 {
        let float =
            text.at(fraction)? == Some(b'0') && !text.is_word(fraction.saturating_add(1))?;
        return Ok(float.then_some(end));
    }
    Ok(Some(end))
}

/// The end of a number in groups of four (the last may be shorter), or of four,
/// six, and four or five digits, with one separator throughout. The longest wins:
/// what follows a card is often a number too.
fn grouped(text: &Text<'_>, start: usize) -> Result<Option<usize>, More> {
    let mut at = start.saturating_add(4);
    let separator = match text.at(at)? {
        Some(byte @ (b' ' | b'-')) => byte,
        _ => return Ok(None),
    };
    let mut digits: Vec<u8> = text.bytes.get(start..at).unwrap_or_default().to_vec();
    let mut end = None;
    let mut previous = 4;
    while digits.len() < MAX_DIGITS && text.at(at)? == Some(separator) {
        let group = at.saturating_add(1);
        let length = digits_at(text, group, 7)?;
        let group_end = group.saturating_add(length);
        let fits = match previous {
            4 => matches!(length, 1..=4) || (length == 6 && digits.len() == 4),
            6 => matches!(length, 4 | 5),
            _ => false,
        };
        if !fits || text.is_word(group_end)? {
            break;
        }
        digits.extend_from_slice(text.bytes.get(group..group_end).unwrap_or_default());
        if is_card(&digits) {
            end = Some(group_end);
        }
        previous = if previous == 6 { 0 } else { length };
        at = group_end;
    }
    Ok(end)
}

fn is_card(digits: &[u8]) -> bool {
    is_issued(digits) && luhn(digits)
}

/// Whether a scheme issues numbers with this beginning and length.
fn is_issued(digits: &[u8]) -> bool {
    let prefix = digits.iter().take(4).fold(0_u32, |value, &digit| {
        value.saturating_mul(10).saturating_add(u32::from(digit.wrapping_sub(b'0')))
    });
    match (prefix, digits.len()) {
        // Visa
        (4000..=4999, 13 | 16 | 18 | 19)
        // American Express
        | (3400..=3499 | 3700..=3799, 15)
        // Mastercard
        | (5100..=5599 | 2221..=2720, 16)
        // Diners Club
        | (3000..=3059 | 3095 | 3600..=3699 | 3800..=3999, 14..=19)
        // JCB, Discover, UnionPay, Mir, Troy, RuPay
        | (3528..=3589 | 6000..=6099 | 6200..=6299 | 6440..=6599 | 8100..=8299, 16..=19)
        | (2200..=2204 | 9792 | 5080..=5089, 16..=19)
        // Maestro
        | (5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763, 13..=19) => true,
        _ => false,
    }
}

/// The check digit of ISO/IEC 7812-1 Annex B.
fn luhn(digits: &[u8]) -> bool {
    let sum = digits.iter().rev().enumerate().fold(0_u32, |sum, (index, &digit)| {
        let digit = u32::from(digit.wrapping_sub(b'0'));
        let doubled = digit.saturating_mul(2);
        let value = match index & 1 {
            0 => digit,
            _ if doubled > 9 => doubled.saturating_sub(9),
            _ => doubled,
        };
        sum.saturating_add(value)
    });
    sum.is_multiple_of(10)
}
