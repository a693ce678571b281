//! The pipeline of one request, in order: service, identity, facts, policy,
//! approval, audit, answer.
//!
//! Every way out of it is a [`Verdict`], and no verdict leaves before its audit
//! record is kept.

mod mcp;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chaperone_inspection::Inspector;
use chaperone_inspection::digest::Digest;
use chaperone_inspection::facts::{Facts, Protocol, Unparsed};
use chaperone_inspection::mask::profile::Profile;
use chaperone_inspection::obligations::MaskOrder;
use chaperone_inspection::protocol::{RequestHead, Route};
use chaperone_inspection::seal::{self, Binding, FACTS_HEADER, FactsKey, SealError};
use uuid::Uuid;

use crate::approval::{
    ActionToApprove, ApprovalError, ApprovalId, ApprovalRequest, Approvals, Consumed, Standing,
};
use crate::audit::{AuditLog, Record};
use crate::identity::{
    Authenticator, Credential, Fault, IdentityError, PeerAttributes, Presented, PrincipalKind,
    Scheme,
};
use crate::issuing::Transactions;
use crate::ledger::Ledger;
use crate::policy::{
    ApprovalTerms, Decision, Enforce, Grant, Policies, ProfileName, Question, RequestContext,
    TokenContext,
};
use crate::redact::Redactor;
use crate::request::GuardedRequest;
use crate::service::Service;
use crate::time::{Clock, UnixMillis};
use crate::tools::{ToolRoute, Tools};
use crate::upstream::{SetHeader, UpstreamCredentials, UpstreamToken};
use crate::verdict::{
    ApprovalNotice, Caller, DecisionId, Granted, JsonRpcCaller, Permit, Refusal, Verdict,
};

/// How soon a caller may ask again whether its request was approved.
const APPROVAL_RETRY: Duration = Duration::from_secs(5);

/// What the configuration says about deciding.
#[derive(Debug)]
pub struct Rules {
    /// Which requests are read, as what.
    pub inspector: Inspector,
    /// The services, by name.
    pub services: BTreeMap<String, Service>,
    /// The masking profiles, by name.
    pub profiles: BTreeMap<ProfileName, Profile>,
    /// The keys that facts are sealed with.
    pub facts_keys: Arc<[FactsKey]>,
    /// How old facts may be.
    pub facts_window: Duration,
    /// Which hops must be permitted.
    pub enforce: Enforce,
    /// The base of the URLs in answers.
    pub public_url: String,
    /// Who signs the tokens that services get in place of callers' credentials.
    pub transactions: Option<Transactions>,
    /// What is known of the tools of MCP servers.
    pub tools: Arc<Tools>,
}

/// Decides requests.
pub struct Decider {
    rules: Rules,
    plan: Digest,
    redactor: Redactor,
    authenticator: Arc<Authenticator>,
    policies: Arc<Policies>,
    approvals: Arc<Approvals>,
    audit: Arc<AuditLog>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Decider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decider").field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl Decider {
    /// Puts the rooms in order.
    pub fn new(
        rules: Rules,
        redactor: Redactor,
        authenticator: Arc<Authenticator>,
        policies: Arc<Policies>,
        approvals: Arc<Approvals>,
        audit: Arc<AuditLog>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let plan = rules.inspector.plan().digest();
        Self { rules, plan, redactor, authenticator, policies, approvals, audit, clock }
    }

    /// Decides `request` and keeps the record of it.
    pub async fn decide(&self, request: &GuardedRequest) -> Verdict {
        let now = self.clock.now();
        let decision = DecisionId::new(Uuid::now_v7());
        let mut ledger = Ledger::open(&decision, request, self.plan, &self.redactor, now);
        let mut caller = if request.grpc { Caller::Grpc } else { Caller::Http };
        let outcome = self.judge(request, now, &mut caller, &mut ledger).await;
        let record = Record::Decision(Box::new(ledger.close(&outcome)));
        let outcome = match self.audit.append(&record, now).await {
            Ok(_) => outcome,
            Err(error) => {
                tracing::error!(%error, %decision, "a decision could not be recorded");
                Err(unavailable("audit_unavailable", "The decision could not be recorded."))
            }
        };
        Verdict { decision, caller, outcome }
    }

    async fn judge(
        &self,
        request: &GuardedRequest,
        now: UnixMillis,
        caller: &mut Caller,
        ledger: &mut Ledger<'_>,
    ) -> Result<Granted, Refusal> {
        let (service, route) = self.route(request, ledger)?;
        ledger.service(&service.name);
        if let Some(document) = metadata(request, service) {
            return Ok(Granted::Metadata(document));
        }
        let credential = self.authenticate(request, service, now).await?;
        ledger.credential(&credential);
        let read = self.facts(request, route, now)?;
        ledger.facts(&read);
        if let Some(waiting) = json_rpc_caller(&read.facts) {
            *caller = Caller::JsonRpc(waiting);
        }
        if let Some(unparsed) = &read.facts.unparsed {
            return Err(not_read(unparsed));
        }
        let policies = self.policies.current();
        let answer = policies.decide(&Question {
            chain: &credential.chain,
            enforce: self.rules.enforce,
            service: &service.name,
            request: RequestContext {
                method: &request.method,
                host: &request.authority,
                path: request.path_only(),
                contains: &read.facts.contains,
            },
            token: &TokenContext::of(&credential, now),
            commands: &read.facts.commands,
        });
        ledger.answer(&answer);
        if !matches!(answer.decision, Decision::Deny(_)) {
            // Before anybody is asked to approve what nobody should call.
            let route = ToolRoute { service, path: &route.plan.path };
            self.as_pinned(&route, &read.facts).await?;
        }
        let mut grant = match answer.decision {
            Decision::Allow(grant) => grant,
            Decision::Deny(reasons) => {
                let remedy = policies.remedy(&reasons);
                let sent_by = request.headers.get("authorization").and_then(Scheme::of);
                return Err(service.denial(&reasons, remedy, sent_by));
            }
            Decision::NeedsApproval(terms, grant) => {
                let case = Case { request, service, credential: &credential, read: &read, now };
                let _used = self.approved(&case, &answer.policy_set, &terms, ledger).await?;
                grant
            }
        };
        let dpop_nonce = request.headers.get("dpop").and_then(|_| self.authenticator.nonce(now));
        let passed = Passed { request, service, credential: &credential, now };
        let mcp = self.mcp_order(&passed, &route, &read, &policies, &mut grant, ledger);
        let permit = self.permit(&passed, &grant, ledger.decision_id())?;
        Ok(Granted::Forward(Permit { mcp, dpop_nonce, ..permit }))
    }

    fn route(
        &self,
        request: &GuardedRequest,
        ledger: &mut Ledger<'_>,
    ) -> Result<(&Service, Route<'_>), Refusal> {
        let route =
            request.with_head(|head| self.rules.inspector.route(head)).ok_or_else(|| {
                denied("service_unknown", "No service is configured for this host.".to_owned())
            })?;
        let route = route.map_err(|unparsed| {
            ledger.unparsed(&unparsed);
            not_read(&unparsed)
        })?;
        let service = self.rules.services.get(&route.service.name).ok_or_else(|| {
            denied("service_unknown", "No service is configured for this host.".to_owned())
        })?;
        Ok((service, route))
    }

    async fn authenticate(
        &self,
        request: &GuardedRequest,
        service: &Service,
        now: UnixMillis,
    ) -> Result<Credential, Refusal> {
        let header = |name| request.headers.get(name);
        let authorization = header("authorization");
        let presented = Presented {
            authorization,
            second: self.authenticator.second_header().and_then(|name| header(name.as_str())),
            api_key: self.authenticator.api_key_header().and_then(|name| header(name.as_str())),
            proof: header("dpop"),
            method: &request.method,
            scheme: &request.scheme,
            authority: &request.authority,
            path: request.path_only(),
            external_url: service.external_url.as_ref(),
            peer: PeerAttributes {
                principal: Some(&request.peer.principal),
                certificate: Some(&request.peer.certificate),
                forwarded: header("x-forwarded-client-cert"),
            },
        };
        let credential = self
            .authenticator
            .authenticate(&presented, &service.acceptance, now)
            .await
            .map_err(|error| refused(service, request, &error))?;
        match credential.kind {
            PrincipalKind::Agent => Ok(credential),
            PrincipalKind::Human => Err(denied(
                "caller_not_agent",
                "The token names a person; people approve, agents call.".to_owned(),
            )),
        }
    }

    /// What the request would do. On an inspected route the filter says so, under
    /// its seal; on any other the method and the path are all there is to know.
    fn facts(
        &self,
        request: &GuardedRequest,
        route: Route<'_>,
        now: UnixMillis,
    ) -> Result<ReadRequest, Refusal> {
        if !route.is_inspected() {
            let inspect = |head: &RequestHead<'_>| self.rules.inspector.inspect(route, head, &[]);
            let facts = request.with_head(inspect);
            return Ok(ReadRequest { facts, body_sha256: None });
        }
        let header = request.headers.get(FACTS_HEADER).ok_or_else(|| {
            denied("facts_missing", "The request was not inspected on its way.".to_owned())
        })?;
        let binding = Binding {
            method: &request.method,
            authority: &request.authority,
            path: &request.path,
            request_id: &request.request_id,
        };
        let now_ms = u64::try_from(now.millis()).unwrap_or(0);
        let window_ms = u64::try_from(self.rules.facts_window.as_millis()).unwrap_or(u64::MAX);
        let sealed = seal::open(&self.rules.facts_keys, &binding, header, now_ms, window_ms)
            .map_err(|error| {
                let code = match error {
                    SealError::Stale => "facts_stale",
                    SealError::Malformed | SealError::KeyUnknown | SealError::MacInvalid => {
                        "facts_invalid"
                    }
                };
                denied(code, format!("The request's inspection is not believed: {error}."))
            })?;
        if sealed.plan != self.plan {
            return Err(unavailable(
                "facts_plan_differs",
                "The filter and the server run different versions of the configuration.",
            ));
        }
        if sealed.facts.protocol != route.plan.inspect.protocol() {
            return Err(denied(
                "facts_invalid",
                "The request was inspected as another protocol.".to_owned(),
            ));
        }
        Ok(ReadRequest { facts: sealed.facts, body_sha256: Some(sealed.body_sha256) })
    }

    /// Uses up the approval that the request has, or asks for one.
    async fn approved(
        &self,
        case: &Case<'_>,
        policy_set: &Digest,
        terms: &ApprovalTerms,
        ledger: &mut Ledger<'_>,
    ) -> Result<Consumed, Refusal> {
        let Case { request, service, credential, read, now } = case;
        // An approval is bound to the body; what was not read cannot be bound.
        let body_sha256 = read.body_sha256.ok_or_else(|| {
            denied(
                "approval_needs_inspection",
                "The request needs an approval, and its route is not inspected.".to_owned(),
            )
        })?;
        let action = ActionToApprove {
            chain: &credential.chain,
            service: &service.name,
            protocol: read.facts.protocol,
            commands: &read.facts.commands,
            method: &request.method,
            host: &request.authority,
            path: &request.path,
            body_sha256: Some(body_sha256),
            policy_set: *policy_set,
        };
        let asked = ApprovalRequest {
            action,
            terms,
            display: &ledger.display(),
            decision_id: ledger.decision_id(),
            // Whoever knows the id may read the state: it must not be guessed.
            new_id: ApprovalId::new(Uuid::new_v4()),
        };
        let mut standing = self.approvals.request(&asked, *now).await.map_err(approval_failed)?;
        if let Standing::Pending(approval) = &standing
            && !service.approval_wait.is_zero()
        {
            let deadline = now.after(service.approval_wait);
            let id = approval.id;
            let waited = self.approvals.wait_until_decided(id, deadline, self.clock.as_ref());
            waited.await.map_err(approval_failed)?;
            // Much can happen while a human makes up their mind.
            self.authenticator
                .still_good(credential, self.clock.now())
                .map_err(|error| refused(service, request, &error))?;
            standing =
                self.approvals.request(&asked, self.clock.now()).await.map_err(approval_failed)?;
        }
        match standing {
            Standing::Approved(approved) => {
                let consumed =
                    self.approvals.consume(approved, ledger.decision_id(), self.clock.now()).await;
                let consumed = consumed.map_err(approval_failed)?;
                ledger.approval(consumed.approval());
                Ok(consumed)
            }
            Standing::Pending(approval) => {
                ledger.approval(&approval);
                Err(Refusal::NeedsApproval {
                    approval: ApprovalNotice {
                        status_url: format!("{}/approvals/{}", self.rules.public_url, approval.id),
                        id: approval.id.to_string(),
                        expires_at: approval.expires_at,
                    },
                    retry_after: APPROVAL_RETRY,
                })
            }
            Standing::Denied(approval) => {
                ledger.approval(&approval);
                Err(denied("approval_denied", "A human has denied this request.".to_owned()))
            }
        }
    }

    fn permit(
        &self,
        passed: &Passed<'_>,
        grant: &Grant,
        decision: &str,
    ) -> Result<Permit, Refusal> {
        let Passed { request, service, .. } = passed;
        let mut union = Profile::default();
        for name in &grant.mask {
            // Profiles were resolved when the policies were loaded; one that is
            // missing all the same must not mean an unmasked answer.
            let profile = self.rules.profiles.get(name).ok_or_else(|| {
                unavailable("mask_unknown", "A masking profile is not configured.")
            })?;
            union.extend(profile);
        }
        let mask = (!grant.mask.is_empty()).then(|| MaskOrder {
            digest: union.digest(),
            profile: union,
            on_unmaskable: service.on_unmaskable,
        });
        let others = self.authenticator.credential_headers(&service.acceptance);
        let others = others.iter().map(String::as_str);
        let credentials: Vec<_> = ["authorization", "dpop"].into_iter().chain(others).collect();
        let token = self.transaction_token(passed, decision)?;
        let headers = service.upstream.changes(request.headers.names(), &credentials, token);
        Ok(Permit { mask, mcp: None, headers, dpop_nonce: None })
    }

    /// The token that the service gets in place of the caller's credential, if it gets
    /// one.
    fn transaction_token(
        &self,
        passed: &Passed<'_>,
        decision: &str,
    ) -> Result<Option<SetHeader>, Refusal> {
        let Passed { service, credential, now, .. } = passed;
        let UpstreamCredentials::Token(settings) = &service.upstream else { return Ok(None) };
        let unsigned = || unavailable("keys_unavailable", "The service's token was not signed.");
        let transactions = self.rules.transactions.as_ref().ok_or_else(unsigned)?;
        let UpstreamToken { audience, lifetime, .. } = settings;
        let authenticator = &self.authenticator;
        transactions
            .mint(credential, authenticator, audience, *lifetime, decision, *now)
            .map(|token| Some(settings.header(&token)))
            .map_err(|error| {
                tracing::error!(%error, service = service.name, "a token could not be signed");
                unsigned()
            })
    }
}

/// A request that was read.
pub(crate) struct ReadRequest {
    pub(crate) facts: Facts,
    /// The digest of the body; `None` on routes that are not inspected.
    pub(crate) body_sha256: Option<Digest>,
}

fn not_read(unparsed: &Unparsed) -> Refusal {
    denied("request_unparsed", format!("The request could not be read: {}.", unparsed.detail))
}

/// One request that may pass.
struct Passed<'a> {
    request: &'a GuardedRequest,
    service: &'a Service,
    credential: &'a Credential,
    now: UnixMillis,
}

/// One request with what is known of it.
struct Case<'a> {
    request: &'a GuardedRequest,
    service: &'a Service,
    credential: &'a Credential,
    read: &'a ReadRequest,
    now: UnixMillis,
}

/// What a credential that is not good is answered with.
fn refused(service: &Service, request: &GuardedRequest, error: &IdentityError) -> Refusal {
    match error.fault() {
        Fault::Operator => unavailable(error.code(), &error.to_string()),
        Fault::Caller => {
            let sent_by = request.headers.get("authorization").and_then(Scheme::of);
            service.unauthenticated(error, sent_by)
        }
    }
}

/// Who waits for a JSON-RPC answer; nobody after notifications, or after answers to the
/// server, whose ids are the server's.
fn json_rpc_caller(facts: &Facts) -> Option<JsonRpcCaller> {
    if !matches!(facts.protocol, Protocol::Mcp | Protocol::A2a) {
        return None;
    }
    let requests = facts.commands.iter().map(|command| &command.attributes);
    let requests =
        requests.filter(|attributes| attributes.get("method") != Some(&"response".into()));
    let mut ids: Vec<serde_json::Value> = Vec::new();
    let mut batch = false;
    for attributes in requests {
        batch |= attributes.get("batch") == Some(&true.into());
        // A request with several subscriptions is several commands with one id.
        ids.extend(attributes.get("id").filter(|id| !ids.contains(id)).cloned());
    }
    match ids.first() {
        Some(_) if batch => Some(JsonRpcCaller::Batch(ids)),
        first => first.cloned().map(JsonRpcCaller::Single),
    }
}

fn approval_failed(error: ApprovalError) -> Refusal {
    match error {
        // Somebody else used it up between our two looks.
        ApprovalError::NotUsable | ApprovalError::Contended => {
            unavailable(error.code(), "The approval changed meanwhile; send the request again.")
        }
        error => {
            tracing::error!(%error, "an approval could not be looked up");
            unavailable("approvals_unavailable", "The approval could not be looked up.")
        }
    }
}

/// The document that the request asks for, if it asks what the service is (RFC 9728
/// section 3.1). It never reaches the service.
fn metadata(request: &GuardedRequest, service: &Service) -> Option<Arc<str>> {
    let resource = service.resource.as_ref()?;
    let asks = matches!(request.method.as_str(), "GET" | "HEAD")
        && request.path_only() == resource.metadata_path;
    asks.then(|| Arc::clone(&resource.document))
}

fn denied(code: &'static str, detail: String) -> Refusal {
    Refusal::Denied { code, detail, policies: Vec::new() }
}

fn unavailable(code: &'static str, detail: &str) -> Refusal {
    Refusal::Unavailable { code, detail: detail.to_owned() }
}

#[cfg(test)]
mod tests {
    use chaperone_inspection::plan::{A2aPlan, Limits, McpPlan, ProtocolPlan};
    use chaperone_inspection::protocol::{RequestHead, inspect_body};
    use serde_json::json;

    use super::*;

    fn caller(plan: &ProtocolPlan, path: &str, body: &serde_json::Value) -> Option<JsonRpcCaller> {
        let headers = [("content-type", "application/json")];
        let head = RequestHead { method: "POST", authority: "a.example", path, headers: &headers };
        let facts = inspect_body(plan, &Limits::default(), &head, body.to_string().as_bytes());
        assert_eq!(facts.unparsed, None);
        json_rpc_caller(&facts)
    }

    #[test]
    fn whoever_waits_for_a_json_rpc_answer_gets_one() {
        let batches = json!({ "revisions": ["2025-03-26", "2025-06-18"] });
        let mcp = ProtocolPlan::Mcp(serde_json::from_value::<McpPlan>(batches).unwrap());
        let a2a = ProtocolPlan::A2a(A2aPlan::default());
        let request = |id: i32| json!({ "jsonrpc": "2.0", "id": id, "method": "ping" });
        let notification = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        let answer = json!({ "jsonrpc": "2.0", "id": 1, "result": {} });
        let single = |id: i32| Some(JsonRpcCaller::Single(json!(id)));
        let batch = |ids: &[i32]| {
            Some(JsonRpcCaller::Batch(ids.iter().map(|id| json!(id)).collect::<Vec<_>>()))
        };
        for (body, expected) in [
            (request(1), single(1)),
            (json!([request(1)]), batch(&[1])),
            (json!([request(1), notification.clone(), request(2)]), batch(&[1, 2])),
            (json!([notification.clone()]), None),
            (notification, None),
            // The id is the server's: an error would answer a request of the client's own.
            (answer.clone(), None),
            (json!([answer]), None),
        ] {
            assert_eq!(caller(&mcp, "/mcp", &body), expected, "{body}");
        }
        let card =
            json!({ "jsonrpc": "2.0", "id": 7, "method": "tasks/get", "params": { "id": "t" } });
        assert_eq!(caller(&a2a, "/", &card), single(7));
        let rest = json!({ "message": { "messageId": "m", "role": "ROLE_USER", "parts": [{ "text": "x" }] } });
        assert_eq!(caller(&a2a, "/v1/message:send", &rest), None);
    }
}
