//! What a new look at a server's tools finds, beside what was pinned.

use std::collections::BTreeMap;

use chaperone_inspection::mcp_answer::{Tool, ToolList};
use serde::Serialize;

use super::pins::{Pin, Pins};

/// How many characters of a description a pin keeps.
const DESCRIPTION: usize = 120;

/// The server lists a tool twice: callers cannot tell which one they call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the tool `{0}` is listed twice")]
pub struct ListedTwice(pub String);

impl Pins {
    /// The tools of every page, pinned as they are.
    pub fn of(pages: &[ToolList]) -> Result<Self, ListedTwice> {
        let mut tools = BTreeMap::new();
        for tool in pages.iter().flat_map(ToolList::tools) {
            let Tool { name, description, digest: sha256 } = tool;
            let pin = Pin { sha256, description: beginning(description) };
            if tools.insert(name.to_owned(), pin).is_some() {
                return Err(ListedTwice(name.to_owned()));
            }
        }
        Ok(Self { tools })
    }

    /// What is different in `new`.
    pub fn compared_to(&self, new: &Self) -> Differences {
        let mut differences = Differences::default();
        for (name, pin) in &new.tools {
            match self.tools.get(name) {
                None => differences.added.push(Listed::of(name, pin)),
                Some(old) if old.sha256 == pin.sha256 => differences.unchanged += 1,
                Some(old) => differences
                    .changed
                    .push(Changed { tool: Listed::of(name, pin), was: old.clone() }),
            }
        }
        let gone = self.tools.iter().filter(|(name, _)| !new.tools.contains_key(*name));
        differences.removed = gone.map(|(name, pin)| Listed::of(name, pin)).collect();
        differences
    }
}

/// What is different between two sets of pins, in the order of names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Differences {
    /// Tools that were not pinned.
    pub added: Vec<Listed>,
    /// Tools that are other ones than were pinned.
    pub changed: Vec<Changed>,
    /// Tools that are no longer listed.
    pub removed: Vec<Listed>,
    /// How many are as they were.
    pub unchanged: usize,
}

impl Differences {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }
}

/// A tool by its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// How it is pinned.
    #[serde(flatten)]
    pub pin: Pin,
}

impl Listed {
    fn of(name: &str, pin: &Pin) -> Self {
        Self { name: name.to_owned(), pin: pin.clone() }
    }
}

/// A tool that is another one than was pinned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// As it is now.
    #[serde(flatten)]
    pub tool: Listed,
    /// As it was pinned.
    pub was: Pin,
}

/// The beginning of a description on one line. It comes from the server that is being
/// reviewed, so it must not move a terminal's cursor or hide text.
fn beginning(description: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
    };
    let words = description.split_whitespace().collect::<Vec<_>>().join(" ");
    let visible = words.chars().map(|c| if hidden(c) { '\u{fffd}' } else { c });
    let mut text: String = visible.take(DESCRIPTION).collect();
    if words.chars().count() > DESCRIPTION {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pins(tools: &str) -> Result<Pins, ListedTwice> {
        let page = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":{tools}}}}}"#);
        Pins::of(&[ToolList::parse(page.as_bytes()).unwrap().unwrap()])
    }

    #[test]
    fn what_was_added_changed_and_removed_is_told_apart() {
        let old = pins(r#"[{"name":"a"},{"name":"b","description":"B."},{"name":"c"}]"#).unwrap();
        let new = pins(r#"[{"name":"d"},{"name":"b","description":"B!"},{"name":"c"}]"#).unwrap();
        let found = old.compared_to(&new);
        let names = |listed: &[Listed]| -> Vec<String> {
            listed.iter().map(|tool| tool.name.clone()).collect()
        };
        assert_eq!(
            (names(&found.added), names(&found.removed)),
            (vec!["d".into()], vec!["a".into()])
        );
        assert_eq!(found.changed[0].tool.name, "b");
        assert_eq!(found.changed[0].was.description, "B.");
        assert_eq!(found.changed[0].tool.pin.description, "B!");
        assert_eq!(found.unchanged, 1);
        assert!(new.compared_to(&new).is_empty());
    }

    #[test]
    fn a_tool_that_is_listed_twice_is_not_pinned() {
        let twice = pins(r#"[{"name":"a"},{"name":"a","description":"Other."}]"#);
        assert_eq!(twice, Err(ListedTwice("a".to_owned())));
    }

    #[test]
    fn a_description_is_one_line_that_hides_nothing() {
        let text = beginning("Reads\n  a\u{1b}[2Jfile\u{200b}.\u{e0041}");
        assert_eq!(text, "Reads a\u{fffd}[2Jfile\u{fffd}.\u{fffd}");
        assert_eq!(beginning(&"é".repeat(200)).chars().count(), DESCRIPTION + 1);
    }
}
