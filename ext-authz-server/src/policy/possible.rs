//! What a chain might be permitted, before it is known with which arguments it asks.
//!
//! Each policy is written anew with what only a call itself tells (the arguments of a
//! tool, what was found in the request) taken for the best: a permit may hold then, a
//! forbid need not. What is denied even so can never be permitted.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use cedar_policy::{ActionConstraint, Effect, EntityUid, Policy};
use chaperone_inspection::vocabulary;
use serde_json::{Value, json};

use super::schema::ancestors;

/// `policy` as it might hold; itself where nothing of it depends on a call.
pub(super) fn hopeful(policy: &Policy) -> Policy {
    rewritten(policy).unwrap_or_else(|| policy.clone())
}

/// The actions that some permit among `policies` is about, by what it says of actions
/// alone.
pub(super) fn granted<'a>(policies: impl Iterator<Item = &'a Policy>) -> BTreeSet<&'static str> {
    let permits = policies.filter(|policy| policy.effect() == Effect::Permit);
    let constraints: Vec<_> = permits.map(Policy::action_constraint).collect();
    let about = |(name, groups): &&(&'static str, BTreeSet<&'static str>)| {
        let is = |uid: &EntityUid| uid.id().unescaped() == *name;
        let within = |uid: &EntityUid| is(uid) || groups.contains(uid.id().unescaped());
        constraints.iter().any(|constraint| match constraint {
            ActionConstraint::Any => true,
            ActionConstraint::Eq(uid) => is(uid),
            ActionConstraint::In(uids) => uids.iter().any(within),
        })
    };
    ACTIONS.iter().filter(about).map(|(name, _)| *name).collect()
}

/// Every action, with the groups that it is in.
static ACTIONS: LazyLock<Vec<(&str, BTreeSet<&str>)>> = LazyLock::new(|| {
    vocabulary::actions().map(|spec| (spec.name, ancestors(spec.parents))).collect()
});

fn rewritten(policy: &Policy) -> Option<Policy> {
    let permits = policy.effect() == Effect::Permit;
    let mut written = policy.to_json().ok()?;
    let conditions = written.get_mut("conditions")?.as_array_mut()?;
    let mut changed = false;
    for condition in conditions {
        let when = condition.get("kind")?.as_str()? == "when";
        let body = condition.get_mut("body")?;
        if is_open(body) {
            *body = taken(body, when == permits);
            changed = true;
        }
    }
    changed.then(|| Policy::from_json(Some(policy.id().clone()), written).ok()).flatten()
}

/// `expression` with what is open in it taken so that it may come out as `wanted`.
fn taken(expression: &Value, wanted: bool) -> Value {
    if !is_open(expression) {
        return expression.clone();
    }
    let operation = expression.as_object().filter(|parts| parts.len() == 1);
    let Some((operator, operands)) = operation.and_then(|parts| parts.iter().next()) else {
        return json!({ "Value": wanted });
    };
    let part = |name: &str, wanted| taken(&operands[name], wanted);
    match operator.as_str() {
        "&&" | "||" => {
            json!({ operator: { "left": part("left", wanted), "right": part("right", wanted) } })
        }
        "!" => json!({ "!": { "arg": part("arg", !wanted) } }),
        "if-then-else" if !is_open(&operands["if"]) => json!({ "if-then-else": {
            "if": operands["if"], "then": part("then", wanted), "else": part("else", wanted),
        }}),
        _ => json!({ "Value": wanted }),
    }
}

/// Whether something in `expression` is known only once a call is made.
fn is_open(expression: &Value) -> bool {
    if let Some((of, name)) = access(expression)
        && let Some((context, record)) = access(of)
        && is_context(context)
    {
        return match record {
            "mcp" => name != "method",
            "request" => name == "contains",
            _ => false,
        };
    }
    if let Some((context, record)) = access(expression)
        && is_context(context)
    {
        // The record as a whole.
        return matches!(record, "mcp" | "request");
    }
    match expression {
        Value::Object(parts) => match parts.get("has") {
            // Which records there are depends on the action alone.
            Some(has) if has.get("left").is_some_and(is_context) => false,
            _ => is_context(expression) || parts.values().any(is_open),
        },
        Value::Array(parts) => parts.iter().any(is_open),
        _ => false,
    }
}

fn is_context(expression: &Value) -> bool {
    expression.get("Var").is_some_and(|name| name == "context")
}

/// `left.attr`.
fn access(expression: &Value) -> Option<(&Value, &str)> {
    let access = expression.get(".")?;
    Some((access.get("left")?, access.get("attr")?.as_str()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chaperone_inspection::detect::DetectorId;

    fn hopeful_text(effect: &str, condition: &str) -> String {
        let text = format!("{effect} (principal, action, resource) {condition};");
        let policy: Policy = text.parse().unwrap();
        hopeful(&policy).to_cedar().unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_permit_may_hold_and_a_forbid_need_not() {
        let open = "context.mcp has arguments && context.mcp.arguments.hasTag(\"id\")";
        let contains = "context.request.contains.contains(\"card\")";
        for (effect, kind, value) in [
            ("permit", "when", "true"),
            ("permit", "unless", "!false"),
            ("forbid", "when", "false"),
            ("forbid", "unless", "!true"),
        ] {
            let text = hopeful_text(effect, &format!("{kind} {{ {open} }}"));
            // Cedar writes `unless` as the `when` that it means.
            assert!(text.contains(&format!("when {{ {value} }}")), "{text}");
        }
        assert!(hopeful_text("permit", &format!("when {{ !({contains}) }}")).contains("!false"));
        let text = hopeful_text(
            "permit",
            "when { context.chain.depth < 2 && (if context.chain.depth == 1 then context.mcp has arguments else false) }",
        );
        assert!(
            text.contains("context.chain.depth < 2") && text.contains("then true else false"),
            "{text}"
        );
    }

    #[test]
    fn an_action_is_granted_where_a_permit_names_it_or_a_group_of_it_or_none() {
        let granted = |scopes: &[&str]| {
            let policies: Vec<Policy> =
                scopes.iter().map(|scope| format!("{scope};").parse().unwrap()).collect();
            granted(policies.iter())
        };
        let of = |actions: &str| format!("permit (principal, {actions}, resource)");
        let one = granted(&[&of("action == Action::\"mcp:roots/list\"")]);
        assert_eq!(one, BTreeSet::from(["mcp:roots/list"]));
        let group = granted(&[&of("action in [Action::\"mcp:server_requests\"]")]);
        assert!(group.len() == 3 && group.contains("mcp:sampling/createMessage"), "{group:?}");
        let writes = granted(&[&of("action in Action::\"write\"")]);
        assert!(writes.contains("sql:drop") && !writes.contains("mcp:roots/list"), "{writes:?}");
        assert_eq!(granted(&[&of("action")]).len(), vocabulary::actions().count());
        assert!(granted(&["forbid (principal, action, resource)"]).is_empty());
    }

    #[test]
    fn what_does_not_depend_on_a_call_stays() {
        for condition in [
            "when { principal in Group::\"a\" && resource in Service::\"s\" }",
            "unless { context.chain.depth <= 4 }",
            "when { context has mcp && context.mcp.method == \"tools/call\" }",
            "when { context.request.path == \"/mcp\" }",
        ] {
            let policy: Policy =
                format!("permit (principal, action, resource) {condition};").parse().unwrap();
            assert!(rewritten(&policy).is_none(), "{condition}");
        }
        assert!(hopeful_text("permit", "when { context == context }").contains("when { true }"));
    }

    use std::path::PathBuf;

    use chaperone_inspection::facts::{Action, Attributes, Command};
    use proptest::prelude::*;

    use super::super::decide::{Enforce, Question, RequestContext, TokenContext};
    use super::super::decision::Decision;
    use super::super::golden::known;
    use super::super::set::PolicySet;
    use super::super::source::SourceFile;
    use crate::identity::{Assurance, Chain, Hop};

    const CALLS: &str = r#"
@id("readers") permit (principal in Group::"readers", action == Action::"mcp:tools/call", resource is Tool)
when { resource.name like "read_*" };
@id("one") permit (principal in Group::"readers", action == Action::"mcp:tools/call", resource == Tool::"pay")
when { context.mcp has arguments && context.mcp.arguments.hasTag("to")
  && context.mcp.arguments.getTag("to") == "acme" };
@id("approved") @requires_approval("sre")
permit (principal in Group::"readers", action == Action::"mcp:tools/call", resource == Tool::"drop");
@id("never") forbid (principal, action, resource == Tool::"read_secrets");
@id("not-outside") forbid (principal, action == Action::"mcp:tools/call", resource == Tool::"read_file")
unless { context.mcp has arguments && context.mcp.arguments.hasTag("in") };
@id("no-cards") forbid (principal, action, resource == Tool::"read_mail")
when { context.request.contains.contains("payment_card") };
@id("short") forbid (principal, action, resource) when { context.chain.depth > 2 };
"#;

    fn calls() -> PolicySet {
        let file = SourceFile { path: PathBuf::from("a.cedar"), text: CALLS.into() };
        PolicySet::parse(&[file], &known()).unwrap()
    }

    fn hop(name: &str, reads: bool) -> Hop {
        let groups = reads.then(|| "readers".parse().unwrap()).into_iter().collect();
        Hop::new(format!("k8s/{name}").parse().unwrap(), Assurance::Proven, groups)
    }

    /// What is decided about a call, and whether such a call might be permitted.
    fn asked(
        set: &PolicySet,
        hops: &[Hop],
        tool: &str,
        arguments: Option<Value>,
        contains: &[DetectorId],
    ) -> (Decision, bool) {
        let chain = Chain::new(hops.to_vec()).unwrap();
        let question = |arguments: Option<Value>, contains: &[DetectorId]| {
            let mut attributes = Attributes::new();
            attributes.insert("method".to_owned(), "tools/call".into());
            attributes.extend(arguments.map(|arguments| ("arguments".to_owned(), arguments)));
            let action = Action::named("mcp:tools/call").unwrap();
            let contains: BTreeSet<_> = contains.iter().copied().collect();
            (Command { action, resource: tool.to_owned(), attributes }, contains)
        };
        let ask = |(command, contains): &(Command, BTreeSet<DetectorId>), possible: bool| {
            let question = Question {
                chain: &chain,
                enforce: Enforce::EveryHop,
                service: "orders",
                request: RequestContext { method: "POST", host: "h", path: "/mcp", contains },
                token: &TokenContext::default(),
                commands: std::slice::from_ref(command),
            };
            if possible {
                (None, set.may_permit(&question))
            } else {
                (Some(set.decide(&question).decision), false)
            }
        };
        let (decision, _) = ask(&question(arguments, contains), false);
        let (_, possible) = ask(&question(None, &[]), true);
        (decision.unwrap(), possible)
    }

    #[test]
    fn a_tool_is_possible_unless_it_is_denied_whatever_its_arguments() {
        let set = calls();
        let possible = |hops: &[Hop], tool| asked(&set, hops, tool, None, &[]).1;
        let reader = [hop("a", true)];
        for tool in ["read_orders", "pay", "drop", "read_file", "read_mail"] {
            assert!(possible(&reader, tool), "{tool}");
        }
        for tool in ["write", "read_secrets", "PAY"] {
            assert!(!possible(&reader, tool), "{tool}");
        }
        assert!(!possible(&[hop("b", false), hop("a", true)], "pay"), "every hop must be");
        let long = ["a", "b", "c"].map(|name| hop(name, true));
        assert!(!possible(&long, "pay"), "a forbid that holds whatever the arguments");
    }

    proptest! {
        #[test]
        fn what_is_permitted_was_possible(
            tool in prop::sample::select(vec!["read_x", "pay", "drop", "read_file", "read_mail", "read_secrets", "x"]),
            arguments in prop::option::of(prop::collection::btree_map(
                prop::sample::select(vec!["to", "in", "x"]),
                prop::sample::select(vec!["acme", "other"]), 0..3)),
            hops in prop::collection::vec((prop::sample::select(vec!["a", "b"]), any::<bool>()), 1..4),
            card in any::<bool>(),
        ) {
            static CALLS: LazyLock<PolicySet> = LazyLock::new(calls);
            let hops: Vec<_> = hops.into_iter().map(|(name, reads)| hop(name, reads)).collect();
            let contains: &[DetectorId] = if card { &[DetectorId::PaymentCard] } else { &[] };
            let arguments = arguments.map(|arguments| json!(arguments));
            let (decision, possible) = asked(&CALLS, &hops, tool, arguments, contains);
            prop_assert!(possible || matches!(decision, Decision::Deny(_)));
        }
    }
}
