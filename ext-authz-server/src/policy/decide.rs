//! A chain and its commands to a decision: every enforced hop is asked about every
//! command, and the strictest answer wins.

use std::collections::BTreeSet;

use cedar_policy::{Authorizer, Entities, Request};
use chaperone_inspection::digest::Digest;
use chaperone_inspection::facts::Command;

use super::decision::{Decision, PolicyId, Reason};
use super::request::{Shared, Subject};
use super::set::PolicySet;
use crate::identity::{Assurance, Chain, Hop};

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
        let mut panel = Panel { set: self, hops: Vec::new(), shadow: Vec::new() };
        panel.hear(question);
        let decisions = panel.hops.iter().map(|hop| hop.decision.clone());
        let decision = decisions.reduce(Decision::strictest).unwrap_or_else(|| {
            let hop = question.chain.depth() - 1;
            not_permitted(hop, "", "")
        });
        let Panel { hops, shadow, .. } = panel;
        Answer { decision, hops, shadow, policy_set: self.digest() }
    }
}

/// The policies while they are being asked.
struct Panel<'a> {
    set: &'a PolicySet,
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
                        let found = Findings::default();
                        self.answer(
                            index,
                            command,
                            found.decision(self.set, index, command),
                            found,
                        );
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
        let found = Findings::of(&self.set.deciding, request, entities);
        let asserted = hop.assurance == Assurance::Asserted;
        let judge = |found: &Findings| match found.decision(self.set, index, command) {
            Decision::Allow(_) | Decision::NeedsApproval(..) if asserted => {
                Decision::Deny(BTreeSet::from([Reason::Asserted { hop: index }]))
            }
            decision => decision,
        };
        if !self.set.shadow.is_empty() {
            let shadow = Findings::of(&self.set.shadow, request, entities);
            let policies = shadow.everything();
            if !policies.is_empty() {
                let decision = judge(&found.clone().and(shadow));
                self.shadow.push(ShadowAnswer {
                    hop: index,
                    action: command.action.name(),
                    resource: command.resource.clone(),
                    policies,
                    decision,
                });
            }
        }
        let decision = judge(&found);
        self.answer(index, command, decision, found);
    }

    fn answer(&mut self, hop: usize, command: &Command, decision: Decision, found: Findings) {
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
    fn decision(&self, set: &PolicySet, hop: usize, command: &Command) -> Decision {
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
            .unwrap_or_else(|| not_permitted(hop, command.action.name(), &command.resource))
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

fn not_permitted(hop: usize, action: &str, resource: &str) -> Decision {
    Decision::Deny(BTreeSet::from([Reason::NotPermitted {
        hop,
        action: action.to_owned(),
        resource: resource.to_owned(),
    }]))
}
