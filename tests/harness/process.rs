//! A program that runs beside the tests, with its output in a file.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::artifacts::Progress;
use crate::failure::{Failure, Result};
use crate::workdir::Leash;

/// How long a program may take to end when it is asked to.
const STOP: Duration = Duration::from_secs(5);

/// How often something that is waited for is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// How much of a log is shown when a program fails.
const TAIL_LINES: usize = 40;

/// A running program; it and its children are killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
    leash: Leash,
}

impl Process {
    /// Starts `command` with its output appended to `log`.
    pub fn start(
        name: &'static str,
        mut command: Command,
        log: &Path,
        leash: &Leash,
    ) -> Result<Self> {
        let append = || {
            let opened = File::options().create(true).append(true).open(log);
            opened.map_err(Failure::io("open", log))
        };
        let program = PathBuf::from(command.get_program());
        let child = command
            .stdin(Stdio::null())
            .stdout(append()?)
            .stderr(append()?)
            // A group of its own: Ctrl-C is ours to handle, and its children are
            // killed with it.
            .process_group(0)
            .spawn()
            .map_err(Failure::io("run", program))?;
        leash.hold(child.id());
        Ok(Self { name, child, log: log.to_owned(), leash: leash.clone() })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().ok().flatten()?;
        self.leash.let_go(self.child.id());
        Some(status)
    }

    /// Waits until `url` answers 200, the program ends, or the time is up.
    pub async fn ready(&mut self, url: &str, within: Duration) -> Result<()> {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(2)).build();
        let client = client.map_err(|error| Failure::unexpected("an HTTP client", error))?;
        let deadline = Instant::now() + within;
        let mut last = "it does not listen".to_owned();
        while Instant::now() < deadline {
            if let Some(status) = self.ended() {
                return Err(self.not_ready(format!("it ended ({status})")));
            }
            if let Ok(response) = client.get(url).send().await {
                let status = response.status();
                if status.is_success() {
                    return Ok(());
                }
                let body = response.text().await.unwrap_or_default();
                last = format!("{url} says {status}: {body}");
            }
            tokio::time::sleep(LOOK).await;
        }
        Err(self.not_ready(format!("{last} after {} s", within.as_secs())))
    }

    /// Asks it to end, and kills it when it does not.
    pub fn stop(&mut self) {
        if self.ended().is_some() {
            return;
        }
        // One that is suspended would not hear the request.
        self.signal(Signal::CONT);
        self.signal(Signal::TERM);
        let deadline = Instant::now() + STOP;
        while Instant::now() < deadline {
            if self.ended().is_some() {
                return;
            }
            std::thread::sleep(LOOK);
        }
        self.kill();
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        if self.ended().is_none() {
            self.signal(Signal::KILL);
            // It cannot refuse; the wait takes its entry from the process table.
            let _ = self.child.wait();
            self.leash.let_go(self.child.id());
        }
    }

    /// Suspends it: it keeps its connections and answers nothing.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Where it logs.
    pub fn log(&self) -> &Path {
        &self.log
    }

    fn signal(&self, signal: Signal) {
        let group = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(group) = group {
            // It fails only for one that has ended meanwhile.
            let _ = kill_process_group(group, signal);
        }
    }

    fn not_ready(&self, why: String) -> Failure {
        Failure::NotReady {
            program: self.name,
            why,
            tail: tail(&std::fs::read_to_string(&self.log).unwrap_or_default()),
            log: self.log.clone(),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Runs `command` to its end; what it prints goes to standard error or into the
/// failure.
pub fn run(mut command: Command, progress: Progress) -> Result<()> {
    let program = PathBuf::from(command.get_program());
    let typed = std::iter::once(command.get_program()).chain(command.get_args());
    let typed: Vec<_> = typed.map(|part| part.to_string_lossy().into_owned()).collect();
    command.stdin(Stdio::null());
    if progress == Progress::Shown {
        command.stdout(std::io::stderr()).stderr(Stdio::inherit());
    }
    let output = command.output().map_err(Failure::io("run", &program))?;
    if output.status.success() {
        return Ok(());
    }
    let printed = [output.stdout, output.stderr].concat();
    Err(Failure::Command {
        command: typed.join(" "),
        status: output.status.to_string(),
        output: tail(&String::from_utf8_lossy(&printed)),
    })
}

/// The last lines of a text.
pub fn tail(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

/// Waits until `met` gives something, or the time is up.
pub async fn eventually<T, F>(what: &str, within: Duration, mut met: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + within;
    loop {
        if let Some(value) = met().await {
            return Ok(value);
        }
        if Instant::now() >= deadline {
            return Err(Failure::TimedOut { what: what.to_owned(), within });
        }
        tokio::time::sleep(LOOK).await;
    }
}
