//! Where the identity provider comes from: npm's `oidc-provider` and what it needs, as
//! locked beside this file, installed below `target/` at first use.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::artifacts::{Progress, target_folder};
use crate::failure::{Failure, Result};
use crate::process::run;

/// The oldest Node that `oidc-provider` runs on.
const OLDEST_NODE: u32 = 18;

const PACKAGE: &str = include_str!("package.json");
const LOCK: &str = include_str!("package-lock.json");
const PROGRAM: &str = include_str!("server.mjs");

/// The program, in a folder with all that it needs. Test programs that run side by
/// side wait for the one that installs it.
pub(super) fn obtain(progress: Progress) -> Result<PathBuf> {
    node_is_new_enough()?;
    let folder = target_folder().join("identity-provider");
    std::fs::create_dir_all(&folder).map_err(Failure::io("create", &folder))?;
    let waits_at = folder.join("waits");
    let waits = File::create(&waits_at).map_err(Failure::io("create", &waits_at))?;
    waits.lock().map_err(Failure::io("lock", &waits_at))?;
    // Written last, so that an installation that was cut off is not believed.
    let complete = folder.join("complete");
    if std::fs::read_to_string(&complete).is_ok_and(|installed| installed == LOCK) {
        return program(&folder);
    }
    if progress == Progress::Shown {
        eprintln!("  Installing oidc-provider (npm) into {}", folder.display());
    }
    write(&folder.join("package.json"), PACKAGE)?;
    write(&folder.join("package-lock.json"), LOCK)?;
    install(&folder, progress)?;
    write(&complete, LOCK)?;
    program(&folder)
}

/// The program lies beside its packages, where Node looks for them.
fn program(folder: &Path) -> Result<PathBuf> {
    let path = folder.join("server.mjs");
    if std::fs::read_to_string(&path).is_ok_and(|there| there == PROGRAM) {
        return Ok(path);
    }
    write(&path, PROGRAM)?;
    Ok(path)
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(Failure::io("write", path))
}

fn install(folder: &Path, progress: Progress) -> Result<()> {
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(folder);
    run(npm, progress).map_err(|failure| match failure {
        Failure::Io { .. } => missing(),
        Failure::Command { command, status, output } => Failure::Command {
            command,
            status,
            output: format!(
                "{output}\n\nThe identity provider of the tests could not be installed; npm must \
                 reach its registry once."
            ),
        },
        other => other,
    })
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
        remedy: "the tests run an identity provider with it; install it (Debian, Ubuntu: \
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

    /// `deny.toml` watches what is linked in; this is what the tests run beside it.
    #[test]
    fn every_locked_package_is_free_and_its_bytes_are_known() {
        let lock: serde_json::Value = serde_json::from_str(LOCK).unwrap();
        let packages = lock["packages"].as_object().unwrap();
        let fetched: Vec<_> = packages.iter().filter(|(name, _)| !name.is_empty()).collect();
        assert!(fetched.iter().any(|(name, _)| *name == "node_modules/oidc-provider"));
        for (name, package) in fetched {
            // Its Readme has the text of the MIT licence, its package.json no word of it.
            let untold = if name == "node_modules/only" { "MIT" } else { "" };
            let licence = package["license"].as_str().unwrap_or(untold);
            assert!(["BSD-2-Clause", "ISC", "MIT"].contains(&licence), "{name}: `{licence}`");
            let digest = package["integrity"].as_str().unwrap_or_default();
            assert!(digest.starts_with("sha512-"), "{name} has no digest");
        }
    }

    #[test]
    fn who_has_no_node_is_told_what_to_do() {
        let told = missing().to_string();
        assert!(told.contains("Node 18") && told.contains("apt install nodejs npm"), "{told}");
    }
}
