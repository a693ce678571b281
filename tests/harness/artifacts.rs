//! What the tests run: the server's binary and the filter, built by cargo.
//!
//! Cargo itself decides whether there is anything to do, so they are never stale.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::binaryen;
use crate::failure::{Failure, Result};
use crate::process::tail;

const WASM_TARGET: &str = "wasm32-wasip1";

/// Variables that cargo sets for the program it runs. A cargo that finds them in
/// its environment would hand them on to build scripts and compilers.
const CARGOS_OWN: [&str; 7] = [
    "CARGO_PKG_",
    "CARGO_BIN_",
    "CARGO_MANIFEST_",
    "CARGO_CRATE_NAME",
    "CARGO_PRIMARY_PACKAGE",
    "CARGO_TARGET_TMPDIR",
    "OUT_DIR",
];

/// Where the built files are.
#[derive(Clone, Debug)]
pub struct Artifacts {
    /// The `chaperone` binary.
    pub chaperone: PathBuf,
    /// The filter, for Envoy's V8, as cargo builds it.
    pub filter: PathBuf,
}

/// Which form of the filter Envoy loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterForm {
    /// As cargo builds it.
    Built,
    /// As it is shipped: smaller.
    Shipped,
}

impl Artifacts {
    /// The filter in that form.
    pub fn filter(&self, form: FilterForm, progress: Progress) -> Result<PathBuf> {
        match form {
            FilterForm::Built => Ok(self.filter.clone()),
            FilterForm::Shipped => binaryen::optimized(&self.filter, progress),
        }
    }
}

/// Whether a build shows what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// On standard error, as cargo does.
    Shown,
    /// Only when it fails.
    Quiet,
}

/// The folder of the workspace.
pub fn workspace() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests)
}

/// The folder that cargo builds into.
pub fn target_folder() -> PathBuf {
    // A relative one is relative to where cargo was started.
    let named = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let named = named.map(|path| std::path::absolute(&path).unwrap_or(path));
    named.unwrap_or_else(|| workspace().join("target"))
}

/// Builds what is not built, once a process.
pub fn build(progress: Progress) -> Result<&'static Artifacts> {
    static BUILT: OnceLock<Artifacts> = OnceLock::new();
    if let Some(built) = BUILT.get() {
        return Ok(built);
    }
    wasm_target_is_installed()?;
    // Tests that come second wait for cargo's own lock and find all done.
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    let chaperone =
        cargo_build(progress, &["-p", "chaperone", "--profile", profile], |artifact| {
            artifact["executable"].as_str().map(PathBuf::from)
        })?;
    let filter = cargo_build(
        progress,
        &["-p", "chaperone-wasm-filter", "--target", WASM_TARGET, "--profile", "wasm"],
        wasm_file,
    )?;
    Ok(BUILT.get_or_init(|| Artifacts { chaperone, filter }))
}

fn wasm_file(artifact: &Value) -> Option<PathBuf> {
    let files = artifact["filenames"].as_array()?;
    let files = files.iter().filter_map(Value::as_str).map(PathBuf::from);
    files.into_iter().find(|file| file.extension().is_some_and(|end| end == "wasm"))
}

/// Builds a filter that only holds requests, to measure against.
pub fn build_buffering_filter(progress: Progress) -> Result<PathBuf> {
    wasm_target_is_installed()?;
    let package = ["-p", "chaperone-wasm-filter", "--example", "buffering"];
    let profile = ["--target", WASM_TARGET, "--profile", "wasm"];
    cargo_build(progress, &[package.as_slice(), &profile].concat(), wasm_file)
}

/// Runs `cargo build` and gives the file that `pick` finds among what it built.
fn cargo_build(
    progress: Progress,
    arguments: &[&str],
    pick: impl Fn(&Value) -> Option<PathBuf>,
) -> Result<PathBuf> {
    // Not the one on the PATH if cargo started us: the toolchain must be the same.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(&cargo);
    command
        .arg("build")
        .args(arguments)
        .args(["--locked", "--message-format=json-render-diagnostics"])
        .current_dir(workspace())
        .env("CARGO_TARGET_DIR", target_folder())
        .stdin(Stdio::null())
        .stderr(if progress == Progress::Shown { Stdio::inherit() } else { Stdio::piped() });
    for (name, _) in std::env::vars_os() {
        if CARGOS_OWN.iter().any(|own| name.to_string_lossy().starts_with(own)) {
            command.env_remove(name);
        }
    }
    let output = command.output().map_err(Failure::io("run", &cargo))?;
    if !output.status.success() {
        return Err(Failure::Command {
            command: format!("cargo build {}", arguments.join(" ")),
            status: output.status.to_string(),
            output: tail(&String::from_utf8_lossy(&output.stderr)),
        });
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let artifacts = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let found = artifacts.filter_map(|artifact| pick(&artifact)).last();
    found.ok_or_else(|| Failure::unexpected("cargo build", "it names no built file"))
}

fn wasm_target_is_installed() -> Result<()> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(&rustc)
        .args(["--print", "target-libdir", "--target", WASM_TARGET])
        .current_dir(workspace())
        .output()
        .map_err(Failure::io("run", &rustc))?;
    let libraries = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    if output.status.success() && libraries.is_dir() {
        return Ok(());
    }
    Err(Failure::Missing {
        what: format!("the Rust target {WASM_TARGET}"),
        remedy: format!("rustup target add {WASM_TARGET}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_where_the_example_configuration_is() {
        assert!(workspace().join("envoy-config/chaperone.yaml").is_file());
    }
}
