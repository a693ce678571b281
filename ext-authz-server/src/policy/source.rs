//! Where policies come from: files, and folders of `*.cedar` files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chaperone_inspection::digest::Digest;

use super::error::{Place, PolicyError, Problem};

/// Where the policies are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicySources {
    /// Files, and folders of `*.cedar` files. What is in folders of a folder, or
    /// has a name that begins with a dot, is not read.
    pub paths: Vec<PathBuf>,
}

/// One policy file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path.
    pub path: PathBuf,
    /// Its text.
    pub text: Arc<str>,
}

impl SourceFile {
    /// The place at that byte of the text.
    pub(super) fn place(&self, offset: usize) -> Place {
        Place::at(&self.path, &self.text, offset)
    }
}

/// What the sources held at one look.
#[derive(Clone, Debug, Default)]
pub(super) struct Snapshot {
    pub(super) files: Vec<SourceFile>,
    pub(super) errors: Vec<PolicyError>,
}

impl PolicySources {
    /// Reads every file.
    pub(super) fn read(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for path in &self.paths {
            match files(path) {
                Ok(files) => files.iter().for_each(|file| snapshot.add(file)),
                Err(problem) => snapshot.refuse(path, problem),
            }
        }
        snapshot
    }
}

impl Snapshot {
    /// Tells whether two looks saw the same, unreadable files included.
    pub(super) fn digest(&self) -> Digest {
        let mut seen = Vec::new();
        for SourceFile { path, text } in &self.files {
            // Lengths keep a name and a text from being read as one another.
            let path = path.as_os_str().as_encoded_bytes();
            for part in [path, text.as_bytes()] {
                seen.extend_from_slice(&part.len().to_be_bytes());
                seen.extend_from_slice(part);
            }
        }
        seen.extend(self.errors.iter().flat_map(|error| error.to_string().into_bytes()));
        Digest::of(&seen)
    }

    fn add(&mut self, path: &Path) {
        match std::fs::read_to_string(path) {
            Ok(text) => self.files.push(SourceFile { path: path.to_owned(), text: text.into() }),
            Err(error) => self.refuse(path, Problem::Unreadable(error.to_string())),
        }
    }

    fn refuse(&mut self, path: &Path, problem: Problem) {
        self.errors.push(PolicyError::new(Place::whole(path), problem));
    }
}

/// The path itself, or the policy files of the folder in the order of their names.
fn files(path: &Path) -> Result<Vec<PathBuf>, Problem> {
    let unreadable = |error: std::io::Error| Problem::Unreadable(error.to_string());
    if !std::fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        let hidden = file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && file.extension().is_some_and(|extension| extension == "cedar") {
            files.push(file);
        }
    }
    files.sort();
    if files.is_empty() { Err(Problem::FolderEmpty) } else { Ok(files) }
}
