//! Issuers that are down, slow, huge, off in time or in the middle of a rotation: what
//! is known goes on being believed, and nobody waits for what is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use harness::answer::Answer;
use harness::issuer::Publishing;
use harness::process::eventually;
use harness::{Issuer, Mesh, Setup};
use serde_json::{Value, json};

use crate::cast;

const SOON: Duration = Duration::from_secs(20);

/// A mesh whose keys of GitHub are fetched often, and are soon too old.
async fn mesh() -> Mesh {
    let configure = |config: String| {
        let audiences = "    audiences: [customers]\n    algorithms: [RS256]\n";
        assert!(config.contains(audiences), "{config}");
        let hasty = "    refresh: 200ms\n    max_stale: 4s\n    fetch: { timeout: 500ms }\n";
        let config = config.replace(audiences, &format!("{audiences}{hasty}"));
        // The platform's clock is known to be off.
        let attests = "    may_attest: [github]";
        config.replace(attests, &format!("    leeway: 3m\n{attests}"))
    };
    let setup = Setup { configure, ..Setup::default() };
    Mesh::start(setup).await.unwrap_or_else(|failure| panic!("{failure}"))
}

async fn asked(mesh: &Mesh, token: &str) -> Answer {
    mesh.get("/api/customers").token(token).send().await.unwrap()
}

/// Waits until requests with that token are answered so.
async fn until(mesh: &Mesh, token: &str, status: u16, code: Option<&str>) -> Answer {
    let answered = || async {
        let answer = asked(mesh, token).await;
        (answer.status == status && answer.code().as_deref() == code).then_some(answer)
    };
    eventually(&format!("{status} {code:?}"), SOON, answered).await.unwrap()
}

fn platform(mesh: &Mesh) -> String {
    mesh.issuer.mint(Issuer::Platform, &json!({ "sub": "data-container" }))
}

/// What health says of GitHub.
async fn github(mesh: &Mesh) -> Value {
    let mut health = mesh.server.get("/healthz").await.unwrap();
    let issuers = health["issuers"].as_array_mut().unwrap();
    let found = issuers.iter_mut().find(|issuer| issuer["issuer"] == "github").unwrap();
    found.take()
}

async fn until_error(mesh: &Mesh, text: &str) {
    let told = || async {
        let github = github(mesh).await;
        github["last_error"].as_str()?.contains(text).then_some(())
    };
    eventually(text, SOON, told).await.unwrap();
}

#[tokio::test]
async fn an_issuer_may_be_down_at_the_start_and_later() {
    let mut mesh = mesh().await;
    let job = mesh.issuer.job();
    mesh.issuer.publish(Issuer::Github, Publishing::Down);
    mesh.server.restart().await.unwrap();
    let answer = until(&mesh, &job, 503, Some("keys_unavailable")).await;
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    assert_eq!(asked(&mesh, &platform(&mesh)).await.status, 200, "others do not suffer");
    assert_eq!(github(&mesh).await["ready"], false);

    mesh.issuer.publish(Issuer::Github, Publishing::Well);
    until(&mesh, &job, 200, None).await;

    mesh.issuer.publish(Issuer::Github, Publishing::Down);
    until_error(&mesh, "503").await;
    assert_eq!(asked(&mesh, &job).await.status, 200, "known keys are still good");
    until(&mesh, &job, 503, Some("keys_unavailable")).await;
    assert_eq!(asked(&mesh, &platform(&mesh)).await.status, 200, "others do not suffer");
    mesh.issuer.publish(Issuer::Github, Publishing::Well);
    until(&mesh, &job, 200, None).await;

    let recorded = || async {
        let entries = mesh.server.audit_tail(500).ok()?;
        let about = entries.iter().filter(|entry| entry["record"]["issuer"] == "github");
        let events: Vec<_> = about.map(|entry| entry["record"]["event"].to_string()).collect();
        let told = ["\"keys_unusable\"", "\"keys_usable\""].repeat(2);
        (events == told).then_some(())
    };
    eventually("each change is recorded once", SOON, recorded).await.unwrap();
}

#[tokio::test]
async fn keys_that_come_slowly_or_in_heaps_harm_nobody() {
    let mesh = mesh().await;
    let job = mesh.issuer.job();
    assert_eq!(asked(&mesh, &job).await.status, 200);
    let before = mesh.server.peak_memory();
    for (how, error) in [
        (Publishing::Slowly(Duration::from_secs(10)), "no answer within 500ms"),
        (Publishing::Gigabyte, "longer than 262144 bytes"),
        (Publishing::Among(10_000), "longer than 262144 bytes"),
    ] {
        mesh.issuer.publish(Issuer::Github, how);
        let asked_at = Instant::now();
        let stranger = mesh.issuer.signed_with_unknown_key(Issuer::Github, "nobody's");
        let answer = asked(&mesh, &stranger).await;
        assert!(matches!(answer.status, 401 | 503), "{how:?}: {answer:?}");
        assert_eq!(asked(&mesh, &job).await.status, 200, "{how:?}: known keys are still good");
        let waited = asked_at.elapsed();
        assert!(waited < Duration::from_secs(5), "{how:?}: {waited:?}");
        until_error(&mesh, error).await;
        mesh.issuer.publish(Issuer::Github, Publishing::Well);
        until(&mesh, &job, 200, None).await;
    }
    let sent = mesh.issuer.sent(Issuer::Github);
    assert!(sent > 0 && sent < 256 << 20, "{sent} bytes of gigabytes");
    if let (Some(before), Some(after)) = (before, mesh.server.peak_memory()) {
        assert!(after < before + (64 << 10), "{before} KiB before, {after} KiB after");
    }
}

#[tokio::test]
async fn clocks_that_are_two_minutes_off_are_told_or_allowed_for() {
    let mesh = mesh().await;
    let container = "data-container";
    for (issuer, subject, seconds, code) in [
        (Issuer::Github, cast::JOB, 120, Some("token_not_yet_valid")),
        (Issuer::Github, cast::JOB, -120, Some("token_expired")),
        (Issuer::Platform, container, 120, None),
        (Issuer::Platform, container, -120, None),
    ] {
        let token = mesh.issuer.by_a_clock_off_by(issuer, subject, seconds);
        let answer = asked(&mesh, &token).await;
        assert_eq!(answer.code().as_deref(), code, "{issuer:?} {seconds}: {answer:?}");
        assert_eq!(answer.status, if code.is_some() { 401 } else { 200 }, "{answer:?}");
    }
}

#[tokio::test]
async fn keys_may_be_rotated_under_load() {
    let mesh = Arc::new(mesh().await);
    let ended = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..8)
        .map(|_| {
            let (mesh, ended) = (Arc::clone(&mesh), Arc::clone(&ended));
            tokio::spawn(async move {
                let mut answers = Vec::new();
                while !ended.load(Ordering::Relaxed) {
                    answers.push(asked(&mesh, &platform(&mesh)).await);
                }
                answers
            })
        })
        .collect();
    let mut fetches = mesh.issuer.fetches(Issuer::Platform);
    for _ in 0..3 {
        mesh.issuer.rotate(Issuer::Platform).unwrap();
        let noticed = || async {
            let now = mesh.issuer.fetches(Issuer::Platform);
            (now > fetches).then_some(now)
        };
        fetches = eventually("the new key is fetched", SOON, noticed).await.unwrap();
    }
    ended.store(true, Ordering::Relaxed);
    let mut passed = 0;
    for sender in load {
        for answer in sender.await.unwrap() {
            assert_eq!(answer.status, 200, "{answer:?}");
            passed += 1;
        }
    }
    assert!(passed >= 8 * 3, "{passed} requests");
}

#[tokio::test]
async fn a_thousand_unknown_keys_hold_up_nobody_else() {
    let mesh = Arc::new(mesh().await);
    let token = platform(&mesh);
    assert_eq!(asked(&mesh, &token).await.status, 200);
    let before = mesh.server.peak_memory();
    let (fetches, started) = (mesh.issuer.fetches(Issuer::Platform), Instant::now());
    let flood: Vec<_> = (0..200)
        .map(|sender| {
            let mesh = Arc::clone(&mesh);
            tokio::spawn(async move {
                for nth in 0..5 {
                    let kid = format!("unknown-{sender}-{nth}");
                    let stranger = mesh.issuer.signed_with_unknown_key(Issuer::Platform, &kid);
                    let answer = asked(&mesh, &stranger).await;
                    assert_eq!(answer.code().as_deref(), Some("key_unknown"), "{answer:?}");
                }
            })
        })
        .collect();
    while !flood.iter().all(tokio::task::JoinHandle::is_finished) {
        let asked_at = Instant::now();
        assert_eq!(asked(&mesh, &token).await.status, 200);
        let waited = asked_at.elapsed();
        assert!(waited < Duration::from_secs(2), "a good token waited {waited:?}");
    }
    for sender in flood {
        sender.await.unwrap();
    }
    let caused = mesh.issuer.fetches(Issuer::Platform) - fetches;
    let seconds = usize::try_from(started.elapsed().as_secs()).unwrap();
    assert!((1..=seconds + 2).contains(&caused), "{caused} fetches in {seconds} s");
    if let (Some(before), Some(after)) = (before, mesh.server.peak_memory()) {
        assert!(after < before + (64 << 10), "{before} KiB before, {after} KiB after");
    }
}
