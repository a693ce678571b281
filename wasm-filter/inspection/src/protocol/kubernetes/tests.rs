use std::collections::BTreeSet;

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::plan::Limits;
use crate::protocol::RequestHead;
use crate::vocabulary;

pub(super) fn read(method: &str, path: &str, body: &[u8]) -> Result<Command, UnparsedCode> {
    let headers = &[("content-type", "application/json")];
    let head = RequestHead { method, authority: "k.example", path, headers };
    let limits = &Limits::default();
    let reading = Reading { head: &head, body, limits, paths: &[] };
    Query::parse(head.query())
        .and_then(|query| command(&KubernetesPlan::default(), &reading, &query))
        .map_err(|unparsed| unparsed.code)
}

#[test]
fn every_kubernetes_action_of_the_vocabulary_is_made_by_a_request() {
    let mut made = BTreeSet::new();
    for (method, path, body) in [
        ("GET", "/api/v1/pods/p", ""),
        ("GET", "/api/v1/pods", ""),
        ("GET", "/api/v1/pods?watch=1", ""),
        ("POST", "/api/v1/namespaces/n/pods", "{}"),
        ("PUT", "/api/v1/namespaces/n/pods/p", "{}"),
        ("DELETE", "/api/v1/namespaces/n/pods/p", ""),
        ("DELETE", "/api/v1/namespaces/n/pods", ""),
        ("POST", "/api/v1/namespaces/n/pods/p/eviction", "{}"),
        ("POST", "/api/v1/namespaces/n/pods/p/exec?command=ls", ""),
        ("POST", "/api/v1/namespaces/n/pods/p/attach", ""),
        ("POST", "/api/v1/namespaces/n/pods/p/portforward", ""),
        ("POST", "/api/v1/namespaces/n/pods/p/proxy", ""),
        ("PUT", "/api/v1/namespaces/n/pods/p/ephemeralcontainers", "{}"),
        ("POST", "/api/v1/namespaces/n/pods/p/binding", "{}"),
        ("POST", "/api/v1/namespaces/n/serviceaccounts/s/token", "{}"),
        ("PUT", "/apis/certificates.k8s.io/v1/certificatesigningrequests/c/approval", "{}"),
        ("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", "{}"),
        ("GET", "/version", ""),
        ("GET", "/livez", ""),
        ("GET", "/metrics", ""),
    ] {
        let command = read(method, path, body.as_bytes());
        made.insert(command.unwrap_or_else(|code| panic!("{path}: {code:?}")).action.name());
    }
    let headers = &[("content-type", "application/merge-patch+json")];
    let path = "/api/v1/namespaces/n/pods/p";
    let head = RequestHead { method: "PATCH", authority: "k.example", path, headers };
    let limits = &Limits::default();
    let reading = Reading { head: &head, body: b"{}", limits, paths: &[] };
    let patched = commands(&KubernetesPlan::default(), &reading).unwrap();
    made.insert(patched[0].action.name());
    let known = vocabulary::actions().map(|spec| spec.name).filter(|name| name.starts_with("k8s:"));
    assert_eq!(made, known.collect());
}

#[test]
fn an_exec_names_its_program_and_its_arguments_in_their_order() {
    let path = "/api/v1/namespaces/n/pods/p/exec?command=sh&tty=1&command=-c&command=rm+-rf%20%2F";
    let command = read("POST", path, b"").unwrap();
    assert_eq!(command.action.name(), "k8s:exec");
    assert_eq!(command.attributes["program"], "sh");
    let arguments = serde_json::json!({ "0": "sh", "1": "-c", "2": "rm -rf /" });
    assert_eq!(command.attributes["arguments"], arguments);
    assert_eq!(command.attributes["tty"], true);
    assert_eq!(command.attributes["stdin"], false);
}

#[test]
fn a_value_of_a_flag_is_true_unless_it_says_otherwise() {
    for (query, expected) in [
        ("", Ok(false)),
        ("watch", Ok(true)),
        ("watch=", Ok(true)),
        ("watch=t", Ok(true)),
        ("watch=0", Ok(false)),
        ("watch=False", Ok(false)),
        ("watch=+false", Ok(true)),
        ("w%61tch=1", Ok(true)),
        ("watch=0&watch=0", Err(UnparsedCode::FieldMalformed)),
        ("WATCH=0", Err(UnparsedCode::FieldMalformed)),
    ] {
        let flag = Query::parse(query).and_then(|query| query.flag("watch"));
        assert_eq!(flag.map_err(|unparsed| unparsed.code), expected, "{query}");
    }
}

#[test]
fn a_field_selector_names_an_object_by_an_exact_match_alone() {
    for (text, expected) in [
        ("", Ok(None)),
        ("metadata.name=a", Ok(Some("a"))),
        ("metadata.name==a", Ok(Some("a"))),
        ("metadata.name===a", Err(UnparsedCode::FieldMalformed)),
        ("metadata.name!=a", Ok(None)),
        ("metadata.name=", Ok(None)),
        ("metadata.name=..", Ok(None)),
        ("metadata.name=a/b", Ok(None)),
        ("x=1,metadata.name=a,", Ok(Some("a"))),
        (r"x=1\,metadata.name\=a", Ok(None)),
        (r"metadata.name=a\\b", Ok(Some(r"a\b"))),
        (r"metadata.name=a\b", Err(UnparsedCode::FieldMalformed)),
        (r"metadata.name=a\", Err(UnparsedCode::FieldMalformed)),
        ("metadata.name=a,metadata.name=a", Err(UnparsedCode::FieldMalformed)),
        ("metadata.name", Err(UnparsedCode::FieldMalformed)),
    ] {
        let name = selector::name(text).map_err(|unparsed| unparsed.code);
        assert_eq!(
            name.as_ref().map(Option::as_deref),
            expected.as_ref().map(|name| *name),
            "{text}"
        );
    }
}

/// What a patch says of a pod by one operation each, and by all of them in one object.
#[test]
fn an_operation_says_of_its_place_what_an_object_would() {
    for (operation, expected) in [
        (
            serde_json::json!({ "op": "add", "path": "/spec/hostPID", "value": true }),
            "host_namespaces",
        ),
        (
            serde_json::json!({ "op": "add", "path": "/spec/volumes/-", "value": { "hostPath": {} } }),
            "host_path",
        ),
        (
            serde_json::json!({ "op": "add", "path": "/spec/volumes/0/hostPath", "value": {} }),
            "host_path",
        ),
        (
            serde_json::json!({ "op": "replace", "path": "/spec/volumes", "value": [{ "hostPath": {} }] }),
            "host_path",
        ),
        (
            serde_json::json!({ "op": "replace", "path": "/spec/initContainers/+1/ports/00/hostPort", "value": 1 }),
            "host_ports",
        ),
    ] {
        let patches = json_patch::patches(Value::Array(vec![operation.clone()])).unwrap();
        let node = node::Node::of(&patches[0], node::Mode::Strategic).unwrap();
        let mut pod = pod::Pod::default();
        pod.read(pod::spec(node, &["spec"]).unwrap().unwrap()).unwrap();
        let mut attributes = Attributes::new();
        pod.write(&mut attributes);
        let said = &attributes[expected];
        let found = said == true || said.as_array().is_some_and(|set| !set.is_empty());
        assert!(found, "{operation}");
    }
}
