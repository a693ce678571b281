//! One request: what the path and the query say, the body, and the commands so far.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::super::path::NormalPath;
use super::super::{Reading, content, query};
use super::endpoint::Operation;
use super::index::{self, Index};
use super::malformed;
use crate::facts::{Action, Attributes, Command, Unparsed, UnparsedCode};
use crate::json::document;

/// The parameters that leave the path and the body what they are. The server puts those of
/// the query and the parts of the path in one map, so that `/_search?index=secret` is a
/// search of `secret`; it does not take those that it does not know either.
const PARAMETERS: &[&str] = &[
    "_source",
    "_source_excludes",
    "_source_includes",
    "actions",
    "allow_no_indices",
    "allow_partial_pit_results",
    "allow_partial_search_results",
    "analyze_wildcard",
    "analyzer",
    "batched_reduce_size",
    "bytes",
    "cancel_after_time_interval",
    "cause",
    "ccs_minimize_roundtrips",
    "cluster_manager_timeout",
    "completion_fields",
    "conflicts",
    "copy_settings",
    "create",
    "default_operator",
    "detailed",
    "df",
    "docvalue_fields",
    "dry_run",
    "error_trace",
    "expand_wildcards",
    "explain",
    "fielddata",
    "fielddata_fields",
    "fields",
    "filter_path",
    "filters",
    "flat_settings",
    "flush",
    "force",
    "format",
    "from",
    "group_by",
    "groups",
    "h",
    "help",
    "human",
    "if_primary_term",
    "if_seq_no",
    "ignore_throttled",
    "ignore_unavailable",
    "include_defaults",
    "include_global_state",
    "include_named_queries_score",
    "include_segment_file_sizes",
    "include_unloaded_segments",
    "include_unmapped",
    "interval",
    "keep_alive",
    "keep_on_completion",
    "lenient",
    "level",
    "local",
    "master_timeout",
    "max_concurrent_searches",
    "max_concurrent_shard_requests",
    "max_docs",
    "max_num_segments",
    "nodes",
    "only_expunge_deletes",
    "op_type",
    "order",
    "parent_task_id",
    "phase_took",
    "pipeline",
    "pre_filter_shard_size",
    "preference",
    "preserve_existing",
    "pretty",
    "q",
    "realtime",
    "refresh",
    "reopen",
    "request",
    "request_cache",
    "requests_per_second",
    "require_alias",
    "require_data_stream",
    "rest_total_hits_as_int",
    "retry_on_conflict",
    "routing",
    "run_expensive_tasks",
    "s",
    "scroll",
    "scroll_id",
    "scroll_size",
    "search_timeout",
    "search_type",
    "seq_no_primary_term",
    "size",
    "slices",
    "sort",
    "stats",
    "stored_fields",
    "terminate_after",
    "threads",
    "time",
    "timeout",
    "track_scores",
    "track_total_hits",
    "typed_keys",
    "v",
    "verbose",
    "verify",
    "version",
    "version_type",
    "wait_for_active_shards",
    "wait_for_completion",
    "wait_for_completion_timeout",
    "wait_for_events",
    "wait_for_no_initializing_shards",
    "wait_for_no_relocating_shards",
    "wait_for_nodes",
    "wait_for_status",
    "wait_if_ongoing",
    "write_index_only",
];

pub(super) type Object = Map<String, Value>;

/// One request.
pub(super) struct Call<'a> {
    request: &'a Reading<'a>,
    /// The segments of the path, decoded, without an empty last one.
    pub(super) segments: Vec<String>,
    parameters: BTreeMap<String, String>,
    /// What every command says.
    shared: Attributes,
    commands: Vec<Command>,
}

impl<'a> Call<'a> {
    pub(super) fn of(request: &'a Reading<'a>) -> Result<Self, Unparsed> {
        let path = NormalPath::parse(request.head.path)?;
        let below = path.as_str().trim_matches('/');
        let segments = below.split('/').filter(|part| !part.is_empty()).map(str::to_owned);
        let mut shared = Attributes::new();
        shared.insert("method".to_owned(), Value::from(request.head.method));
        shared.insert("path".to_owned(), Value::from(path.as_str()));
        shared.insert("scripted".to_owned(), Value::from(false));
        Ok(Self {
            request,
            segments: segments.collect(),
            parameters: parameters(request.head.query())?,
            shared,
            commands: Vec::new(),
        })
    }

    /// Writes what the endpoint and the query say of every command.
    pub(super) fn describe(&mut self, operation: &Operation<'_>) -> Result<(), Unparsed> {
        if let Some(id) = operation.id {
            self.ids([id.to_owned()].into());
        }
        if let Some(name) = operation.name {
            self.say("name", name);
        }
        for name in ["pipeline", "op_type"] {
            if let Some(value) = self.parameters.get(name) {
                self.shared.insert(name.to_owned(), Value::from(value.as_str()));
            }
        }
        if let Some(op_type) = operation.op_type {
            if self.parameter("op_type").is_some_and(|said| said != op_type) {
                return Err(malformed("the path and the query say two `op_type`s"));
            }
            self.say("op_type", op_type);
        }
        Ok(())
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// An attribute of every command from here on.
    pub(super) fn say(&mut self, name: &str, value: impl Into<Value>) {
        self.shared.insert(name.to_owned(), value.into());
    }

    pub(super) fn unsay(&mut self, name: &str) {
        self.shared.remove(name);
    }

    /// The documents that are meant from here on.
    pub(super) fn ids(&mut self, ids: BTreeSet<String>) {
        self.unsay("id");
        self.unsay("ids");
        if let (Some(id), 1) = (ids.first(), ids.len()) {
            self.shared.insert("id".to_owned(), Value::from(id.as_str()));
        }
        if !ids.is_empty() {
            self.say("ids", ids.into_iter().collect::<Vec<_>>());
        }
    }

    /// Adds a command for each index of a list; for none, one on the service.
    pub(super) fn on(&mut self, action: &str, indices: Option<&str>) -> Result<(), Unparsed> {
        let indices = indices.map(index::list).transpose()?;
        self.on_each(action, indices.as_deref())
    }

    pub(super) fn on_each(
        &mut self,
        action: &str,
        indices: Option<&[Index]>,
    ) -> Result<(), Unparsed> {
        let Some(indices) = indices else { return self.push(action, None, &[]) };
        let names: BTreeSet<&str> = indices.iter().map(|index| index.name.as_str()).collect();
        let names: Vec<&str> = names.into_iter().collect();
        indices.iter().try_for_each(|index| self.push(action, Some(index), &names))
    }

    fn push(&mut self, action: &str, on: Option<&Index>, all: &[&str]) -> Result<(), Unparsed> {
        // Every name given here stands in the vocabulary; a test holds that.
        let action = Action::named(action).ok_or_else(|| {
            Unparsed::new(UnparsedCode::EndpointUnknown, "the endpoint is not in the vocabulary")
        })?;
        let mut attributes = self.shared.clone();
        let mut say = |name: &str, value: Value| drop(attributes.insert(name.to_owned(), value));
        say("wildcard", Value::from(on.is_some_and(|index| index.wildcard)));
        say("date_math", Value::from(on.is_some_and(|index| index.date_math)));
        if let Some(index) = on {
            say("index", Value::from(index.name.as_str()));
            say("indices", Value::from(all.to_vec()));
            if let Some((cluster, _)) = index.name.split_once(':') {
                say("cluster", Value::from(cluster));
            }
        }
        let resource = on.map(|index| index.name.clone()).unwrap_or_default();
        let command = Command { action, resource, attributes };
        if !self.commands.contains(&command) {
            self.commands.push(command);
        }
        if self.commands.len() > self.request.limits.commands {
            return Err(Unparsed::new(
                UnparsedCode::TooManyCommands,
                "the request makes more commands than the limit",
            ));
        }
        Ok(())
    }

    pub(super) fn into_commands(self) -> Vec<Command> {
        self.commands
    }

    /// An error if there is a body.
    pub(super) fn no_body(&self) -> Result<(), Unparsed> {
        if self.request.body.is_empty() {
            Ok(())
        } else {
            Err(malformed("the endpoint takes no body and there is one"))
        }
    }

    /// The body; none when it is empty.
    pub(super) fn json(&self) -> Result<Option<Value>, Unparsed> {
        if self.request.body.is_empty() {
            return Ok(None);
        }
        let media_type = content::media_type(self.request.head)?;
        if !matches!(media_type.as_str(), "application/json" | "application/vnd.elasticsearch+json")
        {
            return Err(content::unexpected("the content type is not `application/json`"));
        }
        document::parse(self.request.body, self.request.limits.depth).map(Some)
    }

    /// The body, which has to be an object.
    pub(super) fn object(&self) -> Result<Object, Unparsed> {
        match self.json()? {
            None => Err(content::missing()),
            Some(Value::Object(object)) => Ok(object),
            Some(_) => Err(malformed("the body is not an object")),
        }
    }

    /// The body, which has to be an object if there is one.
    pub(super) fn optional_object(&self) -> Result<Object, Unparsed> {
        if self.request.body.is_empty() { Ok(Map::new()) } else { self.object() }
    }

    /// The objects of the lines, each of which ends with a line feed: what comes after the
    /// last one is not read by the server, and an empty line is by some.
    pub(super) fn lines(&self) -> Result<Vec<Object>, Unparsed> {
        let media_type = content::media_type(self.request.head)?;
        if !matches!(
            media_type.as_str(),
            "application/x-ndjson"
                | "application/json"
                | "application/vnd.elasticsearch+x-ndjson"
                | "application/vnd.elasticsearch+json"
        ) {
            return Err(content::unexpected("the content type is not `application/x-ndjson`"));
        }
        if self.request.body.is_empty() {
            return Err(content::missing());
        }
        let Some(body) = self.request.body.strip_suffix(b"\n") else {
            return Err(malformed("the last line does not end with a line feed"));
        };
        let line = |line: &[u8]| match document::parse(line, self.request.limits.depth)? {
            Value::Object(object) => Ok(object),
            _ => Err(malformed("a line is not an object")),
        };
        body.split(|&byte| byte == b'\n').map(line).collect()
    }
}

fn parameters(query: &str) -> Result<BTreeMap<String, String>, Unparsed> {
    let list = query::parameters(query)
        .ok_or_else(|| malformed("the query can be read in more than one way"))?;
    let mut parameters = BTreeMap::new();
    for (name, value) in list {
        if !PARAMETERS.contains(&name.as_str()) {
            return Err(malformed(
                "the query has a parameter that is a part of the path, a body, or not known",
            ));
        }
        if parameters.insert(name, value).is_some() {
            return Err(malformed("the query has a parameter more than once"));
        }
    }
    Ok(parameters)
}
