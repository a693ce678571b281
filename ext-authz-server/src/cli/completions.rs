//! `chaperone completions`.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Cli, Done, Failure};

/// Prints a completion script for your shell.
///
/// For bash: `chaperone completions bash > /etc/bash_completion.d/chaperone`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The shell.
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "chaperone", &mut script);
    std::io::Write::write_all(&mut std::io::stdout().lock(), &script)?;
    Ok(Done::Yes)
}
