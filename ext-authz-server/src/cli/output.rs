//! Printing: JSON and text to standard output, errors to standard error.

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

use super::Failure;

/// Prints `value` as JSON: indented for a person, one line for a program.
pub(super) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let printed = if out.is_terminal() {
        serde_json::to_writer_pretty(&mut out, value)
    } else {
        serde_json::to_writer(&mut out, value)
    };
    printed.map_err(io::Error::from)?;
    writeln!(out)?;
    Ok(())
}

/// Prints `value` as one line of JSON.
pub(super) fn json_line(value: &impl Serialize) -> Result<(), Failure> {
    line(&serde_json::to_string(value).map_err(io::Error::from)?)
}

/// Prints a line of text.
pub(super) fn line(text: &str) -> Result<(), Failure> {
    writeln!(io::stdout().lock(), "{text}")?;
    Ok(())
}

/// Says on standard error what went wrong.
pub(super) fn error(message: &str) {
    let mut err = io::stderr().lock();
    let red = err.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let (on, off) = if red { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
    // With standard error closed there is nobody left to tell.
    let _ = writeln!(err, "{on}error:{off} {message}");
}

/// Says on standard error what is worth knowing beside the answer.
pub(super) fn note(message: &str) {
    let _ = writeln!(io::stderr().lock(), "note: {message}");
}

/// Columns of text, each as wide as its widest cell.
pub(super) fn table(rows: &[Vec<String>]) -> Result<(), Failure> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
        })
        .map(Option::unwrap_or_default)
        .collect();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        line(cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}
