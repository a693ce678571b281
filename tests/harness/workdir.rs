//! The folder of one run, and the leash of every process in it.
//!
//! A test program ends without dropping its statics, and a person may kill the
//! demo. So a shell holds the leash: it waits for our end of a pipe to close, which
//! happens however we end, kills what we started and removes the folder.

use std::fs::DirBuilder;
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};

use uuid::Uuid;

use crate::failure::{Failure, Result};

/// Reads `hold PID` and `let PID`; at the end of input it kills the process groups
/// that are held. $1 is the folder, or empty to keep it.
const LEASH: &str = r#"
held=
while read -r verb pid; do
    rest=
    for other in $held; do [ "$other" = "$pid" ] || rest="$rest $other"; done
    held=$rest
    [ "$verb" = hold ] && held="$held $pid"
done
for pid in $held; do kill -s KILL -- "-$pid" 2>/dev/null; done
[ -n "$1" ] && rm -rf -- "$1"
"#;

/// Set to keep the folders of runs, to look at the logs in them.
const KEEP: &str = "CHAPERONE_TESTS_KEEP";

/// The folder of one run. It is removed, and what was started from it killed, when
/// this is dropped or the process ends.
#[derive(Debug)]
pub struct Workdir {
    path: PathBuf,
    leash: Leash,
    shell: Child,
}

/// Says which processes must not outlive us.
#[derive(Clone, Debug)]
pub struct Leash(Arc<Mutex<Option<ChildStdin>>>);

impl Workdir {
    /// A new folder among the system's temporary ones.
    pub fn create() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("chaperone-{}", Uuid::now_v7().simple()));
        // It holds keys and tokens, among everybody's temporary files.
        let ours = DirBuilder::new().mode(0o700).create(&path);
        ours.map_err(Failure::io("create", &path))?;
        let keep = std::env::var_os(KEEP).is_some();
        let mut shell = Command::new("sh")
            .args(["-c", LEASH, "leash"])
            .arg(if keep { Path::new("") } else { &path })
            .stdin(Stdio::piped())
            // It must not hold a pipe open that somebody reads our output from.
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C reaches us; what we started ends after us.
            .process_group(0)
            .spawn()
            .map_err(Failure::io("run", "sh"))?;
        let leash = Leash(Arc::new(Mutex::new(shell.stdin.take())));
        Ok(Self { path, leash, shell })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The leash of its processes.
    pub fn leash(&self) -> Leash {
        self.leash.clone()
    }

    /// Writes a file into it and gives the file's path.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.path.join(name);
        std::fs::write(&path, content).map_err(Failure::io("write", &path))?;
        Ok(path)
    }
}

impl Drop for Workdir {
    fn drop(&mut self) {
        self.leash.end();
        // The shell ends by itself; waiting means that everything is gone after.
        let _ = self.shell.wait();
    }
}

impl Leash {
    /// This process group ends when we do.
    pub(crate) fn hold(&self, group: u32) {
        self.tell("hold", group);
    }

    /// This process group has ended.
    pub(crate) fn let_go(&self, group: u32) {
        self.tell("let", group);
    }

    fn tell(&self, verb: &str, group: u32) {
        if let Some(stdin) = self.0.lock().expect("no holder panics").as_mut() {
            // A shell that is gone holds nothing, and our own drops still kill.
            let _ = writeln!(stdin, "{verb} {group}");
        }
    }

    fn end(&self) {
        self.0.lock().expect("no holder panics").take();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::process::Process;

    #[test]
    fn a_run_leaves_nothing_behind() {
        let workdir = Workdir::create().unwrap();
        let path = workdir.path().to_owned();
        let log = workdir.write("sleep.log", "").unwrap();
        let mut sleep = Command::new("sleep");
        sleep.arg("600");
        let process = Process::start("sleep", sleep, &log, &workdir.leash()).unwrap();
        let alive = || std::fs::metadata(&path).is_ok();
        assert!(alive());
        // As at the end of a test program: the process is not dropped.
        let mut process = std::mem::ManuallyDrop::new(process);
        drop(workdir);
        assert!(!alive());
        // It was sent its signal before the folder went; the kernel ends it soon after.
        let ended = (0..500).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            process.ended().is_some()
        });
        assert!(ended, "the process has outlived its folder");
    }
}
