//! Delegation: every hop must be permitted, and the log names all of them.

use harness::{Issuer, Mesh, Setup};
use serde_json::json;

use crate::cast::{self, JOB, refused};

#[tokio::test]
async fn a_container_four_hops_deep_reads_and_the_log_names_every_hop() {
    let mesh = Mesh::shared().await;
    let token = cast::container(&mesh.issuer);
    let answer = mesh.get("/api/customers").token(&token).send().await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let record = mesh.decision_of(&answer).unwrap();
    let hops: Vec<_> = record["chain"].as_array().unwrap().iter().collect();
    let principals: Vec<_> = hops.iter().map(|hop| hop["principal"].as_str().unwrap()).collect();
    assert_eq!(
        principals,
        [
            format!("github/{JOB}").as_str(),
            "platform/deploy-script",
            "platform/deploy-job",
            "platform/data-container",
        ]
    );
    assert!(hops.iter().all(|hop| hop["assurance"] == "attested"), "{record}");
    assert_eq!(record["verdict"], "allow");
    assert_eq!(record["policies"].as_array().unwrap().len(), 4, "each hop was permitted");
}

#[tokio::test]
async fn one_hop_that_may_not_denies_the_whole_chain() {
    let mesh = Mesh::shared().await;
    for (root, actors, hop) in [
        ("repo:evil/fork", vec!["deploy-script", "data-container"], 0),
        (JOB, vec!["stranger", "data-container"], 1),
        (JOB, vec!["deploy-script", "stranger"], 2),
    ] {
        let mark = cast::mark();
        let token = mesh.issuer.mint_nested(root, &actors, &json!({}));
        let answer =
            mesh.get(&format!("/api/customers?{mark}")).token(&token).send().await.unwrap();
        let record = refused(mesh, &answer, 403, "policy_denied", &mark);
        assert_eq!(record["reasons"][0]["reason"], "not_permitted");
        assert_eq!(record["reasons"][0]["hop"], hop);
    }
}

#[tokio::test]
async fn a_chain_longer_than_policy_wants_is_forbidden_by_name() {
    let mesh = Mesh::shared().await;
    let mark = cast::mark();
    let actors = ["deploy-script", "deploy-job", "data-container", "data-container-2"];
    let token = mesh.issuer.mint_nested(JOB, &actors, &json!({}));
    let answer = mesh.get(&format!("/api/customers?{mark}")).token(&token).send().await.unwrap();
    refused(mesh, &answer, 403, "policy_denied", &mark);
    let policies = answer.json()["policies"].clone();
    assert!(policies.as_array().unwrap().contains(&json!("never-too-deep")), "{answer:?}");
}

#[tokio::test]
async fn who_calls_is_proven_beside_the_transaction_token_of_the_chain() {
    let setup = Setup {
        configure: |text| {
            let beside = "max_depth: 8\n  second_credential: { header: Txn-Token, holds: subject }";
            text.replace("max_depth: 8", beside)
        },
        ..Setup::default()
    };
    let mesh = Mesh::start(setup).await.unwrap();
    let transaction = mesh.issuer.mint_nested(JOB, &["deploy-script"], &json!({ "txn": "t-7" }));
    let container = mesh.issuer.mint(Issuer::Platform, &json!({ "sub": "data-container" }));
    let mark = cast::mark();
    let ask = |transaction: &str| {
        mesh.get(&format!("/api/customers?{mark}"))
            .token(&container)
            .header("txn-token", transaction)
    };
    let forged = ask(&format!("{transaction}x")).send().await.unwrap();
    refused(&mesh, &forged, 401, "signature_invalid", &mark);
    let answer = ask(&transaction).send().await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let record = mesh.decision_of(&answer).unwrap();
    let hops: Vec<_> = record["chain"].as_array().unwrap().iter().collect();
    let assurances: Vec<_> = hops.iter().map(|hop| hop["assurance"].as_str().unwrap()).collect();
    assert_eq!(assurances, ["attested", "attested", "proven"]);
    assert_eq!(hops[2]["principal"], "platform/data-container");
    assert_eq!(record["token"]["transaction"], "t-7");
    assert_eq!(record["actor_token"]["issuer"], "platform");
    let seen = mesh.upstream.seen_with(&mark).remove(0);
    assert_eq!((seen.header("authorization"), seen.header("txn-token")), (None, None));
}
