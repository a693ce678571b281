//! Why a request was answered as it was, in words, from its audit record.

use std::collections::BTreeSet;

use serde_json::Value;

/// Why, from the record of the decision and, where the answer was sent, the outcome.
/// A chain that was just told, as `known`, is not told again.
pub(crate) fn told(decision: &Value, outcome: Option<&Value>, known: &Value) -> String {
    let mut lines = vec![verdict(decision)];
    lines.extend(line("does", &commands(decision)));
    let hops = items(decision, "chain").count();
    if hops > 1 && decision["chain"] == *known {
        lines.extend(line("for", &format!("the same {hops} hops as above")));
    } else {
        lines.extend(line("for", &chain(decision)));
    }
    lines.extend(line("policy", &policies(decision)));
    if let Some(outcome) = outcome {
        lines.extend(line("masked", &masked(outcome)));
    }
    lines.join("\n")
}

fn line(name: &str, text: &str) -> Option<String> {
    (!text.is_empty()).then(|| format!("{name:<7} {text}"))
}

fn verdict(decision: &Value) -> String {
    let verdict = text(decision, "verdict").replace('_', " ");
    let code = text(decision, "code");
    let unparsed = text(decision, "unparsed");
    [verdict.as_str(), code, unparsed]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(": ")
}

fn commands(decision: &Value) -> String {
    let command = |command: &Value| {
        format!("{} {}", text(command, "action"), text(command, "resource")).trim_end().to_owned()
    };
    items(decision, "commands").map(command).collect::<Vec<_>>().join(", ")
}

/// Root to caller, each with how well it is known.
fn chain(decision: &Value) -> String {
    let hop = |hop: &Value| format!("{} ({})", text(hop, "principal"), text(hop, "assurance"));
    items(decision, "chain").map(hop).collect::<Vec<_>>().join("\n        › ")
}

fn policies(decision: &Value) -> String {
    let forbidding = items(decision, "reasons").filter_map(|reason| reason["policy"].as_str());
    let forbidding: BTreeSet<_> = forbidding.collect();
    if !forbidding.is_empty() {
        return format!("{} forbids it", joined(&forbidding));
    }
    if text(decision, "code") == "policy_denied" {
        return "none permits it".to_owned();
    }
    let hops = items(decision, "policies").count();
    let named = items(decision, "policies").flat_map(|hop| items(hop, "policies"));
    let named: BTreeSet<_> = named.filter_map(Value::as_str).collect();
    match (named.is_empty(), hops) {
        (true, _) => String::new(),
        (false, 1) => joined(&named),
        (false, hops) => format!("{}, for each of the {hops} hops", joined(&named)),
    }
}

/// How often each rule masked something.
fn masked(outcome: &Value) -> String {
    let counts = outcome["masked"].as_object().into_iter().flatten();
    counts.map(|(rule, count)| format!("{rule} ×{count}")).collect::<Vec<_>>().join(", ")
}

fn joined(names: &BTreeSet<&str>) -> String {
    names.iter().copied().collect::<Vec<_>>().join(", ")
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or("")
}

fn items<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value[name].as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_decision_is_told_in_words() {
        let decision = json!({
            "verdict": "deny",
            "code": "policy_denied",
            "unparsed": null,
            "commands": [{ "action": "sql:delete", "resource": "customers" }],
            "chain": [{ "principal": "github/a", "assurance": "proven" }],
            "reasons": [{ "reason": "forbidden", "policy": "never-unbounded" }],
            "policies": [],
        });
        let expected = "deny: policy_denied\n\
                        does    sql:delete customers\n\
                        for     github/a (proven)\n\
                        policy  never-unbounded forbids it";
        assert_eq!(told(&decision, None, &Value::Null), expected);
    }
}
