//! The command line: one file a command, the same functions as the servers.
//!
//! Exit codes: 0 done, 1 the answer is no, 2 usage or configuration error.

mod api_keys;
mod approvals;
mod audit;
mod completions;
mod config;
mod envoy;
mod inspect;
mod keys;
mod mask;
mod mcp;
mod operator;
mod output;
mod policy;
mod revoke;
mod serve;
mod token;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, ConfigErrors};

/// Guards nested agents in an Envoy mesh.
///
/// `chaperone serve` is the decision point that Envoy's ext_authz filter asks. The
/// other commands look at what it would read and decide, approve what waits, and
/// check what was recorded.
#[derive(Debug, Parser)]
#[command(name = "chaperone", version, propagate_version = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Arguments),
    Config(config::Arguments),
    Token(token::Arguments),
    Keys(keys::Arguments),
    Inspect(inspect::Arguments),
    Mask(mask::Arguments),
    Mcp(mcp::Arguments),
    Policy(policy::Arguments),
    Approvals(approvals::Arguments),
    Revoke(revoke::Arguments),
    ApiKeys(api_keys::Arguments),
    Audit(audit::Arguments),
    Envoy(envoy::Arguments),
    Completions(completions::Arguments),
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Config(arguments) => config::run(&arguments),
        Command::Token(arguments) => token::run(&arguments),
        Command::Keys(arguments) => keys::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Mask(arguments) => mask::run(&arguments),
        Command::Mcp(arguments) => mcp::run(&arguments),
        Command::Policy(arguments) => policy::run(&arguments),
        Command::Approvals(arguments) => approvals::run(&arguments),
        Command::Revoke(arguments) => revoke::run(&arguments),
        Command::ApiKeys(arguments) => api_keys::run(&arguments),
        Command::Audit(arguments) => audit::run(&arguments),
        Command::Envoy(arguments) => envoy::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
    };
    match done {
        Ok(Done::Yes) | Err(Failure::ReaderGone) => ExitCode::SUCCESS,
        Ok(Done::No) => ExitCode::from(1),
        Err(Failure::Refused(message)) => {
            output::error(&message);
            ExitCode::from(1)
        }
        Err(Failure::Usage(message)) => {
            output::error(&message);
            ExitCode::from(2)
        }
    }
}

/// A command that ran to its end.
enum Done {
    /// It did what was asked.
    Yes,
    /// The answer, which it printed, is no.
    No,
}

/// A command that could not.
enum Failure {
    /// The answer is no; the message says why.
    Refused(String),
    /// The arguments or the configuration are wrong.
    Usage(String),
    /// Whoever read our output has closed it.
    ReaderGone,
}

impl From<ConfigErrors> for Failure {
    fn from(errors: ConfigErrors) -> Self {
        Self::Usage(errors.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::ReaderGone,
            _ => Self::Usage(error.to_string()),
        }
    }
}

/// Where the configuration is.
#[derive(Debug, Args)]
struct ConfigFile {
    /// The configuration file.
    #[arg(long = "config", value_name = "FILE", env = "CHAPERONE_CONFIG")]
    path: PathBuf,
}

impl ConfigFile {
    fn load(&self) -> Result<Config, ConfigErrors> {
        Config::load(&self.path)
    }
}

/// Runs `future` to its end on a runtime of its own.
fn block_on<F: Future>(future: F) -> Result<F::Output, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    Ok(runtime.block_on(future))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
