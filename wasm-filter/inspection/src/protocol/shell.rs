//! Shell command lines: every program that a text would run.

use crate::facts::{Command, Unparsed, UnparsedCode};
use crate::plan::Limits;

/// The commands of a command line.
pub(super) fn commands(text: &str, limits: &Limits) -> Result<Vec<Command>, Unparsed> {
    let _ = (text, limits);
    Err(Unparsed::new(UnparsedCode::ShellUndecidable, "shell text is not read yet"))
}

/// The commands of a program that is run without a shell, by its list of arguments.
pub(super) fn of_arguments(arguments: &[&str], limits: &Limits) -> Result<Vec<Command>, Unparsed> {
    let _ = (arguments, limits);
    Err(Unparsed::new(UnparsedCode::ShellUndecidable, "shell text is not read yet"))
}
