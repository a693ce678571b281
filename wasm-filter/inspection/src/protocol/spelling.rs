//! Names that look like one thing and are another.

use crate::facts::{Unparsed, UnparsedCode};

/// An error if `name`, which stands in `place`, has characters that nobody sees, or
/// white space around it: some readers leave them out, and to them it is another name.
pub(super) fn check(name: &str, place: &str) -> Result<(), Unparsed> {
    if name.trim() == name && !name.chars().any(is_unseen) {
        return Ok(());
    }
    Err(Unparsed::new(
        UnparsedCode::FieldMalformed,
        format!("`{place}` has white space around it or a character that cannot be seen"),
    ))
}

/// Controls, and the format characters of Unicode that leave no mark: soft hyphen, zero
/// width and directional marks, variation selectors, tags.
pub(super) fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_name_is_what_one_sees_of_it() {
        for name in ["a", "delete_user", "ns/tool.v2", "two words", "工具", "é"] {
            assert!(check(name, "name").is_ok(), "{name}");
        }
        for name in [" a", "a\t", "a\u{0}b", "a\u{200b}", "\u{feff}a", "a\u{202e}b", "a\u{a0}"] {
            assert!(check(name, "name").is_err(), "{name:?}");
        }
    }
}
