//! What a chain might be permitted, before it is known with which arguments it asks.
//!
//! Each policy is written anew with what only a call itself tells (the arguments of a
//! tool, what was found in the request) taken for the best: a permit may hold then, a
//! forbid need not. What is denied even so can never be permitted.

use cedar_policy::{Effect, Policy};
use serde_json::{Value, json};

/// `policy` as it might hold; itself where nothing of it depends on a call.
pub(super) fn hopeful(policy: &Policy) -> Policy {
    rewritten(policy).unwrap_or_else(|| policy.clone())
}

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
            ("permit", "when", "true && true"),
            ("permit", "unless", "false && false"),
            ("forbid", "when", "false && false"),
            ("forbid", "unless", "true && true"),
        ] {
            let text = hopeful_text(effect, &format!("{kind} {{ {open} }}"));
            assert!(text.contains(&format!("{kind} {{ {value} }}")), "{text}");
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
}
