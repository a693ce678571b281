//! What simple programs write, where the text tells it: `echo … | base64 -d | sh`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::expansion::Argument;

/// What `program` writes, given its input.
pub(super) fn of(program: &str, arguments: &[Argument], input: Option<&str>) -> Option<String> {
    if arguments.iter().any(|argument| argument.dynamic) {
        return None;
    }
    let texts: Vec<&str> = arguments.iter().map(|argument| argument.text.as_str()).collect();
    match program {
        "echo" => echo(&texts),
        "printf" => printf(&texts),
        "cat" => match texts.as_slice() {
            [] | ["-"] => input.map(str::to_owned),
            _ => None,
        },
        "base64" => match texts.as_slice() {
            ["-d" | "-D" | "--decode" | "-di"] | ["-d", "-"] => decoded(input?),
            _ => None,
        },
        _ => None,
    }
}

/// Shells do not agree on backslashes and on options.
fn echo(texts: &[&str]) -> Option<String> {
    let plain = texts.iter().all(|text| !text.contains('\\'));
    match texts {
        _ if !plain => None,
        ["-n", rest @ ..] => (!is_option(rest)).then(|| rest.join(" ")),
        texts => (!is_option(texts)).then(|| texts.join(" ") + "\n"),
    }
}

fn is_option(texts: &[&str]) -> bool {
    texts.first().is_some_and(|first| first.starts_with('-'))
}

fn printf(texts: &[&str]) -> Option<String> {
    let (format, arguments) = match texts {
        ["--", format, arguments @ ..] | [format, arguments @ ..] => (*format, arguments),
        [] => return None,
    };
    match (format, arguments) {
        ("%s", [text]) => Some((*text).to_owned()),
        ("%s\\n" | "%s\n", texts) => Some(texts.join("\n") + "\n"),
        (format, []) if !format.starts_with('-') => {
            let format = format.replace("\\n", "\n");
            (!format.contains(['%', '\\'])).then_some(format)
        }
        _ => None,
    }
}

fn decoded(input: &str) -> Option<String> {
    let input: String = input.split(['\n', '\r']).collect();
    String::from_utf8(STANDARD.decode(input.trim()).ok()?).ok()
}
