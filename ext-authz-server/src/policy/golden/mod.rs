//! Policies and questions, with the answers that they must get: the JSON files
//! beside this one, read as data.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use super::explain::ExplainedHop;
use super::{
    Enforce, Explanation, HypotheticalRequest, Known, PolicySet, PolicySources, ProfileName,
    explain,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    request: HypotheticalRequest,
    decision: String,
    #[serde(default)]
    reasons: Vec<Value>,
    mask: Option<Vec<String>>,
    record: Option<bool>,
    approval: Option<Value>,
    /// The decision, then the policies, of each hop.
    hops: Vec<Vec<String>>,
    #[serde(default)]
    shadow: Vec<Vec<String>>,
}

/// What the policies in these tests may refer to.
pub(super) fn known() -> Known {
    Known {
        profiles: ["pii", "secrets", "all", "customer-notes"]
            .map(|name| ProfileName(name.to_owned()))
            .into(),
        services: ["orders", "customers"].map(str::to_owned).into(),
    }
}

/// The policies of a file beside this one, or of the demo.
pub(super) fn policies(file: &str) -> PolicySet {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let snapshot = PolicySources { paths: vec![path] }.read();
    assert!(snapshot.errors.is_empty(), "{:?}", snapshot.errors);
    PolicySet::parse(&snapshot.files, &known()).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn the_orders_policies_answer_as_written() {
    answers(&policies("src/policy/golden/orders.cedar"), include_str!("orders.json"));
}

#[test]
fn the_demo_policies_tell_the_demo_story() {
    let demo = policies("../envoy-config/policies");
    assert_eq!(demo.warnings(), []);
    answers(&demo, include_str!("demo.json"));
}

fn answers(set: &PolicySet, cases: &str) {
    let cases: Vec<Case> = serde_json::from_str(cases).unwrap();
    for case in cases {
        let told =
            explain(set, Enforce::EveryHop, &BTreeSet::new(), &case.request, |_| BTreeSet::new())
                .unwrap_or_else(|error| panic!("{}: {error}", case.name));
        assert_eq!(as_written(&told), expected(&case), "{}", case.name);
    }
}

fn as_written(told: &Explanation) -> Value {
    let hops = |hops: &[ExplainedHop]| -> Vec<Vec<String>> {
        let written = hops.iter().map(|hop| {
            let mut written = vec![hop.decision.to_owned()];
            written.extend(hop.policies.iter().cloned());
            written
        });
        written.collect()
    };
    json!({
        "decision": told.decision,
        "reasons": told.reasons,
        "mask": told.obligations.mask,
        "record": told.obligations.record,
        "approval": told.obligations.approval,
        "hops": hops(&told.hops),
        "shadow": hops(&told.shadow),
    })
}

fn expected(case: &Case) -> Value {
    json!({
        "decision": case.decision,
        "reasons": case.reasons,
        "mask": case.mask.clone().unwrap_or_default(),
        "record": case.record.unwrap_or_default(),
        "approval": case.approval,
        "hops": case.hops,
        "shadow": case.shadow,
    })
}
