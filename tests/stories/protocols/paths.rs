//! Plain HTTP by paths with named segments, and paths that can be read in two ways.

use reqwest::Method;

use super::Expected::{Allowed, Denied, Unparsed};
use super::{expect, mesh};
use crate::cast;

const HOST: &str = "directory.example";

pub(super) const SERVICES: &str = r#"
  directory:
    hosts: [directory.example]
    issuers: [github, platform, chaperone]
    deny_details: policies
    paths: ["/customers/{id}", "/customers/{id}/orders/{order}"]
"#;

pub(super) const POLICIES: &str = r#"
@id("one-customer-at-a-time")
permit (
  principal in Group::"ci-jobs",
  action == Action::"http:get",
  resource == Path::"/customers/{id}"
);

@id("orders-of-customers")
permit (
  principal in Group::"ci-jobs",
  action in [Action::"http:get", Action::"http:delete"],
  resource == Path::"/customers/{id}/orders/{order}"
);

@id("not-this-customer")
forbid (principal, action, resource in Service::"directory")
when {
  context has http && context.http has segments && context.http.segments.hasTag("id") &&
  context.http.segments.getTag("id") == "666"
};
"#;

#[tokio::test]
async fn paths_with_named_segments() {
    let mesh = mesh().await;
    for (method, path, expected) in [
        (Method::GET, "/customers/7", Allowed),
        (Method::DELETE, "/customers/7/orders/1", Allowed),
        (Method::GET, "/customers/666", Denied("not-this-customer")),
        (Method::GET, "/customers/666/orders/1", Denied("not-this-customer")),
        // Escapes are undone before anybody compares.
        (Method::GET, "/customers/%3666", Denied("not-this-customer")),
        (Method::DELETE, "/customers/7", Denied("")),
        (Method::GET, "/customers", Denied("")),
        (Method::GET, "/customers/7/orders", Denied("")),
        (Method::GET, "/Customers/666", Unparsed("path_ambiguous")),
        (Method::GET, "/customers/7;x=1", Unparsed("path_ambiguous")),
        (Method::GET, "/customers/7/orders/..%252f..%252f666", Unparsed("path_ambiguous")),
        (Method::GET, "/customers/%2536%36%36", Unparsed("path_ambiguous")),
        (Method::GET, "/customers/666.", Unparsed("path_ambiguous")),
    ] {
        let mark = cast::mark();
        let what = format!("{method} {path}");
        let request = mesh.request(method, path).header("x-mark", &mark);
        expect(&what, HOST, &mark, request, expected).await;
    }
}

/// Envoy itself refuses an escaped slash, as the bootstrap has it do: what no filter
/// sees no upstream sees either.
#[tokio::test]
async fn escaped_slashes() {
    let mesh = mesh().await;
    for path in ["/customers/7%2f..%2f666", "/customers/..%2F666", "/customers/7%5c..%5c666"] {
        let mark = cast::mark();
        let request = mesh.get(path).header("x-mark", &mark).host(HOST);
        let answer = request.token(&mesh.issuer.job()).send().await.unwrap();
        assert_eq!(answer.status, 400, "{path}: {answer:?}");
        assert!(!mesh.tap.saw(&mark), "{path} arrived");
    }
}
