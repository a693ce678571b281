//! Every decision is in the log before its answer leaves, and the log tells when it
//! was touched.

use harness::{Mesh, Setup};

use crate::cast;

#[tokio::test]
async fn every_answer_has_its_record_and_its_outcome_and_the_log_is_intact() {
    let mesh = Mesh::shared().await;
    let token = cast::container(&mesh.issuer);
    let allowed = mesh.get("/api/customers/1").token(&token).send().await.unwrap();
    let denied = mesh.sql("DROP TABLE customers").token(&token).send().await.unwrap();
    for (answer, verdict) in [(&allowed, "allow"), (&denied, "deny")] {
        let record = mesh.decision_of(answer).unwrap();
        assert_eq!(record["verdict"], verdict, "{record}");
        let outcome = mesh.outcome_of(answer).await.unwrap();
        assert_eq!(outcome["status"], answer.status, "{outcome}");
    }
    let record = mesh.decision_of(&denied).unwrap();
    assert_eq!(record["commands"][0]["action"], "sql:drop");
    assert!(!record.to_string().contains(&token));
    assert_eq!(mesh.server.audit_verify().unwrap()["intact"], true);
}

#[tokio::test]
async fn a_log_that_was_touched_is_found_out() {
    let mesh = Mesh::start(Setup::default()).await.unwrap();
    let answer = mesh.sql("DROP TABLE customers").token(&mesh.issuer.job()).send().await.unwrap();
    mesh.outcome_of(&answer).await.unwrap();
    assert_eq!(mesh.server.audit_verify().unwrap()["intact"], true);
    let store = rusqlite::Connection::open(mesh.workdir().path().join("chaperone.db")).unwrap();
    let changed = store
        .execute("UPDATE audit SET body = replace(body, '\"deny\"', '\"allow\"') WHERE kind = 'decision'", [])
        .unwrap();
    assert_eq!(changed, 1);
    let verdict = mesh.server.audit_verify().unwrap();
    assert_eq!(verdict["intact"], false);
    assert_eq!(verdict["first_bad"]["problem"], "changed", "{verdict}");
}
