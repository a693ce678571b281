//! The action that an approval is for, and its digest: everything that, were it
//! different, a human would have to be asked again.

use chaperone_inspection::digest::Digest;
use chaperone_inspection::facts::{Attributes, Command, Protocol};
use chaperone_inspection::vocabulary::AttributeKind;
use serde_json::{Value, json};

use super::ApprovalError;
use crate::identity::{Chain, Hop};

/// What a request would do, and through whom.
#[derive(Clone, Copy, Debug)]
pub struct ActionToApprove<'a> {
    /// Who asks.
    pub chain: &'a Chain,
    /// The service.
    pub service: &'a str,
    /// The protocol that the request was read as.
    pub protocol: Protocol,
    /// What it would do.
    pub commands: &'a [Command],
    /// `:method`.
    pub method: &'a str,
    /// `:authority`.
    pub host: &'a str,
    /// `:path`, query included.
    pub path: &'a str,
    /// The digest of the body; `None` when there was none to read.
    pub body_sha256: Option<Digest>,
    /// The digest of the policy set that asked for the approval.
    pub policy_set: Digest,
}

impl ActionToApprove<'_> {
    /// SHA-256 over the canonical JSON (RFC 8785) of the action.
    ///
    /// A JSON-RPC request that is sent again has another id, which its body holds.
    /// So for MCP the id does not count, and the digest of the parameters stands
    /// for the body where every command has one.
    pub fn digest(&self) -> Result<Digest, ApprovalError> {
        let hop = |hop: &Hop| {
            let mut known = json!({ "principal": hop.principal, "assurance": hop.assurance });
            // Who may not approve it must not change below an approval.
            if let Some(owner) = hop.owner() {
                known["owner"] = json!(owner);
            }
            known
        };
        let action = json!({
            "type": "chaperone.action.v1",
            "chain": self.chain.hops().iter().map(hop).collect::<Vec<_>>(),
            "service": self.service,
            "protocol": self.protocol,
            "commands": self.commands.iter().map(command).collect::<Vec<_>>(),
            "method": self.method,
            "host": self.host,
            "path": self.path,
            "body_sha256": self.body_sha256.filter(|_| !self.parameters_stand_for_body()),
            "policy_set": self.policy_set,
        });
        let canonical = serde_json_canonicalizer::to_vec(&exact(&action))
            .map_err(|error| ApprovalError::Encode(error.to_string()))?;
        Ok(Digest::of(&canonical))
    }

    fn parameters_stand_for_body(&self) -> bool {
        self.protocol == Protocol::Mcp
            && !self.commands.is_empty()
            && self.commands.iter().all(|command| command.attributes.contains_key(PARAMETERS))
    }
}

/// The attribute that differs when a request is sent again.
const REQUEST_ID: &str = "id";

/// The attribute that commits to the parameters.
const PARAMETERS: &str = "params_sha256";

fn command(command: &Command) -> Value {
    let carried = |name: &str| {
        command
            .action
            .spec()
            .family
            .attributes
            .iter()
            .any(|attribute| attribute.name == name && attribute.kind == AttributeKind::Carried)
    };
    let mut attributes: Attributes = command.attributes.clone();
    attributes.retain(|name, _| !(name == REQUEST_ID && carried(name)));
    json!({ "action": command.action, "resource": command.resource, "attributes": attributes })
}

/// The value with every integer that a double cannot hold written as text: canonical
/// form would round it, and the approval for one account would be good for the
/// next. Texts that look like such a one are told apart by a second `#`.
fn exact(value: &Value) -> Value {
    /// The largest integer that a double holds with all its neighbours: 2^53 - 1.
    const EXACT: u64 = 9_007_199_254_740_991;
    match value {
        Value::Number(number) => {
            let magnitude = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
            match magnitude {
                Some(magnitude) if magnitude > EXACT => Value::String(format!("#{number}")),
                _ => value.clone(),
            }
        }
        Value::String(text) if text.starts_with('#') => Value::String(format!("#{text}")),
        Value::Array(items) => items.iter().map(exact).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, member)| (name.clone(), exact(member))).collect()
        }
        Value::Null | Value::Bool(_) | Value::String(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use chaperone_inspection::facts::Action;
    use proptest::prelude::*;

    use super::*;
    use crate::identity::Assurance;

    fn chain(hops: &[(&str, Assurance)]) -> Chain {
        let hop = |(principal, assurance): &(&str, Assurance)| {
            Hop::new(principal.parse().unwrap(), *assurance, std::collections::BTreeSet::new())
        };
        Chain::new(hops.iter().map(hop).collect()).unwrap()
    }

    fn tool_call(attributes: &Value) -> Vec<Command> {
        vec![Command {
            action: Action::named("mcp:tools/call").unwrap(),
            resource: "delete_user".to_owned(),
            attributes: attributes.as_object().unwrap().clone(),
        }]
    }

    fn action<'a>(chain: &'a Chain, commands: &'a [Command], body: &[u8]) -> ActionToApprove<'a> {
        ActionToApprove {
            chain,
            service: "customers",
            protocol: Protocol::Mcp,
            commands,
            method: "POST",
            host: "customers.example",
            path: "/mcp",
            body_sha256: Some(Digest::of(body)),
            policy_set: Digest::of(b"policies"),
        }
    }

    #[test]
    fn a_json_rpc_request_sent_again_with_another_id_is_the_same_action() {
        let chain = chain(&[("github/ci", Assurance::Proven)]);
        let params = Digest::of(b"params");
        let call = |id: u64, params: Digest| {
            tool_call(&json!({ "method": "tools/call", "id": id, "params_sha256": params }))
        };
        let digest =
            |commands: &[Command], body: &[u8]| action(&chain, commands, body).digest().unwrap();
        let first = digest(&call(1, params), b"{id:1}");
        assert_eq!(digest(&call(2, params), b"{id:2}"), first);
        assert_ne!(digest(&call(1, Digest::of(b"others")), b"{id:1}"), first);
    }

    #[test]
    fn what_the_parameters_do_not_cover_is_bound_by_the_body() {
        let chain = chain(&[("github/ci", Assurance::Proven)]);
        let commands = tool_call(&json!({ "method": "response" }));
        let digest = |body: &[u8]| action(&chain, &commands, body).digest().unwrap();
        assert_ne!(digest(b"yes"), digest(b"no"));
        let none = action(&chain, &[], b"yes").digest().unwrap();
        assert_ne!(none, action(&chain, &[], b"no").digest().unwrap());
    }

    #[test]
    fn an_argument_named_id_counts() {
        let chain = chain(&[("github/ci", Assurance::Proven)]);
        let digest = |id: &Value| {
            let commands = tool_call(&json!({
                "method": "tools/call",
                "arguments": { "id": id },
                "params_sha256": Digest::of(b"the same"),
            }));
            action(&chain, &commands, b"").digest().unwrap()
        };
        assert_ne!(digest(&json!(1)), digest(&json!(2)));
        // 2^53 and its neighbour are the same double.
        let (account, next) = (json!(9_007_199_254_740_992_u64), json!(9_007_199_254_740_993_u64));
        assert_ne!(digest(&account), digest(&next));
        assert_ne!(digest(&account), digest(&json!("#9007199254740992")));
        assert_ne!(digest(&json!("#1")), digest(&json!("##1")));
        assert_ne!(digest(&json!(i64::MIN)), digest(&json!(i64::MIN + 1)));
    }

    #[test]
    fn the_owner_of_an_api_key_counts() {
        let digest = |owner: &str| {
            let mut hop = Hop::new(
                "api-key/nightly".parse().unwrap(),
                Assurance::Proven,
                std::collections::BTreeSet::new(),
            );
            hop.attributes.insert("owner".to_owned(), owner.to_owned());
            action(&Chain::new(vec![hop]).unwrap(), &[], b"").digest().unwrap()
        };
        assert_eq!(digest("corp-idp/ada"), digest("corp-idp/ada"));
        assert_ne!(digest("corp-idp/ada"), digest("corp-idp/bob"));
    }

    #[test]
    fn everything_else_counts_too() {
        let known =
            chain(&[("corp-idp/alice", Assurance::Attested), ("ci/job", Assurance::Proven)]);
        let weaker =
            chain(&[("corp-idp/alice", Assurance::Asserted), ("ci/job", Assurance::Proven)]);
        let shorter = chain(&[("ci/job", Assurance::Proven)]);
        let (commands, others) = (
            tool_call(&json!({ "method": "tools/call" })),
            tool_call(&json!({ "method": "tools/call", "arguments": {} })),
        );
        let base = action(&known, &commands, b"body");
        let variants = [
            base,
            ActionToApprove { chain: &weaker, ..base },
            ActionToApprove { chain: &shorter, ..base },
            ActionToApprove { service: "orders", ..base },
            ActionToApprove { protocol: Protocol::Json, ..base },
            ActionToApprove { commands: &others, ..base },
            ActionToApprove { method: "PUT", ..base },
            ActionToApprove { host: "orders.example", ..base },
            ActionToApprove { path: "/mcp?all", ..base },
            ActionToApprove { body_sha256: Some(Digest::of(b"other")), ..base },
            ActionToApprove { body_sha256: None, ..base },
            ActionToApprove { policy_set: Digest::of(b"other"), ..base },
        ];
        let digests: std::collections::BTreeSet<_> =
            variants.iter().map(|variant| variant.digest().unwrap()).collect();
        assert_eq!(digests.len(), variants.len());
    }

    fn values() -> impl Strategy<Value = Value> {
        let integer = prop_oneof![
            any::<u64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ((1_u64 << 53)..(1_u64 << 53) + 4).prop_map(Value::from),
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            integer.clone(),
            "#{0,2}[0-9]{0,2}".prop_map(Value::from),
            // The text that a large integer is written as.
            integer.prop_map(|number| Value::from(format!("#{number}"))),
        ];
        leaf.prop_recursive(2, 8, 3, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                proptest::collection::btree_map("[#a]{0,2}", inner, 0..3)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn two_values_have_the_same_canonical_form_only_if_they_are_the_same(
            one in values(), other in values()
        ) {
            let form = |value: &Value| serde_json_canonicalizer::to_string(&exact(value)).unwrap();
            prop_assert_eq!(form(&one) == form(&other), one == other);
        }
    }
}
