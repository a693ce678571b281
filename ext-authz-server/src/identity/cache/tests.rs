use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::*;
use crate::identity::test_issuer::{Answer, Publisher, TestKey};
use crate::identity::{
    Acceptance, Algorithm, Authenticator, AuthenticatorSettings, Credential, IssuerSettings,
    IssuerUrl, JwkSet, KeySource, Token,
};

const NOW: i64 = 1_800_000_000;
const ISS: &str = "https://idp.example";

fn issuer(keys: KeySource) -> IssuerSettings {
    let issuer = IssuerUrl::parse(ISS).unwrap();
    IssuerSettings {
        audiences: BTreeSet::from(["customers".to_owned()]),
        ..IssuerSettings::new("idp".parse().unwrap(), issuer, keys)
    }
}

fn written(keys: &[&TestKey]) -> KeySource {
    let keys: Vec<_> = keys.iter().map(|key| key.jwk()).collect();
    KeySource::Document(JwkSet::from_json(json!({ "keys": keys })).unwrap())
}

fn authenticator(issuer: IssuerSettings) -> Authenticator {
    Authenticator::new(AuthenticatorSettings::new(vec![issuer])).unwrap()
}

fn claims(subject: &str) -> Value {
    json!({ "iss": ISS, "sub": subject, "aud": "customers", "iat": NOW, "exp": NOW + 300 })
}

async fn verified(
    authenticator: &Authenticator,
    token: &str,
    acceptance: &Acceptance,
    seconds: i64,
) -> Result<Credential, &'static str> {
    let token = Token::parse(token).unwrap();
    let now = UnixMillis::new((NOW + seconds) * 1000);
    authenticator.verify(&token, acceptance, now).await.map_err(|error| error.code())
}

async fn code(authenticator: &Authenticator, token: &str, seconds: i64) -> &'static str {
    let answer = verified(authenticator, token, &Acceptance::default(), seconds).await;
    answer.map_or_else(|code| code, |_| "accepted")
}

#[tokio::test]
async fn a_token_is_verified_once_and_judged_every_time() {
    let key = TestKey::new("k", Algorithm::Es256);
    let authenticator = authenticator(issuer(written(&[&key])));
    let token = key.mint(&claims("job"));
    let any = Acceptance::default();
    let first = verified(&authenticator, &token, &any, 0).await.unwrap();
    let second = verified(&authenticator, &token, &any, 200).await.unwrap();
    assert!(Arc::ptr_eq(&first.chain, &second.chain), "it was read again");
    assert_eq!(authenticator.remembered(), 1);
    let other_issuer = Acceptance { issuers: Some(BTreeSet::new()), ..any.clone() };
    let other_audience =
        Acceptance { audiences: Some(BTreeSet::from(["orders".to_owned()])), ..any.clone() };
    for (acceptance, seconds, expected) in [
        (&other_issuer, 0, "issuer_not_accepted"),
        (&other_audience, 0, "audience_mismatch"),
        (&any, -60, "token_not_yet_valid"),
        (&any, 330, "token_expired"),
    ] {
        let refused = verified(&authenticator, &token, acceptance, seconds).await;
        assert_eq!(refused.unwrap_err(), expected);
    }
}

#[tokio::test]
async fn a_token_is_remembered_until_it_expires_and_not_when_it_has() {
    let key = TestKey::new("k", Algorithm::EdDsa);
    let authenticator = authenticator(issuer(written(&[&key])));
    let token = key.mint(&claims("job"));
    assert_eq!(code(&authenticator, &token, 0).await, "accepted");
    assert_eq!(code(&authenticator, &token, 329).await, "accepted", "within the leeway");
    assert_eq!(authenticator.remembered(), 1);
    assert_eq!(code(&authenticator, &token, 330).await, "token_expired");
    assert_eq!(authenticator.remembered(), 0);
    assert_eq!(code(&authenticator, &token, 330).await, "token_expired");
    assert_eq!(authenticator.remembered(), 0);
}

#[tokio::test]
async fn a_token_that_is_refused_is_not_remembered() {
    let (key, stranger) =
        (TestKey::new("k", Algorithm::Es256), TestKey::new("k", Algorithm::Es256));
    let authenticator = authenticator(issuer(written(&[&key])));
    assert_eq!(code(&authenticator, &stranger.mint(&claims("job")), 0).await, "signature_invalid");
    let malformed = key.mint(&json!({ "iss": ISS, "exp": NOW + 300 }));
    assert_eq!(code(&authenticator, &malformed, 0).await, "subject_missing");
    assert_eq!(authenticator.remembered(), 0);
}

#[tokio::test]
async fn a_changed_token_is_another_one() {
    let key = TestKey::new("k", Algorithm::Es256);
    let authenticator = authenticator(issuer(written(&[&key])));
    let token = key.mint(&claims("job"));
    assert_eq!(code(&authenticator, &token, 0).await, "accepted");
    let at = token.rfind('.').unwrap() + 1;
    let other = if token[at..].starts_with('A') { "B" } else { "A" };
    let changed = format!("{}{other}{}", &token[..at], &token[at + 1..]);
    assert_eq!(code(&authenticator, &changed, 0).await, "signature_invalid");
}

/// An authenticator whose keys are fetched every few milliseconds.
async fn publishing(key: &TestKey, max_stale: Duration) -> (Publisher, Authenticator) {
    let publisher = Publisher::start(Answer::keys(&[key])).await;
    let authenticator = authenticator(IssuerSettings {
        refresh: Duration::from_millis(10),
        max_stale,
        ..issuer(KeySource::url(publisher.jwks_url()))
    });
    authenticator.start().await;
    (publisher, authenticator)
}

async fn eventually(authenticator: &Authenticator, token: &str, expected: &str) {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let code = code(authenticator, token, 0).await;
        if code == expected {
            return;
        }
        assert!(Instant::now() < deadline, "waited in vain for {expected}: {code}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_token_is_forgotten_with_the_key_that_verified_it() {
    let (old, new) = (TestKey::new("old", Algorithm::Es256), TestKey::new("new", Algorithm::Es256));
    let (publisher, authenticator) = publishing(&old, Duration::from_mins(1)).await;
    let token = old.mint(&claims("job"));
    let first = verified(&authenticator, &token, &Acceptance::default(), 0).await.unwrap();
    // Another document with the same key in it changes nothing.
    publisher.answer(Answer::keys(&[&old, &new]));
    eventually(&authenticator, &new.mint(&claims("job")), "accepted").await;
    let again = verified(&authenticator, &token, &Acceptance::default(), 0).await.unwrap();
    assert!(Arc::ptr_eq(&first.chain, &again.chain), "it was read again");
    publisher.answer(Answer::keys(&[&new]));
    eventually(&authenticator, &token, "key_unknown").await;
    assert_eq!(authenticator.remembered(), 1, "only the other one");
    // Nor does another key of that name bring it back.
    let other = TestKey::new("old", Algorithm::Es256);
    publisher.answer(Answer::keys(&[&other]));
    eventually(&authenticator, &token, "signature_invalid").await;
}

#[tokio::test]
async fn a_remembered_token_is_no_better_than_stale_keys() {
    let key = TestKey::new("k", Algorithm::Es256);
    let (publisher, authenticator) = publishing(&key, Duration::from_millis(200)).await;
    let token = key.mint(&claims("job"));
    assert_eq!(code(&authenticator, &token, 0).await, "accepted");
    publisher.answer(Answer::Status(500));
    eventually(&authenticator, &token, "keys_unavailable").await;
    publisher.answer(Answer::keys(&[&key]));
    eventually(&authenticator, &token, "accepted").await;
}

#[tokio::test]
async fn what_is_to_be_forgotten_is_read_again() {
    let key = TestKey::new("k", Algorithm::Es256);
    let authenticator = authenticator(issuer(written(&[&key])));
    let tokens = ["a", "b", "c"].map(|subject| key.mint(&claims(subject)));
    for token in &tokens {
        assert_eq!(code(&authenticator, token, 0).await, "accepted");
    }
    authenticator.forget(|chain, facts| {
        chain.root().principal.subject == "b" && facts.key.as_deref() == Some("k")
    });
    assert_eq!(authenticator.remembered(), 2);
    authenticator.clear();
    assert_eq!(authenticator.remembered(), 0);
    assert_eq!(code(&authenticator, &tokens[0], 0).await, "accepted");
}

async fn remembered(key: &TestKey, subject: &str) -> (TokenDigest, Remembered) {
    let authenticator = authenticator(issuer(written(&[key])));
    let token = Token::parse(&key.mint(&claims(subject))).unwrap();
    let now = UnixMillis::new(NOW * 1000);
    authenticator.verify(&token, &Acceptance::default(), now).await.unwrap();
    (token.digest(), authenticator.verified_tokens().get(&token.digest(), now).unwrap())
}

#[tokio::test]
async fn what_was_forgotten_while_it_was_verified_is_not_remembered() {
    let key = TestKey::new("k", Algorithm::EdDsa);
    let (digest, token) = remembered(&key, "job").await;
    let cache = VerifiedTokens::default();
    let began = cache.begin();
    cache.forget(|_, _| false);
    cache.insert(digest, token.clone(), began);
    assert_eq!(cache.len(), 0);
    let began = cache.begin();
    cache.clear();
    cache.insert(digest, token.clone(), began);
    assert_eq!(cache.len(), 0);
    cache.insert(digest, token, cache.begin());
    assert_eq!(cache.len(), 1);
}

#[tokio::test]
async fn tokens_are_bounded_in_number_and_in_memory() {
    let key = TestKey::new("k", Algorithm::EdDsa);
    let mut tokens = Vec::new();
    for nth in 0..300 {
        tokens.push(remembered(&key, &format!("job-{nth}")).await);
    }
    let weight = tokens[0].1.token.weight;
    assert!(weight > 1000, "{weight}");
    let filled = |cache: &VerifiedTokens| {
        for (digest, token) in &tokens {
            cache.insert(*digest, token.clone(), cache.begin());
        }
        cache.len()
    };
    let few = filled(&VerifiedTokens::bounded(u64::MAX / 2, 100));
    assert!((1..=100).contains(&few), "{few} tokens");
    let light = filled(&VerifiedTokens::bounded(weight * 100, 1000));
    assert!((1..=102).contains(&light), "{light} tokens");
}

/// Several callers send one token after the other, each with the newest key, while
/// the issuer rotates it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotation_under_load_costs_no_request_its_answer() {
    const ROTATIONS: usize = 3;
    let keys: Vec<_> =
        (0..=ROTATIONS).map(|nth| TestKey::new(&format!("k{nth}"), Algorithm::EdDsa)).collect();
    let keys = Arc::new(keys);
    let publisher = Publisher::start(Answer::keys(&[&keys[0]])).await;
    // Nothing but the tokens causes a fetch.
    let authenticator = Arc::new(authenticator(issuer(KeySource::url(publisher.jwks_url()))));
    authenticator.start().await;
    let newest = Arc::new(AtomicU64::new(0));
    let mut load = JoinSet::new();
    for caller in 0..64 {
        let (keys, newest) = (Arc::clone(&keys), Arc::clone(&newest));
        let authenticator = Arc::clone(&authenticator);
        load.spawn(async move {
            let mut sent = 0;
            loop {
                let key = usize::try_from(newest.load(Ordering::SeqCst)).unwrap();
                let token = keys[key].mint(&claims(&format!("{caller}-{sent}")));
                assert_eq!(code(&authenticator, &token, 0).await, "accepted", "key {key}");
                sent += 1;
                if key == ROTATIONS {
                    return sent;
                }
                tokio::task::yield_now().await;
            }
        });
    }
    for rotation in 1..=ROTATIONS {
        let published: Vec<_> = keys[..=rotation].iter().collect();
        publisher.answer(Answer::late_keys(&published));
        let fetches = publisher.hits();
        newest.store(rotation as u64, Ordering::SeqCst);
        let deadline = Instant::now() + Duration::from_secs(10);
        while publisher.hits() == fetches {
            assert!(Instant::now() < deadline, "rotation {rotation} was not noticed");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let sent: usize = load.join_all().await.into_iter().sum();
    assert!(sent >= 64 * 2, "{sent} requests");
    assert!(publisher.hits() <= 1 + 2 * ROTATIONS, "{} fetches", publisher.hits());
}
