//! The filter as it is shipped: what cargo built, made smaller by Binaryen's `wasm-opt`,
//! which npm has for every machine.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use chaperone_inspection::digest::Digest;

use crate::artifacts::{Progress, target_folder};
use crate::failure::{Failure, Result};
use crate::npm::Packages;
use crate::process::run;

const PACKAGES: Packages = Packages {
    what: "wasm-opt",
    folder: "binaryen",
    package: include_str!("package.json"),
    lock: include_str!("package-lock.json"),
};

/// What README tells operators to run: the features are those that the compiler uses.
pub const ARGUMENTS: [&str; 9] = [
    "-Oz",
    "--enable-simd",
    "--enable-bulk-memory",
    "--enable-sign-ext",
    "--enable-nontrapping-float-to-int",
    "--enable-mutable-globals",
    "--enable-reference-types",
    "--enable-multivalue",
    "--strip-debug",
];

/// The smaller form of `filter`; made once for each of its contents.
pub fn optimized(filter: &Path, progress: Progress) -> Result<PathBuf> {
    let program = PACKAGES.program("package.json", PACKAGES.package, progress)?;
    let program = program.with_file_name("node_modules").join("binaryen/bin/wasm-opt");
    let folder = target_folder().join("binaryen");
    let lock_path = folder.join("optimizing");
    let lock = File::create(&lock_path).map_err(Failure::io("create", &lock_path))?;
    lock.lock().map_err(Failure::io("lock", &lock_path))?;
    let bytes = std::fs::read(filter).map_err(Failure::io("read", filter))?;
    let made = folder.join("chaperone_filter.wasm");
    let made_of = folder.join("chaperone_filter.made-of");
    let digest = Digest::of(&bytes).to_string();
    if made.exists() && std::fs::read_to_string(&made_of).is_ok_and(|known| known == digest) {
        return Ok(made);
    }
    if progress == Progress::Shown {
        eprintln!("  Making the filter smaller with wasm-opt, about half a minute");
    }
    let _ = std::fs::remove_file(&made_of);
    let mut node = Command::new("node");
    node.arg(program).args(ARGUMENTS).arg(filter).arg("-o").arg(&made);
    run(node, Progress::Quiet)?;
    std::fs::write(&made_of, digest).map_err(Failure::io("write", &made_of))?;
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_locked_package_is_free_and_its_bytes_are_known() {
        PACKAGES.check("node_modules/binaryen", &[]);
    }
}
