//! What is taken back is refused within a second: tokens, principals and keys that
//! were revoked, API keys, and opaque tokens that their issuer has ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use harness::answer::Answer;
use harness::issuer::{CLIENT_ID, CLIENT_SECRET};
use harness::process::eventually;
use harness::{Issuer, Mesh, Replica, Request, Setup};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;

use crate::cast::{self, JOB, refused};

/// What was revoked is refused everywhere after this time.
const AT_ONCE: Duration = Duration::from_secs(1);

const SOON: Duration = Duration::from_secs(10);

/// The mesh of these stories: with a service that takes API keys and one that does
/// not, and an issuer of opaque tokens. Each story has names of its own.
async fn mesh() -> &'static Mesh {
    static SHARED: OnceCell<Mesh> = OnceCell::const_new();
    let start = || async {
        let setup = Setup { configure, ..Setup::default() };
        Mesh::start(setup).await.unwrap_or_else(|failure| panic!("{failure}"))
    };
    SHARED.get_or_init(start).await
}

fn configure(config: String) -> String {
    let url = config.split("issuer: ").nth(1).and_then(|rest| rest.split("/github").next());
    let url = url.expect("the example has GitHub as an issuer").to_owned();
    let secret = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("introspection.secret");
    std::fs::write(&secret, CLIENT_SECRET).expect("a file in the target folder");
    let opaque = format!(
        "  opaque:\n    issuer: {url}/opaque\n    audiences: [customers]\n    introspection:\n      \
         url: {url}/opaque/introspect\n      client_id: {CLIENT_ID}\n      \
         client_secret_file: {}\n      remember_active: 500ms\n      remember_inactive: 500ms\n\n",
        secret.display()
    );
    let replaced = |text: String, from: &str, to: &str| {
        assert!(text.contains(from), "not in the example: {from}");
        text.replacen(from, to, 1)
    };
    let config = replaced(
        config,
        "\ngroups: ",
        &format!("{opaque}\napi_keys: {{ header: x-api-key }}\ngroups: "),
    );
    let config =
        replaced(config, "[\"platform/data-container\"]", "[\"platform/*\", \"opaque/*\"]");
    let config = replaced(
        config,
        "issuers: [github, platform, chaperone]",
        "issuers: [github, platform, chaperone, opaque]\n    api_keys: accept",
    );
    replaced(config, "services:\n", "services:\n  orders:\n    hosts: [orders.example]\n")
}

/// Calls that go on until they are told to end.
struct Calls {
    ended: Arc<AtomicBool>,
    callers: Vec<JoinHandle<Vec<(Instant, Answer)>>>,
}

impl Calls {
    fn start(request: &Request) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let caller = |_| {
            let (ended, request) = (Arc::clone(&ended), request.clone());
            tokio::spawn(async move {
                let mut answers = Vec::new();
                while !ended.load(Ordering::Relaxed) {
                    let sent = Instant::now();
                    answers.push((sent, request.clone().send().await.expect("an answer")));
                }
                answers
            })
        };
        let callers = (0..4).map(caller).collect();
        Self { ended, callers }
    }

    /// Ends them and looks back: all passed until something was taken back at `at`,
    /// and what was sent [`AT_ONCE`] after that was refused with `code`. Says how long
    /// after it the last one that passed was sent.
    async fn refused_since(self, at: Instant, code: &str) -> Duration {
        self.ended.store(true, Ordering::Relaxed);
        let (mut before, mut after, mut last) = (0, 0, Duration::ZERO);
        for caller in self.callers {
            for (sent, answer) in caller.await.expect("no caller panics") {
                let since = sent.saturating_duration_since(at);
                if answer.status == 200 {
                    before += usize::from(sent < at);
                    last = last.max(since);
                } else {
                    assert_eq!(answer.code().as_deref(), Some(code), "{answer:?}");
                    assert_eq!(answer.status, 401, "{answer:?}");
                    after += usize::from(since > AT_ONCE);
                }
            }
        }
        assert!(before > 0, "nothing passed before it was revoked");
        assert!(after > 0, "nothing was sent a second after");
        assert!(last < AT_ONCE, "one that was sent {last:?} after it has passed");
        last
    }
}

/// Runs a command that takes something back while `request` goes on, and says how
/// long it took to count.
async fn takes_back(mesh: &Mesh, request: &Request, command: &[&str], code: &str) -> Duration {
    let passes =
        || async { request.clone().send().await.ok().filter(|answer| answer.status == 200) };
    eventually("calls pass", SOON, passes).await.unwrap();
    let calls = Calls::start(request);
    tokio::time::sleep(Duration::from_millis(200)).await;
    mesh.server.command(command).unwrap().done().unwrap();
    let at = Instant::now();
    tokio::time::sleep(AT_ONCE + Duration::from_millis(1500)).await;
    let took = calls.refused_since(at, code).await;
    println!("chaperone {}: counted after {took:?}", command.join(" "));
    took
}

/// The names of one story.
fn names() -> (String, String, String) {
    let mark = cast::mark();
    (format!("repo:acme/{mark}"), format!("script-{mark}"), format!("container-{mark}"))
}

fn customers(mesh: &Mesh, token: &str) -> Request {
    mesh.get("/api/customers").token(token)
}

async fn status(request: Request) -> u16 {
    request.send().await.unwrap().status
}

#[tokio::test]
async fn a_revoked_link_takes_its_descendants_with_it_while_calls_go_on() {
    let mesh = mesh().await;
    for (flag, hop) in [("--subject", 0), ("--subject", 1), ("--subject", 2), ("--chain-root", 0)] {
        let (job, script, container) = names();
        let nested = |actors: &[&str]| mesh.issuer.mint_nested(&job, actors, &json!({}));
        let token = nested(&[&script, &container]);
        let principals = [
            format!("github/{job}"),
            format!("platform/{script}"),
            format!("platform/{container}"),
        ];
        let command = ["revoke", flag, &principals[hop], "--reason", "leaked"];
        takes_back(mesh, &customers(mesh, &token), &command, "revoked").await;

        // Tokens that were never seen before, too; and nobody else's.
        let mark = cast::mark();
        let path = format!("/api/customers?{mark}");
        let fresh = nested(&[&script, &container, "deploy-job"]);
        let answer = mesh.get(&path).token(&fresh).send().await.unwrap();
        refused(mesh, &answer, 401, "revoked", &mark);
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(challenge.contains(r#"error="invalid_token""#), "{challenge}");
        assert!(!answer.text().contains(&fresh));
        let others = mesh.issuer.mint_nested(JOB, &["deploy-script"], &json!({}));
        assert_eq!(status(customers(mesh, &others)).await, 200);
        let before = mesh.issuer.mint_nested(&job, &["deploy-script"], &json!({}));
        let expected = if hop == 0 { 401 } else { 200 };
        assert_eq!(status(customers(mesh, &before)).await, expected, "{flag} {hop}");
    }
}

#[tokio::test]
async fn one_token_is_revoked_and_its_sisters_are_not() {
    let mesh = mesh().await;
    let (job, script, _) = names();
    let jti = cast::mark();
    let token = mesh.issuer.mint_nested(&job, &[&script], &json!({ "jti": jti }));
    let sister = mesh.issuer.mint_nested(&job, &[&script], &json!({}));
    takes_back(mesh, &customers(mesh, &token), &["revoke", "--jti", &jti], "revoked").await;
    assert_eq!(status(customers(mesh, &sister)).await, 200);
    // What `revoke` printed can be lifted again.
    let listed = mesh.server.command(&["revoke", "list", "--json"]).unwrap().done().unwrap();
    let rows = listed.stdout.lines().map(|line| line.parse::<Value>().unwrap());
    let row = rows.into_iter().find(|row| row["value"] == jti.as_str()).unwrap();
    let id = row["id"].as_str().unwrap();
    mesh.server.command(&["revoke", "lift", id]).unwrap().done().unwrap();
    let passes = || async { (status(customers(mesh, &token)).await == 200).then_some(()) };
    eventually("the lifted token passes", AT_ONCE, passes).await.unwrap();
    assert_eq!(mesh.server.audit_verify().unwrap()["intact"], true);
}

#[tokio::test]
async fn a_stolen_key_signs_nothing_more_on_either_server() {
    let setup = Setup { configure, ..Setup::default() };
    let mesh = Mesh::start(setup).await.unwrap();
    let replica = Replica::start(&mesh).await.unwrap();
    let token = cast::container(&mesh.issuer);
    let answer = customers(&mesh, &token).send().await.unwrap();
    let key = mesh.decision_of(&answer).unwrap()["token"]["key"].as_str().unwrap().to_owned();

    let elsewhere = replica.get("/api/customers").token(&token);
    let calls = Calls::start(&elsewhere);
    let key = format!("platform/{key}");
    let command = ["revoke", "--issuer-key", &key, "--for", "30d"];
    takes_back(&mesh, &customers(&mesh, &token), &command, "revoked").await;
    let at = Instant::now().checked_sub(AT_ONCE + Duration::from_millis(300)).unwrap();
    let took = calls.refused_since(at, "revoked").await;
    println!("on the other server: counted after {took:?}");

    let fresh = cast::container(&mesh.issuer);
    assert_eq!(status(elsewhere.clone()).await, 401);
    assert_eq!(status(replica.get("/api/customers").token(&fresh)).await, 401, "never seen before");
    mesh.issuer.rotate(Issuer::Platform).unwrap();
    let signed_anew = cast::container(&mesh.issuer);
    let passes = || async {
        (status(replica.get("/api/customers").token(&signed_anew)).await == 200).then_some(())
    };
    eventually("the issuer's next key is good", SOON, passes).await.unwrap();
}

#[tokio::test]
async fn a_person_who_was_revoked_approves_nothing() {
    let mesh = mesh().await;
    let (job, ..) = names();
    let token = mesh.issuer.mint(Issuer::Github, &json!({ "sub": job }));
    let statement = format!("UPDATE customers SET city = '{}' WHERE id = 2", cast::mark());
    let held = mesh.sql(&statement).token(&token).send().await.unwrap();
    let id = held.approval().unwrap();
    let person = cast::mark();
    let principal = format!("corp-idp/{person}");
    mesh.server.command(&["revoke", "--subject", &principal]).unwrap().done().unwrap();
    let ran = mesh.server.approve(&id, &cast::sre(&mesh.issuer, &person)).unwrap();
    assert_eq!(ran.code, Some(1), "{}", ran.stdout);
    assert!(ran.stderr.contains("revoked"), "{}", ran.stderr);
    mesh.server.approve(&id, &cast::sre(&mesh.issuer, "grace")).unwrap().done().unwrap();
}

#[tokio::test]
async fn a_request_that_waited_for_its_approval_is_looked_at_again() {
    let mesh = Mesh::start(Setup {
        configure: |config| {
            let config = configure(config);
            config.replacen("api_keys: accept", "api_keys: accept\n    approval_wait: 15s", 1)
        },
        bootstrap: |text| text.replacen("timeout: 2s", "timeout: 20s", 1),
        ..Setup::default()
    });
    let mesh = mesh.await.unwrap();
    let (job, ..) = names();
    let token = mesh.issuer.mint(Issuer::Github, &json!({ "sub": job }));
    let held = tokio::spawn(mesh.sql("DELETE FROM customers WHERE id = 404").token(&token).send());
    let waits = || async {
        let approvals = mesh.server.approvals().ok()?;
        Some(approvals.first()?["id"].as_str()?.to_owned())
    };
    let id = eventually("the request waits", SOON, waits).await.unwrap();
    let principal = format!("github/{job}");
    mesh.server.command(&["revoke", "--subject", &principal]).unwrap().done().unwrap();
    let known = || async { (status(customers(&mesh, &token)).await == 401).then_some(()) };
    eventually("the revocation is known", AT_ONCE, known).await.unwrap();
    assert!(!held.is_finished(), "it still waits");
    mesh.server.approve(&id, &cast::sre(&mesh.issuer, "grace")).unwrap().done().unwrap();
    let answer = held.await.unwrap().unwrap();
    assert_eq!((answer.status, answer.code().as_deref()), (401, Some("revoked")), "{answer:?}");
    let approvals = mesh.server.approvals().unwrap();
    assert_eq!(approvals[0]["state"], "approved", "it was not used");
}

fn api_key(mesh: &Mesh, name: &str, expires: &str) -> (String, String) {
    let create = ["api-keys", "create", "--owner", "corp-idp/ada", "--name", name];
    let more = ["--expires", expires, "--group", "data-containers", "--json"];
    let made = mesh.server.command(&[&create[..], &more[..]].concat()).unwrap().done().unwrap();
    let made: Value = made.stdout.parse().unwrap();
    let text = |member: &str| made[member].as_str().unwrap().to_owned();
    (text("id"), text("key"))
}

#[tokio::test]
async fn an_api_key_gets_in_where_it_is_accepted_until_it_is_revoked() {
    let mesh = mesh().await;
    let name = cast::mark();
    let (id, key) = api_key(mesh, &name, "30d");
    let mark = cast::mark();
    let path = format!("/api/customers?{mark}");
    for request in [mesh.get(&path).token(&key), mesh.get(&path).header("x-api-key", &key)] {
        let passes = || async { request.clone().send().await.ok().filter(|a| a.status == 200) };
        let answer = eventually("the key is known", SOON, passes).await.unwrap();
        let record = mesh.decision_of(&answer).unwrap();
        assert_eq!(record["chain"][0]["principal"], format!("api-key/{name}"));
        assert_eq!(record["chain"][0]["credential"], "api_key");
        assert!(!record.to_string().contains(&key), "{record}");
    }
    let seen = mesh.upstream.seen_with(&mark);
    assert!(seen.len() >= 2);
    for request in &seen {
        for header in ["authorization", "x-api-key"] {
            assert_eq!(request.header(header), None, "the upstream got {header}");
        }
    }
    let mark = cast::mark();
    let elsewhere = mesh.get(&format!("/?{mark}")).host("orders.example");
    let answer = elsewhere.clone().token(&key).send().await.unwrap();
    refused(mesh, &answer, 401, "api_key_not_accepted", &mark);
    let answer = elsewhere.header("x-api-key", &key).send().await.unwrap();
    refused(mesh, &answer, 401, "token_missing", &mark);

    let command = ["api-keys", "revoke", &id];
    takes_back(mesh, &customers(mesh, &key), &command, "revoked").await;
    assert!(!mesh.server.log().contains(&key), "the log has the key");
}

#[tokio::test]
async fn an_api_key_ends_when_it_was_said_to() {
    let mesh = mesh().await;
    let (_, key) = api_key(mesh, &cast::mark(), "2s");
    let request = customers(mesh, &key);
    let passes = || async { (status(request.clone()).await == 200).then_some(()) };
    eventually("the key is known", AT_ONCE, passes).await.unwrap();
    let over = || async {
        let answer = request.clone().send().await.ok()?;
        (answer.code().as_deref() == Some("api_key_expired")).then_some(answer)
    };
    let answer = eventually("the key is over", SOON, over).await.unwrap();
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn a_policy_can_forbid_what_api_keys_may_not_do() {
    let mesh = Mesh::start(Setup { configure, ..Setup::default() }).await.unwrap();
    let (_, key) = api_key(&mesh, "nightly", "1h");
    let request = customers(&mesh, &key);
    let passes = || async { (status(request.clone()).await == 200).then_some(()) };
    eventually("the key is known", SOON, passes).await.unwrap();
    let policy = r#"@id("no-api-keys")
        forbid (principal, action, resource)
        when {
            context.chain.credentials.contains("api_key") && context.hop.credential == "api_key" &&
            principal.hasTag("owner") && principal.getTag("owner") == "corp-idp/ada"
        };"#;
    std::fs::write(mesh.server.policies().join("zz-keys.cedar"), policy).unwrap();
    let denied = || async {
        let answer = request.clone().send().await.ok()?;
        (answer.status == 403).then_some(answer)
    };
    let answer = eventually("the policy is in force", SOON, denied).await.unwrap();
    assert_eq!(answer.json()["policies"][0], "no-api-keys", "{answer:?}");
    assert_eq!(status(customers(&mesh, &mesh.issuer.job())).await, 200, "tokens pass");
}

#[tokio::test]
async fn an_opaque_token_is_good_as_long_as_its_issuer_says_so() {
    let mesh = mesh().await;
    let subject = cast::mark();
    let token = mesh.issuer.mint_opaque(&json!({ "sub": subject }));
    let asked = mesh.issuer.opaque_asked();
    let requests: Vec<_> = (0..20).map(|_| tokio::spawn(customers(mesh, &token).send())).collect();
    for request in requests {
        let answer = request.await.unwrap().unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    // Others of these stories may ask about their tokens meanwhile.
    assert!(mesh.issuer.opaque_asked() - asked < 10, "requests at once share a question");
    let answer = customers(mesh, &token).send().await.unwrap();
    let record = mesh.decision_of(&answer).unwrap();
    assert_eq!(record["chain"][0]["principal"], format!("opaque/{subject}"));
    assert_eq!(record["chain"][0]["credential"], "opaque");
    assert!(!record.to_string().contains(&token));

    mesh.issuer.end_opaque(&token);
    let ended = || async {
        let answer = customers(mesh, &token).send().await.ok()?;
        (answer.code().as_deref() == Some("token_inactive")).then_some(answer)
    };
    let answer = eventually("the ended token is refused", SOON, ended).await.unwrap();
    assert_eq!(answer.status, 401, "{answer:?}");
    let mark = cast::mark();
    let unknown = mesh.get(&format!("/api/customers?{mark}")).token("never-issued");
    let answer = unknown.send().await.unwrap();
    refused(mesh, &answer, 401, "token_inactive", &mark);
    let mark = cast::mark();
    let elsewhere = mesh.get(&format!("/?{mark}")).host("orders.example");
    let answer = elsewhere.token(&mesh.issuer.mint_opaque(&json!({ "sub": "x", "aud": "y" })));
    refused(mesh, &answer.send().await.unwrap(), 401, "audience_mismatch", &mark);
}

#[tokio::test]
async fn an_opaque_token_can_be_revoked_here_too() {
    let mesh = mesh().await;
    let subject = cast::mark();
    let token = mesh.issuer.mint_opaque(&json!({ "sub": subject }));
    let principal = format!("opaque/{subject}");
    let command = ["revoke", "--subject", &principal];
    takes_back(mesh, &customers(mesh, &token), &command, "revoked").await;
}

#[tokio::test]
async fn while_its_issuer_is_down_an_opaque_token_is_not_decided_on() {
    let mesh = Mesh::start(Setup { configure, ..Setup::default() }).await.unwrap();
    let token = mesh.issuer.mint_opaque(&json!({ "sub": "batch" }));
    mesh.issuer.set_down(true);
    let mark = cast::mark();
    let request = mesh.get(&format!("/api/customers?{mark}")).token(&token);
    let answer = request.clone().send().await.unwrap();
    refused(&mesh, &answer, 503, "introspection_unavailable", &mark);
    assert!(answer.header("retry-after").is_some());
    assert_eq!(status(customers(&mesh, &mesh.issuer.job())).await, 200, "others do not suffer");
    mesh.issuer.set_down(false);
    let passes = || async { (status(request.clone()).await == 200).then_some(()) };
    eventually("it passes when the issuer is back", SOON, passes).await.unwrap();
}
