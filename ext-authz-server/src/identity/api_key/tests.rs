use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::store::{Durability, SqliteStore};

const NOW: UnixMillis = UnixMillis::new(1_800_000_000_000);
const DAY: Duration = Duration::from_hours(24);

fn key(seed: u8) -> ApiKey {
    ApiKey::new([seed; ID_BYTES], Zeroizing::new([seed; SECRET_BYTES]))
}

fn new(name: &str, owner: &str, lasts: Duration) -> Result<NewApiKey, ApiKeyError> {
    NewApiKey::new(name, owner, ["batch".parse().unwrap()].into(), lasts)
}

struct Place {
    _folder: tempfile::TempDir,
    store: Arc<SqliteStore>,
    book: ApiKeyBook,
    keys: ApiKeys,
}

impl Place {
    fn opened() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let store = Arc::new(SqliteStore::open(&path, Durability::Normal).unwrap());
        let book = ApiKeyBook::new(store.clone());
        Self { _folder: folder, store, book, keys: ApiKeys::new() }
    }

    async fn create(&self, key: &ApiKey, name: &str, owner: &str) -> Result<(), ApiKeyError> {
        let new = new(name, owner, DAY)?;
        let order = ApiKeyOrder { new: &new, key, by: "ada" };
        self.book.create(&order, NOW).await.map(drop)
    }

    async fn code(&self, key: &ApiKey, now: UnixMillis) -> &'static str {
        self.keys.refresh(&*self.store, now).await.unwrap();
        let checked = self.keys.check(key, &GroupPatterns::default(), now);
        checked.map_or_else(|error| error.code(), |_| "good")
    }
}

#[tokio::test]
async fn a_key_proves_the_automation_that_it_was_made_for() {
    let place = Place::opened();
    place.create(&key(1), "nightly", "corp-idp/ada").await.unwrap();
    assert_eq!(place.code(&key(1), NOW).await, "good");
    let pattern = "api-key/*".parse().unwrap();
    let patterns = GroupPatterns::new([("keys".parse().unwrap(), vec![pattern])].into());
    let good = place.keys.check(&key(1), &patterns, NOW).unwrap();
    assert_eq!(good.hop.principal.to_string(), "api-key/nightly");
    assert_eq!(good.hop.credential, CredentialKind::ApiKey);
    assert_eq!(good.hop.assurance, Assurance::Proven);
    assert_eq!(good.hop.attributes["owner"], "corp-idp/ada");
    assert_eq!(good.hop.owner(), "corp-idp/ada".parse().ok());
    let groups: Vec<_> = good.hop.groups.iter().map(ToString::to_string).collect();
    assert_eq!(groups, ["batch", "keys"]);
    assert_eq!(good.expires_at, NOW.after(DAY));
}

#[tokio::test]
async fn a_key_is_known_by_its_secret_and_not_by_its_id() {
    let place = Place::opened();
    place.create(&key(1), "nightly", "ada").await.unwrap();
    assert_eq!(place.code(&key(2), NOW).await, "api_key_unknown");
    for byte in 0..SECRET_BYTES {
        let mut other = key(1);
        other.secret[byte] ^= 1;
        assert_eq!(place.code(&other, NOW).await, "api_key_unknown");
    }
    let events = place.store.api_keys_after(0, book::PAGE).await.unwrap();
    let entries = place.store.entries_after(0, book::PAGE).await.unwrap();
    let stored = format!("{events:?}{entries:?}");
    assert!(!stored.contains(&"01".repeat(SECRET_BYTES)), "the secret is not stored");
}

#[tokio::test]
async fn a_key_ends_by_its_time_or_by_hand() {
    let place = Place::opened();
    place.create(&key(1), "nightly", "ada").await.unwrap();
    place.create(&key(2), "nightly", "ada").await.unwrap();
    let end = NOW.after(DAY);
    assert_eq!(place.code(&key(1), UnixMillis::new(end.millis() - 1)).await, "good");
    assert_eq!(place.code(&key(1), end).await, "api_key_expired");
    place.book.revoke(key(1).id(), "bob", NOW).await.unwrap();
    assert_eq!(place.code(&key(1), NOW).await, "revoked");
    assert_eq!(place.code(&key(2), NOW).await, "good", "the other key of that name");
    assert_eq!(place.book.revoke(key(1).id(), "bob", NOW).await, Err(ApiKeyError::NotFound));
    assert_eq!(place.book.revoke(key(3).id(), "bob", NOW).await, Err(ApiKeyError::NotFound));
    let states: Vec<_> =
        place.book.list().await.unwrap().iter().map(|key| key.state(NOW)).collect();
    assert_eq!(states, ["revoked", "good"]);
    let entries = place.store.entries_after(0, book::PAGE).await.unwrap();
    assert_eq!(entries.len(), 3, "each change and nothing else is recorded");

    let late = end.after(DAY * 31);
    assert_eq!(place.code(&key(2), late).await, "api_key_unknown", "forgotten in memory");
    place.book.forget(late).await.unwrap();
    assert!(place.book.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_name_belongs_to_one_owner() {
    let place = Place::opened();
    place.create(&key(1), "nightly", "ada").await.unwrap();
    assert_eq!(place.create(&key(2), "nightly", "eve").await, Err(ApiKeyError::NameTaken));
    place.create(&key(3), "nightly", "ada").await.unwrap();
}

#[test]
fn an_owner_and_an_end_within_90_days_are_mandatory() {
    assert!(new("nightly-2.x", "ada", DAY * 90).is_ok());
    let long = "x".repeat(65);
    for name in ["", "Nightly", "a/b", "a b", "ä", &long] {
        assert_eq!(new(name, "ada", DAY).unwrap_err(), ApiKeyError::Name, "{name}");
    }
    for owner in ["", "  ", "a\nb", &"x".repeat(257)] {
        assert_eq!(new("a", owner, DAY).unwrap_err(), ApiKeyError::Owner, "{owner:?}");
    }
    for lasts in [Duration::ZERO, DAY * 90 + Duration::from_secs(1), Duration::MAX] {
        assert_eq!(new("a", "ada", lasts).unwrap_err(), ApiKeyError::Life, "{lasts:?}");
    }
}

#[test]
fn no_key_is_good_while_the_store_cannot_be_read() {
    let keys = ApiKeys::new();
    let error = keys.check(&key(1), &GroupPatterns::default(), NOW).unwrap_err();
    assert_eq!(error.code(), "api_keys_unavailable");
}

#[test]
fn a_key_reads_back_what_it_writes_and_does_not_print() {
    let (one, other) = (ApiKey::generate().unwrap(), ApiKey::generate().unwrap());
    let text = one.reveal();
    assert!(ApiKey::is_meant_by(&text) && text.len() == 4 + 16 + 1 + 64);
    let read = ApiKey::parse(&text).unwrap();
    assert_eq!((read.id(), read.hash()), (one.id(), one.hash()));
    assert_ne!(one.hash(), other.hash());
    let secret = text.rsplit('_').next().unwrap();
    assert!(!format!("{one:?}").contains(secret));
}

proptest! {
    #[test]
    fn no_other_text_is_a_key(text in "chp_[0-9a-fA-F_]{78,84}|\\PC{0,99}") {
        match ApiKey::parse(&text) {
            Ok(key) => {
                let written = key.reveal();
                prop_assert_eq!(written.as_str(), text.as_str());
            }
            Err(error) => prop_assert_eq!(error.code(), "malformed"),
        }
    }
}
