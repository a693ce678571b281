//! The command line as people and scripts drive it: exit codes, standard output,
//! standard error.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}\n{}", self.stdout, self.stderr))
    }
}

fn chaperone(arguments: &[&str], input: &str) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_chaperone"))
        .args(arguments)
        .env_remove("CHAPERONE_CONFIG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    // A command that does not read its input closes it early.
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("the binary ends");
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// A folder with a whole configuration; removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&root);
        std::fs::create_dir_all(root.join("policies")).expect("a folder");
        let folder = Self(root);
        folder.write("facts.key", &"QUJD".repeat(12));
        folder.write("policies/a.cedar", POLICIES);
        folder.write("chaperone.yaml", CONFIG);
        folder
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.join(name), text).expect("a file");
    }

    fn config(&self) -> String {
        self.0.join("chaperone.yaml").display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const CONFIG: &str = r#"
listen: { grpc: 127.0.0.1:0, http: 127.0.0.1:0 }
storage: { sqlite: { path: chaperone.db } }
keys: { facts: [{ id: k1, file: facts.key }] }
issuers:
  github:
    issuer: https://issuer.example/github
    audiences: [customers]
    keys: { jwks: { keys: [{ kty: OKP, crv: Ed25519, kid: k, alg: EdDSA, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo }] } }
groups:
  ci-jobs: ["github/repo:acme/*"]
services:
  customers:
    hosts: [customers.example]
    routes:
      - path: /sql
        inspect: { sql: { dialect: sqlite, statement: body } }
masking:
  profiles:
    notes: { fields: ["$..notes"] }
policies: { paths: [policies] }
"#;

const POLICIES: &str = r#"
@id("ci-reads")
@mask("notes")
permit (principal in Group::"ci-jobs", action in Action::"read", resource in Service::"customers");

@id("ci-writes")
@requires_approval("sre")
permit (principal in Group::"ci-jobs", action in Action::"sql:write", resource in Service::"customers");

@id("never-drop")
forbid (principal, action in Action::"sql:destructive", resource);
"#;

#[test]
fn inspect_prints_facts_and_tells_by_its_exit_code_whether_the_body_was_read() {
    let ran = chaperone(&["inspect", "--as", "sql: {dialect: generic}"], "DELETE FROM users");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let facts = ran.json();
    assert_eq!(facts["protocol"], "sql");
    assert_eq!(facts["unparsed"], Value::Null);
    assert_eq!(facts["commands"][0]["action"], "sql:delete");
    assert_eq!(facts["commands"][0]["resource"], "users");
    assert_eq!(facts["commands"][0]["attributes"]["has_where"], false);

    let ran = chaperone(&["inspect", "--as", "json"], r#"{"a":1,"a":2}"#);
    assert_eq!(ran.code, Some(1));
    assert_eq!(ran.json()["unparsed"]["code"], "json_duplicate_key");

    let ran = chaperone(&["inspect", "--as", "yaml"], "");
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("json") && ran.stderr.contains("mcp"), "{}", ran.stderr);
}

#[test]
fn inspect_reads_a_request_as_its_route_is_configured() {
    let folder = Folder::new("inspect");
    let config = folder.config();
    let inspect = |host: &str, path: &str, header: &str, body: &str| {
        let arguments = ["inspect", "--config", &config, "--host", host, "--path", path];
        chaperone(&[&arguments[..], &["-H", header]].concat(), body)
    };
    let host = "customers.example:8080";
    let ran = inspect(host, "/sql", "Content-Type: text/sql", "DROP TABLE users");
    assert_eq!(ran.json()["commands"][0]["action"], "sql:drop", "{}", ran.stderr);
    let ran = inspect(host, "/sql", "Content-Type: text/html", "DROP TABLE users");
    assert_eq!(ran.json()["unparsed"]["code"], "content_type_unexpected");
    assert_eq!(ran.code, Some(1));
    let ran = inspect(host, "/docs", "x-http-method: DELETE", "");
    assert_eq!(ran.json()["unparsed"]["code"], "header_mismatch");
    let ran = inspect("other.example", "/sql", "a: b", "");
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("no service"), "{}", ran.stderr);
    let ran = inspect(host, "/SQL", "a: b", "");
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("path_ambiguous"), "{}", ran.stderr);
    assert_eq!(chaperone(&["inspect"], "").code, Some(2));
}

#[test]
fn mask_masks_whatever_the_chunks() {
    let body = r#"{"name":"Ada","email":"ada@example.com","note":"card 4242 4242 4242 4242"}"#;
    let whole = chaperone(&["mask", "--profile", "pii,secrets"], body);
    assert_eq!(whole.code, Some(0), "{}", whole.stderr);
    let masked = whole.json();
    assert_eq!(masked["name"], "Ada");
    assert!(!whole.stdout.contains("ada@example.com") && !whole.stdout.contains("4242"));
    let counts: Value = serde_json::from_str(&whole.stderr).expect("counts are JSON");
    assert!(counts.as_object().is_some_and(|counts| !counts.is_empty()));
    for chunk in ["1", "7"] {
        let cut = chaperone(&["mask", "--profile", "pii,secrets", "--chunk", chunk], body);
        assert_eq!(cut.stdout, whole.stdout);
    }

    let ran = chaperone(&["mask", "--profile", "all"], "{\"a\":");
    assert_eq!(ran.code, Some(1), "a body that ends too early: {}", ran.stdout);
    let ran = chaperone(&["mask", "--profile", "nothing"], "{}");
    assert_eq!(ran.code, Some(2));
}

#[test]
fn mask_takes_profiles_from_the_configuration() {
    let folder = Folder::new("mask-profiles");
    let ran = chaperone(
        &["mask", "--profile", "notes", "--config", &folder.config()],
        r#"{"notes":"call me","name":"Ada"}"#,
    );
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("Ada") && !ran.stdout.contains("call me"), "{}", ran.stdout);
}

#[test]
fn config_check_prints_what_each_service_resolved_to() {
    let folder = Folder::new("config-check");
    let ran = chaperone(&["config", "check", "--config", &folder.config()], "");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for told in ["customers.example", "/sql as sql", "github (for customers)"] {
        assert!(ran.stdout.contains(told), "{told}: {}", ran.stdout);
    }
    let ran = chaperone(&["config", "check", "--json", "--config", &folder.config()], "");
    assert_eq!(ran.json()["services"][0]["service"], "customers");
}

#[test]
fn a_typo_in_the_configuration_is_named_with_its_line_and_a_suggestion() {
    let folder = Folder::new("config-typo");
    folder.write("chaperone.yaml", &CONFIG.replace("    hosts:", "    hots:"));
    let ran = chaperone(&["config", "check", "--config", &folder.config()], "");
    assert_eq!(ran.code, Some(2));
    let line = CONFIG.lines().position(|line| line.contains("hosts:")).expect("it is there") + 1;
    let place = format!("chaperone.yaml:{line}:");
    assert!(ran.stderr.contains(&place), "{}", ran.stderr);
    assert!(ran.stderr.contains("did you mean `hosts`?"), "{}", ran.stderr);
}

#[test]
fn what_a_configuration_names_and_is_not_there_is_refused() {
    let folder = Folder::new("config-names");
    for (right, wrong, told) in [
        ("\"github/repo:acme/*\"", "\"gihtub/repo:acme/*\"", "did you mean `github`?"),
        ("file: facts.key", "file: other.key", "other.key"),
        ("paths: [policies]", "paths: [rules]", "does not exist"),
        ("\"$..notes\"", "\"$..[\"", "masking.profiles.notes"),
        ("path: /sql", "path: sql", "sql"),
        ("audiences: [customers]", "audiences: []", "`github` has no audience"),
        ("  github:\n", "  api-key:\n", "that of API keys"),
        ("groups:\n", "api_keys: { header: Host }\ngroups:\n", "take another"),
        ("dialect: sqlite", "dialect: sqllite", "did you mean `sqlite`?"),
    ] {
        assert!(CONFIG.contains(right), "{right}");
        folder.write("chaperone.yaml", &CONFIG.replace(right, wrong));
        let ran = chaperone(&["config", "check", "--config", &folder.config()], "");
        assert_eq!(ran.code, Some(2), "{wrong}: {}", ran.stdout);
        assert!(ran.stderr.contains(told), "{wrong}: {}", ran.stderr);
    }
}

/// With an issuer of certificates only, proofs and an external URL.
fn with_proofs() -> String {
    let issuers = "issuers:\n  mesh:\n    issuer: spiffe://cluster.local\n    \
                   trust_domain: cluster.local\n    keys: { certificates_only: true }\n";
    let peer = "peer: { from: tls }\ndpop: { nonce: required, max_age: 30s }\nservices:";
    let hosts = "external_url: https://api.example/v1\n    hosts:";
    let github = "audiences: [customers]\n    require_proof: true\n    peer_binding: \
                  'spiffe://cluster.local/ns/{namespace}/sa/{service_account}'";
    CONFIG
        .replace("issuers:\n", issuers)
        .replace("services:", peer)
        .replace("hosts:", hosts)
        .replace("audiences: [customers]", github)
}

#[test]
fn proofs_and_certificates_are_configured_by_a_line_each() {
    let folder = Folder::new("config-proofs");
    let config = with_proofs();
    folder.write("chaperone.yaml", &config);
    let ran = chaperone(&["config", "check", "--config", &folder.config()], "");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("mesh"), "{}", ran.stdout);
    for (right, wrong, told) in [
        ("from: tls", "from: xffc", "did you mean `xfcc`?"),
        ("from: tls", "from: tls, proxies: 1", "peer.proxies"),
        ("peer: { from: tls }", "", "needs client certificates"),
        ("trust_domain: cluster.local", "trust_domain: Cluster", "`Cluster`: a trust domain"),
        ("    trust_domain: cluster.local\n", "", "neither keys nor a `trust_domain`"),
        ("{service_account}'", "{service_account'", "a peer binding is `same`"),
        ("https://api.example/v1", "api.example", "external URL"),
        ("nonce: required", "nonce: requird", "did you mean `required`?"),
        ("max_age: 30s", "max_age: 1h", "dpop.max_age"),
        ("max_age: 30s", "remembered: 0", "dpop.remembered"),
        ("certificates_only: true", "certificates_only: true, jwks: {}", "there are no others"),
        ("certificates_only: true", "jwks_url: https://a/b", "`mesh` has no audience"),
    ] {
        assert!(config.contains(right), "{right}");
        folder.write("chaperone.yaml", &config.replace(right, wrong));
        let ran = chaperone(&["config", "check", "--config", &folder.config()], "");
        assert_eq!(ran.code, Some(2), "{wrong}: {}", ran.stdout);
        assert!(ran.stderr.contains(told), "{wrong}: {}", ran.stderr);
    }
    folder.write("chaperone.yaml", &config.replace("nonce: required", "nonce: off"));
    let ran = chaperone(&["config", "check", "--config", &folder.config()], "");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

#[test]
fn how_keys_are_fetched_is_bounded_and_checked() {
    let folder = Folder::new("config-fetch");
    let keys = CONFIG.find("keys: { jwks: ").expect("it is there");
    let keys = CONFIG[keys..].lines().next().expect("a line");
    let fetched = |fetch: &str| {
        let url = "keys: { jwks_url: \"https://127.0.0.1:9/jwks\" }";
        folder
            .write("chaperone.yaml", &CONFIG.replace(keys, &format!("{url}\n    fetch: {fetch}")));
        chaperone(&["config", "check", "--config", &folder.config()], "")
    };
    let good = "{ timeout: 2s, max_bytes: 1048576, max_keys: 100, private_addresses: allow, token_file: t }";
    let ran = fetched(good);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for (fetch, problem) in [
        ("{ timeout: 0s }", "issuers.github.fetch.timeout"),
        ("{ timeout: 2m }", "issuers.github.fetch.timeout"),
        ("{ max_bytes: 0 }", "issuers.github.fetch.max_bytes"),
        ("{ max_bytes: 99999999 }", "issuers.github.fetch.max_bytes"),
        ("{ max_keys: 0 }", "issuers.github.fetch.max_keys"),
        ("{ ca_file: nowhere.pem }", "nowhere.pem: No such file"),
        ("{ ca_file: chaperone.yaml }", "no certificate is in it"),
        ("{ private_addresses: some }", "expected one of: deny, allow"),
        ("{ redirects: yes }", "unknown key `redirects`"),
    ] {
        let ran = fetched(fetch);
        assert_eq!(ran.code, Some(2), "{fetch}: {}", ran.stderr);
        assert!(ran.stderr.contains(problem), "{fetch}: {}", ran.stderr);
    }
}

#[test]
fn introspection_is_configured_with_a_secret_from_a_file_and_a_prefix_of_its_own() {
    let folder = Folder::new("introspection");
    folder.write("client.secret", "hunter2\n");
    let legacy = r#"  legacy:
    issuer: https://legacy.example
    audiences: [customers]
    introspection:
      url: https://legacy.example/introspect
      client_id: chaperone
      client_secret_file: client.secret
      prefix: "opq_"
groups:
"#;
    let good = CONFIG.replacen("groups:\n", legacy, 1);
    let check = |text: &str| {
        folder.write("chaperone.yaml", text);
        chaperone(&["config", "check", "--config", &folder.config()], "")
    };
    let ran = check(&good);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("legacy (for customers)"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("hunter2"));
    let other = legacy.replace("legacy", "other");
    for (right, wrong, told) in [
        ("https://legacy.example/introspect", "http://legacy.example/introspect", "https"),
        ("client_secret_file: client.secret", "client_secret_file: other", "cannot read"),
        ("      client_secret_file: client.secret\n", "", "client_secret_env"),
        ("client_secret_file: client.secret", "client_secret_env: NO_SUCH_VARIABLE", "not set"),
        ("opq_", "chp_x", "API keys"),
        ("opq_", "a b", "prefix"),
        ("prefix:", "remember_active: 2h\n      prefix:", "at most 900 s"),
        ("prefix:", "timeout: 0s\n      prefix:", "timeout"),
        ("groups:\n", other.as_str(), "introspection.prefix"),
    ] {
        assert!(good.contains(right), "{right}");
        let ran = check(&good.replacen(right, wrong, 1));
        assert_eq!(ran.code, Some(2), "{wrong}: {}", ran.stdout);
        assert!(ran.stderr.contains(told), "{wrong}: {}", ran.stderr);
    }
}

#[test]
fn the_configuration_schema_knows_every_section() {
    let ran = chaperone(&["config", "schema"], "");
    assert_eq!(ran.code, Some(0));
    for section in ["listen", "issuers", "peer", "dpop", "services", "policies", "masking"] {
        assert!(ran.json()["properties"][section].is_object(), "{section}");
    }
}

#[test]
fn policy_check_lists_policies_and_refuses_a_broken_one_with_its_line() {
    let folder = Folder::new("policy-check");
    let ran = chaperone(&["policy", "check", "--config", &folder.config()], "");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("never-drop"), "{}", ran.stdout);

    folder.write(
        "policies/b.cedar",
        "\n@id(\"x\")\npermit (principal, action == Action::\"sql:delte\", resource);\n",
    );
    let ran = chaperone(&["policy", "check", "--config", &folder.config()], "");
    assert_eq!(ran.code, Some(2), "{}", ran.stdout);
    assert!(ran.stderr.contains("b.cedar:3"), "{}", ran.stderr);
}

#[test]
fn policy_explain_says_what_was_decided_and_why() {
    let folder = Folder::new("policy-explain");
    let explain = |action: &str| {
        let question = json!({
            "principal": "github/repo:acme/shop",
            "service": "customers",
            "action": action,
            "resource": "customers",
            "context": { "sql": {
                "has_where": true, "tables_read": ["customers"], "tables_written": [],
                "functions": [], "statements": 1,
            } },
        });
        chaperone(&["policy", "explain", "--config", &folder.config()], &question.to_string())
    };
    let allowed = explain("sql:select");
    assert_eq!(allowed.code, Some(0), "{} {}", allowed.stdout, allowed.stderr);
    assert!(allowed.stdout.contains("ci-reads") && allowed.stdout.contains("notes"));
    let held = explain("sql:update");
    assert_eq!(held.code, Some(1));
    assert!(held.stdout.contains("sre"), "{}", held.stdout);
    let denied = explain("sql:drop");
    assert_eq!(denied.code, Some(1));
    assert!(denied.stdout.contains("never-drop"), "{}", denied.stdout);
}

#[test]
fn token_verify_answers_in_json_whatever_the_token() {
    let folder = Folder::new("token-verify");
    let ran = chaperone(&["token", "verify", "--config", &folder.config()], "garbage");
    assert_eq!(ran.code, Some(1));
    assert_eq!(ran.json()["error"]["code"], "malformed");
    let ran = chaperone(&["token", "verify"], "garbage");
    assert_eq!(ran.code, Some(2), "neither a configuration nor an issuer");
}

/// The configuration with tokens of the server's own.
fn with_exchange(exchange: &str) -> String {
    format!("{CONFIG}exchange: {exchange}\n")
}

#[test]
fn keys_are_made_listed_and_rotated() {
    let folder = Folder::new("signing-keys");
    let keys = |command| chaperone(&["keys", command, "--config", &folder.config()], "");
    assert_eq!(keys("list").code, Some(2), "there is no section for them");
    folder.write(
        "chaperone.yaml",
        &with_exchange("{ keys: { folder: signing }, audiences: [customers] }"),
    );
    let ran = keys("list");
    assert_eq!((ran.code, ran.stderr.contains("signing")), (Some(2), true), "{}", ran.stderr);
    let first = keys("rotate");
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    let second = keys("rotate");
    assert_ne!(first.json()["kid"], second.json()["kid"]);
    let listed = keys("list");
    let lines: Vec<_> = listed.stdout.lines().skip(1).collect();
    assert_eq!(lines.len(), 2, "{}", listed.stdout);
    assert!(lines[0].contains(first.json()["kid"].as_str().expect("a kid")));
    assert!(lines[0].contains("signing") && lines[1].contains("pending"), "{}", listed.stdout);
}

#[test]
fn an_exchange_that_contradicts_itself_is_refused() {
    let folder = Folder::new("config-exchange");
    for (exchange, told) in [
        ("{ keys: { folder: k }, audiences: [custmers] }", "did you mean `customers`?"),
        ("{ keys: { folder: k }, audiences: [] }", "exchange.audiences is empty"),
        ("{ keys: {}, audiences: [customers] }", "one of folder and file"),
        ("{ keys: { folder: k, file: k.pem }, audiences: [customers] }", "one of folder and file"),
        ("{ keys: { folder: k, algorithm: RS256 }, audiences: [customers] }", "ES256 or EdDSA"),
        (
            "{ keys: { folder: k }, audiences: [customers], max_lifetime: 10s }",
            "at most `max_lifetime`",
        ),
    ] {
        folder.write("chaperone.yaml", &with_exchange(exchange));
        let ran = chaperone(&["config", "check", "--config", &folder.config()], "");
        assert_eq!(ran.code, Some(2), "{exchange}: {}", ran.stdout);
        assert!(ran.stderr.contains(told), "{exchange}: {}", ran.stderr);
    }
    folder.write("chaperone.yaml", &CONFIG.replace("github", "chaperone"));
    let ran = chaperone(&["config", "check", "--config", &folder.config()], "");
    assert!(ran.stderr.contains("the server's own alias"), "{}", ran.stderr);
    let good = "{ keys: { folder: k }, audiences: [customers] }";
    folder.write("chaperone.yaml", &with_exchange(good));
    let ran = chaperone(&["config", "check", "--config", &folder.config()], "");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("chaperone (for customers)"), "{}", ran.stdout);
}

#[test]
fn an_exchange_says_what_it_lacks() {
    let exchange = |more: &[&str]| {
        let usual = ["token", "exchange", "--server", "http://127.0.0.1:1", "--timeout", "0"];
        chaperone(&[&usual, more].concat(), "a.b.c")
    };
    let ran = exchange(&[]);
    assert_eq!((ran.code, ran.stderr.contains("CHAPERONE_TOKEN")), (Some(2), true));
    let ran = exchange(&["--subject-token-file", "-"]);
    assert_eq!((ran.code, ran.stderr.contains("CHAPERONE_ACTOR_TOKEN")), (Some(2), true));
    let both = ["--subject-token-file", "-", "--actor-token-env", "HOME"];
    let ran = exchange(&both);
    assert!(ran.code == Some(2) && ran.stderr.contains("what is in HOME is no token"));
    assert_eq!(ran.stdout, "");
}

#[test]
fn token_verify_agrees_with_the_published_examples() {
    let vectors: Value = serde_json::from_str(include_str!("vectors/jws.json")).expect("vectors");
    let folder = Folder::new("token-vectors");
    let keys = folder.0.join("jwks.json").display().to_string();
    let verify = |key: &Value, token: &str| {
        folder.write("jwks.json", &json!({ "keys": [key] }).to_string());
        let issuer = ["--issuer", "joe", "--audience", "customers", "--jwks", &keys];
        let at = ["--at", "2011-03-22T18:00:00Z"];
        chaperone(&[&["token", "verify"], &issuer[..], &at[..]].concat(), token)
    };
    for vector in vectors["vectors"].as_array().expect("vectors") {
        let ran = verify(&vector["key"], vector["token"].as_str().expect("a token"));
        assert_eq!(ran.code, Some(1), "{}: {}", vector["source"], ran.stderr);
        assert_eq!(ran.json()["error"]["code"], vector["verify"], "{}", vector["source"]);
    }
    for unusable in vectors["unusable_keys"].as_array().expect("keys") {
        let ran = verify(&unusable["key"], "garbage");
        assert_eq!(ran.code, Some(2), "{}: {}", unusable["source"], ran.stdout);
        let told = unusable["told"].as_str().expect("a text");
        assert!(ran.stderr.contains(told), "{}: {}", unusable["source"], ran.stderr);
    }
}

#[test]
fn config_check_prints_what_each_issuer_resolved_to() {
    let folder = Folder::new("config-issuers");
    let preset = "issuers:\n  ci: { preset: github-actions, audiences: [customers] }\n";
    folder.write("chaperone.yaml", &CONFIG.replace("issuers:\n", preset));
    let ran = chaperone(&["config", "check", "--config", &folder.config()], "");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for told in [
        "issuer: ci",
        "preset: github-actions",
        "iss: https://token.actions.githubusercontent.com",
        "max_lifetime_seconds: 3600",
        "repository = repository, ",
        "discovered at https://token.actions.githubusercontent.com/.well-known/",
    ] {
        assert!(ran.stdout.contains(told), "{told}: {}", ran.stdout);
    }
    let ran = chaperone(&["config", "check", "--json", "--config", &folder.config()], "");
    assert_eq!(ran.json()["issuers"][0]["preset"], "github-actions");
    assert_eq!(ran.json()["issuers"][1]["preset"], Value::Null);

    let typo = preset.replace("github-actions", "github-acitons");
    folder.write("chaperone.yaml", &CONFIG.replace("issuers:\n", &typo));
    let ran = chaperone(&["config", "check", "--config", &folder.config()], "");
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("did you mean `github-actions`?"), "{}", ran.stderr);
    let line = CONFIG.lines().position(|line| line == "issuers:").expect("it is there") + 2;
    assert!(ran.stderr.contains(&format!("chaperone.yaml:{line}:")), "{}", ran.stderr);
}

#[test]
fn the_configuration_schema_lists_the_presets() {
    let schema = chaperone(&["config", "schema"], "").json();
    let presets = schema["$defs"]["Issuer"]["properties"]["preset"]["enum"].clone();
    let presets = presets.as_array().expect("a list");
    assert!(presets.contains(&json!("kubernetes")) && presets.len() == 9, "{presets:?}");
}

#[test]
fn an_empty_audit_log_is_intact_and_nothing_waits() {
    let folder = Folder::new("empty-store");
    let ran = chaperone(&["audit", "verify", "--config", &folder.config()], "");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(ran.json()["intact"], true);
    let ran = chaperone(&["approvals", "list", "--config", &folder.config()], "");
    assert_eq!(ran.code, Some(0));
    assert_eq!(ran.stdout.trim(), "nothing waits for approval");
    let unknown = format!("apr_{}", "0".repeat(32));
    let ran = chaperone(&["approvals", "show", &unknown, "--config", &folder.config()], "");
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
}

#[test]
fn revoke_says_what_is_refused_until_when_and_lift_takes_it_back() {
    let folder = Folder::new("revoke");
    let config = folder.config();
    let run = |arguments: &[&str]| chaperone(&[arguments, &["--config", &config]].concat(), "");
    let ran = run(&["revoke", "list"]);
    assert_eq!((ran.code, ran.stdout.trim()), (Some(0), "nothing is revoked"));

    let ran = run(&["revoke", "--subject", "github/repo:acme/shop", "--reason", "it leaked"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let told = "revoked subject github/repo:acme/shop until ";
    assert!(ran.stdout.starts_with(told), "{}", ran.stdout);
    assert_eq!(ran.stderr, "");
    let ran = run(&["revoke", "--jti", "t-1", "--for", "5m", "--by", "ada", "--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let made = ran.json();
    assert_eq!((&made["kind"], &made["value"]), (&json!("jti"), &json!("t-1")));
    assert_eq!((&made["issuer"], &made["by"]), (&Value::Null, &json!("ada")));
    assert!(ran.stderr.contains("is good again"), "shorter than tokens last: {}", ran.stderr);

    let ran = run(&["revoke", "list"]);
    for told in ["ID", "github/repo:acme/shop", "it leaked", "*/t-1", "ada"] {
        assert!(ran.stdout.contains(told), "{told}: {}", ran.stdout);
    }
    let listed: Vec<Value> = run(&["revoke", "list", "--json"])
        .stdout
        .lines()
        .map(|line| line.parse().unwrap())
        .collect();
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[1], made);
    // By default it lasts as long as tokens can: an hour, and 30 seconds of leeway.
    let lasts = |row: &Value| {
        let at = |member: &str| row[member].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        at("expires_at").duration_since(at("created_at")).as_secs()
    };
    assert_eq!((lasts(&listed[0]), lasts(&listed[1])), (3630, 300));

    let id = made["id"].as_str().unwrap();
    let ran = run(&["revoke", "lift", id]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.starts_with("lifted the revocation of jti */t-1"), "{}", ran.stdout);
    let ran = run(&["revoke", "lift", id]);
    assert_eq!(ran.code, Some(1), "it is lifted already");
    assert!(ran.stderr.contains("revocation_not_found"), "{}", ran.stderr);
    let tail = run(&["audit", "tail"]).stdout;
    assert!(tail.contains("revoked  subject  github/repo:acme/shop"), "{tail}");
    assert!(tail.contains("lifted  jti  t-1"), "{tail}");
    assert_eq!(run(&["audit", "verify"]).json()["intact"], true);
}

#[test]
fn a_revocation_lasts_as_long_as_what_it_may_name() {
    let folder = Folder::new("revoke-lasts");
    let workloads = "issuers:\n  mesh: { issuer: 'https://mesh.example', audiences: [c], \
                     trust_domain: mesh.example, keys: { certificates_only: true } }\n";
    let certified = CONFIG.replacen("issuers:\n", workloads, 1);
    folder.write("mesh.yaml", &format!("{certified}peer: {{ from: tls }}\n"));
    let mesh = folder.0.join("mesh.yaml").display().to_string();
    let plain = folder.config();
    let (tokens, days) = (3630, 90 * 24 * 3600);
    for (config, what, name, expected) in [
        (&plain, "--jti", "0123456789abcdef", days),
        (&plain, "--jti", "*/0123456789abcdef", days),
        (&plain, "--jti", "api-key/0123456789abcdef", days),
        (&plain, "--subject", "api-key/nightly", days),
        (&plain, "--jti", "github/t-1", tokens),
        (&plain, "--issuer-key", "github/k", tokens),
        (&mesh, "--subject", "mesh/spiffe://mesh.example/a", days),
        (&mesh, "--chain-root", "mesh/spiffe://mesh.example/a", days),
        (&mesh, "--subject", "github/a", tokens),
    ] {
        let ran = chaperone(&["revoke", what, name, "--json", "--config", config], "");
        assert_eq!(ran.code, Some(0), "{what} {name}: {}", ran.stderr);
        let made = ran.json();
        let at = |member: &str| made[member].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        let lasts = at("expires_at").duration_since(at("created_at")).as_secs();
        assert_eq!(lasts, expected, "{what} {name}");
    }
    assert!(chaperone(&["revoke", "--help"], "").stdout.contains("90 days"));
}

#[test]
fn revoke_refuses_what_could_match_nobody() {
    let folder = Folder::new("revoke-usage");
    let config = folder.config();
    for (arguments, told) in [
        (vec!["--subject", "gihtub/x"], "did you mean `github`?"),
        (vec!["--chain-root", "github"], "<issuer alias>/<subject>"),
        (vec!["--issuer-key", "github/"], "not empty"),
        (vec!["--subject", "github/a", "--jti", "b"], "cannot be used with"),
        (vec!["--jti", "a", "--for", "soon"], "length of time"),
        (vec![], "required"),
        (vec!["lift", "rev_1"], "rev_"),
    ] {
        let ran =
            chaperone(&[vec!["revoke"], arguments.clone(), vec!["--config", &config]].concat(), "");
        assert_eq!(ran.code, Some(2), "{arguments:?}: {}", ran.stdout);
        assert!(ran.stderr.contains(told), "{arguments:?}: {}", ran.stderr);
    }
    let ran = chaperone(&["revoke", "--jti", "a"], "");
    assert_eq!(ran.code, Some(2), "no configuration is named");
}

#[test]
fn an_api_key_is_printed_once_and_listed_without_its_secret() {
    let folder = Folder::new("api-keys");
    let config = folder.config();
    let run = |arguments: &[&str]| chaperone(&[arguments, &["--config", &config]].concat(), "");
    let ran = run(&["api-keys", "list"]);
    assert_eq!((ran.code, ran.stdout.trim()), (Some(0), "there are no API keys"));

    let nightly = ["api-keys", "create", "--name", "nightly", "--owner", "corp-idp/ada"];
    let create = |more: &[&str]| run(&[&nightly, more].concat());
    let ran = create(&["--expires", "30d", "--group", "ci-jobs", "--group", "batch"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let key = ran.stdout.trim().to_owned();
    let (id, secret) = key.strip_prefix("chp_").unwrap().split_once('_').unwrap();
    assert_eq!((id.len(), secret.len()), (16, 64));
    assert!(ran.stderr.contains("not shown again"), "{}", ran.stderr);
    assert!(ran.stderr.contains("api_keys: accept"), "no service takes it: {}", ran.stderr);
    let made = create(&["--expires", "1h", "--json"]).json();
    assert!(made["key"].as_str().unwrap().starts_with("chp_"), "{made}");

    let ran = run(&["api-keys", "list"]);
    for told in ["ID", id, "nightly", "corp-idp/ada", "good", "batch ci-jobs"] {
        assert!(ran.stdout.contains(told), "{told}: {}", ran.stdout);
    }
    let stored = std::fs::read(folder.0.join("chaperone.db")).unwrap();
    let wal = std::fs::read(folder.0.join("chaperone.db-wal")).unwrap_or_default();
    let all = [ran.stdout.as_bytes(), &stored, &wal].concat();
    let all = String::from_utf8_lossy(&all).into_owned();
    assert!(all.contains(id) && !all.contains(secret), "the secret is kept nowhere");

    let ran = run(&["api-keys", "revoke", id]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("api-key/nightly"), "{}", ran.stdout);
    assert_eq!(run(&["api-keys", "revoke", id]).code, Some(1), "it is revoked already");
    let listed: Value =
        run(&["api-keys", "list", "--json"]).stdout.lines().next().unwrap().parse().unwrap();
    assert_eq!((&listed["id"], &listed["state"]), (&json!(id), &json!("revoked")));
    let tail = run(&["audit", "tail"]).stdout;
    assert!(tail.contains("created") && tail.contains("corp-idp/ada"), "{tail}");
    assert_eq!(run(&["audit", "verify"]).json()["intact"], true);
}

#[test]
fn an_api_key_has_an_owner_and_an_end_within_90_days() {
    let folder = Folder::new("api-keys-usage");
    let config = folder.config();
    let create = |arguments: &[&str]| {
        chaperone(&[&["api-keys", "create", "--config", &config], arguments].concat(), "")
    };
    for (arguments, told) in [
        (vec!["--name", "a", "--expires", "1d"], "--owner"),
        (vec!["--name", "a", "--owner", "ada"], "--expires"),
        (vec!["--owner", "ada", "--expires", "1d"], "--name"),
        (vec!["--name", "a", "--owner", " ", "--expires", "1d"], "owner"),
        (vec!["--name", "a", "--owner", "ada", "--expires", "91d"], "90 days"),
        (vec!["--name", "A/b", "--owner", "ada", "--expires", "1d"], "name"),
    ] {
        let ran = create(&arguments);
        assert_eq!(ran.code, Some(2), "{arguments:?}: {}", ran.stdout);
        assert!(ran.stderr.contains(told), "{arguments:?}: {}", ran.stderr);
    }
    assert_eq!(create(&["--name", "a", "--owner", "ada", "--expires", "90d"]).code, Some(0));
    let ran = create(&["--name", "a", "--owner", "eve", "--expires", "1d"]);
    assert_eq!(ran.code, Some(1), "the name is ada's");
    assert!(ran.stderr.contains("api_key_name_taken"), "{}", ran.stderr);
}

#[test]
fn the_plugin_configuration_holds_the_plan_and_keys_only_when_asked() {
    let folder = Folder::new("plugin-config");
    let ran = chaperone(&["envoy", "plugin-config", "--config", &folder.config()], "");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(ran.json()["plan"]["services"][0]["name"], "customers");
    assert_eq!(ran.json()["facts_keys"][0]["id"], "k1");
    let arguments = ["envoy", "plugin-config", "--without-keys", "--config", &folder.config()];
    let ran = chaperone(&arguments, "");
    assert_eq!(ran.json()["facts_keys"], json!([]));
}

#[test]
fn every_command_teaches_how_it_is_used() {
    let commands: [&[&str]; 24] = [
        &["serve"],
        &["config", "check"],
        &["config", "schema"],
        &["token", "verify"],
        &["token", "exchange"],
        &["keys", "list"],
        &["keys", "rotate"],
        &["inspect"],
        &["mask"],
        &["policy", "check"],
        &["policy", "explain"],
        &["approvals", "list"],
        &["approvals", "show"],
        &["approvals", "approve"],
        &["approvals", "deny"],
        &["revoke"],
        &["revoke", "list"],
        &["revoke", "lift"],
        &["api-keys", "create"],
        &["api-keys", "list"],
        &["api-keys", "revoke"],
        &["audit", "tail"],
        &["audit", "verify"],
        &["envoy", "plugin-config"],
    ];
    for command in commands {
        let ran = chaperone(&[command, &["--help"]].concat(), "");
        assert_eq!(ran.code, Some(0), "{command:?}");
        assert!(ran.stdout.contains("Usage:"), "{command:?}: {}", ran.stdout);
    }
    for shell in ["bash", "zsh", "fish"] {
        let ran = chaperone(&["completions", shell], "");
        assert!(ran.code == Some(0) && ran.stdout.contains("approvals"), "{shell}");
    }
}

/// A folder whose service `tools` names pins that are not there yet.
fn folder_with_pins(name: &str) -> Folder {
    let folder = Folder::new(name);
    let service = "  tools:\n    hosts: [tools.example]\n    routes:\n      - path: /mcp\n        \
                   inspect: { mcp: { pins: pins.json } }\nmasking:";
    folder.write("chaperone.yaml", &CONFIG.replace("masking:", service));
    folder
}

fn tool_list(tools: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "result": { "tools": tools } }).to_string()
}

#[test]
fn mcp_pin_writes_the_pins_and_tells_what_changed() {
    let folder = folder_with_pins("mcp-pin");
    let config = folder.config();
    let pin = |more: &[&str], tools: &Value| {
        let arguments = ["mcp", "pin", "--config", &config, "--service", "tools", "--from", "-"];
        chaperone(&[&arguments, more].concat(), &tool_list(tools))
    };
    let first = json!([{ "name": "read", "description": "Reads." }, { "name": "gone" }]);
    let ran = pin(&["--check"], &first);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(!folder.0.join("pins.json").exists(), "--check writes nothing");
    let ran = pin(&[], &first);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("+ read: Reads."), "{}", ran.stdout);
    let written = std::fs::read_to_string(folder.0.join("pins.json")).expect("the pins");
    let written: Value = serde_json::from_str(&written).expect("JSON");
    assert_eq!(written["tools"]["read"]["description"], "Reads.");
    let digest =
        chaperone_inspection::digest::Digest::of(br#"{"description":"Reads.","name":"read"}"#);
    assert_eq!(written["tools"]["read"]["sha256"], digest.to_string());
    assert_eq!(pin(&["--check"], &first).code, Some(0));

    let second = json!([{ "name": "read", "description": "Reads it." }, { "name": "new" }]);
    let ran = pin(&["--check", "--json"], &second);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    let found = ran.json();
    assert_eq!(found["added"][0]["name"], "new");
    assert_eq!(found["changed"][0]["name"], "read");
    assert_eq!(found["changed"][0]["was"]["description"], "Reads.");
    assert_eq!(found["removed"][0]["name"], "gone");
    assert_eq!(found["written"], false);
    let ran = pin(&[], &second);
    assert!(ran.stdout.contains("~ read: Reads it.\n    was: Reads."), "{}", ran.stdout);
    assert!(ran.stdout.contains("- gone"), "{}", ran.stdout);
}

#[test]
fn mcp_pin_refuses_what_is_no_whole_list() {
    let folder = folder_with_pins("mcp-pin-refuses");
    let config = folder.config();
    let arguments = ["mcp", "pin", "--config", &config, "--service", "tools", "--from", "-"];
    let paged = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[],"nextCursor":"c"}}"#;
    for (input, code, told) in [
        (paged, 2, "one page of several"),
        (r#"{"jsonrpc":"2.0","id":1,"error":{}}"#, 2, "no `tools`"),
        (r#"{"tools":[{"name":"a","name":"b"}]}"#, 2, "the same key twice"),
        (r#"{"tools":[{"name":"a"},{"name":"a"}]}"#, 1, "listed twice"),
        ("", 2, "cannot read the list"),
    ] {
        let ran = chaperone(&arguments, input);
        assert_eq!(ran.code, Some(code), "{input}: {}", ran.stderr);
        assert!(ran.stderr.contains(told), "{input}: {}", ran.stderr);
    }
    assert!(!folder.0.join("pins.json").exists());
    let other = ["mcp", "pin", "--config", &config, "--service", "customers", "--from", "-"];
    let ran = chaperone(&other, "{}");
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("names pins"), "{}", ran.stderr);
    folder.write("pins.json", "[]");
    let ran = chaperone(&["config", "check", "--config", &config], "");
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("not a file of pins"), "{}", ran.stderr);
}

#[test]
fn pins_are_for_the_server_and_may_change_without_the_filter() {
    let folder = folder_with_pins("mcp-pin-plan");
    let ran = chaperone(&["envoy", "plugin-config", "--config", &folder.config()], "");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(!ran.stdout.contains("pins"), "{}", ran.stdout);
    let ran = chaperone(&["config", "check", "--json", "--config", &folder.config()], "");
    let pinned = &ran.json()["services"][1]["pinned_tools"]["/mcp"];
    assert!(pinned.as_str().is_some_and(|pinned| pinned.starts_with("0 in ")), "{pinned}");
}

/// A request as the server below has read it: its line, headers and body.
fn read_request(stream: &mut std::net::TcpStream) -> (String, String) {
    use std::io::{BufRead as _, BufReader, Read as _};
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).expect("a line") > 0, "a whole head: {head}");
    }
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().expect("a length"))];
    reader.read_exact(&mut body).expect("a body");
    (head, String::from_utf8(body).expect("text"))
}

/// An MCP server with sessions, whose tools are on two pages, in events; gives what it
/// was asked.
fn paging_server() -> (String, std::thread::JoinHandle<Vec<String>>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/mcp", listener.local_addr().expect("an address"));
    let serving = std::thread::spawn(move || {
        let mut asked = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().expect("a connection");
            let (head, body) = read_request(&mut stream);
            let message: Value = serde_json::from_str(&body).unwrap_or_default();
            let in_session = head.contains("mcp-session-id: s1");
            let method = message["method"].as_str().unwrap_or("DELETE").to_owned();
            let result = match (method.as_str(), in_session) {
                ("initialize", false) => json!({ "protocolVersion": "2025-11-25" }),
                ("tools/list", true) if message["params"]["cursor"] == "2" => {
                    json!({ "tools": [{ "name": "second" }] })
                }
                ("tools/list", true) => {
                    json!({ "tools": [{ "name": "first" }], "nextCursor": "2" })
                }
                _ => Value::Null,
            };
            let answer = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result });
            let events = format!("data: {{\"method\":\"ping\",\"id\":9}}\n\ndata: {answer}\n\n");
            let sent = write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nmcp-session-id: s1\r\n\
                 connection: close\r\ncontent-length: {}\r\n\r\n{events}",
                events.len()
            );
            sent.expect("the answer leaves");
            let token = head.contains("authorization: bearer secret");
            asked.push(format!("{method} {in_session} {token}"));
            if method == "DELETE" {
                return asked;
            }
        }
    });
    (url, serving)
}

#[test]
fn mcp_pin_asks_the_server_itself_for_every_page() {
    let folder = folder_with_pins("mcp-pin-url");
    folder.write("token", "secret\n");
    let token = folder.0.join("token").display().to_string();
    let (url, serving) = paging_server();
    let config = folder.config();
    let pin = ["mcp", "pin", "--config", &config, "--service", "tools", "--url", &url];
    let ran = chaperone(&[&pin[..], &["--token-file", &token, "--json"]].concat(), "");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let added = ran.json()["added"].as_array().expect("a list").clone();
    let names: Vec<_> = added.iter().map(|tool| tool["name"].as_str().expect("a name")).collect();
    assert_eq!(names, ["first", "second"]);
    let asked = serving.join().expect("the server ends");
    let expected = [
        "initialize false true",
        "notifications/initialized true true",
        "tools/list true true",
        "tools/list true true",
        "DELETE true true",
    ];
    assert_eq!(asked, expected);
}
