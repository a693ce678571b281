//! A set of policies: parsed, named, strictly validated, with a digest.
//!
//! A set that exists is valid. Everything that is wrong is told at once.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{Effect as CedarEffect, ValidationMode, Validator};
use chaperone_inspection::digest::Digest;
use miette::Diagnostic;
use serde::Serialize;

use super::annotations::{self, Annotations};
use super::decision::{ApprovalTerms, Decision, Grant, PolicyId, ProfileName};
use super::error::{Place, PolicyError, PolicyErrors, PolicyWarning, Problem};
use super::law;
use super::schema::SCHEMA;
use super::source::SourceFile;

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
        Self { digest, policies, warnings, deciding, shadow }
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
        let Annotations { id, mask, record, approval, shadow } = self.annotations;
        let effect = match self.cedar.effect() {
            CedarEffect::Permit => Effect::Permit,
            CedarEffect::Forbid => Effect::Forbid,
        };
        let id = PolicyId(id.unwrap_or_default());
        Policy { id, effect, place: self.place, mask, record, approval, shadow }
    }

    /// What is valid and perhaps not meant so.
    fn look_over(&self, known: &Known) -> Vec<PolicyWarning> {
        let id = self.annotations.id.as_deref().unwrap_or_default();
        let warning = |message: String| PolicyWarning { place: self.place.clone(), message };
        let mut warnings = Vec::new();
        for uid in self.cedar.entity_literals() {
            let service = uid.id().unescaped();
            if uid.type_name().basename() == "Service" && !known.services.contains(service) {
                let near = annotations::nearest(service, known.services.iter().map(String::as_str));
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
                for error in errors.iter() {
                    let place = place_of(error, file).unwrap_or_else(|| Place::whole(&file.path));
                    let problem = Problem::Syntax(error.to_string());
                    self.errors.push(PolicyError::new(place, problem).with_help(help_of(error)));
                }
                return;
            }
        };
        for template in parsed.templates() {
            let at = template.as_ref().loc().map_or(0, |loc| loc.start());
            let place = Place::at(&file.path, &file.text, at);
            self.errors.push(PolicyError::new(place, Problem::Template));
        }
        let mut drafts: Vec<_> = parsed
            .policies()
            .map(|policy| {
                let at = policy.as_ref().loc().map_or(0, |loc| loc.start());
                let place = Place::at(&file.path, &file.text, at);
                let (annotations, problems) = annotations::read(policy, &self.known.profiles);
                let errors = problems.into_iter();
                self.errors.extend(errors.map(|problem| PolicyError::new(place.clone(), problem)));
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
        let result = Validator::new(SCHEMA.cedar.clone()).validate(&all, ValidationMode::Strict);
        let draft_of =
            |id: &cedar_policy::PolicyId| self.drafts.iter().find(|draft| draft.cedar.id() == id);
        for error in result.validation_errors() {
            let Some(draft) = draft_of(error.policy_id()) else { continue };
            let place = place_of(error, draft.file).unwrap_or_else(|| draft.place.clone());
            let policy = error.policy_id().to_string();
            let message = without_policy(&error.to_string());
            let error = PolicyError::new(place, Problem::Invalid { policy, message })
                .with_help(help_of(error));
            // Cedar repeats an error for every action that the policy applies to.
            if !self.errors.contains(&error) {
                self.errors.push(error);
            }
        }
        let warnings = result.validation_warnings().filter_map(|warning| {
            let draft = draft_of(warning.policy_id())?;
            let place = place_of(warning, draft.file).unwrap_or_else(|| draft.place.clone());
            Some(PolicyWarning { place, message: warning.to_string() })
        });
        warnings.collect()
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

fn place_of(diagnostic: &dyn Diagnostic, file: &SourceFile) -> Option<Place> {
    let label = diagnostic.labels()?.next()?;
    Some(Place::at(&file.path, &file.text, label.offset()))
}

fn help_of(diagnostic: &dyn Diagnostic) -> Option<String> {
    diagnostic.help().map(|help| help.to_string())
}

/// Cedar's text begins with the policy, which the error names already.
fn without_policy(text: &str) -> String {
    let rest = text.strip_prefix("for policy `").and_then(|rest| rest.split_once("`, "));
    rest.map_or(text, |(_, message)| message).to_owned()
}
