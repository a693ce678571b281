//! What the demo prints: text of a fixed shape, coloured only where a person looks.

use std::io::{self, IsTerminal as _, Write as _};

/// How wide the text is.
const WIDTH: usize = 88;

/// How much of a body is shown: lines, and characters a line.
const BODY_LINES: usize = 14;
const BODY_WIDTH: usize = 100;

/// Where the story is told.
#[derive(Debug)]
pub(crate) struct Terminal {
    colours: bool,
}

#[derive(Clone, Copy)]
enum Colour {
    Bold,
    Dim,
    Green,
    Red,
    Yellow,
    Cyan,
}

impl Colour {
    const fn code(self) -> &'static str {
        match self {
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Green => "32",
            Self::Red => "31",
            Self::Yellow => "33",
            Self::Cyan => "36",
        }
    }
}

impl Terminal {
    pub(crate) fn new() -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colours: io::stdout().is_terminal() && !plain }
    }

    /// The beginning of a step.
    pub(crate) fn scene(&self, number: usize, title: &str, about: &str) {
        self.say(&format!("\n{}", self.paint(Colour::Bold, &format!("{number}. {title}"))));
        for line in wrapped(about, WIDTH - 3) {
            self.say(&format!("   {}", self.paint(Colour::Dim, &line)));
        }
    }

    /// Something sent or typed.
    pub(crate) fn sent(&self, label: &str, text: &str) {
        self.labelled(&self.paint(Colour::Cyan, &format!("{label:<9}")), text);
    }

    /// An answer.
    pub(crate) fn answer(&self, status: u16, about: &str) {
        let colour = match status {
            200..=299 => Colour::Green,
            401 | 403 => Colour::Yellow,
            _ => Colour::Red,
        };
        let status = self.paint(colour, &status.to_string());
        self.say(&format!("   {} {status} {about}", self.paint(Colour::Cyan, "answer   ")));
    }

    /// The body of an answer, cut where it gets long.
    pub(crate) fn body(&self, text: &str) {
        let lines: Vec<_> = text.lines().collect();
        for line in lines.iter().take(BODY_LINES) {
            self.say(&format!("             {}", shortened(line, BODY_WIDTH)));
        }
        if lines.len() > BODY_LINES {
            let more = format!("… {} more lines", lines.len() - BODY_LINES);
            self.say(&format!("             {}", self.paint(Colour::Dim, &more)));
        }
    }

    /// What a command printed.
    pub(crate) fn output(&self, text: &str) {
        for line in text.lines() {
            self.say(&format!("             {line}"));
        }
    }

    /// Why the answer is what it is.
    pub(crate) fn why(&self, text: &str) {
        self.labelled(&self.paint(Colour::Cyan, &format!("{:<9}", "why")), text);
    }

    /// Whether something is as it should be.
    pub(crate) fn check(&self, what: &str, holds: bool) {
        let mark = if holds {
            self.paint(Colour::Green, "✓")
        } else {
            self.paint(Colour::Red, "✗ NOT:")
        };
        self.say(&format!("   {mark} {what}"));
    }

    /// A line for a person.
    pub(crate) fn note(&self, text: &str) {
        self.say(text);
    }

    /// A line that ends it all.
    pub(crate) fn end(&self, text: &str, well: bool) {
        let colour = if well { Colour::Green } else { Colour::Red };
        self.say(&format!("\n{}", self.paint(colour, text)));
    }

    fn labelled(&self, label: &str, text: &str) {
        for (index, line) in text.lines().enumerate() {
            if index == 0 {
                self.say(&format!("   {label} {line}"));
            } else {
                self.say(&format!("             {line}"));
            }
        }
    }

    fn paint(&self, colour: Colour, text: &str) -> String {
        if self.colours { format!("\x1b[{}m{text}\x1b[0m", colour.code()) } else { text.to_owned() }
    }

    #[expect(clippy::unused_self, reason = "everything that is printed goes through the terminal")]
    fn say(&self, text: &str) {
        // A reader that has left (`| head`) does not change how the story ends.
        let _ = writeln!(io::stdout(), "{text}");
    }
}

/// What is being done, where cargo and pip tell of their doings as well.
pub(crate) fn progress(what: &str) {
    let _ = writeln!(io::stderr(), "{:>12} {what}", "Demo");
}

/// Why the demo could not go on.
pub(crate) fn error(text: &str) {
    let red = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let (on, off) = if red { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
    let _ = writeln!(io::stderr(), "{on}error:{off} {text}");
}

/// `text` in lines of at most `width` characters, broken at spaces.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always one");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

fn shortened(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.to_owned();
    }
    line.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_broken_at_spaces() {
        assert_eq!(wrapped("aa bb cc", 5), ["aa bb", "cc"]);
        assert_eq!(wrapped("a  longword b", 4), ["a", "longword", "b"]);
        assert_eq!(shortened("äöü", 2), "ä…");
    }
}
