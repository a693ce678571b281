//! The server under test: `chaperone serve` with the example configuration, and the
//! other commands against the same files.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chaperone_inspection::seal::FactsKey;
use serde_json::Value;

use crate::artifacts::workspace;
use crate::failure::{Failure, Result};
use crate::process::Process;
use crate::template::fill;
use crate::workdir::{Leash, Workdir};

/// How long the server may take to get ready.
const START: Duration = Duration::from_secs(30);

/// The id that the example configuration gives its facts key.
const FACTS_KEY_ID: &str = "demo-1";

/// What the server is started with.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// The `chaperone` binary.
    pub binary: PathBuf,
    /// The port that Envoy asks.
    pub grpc_port: u16,
    /// The port of health and of approvals' states.
    pub http_port: u16,
    /// Where the development issuers are.
    pub issuer_url: String,
    /// Where the identity provider is, if there is one.
    pub identity_provider_url: Option<String>,
    /// Changes the example configuration before it is written.
    pub configure: fn(String) -> String,
    /// Files that stand beside the configuration: their names and contents. Beside
    /// `x.proto` goes its descriptor set, `x.binpb`.
    pub files: &'static [(&'static str, &'static str)],
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    settings: ServerSettings,
    config: PathBuf,
    facts_key: FactsKey,
    leash: Leash,
    process: Process,
}

impl Server {
    /// Writes its files into `workdir`, starts it and waits until it can decide.
    pub async fn start(settings: ServerSettings, workdir: &Workdir) -> Result<Self> {
        let (config, facts_key) = write_files(&settings, workdir)?;
        let leash = workdir.leash();
        let process = run(&settings, &config, &leash).await?;
        Ok(Self { settings, config, facts_key, leash, process })
    }

    /// A second one, on other ports, with the same store, policies and keys.
    pub async fn replica(&self, grpc_port: u16, http_port: u16) -> Result<Self> {
        let text =
            std::fs::read_to_string(&self.config).map_err(Failure::io("read", &self.config))?;
        let text = text
            .replace(&self.settings.grpc_port.to_string(), &grpc_port.to_string())
            .replace(&self.settings.http_port.to_string(), &http_port.to_string());
        let config = self.config.with_file_name(format!("replica-{grpc_port}.yaml"));
        std::fs::write(&config, text).map_err(Failure::io("write", &config))?;
        let settings = ServerSettings { grpc_port, http_port, ..self.settings.clone() };
        let process = run(&settings, &config, &self.leash).await?;
        let (facts_key, leash) = (self.facts_key.clone(), self.leash.clone());
        Ok(Self { settings, config, facts_key, leash, process })
    }

    /// The port that Envoy asks.
    pub const fn grpc_port(&self) -> u16 {
        self.settings.grpc_port
    }

    /// Its configuration file.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// The folder of its policies, which it reloads when they change.
    pub fn policies(&self) -> PathBuf {
        self.config.with_file_name("policies")
    }

    /// The key that the filter seals facts with.
    pub fn facts_key(&self) -> &FactsKey {
        &self.facts_key
    }

    /// The `chaperone` binary that it runs.
    pub fn binary(&self) -> &Path {
        &self.settings.binary
    }

    /// The base of its HTTP port.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.settings.http_port)
    }

    /// What it answers on its HTTP port.
    pub async fn get(&self, path: &str) -> Result<Value> {
        let failed = |error: reqwest::Error| Failure::unexpected(format!("GET {path}"), error);
        let response = reqwest::get(format!("{}{path}", self.url())).await.map_err(failed)?;
        let body = response.bytes().await.map_err(failed)?;
        serde_json::from_slice(&body)
            .map_err(|error| Failure::unexpected(format!("GET {path}"), error))
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.process.log()).unwrap_or_default()
    }

    /// The memory that it has at most had so far, in KiB, where the system tells.
    pub fn peak_memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).ok()?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        peak.trim().trim_end_matches(" kB").parse().ok()
    }

    /// Suspends it: connections stay, answers stop.
    pub fn pause(&self) {
        self.process.pause();
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.process.resume();
    }

    /// Ends it as an orderly shutdown does.
    pub fn stop(&mut self) {
        self.process.stop();
    }

    /// Ends it as a crash does.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<std::process::ExitStatus> {
        self.process.ended()
    }

    /// Ends it and starts it again with the same files and ports.
    pub async fn restart(&mut self) -> Result<()> {
        self.process.stop();
        self.process = run(&self.settings, &self.config, &self.leash).await?;
        Ok(())
    }

    /// Runs `chaperone` with these arguments and `--config`.
    pub fn command(&self, arguments: &[&str]) -> Result<Ran> {
        self.command_reading(arguments, "")
    }

    /// The same with `input` on its standard input.
    pub fn command_reading(&self, arguments: &[&str], input: &str) -> Result<Ran> {
        let failed = |doing| Failure::io(doing, &self.settings.binary);
        let mut command = Command::new(&self.settings.binary);
        command.args(arguments).arg("--config").arg(&self.config);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.env("NO_COLOR", "1").spawn().map_err(failed("run"))?;
        // A command that reads nothing may have ended already.
        let _ = child.stdin.take().map(|mut stdin| stdin.write_all(input.as_bytes()));
        let output = child.wait_with_output().map_err(failed("run"))?;
        Ok(Ran {
            typed: format!("chaperone {}", arguments.join(" ")),
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// The filter's plugin configuration, as an operator makes it.
    pub fn plugin_config(&self) -> Result<String> {
        Ok(self.command(&["envoy", "plugin-config"])?.done()?.stdout.trim().to_owned())
    }

    /// What `chaperone token verify` says of a token: who it proves, or an `error`.
    pub fn token_verify(&self, token: &str) -> Result<Value> {
        let ran = self.command_reading(&["token", "verify"], token)?;
        serde_json::from_str(&ran.stdout).map_err(|_| ran.failure())
    }

    /// Every approval, whatever its state.
    pub fn approvals(&self) -> Result<Vec<Value>> {
        self.command(&["approvals", "list", "--state", "any", "--json"])?.done()?.json_lines()
    }

    /// Approves with a person's token, as that person would.
    pub fn approve(&self, id: &str, token: &str) -> Result<Ran> {
        self.vote("approve", id, token)
    }

    /// Denies with a person's token.
    pub fn deny(&self, id: &str, token: &str) -> Result<Ran> {
        self.vote("deny", id, token)
    }

    fn vote(&self, verb: &str, id: &str, token: &str) -> Result<Ran> {
        let name = format!("{id}.token");
        let file = self.config.with_file_name(name);
        std::fs::write(&file, token).map_err(Failure::io("write", &file))?;
        let path = file.to_string_lossy();
        let ran = self.command(&["approvals", verb, id, "--token-file", &path]);
        std::fs::remove_file(&file).map_err(Failure::io("remove", &file))?;
        ran
    }

    /// The last `count` entries of the audit log.
    pub fn audit_tail(&self, count: u32) -> Result<Vec<Value>> {
        let count = count.to_string();
        self.command(&["audit", "tail", "--lines", &count, "--json"])?.done()?.json_lines()
    }

    /// The audit entries about one decision.
    pub fn audit_of(&self, decision: &str) -> Result<Vec<Value>> {
        // No entries are an answer here, not a failure.
        self.command(&["audit", "tail", "--decision", decision, "--json"])?.json_lines()
    }

    /// Whether the audit log is whole, as `chaperone audit verify` tells it.
    pub fn audit_verify(&self) -> Result<Value> {
        let ran = self.command(&["audit", "verify"])?;
        serde_json::from_str(&ran.stdout).map_err(|_| ran.failure())
    }
}

/// A command that was run.
#[derive(Clone, Debug)]
pub struct Ran {
    /// As typed, without `--config`.
    pub typed: String,
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

impl Ran {
    /// Itself, if it ended well.
    pub fn done(self) -> Result<Self> {
        if self.code == Some(0) { Ok(self) } else { Err(self.failure()) }
    }

    fn json_lines(&self) -> Result<Vec<Value>> {
        let lines = self.stdout.lines().map(serde_json::from_str);
        lines.collect::<std::result::Result<_, _>>().map_err(|_| self.failure())
    }

    fn failure(&self) -> Failure {
        Failure::Command {
            command: self.typed.clone(),
            status: self.code.map_or("a signal".to_owned(), |code| format!("exit code {code}")),
            output: format!("{}{}", self.stdout, self.stderr),
        }
    }
}

fn write_files(settings: &ServerSettings, workdir: &Workdir) -> Result<(PathBuf, FactsKey)> {
    let examples = workspace().join("envoy-config");
    let read = |path: PathBuf| std::fs::read_to_string(&path).map_err(Failure::io("read", &path));
    let config = fill(
        &read(examples.join("chaperone.yaml"))?,
        &[
            ("CHAPERONE_GRPC_PORT", &settings.grpc_port.to_string()),
            ("CHAPERONE_HTTP_PORT", &settings.http_port.to_string()),
            ("ISSUER_URL", &settings.issuer_url),
        ],
    )?;
    let config = (settings.configure)(config);
    let config = match &settings.identity_provider_url {
        Some(url) => fill(&config, &[("IDENTITY_PROVIDER_URL", url)])?,
        None => config,
    };
    let config = workdir.write("chaperone.yaml", config)?;
    copy_policies(&examples.join("policies"), &workdir.path().join("policies"))?;
    for (name, content) in settings.files {
        let path = workdir.write(name, content)?;
        if path.extension().is_some_and(|extension| extension == "proto") {
            write_descriptors(&path)?;
        }
    }
    let secret = new_secret()?;
    let key_file = workdir.write("facts.key", STANDARD.encode(&secret))?;
    only_for_us(&key_file)?;
    let key = FactsKey::new(FACTS_KEY_ID, secret)
        .map_err(|error| Failure::unexpected("making a facts key", error))?;
    Ok((config, key))
}

fn copy_policies(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to).map_err(Failure::io("create", to))?;
    for entry in std::fs::read_dir(from).map_err(Failure::io("read", from))? {
        let entry = entry.map_err(Failure::io("read", from))?;
        let target = to.join(entry.file_name());
        std::fs::copy(entry.path(), &target).map_err(Failure::io("write", &target))?;
    }
    Ok(())
}

/// Compiles a `.proto` file, as `buf build` would.
fn write_descriptors(proto: &Path) -> Result<()> {
    let failed = |error: protox::Error| Failure::unexpected("compiling a .proto file", error);
    let mut compiler = protox::Compiler::new(proto.parent()).map_err(failed)?;
    compiler.include_imports(true).open_file(proto).map_err(failed)?;
    let descriptors = proto.with_extension("binpb");
    std::fs::write(&descriptors, compiler.encode_file_descriptor_set())
        .map_err(Failure::io("write", &descriptors))
}

fn new_secret() -> Result<Vec<u8>> {
    let mut secret = vec![0; FactsKey::MIN_BYTES];
    aws_lc_rs::rand::fill(&mut secret)
        .map_err(|error| Failure::unexpected("making a facts key", error))?;
    Ok(secret)
}

fn only_for_us(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let owner = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(path, owner).map_err(Failure::io("protect", path))
}

async fn run(settings: &ServerSettings, config: &Path, leash: &Leash) -> Result<Process> {
    let mut command = Command::new(&settings.binary);
    command.arg("serve").arg("--config").arg(config).env("NO_COLOR", "1");
    let log = config.with_extension("log");
    let mut process = Process::start("chaperone", command, &log, leash)?;
    let ready = format!("http://127.0.0.1:{}/readyz", settings.http_port);
    process.ready(&ready, START).await?;
    Ok(process)
}
