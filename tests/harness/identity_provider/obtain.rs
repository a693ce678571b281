//! Where the identity provider comes from: npm's `oidc-provider` and what it needs, as
//! locked beside this file.

use std::path::PathBuf;

use crate::artifacts::Progress;
use crate::failure::Result;
use crate::npm::Packages;

const PACKAGES: Packages = Packages {
    what: "oidc-provider",
    folder: "identity-provider",
    package: include_str!("package.json"),
    lock: include_str!("package-lock.json"),
};

/// The program, in a folder with all that it needs.
pub(super) fn obtain(progress: Progress) -> Result<PathBuf> {
    PACKAGES.program("server.mjs", include_str!("server.mjs"), progress)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_locked_package_is_free_and_its_bytes_are_known() {
        // Its Readme has the text of the MIT licence, its package.json no word of it.
        let untold = [("node_modules/only", "MIT")];
        PACKAGES.check("node_modules/oidc-provider", &untold);
    }
}
