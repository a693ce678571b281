use std::os::unix::fs::PermissionsExt as _;

use super::*;

const AHEAD: Duration = Duration::from_secs(100);
const LINGER: Duration = Duration::from_secs(50);

/// A folder of keys that goes when the test ends.
struct Keys {
    folder: tempfile::TempDir,
    published: OwnKeys,
}

impl Keys {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), published: OwnKeys::default() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("keys")
    }

    fn settings(&self) -> KeySettings {
        let (place, algorithm) = (KeysIn::Folder(self.path()), SigningAlgorithm::Es256);
        KeySettings { place, algorithm, publish_ahead: AHEAD, linger: LINGER }
    }

    fn open(&self, now: i64) -> Result<SigningKeys, KeysError> {
        SigningKeys::open(self.settings(), self.published.clone(), at(now))
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut files = pem_files(&self.path()).unwrap();
        files.sort();
        files
    }
}

/// So many seconds after a day in 2027.
const fn at(seconds: i64) -> UnixMillis {
    UnixMillis::new((1_800_000_000 + seconds) * 1000)
}

fn published(keys: &SigningKeys, now: i64) -> Vec<String> {
    let jwks = keys.jwks(at(now));
    let keys = jwks["keys"].as_array().unwrap();
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn signer(keys: &SigningKeys, now: i64) -> String {
    keys.signer(at(now)).unwrap().kid().to_owned()
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn the_first_key_is_made_for_its_owner_only_and_found_again() {
    let keys = Keys::new();
    let first = keys.open(0).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!((mode(&keys.path()), mode(&keys.files()[0])), (0o700, 0o600));
    assert_eq!(signer(&keys.open(5).unwrap(), 5), signer(&first, 0));
    assert_eq!(keys.files().len(), 1);
    assert_eq!(keys.published.count(), 1);
}

#[test]
fn a_rotated_key_is_published_then_signs_then_the_old_one_goes() {
    let files = Keys::new();
    let keys = files.open(0).unwrap();
    let old = signer(&keys, 0);
    let (new, _) = SigningKeys::rotate(&files.settings(), at(1000)).unwrap();
    assert_eq!(keys.look(at(1001)), None);
    assert_eq!(published(&keys, 1001), [old.clone(), new.clone()]);
    assert_eq!(files.published.count(), 2);
    assert_eq!(signer(&keys, 1099), old);
    assert_eq!(keys.look(at(1100)), Some(KeyChange::Signs { kid: new.clone() }));
    assert_eq!(signer(&keys, 1100), new);
    assert_eq!(published(&keys, 1149), [old, new.clone()]);
    assert_eq!(keys.look(at(1150)), None);
    assert_eq!(published(&keys, 1150), [new]);
    assert_eq!(files.published.count(), 1);
}

#[test]
fn a_rotated_key_is_the_newest_even_in_the_same_second() {
    let files = Keys::new();
    let keys = files.open(0).unwrap();
    let mut last = String::new();
    for _ in 0..5 {
        last = SigningKeys::rotate(&files.settings(), at(0)).unwrap().0;
    }
    keys.look(at(0));
    assert_eq!(signer(&keys, 200), last);
}

#[test]
fn a_key_whose_file_is_removed_is_trusted_no_more() {
    let files = Keys::new();
    let keys = files.open(0).unwrap();
    let (new, _) = SigningKeys::rotate(&files.settings(), at(1000)).unwrap();
    keys.look(at(1001));
    std::fs::remove_file(&files.files()[0]).unwrap();
    assert_eq!(keys.look(at(1002)), Some(KeyChange::Signs { kid: new.clone() }));
    assert_eq!(published(&keys, 1002), [new]);
}

#[test]
fn the_last_key_leaves_with_its_file_and_is_told_again_when_it_is_back() {
    let files = Keys::new();
    let keys = files.open(0).unwrap();
    let (only, file) = (signer(&keys, 0), files.files()[0].clone());
    let aside = file.with_extension("aside");
    std::fs::rename(&file, &aside).unwrap();
    let told = keys.look(at(1));
    assert!(matches!(&told, Some(KeyChange::Refused { error }) if error.ends_with("has no key")));
    assert!(keys.signer(at(1)).is_none());
    assert_eq!((published(&keys, 1), files.published.count()), (Vec::new(), 0));
    assert_eq!((keys.health(at(1)), keys.look(at(2))), (Vec::new(), None));
    std::fs::rename(&aside, &file).unwrap();
    assert_eq!(keys.look(at(3)), Some(KeyChange::Signs { kid: only.clone() }));
    assert_eq!((signer(&keys, 3), files.published.count()), (only, 1));
    // The folder as a whole is no different, nor is a single file.
    std::fs::remove_dir_all(files.path()).unwrap();
    keys.look(at(4));
    assert!(keys.signer(at(4)).is_none());
}

#[test]
fn a_bad_file_does_not_keep_a_removed_key() {
    let files = Keys::new();
    let keys = files.open(0).unwrap();
    let (new, _) = SigningKeys::rotate(&files.settings(), at(1000)).unwrap();
    keys.look(at(1001));
    std::fs::write(files.path().join("z.pem"), "no key").unwrap();
    std::fs::remove_file(&files.files()[0]).unwrap();
    assert_eq!(keys.look(at(1002)), Some(KeyChange::Signs { kid: new.clone() }));
    assert_eq!((published(&keys, 1002), signer(&keys, 1002)), (vec![new.clone()], new));
    let told = keys.look(at(1003));
    assert!(matches!(&told, Some(KeyChange::Refused { error }) if error.contains("z.pem")));
    std::fs::remove_file(&files.files()[0]).unwrap();
    let told = keys.look(at(1004));
    assert!(matches!(&told, Some(KeyChange::Refused { error }) if error.contains("has no key")));
    assert!(keys.signer(at(1004)).is_none());
    assert_eq!(files.published.count(), 0);
}

#[test]
fn a_key_whose_file_turns_bad_stays_until_the_file_goes() {
    let files = Keys::new();
    let keys = files.open(0).unwrap();
    let good = signer(&keys, 0);
    std::fs::write(&files.files()[0], "half a k").unwrap();
    assert!(matches!(keys.look(at(1)), Some(KeyChange::Refused { .. })));
    assert_eq!(signer(&keys, 1), good);
    std::fs::remove_file(&files.files()[0]).unwrap();
    keys.look(at(2));
    assert!(keys.signer(at(2)).is_none());
}

#[test]
fn a_single_file_that_is_removed_takes_its_keys_with_it() {
    let other = Keys::new();
    other.open(0).unwrap();
    let file = other.files()[0].clone();
    let settings = KeySettings { place: KeysIn::File(file.clone()), ..other.settings() };
    let keys = SigningKeys::open(settings, other.published.clone(), at(500)).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(keys.look(at(501)), Some(KeyChange::Refused { .. })));
    assert!(keys.signer(at(501)).is_none());
    assert_eq!(other.published.count(), 0);
}

#[test]
fn a_file_that_is_replaced_signs_on_until_the_new_key_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key.pem");
    let write = |seconds: i64| {
        let key = SigningKey::generate(SigningAlgorithm::EdDsa).unwrap();
        std::fs::write(&file, key.to_pem().unwrap().as_bytes()).unwrap();
        chmod(&file, 0o600);
        let time = UNIX_EPOCH + Duration::from_millis(at(seconds).millis().unsigned_abs());
        File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
        key.kid().to_owned()
    };
    let settings = KeySettings { place: KeysIn::File(file.clone()), ..Keys::new().settings() };
    let old = write(0);
    let keys = SigningKeys::open(settings.clone(), OwnKeys::default(), at(500)).unwrap();
    let new = write(1000);
    assert_eq!(keys.look(at(1001)), None);
    assert_eq!(
        (published(&keys, 1001), signer(&keys, 1001)),
        (vec![old.clone(), new.clone()], old)
    );
    assert_eq!(keys.look(at(1100)), Some(KeyChange::Signs { kid: new.clone() }));
    keys.look(at(1200));
    assert_eq!(published(&keys, 1200), [new]);
    assert!(matches!(SigningKeys::rotate(&settings, at(0)), Err(KeysError::NotAFolder)));
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    let files = Keys::new();
    files.open(0).unwrap();
    let file = files.files()[0].clone();
    for mode in [0o640, 0o604, 0o660] {
        chmod(&file, mode);
        let told = files.open(1).unwrap_err().to_string();
        assert!(told.contains("chmod 600"), "{told}");
    }
    chmod(&file, 0o400);
    assert!(files.open(1).is_ok());
}

#[test]
fn a_bad_file_changes_nothing_and_is_told_once() {
    let files = Keys::new();
    let keys = files.open(0).unwrap();
    let good = signer(&keys, 0);
    let bad = files.path().join("z.pem");
    std::fs::write(&bad, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").unwrap();
    chmod(&bad, 0o600);
    let told = keys.look(at(1));
    assert!(
        matches!(&told, Some(KeyChange::Refused { error }) if error.contains("z.pem")),
        "{told:?}"
    );
    assert_eq!((keys.look(at(2)), signer(&keys, 2)), (None, good.clone()));
    std::fs::remove_file(&bad).unwrap();
    std::fs::write(files.path().join(".hidden.pem"), "an editor's own").unwrap();
    assert_eq!((keys.look(at(3)), signer(&keys, 3)), (None, good));
}

#[test]
fn the_time_in_a_name_counts_before_that_of_the_file() {
    let time = |name: &str| named_time(Path::new(name)).map(UnixMillis::seconds);
    assert_eq!(time("/k/20270115T080000Z.pem"), Some(1_800_000_000));
    assert_eq!(time("20270115T080001Z-abc.pem"), Some(1_800_000_001));
    assert_eq!(time("signing.pem"), None);
    assert_eq!(time("20271315T080000Z.pem"), None);
}
