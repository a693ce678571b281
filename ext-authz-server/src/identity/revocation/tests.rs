use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::audit::AuditLog;
use crate::identity::chain::{Assurance, Hop};
use crate::store::{Durability, RevocationKind, SqliteStore, StoreError};

const NOW: UnixMillis = UnixMillis::new(1_800_000_000_000);
const HOUR: Duration = Duration::from_hours(1);

fn alias(text: &str) -> IssuerAlias {
    text.parse().unwrap()
}

fn chain(principals: &[&str]) -> Chain {
    let hop = |principal: &&str| {
        Hop::new(principal.parse().unwrap(), Assurance::Attested, BTreeSet::new())
    };
    Chain::new(principals.iter().map(hop).collect()).unwrap()
}

fn target(kind: RevocationKind, text: &str) -> RevocationTarget {
    let known = ["github", "platform"].map(alias);
    RevocationTarget::parse(kind, text, &known).unwrap()
}

/// A store on disk, and what a server that has it open knows.
struct Place {
    _folder: tempfile::TempDir,
    store: Arc<SqliteStore>,
    book: RevocationBook,
    revocations: Revocations,
    next: AtomicU32,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let store = Arc::new(SqliteStore::open(&path, Durability::Normal).unwrap());
        Self {
            _folder: folder,
            book: RevocationBook::new(store.clone()),
            store,
            revocations: Revocations::new(),
            next: AtomicU32::new(1),
        }
    }

    async fn revoke(&self, kind: RevocationKind, text: &str) -> Revocation {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let id = RevocationId::new(Uuid::from_u128(next.into()));
        let target = target(kind, text);
        let order =
            RevocationOrder { target: &target, reason: Some("leaked"), by: "ada", lasts: HOUR, id };
        self.book.revoke(&order, NOW).await.unwrap()
    }

    async fn refresh(&self, now: UnixMillis) {
        self.revocations.refresh(&*self.store, now).await.unwrap();
    }

    /// Whether a call of that chain, by a token of `platform`, is refused.
    fn refuses(&self, principals: &[&str], jti: &str, kid: &str) -> bool {
        let platform = alias("platform");
        let ids = [CredentialId::Token(&platform, jti), CredentialId::Key(&platform, kid)];
        match self.revocations.check(&chain(principals), ids, NOW) {
            Ok(()) => false,
            Err(error) => {
                assert_eq!(error.code(), "revoked");
                true
            }
        }
    }
}

const CHAIN: [&str; 3] = ["github/job", "platform/script", "platform/container"];

#[tokio::test]
async fn whatever_descends_from_what_was_revoked_is_refused_and_nothing_else() {
    use RevocationKind::{ChainRoot, IssuerKey, Jti, Subject};
    for (kind, text, refused) in [
        (Subject, "github/job", true),
        (Subject, "platform/script", true),
        (Subject, "platform/container", true),
        (Subject, "platform/job", false),
        (Subject, "github/script", false),
        (ChainRoot, "github/job", true),
        (ChainRoot, "platform/script", false),
        (ChainRoot, "platform/container", false),
        (Jti, "t-1", true),
        (Jti, "platform/t-1", true),
        (Jti, "*/t-1", true),
        (Jti, "github/t-1", false),
        (Jti, "t-2", false),
        (Jti, "k-1", false),
        (IssuerKey, "platform/k-1", true),
        (IssuerKey, "github/k-1", false),
        (IssuerKey, "platform/t-1", false),
    ] {
        let place = Place::new();
        place.refresh(NOW).await;
        assert!(!place.refuses(&CHAIN, "t-1", "k-1"));
        place.revoke(kind, text).await;
        assert!(!place.refuses(&CHAIN, "t-1", "k-1"), "it was not read yet");
        place.refresh(NOW).await;
        assert_eq!(place.refuses(&CHAIN, "t-1", "k-1"), refused, "{kind:?} {text}");
    }
}

#[tokio::test]
async fn a_revocation_counts_until_it_is_over_or_lifted() {
    let place = Place::new();
    let first = place.revoke(RevocationKind::Subject, "github/job").await;
    let second = place.revoke(RevocationKind::Subject, "github/job").await;
    place.refresh(NOW).await;
    assert_eq!(place.revocations.count(NOW), Some(2));
    place.book.lift(first.id, "bob", NOW).await.unwrap();
    place.refresh(NOW).await;
    assert!(place.refuses(&CHAIN, "t", "k"), "the other one still counts");
    assert_eq!(place.book.active(NOW).await.unwrap(), vec![second.clone()]);
    assert_eq!(place.book.lift(first.id, "bob", NOW).await, Err(RevocationError::NotFound));
    place.book.lift(second.id, "bob", NOW).await.unwrap();
    place.refresh(NOW).await;
    assert!(!place.refuses(&CHAIN, "t", "k"));

    let third = place.revoke(RevocationKind::Subject, "github/job").await;
    place.refresh(NOW).await;
    let check = |now| place.revocations.check(&chain(&CHAIN), [], now);
    let last = UnixMillis::new(third.expires_at.millis() - 1);
    assert_eq!(check(last), Err(IdentityError::Revoked { by: Some(third.id) }));
    assert_eq!(check(third.expires_at), Ok(()), "over, though still in memory");
    assert_eq!(place.revocations.count(NOW), Some(1));
    assert_eq!(place.revocations.count(third.expires_at), Some(0));
    place.refresh(third.expires_at.after(HOUR)).await;
    assert_eq!(place.revocations.count(NOW), Some(0), "dropped from memory");
    let gone = place.book.lift(third.id, "bob", third.expires_at).await;
    assert_eq!(gone, Err(RevocationError::NotFound));
}

#[tokio::test]
async fn a_clock_that_jumps_ahead_and_back_loses_no_revocation() {
    let place = Place::new();
    place.revoke(RevocationKind::Subject, "github/job").await;
    let ahead = NOW.after(HOUR + Duration::from_mins(59));
    place.refresh(ahead).await;
    assert_eq!(place.revocations.count(ahead), Some(0), "over, as that clock has it");
    place.refresh(NOW).await;
    assert_eq!(place.revocations.count(NOW), Some(1));
    assert!(place.refuses(&CHAIN, "t", "k"));
}

#[tokio::test]
async fn what_is_over_leaves_the_store_after_a_while_and_stays_in_the_audit_log() {
    let place = Place::new();
    let revocation = place.revoke(RevocationKind::Jti, "t-1").await;
    let rows = async || place.store.revocations_after(0, book::PAGE).await.unwrap().len();
    place.book.forget(revocation.expires_at.after(HOUR)).await.unwrap();
    assert_eq!(rows().await, 1, "a server with a slow clock still needs it");
    place.book.forget(revocation.expires_at.after(HOUR * 2)).await.unwrap();
    assert_eq!(rows().await, 0);
    let log = AuditLog::new(place.store.clone());
    let entries = log.entries_after(0, book::PAGE).await.unwrap();
    assert_eq!(entries.len(), 1);
    let body: serde_json::Value = entries[0].draft.body.parse().unwrap();
    assert_eq!(entries[0].draft.kind.name(), "revocation");
    for (member, value) in [
        ("event", "revoked"),
        ("kind", "jti"),
        ("value", "t-1"),
        ("by", "ada"),
        ("reason", "leaked"),
        ("revocation_id", &revocation.id.to_string()),
    ] {
        assert_eq!(body[member], value, "{member}");
    }
    assert!(log.verify(None).await.unwrap().is_intact());
}

#[tokio::test]
async fn every_change_has_its_record_and_one_that_did_not_happen_has_none() {
    let place = Place::new();
    let revocation = place.revoke(RevocationKind::Subject, "github/job").await;
    place.book.lift(revocation.id, "bob", NOW).await.unwrap();
    place.book.lift(revocation.id, "bob", NOW).await.unwrap_err();
    let entries = place.store.entries_after(0, book::PAGE).await.unwrap();
    let told: Vec<_> = entries
        .iter()
        .map(|entry| {
            let body: serde_json::Value = entry.draft.body.parse().unwrap();
            format!("{} by {}", body["event"], body["by"])
        })
        .collect();
    assert_eq!(told, ["\"revoked\" by \"ada\"", "\"lifted\" by \"bob\""]);
}

#[test]
fn nobody_gets_in_while_it_is_not_known_who_was_revoked() {
    let revocations = Revocations::new();
    let check = || revocations.check(&chain(&CHAIN), [], NOW);
    let unavailable = IdentityError::RevocationsUnavailable;
    assert_eq!(check(), Err(unavailable.clone()), "nothing was read yet");
    assert_eq!(revocations.count(NOW), None);
    revocations.lists.keep(Arc::default(), Instant::now());
    assert_eq!(check(), Ok(()));
    let long_ago = Instant::now().checked_sub(Duration::from_secs(6)).unwrap();
    revocations.lists.keep(Arc::default(), long_ago);
    assert_eq!(check(), Err(unavailable.clone()));
    assert_eq!(unavailable.fault(), crate::identity::Fault::Operator);
}

#[tokio::test]
async fn a_store_that_cannot_be_read_leaves_what_was_read_before() {
    let place = Place::new();
    place.revoke(RevocationKind::Subject, "github/job").await;
    place.refresh(NOW).await;
    place.revoke(RevocationKind::Jti, "t-9").await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let broken = SqliteStore::open(&path, Durability::Normal).unwrap();
    std::fs::write(&path, "no database").unwrap();
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(folder.path().join(format!("store.db{suffix}")));
    }
    let failed = place.revocations.refresh(&broken, NOW).await;
    assert!(matches!(failed, Err(RevocationError::Store(StoreError::Corrupt(_)))), "{failed:?}");
    assert!(place.refuses(&CHAIN, "t", "k"));
    assert!(!place.refuses(&["github/other"], "t-9", "k"));
}

#[tokio::test]
async fn thousands_are_read_in_pages_and_each_counts() {
    let place = Place::new();
    let target = |nth: u128| RevocationTarget::Jti { issuer: None, jti: format!("t-{nth}") };
    let changes = (0..2500_u128).map(|nth| {
        let target = target(nth);
        crate::store::RevocationChange::Revoke(crate::store::RevocationRow {
            id: RevocationId::new(Uuid::from_u128(nth)).to_string(),
            kind: target.kind(),
            issuer: None,
            value: target.value().to_owned(),
            reason: None,
            by: "ada".to_owned(),
            at: NOW,
            expires_at: NOW.after(HOUR),
        })
    });
    let batch =
        crate::store::Batch { revocations: changes.collect(), ..crate::store::Batch::default() };
    place.store.commit(batch).await.unwrap();
    place.refresh(NOW).await;
    assert_eq!(place.revocations.count(NOW), Some(2500));
    for nth in [0, 999, 1000, 1001, 2499] {
        assert!(place.refuses(&["github/x"], &format!("t-{nth}"), "k"), "{nth}");
    }
    assert!(!place.refuses(&["github/x"], "t-2500", "k"));
    assert_eq!(place.book.active(NOW).await.unwrap().len(), 2500);
}

proptest! {
    /// Whoever descends from a chain that is refused is refused: hops are only added.
    #[test]
    fn adding_a_hop_never_brings_a_revoked_chain_back(
        hops in proptest::collection::vec("(github|platform)/[ab]", 1..5),
        more in proptest::collection::vec("(github|platform)/[abc]", 0..4),
        revoked in "(github|platform)/[ab]", kind in 0..2_usize,
    ) {
        let kind = [RevocationKind::Subject, RevocationKind::ChainRoot][kind];
        let revocation = Revocation {
            id: RevocationId::new(Uuid::from_u128(1)),
            target: target(kind, &revoked),
            reason: None,
            by: String::new(),
            created_at: NOW,
            expires_at: NOW.after(HOUR),
        };
        let lists = Lists::new([(revocation.id.to_string(), revocation)].into(), 1);
        let found = |hops: &[String]| {
            let hops: Vec<_> = hops.iter().map(String::as_str).collect();
            lists.found(&chain(&hops), [], NOW).is_some()
        };
        let before = found(&hops);
        let named = match kind {
            RevocationKind::ChainRoot => hops[0] == revoked,
            _ => hops.contains(&revoked),
        };
        prop_assert_eq!(before, named);
        let after = found(&[hops, more].concat());
        prop_assert!(after || !before);
    }
}
