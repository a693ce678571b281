//! The story, step by step: what is asked, what is answered, and what should be.

use harness::server::Ran;
use harness::{Answer, Failure, Issuer, Mesh, Request, Result};
use reqwest::Method;
use serde_json::{Value, json};

use crate::terminal::Terminal;
use crate::why;

/// The CI job that everything begins with.
pub(crate) const JOB: &str = "repo:acme/shop:ref:refs/heads/main";

/// Whom the job's work goes through, in that order.
pub(crate) const ACTORS: [&str; 3] = ["deploy-script", "deploy-job", "data-container"];

const JOB_NAME: &str = "the CI job's token";
const CONTAINER_NAME: &str = "the data container's token: CI job › script › job › container";

/// Ada's, as the upstream holds them.
const ADAS: [&str; 4] =
    ["ada.lovelace@example.com", "4242 4242 4242 4242", "523-45-6781", "DE89370400440532013000"];

/// The story while it is told.
#[derive(Debug)]
pub(crate) struct Story<'a> {
    mesh: &'a Mesh,
    terminal: &'a Terminal,
    scenes: usize,
    wrong: usize,
    /// Of the last request.
    chain: Value,
}

impl<'a> Story<'a> {
    pub(crate) fn new(mesh: &'a Mesh, terminal: &'a Terminal) -> Self {
        Self { mesh, terminal, scenes: 0, wrong: 0, chain: Value::Null }
    }

    /// Plays all of it; gives how many things were not as they should be.
    pub(crate) async fn play(mut self) -> Result<usize> {
        self.a_job_reads().await?;
        self.a_chain_reads().await?;
        self.a_select_is_masked().await?;
        self.a_delete_without_where_is_blocked().await?;
        self.a_write_waits_for_a_person().await?;
        self.a_tool_is_called().await?;
        self.another_tool_is_not().await?;
        self.forged_facts_are_not_believed().await?;
        self.stolen_and_static_tokens_are_refused().await?;
        self.the_log_tells_it_all()?;
        let (well, told) = match self.wrong {
            0 => (true, "Every step went as it should.".to_owned()),
            wrong => (false, format!("{wrong} things did not go as they should.")),
        };
        self.terminal.end(&told, well);
        Ok(self.wrong)
    }

    async fn a_job_reads(&mut self) -> Result<()> {
        self.scene(
            "A CI job reads a customer",
            "Its token is GitHub's. Policy lets CI jobs read, and orders that what is personal or \
             secret is masked while the answer streams through Envoy.",
        );
        let upstream = Request::new(self.mesh.upstream.address(), Method::GET, "/api/customers/1");
        let unguarded = upstream.send().await?.json();
        self.terminal.sent("upstream", "holds, as anybody would get it without Chaperone:");
        self.terminal.body(&serde_json::to_string_pretty(&unguarded).unwrap_or_default());
        let request = self.mesh.get("/api/customers/1").token(&self.mesh.issuer.job());
        let answer = self.ask(JOB_NAME, request).await?;
        self.status(&answer, 200);
        self.masked(&answer, "Ada Lovelace", &ADAS);
        let seen = self.mesh.upstream.seen();
        let kept = seen.last().is_some_and(|request| request.header("authorization").is_none());
        self.check("the upstream never saw the token", kept);
        Ok(())
    }

    async fn a_chain_reads(&mut self) -> Result<()> {
        self.scene(
            "A container three hops deep reads customers",
            "The CI job started a deploy script, which started a Kubernetes Job, which started a \
             container. The platform's token names all of them (RFC 8693 `act`), and every one \
             of them must be permitted.",
        );
        let request = self.mesh.get("/api/customers").token(&self.container());
        let answer = self.ask(CONTAINER_NAME, request).await?;
        self.status(&answer, 200);
        self.masked(&answer, "Grace Hopper", &["AKIAIOSFODNN7EXAMPLE", "grace.hopper@example.org"]);
        let chain = self.mesh.decision_of(&answer)?["chain"].as_array().map_or(0, Vec::len);
        self.check("the audit log names all four, root first", chain == 4);
        self.scene(
            "A stranger joins the chain",
            "The platform names another hop, which no policy knows. Earlier hops restrict and never \
             grant: one that may not is enough.",
        );
        let token = self.mesh.issuer.mint_nested(
            JOB,
            &["deploy-script", "somebody", "data-container"],
            &json!({}),
        );
        let request = self.mesh.get("/api/customers").token(&token);
        let answer = self.ask("a token of CI job › script › somebody › container", request).await?;
        self.refused(&answer, 403, "policy_denied");
        Ok(())
    }

    async fn a_select_is_masked(&mut self) -> Result<()> {
        self.scene(
            "The container asks in SQL",
            "The filter reads the statement, so policy judges what it does and not that it is a \
             POST.",
        );
        let statement = "SELECT name, email, card, ssn, iban FROM customers WHERE id = 1";
        let request = self.mesh.sql(statement).token(&self.container());
        let answer = self.ask(CONTAINER_NAME, request).await?;
        self.status(&answer, 200);
        self.masked(&answer, "Ada Lovelace", &ADAS);
        Ok(())
    }

    async fn a_delete_without_where_is_blocked(&mut self) -> Result<()> {
        self.scene(
            "A DELETE has lost its WHERE",
            "Forbidden, whoever asks and whoever would approve. `WHERE 1 = 1` is no WHERE either.",
        );
        for statement in ["DELETE FROM customers", "DELETE FROM customers WHERE 1 = 1"] {
            let before = self.mesh.upstream.seen().len();
            let request = self.mesh.sql(statement).token(&self.container());
            let answer = self.ask(CONTAINER_NAME, request).await?;
            self.refused(&answer, 403, "policy_denied");
            self.check("the upstream saw nothing", self.mesh.upstream.seen().len() == before);
        }
        Ok(())
    }

    async fn a_write_waits_for_a_person(&mut self) -> Result<()> {
        self.scene(
            "A write waits for a person",
            "Rows may change when somebody of the group `sre` has looked at this very statement. \
             The approval is bound to everything in the request; another city needs another one.",
        );
        let statement = "UPDATE customers SET city = 'Paris' WHERE id = 1";
        let token = self.container();
        let update = || self.mesh.sql(statement).token(&token);
        let answer = self.ask(CONTAINER_NAME, update()).await?;
        self.refused(&answer, 403, "approval_required");
        let id = answer.approval().ok_or_else(|| {
            Failure::unexpected("the answer", format!("it names no approval: {answer:?}"))
        })?;
        self.typed(&self.mesh.server.command(&["approvals", "list"])?);

        let own = self.mesh.server.approve(&id, &token)?;
        self.typed(&own);
        self.check("an agent approves nothing", own.code == Some(1));

        let alice = json!({ "sub": "alice", "groups": ["sre"] });
        let alice = self.mesh.issuer.mint(Issuer::CorpIdp, &alice);
        let approved = self.mesh.server.approve(&id, &alice)?;
        self.typed(&approved);
        self.check("Alice, a person and an SRE, does", approved.code == Some(0));

        let answer = self.ask(CONTAINER_NAME, update()).await?;
        self.status(&answer, 200);
        self.check("one row has changed", answer.json()["changes"] == 1);
        let answer = self.ask(CONTAINER_NAME, update()).await?;
        self.refused(&answer, 403, "approval_required");
        let sent = self.mesh.upstream.seen_with(statement).len();
        self.check("it passed once and not twice", sent == 1);
        Ok(())
    }

    async fn a_tool_is_called(&mut self) -> Result<()> {
        self.scene(
            "An agent opens an MCP session and calls a tool",
            "The same rules, in the agent's language: masking reaches into the text of the tool's \
             answer.",
        );
        let token = self.container();
        let hello = json!({
            "protocolVersion": "2025-06-18", "capabilities": {},
            "clientInfo": { "name": "demo", "version": "1" },
        });
        let request = self.mesh.mcp(&json!(1), "initialize", &hello).token(&token);
        let answer = self.ask(CONTAINER_NAME, request).await?;
        self.check("the session opens", answer.json()["result"]["serverInfo"].is_object());
        let request = self.mesh.mcp(&json!(2), "tools/list", &json!({})).token(&token);
        let answer = self.ask(CONTAINER_NAME, request).await?;
        self.check("the tools are listed", answer.json()["result"]["tools"].is_array());
        let lookup = json!({ "name": "lookup_customer", "arguments": { "id": 1 } });
        let request = self.mesh.mcp(&json!(3), "tools/call", &lookup).token(&token);
        let answer = self.ask(CONTAINER_NAME, request).await?;
        self.status(&answer, 200);
        self.masked(&answer, "Ada Lovelace", &ADAS);
        Ok(())
    }

    async fn another_tool_is_not(&mut self) -> Result<()> {
        self.scene(
            "The agent calls a tool that it may not",
            "What no policy permits is denied. The agent gets a JSON-RPC error with the id of its \
             request, so its client does not choke on it.",
        );
        let export = json!({ "name": "export_customers", "arguments": {} });
        let request = self.mesh.mcp(&json!("call-4"), "tools/call", &export);
        let answer = self.ask(CONTAINER_NAME, request.token(&self.container())).await?;
        self.refused(&answer, 200, "policy_denied");
        let body = answer.json();
        let told = body["error"]["code"].is_i64() && body["id"] == "call-4";
        self.check("it is a JSON-RPC error with the request's id", told);
        Ok(())
    }

    async fn forged_facts_are_not_believed(&mut self) -> Result<()> {
        self.scene(
            "Somebody writes the facts themselves",
            "The filter tells the server in a sealed header what a request would do. A client \
             that sends the header has it removed; one that finds a way around the filter cannot \
             seal it.",
        );
        let forged = "v1.demo-1.eyJmYWN0cyI6Imhhcm1sZXNzIn0.c2VhbGVkLWJ5LW5vYm9keQ";
        let drop = json!({ "query": "DROP TABLE customers" });
        let token = self.mesh.issuer.job();
        let forge = |request: Request| {
            request.token(&token).header("x-chaperone-facts", forged).json(&drop)
        };
        let through = forge(self.mesh.request(Method::POST, "/sql"));
        let answer = self.ask(JOB_NAME, through).await?;
        self.refused(&answer, 403, "policy_denied");
        let around = forge(self.mesh.bypass(Method::POST, "/sql"));
        let answer = self.ask("the CI job's token, around the filter", around).await?;
        self.refused(&answer, 403, "facts_invalid");
        Ok(())
    }

    async fn stolen_and_static_tokens_are_refused(&mut self) -> Result<()> {
        self.scene(
            "A token for somebody else, and one that never runs out",
            "Good signatures of the right issuer, both. The first was meant for another service \
             and stolen from it; the second is a password in disguise.",
        );
        let issuer = &self.mesh.issuer;
        for (caller, token) in [
            ("a token for the audience `payments`", issuer.for_another_audience()),
            ("a token without `exp`", issuer.without_expiry()),
        ] {
            let answer = self.ask(caller, self.mesh.get("/api/customers").token(&token)).await?;
            self.status(&answer, 401);
            let challenge = answer.header("www-authenticate").unwrap_or_default();
            let told = challenge.contains("invalid_token");
            self.check(&format!("the caller is told: {challenge}"), told);
        }
        Ok(())
    }

    fn the_log_tells_it_all(&mut self) -> Result<()> {
        self.scene(
            "The audit log",
            "One record a decision, written before its answer left, each linked to the one before \
             by a hash, and the outcome as the filter saw it.",
        );
        self.typed(&self.mesh.server.command(&["audit", "tail", "--lines", "12"])?);
        let verified = self.mesh.server.command(&["audit", "verify"])?;
        self.typed(&verified);
        let report: Value = serde_json::from_str(&verified.stdout).unwrap_or_default();
        self.check("no entry was changed, removed or put in", report["intact"] == true);
        Ok(())
    }

    fn container(&self) -> String {
        self.mesh.issuer.mint_nested(JOB, &ACTORS, &json!({}))
    }

    fn scene(&mut self, title: &str, about: &str) {
        self.scenes += 1;
        self.terminal.scene(self.scenes, title, about);
    }

    /// Sends the request; prints it, the answer, and why.
    async fn ask(&mut self, caller: &str, request: Request) -> Result<Answer> {
        let body = request.body_text().map(|body| format!("\n{body}")).unwrap_or_default();
        self.terminal.sent("request", &format!("{}  with {caller}{body}", request.line()));
        let answer = request.send().await?;
        self.terminal.answer(answer.status, answer.decision().unwrap_or("(no decision)"));
        self.terminal.body(&shown(&answer));
        let decision = self.mesh.decision_of(&answer)?;
        let passed = decision["verdict"] == "allow";
        let outcome = if passed { Some(self.mesh.outcome_of(&answer).await?) } else { None };
        self.terminal.why(&why::told(&decision, outcome.as_ref(), &self.chain));
        self.chain = decision["chain"].clone();
        Ok(answer)
    }

    fn typed(&self, ran: &Ran) {
        self.terminal.sent("command", &ran.typed);
        self.terminal.output(format!("{}{}", ran.stdout, ran.stderr).trim_end());
    }

    fn check(&mut self, what: &str, holds: bool) {
        self.wrong += usize::from(!holds);
        self.terminal.check(what, holds);
    }

    fn status(&mut self, answer: &Answer, status: u16) {
        self.check(&format!("answered with {status}"), answer.status == status);
    }

    fn refused(&mut self, answer: &Answer, status: u16, code: &str) {
        let holds = answer.status == status && answer.code().as_deref() == Some(code);
        self.check(&format!("refused with {status} {code}"), holds);
    }

    /// Whether the answer is about `name` and holds none of `secrets`.
    fn masked(&mut self, answer: &Answer, name: &str, secrets: &[&str]) {
        let text = answer.text();
        let holds = text.contains(name) && !secrets.iter().any(|secret| text.contains(secret));
        self.check(&format!("{name} is there, what is personal or secret is not"), holds);
    }
}

/// The body as a person reads it.
fn shown(answer: &Answer) -> String {
    match answer.json() {
        Value::Null => answer.text(),
        body => serde_json::to_string_pretty(&body).unwrap_or_default(),
    }
}
