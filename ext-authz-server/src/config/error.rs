//! What is wrong with a configuration, where, and what to do.

use std::fmt;
use std::path::{Path, PathBuf};

use serde_saphyr::{Location, Spanned};

use crate::suggestion::nearest;

/// Everything that is wrong with a configuration file.
#[derive(Debug)]
pub struct ConfigErrors {
    file: PathBuf,
    errors: Vec<ConfigError>,
}

impl ConfigErrors {
    pub(super) fn new(file: &Path, errors: Vec<ConfigError>) -> Self {
        Self { file: file.to_owned(), errors }
    }

    /// Each error.
    pub fn errors(&self) -> &[ConfigError] {
        &self.errors
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, error) in self.errors.iter().enumerate() {
            if nth > 0 {
                writeln!(f)?;
            }
            write!(f, "{}", self.file.display())?;
            if let Some((line, column)) = error.position {
                write!(f, ":{line}:{column}")?;
            }
            write!(f, ": {}", error.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Line and column, from 1, where they are known.
    pub position: Option<(u64, u64)>,
    /// What is wrong and what to do.
    pub message: String,
}

impl ConfigError {
    /// An error of the file as a whole, or of a part whose place the message names.
    pub(super) fn general(message: impl Into<String>) -> Self {
        Self { position: None, message: message.into() }
    }

    /// An error at a value.
    pub(super) fn at<T>(value: &Spanned<T>, message: impl Into<String>) -> Self {
        Self { position: position(value.referenced), message: message.into() }
    }

    /// What the YAML reader found.
    pub(super) fn yaml(error: &serde_saphyr::Error) -> Self {
        use serde_saphyr::Error;
        let plain = error.without_snippet();
        let message = match plain {
            Error::SerdeUnknownField { field, expected, .. } => unknown("key", field, expected),
            Error::SerdeUnknownVariant { variant, expected, .. } => {
                unknown("value", variant, expected)
            }
            Error::SerdeMissingField { field, .. } => format!("the key `{field}` is missing"),
            other => without_position(&other.to_string()),
        };
        Self { position: plain.location().and_then(position), message }
    }
}

/// What to say of a name that is not one of `known`: the nearest one when there is
/// one near, all of them otherwise.
pub(super) fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    match nearest(name, known.iter().copied()) {
        Some(candidate) => format!("unknown {what} `{name}`; did you mean `{candidate}`?"),
        None if known.is_empty() => format!("unknown {what} `{name}`"),
        None => format!("unknown {what} `{name}`; expected one of: {}", known.join(", ")),
    }
}

/// The reader's own text says `at line L, column C`, which is said before it.
fn without_position(text: &str) -> String {
    let first_line = text.lines().next().unwrap_or_default();
    first_line.split(" at line ").next().unwrap_or(first_line).to_owned()
}

fn position(location: Location) -> Option<(u64, u64)> {
    (location != Location::UNKNOWN).then(|| (location.line(), location.column()))
}
