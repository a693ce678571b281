//! The law that earlier hops restrict and never grant, seen from one policy.
//!
//! Every hop must be permitted, so a hop more can only be a question more. What
//! could break the law is a policy that looks at the chain itself: `depth >= 2`
//! permits once somebody joins. Such policies are valid, since "only on behalf of
//! CI" is a fair thing to ask, and are warned of.

use cedar_policy::{Effect, Policy};
use serde_json::Value;

/// What of the chain the policy looks at in a way that a hop more can turn into a
/// permission; `None` if the law holds.
pub(super) fn rewarded(policy: &Policy) -> Option<&'static str> {
    let permits = policy.effect() == Effect::Permit;
    let written = policy.to_json().ok()?;
    written.get("conditions")?.as_array()?.iter().find_map(|condition| {
        let when = condition.get("kind")?.as_str()? == "when";
        rewards(condition.get("body")?, when == permits)
    })
}

/// How the truth of an expression goes while hops join before.
enum Trend {
    /// It has nothing to do with the chain.
    Constant,
    /// Once false, it stays false.
    Falls,
    /// Once true, it stays true.
    Rises,
    /// It may go to and fro.
    Wanders,
}

/// Whether a hop more can make `expression` come out so that permission follows:
/// true if `wanted`, false if not.
fn rewards(expression: &Value, wanted: bool) -> Option<&'static str> {
    let Some((operator, operands)) = operation(expression) else { return mention(expression) };
    let sides = || [operands.get("left"), operands.get("right")].into_iter().flatten();
    match operator {
        "&&" | "||" => sides().find_map(|side| rewards(side, wanted)),
        "!" => rewards(operands.get("arg")?, !wanted),
        "if-then-else" => {
            let branches = ["then", "else"].into_iter().filter_map(|name| operands.get(name));
            mention(operands.get("if")?)
                .or_else(|| branches.into_iter().find_map(|branch| rewards(branch, wanted)))
        }
        _ => match (trend(operator, operands), wanted) {
            (Trend::Constant, _) | (Trend::Falls, true) | (Trend::Rises, false) => None,
            _ => mention(expression),
        },
    }
}

fn trend(operator: &str, operands: &Value) -> Trend {
    let (Some(left), Some(right)) = (operands.get("left"), operands.get("right")) else {
        return if mention(operands).is_some() { Trend::Wanders } else { Trend::Constant };
    };
    match (member(left), member(right)) {
        (Some(member), None) if mention(right).is_none() => against(member, operator, right),
        (None, Some(member)) if mention(left).is_none() => {
            let mirrored = match operator {
                "<" => ">",
                "<=" => ">=",
                ">" => "<",
                ">=" => "<=",
                "==" | "!=" => operator,
                _ => return Trend::Wanders,
            };
            against(member, mirrored, left)
        }
        _ if mention(operands).is_some() => Trend::Wanders,
        _ => Trend::Constant,
    }
}

/// How `member operator other` goes, where `other` has nothing to do with the chain.
fn against(member: &str, operator: &str, other: &Value) -> Trend {
    let value = other.get("Value");
    match (member, operator) {
        // Depth and index only grow, groups only get fewer.
        (DEPTH | INDEX, "<" | "<=") | (GROUPS, "contains" | "containsAll" | "containsAny") => {
            Trend::Falls
        }
        (DEPTH | INDEX, ">" | ">=") => Trend::Rises,
        (DEPTH, "==") if value.and_then(Value::as_i64) == Some(1) => Trend::Falls,
        (DEPTH, "!=") if value.and_then(Value::as_i64) == Some(1) => Trend::Rises,
        (INDEX, "==") if value.and_then(Value::as_i64) == Some(0) => Trend::Falls,
        (INDEX, "!=") if value.and_then(Value::as_i64) == Some(0) => Trend::Rises,
        // The weakest only gets weaker.
        (WEAKEST, "==") => match value.and_then(Value::as_str) {
            Some("proven") => Trend::Falls,
            Some("asserted") => Trend::Rises,
            _ => Trend::Wanders,
        },
        (WEAKEST, "!=") => match value.and_then(Value::as_str) {
            Some("proven") => Trend::Rises,
            Some("asserted") => Trend::Falls,
            _ => Trend::Wanders,
        },
        _ => Trend::Wanders,
    }
}

const DEPTH: &str = "context.chain.depth";
const WEAKEST: &str = "context.chain.weakest";
const ROOT: &str = "context.chain.root";
const GROUPS: &str = "context.chain.groups";
const INDEX: &str = "context.hop.index";

/// The part of the chain that `expression` is, if it is one.
fn member(expression: &Value) -> Option<&'static str> {
    let (of, name) = access(expression)?;
    let (context, record) = access(of)?;
    if context.get("Var")? != "context" {
        return None;
    }
    match (record, name) {
        ("chain", "depth") => Some(DEPTH),
        ("chain", "weakest") => Some(WEAKEST),
        ("chain", "root") => Some(ROOT),
        ("chain", "groups") => Some(GROUPS),
        ("hop", "index") => Some(INDEX),
        _ => None,
    }
}

/// `left.attr`.
fn access(expression: &Value) -> Option<(&Value, &str)> {
    let access = expression.get(".")?;
    Some((access.get("left")?, access.get("attr")?.as_str()?))
}

/// Some part of the chain that `expression` mentions, at any depth.
fn mention(expression: &Value) -> Option<&'static str> {
    if let Some(member) = member(expression) {
        return Some(member);
    }
    if let Some((of, name)) = access(expression)
        && of.get("Var").is_some_and(|variable| variable == "context")
    {
        // The record as a whole; that of another kind is not of the chain.
        return match name {
            "chain" => Some("context.chain"),
            "hop" => Some("context.hop"),
            _ => None,
        };
    }
    match expression {
        Value::Object(parts) if parts.get("Var").is_some_and(|name| name == "context") => {
            Some("context")
        }
        // `context has sql` asks what the command is, not who is in the chain.
        Value::Object(parts) if parts.contains_key("has") => {
            let of = parts.get("has")?.get("left")?;
            if of.get("Var").is_some() { None } else { mention(of) }
        }
        Value::Object(parts) => {
            // `hop.assurance` is the hop's own, whoever else is in the chain.
            let own = access(expression).is_some_and(|(of, name)| {
                name == "assurance" && access(of).is_some_and(|(_, record)| record == "hop")
            });
            if own { None } else { parts.values().find_map(mention) }
        }
        Value::Array(parts) => parts.iter().find_map(mention),
        _ => None,
    }
}

/// The operator and its operands.
fn operation(expression: &Value) -> Option<(&str, &Value)> {
    let parts = expression.as_object()?;
    let (operator, operands) = parts.iter().next()?;
    (parts.len() == 1).then_some((operator.as_str(), operands))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewarded_by(effect: &str, condition: &str) -> Option<&'static str> {
        let text = format!("{effect}(principal, action, resource) {condition};");
        rewarded(&text.parse().unwrap())
    }

    #[test]
    fn a_permission_that_a_longer_chain_gives_is_noticed() {
        for condition in [
            "when { context.chain.depth >= 2 }",
            "when { 1 < context.chain.depth }",
            "when { context.chain.depth == 2 }",
            "when { !(context.chain.depth <= 1) }",
            "unless { context.chain.depth <= 1 }",
            "when { principal.issuer == \"a\" || context.chain.depth > 3 }",
            "when { context.chain.root in Group::\"ci\" }",
            "when { context.chain.root.issuer == \"github\" }",
            "when { context.chain.weakest == \"attested\" }",
            "when { !context.chain.groups.contains(Group::\"x\") }",
            "when { context.hop.index == 1 }",
            "when { if context.chain.depth > 1 then false else true }",
            "when { context.chain.depth + 1 > 2 }",
            "when { context.chain == context.chain }",
        ] {
            assert!(rewarded_by("permit", condition).is_some(), "{condition}");
        }
        assert_eq!(rewarded_by("forbid", "when { context.chain.depth < 2 }"), Some(DEPTH));
    }

    #[test]
    fn a_policy_that_only_restricts_by_the_chain_keeps_the_law() {
        for condition in [
            "",
            "when { context.chain.depth <= 3 && context.sql.has_where }",
            "when { 4 > context.chain.depth }",
            "when { context.chain.depth == 1 }",
            "unless { context.chain.depth >= 3 }",
            "when { context.chain.weakest == \"proven\" }",
            "unless { context.chain.weakest == \"asserted\" }",
            "when { context.chain.groups.contains(Group::\"x\") }",
            "when { context.hop.assurance == \"proven\" && context.hop.index == 0 }",
            "when { context has sql && context.sql.statements == 1 }",
            "when { if context.request.method == \"GET\" then true else context.chain.depth < 2 }",
        ] {
            assert_eq!(rewarded_by("permit", condition), None, "{condition}");
        }
        assert_eq!(rewarded_by("forbid", "when { context.chain.depth > 4 }"), None);
    }
}
