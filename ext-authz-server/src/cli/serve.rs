//! `chaperone serve`.

use std::io::IsTerminal as _;

use clap::ValueEnum;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::{ConfigFile, Done, Failure, block_on};
use crate::server;

/// Answers Envoy: decides every request and records how it ended.
///
/// Logs go to standard error; the environment variable RUST_LOG sets how much
/// (`info` by default, or for instance `chaperone::identity=debug,info`). Ends on
/// SIGTERM or Ctrl-C once the requests that are being answered are.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,

    /// The form of log lines.
    #[arg(long, default_value = "text")]
    log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

pub(super) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    let config = arguments.config.load()?;
    start_logging(arguments.log_format)?;
    block_on(async {
        let (mut terminated, mut interrupted) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let stop = async move {
            tokio::select! {
                _ = terminated.recv() => {}
                _ = interrupted.recv() => {}
            }
        };
        server::serve(config, stop).await.map_err(|error| Failure::Usage(error.to_string()))
    })??;
    Ok(Done::Yes)
}

fn start_logging(format: LogFormat) -> Result<(), Failure> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(text) => EnvFilter::try_new(&text)
            .map_err(|error| Failure::Usage(format!("RUST_LOG `{text}` is no filter: {error}")))?,
        Err(_) => EnvFilter::new("info"),
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none());
    match format {
        LogFormat::Text => subscriber.init(),
        LogFormat::Json => subscriber.json().init(),
    }
    Ok(())
}
