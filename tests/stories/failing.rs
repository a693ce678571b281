//! What breaks, breaks closed: each story breaks one thing and looks at what a
//! client gets, and that all is well again once the thing is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use harness::answer::Answer;
use harness::process::eventually;
use harness::{Mesh, Request, Setup};

use crate::cast;

const SOON: Duration = Duration::from_secs(10);

async fn own_mesh() -> Mesh {
    Mesh::start(Setup::default()).await.unwrap_or_else(|failure| panic!("{failure}"))
}

/// Nobody could decide: 503 with a reason a program can read, and nothing upstream.
fn undecided(mesh: &Mesh, answer: &Answer, mark: &str) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    assert!(answer.code().is_some(), "{answer:?}");
    assert!(mesh.upstream.seen_with(mark).is_empty());
}

async fn well_again(request: Request) {
    let passes =
        || async { request.clone().send().await.ok().filter(|answer| answer.status == 200) };
    eventually("requests pass again", SOON, passes).await.unwrap();
}

#[tokio::test]
async fn without_the_server_nothing_passes() {
    let mut mesh = own_mesh().await;
    let mark = cast::mark();
    let request = mesh.get(&format!("/api/customers?{mark}")).token(&mesh.issuer.job());
    mesh.server.kill();
    let answer = request.clone().send().await.unwrap();
    undecided(&mesh, &answer, &mark);
    mesh.server.restart().await.unwrap();
    well_again(request).await;
    assert_eq!(mesh.server.audit_verify().unwrap()["intact"], true, "after a kill -9");
}

#[tokio::test]
async fn a_server_that_does_not_answer_holds_nobody_up() {
    let mesh = own_mesh().await;
    let mark = cast::mark();
    let request = mesh.get(&format!("/api/customers?{mark}")).token(&mesh.issuer.job());
    mesh.server.pause();
    let asked = Instant::now();
    let answer = request.clone().send().await;
    mesh.server.resume();
    undecided(&mesh, &answer.unwrap(), &mark);
    assert!(asked.elapsed() < Duration::from_secs(8), "answered after {:?}", asked.elapsed());
    well_again(request).await;
}

#[tokio::test]
async fn without_its_store_the_server_allows_nothing() {
    let mut mesh = own_mesh().await;
    let mark = cast::mark();
    let request = mesh.get(&format!("/api/customers?{mark}")).token(&mesh.issuer.job());
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(mesh.workdir().path().join(format!("chaperone.db{suffix}")));
    }
    let answer = request.clone().send().await.unwrap();
    undecided(&mesh, &answer, &mark);
    assert_eq!(answer.code().as_deref(), Some("audit_unavailable"));
    mesh.server.stop();
    mesh.server.restart().await.unwrap();
    well_again(request).await;
}

#[tokio::test]
async fn an_issuer_that_is_down_is_not_needed_for_keys_that_are_known() {
    let mesh = own_mesh().await;
    let token = mesh.issuer.job();
    mesh.issuer.set_down(true);
    let answer = mesh.get("/api/customers").token(&token).send().await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn envoy_may_be_restarted_under_load() {
    let mut mesh = own_mesh().await;
    let request = mesh.get("/api/customers").token(&cast::container(&mesh.issuer));
    let ended = Arc::new(AtomicBool::new(false));
    let load: Vec<_> =
        (0..8).map(|_| tokio::spawn(send_until(Arc::clone(&ended), request.clone()))).collect();
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        mesh.envoy.restart().await.unwrap();
    }
    well_again(request).await;
    ended.store(true, Ordering::Relaxed);
    let mut passed = 0;
    for sender in load {
        for answer in sender.await.unwrap() {
            assert!(!answer.text().contains("@example.com"), "unmasked: {answer:?}");
            passed += usize::from(answer.status == 200);
        }
    }
    assert!(passed > 0);
    assert_eq!(mesh.server.audit_verify().unwrap()["intact"], true);
}

/// Answers, as far as there were any: while Envoy is away there are none.
async fn send_until(ended: Arc<AtomicBool>, request: Request) -> Vec<Answer> {
    let mut answers = Vec::new();
    while !ended.load(Ordering::Relaxed) {
        match request.clone().send().await {
            Ok(answer) => answers.push(answer),
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    answers
}

#[tokio::test]
async fn a_broken_policy_file_changes_nothing_and_is_told() {
    let mesh = own_mesh().await;
    let token = mesh.issuer.job();
    let file = mesh.server.policies().join("zz-new.cedar");
    std::fs::write(&file, "@id(\"broken\") permit (principal, action, resource").unwrap();
    let told = || async {
        let health = mesh.server.get("/healthz").await.ok()?;
        let error = health["policies"]["error"].as_str()?.to_owned();
        error.contains("zz-new.cedar").then_some(())
    };
    eventually("health tells of the broken file", SOON, told).await.unwrap();
    assert!(mesh.server.log().contains("zz-new.cedar"), "{}", mesh.server.log());
    let answer = mesh.get("/api/customers").token(&token).send().await.unwrap();
    assert_eq!(answer.status, 200, "the last good set decides: {answer:?}");

    std::fs::write(&file, "@id(\"closed\") forbid (principal, action, resource);\n").unwrap();
    let denied = || async {
        let answer = mesh.get("/api/customers").token(&token).send().await.ok()?;
        (answer.status == 403).then_some(answer)
    };
    let answer = eventually("the mended file is in force", SOON, denied).await.unwrap();
    assert_eq!(answer.json()["policies"][0], "closed", "{answer:?}");
    let entries = mesh.server.audit_tail(200).unwrap();
    for event in ["policies_refused", "policies_loaded"] {
        assert!(entries.iter().any(|entry| entry["record"]["event"] == event), "{event}");
    }
}

#[tokio::test]
async fn an_outcome_waits_for_the_server_to_come_back() {
    let mut mesh = own_mesh().await;
    let path = "/api/feed?events=2&every_ms=500";
    let mut response = mesh.get(path).token(&cast::container(&mesh.issuer)).open().await.unwrap();
    let id = response.headers()["x-chaperone-decision"].to_str().unwrap().to_owned();
    mesh.server.kill();
    while response.chunk().await.unwrap().is_some() {}
    mesh.server.restart().await.unwrap();
    let reported = || async {
        let entries = mesh.server.audit_of(&id).ok()?;
        entries.iter().any(|entry| entry["kind"] == "outcome").then_some(())
    };
    eventually("the outcome arrives", Duration::from_secs(20), reported).await.unwrap();
}
