//! The keys on disk: read strictly, made where there is none, followed when they
//! change.
//!
//! A folder's keys are in the order of the times in their names
//! (`20261124T093000Z.pem`), or of their files' own times. Removing a file takes its
//! key out of service at once. A single file's key goes on signing after the file was
//! replaced, until the new one may sign.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read as _, Write as _};
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
    /// The files are not good any more; the keys stay as they were.
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

/// A key and when it appeared.
#[derive(Clone, Debug)]
struct Held {
    key: Arc<SigningKey>,
    appeared: UnixMillis,
}

/// The keys in their order, the oldest first: at least one.
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

    /// Looks at the files once, and lets time have its effect. A file that is not good
    /// changes nothing: the keys stay as they were, and what is wrong is told once.
    pub fn look(&self, now: UnixMillis) -> Option<KeyChange> {
        match read_ring(&self.settings.place) {
            Ok(ring) => {
                let ring = match &self.settings.place {
                    KeysIn::Folder(_) => ring,
                    KeysIn::File(_) => ring.after(self.still_published(now)),
                };
                self.ring.store(Arc::new(ring));
                self.lock().refused = None;
                self.publish(now)
            }
            Err(error) => {
                let changed = self.publish(now);
                let error = error.to_string();
                let mut seen = self.lock();
                if changed.is_some() || seen.refused.as_ref() == Some(&error) {
                    return changed;
                }
                tracing::error!(%error, "the signing keys are not good, the last ones stay");
                seen.refused = Some(error.clone());
                Some(KeyChange::Refused { error })
            }
        }
    }

    /// Adds a key to the folder of `settings`; gives its name and its file.
    pub fn rotate(settings: &KeySettings, now: UnixMillis) -> Result<(String, PathBuf), KeysError> {
        let KeysIn::Folder(folder) = &settings.place else { return Err(KeysError::NotAFolder) };
        make_folder(folder)?;
        make_key(folder, settings.algorithm, now)
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
                Ok(keys) => self.published.replace(keys),
                Err(error) => tracing::error!(%error, "our own keys cannot be published"),
            }
            seen.published = published;
        }
        let signer = health.into_iter().find(|key| key.state == KeyState::Signing)?.kid;
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

impl Ring {
    /// These keys after those that were there before, for a file that was replaced.
    fn after(self, mut before: Vec<Held>) -> Self {
        before.retain(|held| self.0.iter().all(|key| key.key.kid() != held.key.kid()));
        let mut keys = before;
        keys.extend(self.0);
        keys.sort_by_key(|held| held.appeared);
        Self(keys)
    }
}

fn read_ring(place: &KeysIn) -> Result<Ring, KeysError> {
    let mut files = match place {
        KeysIn::File(file) => vec![file.clone()],
        KeysIn::Folder(folder) => pem_files(folder)?,
    };
    files.sort();
    let mut keys = files.iter().map(|file| read_key(file)).collect::<Result<Vec<_>, _>>()?;
    // Names decide between keys of one moment: the sort keeps their order.
    keys.sort_by_key(|held| held.appeared);
    keys.dedup_by(|later, earlier| later.key.kid() == earlier.key.kid());
    if keys.is_empty() {
        let (KeysIn::File(path) | KeysIn::Folder(path)) = place;
        return Err(KeysError::Empty(path.clone()));
    }
    Ok(Ring(keys))
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
    Ok(Held { key: Arc::new(key), appeared })
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
