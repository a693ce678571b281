//! Roles and their bindings: what is granted, and to whom.

use std::collections::BTreeSet;

use super::node::Node;
use super::request_info::RequestInfo;
use super::write;
use crate::facts::{Attributes, Unparsed};

/// Writes what a role allows or whom a binding gives which role.
pub(super) fn describe(
    info: &RequestInfo,
    nodes: &[Node<'_>],
    attributes: &mut Attributes,
) -> Result<(), Unparsed> {
    if info.resource.ends_with("bindings") {
        binding(nodes, attributes)
    } else {
        role(nodes, attributes)
    }
}

fn binding(nodes: &[Node<'_>], attributes: &mut Attributes) -> Result<(), Unparsed> {
    let mut subjects = BTreeSet::new();
    for node in nodes {
        if let Some(role) = node.object("roleRef")? {
            let kind = role.text("kind")?.unwrap_or_default();
            if let Some(name) = role.text("name")? {
                write(attributes, "role", format!("{kind}/{name}"));
            }
        }
        for subject in node.items("subjects")? {
            let kind = subject.text("kind")?.unwrap_or_default();
            let name = subject.text("name")?.unwrap_or_default();
            let namespace = subject.text("namespace")?.unwrap_or_default();
            let slash = if namespace.is_empty() { "" } else { "/" };
            subjects.insert(format!("{kind}/{namespace}{slash}{name}"));
        }
    }
    write(attributes, "subjects", subjects.into_iter().collect::<Vec<_>>());
    Ok(())
}

fn role(nodes: &[Node<'_>], attributes: &mut Attributes) -> Result<(), Unparsed> {
    let mut verbs = BTreeSet::new();
    let mut resources = BTreeSet::new();
    let mut aggregated = false;
    for node in nodes {
        for rule in node.items("rules")? {
            verbs.extend(rule.texts("verbs")?);
            resources.extend(rule.texts("resources")?);
            resources.extend(rule.texts("nonResourceURLs")?);
        }
        aggregated |= node.has("aggregationRule")?;
    }
    write(attributes, "role_verbs", verbs.into_iter().collect::<Vec<_>>());
    write(attributes, "role_resources", resources.into_iter().collect::<Vec<_>>());
    write(attributes, "role_aggregates", aggregated);
    Ok(())
}
