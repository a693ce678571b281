//! Programs that run on Node: what they need from npm as locked in the repository,
//! installed below `target/` at first use.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::artifacts::{Progress, target_folder};
use crate::failure::{Failure, Result};
use crate::process::run;

/// The oldest Node that is taken.
const OLDEST_NODE: u32 = 18;

/// Packages as they are locked.
pub(crate) struct Packages {
    /// What they are to people.
    pub(crate) what: &'static str,
    /// The folder below `target/`.
    pub(crate) folder: &'static str,
    /// The text of `package.json`.
    pub(crate) package: &'static str,
    /// The text of `package-lock.json`.
    pub(crate) lock: &'static str,
}

impl Packages {
    /// The program `name`, beside its packages, where Node looks for them. Test programs
    /// that run side by side wait for the one that installs them.
    pub(crate) fn program(&self, name: &str, text: &str, progress: Progress) -> Result<PathBuf> {
        node_is_new_enough()?;
        let folder = target_folder().join(self.folder);
        std::fs::create_dir_all(&folder).map_err(Failure::io("create", &folder))?;
        let waits_at = folder.join("waits");
        let waits = File::create(&waits_at).map_err(Failure::io("create", &waits_at))?;
        waits.lock().map_err(Failure::io("lock", &waits_at))?;
        // Written last, so that an installation that was cut off is not believed.
        let complete = folder.join("complete");
        if !std::fs::read_to_string(&complete).is_ok_and(|installed| installed == self.lock) {
            if progress == Progress::Shown {
                eprintln!("  Installing {} (npm) into {}", self.what, folder.display());
            }
            write(&folder.join("package.json"), self.package)?;
            write(&folder.join("package-lock.json"), self.lock)?;
            self.install(&folder, progress)?;
            write(&complete, self.lock)?;
        }
        let path = folder.join(name);
        if !std::fs::read_to_string(&path).is_ok_and(|there| there == text) {
            write(&path, text)?;
        }
        Ok(path)
    }

    fn install(&self, folder: &Path, progress: Progress) -> Result<()> {
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(folder);
        run(npm, progress).map_err(|failure| match failure {
            Failure::Io { .. } => missing(),
            Failure::Command { command, status, output } => Failure::Command {
                command,
                status,
                output: format!(
                    "{output}\n\n{} could not be installed; npm must reach its registry once.",
                    self.what
                ),
            },
            other => other,
        })
    }

    /// Fails unless every locked package is free and the digest of its bytes is known;
    /// `deny.toml` watches what is linked in, this is what the tests run beside it.
    #[cfg(test)]
    pub(crate) fn check(&self, needed: &str, untold: &[(&str, &str)]) {
        let lock: serde_json::Value = serde_json::from_str(self.lock).unwrap();
        let packages = lock["packages"].as_object().unwrap();
        let fetched: Vec<_> = packages.iter().filter(|(name, _)| !name.is_empty()).collect();
        assert!(fetched.iter().any(|(name, _)| *name == needed));
        for (name, package) in fetched {
            let untold = untold.iter().find(|(package, _)| package == name);
            let untold = untold.map_or("", |(_, licence)| licence);
            let licence = package["license"].as_str().unwrap_or(untold);
            let free =
                ["Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT"].contains(&licence);
            assert!(free, "{name}: `{licence}`");
            let digest = package["integrity"].as_str().unwrap_or_default();
            assert!(digest.starts_with("sha512-"), "{name} has no digest");
        }
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(Failure::io("write", path))
}

fn node_is_new_enough() -> Result<()> {
    let output = Command::new("node").arg("--version").output().map_err(|_| missing())?;
    let told = String::from_utf8_lossy(&output.stdout);
    match major(&told) {
        Some(major) if major >= OLDEST_NODE => Ok(()),
        _ => Err(missing()),
    }
}

/// Of `v20.20.2`, 20.
fn major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

fn missing() -> Failure {
    Failure::Missing {
        what: format!("Node {OLDEST_NODE} or newer, with npm,"),
        remedy: "the tests run other people's programs with it; install it (Debian, Ubuntu: \
                 `apt install nodejs npm`) and put `node` and `npm` on the PATH"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_tells_its_version() {
        assert_eq!(major("v20.20.2\n"), Some(20));
        assert_eq!(major("v8.0.0"), Some(8));
        assert_eq!(major(""), None);
        assert_eq!(major("node: command not found"), None);
    }

    #[test]
    fn who_has_no_node_is_told_what_to_do() {
        let told = missing().to_string();
        assert!(told.contains("Node 18") && told.contains("apt install nodejs npm"), "{told}");
    }
}
