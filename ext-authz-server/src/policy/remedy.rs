//! What a caller can do about a denial: come back with a better token. Policies that
//! forbid say so in annotations.

use std::collections::BTreeSet;
use std::time::Duration;

use super::decision::Reason;
use super::set::PolicySet;

/// What would make a difference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remedy {
    /// Scopes that the token lacks: `@requires_scope` (RFC 6750 section 3.1).
    pub scopes: BTreeSet<String>,
    /// Classes of authentication, one of which is needed: `@step_up_acr` (RFC 9470
    /// section 3).
    pub acr_values: BTreeSet<String>,
    /// How long ago the person behind the token may have authenticated:
    /// `@step_up_max_age`.
    pub max_age: Option<Duration>,
}

impl Remedy {
    /// Whether nothing would help.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the person behind the token must authenticate again, or better.
    pub fn is_step_up(&self) -> bool {
        !self.acr_values.is_empty() || self.max_age.is_some()
    }

    fn and(mut self, other: &Self) -> Self {
        self.scopes.extend(other.scopes.iter().cloned());
        self.acr_values.extend(other.acr_values.iter().cloned());
        self.max_age = self.max_age.into_iter().chain(other.max_age).min();
        self
    }
}

impl PolicySet {
    /// What would help against a denial for `reasons`: everything that its policies
    /// name, if all of them name something. What only one of two would stop forbidding
    /// stays forbidden.
    pub fn remedy(&self, reasons: &BTreeSet<Reason>) -> Option<Remedy> {
        let remedies: Option<Vec<_>> = reasons
            .iter()
            .map(|reason| match reason {
                Reason::Forbidden(id) => self.policy(id).map(|policy| &policy.remedy),
                _ => None,
            })
            .map(|remedy| remedy.filter(|remedy| !remedy.is_none()))
            .collect();
        let together = remedies?.into_iter().fold(Remedy::default(), Remedy::and);
        (!together.is_none()).then_some(together)
    }
}

#[cfg(test)]
mod tests {
    use super::super::decision::PolicyId;
    use super::super::golden::known;
    use super::super::source::SourceFile;
    use super::*;

    const POLICIES: &str = r#"
        @id("fresh") @step_up_max_age("5m") @step_up_acr("phr phrh")
        forbid (principal, action == Action::"sql:delete", resource)
        unless { context.token has auth_age && context.token.auth_age <= 300 };
        @id("fresher") @step_up_max_age("1m")
        forbid (principal, action == Action::"sql:delete", resource);
        @id("scoped") @requires_scope("orders:write")
        forbid (principal, action == Action::"sql:update", resource)
        unless { context.token has scopes && context.token.scopes.contains("orders:write") };
        @id("never") forbid (principal, action == Action::"sql:drop", resource);
    "#;

    fn remedy(ids: &[&str]) -> Option<Remedy> {
        let file = SourceFile { path: "p.cedar".into(), text: POLICIES.into() };
        let set = PolicySet::parse(&[file], &known()).unwrap_or_else(|errors| panic!("{errors}"));
        let reason = |id: &&str| Reason::Forbidden(PolicyId((*id).to_owned()));
        set.remedy(&ids.iter().map(reason).collect())
    }

    #[test]
    fn the_strictest_of_what_is_asked_for_would_help() {
        let both = remedy(&["fresh", "fresher"]).unwrap();
        assert!(both.is_step_up());
        assert_eq!(both.max_age, Some(Duration::from_mins(1)));
        assert_eq!(both.acr_values, ["phr".to_owned(), "phrh".to_owned()].into());
        let scoped = remedy(&["scoped"]).unwrap();
        assert!(!scoped.is_step_up());
        assert_eq!(scoped.scopes, ["orders:write".to_owned()].into());
    }

    #[test]
    fn what_another_policy_forbids_without_remedy_stays_forbidden() {
        assert_eq!(remedy(&["fresh", "never"]), None);
        assert_eq!(remedy(&["unknown"]), None);
        assert_eq!(remedy(&[]), None);
    }
}
