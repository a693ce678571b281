//! Classes of bytes, in one table that a scan looks into once a byte.

/// An ASCII digit.
pub(super) const DIGIT: u8 = 1;
/// `@`.
pub(super) const AT: u8 = 1 << 1;
/// `A`, which access key ids begin with.
pub(super) const UPPER_A: u8 = 1 << 2;
/// `e`, which the base64 of `{` begins with.
pub(super) const LOWER_E: u8 = 1 << 3;
/// `-`, which PEM begins with.
pub(super) const DASH: u8 = 1 << 4;
/// An ASCII letter.
pub(super) const LETTER: u8 = 1 << 5;
/// A byte of the local part of an e-mail address; the other classes but `@` are in it.
pub(super) const LOCAL: u8 = 1 << 6;

/// The classes of a byte.
pub(super) fn class(byte: u8) -> u8 {
    TABLE.get(usize::from(byte)).copied().unwrap_or(0)
}

/// The trigger classes that mean something after a byte of these classes: a
/// number begins with its first digit, a key with the first letter of a word.
pub(super) const fn live_after(before: u8) -> u8 {
    if before & DIGIT != 0 {
        !(DIGIT | UPPER_A | LOWER_E)
    } else if before & LETTER != 0 {
        !(UPPER_A | LOWER_E)
    } else {
        !0
    }
}

static TABLE: [u8; 256] = table();

#[expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "runs in the compiler, where a mistake is a build error"
)]
const fn table() -> [u8; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        table[index] = match index as u8 {
            b'0'..=b'9' => DIGIT | LOCAL,
            b'A' => LETTER | LOCAL | UPPER_A,
            b'e' => LETTER | LOCAL | LOWER_E,
            b'A'..=b'Z' | b'a'..=b'z' => LETTER | LOCAL,
            b'-' => DASH | LOCAL,
            b'@' => AT,
            // Of what RFC 5322 allows besides, what also separates words in URLs,
            // tables and markup is left out: `&*/=?`{|}`.
            b'.' | b'_' | b'+' | b'%' | b'\'' | b'~' | b'!' | b'#' | b'$' | b'^' => LOCAL,
            _ => 0,
        };
        index += 1;
    }
    table
}
