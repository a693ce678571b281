//! What was revoked, and who has an API key: real tokens, a real store.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use chaperone_inspection::digest::Digest;
use uuid::Uuid;

use super::*;
use crate::identity::{
    ApiKey, ApiKeyBook, ApiKeyOrder, CredentialKind, NewApiKey, POLL, RevocationBook, RevocationId,
    RevocationOrder, RevocationTarget, Withdrawals,
};
use crate::store::{
    ApiKeyChange, ApiKeyRow, Batch, Durability, RevocationChange, RevocationKind, RevocationRow,
    SqliteStore, Store,
};
use crate::time::Clock;

/// A clock that stands still.
struct Still;

impl Clock for Still {
    fn now(&self) -> UnixMillis {
        UnixMillis::new(NOW * 1000)
    }
}

struct Place {
    _folder: tempfile::TempDir,
    store: Arc<dyn Store>,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("store.db"), Durability::Normal);
        Self { _folder: folder, store: Arc::new(store.unwrap()) }
    }

    async fn revoke(&self, kind: RevocationKind, text: &str) -> RevocationId {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let known = ["github", "platform", "corp-idp", "api-key"].map(alias);
        let target = RevocationTarget::parse(kind, text, &known).unwrap();
        let id = Uuid::from_u128(NEXT.fetch_add(1, Ordering::Relaxed).into());
        let order = RevocationOrder {
            target: &target,
            reason: None,
            by: "ada",
            lasts: Duration::from_hours(1),
            id: RevocationId::new(id),
        };
        RevocationBook::new(Arc::clone(&self.store)).revoke(&order, Still.now()).await.unwrap().id
    }

    async fn create(&self, name: &str) -> ApiKey {
        let (key, lasts) = (ApiKey::generate().unwrap(), Duration::from_hours(1));
        let new = NewApiKey::new(name, "ada", ["batch".parse().unwrap()].into(), lasts).unwrap();
        let order = ApiKeyOrder { new: &new, key: &key, by: "ada" };
        ApiKeyBook::new(Arc::clone(&self.store)).create(&order, Still.now()).await.unwrap();
        key
    }

    /// What a server reads of it now.
    async fn read(&self) -> Arc<Withdrawals> {
        let withdrawals = Withdrawals::new(Arc::clone(&self.store));
        withdrawals.read(Still.now()).await.unwrap();
        Arc::new(withdrawals)
    }
}

impl World {
    async fn knowing(self, place: &Place) -> Self {
        let withdrawals = place.read().await;
        Self { authenticator: self.authenticator.with_withdrawals(withdrawals), ..self }
    }

    /// A token of the platform: the job of GitHub, a script of its own, a container.
    fn nested(&self, jti: &str) -> String {
        let act = json!({ "sub": "container", "act": { "sub": "script" } });
        let root = json!({ "format": "iss_sub", "iss": iss("github"), "sub": "job" });
        self.platform.mint(&claims("platform", &json!({ "sub_id": root, "act": act, "jti": jti })))
    }
}

#[tokio::test]
async fn tokens_never_seen_before_are_refused_for_what_they_descend_from() {
    use RevocationKind::{ChainRoot, IssuerKey, Jti, Subject};
    for (kind, text, nested, job) in [
        (Subject, "github/job", "revoked", "revoked"),
        (Subject, "platform/script", "revoked", "accepted"),
        (Subject, "platform/container", "revoked", "accepted"),
        (ChainRoot, "github/job", "revoked", "revoked"),
        (ChainRoot, "platform/script", "accepted", "accepted"),
        (IssuerKey, "platform/p", "revoked", "accepted"),
        (IssuerKey, "github/g", "accepted", "revoked"),
        (IssuerKey, "github/p", "accepted", "accepted"),
        (Jti, "platform/n-1", "revoked", "accepted"),
        (Jti, "t-1", "accepted", "revoked"),
    ] {
        let place = Place::new();
        let id = place.revoke(kind, text).await;
        let world = World::new().knowing(&place).await;
        assert_eq!(world.code(&world.nested("n-1")).await, nested, "{kind:?} {text}");
        let own = world.github.mint(&claims("github", &json!({})));
        assert_eq!(world.code(&own).await, job, "{kind:?} {text}");
        let told = if nested == "revoked" { world.nested("n-1") } else { own };
        if let Err(error) = world.read(&told).await {
            assert!(error.to_string().contains(&id.to_string()), "{error}");
        }
    }
}

#[tokio::test]
async fn a_bad_token_is_refused_for_what_is_wrong_with_it_before_it_is_looked_up() {
    let place = Place::new();
    place.revoke(RevocationKind::Subject, "github/job").await;
    let world = World::new().knowing(&place).await;
    let token = world.github.mint(&claims("github", &json!({ "aud": "orders" })));
    assert_eq!(world.code(&token).await, "audience_mismatch");
    let (signed, _) = token.rsplit_once('.').unwrap();
    assert_eq!(world.code(&format!("{signed}.AAAA")).await, "signature_invalid");
}

#[tokio::test]
async fn both_credentials_of_a_request_are_looked_up() {
    for (kind, text) in [
        (RevocationKind::Jti, "platform/s-1"),
        (RevocationKind::Jti, "github/a-1"),
        (RevocationKind::IssuerKey, "platform/p"),
        (RevocationKind::IssuerKey, "github/g"),
        (RevocationKind::Subject, "platform/ticket"),
        (RevocationKind::Subject, "github/job"),
    ] {
        let place = Place::new();
        let mut world = World::new();
        let second =
            SecondCredential { header: "txn-token".parse().unwrap(), holds: Holds::Subject };
        world.settings.second = Some(second);
        let authorization =
            format!("Bearer {}", world.github.mint(&claims("github", &json!({ "jti": "a-1" }))));
        let changes = json!({ "sub": "ticket", "jti": "s-1" });
        let subject = world.platform.mint(&claims("platform", &changes));
        let presented = Presented {
            authorization: Some(&authorization),
            second: Some(&subject),
            ..Presented::default()
        };
        for expected in ["accepted", "revoked"] {
            let authenticator = Authenticator::new(world.settings.clone()).unwrap();
            let authenticator = authenticator.with_withdrawals(place.read().await);
            let answer =
                authenticator.authenticate(&presented, &Acceptance::default(), Still.now()).await;
            let code = answer.map_or_else(|error| error.code(), |_| "accepted");
            assert_eq!(code, expected, "{kind:?} {text}");
            place.revoke(kind, text).await;
        }
    }
}

#[tokio::test]
async fn every_server_of_a_store_refuses_within_a_second() {
    let place = Place::new();
    let key = place.create("nightly").await;
    let header = format!("Bearer {}", key.reveal().as_str());
    let servers: Vec<_> = (0..2)
        .map(|_| {
            let withdrawals = Arc::new(Withdrawals::new(Arc::clone(&place.store)));
            let reading = tokio::spawn(Arc::clone(&withdrawals).keep_fresh(Arc::new(Still)));
            let world = World::new();
            let authenticator = Authenticator::new(world.settings.clone()).unwrap();
            (world, authenticator.with_withdrawals(withdrawals), reading)
        })
        .collect();
    let acceptance = Acceptance { api_keys: true, ..Acceptance::default() };
    let both = async |code: &str| {
        let asked = Instant::now();
        for (world, authenticator, _) in &servers {
            let token = format!("Bearer {}", world.nested("n-1"));
            for header in [&token, &header] {
                let presented = Presented { authorization: Some(header), ..Presented::default() };
                loop {
                    let answer =
                        authenticator.authenticate(&presented, &acceptance, Still.now()).await;
                    if answer.map_or_else(|error| error.code(), |_| "accepted") == code {
                        break;
                    }
                    assert!(asked.elapsed() < Duration::from_secs(1), "{code} came too late");
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        }
        asked.elapsed()
    };
    both("accepted").await;
    place.revoke(RevocationKind::Subject, "platform/script").await;
    ApiKeyBook::new(Arc::clone(&place.store)).revoke(key.id(), "ada", Still.now()).await.unwrap();
    let took = both("revoked").await;
    assert!(took < POLL * 3, "{took:?}");
    for (_, _, reading) in servers {
        reading.abort();
    }
}

/// The answer to an API key in `Authorization`, in its header, or both.
async fn keyed(
    place: &Place,
    accepted: bool,
    authorization: Option<&str>,
    header: Option<&str>,
) -> Result<Credential, &'static str> {
    let mut world = World::new();
    world.settings.api_key_header = Some("x-api-key".parse().unwrap());
    let authenticator = Authenticator::new(world.settings.clone()).unwrap();
    let authenticator = authenticator.with_withdrawals(place.read().await);
    let authorization = authorization.map(|text| format!("Bearer {text}"));
    let presented = Presented {
        authorization: authorization.as_deref(),
        api_key: header,
        ..Presented::default()
    };
    let acceptance = Acceptance { api_keys: accepted, ..Acceptance::default() };
    let answer = authenticator.authenticate(&presented, &acceptance, Still.now()).await;
    answer.map_err(|error| error.code())
}

#[tokio::test]
async fn an_api_key_is_accepted_only_where_the_service_says_so() {
    let place = Place::new();
    let key = place.create("nightly").await.reveal();
    for (authorization, header) in [(Some(key.as_str()), None), (None, Some(key.as_str()))] {
        let credential = keyed(&place, true, authorization, header).await.unwrap();
        assert_eq!(told(&credential), ["api-key/nightly proven"]);
        assert_eq!(credential.chain.current().credential, CredentialKind::ApiKey);
        assert_eq!(credential.kind, PrincipalKind::Agent);
        assert_eq!(credential.token.issuer, alias("api-key"));
        assert_eq!(credential.chain.current().owner(), None, "`ada` is no principal");
    }
    let code = async |accepted, authorization, header| {
        keyed(&place, accepted, authorization, header).await.unwrap_err()
    };
    assert_eq!(code(false, Some(&*key), None).await, "api_key_not_accepted");
    assert_eq!(code(false, None, Some(&key)).await, "token_missing");
    assert_eq!(code(true, Some(&*key), Some(&key)).await, "malformed", "two credentials");
    assert_eq!(code(true, Some("chp_x"), None).await, "malformed");
    let two = format!("{}, {}", *key, *key);
    assert_eq!(code(true, None, Some(&two)).await, "malformed", "a header that was sent twice");
    assert_eq!(code(true, None, Some("")).await, "malformed");
    let other = ApiKey::generate().unwrap().reveal();
    assert_eq!(code(true, None, Some(&other)).await, "api_key_unknown");
}

#[tokio::test]
async fn an_api_key_is_revoked_as_a_principal_and_by_its_id_too() {
    for kind in [RevocationKind::Subject, RevocationKind::ChainRoot] {
        let place = Place::new();
        let key = place.create("nightly").await.reveal();
        place.revoke(kind, "api-key/nightly").await;
        assert_eq!(keyed(&place, true, Some(&key), None).await.unwrap_err(), "revoked");
    }
    let place = Place::new();
    let key = place.create("nightly").await;
    place.revoke(RevocationKind::Jti, &format!("api-key/{}", key.id())).await;
    assert_eq!(keyed(&place, true, Some(&key.reveal()), None).await.unwrap_err(), "revoked");
}

#[tokio::test]
async fn an_authenticator_that_knows_no_store_knows_no_api_key() {
    let world = World::new();
    let key = format!("Bearer {}", ApiKey::generate().unwrap().reveal().as_str());
    let presented = Presented { authorization: Some(&key), ..Presented::default() };
    let acceptance = Acceptance { api_keys: true, ..Acceptance::default() };
    let refused = world.authenticator.authenticate(&presented, &acceptance, Still.now()).await;
    assert_eq!(refused.unwrap_err().code(), "api_key_unknown");
}

/// What a request's credential is told after it has waited for `waited`.
async fn waiting(
    authenticator: &Authenticator,
    authorization: &str,
    waited: Duration,
    meanwhile: impl AsyncFnOnce(),
) -> &'static str {
    let presented = Presented { authorization: Some(authorization), ..Presented::default() };
    let acceptance = Acceptance { api_keys: true, ..Acceptance::default() };
    let credential = authenticator.authenticate(&presented, &acceptance, Still.now()).await;
    meanwhile().await;
    let answer = authenticator.still_good(&credential.unwrap(), Still.now().after(waited));
    answer.map_or_else(|error| error.code(), |()| "still good")
}

#[tokio::test]
async fn an_api_key_that_is_revoked_while_its_request_waits_is_refused() {
    let place = Place::new();
    let [kept, revoked] = [place.create("nightly").await, place.create("nightly").await];
    let withdrawals = place.read().await;
    let authenticator = World::new().authenticator.with_withdrawals(Arc::clone(&withdrawals));
    for (key, expected) in [(&kept, "still good"), (&revoked, "revoked")] {
        let header = format!("Bearer {}", key.reveal().as_str());
        let told = waiting(&authenticator, &header, Duration::ZERO, async || {
            let book = ApiKeyBook::new(Arc::clone(&place.store));
            if expected == "revoked" {
                book.revoke(key.id(), "ada", Still.now()).await.unwrap();
            }
            withdrawals.read(Still.now()).await.unwrap();
        });
        assert_eq!(told.await, expected);
    }
}

#[tokio::test]
async fn what_descends_from_an_api_key_is_refused_with_it() {
    let place = Place::new();
    let key = place.create("nightly").await;
    let world = World::new();
    let token = world.github.mint(&claims("github", &json!({})));
    let ancestor = crate::identity::Ancestor {
        issuer: alias("api-key"),
        key: None,
        id: Some(key.id().to_string()),
    };
    let mut credential = world.read(&token).await.unwrap();
    Arc::make_mut(&mut credential.token).lineage = vec![ancestor];
    for expected in [Ok(()), Err("revoked")] {
        let authenticator = Authenticator::new(world.settings.clone()).unwrap();
        let authenticator = authenticator.with_withdrawals(place.read().await);
        let told = authenticator.still_good(&credential, Still.now());
        assert_eq!(told.map_err(|error| error.code()), expected);
        if expected.is_ok() {
            let book = ApiKeyBook::new(Arc::clone(&place.store));
            book.revoke(key.id(), "ada", Still.now()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_credential_that_ends_while_its_request_waits_is_refused() {
    let place = Place::new();
    let key = place.create("nightly").await;
    let world = World::new().knowing(&place).await;
    let leeway = world.settings.issuers[0].leeway;
    assert!(!leeway.is_zero());
    let lasts = Duration::from_mins(2);
    let exp = NOW + i64::try_from(lasts.as_secs()).unwrap();
    let token = format!("Bearer {}", world.github.mint(&claims("github", &json!({ "exp": exp }))));
    let key = format!("Bearer {}", key.reveal().as_str());
    let instant = Duration::from_secs(1);
    for (header, waited, expected) in [
        (&token, lasts, "still good"),
        (&token, lasts + leeway.saturating_sub(instant), "still good"),
        (&token, lasts + leeway, "token_expired"),
        (&key, Duration::from_hours(1).saturating_sub(instant), "still good"),
        (&key, Duration::from_hours(1), "api_key_expired"),
    ] {
        let told = waiting(&world.authenticator, header, waited, async || {}).await;
        assert_eq!(told, expected, "{waited:?}");
    }
}

#[tokio::test]
async fn a_damaged_api_key_is_an_end_to_api_keys_and_to_nothing_else() {
    let place = Place::new();
    let key = place.create("nightly").await.reveal();
    let row = ApiKeyRow {
        id: "damaged".to_owned(),
        name: "weekly".to_owned(),
        owner: "ada".to_owned(),
        groups: BTreeSet::new(),
        hash: Digest::of(b"secret"),
        by: "ada".to_owned(),
        at: Still.now(),
        expires_at: Still.now().after(Duration::from_hours(1)),
    };
    let batch = Batch { api_keys: vec![ApiKeyChange::Create(row)], ..Batch::default() };
    place.store.commit(batch).await.unwrap();
    let withdrawals = Arc::new(Withdrawals::new(Arc::clone(&place.store)));
    withdrawals.start(Still.now()).await.expect("a server starts");
    assert_eq!(withdrawals.revoked(Still.now()), Some(0));
    let world = World::new();
    let authenticator = Authenticator::new(world.settings.clone()).unwrap();
    let authenticator = authenticator.with_withdrawals(Arc::clone(&withdrawals));
    let acceptance = Acceptance { api_keys: true, ..Acceptance::default() };
    let code = async |text: &str| {
        let authorization = format!("Bearer {text}");
        let presented = Presented { authorization: Some(&authorization), ..Presented::default() };
        let answer = authenticator.authenticate(&presented, &acceptance, Still.now()).await;
        answer.map_or_else(|error| error.code(), |_| "accepted")
    };
    assert_eq!(code(&key).await, "api_keys_unavailable");
    assert_eq!(code(&world.nested("n-1")).await, "accepted");
    place.revoke(RevocationKind::Subject, "platform/script").await;
    withdrawals.read(Still.now()).await.expect_err("it is still damaged");
    assert_eq!(code(&world.nested("n-1")).await, "revoked", "revocations are read on");
}

#[tokio::test]
async fn a_server_does_not_start_without_its_revocations() {
    let place = Place::new();
    let row = RevocationRow {
        id: "damaged".to_owned(),
        kind: RevocationKind::Jti,
        issuer: None,
        value: "t-1".to_owned(),
        reason: None,
        by: "ada".to_owned(),
        at: Still.now(),
        expires_at: Still.now().after(Duration::from_hours(1)),
    };
    let batch = Batch { revocations: vec![RevocationChange::Revoke(row)], ..Batch::default() };
    place.store.commit(batch).await.unwrap();
    let withdrawals = Withdrawals::new(Arc::clone(&place.store));
    withdrawals.start(Still.now()).await.unwrap_err();
}
