//! Texts in a document that are commands of another language: a shell line in the
//! arguments of a tool, SQL in a JSON field.

use serde_json::Value;

use super::{shell, sql};
use crate::facts::{Command, Unparsed, UnparsedCode};
use crate::json::select;
use crate::plan::{EmbeddedPlan, Language, Limits};

/// The commands in `document`, which is the arguments of `tool` or a JSON body.
pub(super) fn commands(
    plans: &[EmbeddedPlan],
    tool: Option<&str>,
    document: &Value,
    limits: &Limits,
) -> Result<Vec<Command>, Unparsed> {
    let mut commands = Vec::new();
    for plan in plans.iter().filter(|plan| concerns(plan, tool)) {
        let Some(value) = select::lookup(document, &plan.at)? else { continue };
        commands.extend(match (plan.language, value) {
            (Language::Shell, Value::String(text)) => shell::commands(text, limits)?,
            (Language::Shell, Value::Array(items)) => {
                let arguments: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
                let arguments = arguments.ok_or_else(|| no_text(&plan.at))?;
                shell::of_arguments(&arguments, limits)?
            }
            (Language::Sql(dialect), Value::String(text)) => {
                sql::statements(dialect, text, limits)?
            }
            (_, Value::Null) => continue,
            _ => return Err(no_text(&plan.at)),
        });
    }
    Ok(commands)
}

fn concerns(plan: &EmbeddedPlan, tool: Option<&str>) -> bool {
    match (&plan.tool, tool) {
        (None, _) => true,
        (Some(pattern), Some(tool)) => matches(pattern, tool),
        (Some(_), None) => false,
    }
}

/// Whether `text` is `pattern`, in which `*` stands for any characters.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    true
}

fn no_text(at: &crate::plan::JsonPointer) -> Unparsed {
    Unparsed::new(
        UnparsedCode::FieldMalformed,
        format!("the value at `{}` is not a text to be read", at.as_str()),
    )
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn an_asterisk_stands_for_any_characters() {
        for (pattern, text, expected) in [
            ("run", "run", true),
            ("run", "run2", false),
            ("run*", "run2", true),
            ("*run", "rerun", true),
            ("*run", "rerun2", false),
            ("a*b*c", "aXbYbc", true),
            ("a*b*c", "acb", false),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
