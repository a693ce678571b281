//! `chaperone keys`.

use serde_json::json;

use super::{ConfigFile, Done, Failure, output};
use crate::config::ExchangeSettings;
use crate::issuing::{KeysError, SigningKeys};
use crate::time::{Clock as _, SystemClock};

/// Looks at the keys that tokens are signed with, and rotates them.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Lists the keys and what each does: pending, signing, retired or past.
    List(ListArguments),
    /// Adds a new key to the folder; running servers publish it at once and sign with
    /// it after `exchange.keys.publish_ahead`.
    ///
    /// To take a key out of service at once, remove its file.
    Rotate(RotateArguments),
}

#[derive(Debug, clap::Args)]
struct ListArguments {
    #[command(flatten)]
    config: ConfigFile,

    /// Prints JSON, one key a line.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct RotateArguments {
    #[command(flatten)]
    config: ConfigFile,
}

pub(super) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    match &arguments.command {
        Command::List(arguments) => list(arguments),
        Command::Rotate(arguments) => {
            let settings = settings(&arguments.config)?;
            let (kid, path) = SigningKeys::rotate(&settings.keys, SystemClock.now())?;
            output::json(&json!({ "kid": kid, "file": path }))?;
            Ok(Done::Yes)
        }
    }
}

fn list(arguments: &ListArguments) -> Result<Done, Failure> {
    let now = SystemClock.now();
    let keys = settings(&arguments.config)?.read_keys(now)?.health(now);
    if arguments.json {
        for key in &keys {
            output::json_line(key)?;
        }
        return Ok(Done::Yes);
    }
    let mut rows = vec![["KID", "ALGORITHM", "STATE", "SINCE"].map(String::from).to_vec()];
    rows.extend(keys.iter().map(|key| {
        let (kid, algorithm) = (key.kid.clone(), key.algorithm.to_owned());
        vec![kid, algorithm, key.state.name().to_owned(), key.since.to_string()]
    }));
    output::table(&rows)?;
    Ok(Done::Yes)
}

fn settings(config: &ConfigFile) -> Result<ExchangeSettings, Failure> {
    config.load()?.exchange.ok_or_else(|| {
        Failure::Usage("the configuration has no `exchange`: the server signs no tokens".to_owned())
    })
}

impl From<KeysError> for Failure {
    fn from(error: KeysError) -> Self {
        Self::Usage(error.to_string())
    }
}
