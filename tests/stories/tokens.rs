//! Credentials: the good ones pass, and each bad one is refused for what is wrong.

use harness::issuer::GARBAGE;
use harness::{Issuer, Mesh};
use serde_json::json;

use crate::cast::{self, refused};

#[tokio::test]
async fn a_ci_job_gets_in_and_its_token_stays_outside() {
    let mesh = Mesh::shared().await;
    let mark = cast::mark();
    let path = format!("/api/customers?{mark}");
    let answer = mesh.get(&path).token(&mesh.issuer.job()).send().await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = mesh.upstream.seen_with(&mark);
    assert_eq!(seen.len(), 1);
    for name in ["authorization", "x-chaperone-facts"] {
        assert_eq!(seen[0].header(name), None, "the upstream got {name}");
    }
}

#[tokio::test]
async fn every_bad_token_is_refused_for_what_is_wrong_with_it() {
    let mesh = Mesh::shared().await;
    let issuer = &mesh.issuer;
    let stolen = issuer.signed_by_somebody_else().unwrap();
    let bad = [
        (GARBAGE.to_owned(), "malformed"),
        (issuer.expired(), "token_expired"),
        (issuer.not_yet_valid(), "token_not_yet_valid"),
        (issuer.without_expiry(), "exp_missing"),
        (issuer.for_another_audience(), "audience_mismatch"),
        (issuer.of_an_unknown_issuer(), "issuer_unknown"),
        (issuer.unsigned(), "alg_not_allowed"),
        (issuer.signed_with_the_public_key(), "alg_not_allowed"),
        (stolen, "signature_invalid"),
        (issuer.nested(100), "chain_too_deep"),
    ];
    for (token, code) in bad {
        let mark = cast::mark();
        let path = format!("/api/customers?{mark}");
        let answer = mesh.get(&path).token(&token).send().await.unwrap();
        refused(mesh, &answer, 401, code, &mark);
        let challenge = answer.header("www-authenticate").unwrap_or_default();
        assert!(challenge.starts_with("Bearer error="), "{code}: {challenge}");
        assert!(!answer.text().contains(&token), "{code}: the answer repeats the token");
        assert!(!mesh.server.log().contains(&token), "{code}: the log repeats the token");
    }
}

#[tokio::test]
async fn no_token_and_two_tokens_are_refused() {
    let mesh = Mesh::shared().await;
    let mark = cast::mark();
    let path = format!("/api/customers?{mark}");
    let answer = mesh.get(&path).send().await.unwrap();
    refused(mesh, &answer, 401, "token_missing", &mark);
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));

    let token = mesh.issuer.job();
    let answer = mesh.get(&path).token(&token).token(&token).send().await.unwrap();
    refused(mesh, &answer, 401, "malformed", &mark);
}

#[tokio::test]
async fn a_person_approves_and_does_not_call() {
    let mesh = Mesh::shared().await;
    let mark = cast::mark();
    let token = mesh.issuer.mint(
        Issuer::CorpIdp,
        &json!({ "sub": "ada", "aud": ["chaperone", "customers"], "groups": ["sre"] }),
    );
    let answer = mesh.get(&format!("/api/customers?{mark}")).token(&token).send().await.unwrap();
    assert_eq!(answer.status, 401, "{answer:?}");
    assert!(mesh.upstream.seen_with(&mark).is_empty());
}
