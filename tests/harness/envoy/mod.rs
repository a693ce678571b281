//! A real Envoy: obtained, started, watched and ended.

mod obtain;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub use self::obtain::{VERSION, obtain};
use crate::failure::{Failure, Result};
use crate::process::Process;
use crate::workdir::Leash;

/// How long Envoy may take to get ready. It compiles the filter, on a machine that
/// may be busy with other tests.
const START: Duration = Duration::from_mins(1);

/// What Envoy is started with.
#[derive(Clone, Debug)]
pub struct EnvoySettings {
    /// The binary.
    pub binary: PathBuf,
    /// The bootstrap.
    pub bootstrap: PathBuf,
    /// More of a bootstrap, which is merged into it.
    pub overlay: Option<String>,
    /// Where it logs.
    pub log: PathBuf,
    /// The port of its listener.
    pub port: u16,
    /// The port of its admin interface.
    pub admin_port: u16,
    /// How many worker threads.
    pub concurrency: u32,
}

/// A running Envoy.
#[derive(Debug)]
pub struct Envoy {
    settings: EnvoySettings,
    leash: Leash,
    process: Process,
}

impl Envoy {
    /// Starts Envoy and waits until it takes requests.
    pub async fn start(settings: EnvoySettings, leash: &Leash) -> Result<Self> {
        let process = run(&settings, leash).await?;
        Ok(Self { settings, leash: leash.clone(), process })
    }

    /// A second one, on other ports, with the same bootstrap but for its own ports and
    /// for `ports`, each of which takes the place of another.
    pub async fn replica(&self, port: u16, admin_port: u16, ports: &[(u16, u16)]) -> Result<Self> {
        let from = &self.settings;
        let mut text = std::fs::read_to_string(&from.bootstrap)
            .map_err(Failure::io("read", &from.bootstrap))?;
        let own = [(from.port, port), (from.admin_port, admin_port)];
        for (old, new) in own.iter().chain(ports) {
            text = text.replace(&format!("port_value: {old}"), &format!("port_value: {new}"));
        }
        let bootstrap = from.bootstrap.with_file_name(format!("replica-{port}.yaml"));
        std::fs::write(&bootstrap, text).map_err(Failure::io("write", &bootstrap))?;
        let log = bootstrap.with_extension("log");
        let settings =
            EnvoySettings { bootstrap, overlay: None, log, port, admin_port, ..from.clone() };
        Self::start(settings, &self.leash).await
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.settings.port))
    }

    /// Where its admin interface is.
    pub fn admin_address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.settings.admin_port))
    }

    /// Ends it and starts it again on the same ports.
    pub async fn restart(&mut self) -> Result<()> {
        self.process.stop();
        self.process = run(&self.settings, &self.leash).await?;
        Ok(())
    }

    /// Ends it.
    pub fn stop(&mut self) {
        self.process.stop();
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<std::process::ExitStatus> {
        self.process.ended()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.settings.log).unwrap_or_default()
    }

    /// What its admin interface says at `path`, such as `/stats?filter=wasm`.
    pub async fn admin(&self, path: &str) -> Result<String> {
        let url = format!("http://{}{path}", self.admin_address());
        let failed = |error: reqwest::Error| Failure::unexpected(format!("GET {path}"), error);
        reqwest::get(url).await.map_err(failed)?.text().await.map_err(failed)
    }

    /// A counter or gauge of its statistics; 0 when there is none of that name.
    pub async fn stat(&self, name: &str) -> Result<u64> {
        let stats = self.admin("/stats").await?;
        let mut values = stats.lines().filter_map(|line| line.split_once(": "));
        let value = values.find(|(found, _)| *found == name).map(|(_, value)| value);
        Ok(value.and_then(|value| value.trim().parse().ok()).unwrap_or(0))
    }
}

async fn run(settings: &EnvoySettings, leash: &Leash) -> Result<Process> {
    let mut command = Command::new(&settings.binary);
    command
        .arg("--config-path")
        .arg(&settings.bootstrap)
        .args(settings.overlay.iter().flat_map(|overlay| ["--config-yaml", overlay]))
        .args(["--concurrency", &settings.concurrency.to_string()])
        // Without hot restart there is no shared memory for several to fight over.
        .arg("--disable-hot-restart")
        .args(["--log-level", "info", "--component-log-level", "wasm:debug"]);
    let mut process = Process::start("Envoy", command, &settings.log, leash)?;
    let ready = format!("http://127.0.0.1:{}/ready", settings.admin_port);
    process.ready(&ready, START).await?;
    Ok(process)
}

/// Whether Envoy takes this bootstrap, without starting it.
pub fn validate(binary: &Path, bootstrap: &Path) -> Result<()> {
    let mut command = Command::new(binary);
    command.args(["--mode", "validate", "--config-path"]).arg(bootstrap);
    let output = command.output().map_err(Failure::io("run", binary))?;
    if output.status.success() {
        return Ok(());
    }
    Err(Failure::Command {
        command: format!("envoy --mode validate --config-path {}", bootstrap.display()),
        status: output.status.to_string(),
        output: crate::process::tail(&String::from_utf8_lossy(&output.stderr)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifacts::Progress;
    use crate::ports::HeldPort;
    use crate::workdir::Workdir;

    #[tokio::test]
    async fn envoy_starts_and_ends_and_starts_again() {
        let workdir = Workdir::create().unwrap();
        let (port, admin_port) =
            (HeldPort::free().unwrap().release(), HeldPort::free().unwrap().release());
        let bootstrap = format!(
            "admin: {{ address: {{ socket_address: \
             {{ address: 127.0.0.1, port_value: {admin_port} }} }} }}"
        );
        let settings = EnvoySettings {
            binary: obtain(Progress::Quiet).unwrap(),
            bootstrap: workdir.write("envoy.yaml", bootstrap).unwrap(),
            overlay: None,
            log: workdir.path().join("envoy.log"),
            port,
            admin_port,
            concurrency: 1,
        };
        validate(&settings.binary, &settings.bootstrap).unwrap();
        let mut envoy = Envoy::start(settings, &workdir.leash()).await.unwrap();
        assert_eq!(envoy.stat("server.live").await.unwrap(), 1);
        envoy.restart().await.unwrap();
        assert_eq!(envoy.admin("/ready").await.unwrap().trim(), "LIVE");
        envoy.stop();
        assert!(envoy.admin("/ready").await.is_err());
    }

    #[tokio::test]
    async fn an_envoy_that_does_not_start_shows_its_log() {
        let workdir = Workdir::create().unwrap();
        let settings = EnvoySettings {
            binary: obtain(Progress::Quiet).unwrap(),
            bootstrap: workdir.write("envoy.yaml", "no_such_field: 1").unwrap(),
            overlay: None,
            log: workdir.path().join("envoy.log"),
            port: 1,
            admin_port: 1,
            concurrency: 1,
        };
        let failure = Envoy::start(settings, &workdir.leash()).await.unwrap_err();
        assert!(failure.to_string().contains("no_such_field"), "{failure}");
    }
}
