//! Pins: the definitions of tools that somebody looked at and found good.
//!
//! What a tool says of itself is what a model goes by. A server that changes it after
//! the review changes what agents do; so a tool whose definition is another one than
//! the pinned is refused until it is pinned again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use chaperone_inspection::digest::Digest;
use serde::{Deserialize, Serialize};

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The pinned tools of one MCP server, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pins {
    /// The tools.
    pub tools: BTreeMap<String, Pin>,
}

/// One pinned tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// The digest of its definition.
    pub sha256: Digest,
    /// The beginning of its description, for whoever reviews the file.
    pub description: String,
}

/// What pins say of one tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolState {
    /// It is as it was pinned.
    Pinned,
    /// Nobody pinned it.
    Unpinned,
    /// It is another one than was pinned.
    Changed,
}

impl ToolState {
    /// The code of a refusal for its sake; `None` when there is nothing to refuse.
    pub const fn code(self) -> Option<&'static str> {
        match self {
            Self::Pinned => None,
            Self::Unpinned => Some("tool_unpinned"),
            Self::Changed => Some("tool_changed"),
        }
    }

    /// What the caller of the tool `name` is told.
    pub fn told(self, name: &str) -> String {
        match self {
            Self::Pinned => format!("The tool {name} is pinned."),
            Self::Unpinned => format!("The tool {name} is not pinned: nobody has reviewed it."),
            Self::Changed => format!(
                "The server describes the tool {name} otherwise than when it was pinned. It is \
                 refused until somebody has looked at it and pins it again."
            ),
        }
    }
}

impl Pins {
    /// Reads the file at `path`; one that is not there pins nothing.
    pub fn read(path: &Path) -> Result<Self, PinsError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(source) => return Err(PinsError::Read { path: path.to_owned(), source }),
        };
        serde_json::from_str(&text)
            .map_err(|error| PinsError::Malformed { path: path.to_owned(), why: error.to_string() })
    }

    /// Writes them to `path`, sorted, so that a change of one is a change of its lines.
    /// Whoever reads the file meanwhile reads the old or the new one.
    pub fn write(&self, path: &Path) -> Result<(), PinsError> {
        let failed = |source| PinsError::Write { path: path.to_owned(), source };
        let mut text = serde_json::to_string_pretty(self).map_err(|error| failed(error.into()))?;
        text.push('\n');
        let mut beside = path.as_os_str().to_owned();
        beside.push(".new");
        std::fs::write(&beside, text).map_err(failed)?;
        std::fs::rename(&beside, path).map_err(failed)
    }

    /// What they say of the tool `name`, whose definition was last seen with the digest
    /// `seen`; `None` when it was never seen.
    pub fn state(&self, name: &str, seen: Option<Digest>) -> ToolState {
        match (self.tools.get(name), seen) {
            (None, _) => ToolState::Unpinned,
            (Some(pin), Some(seen)) if pin.sha256 != seen => ToolState::Changed,
            (Some(_), _) => ToolState::Pinned,
        }
    }
}

/// A file of pins cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PinsError {
    /// It cannot be read.
    #[error("cannot read the pins {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It is not what `chaperone mcp pin` writes.
    #[error("{} is not a file of pins: {why}; write it with: chaperone mcp pin", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// It cannot be written.
    #[error("cannot write the pins {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

/// A file of pins with what is in it now.
#[derive(Debug)]
pub struct PinFile {
    path: PathBuf,
    pins: ArcSwap<Pins>,
}

impl PinFile {
    /// Reads the file at `path`; one that is not there pins nothing yet.
    pub fn open(path: PathBuf) -> Result<Self, PinsError> {
        let pins = ArcSwap::from_pointee(Pins::read(&path)?);
        Ok(Self { path, pins })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is pinned.
    pub fn current(&self) -> Arc<Pins> {
        self.pins.load_full()
    }

    /// Reads the file again whenever it changes. One that cannot be read leaves the last
    /// good pins in force.
    pub async fn watch(self: Arc<Self>) {
        let mut seen = self.modified();
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        loop {
            ticks.tick().await;
            let now = self.modified();
            if now == seen {
                continue;
            }
            match Pins::read(&self.path) {
                Ok(pins) => {
                    seen = now;
                    self.pins.store(Arc::new(pins));
                    tracing::info!(path = %self.path.display(), "the pins were replaced");
                }
                // It may be half written; it is looked at again.
                Err(error) => tracing::warn!(%error, "the pins were not replaced"),
            }
        }
    }

    fn modified(&self) -> Option<(SystemTime, u64)> {
        let metadata = std::fs::metadata(&self.path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pins(tools: &[(&str, &str)]) -> Pins {
        let pin = |(name, definition): &(&str, &str)| {
            let sha256 = Digest::of(definition.as_bytes());
            ((*name).to_owned(), Pin { sha256, description: "D.".to_owned() })
        };
        Pins { tools: tools.iter().map(pin).collect() }
    }

    #[test]
    fn a_tool_is_pinned_as_long_as_it_is_seen_as_it_was() {
        let pins = pins(&[("a", "1")]);
        assert_eq!(pins.state("a", None), ToolState::Pinned);
        assert_eq!(pins.state("a", Some(Digest::of(b"1"))), ToolState::Pinned);
        assert_eq!(pins.state("a", Some(Digest::of(b"2"))), ToolState::Changed);
        assert_eq!(pins.state("A", Some(Digest::of(b"1"))), ToolState::Unpinned);
        assert_eq!(pins.state("b", None).code(), Some("tool_unpinned"));
    }

    #[test]
    fn pins_read_back_as_they_were_written_and_a_missing_file_pins_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pins.json");
        assert_eq!(Pins::read(&path).unwrap(), Pins::default());
        let pins = pins(&[("b", "1"), ("a", "2")]);
        pins.write(&path).unwrap();
        assert_eq!(Pins::read(&path).unwrap(), pins);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.find("\"a\"").unwrap() < text.find("\"b\"").unwrap(), "{text}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        std::fs::write(&path, "[]").unwrap();
        assert!(matches!(Pins::read(&path), Err(PinsError::Malformed { .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn new_pins_come_into_force_and_broken_ones_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pins.json");
        let file = Arc::new(PinFile::open(path.clone()).unwrap());
        let watching = tokio::spawn(Arc::clone(&file).watch());
        tokio::time::sleep(LOOK_EVERY).await;
        pins(&[("a", "1")]).write(&path).unwrap();
        tokio::time::sleep(LOOK_EVERY * 3).await;
        assert_eq!(*file.current(), pins(&[("a", "1")]));
        std::fs::write(&path, "{").unwrap();
        tokio::time::sleep(LOOK_EVERY * 3).await;
        assert_eq!(*file.current(), pins(&[("a", "1")]));
        watching.abort();
    }
}
