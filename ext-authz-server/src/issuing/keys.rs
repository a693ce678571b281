//! The keys on disk: read strictly, made where there is none, followed when they
//! change.
//!
//! A folder's keys are in the order of the times in their names
//! (`20261124T093000Z.pem`), or of their files' own times. Removing a file takes its
//! key out of service at once, even when it is the last one or another file is bad. A
//! single file's key goes on signing after the file was replaced, until the new one may
//! sign.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::schedule::{Delays, states};
use super::signing::{SigningAlgorithm, SigningKey, SigningKeyError};
use crate::identity::{JwkSet, OwnKeys};
use crate::time::UnixMillis;

pub use super::schedule::KeyState;

/// The longest file that is read: honest keys have less than 1 KiB.
const MAX_KEY_BYTES: u64 = 16 * 1024;

/// How names tell when a key was made.
const NAME: &str = "%Y%m%dT%H%M%SZ";

/// Where the keys are, and how long they wait and linger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySettings {
    /// Where they are.
    pub place: KeysIn,
    /// What new keys sign with.
    pub algorithm: SigningAlgorithm,
    /// How long a new key is published before it signs, and how long whoever fetches
    /// the published keys may keep them.
    pub publish_ahead: Duration,
    /// How long a key is published after its successor signs: the longest life of a
    /// token, and some.
    pub linger: Duration,
}

/// Where keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeysIn {
    /// In every `*.pem` of a folder. The first key is made when there is none.
    Folder(PathBuf),
    /// In one file.
    File(PathBuf),
}

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A file or folder cannot be read.
    #[error("{path} cannot be read: {source}", path = .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file or folder cannot be written.
    #[error("{path} cannot be written: {source}", path = .path.display())]
    Unwritable {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Others may read a key.
    #[error("{path} has the mode {mode:o}: others may read the key; chmod 600 {path}", path = .path.display())]
    ReadableByOthers {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Somebody else has put it there.
    #[error("{path} belongs to somebody else; its owner must be who runs the server, or root", path = .0.display())]
    NotOurs(PathBuf),
    /// A file holds no key.
    #[error("{path}: {error}", path = .path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: SigningKeyError,
    },
    /// There is none.
    #[error("{} has no key", .0.display())]
    Empty(PathBuf),
    /// Keys are rotated by whoever writes the file.
    #[error("the key is one file; replace it, and the server follows")]
    NotAFolder,
}

/// What became of the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyChange {
    /// Another key signs now.
    Signs {
        /// Its name.
        kid: String,
    },
    /// A file is not good, and what it held before stays; or there is no key any more.
    Refused {
        /// What is wrong.
        error: String,
    },
}

/// A key as operators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyHealth {
    /// Its name.
    pub kid: String,
    /// What it signs with.
    pub algorithm: &'static str,
    /// What it does.
    pub state: KeyState,
    /// When it appeared.
    pub since: UnixMillis,
}

/// A key, when it appeared, and the file that it is in.
#[derive(Clone, Debug)]
struct Held {
    key: Arc<SigningKey>,
    appeared: UnixMillis,
    file: PathBuf,
}

/// The keys in their order, the oldest first: none when every file was removed.
#[derive(Clone, Debug)]
struct Ring(Vec<Held>);

/// The keys that this server signs with.
#[derive(Debug)]
pub struct SigningKeys {
    settings: KeySettings,
    published: OwnKeys,
    ring: ArcSwap<Ring>,
    seen: Mutex<Seen>,
}

/// What the last look found.
#[derive(Debug, Default)]
struct Seen {
    signer: String,
    published: Vec<String>,
    refused: Option<String>,
}

impl SigningKeys {
    /// Reads the keys, and makes the first one of a folder. Their public halves are in
    /// `published` from now on.
    pub fn open(
        settings: KeySettings,
        published: OwnKeys,
        now: UnixMillis,
    ) -> Result<Self, KeysError> {
        if let KeysIn::Folder(folder) = &settings.place {
            make_folder(folder)?;
            if pem_files(folder)?.is_empty() {
                make_key(folder, settings.algorithm, now)?;
            }
        }
        Self::read(settings, published, now)
    }

    /// Reads the keys and makes none.
    pub fn read(
        settings: KeySettings,
        published: OwnKeys,
        now: UnixMillis,
    ) -> Result<Self, KeysError> {
        let ring = ArcSwap::from_pointee(read_ring(&settings.place)?);
        let keys = Self { settings, published, ring, seen: Mutex::default() };
        keys.publish(now);
        Ok(keys)
    }

    /// The key that signs at `now`.
    pub fn signer(&self, now: UnixMillis) -> Option<Arc<SigningKey>> {
        let ring = self.ring.load();
        let mut keys = self.with_states(&ring, now).into_iter();
        let (held, _) = keys.find(|(_, state)| *state == KeyState::Signing)?;
        Some(Arc::clone(&held.key))
    }

    /// The published keys at `now` (RFC 7517 section 5).
    pub fn jwks(&self, now: UnixMillis) -> Value {
        let ring = self.ring.load();
        let keys = self.with_states(&ring, now).into_iter();
        let keys = keys.filter(|(_, state)| state.is_published());
        json!({ "keys": keys.map(|(held, _)| held.key.jwk().clone()).collect::<Vec<_>>() })
    }

    /// Every key and what it does, the oldest first.
    pub fn health(&self, now: UnixMillis) -> Vec<KeyHealth> {
        let ring = self.ring.load();
        let health = |(held, state): (&Held, KeyState)| KeyHealth {
            kid: held.key.kid().to_owned(),
            algorithm: held.key.algorithm().name(),
            state,
            since: held.appeared,
        };
        self.with_states(&ring, now).into_iter().map(health).collect()
    }

    /// How long whoever fetches the published keys may keep them.
    pub const fn max_age(&self) -> Duration {
        self.settings.publish_ahead
    }

    /// Looks at the files once, and lets time have its effect. The key of a file that is
    /// gone leaves. A file that is not good changes nothing else: what it held before
    /// stays, and what is wrong is told once.
    pub fn look(&self, now: UnixMillis) -> Option<KeyChange> {
        let (ring, wrong) = self.found(now);
        let none = ring.0.is_empty().then(|| KeysError::Empty(self.settings.place.path()));
        let error: Vec<_> = [none, wrong].into_iter().flatten().map(|e| e.to_string()).collect();
        let error = (!error.is_empty()).then(|| error.join("; "));
        self.ring.store(Arc::new(ring));
        let changed = self.publish(now);
        let mut seen = self.lock();
        let Some(error) = error else {
            seen.refused = None;
            return changed;
        };
        if changed.is_some() || seen.refused.as_ref() == Some(&error) {
            return changed;
        }
        tracing::error!(%error, "the files of the signing keys are not good");
        seen.refused = Some(error.clone());
        Some(KeyChange::Refused { error })
    }

    /// Adds a key to the folder of `settings`; gives its name and its file.
    pub fn rotate(settings: &KeySettings, now: UnixMillis) -> Result<(String, PathBuf), KeysError> {
        let KeysIn::Folder(folder) = &settings.place else { return Err(KeysError::NotAFolder) };
        make_folder(folder)?;
        make_key(folder, settings.algorithm, now)
    }

    /// The keys of the files that are there now: of one that is not good, what it held
    /// before. What is wrong with the first such file comes beside.
    fn found(&self, now: UnixMillis) -> (Ring, Option<KeysError>) {
        let before = self.ring.load();
        let files = match self.settings.place.files() {
            Ok(files) => files,
            Err(error) if error.is_absence() => Vec::new(),
            Err(error) => return (Ring::clone(&before), Some(error)),
        };
        let (mut keys, mut wrong) = (Vec::new(), None);
        for file in files {
            match read_key(&file) {
                Ok(key) => keys.push(key),
                Err(error) if error.is_absence() => {}
                Err(error) => {
                    keys.extend(before.0.iter().filter(|held| held.file == file).cloned());
                    wrong.get_or_insert(error);
                }
            }
        }
        let ring = match &self.settings.place {
            KeysIn::File(_) if !keys.is_empty() => Ring::of(keys).after(self.still_published(now)),
            _ => Ring::of(keys),
        };
        (ring, wrong)
    }

    fn with_states<'r>(&self, ring: &'r Ring, now: UnixMillis) -> Vec<(&'r Held, KeyState)> {
        let appeared: Vec<_> = ring.0.iter().map(|held| held.appeared).collect();
        let KeySettings { publish_ahead: ahead, linger, .. } = self.settings;
        ring.0.iter().zip(states(&appeared, Delays { ahead, linger }, now)).collect()
    }

    fn still_published(&self, now: UnixMillis) -> Vec<Held> {
        let ring = self.ring.load();
        let keys = self.with_states(&ring, now).into_iter();
        keys.filter(|(_, state)| state.is_published()).map(|(held, _)| held.clone()).collect()
    }

    /// Hands the public halves on, if others are published than before.
    fn publish(&self, now: UnixMillis) -> Option<KeyChange> {
        let health = self.health(now);
        let mut seen = self.lock();
        let published: Vec<_> = health
            .iter()
            .filter(|key| key.state.is_published())
            .map(|key| key.kid.clone())
            .collect();
        if published != seen.published {
            match JwkSet::from_json(self.jwks(now)) {
                _ if published.is_empty() => self.published.withdraw(),
                Ok(keys) => self.published.replace(keys),
                Err(error) => tracing::error!(%error, "our own keys cannot be published"),
            }
            seen.published = published;
        }
        let signer = health.into_iter().find(|key| key.state == KeyState::Signing);
        let Some(KeyHealth { kid: signer, .. }) = signer else {
            // When a key is there again, it is told, even if it is the same.
            seen.signer.clear();
            return None;
        };
        if signer == seen.signer {
            return None;
        }
        seen.signer.clone_from(&signer);
        tracing::info!(kid = %signer, "this key signs");
        Some(KeyChange::Signs { kid: signer })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeysIn {
    fn path(&self) -> PathBuf {
        let (Self::File(path) | Self::Folder(path)) = self;
        path.clone()
    }

    /// The files that are to hold a key each, in the order of their names.
    fn files(&self) -> Result<Vec<PathBuf>, KeysError> {
        let mut files = match self {
            Self::File(file) => vec![file.clone()],
            Self::Folder(folder) => pem_files(folder)?,
        };
        files.sort();
        Ok(files)
    }
}

impl KeysError {
    /// Whether it says that a file or folder is not there, and nothing else.
    fn is_absence(&self) -> bool {
        matches!(self, Self::Unreadable { source, .. } if source.kind() == ErrorKind::NotFound)
    }
}

impl Ring {
    /// The keys of files, which are in the order of their names.
    fn of(mut keys: Vec<Held>) -> Self {
        // Names decide between keys of one moment: the sort keeps their order.
        keys.sort_by_key(|held| held.appeared);
        keys.dedup_by(|later, earlier| later.key.kid() == earlier.key.kid());
        Self(keys)
    }

    /// These keys after those that were there before, for a file that was replaced.
    fn after(self, mut before: Vec<Held>) -> Self {
        before.retain(|held| self.0.iter().all(|key| key.key.kid() != held.key.kid()));
        let mut keys = before;
        keys.extend(self.0);
        keys.sort_by_key(|held| held.appeared);
        Self(keys)
    }
}

/// The keys to begin with: every file must be good, and there must be one.
fn read_ring(place: &KeysIn) -> Result<Ring, KeysError> {
    let files = place.files()?;
    let keys = files.iter().map(|file| read_key(file)).collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() {
        return Err(KeysError::Empty(place.path()));
    }
    Ok(Ring::of(keys))
}

fn read_key(path: &Path) -> Result<Held, KeysError> {
    let unreadable = |source| KeysError::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.mode() & 0o077 != 0 {
        let mode = metadata.mode() & 0o7777;
        return Err(KeysError::ReadableByOthers { path: path.to_owned(), mode });
    }
    // Where a folder lets others write, as those of mounted secrets do, they cannot
    // make a file that is ours.
    if ![0, rustix::process::geteuid().as_raw()].contains(&metadata.uid()) {
        return Err(KeysError::NotOurs(path.to_owned()));
    }
    let mut pem = Zeroizing::new(Vec::new());
    file.take(MAX_KEY_BYTES).read_to_end(&mut pem).map_err(unreadable)?;
    let key = SigningKey::from_pem(&pem)
        .map_err(|error| KeysError::NotAKey { path: path.to_owned(), error })?;
    let written = || {
        let since = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        i64::try_from(since.as_millis()).ok().map(UnixMillis::new)
    };
    let appeared = named_time(path).or_else(written).unwrap_or(UnixMillis::new(0));
    Ok(Held { key: Arc::new(key), appeared, file: path.to_owned() })
}

/// The time in the name of a file, such as `20261124T093000Z-2.pem`.
fn named_time(path: &Path) -> Option<UnixMillis> {
    let stem = path.file_stem()?.to_str()?;
    let time = stem.split_once('-').map_or(stem, |(time, _)| time);
    let time = jiff::civil::DateTime::strptime(NAME, time).ok()?;
    let time = TimeZone::UTC.to_timestamp(time).ok()?;
    Some(UnixMillis::new(time.as_millisecond()))
}

fn pem_files(folder: &Path) -> Result<Vec<PathBuf>, KeysError> {
    let unreadable = |source| KeysError::Unreadable { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|end| end == "pem") {
            files.push(path);
        }
    }
    Ok(files)
}

fn make_folder(folder: &Path) -> Result<(), KeysError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|source| KeysError::Unwritable { path: folder.to_owned(), source })
}

/// Makes a key that appears at `now`, or a second after the last one where that is not
/// later: its name must make it the newest. It is in a file of mode 0600 that is complete as soon
/// as it has its name.
fn make_key(
    folder: &Path,
    algorithm: SigningAlgorithm,
    now: UnixMillis,
) -> Result<(String, PathBuf), KeysError> {
    let not_made = |error| KeysError::NotAKey { path: folder.to_owned(), error };
    let key = SigningKey::generate(algorithm).map_err(not_made)?;
    let pem = key.to_pem().map_err(not_made)?;
    let others = pem_files(folder)?;
    let last = others.iter().filter_map(|path| named_time(path)).max();
    let appears = last.map_or(now, |last| now.max(last.after(Duration::from_secs(1))));
    let time = Timestamp::from_millisecond(appears.millis()).unwrap_or(Timestamp::UNIX_EPOCH);
    let short: String = key.kid().chars().filter(char::is_ascii_alphanumeric).take(8).collect();
    let path = folder.join(format!("{}-{short}.pem", time.strftime(NAME)));
    let draft = folder.join(format!(".{short}.draft"));
    let unwritable = |source| KeysError::Unwritable { path: path.clone(), source };
    let mut options = OpenOptions::new();
    let mut file =
        options.write(true).create_new(true).mode(0o600).open(&draft).map_err(unwritable)?;
    file.write_all(pem.as_bytes()).and_then(|()| file.sync_all()).map_err(unwritable)?;
    std::fs::rename(&draft, &path).map_err(unwritable)?;
    Ok((key.kid().to_owned(), path))
}

#[cfg(test)]
mod tests;
