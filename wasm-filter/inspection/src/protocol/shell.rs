//! Shell command lines: every program that a text would run.
//!
//! The grammar is that of bash, of which that of the POSIX shell is a part. Which
//! shell reads the text in the end is not known here, so where `sh` of another make
//! would run something else, the text is refused, as it is where a program's name or
//! a script is known only to the shell. Aliases and history are for interactive shells
//! and are not looked for.
//!
//! Every simple command is one command of the facts, whether it would be reached or
//! not: those in substitutions, in bodies of functions, in texts that `sh -c`, `eval`
//! and their like are given, and the programs that `env`, `xargs`, `find`, `sudo` and
//! their like run.

mod ansi;
mod conditional;
mod context;
mod expansion;
mod grammar;
mod heredoc;
mod options;
mod output;
mod prefixes;
mod programs;
mod reader;
mod redefinition;
mod simple;
mod syntax;
mod walk;
mod words;
mod wrappers;

use self::context::Context;
use self::expansion::Argument;
use self::walk::Walker;
use crate::facts::{Command, Unparsed};
use crate::plan::Limits;

/// The commands of a command line.
pub(super) fn commands(text: &str, limits: &Limits) -> Result<Vec<Command>, Unparsed> {
    let mut walker = Walker::new(text.len(), limits);
    walker.text(text, Context::default())?;
    Ok(walker.commands)
}

/// The commands of a program that is run without a shell, by its list of arguments.
pub(super) fn of_arguments(arguments: &[&str], limits: &Limits) -> Result<Vec<Command>, Unparsed> {
    if arguments.iter().any(|argument| argument.contains('\0')) {
        return Err(reader::undecidable("a zero byte"));
    }
    let bytes = arguments.iter().map(|argument| argument.len().saturating_add(1)).sum();
    let mut walker = Walker::new(bytes, limits);
    let arguments: Vec<Argument> = arguments.iter().map(|text| Argument::literal(text)).collect();
    if !arguments.is_empty() {
        walker.invoke(&arguments, Context::default())?;
    }
    Ok(walker.commands)
}

#[cfg(test)]
mod tests;
