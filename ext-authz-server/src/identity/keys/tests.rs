use std::future::Future;

use super::*;
use crate::identity::test_issuer::{Answer, Publisher, TestKey};

const LONG: Duration = Duration::from_hours(1);

/// Keys that are kept fresh as long as this lives.
struct Fresh {
    keys: Arc<PublishedKeys>,
    _task: tokio::task::JoinSet<()>,
}

async fn fresh(publisher: &Publisher, change: impl FnOnce(&mut PublishedKeys)) -> Fresh {
    let location = Location::Keys(publisher.jwks_url());
    let fetcher = KeyFetcher::new([&location]).unwrap();
    let mut keys = PublishedKeys::new("idp".parse().unwrap(), location, LONG, LONG);
    change(&mut keys);
    let keys = Arc::new(keys);
    let mut task = tokio::task::JoinSet::new();
    task.spawn(Arc::clone(&keys).keep_fresh(fetcher));
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
    let every = Duration::from_millis(200);
    let fresh = fresh(&publisher, |keys| keys.refetch_every = every).await;
    publisher.answer(Answer::late_keys(&[&old, &new]));
    // Right after a fetch there is no other one, and nobody waits for one.
    let refused = timeout(Duration::from_secs(2), candidate(&fresh.keys, "new")).await;
    assert_eq!(refused, Ok(Err("key_unknown")));
    assert_eq!(publisher.hits(), 1);
    another_fetch_is_allowed(&fresh).await;
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
    // Nor does what they asked for meanwhile cause one later.
    another_fetch_is_allowed(&fresh).await;
    assert_eq!(candidate(&fresh.keys, "invented").await, Err("key_unknown"));
    assert_eq!(publisher.hits(), 3);
}

async fn another_fetch_is_allowed(fresh: &Fresh) {
    eventually("a fetch is allowed again", || async {
        let attempts = *fresh.keys.attempts.borrow();
        fresh.keys.may_refetch(attempts)
    })
    .await;
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
