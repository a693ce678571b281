//! A set of policies: parsed, named, strictly validated, with a digest.
//!
//! A set that exists is valid. Everything that is wrong is told at once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::OnceLock;

use cedar_policy::Effect as CedarEffect;
use chaperone_inspection::digest::Digest;
use chaperone_inspection::facts::Action;
use miette::Diagnostic as _;
use serde::Serialize;

use super::annotations::{self, Annotations};
use super::decision::{ApprovalTerms, Decision, Grant, PolicyId, ProfileName};
use super::error::{Place, PolicyError, PolicyErrors, PolicyWarning, Problem};
use super::law;
use super::possible;
use super::remedy::Remedy;
use super::schema::SCHEMA;
use super::source::SourceFile;
use super::validate;
use crate::suggestion::nearest;

/// What policies may refer to that stands outside of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The masking profiles.
    pub profiles: BTreeSet<ProfileName>,
    /// The services.
    pub services: BTreeSet<String>,
}

/// A valid set of policies.
#[derive(Debug)]
pub struct PolicySet {
    digest: Digest,
    policies: BTreeMap<PolicyId, Policy>,
    warnings: Vec<PolicyWarning>,
    /// Those that decide, as Cedar evaluates them.
    pub(super) deciding: cedar_policy::PolicySet,
    /// Made when it is first needed: most services list no tools.
    possible: OnceLock<cedar_policy::PolicySet>,
    /// The actions that some deciding permit is about; made when it is first needed.
    granted: OnceLock<BTreeSet<&'static str>>,
    /// Those that are only reported.
    pub(super) shadow: cedar_policy::PolicySet,
}

/// One policy of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its name.
    pub id: PolicyId,
    /// Whether it permits or forbids.
    pub effect: Effect,
    /// Where it is.
    pub place: Place,
    /// The masking profiles that it orders.
    pub mask: BTreeSet<ProfileName>,
    /// Whether it orders the exchange to be recorded.
    pub record: bool,
    /// The approval that it asks for.
    pub approval: Option<ApprovalTerms>,
    /// Whether it is only reported, and changes nothing.
    pub shadow: bool,
    /// What a caller whom it forbids something can do about that.
    pub remedy: Remedy,
}

/// Whether a policy permits or forbids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It permits.
    Permit,
    /// It forbids.
    Forbid,
}

impl PolicySet {
    /// Parses and validates `files`; an error tells everything that is wrong.
    pub fn parse(files: &[SourceFile], known: &Known) -> Result<Self, PolicyErrors> {
        let mut loader = Loader { known, drafts: Vec::new(), errors: Vec::new() };
        for file in files {
            loader.read(file);
        }
        loader.name();
        let mut warnings = loader.validate();
        let Loader { drafts, errors, .. } = loader;
        if !errors.is_empty() {
            return Err(PolicyErrors::new(errors));
        }
        for draft in &drafts {
            warnings.extend(draft.look_over(known));
        }
        warnings.sort_by(|a, b| a.place.cmp(&b.place));
        Ok(Self::of(drafts, warnings))
    }

    fn of(drafts: Vec<Draft<'_>>, warnings: Vec<PolicyWarning>) -> Self {
        let digest = digest(&drafts);
        let (shadow, deciding) = drafts.iter().partition::<Vec<_>, _>(|d| d.annotations.shadow);
        let [deciding, shadow] =
            [deciding, shadow].map(|drafts: Vec<&Draft<'_>>| cedar_set(&drafts));
        let policies = drafts.into_iter().map(Draft::finish);
        let policies = policies.map(|policy| (policy.id.clone(), policy)).collect();
        let (possible, granted) = Default::default();
        Self { digest, policies, warnings, deciding, possible, granted, shadow }
    }

    /// The digest of what the policies and the schema say; comments, layout, file
    /// names and order do not count.
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Every policy, in the order of their names.
    pub fn policies(&self) -> impl ExactSizeIterator<Item = &Policy> {
        self.policies.values()
    }

    /// The policy of that name.
    pub fn policy(&self, id: &PolicyId) -> Option<&Policy> {
        self.policies.get(id)
    }

    /// Whether some permit is about `action`: if not, nobody may do it.
    pub fn grants(&self, action: Action) -> bool {
        self.granted
            .get_or_init(|| possible::granted(self.deciding.policies()))
            .contains(action.name())
    }

    /// The deciding policies as far as they may hold before it is known how something is
    /// called.
    pub(super) fn possible(&self) -> &cedar_policy::PolicySet {
        self.possible.get_or_init(|| {
            let hopeful = self.deciding.policies().map(possible::hopeful);
            cedar_policy::PolicySet::from_policies(hopeful)
                .expect("every policy keeps the id that it has of its own")
        })
    }

    /// What is valid and perhaps not meant so.
    pub fn warnings(&self) -> &[PolicyWarning] {
        &self.warnings
    }
}

impl Policy {
    /// What it decides alone where it permits.
    pub(super) fn permission(&self) -> Decision {
        let grant = Grant {
            policies: BTreeSet::from([self.id.clone()]),
            mask: self.mask.clone(),
            record: self.record,
        };
        match &self.approval {
            Some(terms) => Decision::NeedsApproval(terms.clone(), grant),
            None => Decision::Allow(grant),
        }
    }
}

/// A policy on its way into a set.
struct Draft<'a> {
    file: &'a SourceFile,
    cedar: cedar_policy::Policy,
    annotations: Annotations,
    place: Place,
}

impl Draft<'_> {
    fn finish(self) -> Policy {
        let Annotations { id, mask, record, approval, shadow, remedy } = self.annotations;
        let effect = match self.cedar.effect() {
            CedarEffect::Permit => Effect::Permit,
            CedarEffect::Forbid => Effect::Forbid,
        };
        let id = PolicyId(id.unwrap_or_default());
        Policy { id, effect, place: self.place, mask, record, approval, shadow, remedy }
    }

    /// What is valid and perhaps not meant so.
    fn look_over(&self, known: &Known) -> Vec<PolicyWarning> {
        let id = self.annotations.id.as_deref().unwrap_or_default();
        let warning = |message: String| PolicyWarning { place: self.place.clone(), message };
        let mut warnings = Vec::new();
        for uid in self.cedar.entity_literals() {
            let service = uid.id().unescaped();
            if uid.type_name().basename() == "Service" && !known.services.contains(service) {
                let near = nearest(service, known.services.iter().map(String::as_str));
                let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                warnings.push(warning(format!(
                    "policy `{id}` names the service `{service}`, which is not configured{hint}"
                )));
            }
        }
        if let Some(reward) = law::rewarded(&self.cedar) {
            warnings.push(warning(format!(
                "policy `{id}` looks at {reward} in a way that can turn a denial into a \
                 permission when an earlier hop joins the chain"
            )));
        }
        warnings
    }
}

struct Loader<'a> {
    known: &'a Known,
    drafts: Vec<Draft<'a>>,
    errors: Vec<PolicyError>,
}

impl<'a> Loader<'a> {
    fn read(&mut self, file: &'a SourceFile) {
        let parsed = match file.text.parse::<cedar_policy::PolicySet>() {
            Ok(parsed) => parsed,
            Err(errors) => {
                self.errors.extend(errors.iter().map(|error| {
                    let offset = validate::offset(error);
                    let place =
                        offset.map_or_else(|| Place::whole(&file.path), |at| file.place(at));
                    let help = error.help().map(|help| help.to_string());
                    PolicyError::new(place, Problem::Syntax(error.to_string())).with_help(help)
                }));
                return;
            }
        };
        for template in parsed.templates() {
            let place = file.place(template.as_ref().loc().map_or(0, |loc| loc.span.offset()));
            self.errors.push(PolicyError::new(place, Problem::Template));
        }
        let mut drafts: Vec<_> = parsed
            .policies()
            .map(|policy| {
                let place = file.place(policy.as_ref().loc().map_or(0, |loc| loc.span.offset()));
                let (annotations, problems) = annotations::read(policy, &self.known.profiles);
                self.errors.extend(problems.into_iter().map(|(at, problem)| {
                    let place = at.map_or_else(|| place.clone(), |at| file.place(at));
                    PolicyError::new(place, problem)
                }));
                Draft { file, cedar: policy.clone(), annotations, place }
            })
            .collect();
        drafts.sort_by(|a, b| a.place.cmp(&b.place));
        self.drafts.append(&mut drafts);
    }

    /// Gives every policy its `@id`. One without, or with one that is taken, is
    /// named after its place, so that what else is wrong with it is found as well.
    fn name(&mut self) {
        let mut taken: BTreeMap<String, Place> = BTreeMap::new();
        for draft in &mut self.drafts {
            let name = match &draft.annotations.id {
                Some(id) => match taken.get(id) {
                    None => {
                        taken.insert(id.clone(), draft.place.clone());
                        id.clone()
                    }
                    Some(first) => {
                        let problem = Problem::IdTaken { id: id.clone(), first: first.clone() };
                        self.errors.push(PolicyError::new(draft.place.clone(), problem));
                        draft.place.to_string()
                    }
                },
                None => draft.place.to_string(),
            };
            draft.cedar = draft.cedar.new_id(cedar_policy::PolicyId::new(name));
        }
    }

    /// Validates strictly against the schema; gives Cedar's own warnings.
    fn validate(&mut self) -> Vec<PolicyWarning> {
        let all = cedar_set(&self.drafts.iter().collect::<Vec<_>>());
        let drafts: HashMap<_, _> =
            self.drafts.iter().map(|draft| (draft.cedar.id(), draft)).collect();
        let (errors, warnings) = validate::validate(&all, |id, offset| match offset {
            Some(offset) => drafts[id].file.place(offset),
            None => drafts[id].place.clone(),
        });
        self.errors.extend(errors);
        warnings
    }
}

/// The policies as Cedar evaluates them; their ids differ.
fn cedar_set(drafts: &[&Draft<'_>]) -> cedar_policy::PolicySet {
    cedar_policy::PolicySet::from_policies(drafts.iter().map(|draft| draft.cedar.clone()))
        .expect("every policy was given an id of its own")
}

fn digest(drafts: &[Draft<'_>]) -> Digest {
    let said: BTreeMap<_, _> = drafts
        .iter()
        .map(|draft| {
            // Cedar's JSON form has neither comments nor layout. Every policy that
            // parsed has one; its text stands in, should that ever change.
            let said = draft.cedar.to_json().unwrap_or_else(|_| draft.cedar.to_string().into());
            (draft.annotations.id.as_deref(), said)
        })
        .collect();
    let said = serde_json::json!({
        "schema": SCHEMA.text,
        "policies": said.values().collect::<Vec<_>>(),
    });
    Digest::of(serde_json_canonicalizer::to_string(&said).unwrap_or_default().as_bytes())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::golden::{known, policies};
    use super::*;

    fn parse(texts: &[&str]) -> Result<PolicySet, Vec<String>> {
        let files: Vec<_> = texts
            .iter()
            .zip('a'..)
            .map(|(text, name)| SourceFile {
                path: PathBuf::from(format!("{name}.cedar")),
                text: (*text).into(),
            })
            .collect();
        PolicySet::parse(&files, &known())
            .map_err(|errors| errors.errors().iter().map(ToString::to_string).collect())
    }

    /// A policy `x` with these annotations.
    fn annotated(annotations: &str, effect: &str) -> String {
        format!("@id(\"x\")\n{annotations}\n{effect} (principal, action, resource);")
    }

    /// A policy `x` of this scope and condition, for line 2 and 3.
    fn scoped(scope: &str, condition: &str) -> String {
        format!("@id(\"x\")\npermit ({scope})\n{condition};")
    }

    #[test]
    fn a_mistake_in_an_annotation_is_told_with_its_place_and_a_way_out() {
        for (annotations, effect, expected) in [
            ("@masc(\"pii\")", "permit", "unknown annotation @masc; did you mean @mask?"),
            (
                "@owner(\"me\")",
                "permit",
                "unknown annotation @owner; expected one of: @id, @mask, @record, \
                 @requires_approval, @approval_ttl, @approval_quorum, @shadow, @requires_scope, \
                 @step_up_acr, @step_up_max_age",
            ),
            (
                "@mask(\"pii,secret\")",
                "permit",
                "@mask: unknown masking profile `secret`; did you mean `secrets`?",
            ),
            (
                "@mask(\"x\")",
                "permit",
                "@mask: unknown masking profile `x`; expected one of: all, customer-notes, pii, \
                 secrets",
            ),
            ("@mask", "permit", "@mask: expected profiles, such as @mask(\"pii,secrets\")"),
            (
                "@requires_approval(\"sre,\")",
                "permit",
                "@requires_approval: expected groups, such as @requires_approval(\"sre\")",
            ),
            ("@mask(\"pii\")", "forbid", "@mask goes with a permission, and this policy forbids"),
            ("@record", "forbid", "@record goes with a permission, and this policy forbids"),
            (
                "@requires_approval(\"sre\")",
                "forbid",
                "@requires_approval goes with a permission, and this policy forbids",
            ),
            ("@approval_ttl(\"15m\")", "permit", "@approval_ttl without @requires_approval"),
            (
                "@approval_ttl(\"soon\") @requires_approval(\"sre\")",
                "permit",
                "@approval_ttl: expected a length of time, such as 15m",
            ),
            (
                "@approval_quorum(\"0\") @requires_approval(\"sre\")",
                "permit",
                "@approval_quorum: expected a number of people, at least 1",
            ),
            ("@shadow(\"yes\")", "permit", "@shadow: it takes no value"),
            (
                "@step_up_max_age(\"5m\")",
                "permit",
                "@step_up_max_age tells what would lift a prohibition, and this policy permits",
            ),
            (
                "@step_up_max_age(\"now\")",
                "forbid",
                "@step_up_max_age: expected a length of time, such as 5m",
            ),
            (
                "@step_up_acr(\"a \\\"b\\\"\")",
                "forbid",
                "@step_up_acr: expected classes of authentication, separated by spaces",
            ),
        ] {
            let told = parse(&[&annotated(annotations, effect)]).unwrap_err();
            assert_eq!(told, [format!("a.cedar:2:1: {expected}")]);
        }
    }

    #[test]
    fn a_policy_that_does_not_fit_the_schema_is_told_once_and_with_a_way_out() {
        for (policy, expected) in [
            (
                scoped(
                    "principal, action in [Action::\"http:get\", Action::\"http:put\"], resource",
                    "when { context.sql.has_where }",
                ),
                "3:8: policy `x`: attribute `sql` not found (for http:get and 1 more); only sql \
                 actions have it: name them in the policy's scope, or ask `context has sql && \
                 ..` first",
            ),
            (
                scoped(
                    "principal, action in Action::\"sql:read\", resource",
                    "when { context.sql.has_were }",
                ),
                "3:8: policy `x`: attribute `sql.has_were` not found (for sql:cancel and 4 \
                 more); did you mean `has_where`?",
            ),
            (
                scoped("principal, action == Action::\"sql:delte\", resource", ""),
                "2:30: policy `x`: unrecognized action `Action::\"sql:delte\"`; did you mean \
                 `Action::\"sql:delete\"`?",
            ),
            (
                scoped("principal in Grupe::\"a\", action, resource", ""),
                "2:22: policy `x`: unrecognized entity type `Grupe`; did you mean `Group`?",
            ),
            (
                scoped("principal, action, resource", "when { context.chain.depth < \"3\" }"),
                "3:30: policy `x`: unexpected type: expected Long but saw String",
            ),
            (
                scoped("principal == ?principal, action, resource", ""),
                "1:1: templates (`?principal`, `?resource`) are not used here",
            ),
        ] {
            assert_eq!(parse(&[&policy]).unwrap_err(), [format!("a.cedar:{expected}")]);
        }
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once_in_the_order_of_the_files() {
        let told = parse(&[
            "permit (principal, action, resource);\n\
             @id(\"x\") permit (principal in Grupe::\"a\", action, resource);",
            "@id(\"x\") @shadow(\"y\") permit (principal, action, resource);\n\
             @id(\" \") permit (principal, action, resource);",
            "@id(\"y\") permit (principal, action, resource) wen {true};\n\
             @id(\"z\") permit (principal, action);",
        ]);
        assert_eq!(
            told.unwrap_err(),
            [
                "a.cedar:1:1: the policy has no @id; name it: @id(\"why-it-is-there\")",
                "a.cedar:2:31: policy `x`: unrecognized entity type `Grupe`; did you mean `Group`?",
                "b.cedar:1:1: the @id `x` is already used at a.cedar:2:1",
                "b.cedar:1:10: @shadow: it takes no value",
                "b.cedar:2:1: an @id is not empty and has no control characters",
                "c.cedar:1:47: invalid policy condition: wen; condition must be either `when` or \
                 `unless`",
                "c.cedar:2:35: this policy is missing the `resource` variable in the scope; policy \
                 scopes must contain a `principal`, `action`, and `resource` element in that order",
            ]
        );
    }

    #[test]
    fn what_is_valid_and_perhaps_not_meant_so_is_a_warning() {
        let set = parse(&[&scoped(
            "principal, action, resource in Service::\"ordres\"",
            "when { context.chain.depth >= 2 }",
        )]);
        let warnings: Vec<_> = set.unwrap().warnings().iter().map(ToString::to_string).collect();
        assert_eq!(
            warnings,
            [
                "a.cedar:1:1: policy `x` names the service `ordres`, which is not configured; did \
                 you mean `orders`?",
                "a.cedar:1:1: policy `x` looks at context.chain.depth in a way that can turn a \
                 denial into a permission when an earlier hop joins the chain",
            ]
        );
    }

    #[test]
    fn the_digest_is_of_what_is_said_not_of_how_it_is_laid_out() {
        let (x, y) = (annotated("", "permit"), annotated("@mask(\"pii\")", "permit"));
        let y = y.replace("\"x\"", "\"y\"");
        let digest = |texts: &[&str]| parse(texts).unwrap().digest();
        let whole = digest(&[&format!("{x}\n{y}")]);
        assert_eq!(digest(&[&format!("// A comment.\n{y}"), &x]), whole);
        assert_ne!(digest(&[&x]), whole);
        assert_ne!(digest(&[&x, &y.replace("pii", "secrets")]), whole);
        assert_ne!(digest(&[&x, &y.replace("permit", "@shadow permit")]), whole);
    }

    #[test]
    fn a_policy_keeps_what_its_annotations_say() {
        let set = policies("src/policy/golden/orders.cedar");
        let policy = set.policy(&PolicyId("money-needs-two".to_owned())).unwrap();
        let terms = policy.approval.as_ref().unwrap();
        assert_eq!(policy.effect, Effect::Permit);
        assert_eq!(policy.place.line, Some(16));
        assert_eq!((terms.quorum.get(), terms.ttl.as_secs(), terms.groups.len()), (2, 300, 2));
        let default = parse(&[&annotated("@requires_approval(\"sre\")", "permit")]).unwrap();
        let terms = default.policies().next().unwrap().approval.clone().unwrap();
        assert_eq!((terms.quorum.get(), terms.ttl.as_secs()), (1, 900));
    }
}
