use std::future::Future;

use tokio::sync::mpsc;

use super::*;
use crate::identity::fetch::{Clients, FetchSettings, Location};
use crate::identity::key_events::KeysEvent;
use crate::identity::test_issuer::{Answer, Publisher, TestKey};

const LONG: Duration = Duration::from_hours(1);

/// Keys that are kept fresh as long as this lives.
struct Fresh {
    keys: Arc<PublishedKeys>,
    _task: tokio::task::JoinSet<()>,
}

async fn fresh(publisher: &Publisher, change: impl FnOnce(&mut PublishedKeys)) -> Fresh {
    fresh_with(publisher, FetchSettings::default(), None, change).await
}

async fn fresh_with(
    publisher: &Publisher,
    settings: FetchSettings,
    events: Option<mpsc::Sender<KeysEvent>>,
    change: impl FnOnce(&mut PublishedKeys),
) -> Fresh {
    let location = Location::Keys(publisher.jwks_url());
    let fetcher = KeyFetcher::new(location, settings, &mut Clients::default()).unwrap();
    let mut keys = PublishedKeys::new(fetcher, LONG, LONG);
    change(&mut keys);
    let keys = Arc::new(keys);
    let mut task = tokio::task::JoinSet::new();
    let teller = Teller::new("idp".parse().unwrap(), events);
    task.spawn(Arc::clone(&keys).keep_fresh(teller));
    keys.first_fetch().await;
    Fresh { keys, _task: task }
}

async fn candidate(keys: &Arc<PublishedKeys>, kid: &str) -> Result<usize, &'static str> {
    let keys = Keys::Published(Arc::clone(keys));
    let found = keys.candidates(Some(kid), Algorithm::Es256).await;
    found.map(|keys| keys.len()).map_err(|error| error.code())
}

/// Waits until `true`, at most five seconds.
async fn eventually<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !condition().await {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_key_that_was_rotated_in_is_fetched_when_a_token_names_it() {
    let (old, new) = (TestKey::new("old", Algorithm::Es256), TestKey::new("new", Algorithm::Es256));
    let publisher = Publisher::start(Answer::keys(&[&old])).await;
    let fresh = fresh(&publisher, |keys| keys.refetch_every = Duration::ZERO).await;
    assert_eq!(candidate(&fresh.keys, "old").await, Ok(1));
    publisher.answer(Answer::keys(&[&new]));
    assert_eq!(candidate(&fresh.keys, "old").await, Ok(1), "known keys need no fetch");
    assert_eq!(publisher.hits(), 1);
    assert_eq!(candidate(&fresh.keys, "new").await, Ok(1));
    assert_eq!(candidate(&fresh.keys, "old").await, Err("key_unknown"), "rotated out");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_requests_with_unknown_keys_cause_one_fetch() {
    let (old, new) = (TestKey::new("old", Algorithm::Es256), TestKey::new("new", Algorithm::Es256));
    let publisher = Publisher::start(Answer::keys(&[&old])).await;
    let fresh = fresh(&publisher, |keys| keys.refetch_every = Duration::from_millis(200)).await;
    publisher.answer(Answer::late_keys(&[&old, &new]));
    // The last fetch was just now: they wait until there may be another one.
    let mut requests = tokio::task::JoinSet::new();
    for nth in 0..50 {
        let keys = Arc::clone(&fresh.keys);
        let kid = if nth % 2 == 0 { "new" } else { "invented" };
        requests.spawn(async move { (kid, candidate(&keys, kid).await) });
    }
    for (kid, found) in requests.join_all().await {
        let expected = if kid == "new" { Ok(1) } else { Err("key_unknown") };
        assert_eq!(found, expected, "{kid}");
    }
    assert_eq!(publisher.hits(), 2);
    // What was looked for in vain is not looked for again at once.
    for _ in 0..50 {
        assert_eq!(candidate(&fresh.keys, "invented").await, Err("key_unknown"));
    }
    assert_eq!(publisher.hits(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_invented_keys_cost_a_few_fetches_and_known_keys_no_time() {
    let key = TestKey::new("k", Algorithm::Es256);
    let publisher = Publisher::start(Answer::keys(&[&key])).await;
    let fresh = fresh(&publisher, |keys| keys.refetch_every = Duration::from_millis(100)).await;
    let started = Instant::now();
    let mut requests = tokio::task::JoinSet::new();
    for nth in 0..1000 {
        let keys = Arc::clone(&fresh.keys);
        requests.spawn(async move { candidate(&keys, &format!("invented-{nth}")).await });
        assert_eq!(candidate(&fresh.keys, "k").await, Ok(1));
    }
    for found in requests.join_all().await {
        assert_eq!(found, Err("key_unknown"));
    }
    let fetches = publisher.hits() as u128;
    assert!(fetches <= 2 + started.elapsed().as_millis() / 100, "{fetches} fetches");
    assert_eq!(fresh.keys.places.available_permits(), MAX_WAITING, "everybody has left");
}

#[tokio::test]
async fn of_those_who_wait_there_are_only_so_many() {
    let key = TestKey::new("k", Algorithm::Es256);
    let publisher = Publisher::start(Answer::keys(&[&key])).await;
    let fresh = fresh(&publisher, |keys| keys.refetch_every = LONG).await;
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..MAX_WAITING {
        let keys = Arc::clone(&fresh.keys);
        waiting.spawn(async move { candidate(&keys, "late").await });
    }
    let all_wait = || async { fresh.keys.places.available_permits() == 0 };
    eventually("all of them wait", all_wait).await;
    assert_eq!(candidate(&fresh.keys, "late").await, Err("keys_unavailable"));
    assert_eq!(candidate(&fresh.keys, "k").await, Ok(1));
    // Whoever gives up, as Envoy does after two seconds, leaves its place.
    waiting.shutdown().await;
    assert_eq!(fresh.keys.places.available_permits(), MAX_WAITING);
}

#[tokio::test]
async fn whether_there_is_such_a_key_nobody_knows_in_an_outage() {
    let key = TestKey::new("k", Algorithm::Es256);
    let publisher = Publisher::start(Answer::keys(&[&key])).await;
    let fresh = fresh(&publisher, |keys| keys.refetch_every = Duration::from_millis(50)).await;
    publisher.answer(Answer::Status(500));
    for _ in 0..3 {
        assert_eq!(candidate(&fresh.keys, "new").await, Err("keys_unavailable"));
    }
    assert_eq!(candidate(&fresh.keys, "k").await, Ok(1));
    publisher.answer(Answer::keys(&[&key]));
    eventually("the outage is over", || async {
        candidate(&fresh.keys, "new").await == Err("key_unknown")
    })
    .await;
}

#[tokio::test]
async fn a_document_that_did_not_change_is_not_read_again() {
    let key = TestKey::new("k", Algorithm::Es256);
    let publisher = Publisher::start(Answer::keys(&[&key])).await;
    let fresh = fresh(&publisher, |keys| keys.refresh = Duration::from_millis(5)).await;
    let before = fresh.keys.known(Some("k"), Algorithm::Es256).unwrap();
    let hits = publisher.hits();
    eventually("it is fetched again", || async { publisher.hits() > hits + 2 }).await;
    let after = fresh.keys.known(Some("k"), Algorithm::Es256).unwrap();
    assert!(Arc::ptr_eq(&before[0], &after[0]));
}

#[tokio::test]
async fn that_keys_become_unusable_and_usable_again_is_told_once() {
    let key = TestKey::new("k", Algorithm::Es256);
    let publisher = Publisher::start(Answer::keys(&[&key])).await;
    let (events, mut told) = mpsc::channel(8);
    let fresh = fresh_with(&publisher, FetchSettings::default(), Some(events), |keys| {
        keys.refresh = Duration::from_millis(20);
        keys.max_stale = Duration::from_millis(100);
    })
    .await;
    publisher.answer(Answer::Status(503));
    let issuer: super::super::chain::IssuerAlias = "idp".parse().unwrap();
    let error = Some("the answer has status 503".to_owned());
    let first = timeout(Duration::from_secs(5), told.recv()).await.unwrap();
    assert_eq!(first, Some(KeysEvent::Unusable { issuer: issuer.clone(), error }));
    assert_eq!(candidate(&fresh.keys, "k").await, Err("keys_unavailable"));
    publisher.answer(Answer::keys(&[&key]));
    let second = timeout(Duration::from_secs(5), told.recv()).await.unwrap();
    assert_eq!(second, Some(KeysEvent::Usable { issuer }));
    assert!(told.try_recv().is_err());
}

#[tokio::test]
async fn keys_outlive_an_outage_until_they_are_stale_and_come_back_by_themselves() {
    let key = TestKey::new("k", Algorithm::Es256);
    let publisher = Publisher::start(Answer::keys(&[&key])).await;
    let fresh = fresh(&publisher, |keys| {
        keys.refresh = Duration::from_millis(20);
        keys.max_stale = Duration::from_millis(400);
    })
    .await;
    publisher.answer(Answer::Status(500));
    eventually("the outage is seen", || async {
        fresh.keys.state(Instant::now()).last_error.is_some()
    })
    .await;
    assert_eq!(candidate(&fresh.keys, "k").await, Ok(1), "not stale yet");
    eventually("keys are stale", || async {
        candidate(&fresh.keys, "k").await == Err("keys_unavailable")
    })
    .await;
    let state = fresh.keys.state(Instant::now());
    assert!(!state.usable);
    assert_eq!(state.last_error.as_deref(), Some("the answer has status 500"));
    publisher.answer(Answer::keys(&[&key]));
    eventually("keys are back", || async { candidate(&fresh.keys, "k").await == Ok(1) }).await;
    assert_eq!(fresh.keys.state(Instant::now()).last_error, None);
}

#[tokio::test]
async fn keys_that_were_never_fetched_are_the_operators_fault_and_come_later() {
    let key = TestKey::new("k", Algorithm::Es256);
    let publisher = Publisher::start(Answer::Text("{}".into())).await;
    let fresh = fresh(&publisher, |_| ()).await;
    assert_eq!(candidate(&fresh.keys, "k").await, Err("keys_unavailable"));
    publisher.answer(Answer::keys(&[&key]));
    eventually("keys are there", || async { candidate(&fresh.keys, "k").await == Ok(1) }).await;
}

#[tokio::test]
async fn age_is_counted_from_the_question_for_the_keys() {
    let key = TestKey::new("k", Algorithm::Es256);
    let publisher = Publisher::start(Answer::keys(&[&key])).await;
    let before = Instant::now();
    let fresh = fresh(&publisher, |_| ()).await;
    let after = Instant::now();
    assert!(fresh.keys.usable(before + LONG).is_some());
    assert!(fresh.keys.usable(after + LONG + Duration::from_millis(1)).is_none());
}

#[tokio::test]
async fn a_key_of_another_type_is_not_tried() {
    let set = serde_json::json!({ "keys": [TestKey::new("r", Algorithm::Rs256).jwk()] });
    let keys = Keys::Written(JwkSet::from_json(set).unwrap());
    let code = |error: IdentityError| error.code();
    let es256 = keys.candidates(Some("r"), Algorithm::Es256).await;
    assert_eq!(es256.map_err(code).unwrap_err(), "key_unfit");
    assert_eq!(keys.candidates(None, Algorithm::Ps512).await.unwrap().len(), 1);
    let other = keys.candidates(Some("x"), Algorithm::Rs256).await;
    assert_eq!(other.map_err(code).unwrap_err(), "key_unknown");
}

#[tokio::test]
async fn a_bundle_is_fetched_again_as_soon_as_it_asks_for_that() {
    let key = TestKey::new("k", Algorithm::Es256);
    let bundle = serde_json::json!({ "keys": [key.jwk()], "spiffe_refresh_hint": 0 });
    let publisher = Publisher::start(Answer::Text(bundle.to_string())).await;
    let every = Duration::from_millis(20);
    let _fresh = fresh(&publisher, |keys| keys.refetch_every = every).await;
    eventually("it was fetched a third time", async || publisher.hits() >= 3).await;
}
