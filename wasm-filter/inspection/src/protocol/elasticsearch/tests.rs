#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::plan::Limits;
use crate::protocol::RequestHead;
use crate::vocabulary;

/// One endpoint for each action.
const EXAMPLES: &[(&str, &str, &str)] = &[
    ("GET", "/a/_search", ""),
    ("GET", "/a/_count", ""),
    ("GET", "/a/_explain/1", ""),
    ("GET", "/a/_field_caps", ""),
    ("GET", "/a/_doc/1", ""),
    ("GET", "/a/_analyze", ""),
    ("GET", "/_search/scroll/x", ""),
    ("DELETE", "/_pit", "{}"),
    ("POST", "/a/_pit", ""),
    ("GET", "/a", ""),
    ("GET", "/", ""),
    ("GET", "/_template/x", ""),
    ("GET", "/_scripts/x", ""),
    ("GET", "/_ingest/pipeline/x", ""),
    ("GET", "/_ilm/policy/x", ""),
    ("GET", "/_snapshot/x", ""),
    ("POST", "/a/_doc", "{}"),
    ("POST", "/a/_update/1", "{}"),
    ("DELETE", "/a/_doc/1", ""),
    ("POST", "/a/_delete_by_query", "{}"),
    ("POST", "/a/_update_by_query", ""),
    ("POST", "/_reindex", r#"{"source":{"index":"a"},"dest":{"index":"b"}}"#),
    ("POST", "/a/_refresh", ""),
    ("POST", "/a/_flush", ""),
    ("PUT", "/a", ""),
    ("DELETE", "/a", ""),
    ("POST", "/a/_open", ""),
    ("POST", "/a/_close", ""),
    ("PUT", "/a/_alias/b", ""),
    ("DELETE", "/a/_alias/b", ""),
    ("PUT", "/a/_mapping", "{}"),
    ("PUT", "/a/_settings", "{}"),
    ("PUT", "/_template/x", r#"{"index_patterns":["a*"]}"#),
    ("DELETE", "/_template/x", ""),
    ("PUT", "/_scripts/x", "{}"),
    ("DELETE", "/_scripts/x", ""),
    ("PUT", "/_ingest/pipeline/x", "{}"),
    ("DELETE", "/_ingest/pipeline/x", ""),
    ("PUT", "/_ilm/policy/x", "{}"),
    ("PUT", "/_snapshot/x", "{}"),
    ("DELETE", "/_snapshot/x", ""),
    ("PUT", "/_snapshot/x/y", ""),
    ("DELETE", "/_snapshot/x/y", ""),
    ("POST", "/_snapshot/x/y/_restore", ""),
    ("POST", "/_tasks/x/_cancel", ""),
    ("PUT", "/_cluster/settings", "{}"),
    ("POST", "/_cluster/reroute", "{}"),
    ("PUT", "/a/_ccr/follow", "{}"),
    ("GET", "/_security/user", ""),
];

#[test]
fn every_es_action_of_the_vocabulary_can_be_asked_for() {
    let mut found: Vec<&str> = Vec::new();
    for (method, path, body) in EXAMPLES {
        let headers = &[("content-type", "application/json")];
        let head = RequestHead { method, authority: "a.example", path, headers };
        let limits = &Limits::default();
        let reading = Reading { head: &head, body: body.as_bytes(), limits, paths: &[] };
        let read = commands(&ElasticsearchPlan::default(), &reading);
        let read = read.unwrap_or_else(|unparsed| panic!("{method} {path}: {unparsed:?}"));
        found.extend(read.iter().map(|command| command.action.name()));
    }
    for spec in vocabulary::actions().filter(|spec| spec.name.starts_with("es:")) {
        assert!(found.contains(&spec.name), "{}", spec.name);
    }
}

#[test]
fn a_query_is_seen_to_leave_documents_out_only_where_it_does() {
    for (query, expected) in [
        (r#"{"match_all":{}}"#, false),
        ("{}", false),
        (r#"{"term":{"a":1}}"#, true),
        (r#"{"bool":{}}"#, false),
        (r#"{"bool":{"must":[]}}"#, false),
        (r#"{"bool":{"must":[{"match_all":{}}]}}"#, false),
        (r#"{"bool":{"must":[{"match_all":{}},{"ids":{"values":[1]}}]}}"#, true),
        (r#"{"bool":{"should":[{"term":{"a":1}},{"match_all":{}}]}}"#, false),
        (r#"{"bool":{"should":[{"term":{"a":1}},{"term":{"a":2}}]}}"#, true),
        (r#"{"bool":{"should":[{"term":{"a":1}}],"minimum_should_match":0}}"#, false),
        (r#"{"bool":{"should":[{"term":{"a":1}}],"must":[{"match_all":{}}]}}"#, false),
        (r#"{"bool":{"must_not":[{"match_none":{}}]}}"#, false),
        (r#"{"bool":{"must_not":[{"term":{"a":1}}]}}"#, false),
        (r#"{"constant_score":{"filter":{"match_all":{}}}}"#, false),
        (r#"{"range":{"a":{}}}"#, false),
        (r#"{"range":{"a":{"gte":null,"lte":null}}}"#, false),
        (r#"{"range":{"a":{"gte":1}}}"#, true),
        (r#"{"wildcard":{"a":{"value":"**"}}}"#, false),
        (r#"{"prefix":{"a":""}}"#, false),
        (r#"{"prefix":{"a":"x"}}"#, true),
        (r#"{"exists":{"field":"_id"}}"#, false),
        (r#"{"query_string":{"query":"*:*"}}"#, false),
        (r#"{"query_string":{"query":"a:1 OR *"}}"#, false),
        (r#"{"query_string":{"query":"a:1"}}"#, true),
        (r#"{"match":{"a":"x"}}"#, true),
        (r#"{"match":{"a":{"query":"","zero_terms_query":"all"}}}"#, false),
        (r#"{"script":{"script":"true"}}"#, false),
    ] {
        let query = serde_json::from_str(query).unwrap();
        assert_eq!(query::restricts(&query), expected, "{query}");
    }
}
