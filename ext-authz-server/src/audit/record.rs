//! Records: plain data, in the words of the log and not of the rooms it is about.
//!
//! Their JSON is a contract with whoever reads the log: members are added, never
//! renamed. Nothing in them is a secret: who makes them masks first.

use std::collections::{BTreeMap, BTreeSet};

use chaperone_inspection::digest::Digest;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::log::AuditError;
use super::withdrawal::{ApiKeyRecord, RevocationRecord};
use crate::store::{Draft, Kind};
use crate::time::UnixMillis;

/// One record.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A request was decided.
    Decision(Box<DecisionRecord>),
    /// A decided request ended.
    Outcome(OutcomeRecord),
    /// An approval changed.
    Approval(ApprovalRecord),
    /// Something was revoked, or a revocation lifted.
    Revocation(RevocationRecord),
    /// An API key was made or revoked.
    ApiKey(ApiKeyRecord),
    /// Something happened to the server itself.
    System(SystemRecord),
    /// A token was exchanged, or not.
    Exchange(Box<ExchangeRecord>),
    /// Not every tool of a list was shown.
    ToolList(ToolListRecord),
}

impl Record {
    /// The kind of decisions in the log.
    pub const DECISION: Kind = Kind::named("decision");
    /// The kind of outcomes in the log.
    pub const OUTCOME: Kind = Kind::named("outcome");
    /// The kind of changes of approvals in the log.
    pub const APPROVAL: Kind = Kind::named("approval");
    /// The kind of revocations in the log.
    pub const REVOCATION: Kind = Kind::named("revocation");
    /// The kind of changes of API keys in the log.
    pub const API_KEY: Kind = Kind::named("api_key");
    /// The kind of what happened to the server in the log.
    pub const SYSTEM: Kind = Kind::named("system");
    /// The kind of token exchanges in the log. They are decisions that no filter
    /// reports on.
    pub const EXCHANGE: Kind = Kind::named("exchange");
    /// The kind of lists of tools in the log.
    pub const TOOL_LIST: Kind = Kind::named("tool_list");

    /// The record as an entry of the log, recorded at `at`: its JSON in canonical
    /// form (RFC 8785).
    pub fn draft(&self, at: UnixMillis) -> Result<Draft, AuditError> {
        let (kind, decision_id, body) = match self {
            Self::Decision(record) => {
                (Self::DECISION, Some(record.decision_id.clone()), canonical(record)?)
            }
            Self::Outcome(record) => {
                (Self::OUTCOME, Some(record.decision_id.clone()), canonical(record)?)
            }
            Self::Approval(record) => {
                (Self::APPROVAL, Some(record.decision_id.clone()), canonical(record)?)
            }
            Self::Revocation(record) => (Self::REVOCATION, None, canonical(record)?),
            Self::ApiKey(record) => (Self::API_KEY, None, canonical(record)?),
            Self::System(record) => (Self::SYSTEM, None, canonical(record)?),
            Self::ToolList(record) => {
                (Self::TOOL_LIST, Some(record.decision_id.clone()), canonical(record)?)
            }
            Self::Exchange(record) => {
                (Self::EXCHANGE, Some(record.decision.decision_id.clone()), canonical(record)?)
            }
        };
        Ok(Draft { kind, at, decision_id, body })
    }
}

/// A request that was decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// The decision's id.
    pub decision_id: String,
    /// When it was decided.
    pub at: UnixMillis,
    /// The service, if the request was for one that is configured.
    pub service: Option<String>,
    /// The request.
    pub request: RequestRecord,
    /// Who called, the root first; empty when the credential was not good.
    pub chain: Vec<HopRecord>,
    /// The credential that tells of the chain.
    pub token: Option<TokenRecord>,
    /// The credential of the one who called, where it was another one.
    #[serde(default)]
    pub actor_token: Option<TokenRecord>,
    /// The protocol that the request was read as.
    pub protocol: Option<String>,
    /// What the request would do.
    pub commands: Vec<CommandRecord>,
    /// The code of why the request could not be read.
    pub unparsed: Option<String>,
    /// The digest of the request's body.
    pub body_sha256: Option<Digest>,
    /// What was decided.
    pub verdict: Verdict,
    /// The code of why it was not allowed.
    pub code: Option<String>,
    /// Why policy denied it.
    pub reasons: Vec<ReasonRecord>,
    /// The policies that determined the decision, hop by hop.
    pub policies: Vec<HopPolicies>,
    /// What shadow policies would have changed.
    pub shadow: Vec<ShadowRecord>,
    /// The masking profiles that were ordered.
    pub mask: Vec<String>,
    /// What an MCP server may ask of the caller in its answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub server_requests: Vec<String>,
    /// The approval that it needed or used.
    pub approval: Option<ApprovalRef>,
    /// The digest of the policy set.
    pub policy_set: Option<Digest>,
    /// The digest of the plan that the request was read by.
    pub plan: Option<Digest>,
    /// The HTTP status that Envoy was told to answer; 200 for allowed.
    pub http_status: u16,
}

/// A token that was exchanged, or not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExchangeRecord {
    /// Who asked for what, and what was decided: the members of a decision.
    #[serde(flatten)]
    pub decision: DecisionRecord,
    /// The token that came of it.
    pub issued: Option<IssuedRecord>,
}

/// A token that this server signed, without what would let somebody use it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedRecord {
    /// Its `jti`.
    pub id: String,
    /// The `kid` of the key that signed it.
    pub key: String,
    /// Whom it is for.
    pub audience: String,
    /// Its `exp`.
    pub expires_at: UnixMillis,
    /// What it belongs to, its `txn`.
    pub transaction: String,
    /// Whether it is bound to a key.
    pub bound: bool,
    /// The tokens that it descends from, the earliest first.
    pub lineage: Vec<AncestorRecord>,
}

/// A token that another one descends from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AncestorRecord {
    /// The alias of its issuer.
    pub issuer: String,
    /// The `kid` of the key that signed it.
    pub key: Option<String>,
    /// Its `jti`.
    pub id: Option<String>,
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It may pass.
    Allow,
    /// It may not.
    Deny,
    /// A human must approve first.
    NeedsApproval,
    /// No credential, or one that is not good.
    Unauthenticated,
    /// It could not be decided.
    Unavailable,
}

impl Verdict {
    /// Whether the filter must report how a request with this verdict ended. When
    /// nothing could be decided, Envoy may have given up waiting for the answer,
    /// and then the filter never saw a decision that it could report on.
    pub const fn expects_outcome(self) -> bool {
        match self {
            Self::Allow | Self::Deny | Self::NeedsApproval | Self::Unauthenticated => true,
            Self::Unavailable => false,
        }
    }
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRecord {
    /// `:method`.
    pub method: String,
    /// `:authority`.
    pub host: String,
    /// `:path` without its query.
    pub path: String,
    /// The query, without its `?`.
    pub query: Option<String>,
    /// `x-request-id`.
    pub request_id: Option<String>,
    /// Where it came from.
    pub source_address: Option<String>,
    /// `traceparent` (W3C Trace Context): what the caller says it belongs to, which
    /// proves nothing.
    #[serde(default)]
    pub traceparent: Option<String>,
}

impl RequestRecord {
    /// A record of that method, host and path; a query in the path is told apart.
    pub fn new(method: &str, host: &str, path: &str) -> Self {
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (path, None),
        };
        Self {
            method: method.to_owned(),
            host: host.to_owned(),
            path: path.to_owned(),
            query,
            request_id: None,
            source_address: None,
            traceparent: None,
        }
    }
}

/// One hop of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HopRecord {
    /// Who, as `<issuer alias>/<subject>`.
    pub principal: String,
    /// How well known.
    pub assurance: String,
    /// Their groups.
    pub groups: BTreeSet<String>,
    /// What else their credential says of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    /// What they were proven by.
    #[serde(default)]
    pub credential: Option<String>,
}

/// A credential, without what would let somebody use it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// The alias of its issuer.
    pub issuer: String,
    /// The `kid` of the key that signed it.
    #[serde(default)]
    pub key: Option<String>,
    /// Its `jti`.
    pub id: Option<String>,
    /// Its scopes; `None` when it states none.
    #[serde(default)]
    pub scopes: Option<BTreeSet<String>>,
    /// Its `exp`.
    pub expires_at: Option<UnixMillis>,
    /// Whether its sender proved to have the key that it is bound to.
    #[serde(default)]
    pub sender_constrained: bool,
    /// The transaction that it belongs to.
    #[serde(default)]
    pub transaction: Option<String>,
}

/// One thing that a request would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommandRecord {
    /// The action.
    pub action: String,
    /// What it acts on; empty for the service as a whole.
    pub resource: String,
    /// What else is known of it.
    pub attributes: Map<String, Value>,
}

/// One reason of a denial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReasonRecord {
    /// Its name: `forbidden`, `not_permitted`, `asserted` or `policy_failed`.
    pub reason: String,
    /// The policy that it is about.
    pub policy: Option<String>,
    /// The hop that it is about, counted from the root, which is 0.
    pub hop: Option<usize>,
    /// The action that it is about.
    pub action: Option<String>,
    /// The resource that it is about.
    pub resource: Option<String>,
}

/// The policies that determined the decision about one hop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HopPolicies {
    /// The hop, counted from the root, which is 0.
    pub hop: usize,
    /// The ids of the policies.
    pub policies: BTreeSet<String>,
}

/// What would have been answered to one hop for one command, were the shadow
/// policies in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShadowRecord {
    /// The hop, counted from the root, which is 0.
    pub hop: usize,
    /// The action.
    pub action: String,
    /// The resource, empty for the service as a whole.
    pub resource: String,
    /// The shadow policies that have something to say.
    pub policies: BTreeSet<String>,
    /// What would have been decided.
    pub would_be: Verdict,
}

/// The approval that a decision needed or used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalRef {
    /// Its id.
    pub id: String,
    /// Its state at the decision.
    pub state: String,
}

/// How a decided request ended, as the filter reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeRecord {
    /// The decision's id.
    pub decision_id: String,
    /// When it ended.
    pub at: UnixMillis,
    /// The HTTP status that the caller got; 0 when the stream was reset before one.
    pub status: u32,
    /// Envoy's response code details.
    pub code_details: String,
    /// Body bytes received from the caller.
    pub request_bytes: u64,
    /// Body bytes sent to the caller.
    pub response_bytes: u64,
    /// How often each rule masked something.
    pub masked: BTreeMap<String, u64>,
    /// What was left out of an MCP server's answer, by its kind.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub removed: BTreeMap<String, u64>,
    /// Why the response was withheld.
    pub withheld: Option<String>,
    /// The upstream's address.
    pub upstream: Option<String>,
    /// The digest of the body that the caller got.
    pub response_sha256: Option<Digest>,
    /// From the request's headers to its end, in milliseconds.
    pub duration_ms: u64,
    /// The id of the facts key that the report was sealed with.
    pub reporter_key: String,
}

/// A list of an MCP server's tools, of which some were not shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolListRecord {
    /// The decision on the request that asked for the list.
    pub decision_id: String,
    /// When it was listed.
    pub at: UnixMillis,
    /// The service.
    pub service: String,
    /// The path of the route.
    pub route: String,
    /// How many tools the server listed.
    pub listed: usize,
    /// How many of them were not shown.
    pub hidden: usize,
    /// Those, in the order of the list; the first of them when there are many.
    pub tools: Vec<HiddenTool>,
}

/// A tool that was not shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HiddenTool {
    /// Its name.
    pub tool: String,
    /// The digest of its definition.
    pub definition: Digest,
    /// Why: `not_permitted`, `tool_unpinned` or `tool_changed`.
    pub why: String,
}

/// A change of an approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalRecord {
    /// What happened.
    pub event: ApprovalEvent,
    /// The approval.
    pub approval_id: String,
    /// Its state since.
    pub state: String,
    /// The digest of the action that it is for.
    pub action: Digest,
    /// The service.
    pub service: String,
    /// When it happened.
    pub at: UnixMillis,
    /// Who did it, as `<issuer alias>/<subject>`; nobody when time did.
    pub by: Option<String>,
    /// Why they say they did.
    pub reason: Option<String>,
    /// The decision that asked for the approval, or that used it.
    pub decision_id: String,
}

/// What happens to an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalEvent {
    /// A request asked for it.
    Requested,
    /// A human approved; whether that is enough, the state says.
    Approved,
    /// A human denied.
    Denied,
    /// A request used it.
    Consumed,
    /// It was noticed that its time is over.
    Expired,
}

/// Something that happened to the server itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemRecord {
    /// What.
    pub event: SystemEvent,
    /// When.
    pub at: UnixMillis,
    /// The server's version.
    pub version: Option<String>,
    /// The digest of the policy set in force since.
    pub policy_set: Option<Digest>,
    /// The alias of the issuer that it is about.
    #[serde(default)]
    pub issuer: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
    /// The key that the event is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// What happens to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SystemEvent {
    /// It started.
    Started,
    /// It stopped in good order.
    Stopped,
    /// A policy set came into force.
    PoliciesLoaded,
    /// A policy set was refused; the one before stays in force.
    PoliciesRefused,
    /// An issuer's keys cannot be had or are too old: its tokens cannot be verified.
    KeysUnusable,
    /// They can be used again.
    KeysUsable,
    /// Another key signs tokens; its name is the event's `key`.
    SigningKeyUsed,
    /// A file of the signing keys is not good, and what it held before stays in use; or
    /// there is no key any more.
    SigningKeysRefused,
}

/// The canonical JSON of a record (RFC 8785).
fn canonical(record: &impl Serialize) -> Result<String, AuditError> {
    let encode = |error: serde_json::Error| AuditError::Encode(error.to_string());
    let mut document = serde_json::to_value(record).map_err(encode)?;
    keep_exact(&mut document);
    serde_json_canonicalizer::to_string(&document).map_err(encode)
}

/// Writes integers that a double cannot hold as text, as RFC 8785 section 3.2.2.3
/// advises: canonical form would round them, and a record would name another
/// account than the request did.
fn keep_exact(value: &mut Value) {
    /// The largest integer that a double holds with all its neighbours: 2^53 - 1.
    const EXACT: u64 = 9_007_199_254_740_991;
    match value {
        Value::Number(number) => {
            let magnitude = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
            if magnitude.is_some_and(|magnitude| magnitude > EXACT) {
                *value = Value::String(number.to_string());
            }
        }
        Value::Array(items) => items.iter_mut().for_each(keep_exact),
        Value::Object(members) => members.values_mut().for_each(keep_exact),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    pub(in crate::audit) fn decision(decision_id: &str, verdict: Verdict) -> Record {
        Record::Decision(Box::new(DecisionRecord {
            decision_id: decision_id.to_owned(),
            at: UnixMillis::new(1_800_000_000_000),
            service: Some("customers".to_owned()),
            request: RequestRecord::new("POST", "customers.example", "/sql?dry=1"),
            actor_token: None,
            chain: vec![HopRecord {
                principal: "github/repo:acme/shop".to_owned(),
                assurance: "proven".to_owned(),
                groups: BTreeSet::from(["ci-jobs".to_owned()]),
                attributes: BTreeMap::from([("ref".to_owned(), "refs/heads/main".to_owned())]),
                credential: Some("token".into()),
            }],
            token: None,
            protocol: Some("sql".to_owned()),
            commands: vec![CommandRecord {
                action: "sql:select".to_owned(),
                resource: "customers".to_owned(),
                attributes: json!({ "account": 9_007_199_254_740_993_u64, "small": -7 })
                    .as_object()
                    .unwrap()
                    .clone(),
            }],
            unparsed: None,
            body_sha256: Some(Digest::of(b"body")),
            verdict,
            code: None,
            reasons: Vec::new(),
            policies: Vec::new(),
            shadow: Vec::new(),
            mask: vec!["pii".to_owned()],
            server_requests: Vec::new(),
            approval: None,
            policy_set: None,
            plan: None,
            http_status: 200,
        }))
    }

    pub(in crate::audit) fn outcome(decision_id: &str) -> Record {
        Record::Outcome(OutcomeRecord {
            decision_id: decision_id.to_owned(),
            at: UnixMillis::new(1_800_000_000_500),
            status: 200,
            code_details: "via_upstream".to_owned(),
            request_bytes: 20,
            response_bytes: 300,
            masked: BTreeMap::from([("email".to_owned(), 2)]),
            removed: BTreeMap::new(),
            withheld: None,
            upstream: Some("127.0.0.1:9000".to_owned()),
            response_sha256: None,
            duration_ms: 12,
            reporter_key: "demo-1".to_owned(),
        })
    }

    #[test]
    fn a_record_is_canonical_and_keeps_large_integers_exactly() {
        let record = decision("d1", Verdict::Allow);
        let draft = record.draft(UnixMillis::new(1)).unwrap();
        assert_eq!((draft.kind.name(), draft.decision_id.as_deref()), ("decision", Some("d1")));
        let expected = r#""attributes":{"account":"9007199254740993","small":-7}"#;
        assert!(draft.body.contains(expected), "{}", draft.body);
        let again = serde_json::from_str::<Value>(&draft.body).unwrap();
        assert_eq!(serde_json_canonicalizer::to_string(&again).unwrap(), draft.body);
    }

    #[test]
    fn a_query_is_told_apart_from_its_path() {
        let request = RequestRecord::new("GET", "h", "/a?b=c?d");
        assert_eq!((request.path.as_str(), request.query.as_deref()), ("/a", Some("b=c?d")));
        assert_eq!(RequestRecord::new("GET", "h", "/a").query, None);
    }
}
