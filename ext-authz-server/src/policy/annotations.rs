//! Annotations: what a policy orders besides its effect, parsed once at load.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use cedar_policy::{Effect, Policy};
use jiff::SignedDuration;

use super::decision::{ApprovalTerms, ProfileName};
use super::error::Problem;
use super::remedy::Remedy;
use crate::identity::GroupName;
use crate::suggestion::nearest;

/// Every annotation.
pub(super) const NAMES: [&str; 10] = [
    ID,
    MASK,
    RECORD,
    REQUIRES_APPROVAL,
    TTL,
    QUORUM,
    SHADOW,
    REQUIRES_SCOPE,
    STEP_UP_ACR,
    STEP_UP_MAX_AGE,
];

const ID: &str = "id";
const MASK: &str = "mask";
const RECORD: &str = "record";
const REQUIRES_APPROVAL: &str = "requires_approval";
const TTL: &str = "approval_ttl";
const QUORUM: &str = "approval_quorum";
const SHADOW: &str = "shadow";
const REQUIRES_SCOPE: &str = "requires_scope";
const STEP_UP_ACR: &str = "step_up_acr";
const STEP_UP_MAX_AGE: &str = "step_up_max_age";

/// How long an approval lasts when its policy does not say.
const DEFAULT_TTL: Duration = Duration::from_mins(15);

/// What a policy's annotations say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Annotations {
    pub(super) id: Option<String>,
    pub(super) mask: BTreeSet<ProfileName>,
    pub(super) record: bool,
    pub(super) approval: Option<ApprovalTerms>,
    pub(super) shadow: bool,
    pub(super) remedy: Remedy,
}

/// Something wrong with an annotation, at that byte of the policy's file.
pub(super) type Found = (Option<usize>, Problem);

/// Reads the annotations of `policy`, and whatever is wrong with them.
pub(super) fn read(policy: &Policy, profiles: &BTreeSet<ProfileName>) -> (Annotations, Vec<Found>) {
    let mut reader = Reader { policy, problems: Vec::new() };
    for (name, _) in policy.annotations() {
        if !NAMES.contains(&name) {
            let near = nearest(name, NAMES);
            reader.found(name, Problem::AnnotationUnknown { name: name.to_owned(), near });
        }
    }
    let annotations = Annotations {
        id: reader.id(),
        mask: reader.mask(profiles),
        record: reader.flag(RECORD),
        approval: reader.approval(),
        shadow: reader.flag(SHADOW),
        remedy: reader.remedy(),
    };
    if policy.effect() == Effect::Permit {
        for name in [REQUIRES_SCOPE, STEP_UP_ACR, STEP_UP_MAX_AGE] {
            if policy.annotation(name).is_some() {
                reader.found(name, Problem::AnnotationOnPermit { name });
            }
        }
    }
    if policy.effect() == Effect::Forbid {
        for name in [MASK, RECORD, REQUIRES_APPROVAL] {
            if policy.annotation(name).is_some() {
                reader.found(name, Problem::AnnotationOnForbid { name });
            }
        }
    }
    (annotations, reader.problems)
}

struct Reader<'a> {
    policy: &'a Policy,
    problems: Vec<Found>,
}

impl<'a> Reader<'a> {
    fn id(&mut self) -> Option<String> {
        let Some(id) = self.policy.annotation(ID) else {
            self.found(ID, Problem::IdMissing);
            return None;
        };
        if id.trim().is_empty() || id.chars().any(char::is_control) {
            self.found(ID, Problem::IdInvalid);
            return None;
        }
        Some(id.to_owned())
    }

    fn flag(&mut self, name: &'static str) -> bool {
        let value = self.policy.annotation(name);
        if value.is_some_and(|value| !value.is_empty()) {
            self.invalid(name, "it takes no value");
        }
        value.is_some()
    }

    fn mask(&mut self, profiles: &BTreeSet<ProfileName>) -> BTreeSet<ProfileName> {
        let mut named = BTreeSet::new();
        for name in self.list(MASK, "profiles, such as @mask(\"pii,secrets\")") {
            let profile = ProfileName(name.to_owned());
            if profiles.contains(&profile) {
                named.insert(profile);
                continue;
            }
            let known = || profiles.iter().map(|profile| profile.0.as_str());
            let problem = Problem::ProfileUnknown {
                name: name.to_owned(),
                known: known().map(str::to_owned).collect(),
                near: nearest(name, known()).map(str::to_owned),
            };
            self.found(MASK, problem);
        }
        named
    }

    fn approval(&mut self) -> Option<ApprovalTerms> {
        let mut groups = BTreeSet::new();
        for name in self.list(REQUIRES_APPROVAL, "groups, such as @requires_approval(\"sre\")") {
            match name.parse::<GroupName>() {
                Ok(group) => drop(groups.insert(group)),
                Err(error) => self.invalid(REQUIRES_APPROVAL, &error.to_string()),
            }
        }
        let ttl = self.value(TTL, "a length of time, such as 15m", length);
        let quorum = self.value(QUORUM, "a number of people, at least 1", |text| text.parse().ok());
        if self.policy.annotation(REQUIRES_APPROVAL).is_none() {
            for name in [TTL, QUORUM] {
                if self.policy.annotation(name).is_some() {
                    self.found(name, Problem::ApprovalNotRequired { name });
                }
            }
            return None;
        }
        Some(ApprovalTerms {
            groups,
            quorum: quorum.unwrap_or(NonZeroU32::MIN),
            ttl: ttl.unwrap_or(DEFAULT_TTL),
        })
    }

    fn remedy(&mut self) -> Remedy {
        let scopes = "scopes, separated by spaces, such as @requires_scope(\"orders:write\")";
        let classes = "classes of authentication, separated by spaces";
        Remedy {
            scopes: self.value(REQUIRES_SCOPE, scopes, tokens).unwrap_or_default(),
            acr_values: self.value(STEP_UP_ACR, classes, tokens).unwrap_or_default(),
            max_age: self.value(STEP_UP_MAX_AGE, "a length of time, such as 5m", length),
        }
    }

    /// The comma-separated names in the annotation's value.
    fn list(&mut self, name: &'static str, expected: &str) -> Vec<&'a str> {
        let Some(value) = self.policy.annotation(name) else { return Vec::new() };
        let names: Vec<_> = value.split(',').map(str::trim).collect();
        if names.iter().any(|name| name.is_empty()) {
            self.invalid(name, &format!("expected {expected}"));
            return Vec::new();
        }
        names
    }

    fn value<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let value = self.policy.annotation(name)?;
        let parsed = parse(value);
        if parsed.is_none() {
            self.invalid(name, &format!("expected {expected}"));
        }
        parsed
    }

    fn invalid(&mut self, name: &'static str, problem: &str) {
        let problem = problem.to_owned();
        self.found(name, Problem::AnnotationInvalid { name, problem });
    }

    fn found(&mut self, name: &str, problem: Problem) {
        let written = self.policy.as_ref().annotations().find(|(key, _)| key.as_ref() == name);
        let at = written.and_then(|(_, annotation)| Some(annotation.loc.as_ref()?.start()));
        self.problems.push((at, problem));
    }
}

fn length(text: &str) -> Option<Duration> {
    let length = text.parse::<SignedDuration>().ok()?;
    Duration::try_from(length).ok().filter(|length| !length.is_zero())
}

/// Names as they may stand in a quoted parameter of `WWW-Authenticate` (RFC 6750
/// section 3), separated by spaces; at least one.
fn tokens(text: &str) -> Option<BTreeSet<String>> {
    let allowed = |byte: u8| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~');
    let tokens: BTreeSet<_> = text.split_ascii_whitespace().map(str::to_owned).collect();
    (!tokens.is_empty() && tokens.iter().all(|token| token.bytes().all(allowed))).then_some(tokens)
}
