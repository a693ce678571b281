//! Groups: from the claims that an issuer is configured to put them in, and from
//! patterns of principals in the configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use serde_json::{Map, Value};

use super::chain::{GroupName, IssuerAlias, Principal};
use super::claim_path::ClaimPath;
use super::error::IdentityError;

/// A claim whose values are groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupClaim {
    path: ClaimPath,
    prefix: String,
}

/// The text names no claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a claim is a name such as `groups`, or a JSON Pointer such as `/realm_access/roles`")]
pub struct GroupClaimError;

impl GroupClaim {
    /// The claim called `claim`, or at that JSON Pointer (RFC 6901) when it begins
    /// with `/`; `prefix` is put before each value.
    pub fn parse(claim: &str, prefix: Option<&str>) -> Result<Self, GroupClaimError> {
        let path = ClaimPath::parse(claim).map_err(|_| GroupClaimError)?;
        Ok(Self { path, prefix: prefix.unwrap_or_default().to_owned() })
    }

    /// The claim, as it was written.
    pub fn claim(&self) -> &str {
        self.path.as_str()
    }

    /// What is put before each value.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The groups that `claims` has there. A claim that is not there is no group; one
    /// that is no group is an error, for a group that is overlooked may be one that
    /// something is forbidden to.
    pub(super) fn groups(
        &self,
        claims: &Map<String, Value>,
    ) -> Result<BTreeSet<GroupName>, IdentityError> {
        let values = match self.path.find(claims) {
            None => return Ok(BTreeSet::new()),
            Some(Value::Array(several)) => several.as_slice(),
            Some(one) => std::slice::from_ref(one),
        };
        values.iter().map(|value| self.group(value)).collect()
    }

    fn group(&self, value: &Value) -> Result<GroupName, IdentityError> {
        value
            .as_str()
            .filter(|text| !text.is_empty())
            .and_then(|text| format!("{}{text}", self.prefix).parse().ok())
            .ok_or_else(|| IdentityError::GroupsMalformed { claim: self.claim().to_owned() })
    }
}

/// A pattern of principals: `<issuer alias>/<subject>`, where `*` in the subject
/// stands for anything, and as the alias for every issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrincipalPattern {
    issuer: Option<IssuerAlias>,
    /// What stands between the `*`.
    pieces: Vec<String>,
}

/// The text is no pattern of principals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a pattern of principals is written `<issuer alias>/<subject>`, such as github/repo:acme/*"
)]
pub struct PrincipalPatternError;

impl FromStr for PrincipalPattern {
    type Err = PrincipalPatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (issuer, subject) = text.split_once('/').ok_or(PrincipalPatternError)?;
        if subject.is_empty() {
            return Err(PrincipalPatternError);
        }
        let issuer = match issuer {
            "*" => None,
            alias => Some(alias.parse().map_err(|_| PrincipalPatternError)?),
        };
        Ok(Self { issuer, pieces: subject.split('*').map(str::to_owned).collect() })
    }
}

impl PrincipalPattern {
    /// The issuer that it names; `None` for every issuer.
    pub const fn issuer(&self) -> Option<&IssuerAlias> {
        self.issuer.as_ref()
    }

    /// Whether it is a pattern of `principal`.
    pub fn matches(&self, principal: &Principal) -> bool {
        self.issuer.as_ref().is_none_or(|issuer| *issuer == principal.issuer)
            && self.matches_subject(&principal.subject)
    }

    /// The first piece begins the subject, the last one ends it, and the others are
    /// in between in order. Taking each as early as possible leaves the most for the
    /// rest, so there is nothing to try twice.
    fn matches_subject(&self, subject: &str) -> bool {
        let Some((first, others)) = self.pieces.split_first() else { return false };
        let Some((last, middle)) = others.split_last() else { return subject == first };
        let Some(mut rest) = subject.strip_prefix(first.as_str()) else { return false };
        for piece in middle {
            let Some((_, after)) = rest.split_once(piece.as_str()) else { return false };
            rest = after;
        }
        rest.ends_with(last.as_str())
    }
}

/// The groups that the configuration makes, by patterns of principals.
#[derive(Clone, Debug, Default)]
pub struct GroupPatterns(BTreeMap<GroupName, Vec<PrincipalPattern>>);

impl GroupPatterns {
    /// Groups by name.
    pub const fn new(groups: BTreeMap<GroupName, Vec<PrincipalPattern>>) -> Self {
        Self(groups)
    }

    /// The groups that `principal` is in.
    pub fn of<'a>(&'a self, principal: &'a Principal) -> impl Iterator<Item = &'a GroupName> {
        let contains = |patterns: &[PrincipalPattern]| {
            patterns.iter().any(|pattern| pattern.matches(principal))
        };
        self.0.iter().filter(move |(_, patterns)| contains(patterns)).map(|(group, _)| group)
    }

    /// Every pattern.
    pub(super) fn patterns(&self) -> impl Iterator<Item = &PrincipalPattern> {
        self.0.values().flatten()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn groups(claim: &str, prefix: Option<&str>, claims: &Value) -> Vec<String> {
        let claim = GroupClaim::parse(claim, prefix).unwrap();
        let groups = claim.groups(claims.as_object().unwrap()).unwrap();
        groups.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn groups_are_a_string_or_an_array_of_strings_at_a_name_or_a_pointer() {
        let claims = json!({
            "groups": ["sre", "staff"],
            "role": "admin",
            "https://acme.example/teams": ["red"],
            "realm_access": { "roles": ["a"], "x/y": { "~": ["b"] } },
            "nothing": null,
        });
        assert_eq!(groups("groups", None, &claims), ["sre", "staff"]);
        assert_eq!(groups("role", Some("corp:"), &claims), ["corp:admin"]);
        assert_eq!(groups("https://acme.example/teams", None, &claims), ["red"]);
        assert_eq!(groups("/realm_access/roles", None, &claims), ["a"]);
        assert_eq!(groups("/realm_access/x~1y/~0", None, &claims), ["b"]);
        assert!(groups("absent", None, &claims).is_empty());
        assert!(groups("/realm_access/absent", None, &claims).is_empty());
        assert!(groups("nothing", None, &claims).is_empty());
        assert_eq!(GroupClaim::parse("", None), Err(GroupClaimError));
        assert_eq!(GroupClaim::parse("/a~2", None), Err(GroupClaimError));
    }

    #[test]
    fn a_claim_that_is_no_group_is_refused_rather_than_overlooked() {
        for odd in [json!(7), json!({ "a": 1 }), json!(["sre", 7]), json!([""]), json!("a\nb")] {
            let claims = json!({ "groups": odd });
            let claim = GroupClaim::parse("groups", Some("p:")).unwrap();
            let error = claim.groups(claims.as_object().unwrap()).unwrap_err();
            assert_eq!(error.code(), "groups_malformed", "{claims}");
        }
    }

    fn matches(pattern: &str, principal: &str) -> bool {
        let pattern: PrincipalPattern = pattern.parse().unwrap();
        pattern.matches(&principal.parse().unwrap())
    }

    #[test]
    fn a_star_in_a_pattern_stands_for_anything() {
        let job = "github/repo:acme/shop:ref:refs/heads/main";
        assert!(matches("github/repo:acme/*", job));
        assert!(matches("github/*", job));
        assert!(matches("*/repo:acme/*", job));
        assert!(matches("github/repo:*:ref:refs/heads/main", job));
        assert!(matches("github/*:*:*", job));
        assert!(matches("github/repo:acme/shop:ref:refs/heads/main", job));
        assert!(!matches("github/repo:acme/", job));
        assert!(!matches("github/repo:acme-evil/*", job));
        assert!(!matches("github/*:refs/heads/dev", job));
        assert!(!matches("gitlab/*", job));
        assert!(!matches("k8s/ab*ba", "k8s/aba"), "pieces do not overlap");
    }

    #[test]
    fn an_alias_is_named_whole() {
        for pattern in ["git*/x", "github", "github/", "/x", "Git/x", ""] {
            let parsed = pattern.parse::<PrincipalPattern>();
            assert_eq!(parsed, Err(PrincipalPatternError), "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn a_pattern_matches_what_its_stars_are_replaced_with(
            pieces in proptest::collection::vec("[ab]{0,3}", 1..5), filler in "[ab]{0,4}"
        ) {
            let subject = pieces.join(&filler);
            prop_assume!(!subject.is_empty() && !pieces.join("*").is_empty());
            let pattern = format!("k8s/{}", pieces.join("*"));
            prop_assert!(matches(&pattern, &format!("k8s/{subject}")), "{} {}", pattern, subject);
        }
    }
}
