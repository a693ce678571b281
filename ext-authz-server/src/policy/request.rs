//! One hop's question about one command, in Cedar's terms.
//!
//! The shapes are those of the schema. Facts come sealed from our own inspection,
//! so what does not fit is refused here rather than validated again by Cedar,
//! which would cost more than the decision itself.

use std::collections::{BTreeSet, HashMap, HashSet};

use cedar_policy::{Context, Entities, Entity, EntityUid, Request, RestrictedExpression as Value};
use chaperone_inspection::facts::Command;
use chaperone_inspection::vocabulary::AttributeKind;
use serde_json::Value as Json;

use super::decide::{Question, TokenContext};
use super::schema::SCHEMA;
use crate::identity::{Chain, Hop};

/// A command does not fit the vocabulary that it is written in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Misfit {
    /// A value of the wrong type.
    #[error("the attribute `{0}` is not of the kind that the vocabulary names")]
    Attribute(String),
    /// Cedar does not take it.
    #[error("{0}")]
    Cedar(String),
}

/// What every hop and command of a question share.
pub(super) struct Shared {
    chain: Value,
    request: Value,
    token: Value,
    /// Everyone in the chain, the root first.
    agents: Vec<Entity>,
}

impl Shared {
    pub(super) fn of(question: &Question<'_>) -> Result<Self, Misfit> {
        let request = &question.request;
        let request = record([
            ("method", text(request.method)),
            ("host", text(&host(request.host))),
            ("path", text(request.path)),
            ("contains", Value::new_set(request.contains.iter().map(|found| text(found.name())))),
        ])?;
        let agents: Result<Vec<_>, _> = question.chain.hops().iter().map(agent).collect();
        let token = token(question.token)?;
        Ok(Self { chain: chain(question.chain)?, request, token, agents: agents? })
    }
}

/// A command as policies see it, whoever is asking.
pub(super) struct Subject {
    action: Entity,
    resource: Entity,
    fields: Vec<Entity>,
    family: &'static str,
    facts: Value,
}

impl Subject {
    pub(super) fn of(service: &str, command: &Command) -> Result<Self, Misfit> {
        let family = command.action.spec().family;
        let mut fields = Vec::new();
        let mut facts = Vec::new();
        for attribute in family.attributes {
            let Some(value) = command.attributes.get(attribute.name) else { continue };
            let misfit = || Misfit::Attribute(format!("{}.{}", family.name, attribute.name));
            let value = match attribute.kind {
                AttributeKind::Carried => continue,
                AttributeKind::Bool => Value::new_bool(value.as_bool().ok_or_else(misfit)?),
                AttributeKind::Long => Value::new_long(value.as_i64().ok_or_else(misfit)?),
                AttributeKind::Text => text(value.as_str().ok_or_else(misfit)?),
                AttributeKind::TextSet => {
                    let members = value.as_array().ok_or_else(misfit)?.iter();
                    let members: Option<Vec<_>> =
                        members.map(|member| member.as_str().map(text)).collect();
                    Value::new_set(members.ok_or_else(misfit)?)
                }
                AttributeKind::Fields => {
                    let document = value.as_object().ok_or_else(misfit)?;
                    let uid = SCHEMA.uid("Fields", attribute.name);
                    let mut scalars = Vec::new();
                    for (name, value) in document {
                        flatten(escape(name), value, &mut scalars);
                    }
                    let tags =
                        scalars.into_iter().map(|(path, text)| (path, Value::new_string(text)));
                    let entity = Entity::new_with_tags(uid.clone(), [], [], tags);
                    fields.push(entity.map_err(|error| Misfit::Cedar(error.to_string()))?);
                    Value::new_entity_uid(uid)
                }
            };
            facts.push((attribute.name, value));
        }
        Ok(Self {
            action: SCHEMA.action(command.action).clone(),
            resource: resource(service, command)?,
            fields,
            family: family.name,
            facts: record(facts)?,
        })
    }

    /// The question of `hop`, the `index`th from the root.
    pub(super) fn asked_by(
        &self,
        hop: &Hop,
        index: usize,
        shared: &Shared,
    ) -> Result<(Request, Entities), Misfit> {
        let cedar = |error: &dyn std::error::Error| Misfit::Cedar(error.to_string());
        let principal = agent(hop)?;
        let own = record([
            ("index", Value::new_long(long(index))),
            ("assurance", text(hop.assurance.name())),
            ("credential", text(hop.credential.name())),
        ])?;
        let context = Context::from_pairs([
            ("chain".to_owned(), shared.chain.clone()),
            ("hop".to_owned(), own),
            ("request".to_owned(), shared.request.clone()),
            ("token".to_owned(), shared.token.clone()),
            (self.family.to_owned(), self.facts.clone()),
        ])
        .map_err(|error| cedar(&error))?;
        let request =
            Request::new(principal.uid(), self.action.uid(), self.resource.uid(), context, None)
                .map_err(|error| cedar(&error))?;
        // Whoever is in the chain twice asks as the hop that asks: the groups of
        // the other hop are not theirs here.
        let own = principal.uid();
        let others = shared.agents.iter().filter(|agent| agent.uid() != own);
        let others: HashMap<_, _> = others.map(|agent| (agent.uid(), agent)).collect();
        let entities = [principal, self.action.clone(), self.resource.clone()]
            .into_iter()
            .chain(others.into_values().cloned())
            .chain(self.fields.iter().cloned());
        let entities = Entities::from_entities(entities, None).map_err(|error| cedar(&error))?;
        Ok((request, entities))
    }
}

fn agent(hop: &Hop) -> Result<Entity, Misfit> {
    let attributes = HashMap::from([
        ("issuer".to_owned(), text(hop.principal.issuer.as_str())),
        ("subject".to_owned(), text(&hop.principal.subject)),
    ]);
    let groups: HashSet<_> = hop.groups.iter().map(|group| group_uid(group.as_str())).collect();
    let uid = SCHEMA.uid("Agent", &hop.principal.to_string());
    let tags = hop.attributes.iter().map(|(name, value)| (name.clone(), text(value)));
    Entity::new_with_tags(uid, attributes, groups, tags)
        .map_err(|error| Misfit::Cedar(error.to_string()))
}

fn group_uid(name: &str) -> EntityUid {
    SCHEMA.uid("Group", name)
}

/// The command's own resource within the service, or the service.
fn resource(service: &str, command: &Command) -> Result<Entity, Misfit> {
    let service = SCHEMA.uid("Service", service);
    if command.resource.is_empty() {
        return Ok(Entity::new_no_attrs(service, HashSet::new()));
    }
    let uid = SCHEMA.uid(command.action.spec().resource.name(), &command.resource);
    let attributes = HashMap::from([("name".to_owned(), text(&command.resource))]);
    Entity::new(uid, attributes, HashSet::from([service]))
        .map_err(|error| Misfit::Cedar(error.to_string()))
}

fn chain(chain: &Chain) -> Result<Value, Misfit> {
    let uid = |hop: &Hop| Value::new_entity_uid(SCHEMA.uid("Agent", &hop.principal.to_string()));
    let groups = chain.shared_groups();
    let groups = groups.iter().map(|group| Value::new_entity_uid(group_uid(group.as_str())));
    let credentials: BTreeSet<_> = chain.hops().iter().map(|hop| hop.credential.name()).collect();
    record([
        ("depth", Value::new_long(long(chain.depth()))),
        ("weakest", text(chain.weakest().name())),
        ("root", uid(chain.root())),
        ("agents", Value::new_set(chain.hops().iter().map(uid))),
        ("groups", Value::new_set(groups)),
        ("credentials", Value::new_set(credentials.into_iter().map(text))),
    ])
}

fn token(token: &TokenContext) -> Result<Value, Misfit> {
    let optional = |value: &Option<String>| value.as_deref().map(text);
    let set = |values: &Option<BTreeSet<String>>| {
        let values = values.as_ref()?.iter().map(|value| text(value));
        Some(Value::new_set(values))
    };
    let members = [
        ("issuer", Some(text(&token.issuer))),
        ("sender_constrained", Some(Value::new_bool(token.sender_constrained))),
        ("scopes", set(&token.scopes)),
        ("authorization_types", set(&token.authorization_types)),
        ("acr", optional(&token.acr)),
        ("auth_age", token.auth_age.map(Value::new_long)),
        ("txn", optional(&token.txn)),
    ];
    record(members.into_iter().filter_map(|(name, value)| Some((name, value?))))
}

fn record(members: impl IntoIterator<Item = (&'static str, Value)>) -> Result<Value, Misfit> {
    let members = members.into_iter().map(|(name, value)| (name.to_owned(), value));
    Value::new_record(members).map_err(|error| Misfit::Cedar(error.to_string()))
}

fn text(text: &str) -> Value {
    Value::new_string(text.to_owned())
}

fn long(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The scalars of `value` by their paths, as text: numbers as RFC 8785 writes
/// them, so that `7` and `7.0` are the same to a policy.
fn flatten(path: String, value: &Json, scalars: &mut Vec<(String, String)>) {
    match value {
        Json::Object(members) => {
            for (name, value) in members {
                flatten(format!("{path}/{}", escape(name)), value, scalars);
            }
        }
        Json::Array(items) => {
            for (nth, value) in items.iter().enumerate() {
                flatten(format!("{path}/{nth}"), value, scalars);
            }
        }
        Json::String(value) => scalars.push((path, value.clone())),
        // RFC 8785 would round integers beyond 2^53, and make two of them one.
        Json::Number(number) if !number.is_f64() => scalars.push((path, number.to_string())),
        Json::Null | Json::Bool(_) | Json::Number(_) => {
            let canonical = serde_json_canonicalizer::to_string(value);
            let canonical = canonical.unwrap_or_else(|_| value.to_string());
            scalars.push((path, canonical));
        }
    }
}

/// As in RFC 6901, so that a name with a slash is not read as two.
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The host of an authority: in lower case, without its port and final dot.
fn host(authority: &str) -> String {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_flat_and_no_two_of_them_share_a_path() {
        let document = json!({
            "id": 7.0, "who/what": "x", "who": { "what": true, "n": [null, 1e2, 9_007_199_254_740_993_u64] }, "~": "t"
        });
        let mut scalars = Vec::new();
        for (name, value) in document.as_object().unwrap() {
            flatten(escape(name), value, &mut scalars);
        }
        let mut told: Vec<_> =
            scalars.iter().map(|(path, value)| format!("{path}={value:?}")).collect();
        told.sort();
        let expected = [
            r#"id="7""#,
            r#"who/n/0="null""#,
            r#"who/n/1="100""#,
            r#"who/n/2="9007199254740993""#,
            r#"who/what="true""#,
            r#"who~1what="x""#,
            r#"~0="t""#,
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_host_has_one_spelling() {
        for authority in ["Orders.example", "orders.example:8443", "orders.example."] {
            assert_eq!(host(authority), "orders.example");
        }
        assert_eq!(host("[::1]:80"), "[::1]");
        assert_eq!(host("[::1]"), "[::1]");
    }
}
