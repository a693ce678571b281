//! Strict validation: every policy fits the schema for every action it applies to.
//!
//! Cedar tells a mistake once for each of forty actions; here it is told once.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{PolicyId, PolicySet, ValidationMode};
use chaperone_inspection::vocabulary::actions;
use miette::Diagnostic;

use super::error::{Place, PolicyError, PolicyWarning, Problem};
use super::schema::SCHEMA;

/// What is wrong with the policies, and what is odd about them. `place_of` tells
/// where in a policy a byte of its file is, or where the policy begins.
pub(super) fn validate(
    policies: &PolicySet,
    place_of: impl Fn(&PolicyId, Option<usize>) -> Place,
) -> (Vec<PolicyError>, Vec<PolicyWarning>) {
    let result = SCHEMA.validator.validate(policies, ValidationMode::Strict);
    let mut mistakes: BTreeMap<Mistake, BTreeSet<String>> = BTreeMap::new();
    for error in result.validation_errors() {
        let id = error.policy_id();
        let (message, action) = without_action(&without_policy(&error.to_string()));
        let place = place_of(id, offset(error));
        let help = help(error, &message);
        let mistake = Mistake { place, policy: id.to_string(), message, help };
        mistakes.entry(mistake).or_default().extend(action);
    }
    let warnings = result.validation_warnings().map(|warning| PolicyWarning {
        place: place_of(warning.policy_id(), offset(warning)),
        message: warning.to_string(),
    });
    (mistakes.into_iter().map(Mistake::told).collect(), warnings.collect())
}

/// Where in its file `diagnostic` points to.
pub(super) fn offset(diagnostic: &dyn Diagnostic) -> Option<usize> {
    Some(diagnostic.labels()?.next()?.offset())
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Mistake {
    place: Place,
    policy: String,
    message: String,
    help: Option<String>,
}

impl Mistake {
    fn told((mistake, actions): (Self, BTreeSet<String>)) -> PolicyError {
        let Self { place, policy, mut message, help } = mistake;
        let mut actions = actions.into_iter();
        if let Some(first) = actions.next() {
            let others = match actions.len() {
                0 => String::new(),
                others => format!(" and {others} more"),
            };
            message = format!("{message} (for {first}{others})");
        }
        PolicyError::new(place, Problem::Invalid { policy, message }).with_help(help)
    }
}

/// Cedar's help, except where the attribute is known and the action is too wide.
fn help(diagnostic: &dyn Diagnostic, message: &str) -> Option<String> {
    let family = actions()
        .map(|spec| spec.family.name)
        .find(|family| message.starts_with(&format!("attribute `{family}` ")));
    match family {
        Some(family) => Some(format!(
            "only {family} actions have it: name them in the policy's scope, or ask \
             `context has {family} && ..` first"
        )),
        None => diagnostic.help().map(|help| help.to_string()),
    }
}

/// Cedar's text begins with the policy, which the error names already.
fn without_policy(text: &str) -> String {
    let rest = text.strip_prefix("for policy `").and_then(|rest| rest.split_once("`, "));
    rest.map_or(text, |(_, message)| message).to_owned()
}

/// The text without the action that it is said of, and the action's name.
fn without_action(text: &str) -> (String, Option<String>) {
    const SAID_OF: &str = " in context for Action::\"";
    match text.split_once(SAID_OF).and_then(|(before, rest)| Some((before, rest.split_once('"')?)))
    {
        Some((before, (action, after))) => (format!("{before}{after}"), Some(action.to_owned())),
        None => (text.to_owned(), None),
    }
}
