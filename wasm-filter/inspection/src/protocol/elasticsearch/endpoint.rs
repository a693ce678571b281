//! The table of endpoints.

#![expect(
    clippy::match_same_arms,
    clippy::unnested_or_patterns,
    reason = "a row of the table is an endpoint of the documentation"
)]

use crate::facts::{Unparsed, UnparsedCode};

/// What a method and a path ask for.
pub(super) struct Operation<'p> {
    pub(super) action: &'static str,
    pub(super) body: Body,
    /// The list of indices, empty for all; none when it acts on the service.
    pub(super) index: Option<&'p str>,
    /// The document.
    pub(super) id: Option<&'p str>,
    /// What else is named: an alias, a template, a repository, a new index.
    pub(super) name: Option<&'p str>,
    pub(super) op_type: Option<&'static str>,
}

/// How a body is read.
#[derive(Clone, Copy)]
pub(super) enum Body {
    /// There is none.
    None,
    /// JSON that names nothing else.
    Any,
    /// A document to be stored.
    Document,
    /// A query, or what scripts and runtime fields can be in.
    Search,
    ByQuery,
    Update,
    Bulk,
    MultiSearch,
    MultiGet,
    Reindex,
    Aliases,
    Alias,
    Create,
    Resize,
    Template,
    Snapshot,
    Enrich,
}

const fn on<'p>(action: &'static str, body: Body, index: &'p str) -> Operation<'p> {
    Operation { action, body, index: Some(index), id: None, name: None, op_type: None }
}

const fn alone<'p>(action: &'static str, body: Body) -> Operation<'p> {
    Operation { action, body, index: None, id: None, name: None, op_type: None }
}

impl<'p> Operation<'p> {
    fn of(self, id: &'p str) -> Option<Self> {
        // Versions with types read `/index/_doc/_search` as a search.
        let word = id.strip_prefix('_').is_some_and(|word| {
            word.len() < 19 && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        });
        (!word).then_some(Self { id: Some(id), ..self })
    }

    fn named(self, name: &'p str) -> Self {
        Self { name: Some(name), ..self }
    }
}

/// The operation; none if the table does not have it. HEAD asks what GET asks.
pub(super) fn find<'p>(method: &str, segments: &[&'p str]) -> Option<Operation<'p>> {
    let method = if method == "HEAD" { "GET" } else { method };
    match segments {
        [] => (method == "GET").then(|| alone("es:monitor", Body::None)),
        [first, ..] if first.starts_with('_') && *first != "_all" => of_cluster(method, segments)
            .or_else(|| of_storage(method, segments))
            .or_else(|| of_rules(method, segments))
            .or_else(|| of_any(method, "", segments)),
        [index, rest @ ..] => of_index(method, index, rest)
            .or_else(|| of_document(method, index, rest))
            .or_else(|| of_any(method, index, rest)),
    }
}

/// The endpoint is not in the table.
pub(super) fn unknown(segments: &[&str]) -> Unparsed {
    let language =
        |segment: &&str| matches!(*segment, "_sql" | "_ppl" | "_query" | "_eql" | "_esql");
    let why = if segments.iter().any(language) {
        "the endpoint takes another language: SQL is read by a route with `sql`"
    } else {
        "the method and the path are none of the endpoints that are read"
    };
    Unparsed::new(UnparsedCode::EndpointUnknown, why)
}

/// Endpoints of one index or list, and of all when none is named.
fn of_any<'p>(method: &str, index: &'p str, rest: &[&'p str]) -> Option<Operation<'p>> {
    Some(match (method, rest) {
        ("GET" | "POST", ["_search"]) => on("es:search", Body::Search, index),
        ("POST", ["_async_search"]) => on("es:search", Body::Search, index),
        ("GET" | "POST", ["_count"]) => on("es:count", Body::Search, index),
        ("GET" | "POST", ["_validate", "query"]) => on("es:explain", Body::Search, index),
        ("GET" | "POST", ["_field_caps"]) => on("es:field_caps", Body::Search, index),
        ("GET" | "POST", ["_msearch"]) => on("es:search", Body::MultiSearch, index),
        ("GET" | "POST", ["_mget"]) => on("es:get", Body::MultiGet, index),
        ("POST" | "PUT", ["_bulk"]) => on("es:index", Body::Bulk, index),
        ("GET" | "POST", ["_analyze"]) => on("es:analyze", Body::Any, index),
        ("GET" | "POST", ["_search_shards"]) => on("es:get_index", Body::None, index),
        (
            "GET",
            ["_mapping" | "_mappings" | "_segments" | "_recovery" | "_shard_stores" | "_aliases"],
        ) => on("es:get_index", Body::None, index),
        ("GET", ["_mapping", "field", _]) => on("es:get_index", Body::None, index),
        ("GET", ["_settings" | "_alias" | "_stats"] | ["_settings" | "_alias" | "_stats", _]) => {
            on("es:get_index", Body::None, index)
        }
        ("GET" | "POST", ["_refresh"]) => on("es:refresh", Body::None, index),
        ("GET" | "POST", ["_flush"]) => on("es:maintain", Body::None, index),
        ("POST", ["_forcemerge"] | ["_cache", "clear"]) => on("es:maintain", Body::None, index),
        ("PUT", ["_settings"]) => on("es:put_settings", Body::Any, index),
        ("POST", ["_open"]) => on("es:open_index", Body::None, index),
        ("POST", ["_close"]) => on("es:close_index", Body::None, index),
        _ => return None,
    })
}

fn of_index<'p>(method: &str, index: &'p str, rest: &[&'p str]) -> Option<Operation<'p>> {
    Some(match (method, rest) {
        ("GET", []) => on("es:get_index", Body::None, index),
        ("PUT", []) => on("es:create_index", Body::Create, index),
        ("DELETE", []) => on("es:delete_index", Body::None, index),
        ("PUT" | "POST", ["_mapping" | "_mappings"]) => on("es:put_mapping", Body::Search, index),
        ("PUT", ["_block", block]) => on("es:put_settings", Body::None, index).named(block),
        ("PUT" | "POST", ["_alias" | "_aliases", name]) => {
            on("es:put_alias", Body::Alias, index).named(name)
        }
        ("DELETE", ["_alias" | "_aliases", name]) => {
            on("es:delete_alias", Body::Alias, index).named(name)
        }
        ("PUT" | "POST", ["_clone" | "_shrink" | "_split", target]) => {
            on("es:create_index", Body::Resize, index).named(target)
        }
        ("POST", ["_rollover"]) => on("es:create_index", Body::Create, index),
        ("POST", ["_rollover", target]) => on("es:create_index", Body::Resize, index).named(target),
        ("POST", ["_delete_by_query"]) => on("es:delete_by_query", Body::ByQuery, index),
        ("POST", ["_update_by_query"]) => on("es:update_by_query", Body::ByQuery, index),
        ("POST", ["_pit"] | ["_search", "point_in_time"]) => on("es:open_pit", Body::Search, index),
        ("GET", ["_ilm", "explain"] | ["_ccr", "info" | "stats"]) => {
            on("es:get_index", Body::None, index)
        }
        ("POST", ["_ilm", "remove" | "retry"]) => on("es:put_lifecycle", Body::None, index),
        (
            "PUT" | "POST",
            ["_ccr", "follow" | "pause_follow" | "resume_follow" | "unfollow" | "forget_follower"],
        ) => on("es:replicate", Body::Any, index),
        _ => return None,
    })
}

fn of_document<'p>(method: &str, index: &'p str, rest: &[&'p str]) -> Option<Operation<'p>> {
    match (method, rest) {
        ("POST", ["_doc"]) => Some(on("es:index", Body::Document, index)),
        ("PUT" | "POST", ["_doc", id]) => on("es:index", Body::Document, index).of(id),
        ("PUT" | "POST", ["_create", id]) => {
            let create = on("es:index", Body::Document, index).of(id)?;
            Some(Operation { op_type: Some("create"), ..create })
        }
        ("GET", ["_doc" | "_source", id]) => on("es:get", Body::None, index).of(id),
        ("DELETE", ["_doc", id]) => on("es:delete", Body::None, index).of(id),
        ("POST", ["_update", id]) => on("es:update", Body::Update, index).of(id),
        ("GET" | "POST", ["_explain", id]) => on("es:explain", Body::Search, index).of(id),
        ("GET" | "POST", ["_termvectors"]) => Some(on("es:get", Body::Any, index)),
        ("GET" | "POST", ["_termvectors", id]) => on("es:get", Body::Any, index).of(id),
        _ => None,
    }
}

/// Searches that go on, the cluster, nodes and tasks.
fn of_cluster<'p>(method: &str, segments: &[&'p str]) -> Option<Operation<'p>> {
    Some(match (method, segments) {
        ("GET" | "POST", ["_search", "scroll"]) => alone("es:scroll", Body::Any),
        ("GET" | "POST", ["_search", "scroll", _]) => alone("es:scroll", Body::None),
        ("GET", ["_async_search", _] | ["_async_search", "status", _]) => {
            alone("es:scroll", Body::None)
        }
        ("DELETE", ["_search", "scroll"] | ["_pit"] | ["_search", "point_in_time"]) => {
            alone("es:clear_scroll", Body::Any)
        }
        (
            "DELETE",
            ["_search", "scroll", _] | ["_async_search", _] | ["_search", "point_in_time", "_all"],
        ) => alone("es:clear_scroll", Body::None),
        ("GET", ["_cat"] | ["_cat", _]) => alone("es:monitor", Body::None),
        ("GET", ["_cat", "indices" | "shards" | "count" | "segments" | "recovery", index]) => {
            on("es:get_index", Body::None, index)
        }
        (
            "GET",
            [
                "_cat",
                "aliases"
                | "allocation"
                | "fielddata"
                | "templates"
                | "thread_pool"
                | "snapshots"
                | "component_templates",
                _,
            ],
        ) => alone("es:monitor", Body::None),
        ("GET", ["_cluster", "health"] | ["_cluster", "state" | "stats", ..]) => {
            alone("es:monitor", Body::None)
        }
        ("GET", ["_cluster", "health", index]) => on("es:get_index", Body::None, index),
        (
            "GET",
            ["_cluster", "settings" | "pending_tasks"]
            | ["_remote", "info"]
            | ["_health_report", ..]
            | ["_license"]
            | ["_xpack"]
            | ["_ccr", ..],
        ) => alone("es:monitor", Body::None),
        ("GET" | "POST", ["_cluster", "allocation", "explain"]) => alone("es:monitor", Body::Any),
        ("PUT", ["_cluster", "settings"]) => alone("es:put_cluster_settings", Body::Any),
        ("POST", ["_cluster", "reroute"]) => alone("es:manage_cluster", Body::Any),
        ("POST" | "DELETE", ["_cluster", "voting_config_exclusions"]) => {
            alone("es:manage_cluster", Body::None)
        }
        (
            "POST",
            ["_nodes", "reload_secure_settings"] | ["_nodes", _, "reload_secure_settings"],
        ) => alone("es:manage_cluster", Body::Any),
        ("GET", ["_nodes", ..]) => alone("es:monitor", Body::None),
        ("GET", ["_tasks"] | ["_tasks", _]) => alone("es:monitor", Body::None),
        ("POST", ["_tasks", "_cancel"] | ["_tasks", _, "_cancel"]) => {
            alone("es:cancel_task", Body::None)
        }
        ("POST", ["_reindex" | "_update_by_query" | "_delete_by_query", _, "_rethrottle"]) => {
            alone("es:cancel_task", Body::None)
        }
        _ => return None,
    })
}

/// Data streams, aliases and snapshots.
fn of_storage<'p>(method: &str, segments: &[&'p str]) -> Option<Operation<'p>> {
    Some(match (method, segments) {
        ("POST", ["_reindex"]) => alone("es:reindex", Body::Reindex),
        ("POST", ["_aliases"]) => alone("es:put_alias", Body::Aliases),
        ("GET", ["_data_stream"]) => on("es:get_index", Body::None, ""),
        (
            "GET",
            ["_data_stream", name]
            | ["_data_stream", name, "_stats"]
            | ["_resolve", "index" | "cluster", name],
        ) => on("es:get_index", Body::None, name),
        ("PUT", ["_data_stream", name]) => on("es:create_index", Body::None, name),
        ("DELETE", ["_data_stream", name]) => on("es:delete_index", Body::None, name),
        ("GET", ["_snapshot"] | ["_snapshot", "_status"]) => alone("es:get_snapshot", Body::None),
        (
            "GET",
            ["_snapshot", repository]
            | ["_snapshot", repository, _]
            | ["_snapshot", repository, _, "_status"],
        ) => alone("es:get_snapshot", Body::None).named(repository),
        ("PUT" | "POST", ["_snapshot", repository]) => {
            alone("es:put_repository", Body::Any).named(repository)
        }
        ("POST", ["_snapshot", repository, "_verify" | "_cleanup"]) => {
            alone("es:put_repository", Body::None).named(repository)
        }
        ("DELETE", ["_snapshot", repository]) => {
            alone("es:delete_repository", Body::None).named(repository)
        }
        ("PUT", ["_snapshot", repository, _, "_clone", _]) => {
            alone("es:create_snapshot", Body::Snapshot).named(repository)
        }
        ("PUT" | "POST", ["_snapshot", repository, snapshot]) if !snapshot.starts_with('_') => {
            alone("es:create_snapshot", Body::Snapshot).named(repository)
        }
        ("DELETE", ["_snapshot", repository, _]) => {
            alone("es:delete_snapshot", Body::None).named(repository)
        }
        ("POST", ["_snapshot", repository, _, "_restore"]) => {
            alone("es:restore_snapshot", Body::Snapshot).named(repository)
        }
        _ => return None,
    })
}

/// Templates, scripts, pipelines, policies and security.
fn of_rules<'p>(method: &str, segments: &[&'p str]) -> Option<Operation<'p>> {
    const WRITES: [&str; 4] = ["PUT", "POST", "DELETE", "PATCH"];
    let writes = WRITES.contains(&method);
    Some(match (method, segments) {
        ("GET", ["_index_template" | "_component_template" | "_template"]) => {
            alone("es:get_template", Body::None)
        }
        ("GET", ["_index_template" | "_component_template" | "_template", name]) => {
            alone("es:get_template", Body::None).named(name)
        }
        ("PUT" | "POST", ["_index_template" | "_component_template" | "_template", name])
            if !name.starts_with('_') =>
        {
            alone("es:put_template", Body::Template).named(name)
        }
        ("DELETE", ["_index_template" | "_component_template" | "_template", name]) => {
            alone("es:delete_template", Body::None).named(name)
        }
        ("GET", ["_scripts", id]) => alone("es:get_script", Body::None).named(id),
        ("PUT" | "POST", ["_scripts", id] | ["_scripts", id, _]) if *id != "painless" => {
            alone("es:put_script", Body::Any).named(id)
        }
        ("DELETE", ["_scripts", id]) => alone("es:delete_script", Body::None).named(id),
        ("GET", ["_ingest", "pipeline"]) => alone("es:get_pipeline", Body::None),
        ("GET", ["_ingest", "pipeline", id]) if !id.starts_with('_') => {
            alone("es:get_pipeline", Body::None).named(id)
        }
        ("PUT", ["_ingest", "pipeline", id]) => alone("es:put_pipeline", Body::Any).named(id),
        ("DELETE", ["_ingest", "pipeline", id]) => {
            alone("es:delete_pipeline", Body::None).named(id)
        }
        ("GET", ["_enrich", "policy"]) => alone("es:get_pipeline", Body::None),
        ("GET", ["_enrich", "policy", name]) => alone("es:get_pipeline", Body::None).named(name),
        ("PUT", ["_enrich", "policy", name]) => alone("es:put_pipeline", Body::Enrich).named(name),
        ("PUT" | "POST", ["_enrich", "policy", name, "_execute"]) => {
            alone("es:put_pipeline", Body::None).named(name)
        }
        ("DELETE", ["_enrich", "policy", name]) => {
            alone("es:delete_pipeline", Body::None).named(name)
        }
        (
            _,
            ["_security", ..]
            | ["_plugins" | "_opendistro", "_security", ..]
            | ["_xpack", "security", ..],
        ) if writes || method == "GET" => alone("es:security", Body::Any),
        ("GET", ["_ilm" | "_slm", ..] | ["_plugins" | "_opendistro", "_ism", ..]) => {
            alone("es:get_lifecycle", Body::Any)
        }
        (_, ["_ilm" | "_slm", ..] | ["_plugins" | "_opendistro", "_ism", ..]) if writes => {
            alone("es:put_lifecycle", Body::Any)
        }
        (_, ["_ccr", ..]) if writes => alone("es:replicate", Body::Any),
        _ => return None,
    })
}
