//! The examples that users copy, filled in for one run.

use crate::failure::{Failure, Result};

/// Fills `{{NAME}}` in a template; every placeholder must be named, and every name
/// be in it.
pub fn fill(template: &str, values: &[(&str, &str)]) -> Result<String> {
    let mut filled = template.to_owned();
    for (name, value) in values {
        let placeholder = format!("{{{{{name}}}}}");
        if !filled.contains(&placeholder) {
            return Err(Failure::unexpected("filling a template", format!("no {placeholder}")));
        }
        filled = filled.replace(&placeholder, value);
    }
    match filled.split_once("{{").and_then(|(_, rest)| rest.split_once("}}")) {
        Some((left, _)) if is_name(left) => {
            Err(Failure::unexpected("filling a template", format!("{{{{{left}}}}} has no value")))
        }
        _ => Ok(filled),
    }
}

fn is_name(text: &str) -> bool {
    let named = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
    !text.is_empty() && text.bytes().all(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_filled_whole_or_not_at_all() {
        assert_eq!(fill("a {{B}} {{B}}", &[("B", "x")]).unwrap(), "a x x");
        assert!(fill("a {{B}} {{C}}", &[("B", "x")]).is_err());
        assert!(fill("a", &[("B", "x")]).is_err());
        // Braces that are nobody's placeholder are the file's own.
        assert_eq!(fill("{{B}} { x: {{}} }", &[("B", "b")]).unwrap(), "b { x: {{}} }");
    }
}
