//! One request of each protocol that is allowed, one that is denied by what it would do,
//! and one that cannot be read.

use harness::{Answer, Behind, Mesh, Request, Setup};
use reqwest::Method;
use serde_json::json;
use tokio::sync::OnceCell;

use crate::cast::{self, refused};

const SERVICES: &str = r"
  tools:
    hosts: [tools.example]
    issuers: [github, platform, chaperone]
    deny_details: policies
    routes:
      - path: /postgres
        inspect: { sql: { dialect: postgresql, statement: { json_pointer: /query } } }
      - path: /notes/new
        methods: [POST]
        content_types: [application/json]
        inspect: json
        detect: { detectors: [email, payment_card] }
";

const POLICIES: &str = r#"
@id("tools-read")
permit (
  principal in Group::"ci-jobs",
  action in [Action::"sql:read", Action::"http:post"],
  resource in Service::"tools"
);

@id("tools-rows")
permit (
  principal in Group::"ci-jobs",
  action in [Action::"sql:insert", Action::"sql:update"],
  resource in Service::"tools"
)
when { context.sql.has_where || action == Action::"sql:insert" };

@id("no-cards-in-notes")
forbid (principal, action, resource in Service::"tools")
when { context.request.contains.contains("payment_card") };
"#;

async fn mesh() -> &'static Mesh {
    static MESH: OnceCell<Mesh> = OnceCell::const_new();
    let start = || async {
        let setup = Setup {
            behind: Behind::Postgres,
            configure: |text| text.replace("\nmasking:\n", &format!("{SERVICES}\nmasking:\n")),
            files: &[("policies/protocols.cedar", POLICIES)],
            ..Setup::default()
        };
        Mesh::start(setup).await.unwrap_or_else(|failure| panic!("{failure}"))
    };
    MESH.get_or_init(start).await
}

/// What becomes of a request.
enum Expected {
    /// It reaches the upstream and is answered 200.
    Allowed,
    /// It is refused: no policy permits it, or this one forbids it.
    Denied(&'static str),
    /// It is refused with this code of what could not be read.
    Unparsed(&'static str),
}

async fn expect(
    what: &str,
    host: &str,
    mark: &str,
    request: Request,
    expected: Expected,
) -> Answer {
    let mesh = mesh().await;
    let token = mesh.issuer.job();
    let answer = request.host(host).token(&token).send().await.unwrap();
    match expected {
        Allowed => {
            assert_eq!(answer.status, 200, "{what}: {answer:?}");
            assert!(mesh.tap.saw(mark), "{what} did not arrive");
        }
        Denied(policy) => {
            let record = refused(mesh, &answer, 403, "policy_denied", mark);
            assert!(record.to_string().contains(policy), "{what}: {record}");
        }
        Unparsed(code) => {
            let record = refused(mesh, &answer, 403, "request_unparsed", mark);
            assert_eq!(record["unparsed"], code, "{what}: {record}");
        }
    }
    answer
}

use Expected::{Allowed, Denied, Unparsed};

#[tokio::test]
async fn sql_on_a_real_postgresql() {
    let mesh = mesh().await;
    let run = async |statement: &str, expected: Expected| {
        let mark = cast::mark();
        let request = mesh.post(&format!("/postgres?{mark}"), &json!({ "query": statement }));
        expect(statement, "tools.example", &mark, request, expected).await
    };
    let answer = run("SELECT name FROM customers WHERE id = 1", Allowed).await;
    assert_eq!(answer.json(), json!([{ "name": "Ada Lovelace" }]));
    run("INSERT INTO customers VALUES (9, 'Grace Hopper', 'grace@example.com')", Allowed).await;
    run("UPDATE customers SET name = 'Grace' WHERE id = 9", Allowed).await;
    let answer = run("SELECT name FROM customers WHERE id = 9; SELECT 1 AS one", Allowed).await;
    assert_eq!(answer.json(), json!([{ "name": "Grace" }, { "one": "1" }]));
    for statement in [
        "DELETE FROM customers WHERE id = 9",
        "UPDATE customers SET name = 'x'",
        "UPDATE customers SET name = 'x' WHERE id = 1 OR true",
        "SELECT 1; DELETE FROM customers WHERE id = 9",
        "WITH gone AS (DELETE FROM customers RETURNING id) SELECT * FROM gone",
        "EXPLAIN ANALYZE DELETE FROM customers",
        "SELECT name INTO copied FROM customers",
        "COPY customers TO PROGRAM 'cat > /tmp/stolen'",
        "DROP TABLE customers",
    ] {
        run(statement, Denied("")).await;
    }
    for (statement, code) in [
        ("SELEC 1", "sql_malformed"),
        ("SELECT '", "sql_malformed"),
        ("", "sql_missing"),
        (";", "sql_missing"),
    ] {
        run(statement, Unparsed(code)).await;
    }
    let answer = run("SELECT count(*) AS n FROM customers", Allowed).await;
    assert_eq!(answer.json(), json!([{ "n": "3" }]), "something was deleted");
}

#[tokio::test]
async fn sensitive_data_in_a_request_is_named_to_policy_and_never_shown() {
    let mesh = mesh().await;
    let post = async |body: &str, content_type: &str, expected: Expected| {
        let mark = cast::mark();
        let request = mesh.request(Method::POST, &format!("/notes/new?{mark}"));
        let request = request.header("content-type", content_type).body(body);
        expect(body, "tools.example", &mark, request, expected).await
    };
    post(r#"{"note":"call back"}"#, "application/json", Allowed).await;
    post(r#"{"note":"write to ada@example.com"}"#, "application/json", Allowed).await;
    let card = r#"{"note":"4111 1111 1111 \u0031111"}"#;
    let answer = post(card, "application/json", Denied("no-cards-in-notes")).await;
    let record = mesh.decision_of(&answer).unwrap();
    assert!(!record.to_string().contains("4111"), "{record}");
    post("note=x", "text/plain", Unparsed("content_type_unexpected")).await;
}
