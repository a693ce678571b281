//! What policy would say of a request that somebody describes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chaperone_inspection::detect::DetectorId;
use chaperone_inspection::facts::{Action, Command};
use chaperone_inspection::vocabulary::{AttributeKind, Family, ResourceKind, actions, groups};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::decide::{Enforce, Question, RequestContext, TokenContext};
use super::decision::{ApprovalTerms, Decision, Reason};
use super::set::{Policy, PolicySet};
use crate::identity::{Assurance, Chain, CredentialKind, GroupName, Hop, NameError, Principal};
use crate::suggestion::nearest;

/// A request as a person describes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HypotheticalRequest {
    /// Who calls now; may be left out when the chain tells.
    pub principal: Option<WrittenPrincipal>,
    /// The chain, the root first; only the principal when left out.
    #[serde(default)]
    pub chain: Vec<HypotheticalHop>,
    /// The action, such as `sql:delete` or `Action::"sql:delete"`.
    pub action: String,
    /// The resource within the service, such as `users` or `Table::"users"`; the
    /// service as a whole when left out or written `Service::"orders"`.
    #[serde(default)]
    pub resource: String,
    /// The service; may be left out when the resource tells or there is only one.
    pub service: Option<String>,
    /// The attributes of the command under the name of their family, such as
    /// `{"sql": {"has_where": true}}`, `request` with `method`, `host` and `path`, and
    /// `token` with `issuer`, `sender_constrained`, `scopes`, `authorization_types`,
    /// `acr`, `auth_age`, `txn`.
    #[serde(default)]
    pub context: Map<String, Value>,
}

/// A principal as a person writes it: `github/ci`, or `Agent::"github/ci"` as in a
/// policy.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct WrittenPrincipal(pub Principal);

impl TryFrom<String> for WrittenPrincipal {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        entity_id(&text, "Agent").unwrap_or(&text).parse().map(Self)
    }
}

/// The id in `kind::"id"`.
fn entity_id<'a>(text: &'a str, kind: &str) -> Option<&'a str> {
    text.strip_prefix(kind)?.strip_prefix("::\"")?.strip_suffix('"')
}

/// A hop as a person describes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DescribedHop {
    principal: WrittenPrincipal,
    #[serde(default)]
    groups: BTreeSet<GroupName>,
    #[serde(default = "proven")]
    assurance: Assurance,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    #[serde(default)]
    credential: CredentialKind,
}

impl TryFrom<Value> for HypotheticalHop {
    type Error = serde_json::Error;

    fn try_from(written: Value) -> Result<Self, Self::Error> {
        if written.is_string() {
            let WrittenPrincipal(principal) = serde_json::from_value(written)?;
            return Ok(Self::of(principal));
        }
        let described: DescribedHop = serde_json::from_value(written)?;
        let DescribedHop { principal, groups, assurance, attributes, credential } = described;
        Ok(Self(Hop { attributes, credential, ..Hop::new(principal.0, assurance, groups) }))
    }
}

/// A hop of a request that a person describes: an object, or only the principal. Its
/// groups are those besides what the configuration gives.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Value")]
pub struct HypotheticalHop(pub Hop);

impl HypotheticalHop {
    const fn of(principal: Principal) -> Self {
        Self(Hop::new(principal, proven(), BTreeSet::new()))
    }
}

const fn proven() -> Assurance {
    Assurance::Proven
}

/// Why a description is not a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExplainError {
    /// Nothing is called.
    #[error("the request needs a `service`: there are {}", .0.join(", "))]
    ServiceMissing(Vec<String>),
    /// Nobody calls.
    #[error("the request needs a `principal`, or a `chain` with at least one hop")]
    NobodyCalls,
    /// The principal is not at the end of the chain.
    #[error(
        "`principal` is `{principal}`, and the chain, root first, ends with `{last}`: \
         the one who calls now comes last"
    )]
    NotLast {
        /// Who is said to call.
        principal: Principal,
        /// Who is last in the chain.
        last: Principal,
    },
    /// No such action.
    #[error("there is no action `{action}`{}", did_you_mean(*.near))]
    ActionUnknown {
        /// What was asked for.
        action: String,
        /// The action that is nearest.
        near: Option<&'static str>,
    },
    /// A group, where an action is needed.
    #[error("`{0}` is a group of actions; a request does one action, such as `{1}`")]
    ActionGroup(&'static str, &'static str),
    /// Something that the context does not have.
    #[error("`context.{name}` is not known for this action{}", did_you_mean(*.near))]
    ContextUnknown {
        /// What was given.
        name: String,
        /// The known name that is nearest.
        near: Option<&'static str>,
    },
    /// A value of the wrong type.
    #[error("`context.{name}` must be {expected}")]
    ContextInvalid {
        /// The value's name.
        name: String,
        /// What it must be.
        expected: &'static str,
    },
}

fn did_you_mean(near: Option<&str>) -> String {
    near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

/// What policy would say, and by which policies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// `allow`, `deny` or `needs_approval`.
    pub decision: &'static str,
    /// Why it is denied.
    pub reasons: BTreeSet<Reason>,
    /// What goes with the permission.
    pub obligations: ExplainedObligations,
    /// What determined it, the root first.
    pub hops: Vec<ExplainedHop>,
    /// What the shadow policies would have changed.
    pub shadow: Vec<ExplainedHop>,
    /// The digest of the policies.
    pub policy_set: String,
}

impl Explanation {
    /// Whether the request would pass as it is.
    pub fn allowed(&self) -> bool {
        self.decision == ALLOW
    }
}

/// What goes with a permission.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ExplainedObligations {
    /// The masking profiles.
    pub mask: Vec<String>,
    /// Whether the exchange is recorded.
    pub record: bool,
    /// The approval that is needed.
    pub approval: Option<ExplainedApproval>,
}

impl From<&Policy> for ExplainedObligations {
    fn from(policy: &Policy) -> Self {
        Self {
            mask: policy.mask.iter().map(|profile| profile.0.clone()).collect(),
            record: policy.record,
            approval: policy.approval.as_ref().map(ExplainedApproval::from),
        }
    }
}

impl fmt::Display for ExplainedObligations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = Vec::new();
        if !self.mask.is_empty() {
            told.push(format!("mask {}", self.mask.join(",")));
        }
        if self.record {
            told.push("record".to_owned());
        }
        if let Some(ExplainedApproval { groups, quorum, ttl_seconds }) = &self.approval {
            let ttl = SignedDuration::from_secs(i64::try_from(*ttl_seconds).unwrap_or(i64::MAX));
            told.push(format!("approval by {quorum} of {} in {ttl:#}", groups.join(",")));
        }
        f.write_str(&told.join("; "))
    }
}

/// The approval that is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExplainedApproval {
    /// An approver of each of these groups.
    pub groups: Vec<String>,
    /// How many people.
    pub quorum: u32,
    /// For how long, in seconds.
    pub ttl_seconds: u64,
}

impl From<&ApprovalTerms> for ExplainedApproval {
    fn from(terms: &ApprovalTerms) -> Self {
        Self {
            groups: terms.groups.iter().map(ToString::to_string).collect(),
            quorum: terms.quorum.get(),
            ttl_seconds: terms.ttl.as_secs(),
        }
    }
}

/// One hop's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExplainedHop {
    /// The hop, counted from the root, which is 0.
    pub hop: usize,
    /// Who.
    pub principal: Principal,
    /// `allow`, `deny` or `needs_approval`.
    pub decision: &'static str,
    /// The policies that determined it.
    pub policies: Vec<String>,
}

/// What `set` says of `request` to one of `services`; `groups_of` tells what the
/// configuration gives.
pub fn explain(
    set: &PolicySet,
    enforce: Enforce,
    services: &BTreeSet<String>,
    request: &HypotheticalRequest,
    groups_of: impl Fn(&Principal) -> BTreeSet<GroupName>,
) -> Result<Explanation, ExplainError> {
    let chain = chain(request, groups_of)?;
    let action = action(entity_id(&request.action, "Action").unwrap_or(&request.action))?;
    let (service, resource) = target(request, services)?;
    let Described { attributes, request: described, token } =
        context(&request.context, action.spec().family)?;
    let command = Command { action, resource: resource.to_owned(), attributes };
    let answer = set.decide(&Question {
        chain: &chain,
        enforce,
        service,
        request: RequestContext {
            method: &described.method,
            host: &described.host,
            path: &described.path,
            contains: &described.contains,
        },
        token: &token,
        commands: &[command],
    });
    let explained =
        |hop: usize, decision: &Decision, policies: &BTreeSet<super::PolicyId>| ExplainedHop {
            hop,
            principal: chain.hops()[hop].principal.clone(),
            decision: name(decision),
            policies: policies.iter().map(|id| id.0.clone()).collect(),
        };
    let (reasons, obligations) = told(&answer.decision);
    Ok(Explanation {
        decision: name(&answer.decision),
        reasons,
        obligations,
        hops: answer
            .hops
            .iter()
            .map(|hop| explained(hop.hop, &hop.decision, &hop.policies))
            .collect(),
        shadow: answer
            .shadow
            .iter()
            .map(|hop| explained(hop.hop, &hop.decision, &hop.policies))
            .collect(),
        policy_set: answer.policy_set.to_string(),
    })
}

const ALLOW: &str = "allow";

const fn name(decision: &Decision) -> &'static str {
    match decision {
        Decision::Allow(_) => ALLOW,
        Decision::NeedsApproval(..) => "needs_approval",
        Decision::Deny(_) => "deny",
    }
}

fn told(decision: &Decision) -> (BTreeSet<Reason>, ExplainedObligations) {
    let (terms, grant) = match decision {
        Decision::Deny(reasons) => return (reasons.clone(), ExplainedObligations::default()),
        Decision::NeedsApproval(terms, grant) => (Some(terms), grant),
        Decision::Allow(grant) => (None, grant),
    };
    let obligations = ExplainedObligations {
        mask: grant.mask.iter().map(|profile| profile.0.clone()).collect(),
        record: grant.record,
        approval: terms.map(ExplainedApproval::from),
    };
    (BTreeSet::new(), obligations)
}

/// The service, and the resource in it.
fn target<'a>(
    request: &'a HypotheticalRequest,
    services: &'a BTreeSet<String>,
) -> Result<(&'a str, &'a str), ExplainError> {
    let whole = entity_id(&request.resource, "Service");
    let only = services.first().filter(|_| services.len() == 1).map(String::as_str);
    let service = request
        .service
        .as_deref()
        .or(whole)
        .or(only)
        .ok_or_else(|| ExplainError::ServiceMissing(services.iter().cloned().collect()))?;
    let written = request.resource.as_str();
    let within = ResourceKind::ALL.iter().find_map(|kind| entity_id(written, kind.name()));
    Ok((service, if whole.is_some() { "" } else { within.unwrap_or(written) }))
}

fn chain(
    request: &HypotheticalRequest,
    groups_of: impl Fn(&Principal) -> BTreeSet<GroupName>,
) -> Result<Chain, ExplainError> {
    let mut hops = request.chain.clone();
    match (&request.principal, hops.last()) {
        (Some(WrittenPrincipal(principal)), Some(last)) if *principal != last.0.principal => {
            let (principal, last) = (principal.clone(), last.0.principal.clone());
            return Err(ExplainError::NotLast { principal, last });
        }
        (Some(WrittenPrincipal(principal)), None) => {
            hops.push(HypotheticalHop::of(principal.clone()));
        }
        _ => {}
    }
    let hops = hops.into_iter().map(|HypotheticalHop(mut hop)| {
        hop.groups.extend(groups_of(&hop.principal));
        hop
    });
    Chain::new(hops.collect()).map_err(|_| ExplainError::NobodyCalls)
}

fn action(name: &str) -> Result<Action, ExplainError> {
    if let Some(action) = Action::named(name) {
        return Ok(action);
    }
    if let Some(group) = groups().find(|group| group.name == name)
        && let Some(member) = actions().find(|spec| spec.parents.contains(&name))
    {
        return Err(ExplainError::ActionGroup(group.name, member.name));
    }
    let near = nearest(name, actions().map(|spec| spec.name));
    Err(ExplainError::ActionUnknown { action: name.to_owned(), near })
}

/// What `context.token` may have.
const TOKEN_MEMBERS: [&str; 7] =
    ["issuer", "sender_constrained", "scopes", "authorization_types", "acr", "auth_age", "txn"];

/// A context that a person describes.
#[derive(Default)]
struct Described {
    /// The attributes of the command.
    attributes: Map<String, Value>,
    request: DescribedRequest,
    token: TokenContext,
}

/// `context.request`, of which anything may be left out.
#[derive(Default, Deserialize)]
#[serde(default)]
struct DescribedRequest {
    method: String,
    host: String,
    path: String,
    contains: BTreeSet<DetectorId>,
}

fn context(given: &Map<String, Value>, family: &Family) -> Result<Described, ExplainError> {
    let Described { mut attributes, mut request, mut token } = Described::default();
    for (name, value) in given {
        let members = |known: &[&'static str]| {
            let members = value.as_object().ok_or_else(|| invalid(name, "an object"))?;
            let unknown = members.keys().find(|member| !known.contains(&member.as_str()));
            match unknown {
                Some(member) => Err(unknown_name(
                    format!("{name}.{member}"),
                    nearest(member, known.iter().copied()),
                )),
                None => Ok(members),
            }
        };
        if name == family.name {
            let known: Vec<_> = family.attributes.iter().map(|attribute| attribute.name).collect();
            attributes.clone_from(members(&known)?);
        } else if name == "request" {
            members(&["method", "host", "path", "contains"])?;
            let expected = "an object whose `method`, `host` and `path` are strings, and \
                            `contains` a list of detectors";
            request = serde_json::from_value(value.clone()).map_err(|_| invalid(name, expected))?;
        } else if name == "token" {
            members(&TOKEN_MEMBERS)?;
            let expected = "an object whose `scopes` and `authorization_types` are lists of \
                            strings, `sender_constrained` true or false, `auth_age` a number";
            token = serde_json::from_value(value.clone()).map_err(|_| invalid(name, expected))?;
        } else {
            let known = [family.name, "request", "token"];
            return Err(unknown_name(name.clone(), nearest(name, known)));
        }
    }
    for attribute in family.attributes {
        let Some(value) = attributes.get(attribute.name) else { continue };
        if let Some(expected) = expected(attribute.kind, value) {
            return Err(invalid(&format!("{}.{}", family.name, attribute.name), expected));
        }
    }
    Ok(Described { attributes, request, token })
}

/// What a value of that kind must be, when `value` is not.
fn expected(kind: AttributeKind, value: &Value) -> Option<&'static str> {
    let (fits, expected) = match kind {
        AttributeKind::Bool => (value.is_boolean(), "true or false"),
        AttributeKind::Long => (value.is_i64(), "an integer"),
        AttributeKind::Text => (value.is_string(), "a string"),
        AttributeKind::TextSet => {
            let fits = value.as_array().is_some_and(|items| items.iter().all(Value::is_string));
            (fits, "an array of strings")
        }
        AttributeKind::Fields => (value.is_object(), "an object"),
        AttributeKind::Carried => (true, "any JSON"),
    };
    (!fits).then_some(expected)
}

fn invalid(name: &str, expected: &'static str) -> ExplainError {
    ExplainError::ContextInvalid { name: name.to_owned(), expected }
}

const fn unknown_name(name: String, near: Option<&'static str>) -> ExplainError {
    ExplainError::ContextUnknown { name, near }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::golden::policies;
    use super::*;

    fn explained(request: Value) -> Result<Explanation, String> {
        let request = serde_json::from_value(request).map_err(|error| error.to_string())?;
        let set = policies("src/policy/golden/orders.cedar");
        // The configuration has the job in a group of its own.
        let configured = |principal: &Principal| {
            let groups = (principal.subject == "job").then(|| "deploy-bots".parse().unwrap());
            groups.into_iter().collect()
        };
        let services = BTreeSet::from(["billing".to_owned(), "orders".to_owned()]);
        explain(&set, Enforce::EveryHop, &services, &request, configured)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_request_may_be_written_as_policies_write_it() {
        let plain = explained(json!({
            "chain": [{ "principal": "k8s/job" }], "service": "orders", "action": "sql:select"
        }));
        let cedar = explained(json!({
            "principal": "Agent::\"k8s/job\"", "chain": ["k8s/job"],
            "action": "Action::\"sql:select\"", "resource": "Service::\"orders\""
        }));
        assert_eq!(cedar, plain);
        assert!(plain.unwrap().allowed());
        let untold = explained(json!({ "principal": "k8s/job", "action": "sql:select" }));
        assert_eq!(untold.unwrap_err(), "the request needs a `service`: there are billing, orders");
    }

    #[test]
    fn a_described_request_is_explained() {
        let told = explained(json!({
            "principal": "k8s/job", "service": "orders", "action": "sql:select"
        }));
        let mut told = serde_json::to_value(told.unwrap()).unwrap();
        assert!(told["policy_set"].take().as_str().unwrap().starts_with("sha256:"));
        assert_eq!(
            told,
            json!({
                "decision": "allow",
                "reasons": [],
                "obligations": { "mask": ["pii", "secrets"], "record": false, "approval": null },
                "hops": [{
                    "hop": 0,
                    "principal": "k8s/job",
                    "decision": "allow",
                    "policies": ["deploy-bots-may-read-orders"]
                }],
                "shadow": [],
                "policy_set": null
            })
        );
    }

    #[test]
    fn a_description_with_a_mistake_is_refused_with_what_is_wrong() {
        let with = |name: &str, value: Value| {
            let mut request =
                json!({ "principal": "k8s/job", "service": "orders", "action": "sql:delete" });
            request[name] = value;
            explained(request).unwrap_err()
        };
        for (told, expected) in [
            (with("principal", json!(null)), "needs a `principal`"),
            (with("chain", json!([{ "principal": "k8s/a" }])), "ends with `k8s/a`"),
            (
                with("chain", json!([{ "principal": "k8s/a", "group": [] }])),
                "unknown field `group`",
            ),
            (with("actoin", json!("")), "unknown field `actoin`"),
            (with("principal", json!("alice")), "`<issuer alias>/<subject>`"),
            (with("action", json!("sql:delte")), "did you mean `sql:delete`?"),
            (with("action", json!("sql:write")), "a group of actions; a request does one"),
            (with("context", json!({ "mcp": {} })), "`context.mcp` is not known"),
            (with("context", json!({ "sql": { "has_were": true } })), "did you mean `has_where`?"),
            (with("context", json!({ "sql": { "has_where": 1 } })), "must be true or false"),
            (with("context", json!({ "request": { "path": 1 } })), "`path` are strings"),
            (with("context", json!({ "token": { "scope": "a" } })), "did you mean `scopes`?"),
            (with("context", json!({ "token": { "scopes": "a" } })), "lists of strings"),
        ] {
            assert!(told.contains(expected), "{told}");
        }
    }
}
