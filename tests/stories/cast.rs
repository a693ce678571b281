//! Who plays in the stories, and what all of them ask.

use harness::answer::Answer;
use harness::{DevelopmentIssuer, Issuer, Mesh};
use serde_json::{Value, json};

/// The CI job that everything begins with.
pub(crate) const JOB: &str = "repo:acme/shop:ref:refs/heads/main";

/// The token of a container that a Kubernetes Job started, which a deploy script
/// started, which the CI job started: four hops.
pub(crate) fn container(issuer: &DevelopmentIssuer) -> String {
    issuer.mint_nested(JOB, &["deploy-script", "deploy-job", "data-container"], &json!({}))
}

/// The token of a person who may approve.
pub(crate) fn sre(issuer: &DevelopmentIssuer, name: &str) -> String {
    issuer.mint(Issuer::CorpIdp, &json!({ "sub": name, "groups": ["sre"] }))
}

/// A refusal is what the contract says: status, code, a decision that is in the
/// audit log with the same code, and an upstream that saw nothing marked `mark`.
pub(crate) fn refused(mesh: &Mesh, answer: &Answer, status: u16, code: &str, mark: &str) -> Value {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.code().as_deref(), Some(code), "{answer:?}");
    let seen = mesh.upstream.seen_with(mark);
    assert!(seen.is_empty(), "the upstream saw {} requests marked {mark}", seen.len());
    assert!(!mesh.tap.saw(mark), "Envoy sent something marked {mark}");
    let record = mesh.decision_of(answer).expect("the decision is in the audit log");
    assert_eq!(record["code"], code, "{record}");
    record
}

/// A mark that no other request has, for the query of a path.
pub(crate) fn mark() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("mark-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
