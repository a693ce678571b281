//! `chaperone envoy`.

use super::{ConfigFile, Done, Failure, output};

/// Writes what Envoy needs.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Prints the filter's plugin configuration, made from the configuration file.
    ///
    /// It holds the facts keys: treat it as a secret. With --without-keys the filter
    /// takes them from the VM's environment variable CHAPERONE_FACTS_KEYS.
    PluginConfig(PluginConfigArguments),
}

#[derive(Debug, clap::Args)]
struct PluginConfigArguments {
    #[command(flatten)]
    config: ConfigFile,

    /// Leaves the facts keys out.
    #[arg(long)]
    without_keys: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    let Command::PluginConfig(arguments) = &arguments.command;
    let mut plugin = arguments.config.load()?.plugin_config();
    if arguments.without_keys {
        plugin.facts_keys.clear();
    }
    output::json(&plugin)?;
    Ok(Done::Yes)
}
