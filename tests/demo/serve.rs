//! `cargo demo -- --serve`: everything stays up, with commands to paste.

use harness::process::tail;
use harness::{Failure, Issuer, Mesh, Result};
use serde_json::{Value, json};

use crate::story::{ACTORS, JOB};
use crate::terminal::Terminal;

/// How long the tokens of a served demo are good, in seconds: as long as the server
/// takes them at most, unless its configuration says otherwise.
const LIFETIME: u64 = 60 * 60;

/// Prints what to try, and waits to be interrupted.
pub(crate) async fn serve(mesh: &Mesh, terminal: &Terminal) -> Result<()> {
    let exp = json!(harness::issuer::now() + LIFETIME);
    let file = |name: &str, token: &str| mesh.workdir().write(name, token);
    let issuer = &mesh.issuer;
    let job =
        file("ci-job.token", &issuer.mint(Issuer::Github, &json!({ "sub": JOB, "exp": exp })))?;
    let nested = issuer.mint_nested(JOB, &ACTORS, &json!({ "exp": exp }));
    let container = file("container.token", &nested)?;
    let alice = json!({ "sub": "alice", "groups": ["sre"], "exp": exp });
    let alice = file("alice.token", &issuer.mint(Issuer::CorpIdp, &alice))?;
    let config = mesh.server.config();
    let binary = harness::artifacts::build(harness::artifacts::Progress::Quiet)?;
    let variables = [
        ("CI_JOB", format!("$(cat {})", job.display())),
        ("CONTAINER", format!("$(cat {})", container.display())),
        ("CHAPERONE_CONFIG", config.display().to_string()),
    ];
    let ask =
        |variable: &str, request: harness::Request| request.token(&format!("${variable}")).curl();
    let lookup = json!({ "name": "lookup_customer", "arguments": { "id": 1 } });
    let chaperone = binary.chaperone.display();
    let commands = [
        ("A CI job reads a customer, masked", ask("CI_JOB", mesh.get("/api/customers/1"))),
        (
            "A container three hops deep reads them all",
            ask("CONTAINER", mesh.get("/api/customers")),
        ),
        (
            "Events, masked one by one",
            ask("CI_JOB", mesh.get("/api/feed")).replace("curl -s", "curl -sN"),
        ),
        ("SQL is judged by what it does", ask("CONTAINER", mesh.sql("SELECT * FROM customers"))),
        ("Without a WHERE it is forbidden", ask("CONTAINER", mesh.sql("DELETE FROM customers"))),
        (
            "A write waits for a person; send it again once approved",
            ask("CONTAINER", mesh.sql("UPDATE customers SET city = 'Paris' WHERE id = 1")),
        ),
        ("What waits", format!("{chaperone} approvals list")),
        (
            "Alice approves",
            format!("{chaperone} approvals approve apr_… --token-file {}", alice.display()),
        ),
        ("An MCP tool", ask("CONTAINER", mesh.mcp(&Value::from(1), "tools/call", &lookup))),
        ("Why: the audit log", format!("{chaperone} audit tail")),
        ("Nobody has changed it", format!("{chaperone} audit verify")),
        (
            "Policies are reloaded when you edit them",
            format!("ls {}", mesh.server.policies().display()),
        ),
    ];
    terminal.note("\nPaste this first:\n");
    for (name, value) in variables {
        terminal.note(&format!("  export {name}=\"{value}\""));
    }
    terminal.note("\nThen try:\n");
    for (about, command) in commands {
        terminal.note(&format!("  # {about}\n  {command}\n"));
    }
    terminal.note(&format!(
        "Envoy is on {}, its admin interface on {}; logs and all files are in {}.\n\
         The tokens are good for an hour. Ctrl-C stops and removes everything.",
        mesh.envoy.address(),
        mesh.envoy.admin_address(),
        mesh.workdir().path().display()
    ));
    watch(mesh).await
}

/// Waits for ever, or until one of the programs has ended.
async fn watch(mesh: &Mesh) -> Result<()> {
    loop {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        let ended =
            |log: String| format!("it no longer answers; the end of its log:\n{}", tail(&log));
        if mesh.envoy.admin("/ready").await.is_err() {
            return Err(Failure::unexpected("Envoy", ended(mesh.envoy.log())));
        }
        if mesh.server.get("/healthz").await.is_err() {
            return Err(Failure::unexpected("the server", ended(mesh.server.log())));
        }
    }
}
