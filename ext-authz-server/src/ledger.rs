//! The audit record of one decision, while the decision is being made.
//!
//! It translates what the rooms found into the plain data of a record, so that
//! `audit` need not know them, and masks what a person put into the request.

use std::collections::{BTreeMap, BTreeSet};

use chaperone_inspection::digest::Digest;
use chaperone_inspection::facts::{Command, Unparsed};

use crate::approval::Approval;
use crate::audit::{
    ApprovalRef, DecisionRecord, HopPolicies, HopRecord, ReasonRecord, RequestRecord, ShadowRecord,
    TokenRecord, Verdict,
};
use crate::decide::ReadRequest;
use crate::identity::{Credential, TokenFacts};
use crate::policy::{self, Decision, Reason, ShadowAnswer};
use crate::redact::Redactor;
use crate::request::GuardedRequest;
use crate::time::UnixMillis;
use crate::verdict::{DecisionId, Granted, Refusal};

/// A record that is being written.
pub(crate) struct Ledger<'a> {
    redactor: &'a Redactor,
    record: DecisionRecord,
}

impl<'a> Ledger<'a> {
    /// Begins the record of a decision on `request`.
    pub(crate) fn open(
        decision: &DecisionId,
        request: &GuardedRequest,
        plan: impl Into<Option<Digest>>,
        redactor: &'a Redactor,
        now: UnixMillis,
    ) -> Self {
        let path = redactor.text(&request.path);
        let mut request_record = RequestRecord::new(&request.method, &request.authority, &path);
        request_record.request_id =
            Some(request.request_id.clone()).filter(|request_id| !request_id.is_empty());
        request_record.source_address.clone_from(&request.source_address);
        request_record.traceparent = request.headers.get("traceparent").and_then(traceparent);
        let record = DecisionRecord {
            decision_id: decision.to_string(),
            at: now,
            service: None,
            request: request_record,
            chain: Vec::new(),
            token: None,
            actor_token: None,
            protocol: None,
            commands: Vec::new(),
            unparsed: None,
            body_sha256: None,
            verdict: Verdict::Unavailable,
            code: None,
            reasons: Vec::new(),
            policies: Vec::new(),
            shadow: Vec::new(),
            mask: Vec::new(),
            server_requests: Vec::new(),
            approval: None,
            policy_set: None,
            plan: plan.into(),
            http_status: 503,
        };
        Self { redactor, record }
    }

    /// The decision's id.
    pub(crate) fn decision_id(&self) -> &str {
        &self.record.decision_id
    }

    /// Notes the service.
    pub(crate) fn service(&mut self, name: &str) {
        self.record.service = Some(name.to_owned());
    }

    /// Notes who calls.
    pub(crate) fn credential(&mut self, credential: &Credential) {
        let hop = |hop: &crate::identity::Hop| HopRecord {
            principal: hop.principal.to_string(),
            assurance: hop.assurance.name().to_owned(),
            groups: hop.groups.iter().map(ToString::to_string).collect(),
            attributes: hop.attributes.clone(),
            credential: Some(hop.credential.name().to_owned()),
        };
        self.record.chain = credential.chain.hops().iter().map(hop).collect();
        let token = |facts: &TokenFacts, sender_constrained| TokenRecord {
            issuer: facts.issuer.to_string(),
            key: facts.key.clone(),
            id: facts.id.clone(),
            scopes: facts.authority.scopes.clone(),
            expires_at: Some(facts.expires_at),
            sender_constrained,
            transaction: facts.transaction.clone(),
        };
        // A proof is one of whoever calls.
        let (actor, constrained) = (credential.actor.as_ref(), credential.sender_constrained);
        self.record.token = Some(token(&credential.token, constrained && actor.is_none()));
        self.record.actor_token = actor.map(|facts| token(facts, constrained));
    }

    /// Notes what the request would do.
    pub(crate) fn facts(&mut self, read: &ReadRequest) {
        self.record.protocol = Some(read.facts.protocol.name().to_owned());
        self.record.commands = self.redactor.commands(&read.facts.commands);
        self.record.body_sha256 = read.body_sha256;
        if let Some(unparsed) = &read.facts.unparsed {
            self.unparsed(unparsed);
        }
    }

    /// Notes why the request could not be read.
    pub(crate) fn unparsed(&mut self, unparsed: &Unparsed) {
        self.record.unparsed = Some(unparsed.code.name().to_owned());
    }

    /// Notes what the request would do, which no body had to be read for.
    pub(crate) fn commands(&mut self, protocol: &str, commands: &[Command]) {
        self.record.protocol = Some(protocol.to_owned());
        self.record.commands = self.redactor.commands(commands);
    }

    /// Notes what policy said.
    pub(crate) fn answer(&mut self, answer: &policy::Answer) {
        self.record.policy_set = Some(answer.policy_set);
        self.record.policies = hop_policies(&answer.hops);
        self.record.shadow = answer.shadow.iter().map(|shadow| self.shadow(shadow)).collect();
        match &answer.decision {
            Decision::Deny(reasons) => {
                self.record.reasons = reasons.iter().map(|reason| self.reason(reason)).collect();
            }
            Decision::Allow(grant) | Decision::NeedsApproval(_, grant) => {
                self.record.mask = grant.mask.iter().map(|profile| profile.0.clone()).collect();
            }
        }
    }

    /// Notes what an MCP server may ask of the caller meanwhile, and what is masked with
    /// that.
    pub(crate) fn server_requests(&mut self, methods: &BTreeSet<String>, grant: &policy::Grant) {
        self.record.server_requests = methods.iter().cloned().collect();
        self.record.mask = grant.mask.iter().map(|profile| profile.0.clone()).collect();
    }

    /// Notes the approval that the request needs or has used.
    pub(crate) fn approval(&mut self, approval: &Approval) {
        self.record.approval = Some(ApprovalRef {
            id: approval.id.to_string(),
            state: approval.state_at(self.record.at).name().to_owned(),
        });
    }

    /// What approvers are shown of the request.
    pub(crate) fn display(&self) -> serde_json::Value {
        serde_json::json!(self.record.commands)
    }

    fn reason(&self, reason: &Reason) -> ReasonRecord {
        let (name, hop, command) = match reason {
            Reason::Forbidden(_) => ("forbidden", None, None),
            Reason::NotPermitted { hop, action, resource } => {
                ("not_permitted", Some(*hop), Some((action.clone(), self.redactor.text(resource))))
            }
            Reason::Asserted { hop } => ("asserted", Some(*hop), None),
            Reason::PolicyFailed(_) => ("policy_failed", None, None),
        };
        let (action, resource) = command.unzip();
        let policy = reason.policy().map(|policy| policy.0.clone());
        ReasonRecord { reason: name.to_owned(), policy, hop, action, resource }
    }

    fn shadow(&self, shadow: &ShadowAnswer) -> ShadowRecord {
        ShadowRecord {
            hop: shadow.hop,
            action: shadow.action.to_owned(),
            resource: self.redactor.text(&shadow.resource),
            policies: shadow.policies.iter().map(|policy| policy.0.clone()).collect(),
            would_be: match shadow.decision {
                Decision::Allow(_) => Verdict::Allow,
                Decision::NeedsApproval(..) => Verdict::NeedsApproval,
                Decision::Deny(_) => Verdict::Deny,
            },
        }
    }

    /// Ends the record with what became of the request.
    pub(crate) fn close(self, outcome: &Result<Granted, Refusal>) -> DecisionRecord {
        let (verdict, status) = match outcome {
            Ok(_) => (Verdict::Allow, 200),
            Err(refusal) => (verdict_of(refusal), refusal.http_status()),
        };
        let code = match outcome {
            Ok(Granted::Forward(_)) => None,
            Ok(Granted::Metadata(_)) => Some("resource_metadata"),
            Err(refusal) => Some(refusal.code()),
        };
        self.close_as(verdict, status, code)
    }

    /// Ends the record with that verdict.
    pub(crate) fn close_as(
        mut self,
        verdict: Verdict,
        http_status: u16,
        code: Option<&str>,
    ) -> DecisionRecord {
        self.record.verdict = verdict;
        self.record.http_status = http_status;
        self.record.code = code.map(str::to_owned);
        self.record
    }
}

/// A `traceparent` that is one: its form leaves no room for anything else (W3C Trace
/// Context, section 3.2).
fn traceparent(value: &str) -> Option<String> {
    let allowed = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
    (value.len() == 55 && value.bytes().all(allowed)).then(|| value.to_owned())
}

/// The policies of each hop, whatever the command.
fn hop_policies(answers: &[policy::HopPolicies]) -> Vec<HopPolicies> {
    let mut hops: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    for answer in answers {
        let policies = answer.policies.iter().map(|policy| policy.0.clone());
        hops.entry(answer.hop).or_default().extend(policies);
    }
    hops.into_iter().map(|(hop, policies)| HopPolicies { hop, policies }).collect()
}

const fn verdict_of(refusal: &Refusal) -> Verdict {
    match refusal {
        Refusal::Unauthenticated { .. } => Verdict::Unauthenticated,
        Refusal::Denied { .. } | Refusal::Insufficient { .. } => Verdict::Deny,
        Refusal::NeedsApproval { .. } => Verdict::NeedsApproval,
        Refusal::Unavailable { .. } => Verdict::Unavailable,
    }
}
