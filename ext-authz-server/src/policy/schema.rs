//! The Cedar schema, generated from the vocabulary that facts are written in.
//!
//! A policy can ask for what a fact can say and for nothing else: who is in the
//! chain, what the command is, and how the request came.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::LazyLock;

use cedar_policy::{Entity, EntityId, EntityTypeName, EntityUid, Schema as CedarSchema, Validator};
use chaperone_inspection::facts::Action;
use chaperone_inspection::vocabulary::{
    AttributeKind, AttributeSpec, Family, ResourceKind, VOCABULARY, actions, groups,
};

/// The one schema of this build.
pub(super) static SCHEMA: LazyLock<Schema> = LazyLock::new(Schema::generate);

/// The schema and the names in it, parsed once.
pub(super) struct Schema {
    /// The schema in Cedar's own syntax.
    pub(super) text: String,
    /// The validator of that schema.
    pub(super) validator: Validator,
    types: HashMap<&'static str, EntityTypeName>,
    actions: HashMap<&'static str, Entity>,
}

impl Schema {
    fn generate() -> Self {
        let text = text();
        let cedar: CedarSchema =
            text.parse().expect("the generated schema parses: a test holds it");
        let types = entity_types()
            .map(|name| (name, name.parse().expect("an entity type is an identifier")))
            .collect();
        let mut schema =
            Self { text, validator: Validator::new(cedar), types, actions: HashMap::new() };
        schema.actions = actions()
            .map(|spec| {
                let groups = ancestors(spec.parents);
                let groups = groups.iter().map(|group| schema.uid("Action", group)).collect();
                (spec.name, Entity::new_no_attrs(schema.uid("Action", spec.name), groups))
            })
            .collect();
        schema
    }

    /// The entity of that type, which must be one of the schema's.
    pub(super) fn uid(&self, kind: &'static str, id: &str) -> EntityUid {
        EntityUid::from_type_name_and_id(self.types[kind].clone(), EntityId::new(id))
    }

    /// The action with every group that it is in.
    pub(super) fn action(&self, action: Action) -> &Entity {
        &self.actions[action.name()]
    }
}

fn entity_types() -> impl Iterator<Item = &'static str> {
    ["Action", "Agent", "Group", "Service", "Fields"]
        .into_iter()
        .chain(ResourceKind::ALL.map(ResourceKind::name))
}

/// The groups and the groups that they are in.
pub(super) fn ancestors(parents: &[&'static str]) -> BTreeSet<&'static str> {
    let mut found = BTreeSet::new();
    let mut open = parents.to_vec();
    while let Some(name) = open.pop() {
        if found.insert(name) {
            open.extend(groups().filter(|group| group.name == name).flat_map(|g| g.parents));
        }
    }
    found
}

/// What every question has, whatever it is about.
const COMMON: &str = "\
entity Group;
entity Agent in [Group] { issuer: String, subject: String } tags String;
entity Service;
entity Fields tags String;

type ChainContext = {
  depth: Long, weakest: String, root: Agent, agents: Set<Agent>, groups: Set<Group>,
  credentials: Set<String>
};
type HopContext = { index: Long, assurance: String, credential: String };
type TokenContext = {
  issuer: String, sender_constrained: Bool, scopes?: Set<String>,
  authorization_types?: Set<String>, acr?: String, auth_age?: Long, txn?: String
};
type RequestContext = { method: String, host: String, path: String, contains: Set<String> };
";

/// The schema in Cedar's own syntax.
pub fn text() -> String {
    let mut text = COMMON.to_owned();
    for kind in ResourceKind::ALL {
        line(&mut text, format_args!("entity {} in [Service] {{ name: String }};", kind.name()));
    }
    let families: BTreeMap<_, _> =
        VOCABULARY.iter().map(|part| (part.family.name, part.family)).collect();
    text.push('\n');
    for family in families.values() {
        line(&mut text, format_args!("type {} = {{ {} }};", type_name(family), fields(family)));
    }
    text.push('\n');
    for group in groups() {
        line(&mut text, format_args!("action {:?}{};", group.name, parents(group.parents)));
    }
    for spec in actions() {
        line(
            &mut text,
            format_args!(
                "action {:?}{} appliesTo {{ principal: [Agent], resource: [Service, {}], \
                 context: {{ chain: ChainContext, hop: HopContext, request: RequestContext, \
                 token: TokenContext, {}: {} }} }};",
                spec.name,
                parents(spec.parents),
                spec.resource.name(),
                spec.family.name,
                type_name(spec.family),
            ),
        );
    }
    text
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing into a string has no way to fail.
    let _ = writeln!(text, "{line}");
}

/// `sql` has the type `SqlFacts`.
fn type_name(family: &Family) -> String {
    let (first, rest) = family.name.split_at(1);
    format!("{}{rest}Facts", first.to_ascii_uppercase())
}

fn fields(family: &Family) -> String {
    let fields = family.attributes.iter().filter_map(|attribute| {
        let optional = if attribute.required { "" } else { "?" };
        Some(format!("{:?}{optional}: {}", attribute.name, cedar_type(attribute)?))
    });
    fields.collect::<Vec<_>>().join(", ")
}

const fn cedar_type(attribute: &AttributeSpec) -> Option<&'static str> {
    match attribute.kind {
        AttributeKind::Bool => Some("Bool"),
        AttributeKind::Long => Some("Long"),
        AttributeKind::Text => Some("String"),
        AttributeKind::TextSet => Some("Set<String>"),
        AttributeKind::Fields => Some("Fields"),
        AttributeKind::Carried => None,
    }
}

fn parents(groups: &[&str]) -> String {
    if groups.is_empty() {
        return String::new();
    }
    let groups: Vec<_> = groups.iter().map(|group| format!("Action::{group:?}")).collect();
    format!(" in [{}]", groups.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_knows_every_action_and_nothing_else() {
        let known: BTreeSet<_> = SCHEMA
            .validator
            .schema()
            .actions()
            .map(|uid| uid.id().unescaped().to_owned())
            .collect();
        let written: BTreeSet<_> = groups()
            .map(|group| group.name.to_owned())
            .chain(actions().map(|spec| spec.name.to_owned()))
            .collect();
        assert_eq!(known, written);
    }

    #[test]
    fn a_group_of_a_group_counts() {
        let drop = Action::named("sql:drop").unwrap();
        assert_eq!(
            ancestors(drop.spec().parents),
            BTreeSet::from(["sql:destructive", "sql:write", "write"])
        );
    }
}
