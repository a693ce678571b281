//! Stitching: four programs of four issuers, one command at each step, one chain. The
//! commands are those of `docs/stitching.md`, run as they stand there.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use harness::artifacts::workspace;
use harness::process::eventually;
use harness::{Issuer, Mesh, Setup};
use serde_json::{Value, json};

use crate::cast::JOB;

/// What the documentation calls the server and the guarded service.
const SERVER: &str = "https://chaperone.example";

/// Where the documentation's programs find their tokens.
const PROJECTED: &str = "/var/run/secrets/chaperone/token";
const PARENT: &str = "/var/run/secrets/parent/token";
const IDENTITY: &str = "/etc/deploy/identity.jwt";

const JOB_ACCOUNT: &str = "system:serviceaccount:deploy:deploy-job";
const CONTAINER_ACCOUNT: &str = "system:serviceaccount:data:data-container";

/// Stands in for a cluster: keeps the secret that is put into it, and counts what starts.
const KUBECTL: &str = r#"#!/bin/sh
set -eu
case "$*" in
    *" create secret generic parent --from-file=token=token --dry-run=client -o yaml")
        encoded=$(base64 < token | tr -d '\n')
        printf 'kind: Secret\ndata:\n  token: %s\n' "$encoded" ;;
    *" apply -f -")
        encoded=$(sed -n 's/^  token: //p')
        test -n "$encoded"
        printf %s "$encoded" | base64 -d > "$STORY/$2.parent" ;;
    *" create -f "*) echo started >> "$STORY/$2.started" ;;
    *) exit 64 ;;
esac
"#;

/// Where the Job's script works.
const WORKDIR: &str = "cd /tmp\n";

/// The example's configuration, with two clusters.
fn with_clusters(config: String) -> String {
    let issuers = config.split("    issuer: ").nth(1).and_then(|rest| rest.split("/github").next());
    let url = issuers.expect("the example has github first").to_owned();
    let cluster = |name: &str, algorithm: &str| {
        format!(
            "  {name}:\n    issuer: {url}/{name}\n    audiences: [customers]\n    \
             algorithms: [{algorithm}]\n    keys: {{ jwks_url: \"{url}/{name}/jwks\" }}\n"
        )
    };
    let clusters = cluster("cluster-a", "RS256") + &cluster("cluster-b", "ES256");
    let replaced = [
        ("issuers:\n", format!("issuers:\n{clusters}")),
        (
            "\"platform/deploy-job\"]",
            format!("\"platform/deploy-job\", \"cluster-a/{JOB_ACCOUNT}\"]"),
        ),
        ("[\"platform/data-container\"]", format!("[\"cluster-b/{CONTAINER_ACCOUNT}\"]")),
        ("[github, platform, chaperone]", "[github, platform, cluster-b, chaperone]".to_owned()),
        (
            "{ folder: signing-keys }",
            "{ folder: signing-keys, publish_ahead: 0s, reload: 50ms }".to_owned(),
        ),
    ];
    replaced.into_iter().fold(config, |config, (from, to)| {
        assert!(config.contains(from), "{from}");
        config.replacen(from, &to, 1)
    })
}

/// A mesh with two clusters, and the folder that the programs of the story run in.
struct Story {
    mesh: Mesh,
    folder: PathBuf,
}

impl Story {
    async fn begin() -> Self {
        let mesh = Mesh::start(Setup { configure: with_clusters, ..Setup::default() }).await;
        let mesh = mesh.unwrap_or_else(|failure| panic!("{failure}"));
        let folder = mesh.workdir().path().join("story");
        std::fs::create_dir(&folder).unwrap();
        let story = Self { mesh, folder };
        let kubectl = story.write("kubectl", KUBECTL);
        std::fs::set_permissions(kubectl, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink(story.mesh.server.binary(), story.folder.join("chaperone"))
            .unwrap();
        // What a resolver does in a real mesh: the service's name leads to Envoy.
        let envoy = story.mesh.envoy.address();
        story.write(".curlrc", &format!("connect-to = \"customers.example:80:{envoy}\"\n"));
        story
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join(name)).unwrap()
    }

    /// A workload's own token, for an exchange and nothing else.
    fn own_token(&self, issuer: Issuer, sub: &str) -> String {
        let server = self.mesh.server.url();
        self.mesh.issuer.mint(issuer, &json!({ "sub": sub, "aud": server }))
    }

    /// Runs a script of the documentation with its places put where the story's are.
    fn run(&self, script: &str, places: &[(&str, &str)], env: &[(&str, &str)]) -> Output {
        let server = self.mesh.server.url();
        let places = [(SERVER, server.as_str())].into_iter().chain(places.iter().copied());
        let script = places.fold(script.to_owned(), |script, (from, to)| {
            assert!(script.contains(from) || from == SERVER, "no {from} in {script}");
            script.replace(from, to)
        });
        let path = std::env::var("PATH").unwrap_or_default();
        Command::new("sh")
            .args(["-c", &script])
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", format!("{}:{path}", self.folder.display()))
            .env("CURL_HOME", &self.folder)
            .env("STORY", &self.folder)
            .envs(env.iter().copied())
            .output()
            .expect("sh runs")
    }

    /// `chaperone token exchange`, with the server's address and `arguments`.
    fn exchange(&self, subject: &str, actor: &str, arguments: &[&str]) -> Output {
        let output = Command::new(self.mesh.server.binary())
            .args(["token", "exchange", "--server", &self.mesh.server.url()])
            .args(arguments)
            .current_dir(&self.folder)
            .env("NO_COLOR", "1")
            .env("CHAPERONE_TOKEN", subject)
            .env("CHAPERONE_ACTOR_TOKEN", actor)
            .output()
            .expect("the binary runs");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!told.contains(subject) && !told.contains(actor), "{told}");
        output
    }

    /// The last exchange in the audit log.
    fn last_exchange(&self) -> Value {
        let entries = self.mesh.server.audit_tail(20).unwrap();
        let found = entries.into_iter().rev().find(|entry| entry["kind"] == "exchange");
        found.expect("an exchange was recorded")["record"].take()
    }
}

fn good(output: Output) -> String {
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// It was refused with that code, and printed nothing that a script could take for a
/// token.
fn refused(output: &Output, oauth: &str, code: &str) {
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(output.stdout.is_empty());
    assert!(told.contains(&format!("{oauth}: {code}: ")), "{told}");
}

fn claims(token: &str) -> Value {
    let claims = token.split('.').nth(1).expect("a JWT");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

fn principals(record: &Value) -> Vec<&str> {
    let hops = record["chain"].as_array().unwrap().iter();
    hops.map(|hop| hop["principal"].as_str().unwrap()).collect()
}

/// The blocks of the documentation in that language.
fn blocks(language: &str) -> Vec<String> {
    let path = workspace().join("ext-authz-server/docs/stitching.md");
    let text = std::fs::read_to_string(path).unwrap();
    let fence = format!("```{language}\n");
    let parts = text.split(&fence).skip(1);
    parts.map(|part| part.split("```").next().unwrap().to_owned()).collect()
}

/// The container of the Job in the documentation: its script, its variables, and where
/// its volumes are.
fn job_container() -> (String, BTreeMap<String, String>) {
    let yaml = blocks("yaml").into_iter().find(|block| block.contains("kind: Job")).unwrap();
    let job: Value = serde_saphyr::from_str(&yaml).unwrap();
    let pod = &job["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(container["command"], json!(["sh", "-euc"]));
    let own = &pod["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"];
    assert_eq!(own["audience"], SERVER);
    let mount = |nth: usize| container["volumeMounts"][nth]["mountPath"].as_str().unwrap();
    assert_eq!(format!("{}/{}", mount(0), own["path"].as_str().unwrap()), PROJECTED);
    assert_eq!(format!("{}/token", mount(1)), PARENT);
    let variables = container["env"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let variables = variables.map(|one| (text(&one["name"]), text(&one["value"])));
    (format!("set -eu\n{}", text(&container["args"][0])), variables.collect())
}

#[tokio::test]
async fn four_programs_of_four_issuers_are_one_chain() {
    let story = Story::begin().await;
    let shell = blocks("sh");

    // The CI job's token, and the deploy script's own.
    let ci = story.own_token(Issuer::Github, JOB);
    let identity = story.write("identity.jwt", &story.own_token(Issuer::Platform, "deploy-script"));
    let identity = identity.display().to_string();
    good(story.run(&shell[0], &[(IDENTITY, &identity)], &[("CHAPERONE_TOKEN", &ci)]));
    let second = story.read("cluster-a.parent");

    // The Job in cluster A, with what Kubernetes would mount.
    let own = story.own_token(Issuer::ClusterA, JOB_ACCOUNT);
    story.write("job.token", &own);
    let (script, mut variables) = job_container();
    variables.insert("CHAPERONE_SERVER".into(), story.mesh.server.url());
    variables.insert("CHAPERONE_SUBJECT_TOKEN_FILE".into(), story.path("cluster-a.parent"));
    variables.insert("CHAPERONE_ACTOR_TOKEN_FILE".into(), story.path("job.token"));
    let variables: Vec<_> =
        variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    good(story.run(&script, &[(WORKDIR, "")], &variables));
    assert_eq!(story.read("cluster-a.started"), "started\n");
    let third = story.read("cluster-b.parent");

    // The container in cluster B, which calls through Envoy.
    story.write("container.token", &story.own_token(Issuer::ClusterB, CONTAINER_ACCOUNT));
    let own = story.path("container.token");
    let places = [(PARENT, &*story.path("cluster-b.parent"))];
    let answer = good(story.run(&shell[1], &places, &[("CHAPERONE_ACTOR_TOKEN_FILE", &own)]));
    assert!(answer.contains("customers") || answer.starts_with('['), "{answer}");

    let fourth = story.read("token");
    let mode = std::fs::metadata(story.folder.join("token")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let entries = story.mesh.server.audit_tail(20).unwrap();
    let decision = entries.iter().find(|entry| entry["kind"] == "decision").unwrap();
    let record = &decision["record"];
    let four = [
        format!("github/{JOB}"),
        "platform/deploy-script".to_owned(),
        format!("cluster-a/{JOB_ACCOUNT}"),
        format!("cluster-b/{CONTAINER_ACCOUNT}"),
    ];
    assert_eq!(record["verdict"], "allow", "{record}");
    assert_eq!(principals(record), four);
    for hop in record["chain"].as_array().unwrap() {
        assert_eq!((&hop["assurance"], &hop["credential"]), (&json!("attested"), &json!("token")));
    }
    assert_eq!(record["policies"].as_array().unwrap().len(), 4, "each hop was permitted");
    assert_eq!(record["token"]["issuer"], "chaperone");

    // Each token expires no later than the one that it came of, and belongs to the
    // same transaction.
    let tokens = [&ci, second.trim(), third.trim(), fourth.trim()].map(claims);
    for pair in tokens.windows(2) {
        assert!(pair[1]["exp"].as_u64() <= pair[0]["exp"].as_u64(), "{pair:?}");
    }
    assert_eq!(tokens[3]["txn"], tokens[1]["txn"]);
    assert_eq!(record["token"]["transaction"], tokens[1]["txn"]);

    // Whoever has the server's configuration can look a token up.
    let config = story.mesh.server.config().display().to_string();
    let verified =
        good(story.run(&format!("chaperone token verify --config {config} < token"), &[], &[]));
    let verified: Value = serde_json::from_str(&verified).unwrap();
    assert_eq!(principals(&verified), four);

    let exchanges = entries.iter().filter(|entry| entry["kind"] == "exchange");
    let granted: Vec<_> = exchanges.map(|entry| entry["record"]["chain"].clone()).collect();
    assert_eq!(granted.iter().map(|c| c.as_array().unwrap().len()).collect::<Vec<_>>(), [2, 3, 4]);
    let log = json!(entries).to_string();
    for token in [&ci, &second, &third, &fourth] {
        assert!(!log.contains(token.trim()));
    }
    assert_eq!(story.mesh.server.audit_verify().unwrap()["intact"], true);
}

#[tokio::test]
async fn where_the_exchange_is_refused_no_job_starts() {
    let story = Story::begin().await;
    let deploy = &blocks("sh")[0];
    let ci = story.own_token(Issuer::Github, JOB);
    let run = |identity: &str| {
        let identity = story.write("identity.jwt", identity).display().to_string();
        story.run(deploy, &[(IDENTITY, &identity)], &[("CHAPERONE_TOKEN", &ci)])
    };
    let exists = |name: &str| story.folder.join(name).exists();
    let refused = run(&story.own_token(Issuer::Platform, "stranger"));
    assert_eq!(refused.status.code(), Some(1), "{}", String::from_utf8_lossy(&refused.stderr));
    assert!(!exists("cluster-a.parent") && !exists("cluster-a.started") && !exists("token"));

    // Whoever may runs it as often as they like.
    let script = story.own_token(Issuer::Platform, "deploy-script");
    for _ in 0..2 {
        good(run(&script));
        assert!(!exists("token"), "the token stays nowhere but in the secret");
    }
    assert_eq!(story.read("cluster-a.started"), "started\nstarted\n");

    // The next step is the same.
    story.write("job.token", &story.own_token(Issuer::ClusterA, "system:serviceaccount:x:y"));
    let (script, _) = job_container();
    let (server, parent) = (story.mesh.server.url(), story.path("cluster-a.parent"));
    let own = story.path("job.token");
    let variables = [
        ("CHAPERONE_SERVER", &*server),
        ("CHAPERONE_SUBJECT_TOKEN_FILE", &*parent),
        ("CHAPERONE_ACTOR_TOKEN_FILE", &*own),
    ];
    let refused = story.run(&script, &[(WORKDIR, "")], &variables);
    assert_eq!(refused.status.code(), Some(1), "{}", String::from_utf8_lossy(&refused.stderr));
    assert!(!exists("cluster-b.parent") && !exists("cluster-b.started"));
}

#[tokio::test]
async fn keys_of_a_mounted_secret_are_good_as_copies_of_the_servers_own() {
    let story = Story::begin().await;
    let config = story.mesh.server.config();
    let folder = config.with_file_name("signing-keys");
    let key = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let secret = story.folder.join("secret");
    std::fs::create_dir(&secret).unwrap();
    let mounted = secret.join(key.file_name().unwrap());
    std::fs::rename(&key, &mounted).unwrap();
    // As Kubernetes mounts it where there is an fsGroup.
    std::fs::set_permissions(&mounted, std::fs::Permissions::from_mode(0o440)).unwrap();
    let list = format!("chaperone keys list --config {}", config.display());
    std::os::unix::fs::symlink(&mounted, &key).unwrap();
    let told = story.run(&list, &[], &[]);
    assert!(String::from_utf8_lossy(&told.stderr).contains("others may read the key"));
    std::fs::remove_file(&key).unwrap();

    let yaml = blocks("yaml").into_iter().find(|block| block.contains("initContainers")).unwrap();
    let server: Value = serde_saphyr::from_str(&yaml).unwrap();
    let copy =
        server["spec"]["template"]["spec"]["initContainers"][0]["command"][2].as_str().unwrap();
    let (secret, folder) = (secret.display().to_string(), format!("{}/", folder.display()));
    let places = [("/var/run/secrets/signing", &*secret), ("/signing-keys/", &*folder)];
    good(story.run(copy, &places, &[]));
    let told = good(story.run(&list, &[], &[]));
    assert!(told.contains("signing"), "{told}");
}

#[tokio::test]
async fn what_may_not_be_exchanged_is_refused_and_recorded() {
    let story = Story::begin().await;
    let ci = story.own_token(Issuer::Github, JOB);
    let script = story.own_token(Issuer::Platform, "deploy-script");
    let for_customers = ["--audience", "customers"];

    // A hop that policy does not know, now or earlier.
    let stranger = story.own_token(Issuer::Platform, "stranger");
    let output = story.exchange(&ci, &stranger, &for_customers);
    refused(&output, "unauthorized_client", "policy_denied");
    let record = story.last_exchange();
    assert_eq!((&record["verdict"], &record["code"]), (&json!("deny"), &json!("policy_denied")));
    assert_eq!(principals(&record), [&format!("github/{JOB}"), "platform/stranger"]);
    assert_eq!(record["reasons"][0]["hop"], 1);
    let fork = story.own_token(Issuer::Github, "repo:evil/fork");
    let output = story.exchange(&fork, &script, &for_customers);
    refused(&output, "unauthorized_client", "policy_denied");
    assert_eq!(story.last_exchange()["reasons"][0]["hop"], 0);

    // An audience that the parent's token does not have.
    let token = good(story.exchange(&ci, &script, &for_customers));
    let job = story.own_token(Issuer::ClusterA, JOB_ACCOUNT);
    let server = story.mesh.server.url();
    let output = story.exchange(&token, &job, &["--audience", &server]);
    refused(&output, "invalid_target", "audience_wider");
    assert_eq!(story.last_exchange()["commands"][0]["attributes"]["audiences"], json!([server]));
    let output = story.exchange(&token, &job, &["--scope", "admin"]);
    refused(&output, "invalid_scope", "scope_wider");

    // Nobody outlives their parent, whatever they ask for.
    let ends = claims(&token)["exp"].as_u64().unwrap();
    let child = good(story.exchange(&token, &job, &["--lifetime", "3600"]));
    assert!(claims(&child)["exp"].as_u64().unwrap() <= ends);
    let short = good(story.exchange(&token, &job, &["--lifetime", "5"]));
    assert!(claims(&short)["exp"].as_u64().unwrap() < ends);

    // A token that is for an exchange is not for the service.
    let answer = story.mesh.get("/api/customers").token(&ci).send().await.unwrap();
    assert_eq!((answer.status, answer.code().as_deref()), (401, Some("audience_mismatch")));
    // A token of ours is a chain like any other: the service takes no calls of that
    // cluster, and policy judges those of the other.
    let answer = story.mesh.get("/api/customers").token(&child).send().await.unwrap();
    assert_eq!((answer.status, answer.code().as_deref()), (401, Some("issuer_not_accepted")));
    let container = story.own_token(Issuer::ClusterB, CONTAINER_ACCOUNT);
    let last = good(story.exchange(&child, &container, &[]));
    let answer = story.mesh.sql("DROP TABLE customers").token(&last).send().await.unwrap();
    assert_eq!((answer.status, answer.code().as_deref()), (403, Some("policy_denied")));

    // What is not a token is not sent anywhere.
    let output = story.exchange("hunter2", &script, &for_customers);
    assert_eq!(output.status.code(), Some(2));
}

#[tokio::test]
async fn what_descends_by_exchange_from_what_was_revoked_is_refused() {
    let story = Story::begin().await;
    let mesh = &story.mesh;
    let script = story.own_token(Issuer::Platform, "deploy-script");
    let passes = async |token: &str| {
        let answer = mesh.get("/api/customers/1").token(token).send().await.unwrap();
        answer.code().unwrap_or_else(|| answer.status.to_string())
    };
    for (nth, flag) in ["--jti", "--issuer-key", "--subject"].into_iter().enumerate() {
        let job = format!("{JOB}-{nth}");
        let id = format!("ci-{nth}");
        let claims = json!({ "sub": job, "jti": id, "aud": mesh.server.url() });
        let parent = mesh.issuer.mint(Issuer::Github, &claims);
        let child = good(story.exchange(&parent, &script, &["--audience", "customers"]));
        assert_eq!(passes(&child).await, "200");
        let value = match flag {
            "--jti" => format!("github/{id}"),
            "--issuer-key" => format!("github/{}", kid_of(&parent)),
            _ => format!("github/{job}"),
        };
        mesh.server.command(&["revoke", flag, &value]).unwrap().done().unwrap();
        let refused_soon = || async { (passes(&child).await == "revoked").then_some(()) };
        eventually(flag, Duration::from_secs(1), refused_soon).await.unwrap();
        refused(
            &story.exchange(&parent, &script, &["--audience", "customers"]),
            "invalid_request",
            "revoked",
        );
        // Lifted, so that the next one has a key to be signed with.
        let listed = mesh.server.command(&["revoke", "list", "--json"]).unwrap().done().unwrap();
        let listed: Value = serde_json::from_str(listed.stdout.lines().next().unwrap()).unwrap();
        let id = listed["id"].as_str().or_else(|| listed[0]["id"].as_str()).unwrap();
        mesh.server.command(&["revoke", "lift", id]).unwrap().done().unwrap();
        let passes_again = || async { (passes(&child).await == "200").then_some(()) };
        eventually("lifted", Duration::from_secs(1), passes_again).await.unwrap();
    }
}

/// The `kid` in a token's header.
fn kid_of(token: &str) -> String {
    let header = token.split('.').next().unwrap();
    let header = URL_SAFE_NO_PAD.decode(header).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn keys_rotate_while_tokens_live() {
    let story = Story::begin().await;
    let ci = story.own_token(Issuer::Github, JOB);
    let script = story.own_token(Issuer::Platform, "deploy-script");
    let before = good(story.exchange(&ci, &script, &["--audience", "customers"]));
    let rotate = blocks("sh").pop().unwrap();
    let config = story.mesh.server.config().display().to_string();
    let told = good(story.run(&rotate, &[("chaperone.yaml", &config)], &[]));
    assert!(told.contains("signing") && told.contains("retired"), "{told}");
    let kid = |token: &str| {
        let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
        serde_json::from_slice::<Value>(&header).unwrap()["kid"].clone()
    };
    let after = eventually("a token of the new key", Duration::from_secs(20), async || {
        let token = good(story.exchange(&ci, &script, &["--audience", "customers"]));
        (kid(&token) != kid(&before)).then_some(token)
    });
    let after = after.await.unwrap();
    for token in [&before, &after] {
        let answer = story.mesh.get("/api/customers").token(token).send().await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let keys = story.mesh.server.get("/oauth/jwks").await.unwrap();
    assert_eq!(keys["keys"].as_array().unwrap().len(), 2);
    let entries = story.mesh.server.audit_tail(50).unwrap();
    let used = entries.iter().find(|entry| entry["record"]["event"] == "signing_key_used");
    assert_eq!(used.unwrap()["record"]["key"], kid(&after));

    // A key whose file is gone is trusted no more.
    let folder = Path::new(&config).with_file_name("signing-keys");
    let mut files: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    std::fs::remove_file(&files[0]).unwrap();
    let bound = Duration::from_secs(20);
    eventually("the removed key's token to be refused", bound, async || {
        let answer = story.mesh.get("/api/customers").token(&before).send().await.unwrap();
        (answer.code().as_deref() == Some("key_unknown")).then_some(())
    })
    .await
    .unwrap();
    let answer = story.mesh.get("/api/customers").token(&after).send().await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");

    // Nor is the last one: nothing is published or signed until there is a key again.
    std::fs::remove_file(&files[1]).unwrap();
    eventually("the last key's token to be refused", bound, async || {
        let answer = story.mesh.get("/api/customers").token(&after).send().await.unwrap();
        (answer.code().as_deref() == Some("keys_unavailable")).then_some(())
    })
    .await
    .unwrap();
    assert_eq!(story.mesh.server.get("/oauth/jwks").await.unwrap(), json!({ "keys": [] }));
    let output = story.exchange(&ci, &script, &["--audience", "customers", "--timeout", "0"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    let entries = story.mesh.server.audit_tail(20).unwrap();
    let told = entries.iter().find(|entry| entry["record"]["event"] == "signing_keys_refused");
    assert!(told.unwrap()["record"]["error"].as_str().unwrap().ends_with("has no key"));
    good(story.run(&rotate, &[("chaperone.yaml", &config)], &[]));
    let token = good(story.exchange(&ci, &script, &["--audience", "customers"]));
    let answer = story.mesh.get("/api/customers").token(&token).send().await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn a_container_that_starts_before_the_server_waits_for_it() {
    let mut story = Story::begin().await;
    let ci = story.own_token(Issuer::Github, JOB);
    let script = story.own_token(Issuer::Platform, "deploy-script");
    story.mesh.server.stop();
    let output = story.exchange(&ci, &script, &["--audience", "customers", "--timeout", "1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("no connection"));
    let mut waiting = Command::new(story.mesh.server.binary())
        .args(["token", "exchange", "--server", &story.mesh.server.url()])
        .args(["--audience", "customers", "--output"])
        .arg(story.folder.join("late.token"))
        .env("CHAPERONE_TOKEN", &ci)
        .env("CHAPERONE_ACTOR_TOKEN", &script)
        .spawn()
        .unwrap();
    story.mesh.server.restart().await.unwrap();
    let ended = eventually("the exchange", Duration::from_secs(40), || {
        std::future::ready(waiting.try_wait().unwrap())
    });
    assert!(ended.await.unwrap().success());
    let token = story.read("late.token");
    let answer = story.mesh.get("/api/customers").token(&token).send().await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// What the documentation configures is what the example that these stories run has.
#[test]
fn the_configuration_and_the_policy_of_the_documentation_are_the_examples() {
    let read = |name: &str| {
        std::fs::read_to_string(workspace().join("envoy-config").join(name)).expect("an example")
    };
    let plain = |line: &str| line.split("  #").next().unwrap_or(line).trim_end().to_owned();
    let config: Vec<_> = read("chaperone.yaml").lines().map(plain).collect();
    for line in blocks("yaml")[0].lines() {
        assert!(config.contains(&line.to_owned()), "not in chaperone.yaml: {line}");
    }
    assert!(read("policies/demo.cedar").contains(&blocks("cedar")[0]));
}
