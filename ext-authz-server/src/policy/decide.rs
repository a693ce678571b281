//! A chain and its commands to a decision: every enforced hop is asked about every
//! command, and the strictest answer wins.

use std::collections::BTreeSet;

use cedar_policy::{Authorizer, Entities, Request};
use chaperone_inspection::detect::DetectorId;
use chaperone_inspection::digest::Digest;
use chaperone_inspection::facts::Command;
use serde::{Deserialize, Serialize};

use super::decision::{Decision, PolicyId, Reason};
use super::request::{Shared, Subject};
use super::set::PolicySet;
use crate::identity::{Assurance, Chain, Credential, Hop};
use crate::time::UnixMillis;

/// What is asked of policy.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Who calls, for whom.
    pub chain: &'a Chain,
    /// Which of them must be permitted.
    pub enforce: Enforce,
    /// The service that is called, by its name.
    pub service: &'a str,
    /// How the request came.
    pub request: RequestContext<'a>,
    /// What the credential says besides its chain.
    pub token: &'a TokenContext,
    /// What it would do. Nothing is not permitted.
    pub commands: &'a [Command],
}

/// Which hops of a chain must be permitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Enforce {
    /// Everyone in the chain.
    #[default]
    EveryHop,
    /// The one who calls now.
    CurrentActor,
}

/// How a request came.
#[derive(Clone, Copy, Debug)]
pub struct RequestContext<'a> {
    /// The method.
    pub method: &'a str,
    /// The authority; policies see its host in lower case, without the port.
    pub host: &'a str,
    /// The path without its query.
    pub path: &'a str,
    /// The detectors that found something in it.
    pub contains: &'a BTreeSet<DetectorId>,
}

/// What a credential says besides its chain: `context.token` in policies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenContext {
    /// The alias of the issuer that signed it.
    pub issuer: String,
    /// Whether its sender proved to have the key that it is bound to.
    pub sender_constrained: bool,
    /// Its scopes; `None` when it states none.
    pub scopes: Option<BTreeSet<String>>,
    /// The types of its authorization details (RFC 9396); `None` when it states none.
    pub authorization_types: Option<BTreeSet<String>>,
    /// The class of the authentication behind it.
    pub acr: Option<String>,
    /// How many seconds ago the person behind it authenticated.
    pub auth_age: Option<i64>,
    /// The transaction it belongs to.
    pub txn: Option<String>,
}

impl TokenContext {
    /// What `credential` says at `now`.
    pub fn of(credential: &Credential, now: UnixMillis) -> Self {
        let token = &credential.token;
        let types = token.authority.detail_types();
        Self {
            issuer: token.issuer.to_string(),
            sender_constrained: credential.sender_constrained,
            scopes: token.authority.scopes.clone(),
            authorization_types: types.map(|types| types.into_iter().map(str::to_owned).collect()),
            acr: token.acr.clone(),
            auth_age: token.authenticated_at.map(|at| now.seconds().saturating_sub(at.seconds())),
            txn: token.transaction.clone(),
        }
    }
}

/// What policy says, and what it says it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The decision.
    pub decision: Decision,
    /// What determined it, by hop and command, the root first.
    pub hops: Vec<HopPolicies>,
    /// Where the shadow policies have something to say, by hop and command.
    pub shadow: Vec<ShadowAnswer>,
    /// The digest of the policies that were asked.
    pub policy_set: Digest,
}

/// The policies that determined the answer of one hop for one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HopPolicies {
    /// The hop, counted from the root, which is 0.
    pub hop: usize,
    /// The action.
    pub action: &'static str,
    /// The resource, empty for the service as a whole.
    pub resource: String,
    /// The policies, none when nothing permits or the hop was not asked.
    pub policies: BTreeSet<PolicyId>,
    /// What they decide for this hop and command.
    pub decision: Decision,
}

/// What one hop would have been answered for one command, were the shadow policies
/// in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShadowAnswer {
    /// The hop, counted from the root, which is 0.
    pub hop: usize,
    /// The action.
    pub action: &'static str,
    /// The resource, empty for the service as a whole.
    pub resource: String,
    /// The shadow policies that have something to say.
    pub policies: BTreeSet<PolicyId>,
    /// What would have been decided for this hop and command.
    pub decision: Decision,
}

impl PolicySet {
    /// Answers `question`. Whatever cannot be evaluated denies.
    pub fn decide(&self, question: &Question<'_>) -> Answer {
        self.decide_by(&self.deciding, question)
    }

    /// Whether anything like what `question` asks for could be permitted, whatever its
    /// arguments: with an approval, perhaps.
    pub fn may_permit(&self, question: &Question<'_>) -> bool {
        !matches!(self.decide_by(self.possible(), question).decision, Decision::Deny(_))
    }

    fn decide_by(&self, policies: &cedar_policy::PolicySet, question: &Question<'_>) -> Answer {
        let mut panel = Panel { set: self, policies, hops: Vec::new(), shadow: Vec::new() };
        panel.hear(question);
        let decisions = panel.hops.iter().map(|hop| hop.decision.clone());
        let decision = decisions.reduce(Decision::strictest).unwrap_or_else(|| {
            let hop = question.chain.depth() - 1;
            let (action, resource) = (String::new(), String::new());
            Decision::Deny(BTreeSet::from([Reason::NotPermitted { hop, action, resource }]))
        });
        let Panel { hops, shadow, .. } = panel;
        Answer { decision, hops, shadow, policy_set: self.digest() }
    }
}

/// The policies while they are being asked.
struct Panel<'a> {
    set: &'a PolicySet,
    policies: &'a cedar_policy::PolicySet,
    hops: Vec<HopPolicies>,
    shadow: Vec<ShadowAnswer>,
}

impl Panel<'_> {
    fn hear(&mut self, question: &Question<'_>) {
        let shared = Shared::of(question);
        let subjects: Vec<_> = question
            .commands
            .iter()
            .map(|command| (command, Subject::of(question.service, command)))
            .collect();
        let first = match question.enforce {
            Enforce::EveryHop => 0,
            Enforce::CurrentActor => question.chain.depth() - 1,
        };
        for (index, hop) in question.chain.hops().iter().enumerate().skip(first) {
            for (command, subject) in &subjects {
                let asked = match (&shared, subject) {
                    (Ok(shared), Ok(subject)) => subject.asked_by(hop, index, shared),
                    (Err(misfit), _) | (_, Err(misfit)) => Err(misfit.clone()),
                };
                match asked {
                    Ok((request, entities)) => {
                        self.ask(&request, &entities, index, hop, command);
                    }
                    Err(misfit) => {
                        tracing::error!(%misfit, "a command does not fit the policy schema");
                        let nothing = not_permitted(index, command);
                        self.answer(index, command, Findings::default(), nothing);
                    }
                }
            }
        }
    }

    fn ask(
        &mut self,
        request: &Request,
        entities: &Entities,
        index: usize,
        hop: &Hop,
        command: &Command,
    ) {
        let asserted = hop.assurance == Assurance::Asserted;
        let nothing = || {
            if asserted { Reason::Asserted { hop: index } } else { not_permitted(index, command) }
        };
        let find = |policies| {
            let mut found = Findings::of(policies, request, entities);
            if asserted {
                found.permits.clear();
            }
            found
        };
        let found = find(self.policies);
        if !self.set.shadow.is_empty() {
            let shadow = find(&self.set.shadow);
            let policies = shadow.everything();
            if !policies.is_empty() {
                self.shadow.push(ShadowAnswer {
                    hop: index,
                    action: command.action.name(),
                    resource: command.resource.clone(),
                    policies,
                    decision: found.clone().and(shadow).decision(self.set, nothing()),
                });
            }
        }
        self.answer(index, command, found, nothing());
    }

    fn answer(&mut self, hop: usize, command: &Command, found: Findings, nothing: Reason) {
        let decision = found.decision(self.set, nothing);
        self.hops.push(HopPolicies {
            hop,
            action: command.action.name(),
            resource: command.resource.clone(),
            policies: found.determining(),
            decision,
        });
    }
}

/// What the policies of one Cedar set say to one hop and command.
#[derive(Clone, Default)]
struct Findings {
    /// Those that permit; unknown where something forbids.
    permits: BTreeSet<PolicyId>,
    forbids: BTreeSet<PolicyId>,
    failed: BTreeSet<PolicyId>,
}

impl Findings {
    fn of(policies: &cedar_policy::PolicySet, request: &Request, entities: &Entities) -> Self {
        let response = Authorizer::new().is_authorized(request, policies, entities);
        let named = |id: &cedar_policy::PolicyId| {
            let id: &str = id.as_ref();
            PolicyId(id.to_owned())
        };
        let reasons = response.diagnostics().reason().map(named).collect();
        let failed = response.diagnostics().errors().map(|error| match error {
            cedar_policy::AuthorizationError::PolicyEvaluationError(error) => {
                tracing::warn!(%error, "a policy could not be evaluated");
                named(error.policy_id())
            }
        });
        let failed = failed.collect();
        match response.decision() {
            cedar_policy::Decision::Allow => {
                Self { permits: reasons, forbids: BTreeSet::new(), failed }
            }
            cedar_policy::Decision::Deny => {
                Self { permits: BTreeSet::new(), forbids: reasons, failed }
            }
        }
    }

    fn and(mut self, other: Self) -> Self {
        self.permits.extend(other.permits);
        self.forbids.extend(other.forbids);
        self.failed.extend(other.failed);
        self
    }

    /// Forbid wins, and a policy that could not be evaluated might have forbidden.
    /// `nothing` is the reason when no policy says anything.
    fn decision(&self, set: &PolicySet, nothing: Reason) -> Decision {
        let forbids = self.forbids.iter().cloned().map(Reason::Forbidden);
        let failed = self.failed.iter().cloned().map(Reason::PolicyFailed);
        let reasons: BTreeSet<_> = forbids.chain(failed).collect();
        if !reasons.is_empty() {
            return Decision::Deny(reasons);
        }
        let permits = self.permits.iter().filter_map(|id| set.policy(id));
        permits
            .map(super::set::Policy::permission)
            .reduce(Decision::strictest)
            .unwrap_or_else(|| Decision::Deny(BTreeSet::from([nothing])))
    }

    /// Those that the decision rests on.
    fn determining(self) -> BTreeSet<PolicyId> {
        if self.forbids.is_empty() && self.failed.is_empty() {
            return self.permits;
        }
        self.forbids.into_iter().chain(self.failed).collect()
    }

    fn everything(&self) -> BTreeSet<PolicyId> {
        [&self.permits, &self.forbids, &self.failed].into_iter().flatten().cloned().collect()
    }
}

fn not_permitted(hop: usize, command: &Command) -> Reason {
    let action = command.action.name().to_owned();
    Reason::NotPermitted { hop, action, resource: command.resource.clone() }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use chaperone_inspection::facts::Action;
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::golden::{known, policies};
    use super::super::set::PolicySet;
    use super::super::source::SourceFile;
    use super::*;

    fn command(action: &str, resource: &str, attributes: &serde_json::Value) -> Command {
        Command {
            action: Action::named(action).unwrap(),
            resource: resource.to_owned(),
            attributes: attributes.as_object().unwrap().clone(),
        }
    }

    fn select() -> Command {
        command("sql:select", "users", &json!({ "has_where": true, "statements": 1 }))
    }

    fn hop(principal: &str, groups: &[&str], assurance: Assurance) -> Hop {
        let groups = groups.iter().map(|group| group.parse().unwrap()).collect();
        Hop::new(principal.parse().unwrap(), assurance, groups)
    }

    fn ask(set: &PolicySet, enforce: Enforce, hops: &[Hop], commands: &[Command]) -> Answer {
        let chain = Chain::new(hops.to_vec()).unwrap();
        let request = RequestContext {
            method: "POST",
            host: "orders.example",
            path: "/",
            contains: &BTreeSet::new(),
        };
        let token = &TokenContext::default();
        set.decide(&Question {
            chain: &chain,
            enforce,
            service: "orders",
            request,
            token,
            commands,
        })
    }

    #[test]
    fn the_strictest_command_decides() {
        let set = policies("src/policy/golden/orders.cedar");
        let job = [hop("k8s/job", &["deploy-bots"], Assurance::Proven)];
        let delete = command("sql:delete", "users", &json!({ "has_where": true }));
        let drop = command("sql:drop", "users", &json!({ "has_where": false }));
        let of = |commands: &[Command]| ask(&set, Enforce::EveryHop, &job, commands).decision;
        assert!(matches!(of(&[select()]), Decision::Allow(_)));
        assert!(matches!(of(&[select(), delete.clone()]), Decision::NeedsApproval(..)));
        assert!(matches!(of(&[select(), drop, delete]), Decision::Deny(_)));
    }

    #[test]
    fn nothing_is_not_permitted() {
        let set = policies("src/policy/golden/orders.cedar");
        let job = [hop("k8s/job", &["deploy-bots"], Assurance::Proven)];
        assert!(matches!(ask(&set, Enforce::EveryHop, &job, &[]).decision, Decision::Deny(_)));
    }

    #[test]
    fn facts_of_another_kind_than_the_vocabulary_deny() {
        let set = policies("src/policy/golden/orders.cedar");
        let job = [hop("k8s/job", &["deploy-bots"], Assurance::Proven)];
        let odd = command("sql:select", "users", &json!({ "has_where": "yes" }));
        let denied = ask(&set, Enforce::EveryHop, &job, &[odd]).decision;
        assert!(matches!(denied, Decision::Deny(_)));
    }

    #[test]
    fn only_the_caller_is_asked_where_that_is_configured() {
        let set = policies("src/policy/golden/orders.cedar");
        let hops = [
            hop("github/stranger", &[], Assurance::Asserted),
            hop("k8s/job", &["deploy-bots"], Assurance::Proven),
        ];
        let answer = ask(&set, Enforce::CurrentActor, &hops, &[select()]);
        assert!(matches!(answer.decision, Decision::Allow(_)));
        assert_eq!(answer.hops.iter().map(|hop| hop.hop).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn groups_of_another_hop_are_not_ones_own() {
        let set = policies("src/policy/golden/orders.cedar");
        let hops = [
            hop("k8s/job", &["deploy-bots"], Assurance::Proven),
            hop("k8s/job", &[], Assurance::Proven),
        ];
        let answer = ask(&set, Enforce::EveryHop, &hops, &[select()]);
        let reason = |hop| Reason::NotPermitted {
            hop,
            action: "sql:select".to_owned(),
            resource: "users".to_owned(),
        };
        assert_eq!(answer.decision, Decision::Deny(BTreeSet::from([reason(1)])));
    }

    /// Conditions, those that look at the chain and those that break the law included.
    fn conditions() -> impl Strategy<Value = String> {
        let atom = prop_oneof![
            (1..4_i64, prop_oneof!["<", "<=", ">", ">=", "==", "!="])
                .prop_map(|(n, operator)| format!("context.chain.depth {operator} {n}")),
            (0..3_i64, prop_oneof!["<=", "==", ">="])
                .prop_map(|(n, operator)| format!("context.hop.index {operator} {n}")),
            (prop_oneof!["==", "!="], prop_oneof!["asserted", "attested", "proven"])
                .prop_map(|(operator, name)| format!("context.chain.weakest {operator} {name:?}")),
            "[ab]".prop_map(|group| format!("context.chain.groups.contains(Group::{group:?})")),
            "[ab]".prop_map(|group| format!("context.chain.root in Group::{group:?}")),
            "[ab]".prop_map(|group| format!("principal in Group::{group:?}")),
            Just("context.hop.assurance == \"proven\"".to_owned()),
            Just("principal.issuer == \"k8s\"".to_owned()),
            Just("context.sql.statements * 9223372036854775807 > context.chain.depth".to_owned()),
        ];
        atom.prop_recursive(3, 8, 2, |inner| {
            prop_oneof![
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
                inner.clone().prop_map(|a| format!("!({a})")),
                (inner.clone(), inner.clone(), inner)
                    .prop_map(|(a, b, c)| format!("(if {a} then {b} else {c})")),
            ]
        })
    }

    fn sets() -> impl Strategy<Value = PolicySet> {
        let policy = (
            prop_oneof![3 => Just("permit"), 1 => Just("forbid")],
            prop_oneof!["when", "unless"],
            prop_oneof![
                Just("principal".to_owned()),
                "[ab]".prop_map(|group| format!("principal in Group::{group:?}"))
            ],
            conditions(),
        );
        proptest::collection::vec(policy, 1..5).prop_map(|policies| {
            let policies = policies.iter().enumerate().map(|(nth, policy)| {
                let (effect, when, principal, condition) = policy;
                format!(
                    "@id(\"{nth}\") {effect} ({principal}, action in Action::\"sql:read\", \
                     resource) {when} {{ {condition} }};\n"
                )
            });
            let text: String = policies.collect();
            let path = PathBuf::from("a.cedar");
            let files = [SourceFile { path, text: text.as_str().into() }];
            PolicySet::parse(&files, &known()).unwrap_or_else(|errors| panic!("{text}\n{errors}"))
        })
    }

    fn hops() -> impl Strategy<Value = Hop> {
        let assurance = prop_oneof![
            1 => Just(Assurance::Asserted),
            3 => Just(Assurance::Attested),
            3 => Just(Assurance::Proven),
        ];
        let groups = proptest::sample::subsequence(vec!["a", "b"], 0..=2);
        (prop_oneof!["github/x", "k8s/x", "k8s/y"], groups, assurance)
            .prop_map(|(principal, groups, assurance)| hop(&principal, &groups, assurance))
    }

    /// Allow, then needs approval, then deny.
    const fn strictness(decision: &Decision) -> u8 {
        match decision {
            Decision::Allow(_) => 0,
            Decision::NeedsApproval(..) => 1,
            Decision::Deny(_) => 2,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { max_global_rejects: 100_000, ..ProptestConfig::with_cases(100) })]

        /// The law, for every set that is loaded without a warning of breaking it.
        #[test]
        fn an_earlier_hop_never_grants(
            set in sets().prop_filter("the law", |set| {
                !set.warnings().iter().any(|warning| warning.message.contains("earlier hop"))
            }),
            earlier in hops(),
            hops in proptest::collection::vec(hops(), 1..4),
        ) {
            let shorter = ask(&set, Enforce::EveryHop, &hops, &[select()]).decision;
            let longer: Vec<_> = std::iter::once(earlier).chain(hops).collect();
            let longer = ask(&set, Enforce::EveryHop, &longer, &[select()]).decision;
            prop_assert!(strictness(&longer) >= strictness(&shorter), "{shorter:?} {longer:?}");
        }

        #[test]
        fn an_asserted_hop_never_grants(set in sets(), mut hops in proptest::collection::vec(hops(), 1..4)) {
            hops[0].assurance = Assurance::Asserted;
            let decision = ask(&set, Enforce::EveryHop, &hops, &[select()]).decision;
            prop_assert!(matches!(decision, Decision::Deny(_)));
        }
    }
}
