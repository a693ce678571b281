//! Decisions as values, and the one function that combines them.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::identity::GroupName;

/// The answer of policy to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may.
    Allow(Grant),
    /// It may once a human has approved it.
    NeedsApproval(ApprovalTerms, Grant),
    /// It may not, for these reasons.
    Deny(BTreeSet<Reason>),
}

impl Decision {
    /// The stricter of two: deny, then needs approval, then allow. Of equals, both
    /// hold: reasons, terms and obligations add up.
    #[must_use]
    pub fn strictest(self, other: Self) -> Self {
        match (self, other) {
            (Self::Deny(mut reasons), Self::Deny(others)) => {
                reasons.extend(others);
                Self::Deny(reasons)
            }
            (Self::Deny(reasons), _) | (_, Self::Deny(reasons)) => Self::Deny(reasons),
            (Self::NeedsApproval(terms, grant), Self::NeedsApproval(others, other_grant)) => {
                Self::NeedsApproval(terms.strictest(others), grant.and(other_grant))
            }
            (Self::NeedsApproval(terms, grant), Self::Allow(other))
            | (Self::Allow(other), Self::NeedsApproval(terms, grant)) => {
                Self::NeedsApproval(terms, grant.and(other))
            }
            (Self::Allow(grant), Self::Allow(other)) => Self::Allow(grant.and(other)),
        }
    }
}

/// What goes with a permission.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// The policies that permitted.
    pub policies: BTreeSet<PolicyId>,
    /// The masking profiles that they order.
    pub mask: BTreeSet<ProfileName>,
    /// Whether they order the exchange to be recorded.
    pub record: bool,
}

impl Grant {
    fn and(mut self, other: Self) -> Self {
        self.policies.extend(other.policies);
        self.mask.extend(other.mask);
        self.record |= other.record;
        self
    }
}

/// What an approval needs to be one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalTerms {
    /// An approver of each of these groups is needed.
    pub groups: BTreeSet<GroupName>,
    /// How many different people must approve.
    pub quorum: NonZeroU32,
    /// How long after it was asked for the approval can be given and used.
    pub ttl: Duration,
}

impl ApprovalTerms {
    fn strictest(mut self, other: Self) -> Self {
        self.groups.extend(other.groups);
        self.quorum = self.quorum.max(other.quorum);
        self.ttl = self.ttl.min(other.ttl);
        self
    }
}

/// Why something is denied.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// This policy forbids it.
    Forbidden(PolicyId),
    /// No policy permits it to this hop, counted from the root, which is 0.
    NotPermitted {
        /// The hop.
        hop: usize,
        /// The action that nothing permits; empty when the request has no command.
        action: String,
        /// The resource, empty for the service as a whole.
        resource: String,
    },
    /// This hop is only asserted, and what is asserted never grants.
    Asserted {
        /// The hop.
        hop: usize,
    },
    /// This policy could not be evaluated.
    PolicyFailed(PolicyId),
}

impl Reason {
    /// The policy that it is about, if it is about one.
    pub const fn policy(&self) -> Option<&PolicyId> {
        match self {
            Self::Forbidden(policy) | Self::PolicyFailed(policy) => Some(policy),
            Self::NotPermitted { .. } | Self::Asserted { .. } => None,
        }
    }
}

/// The `@id` of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PolicyId(pub String);

/// The name of a masking profile.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProfileName(pub String);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decisions() -> impl Strategy<Value = Decision> {
        let names = || proptest::collection::btree_set("[a-c]", 0..3);
        let grant = (names(), names(), any::<bool>()).prop_map(|(policies, mask, record)| Grant {
            policies: policies.into_iter().map(PolicyId).collect(),
            mask: mask.into_iter().map(ProfileName).collect(),
            record,
        });
        let terms = (proptest::collection::btree_set("[a-c]", 1..3), 1..4_u32, 1..5_u64).prop_map(
            |(groups, quorum, ttl)| ApprovalTerms {
                groups: groups.iter().map(|group| group.parse().unwrap()).collect(),
                quorum: NonZeroU32::new(quorum).unwrap(),
                ttl: Duration::from_secs(ttl),
            },
        );
        let reasons = names()
            .prop_map(|ids| ids.into_iter().map(|id| Reason::Forbidden(PolicyId(id))).collect());
        prop_oneof![
            grant.clone().prop_map(Decision::Allow),
            (terms, grant).prop_map(|(terms, grant)| Decision::NeedsApproval(terms, grant)),
            reasons.prop_map(Decision::Deny),
        ]
    }

    proptest! {
        #[test]
        fn strictest_is_associative_commutative_and_idempotent(
            a in decisions(), b in decisions(), c in decisions()
        ) {
            let left = a.clone().strictest(b.clone()).strictest(c.clone());
            let right = a.clone().strictest(b.clone().strictest(c));
            prop_assert_eq!(left, right);
            prop_assert_eq!(a.clone().strictest(b.clone()), b.strictest(a.clone()));
            prop_assert_eq!(a.clone().strictest(a.clone()), a);
        }

        #[test]
        fn a_denial_stays_a_denial(a in decisions(), b in decisions()) {
            let denied = matches!(a, Decision::Deny(_)) || matches!(b, Decision::Deny(_));
            prop_assert_eq!(matches!(a.strictest(b), Decision::Deny(_)), denied);
        }
    }
}
