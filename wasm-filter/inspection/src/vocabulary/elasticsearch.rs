//! The Elasticsearch and OpenSearch REST API.

use super::AttributeKind::{Bool, Long, Text, TextSet};
use super::{ActionGroup, ActionSpec, Family, ResourceKind, group, optional, required};

/// Attributes of these commands.
pub(super) static ELASTICSEARCH: Family = Family {
    name: "es",
    attributes: &[
        required("method", Text, "The request method."),
        required("path", Text, "The path without its query, decoded."),
        required(
            "wildcard",
            Bool,
            "Whether the index is a pattern: it has `*`, or is `*`, which also stands for `_all` and for no index.",
        ),
        required(
            "date_math",
            Bool,
            "Whether a part of the name is computed from the date; it is `*` in the resource, and `wildcard` then.",
        ),
        required("scripted", Bool, "Whether there is a script in the request, or what may be one."),
        optional(
            "index",
            Text,
            "The index, as the resource has it, to compare by `like`; absent when the command is on the service.",
        ),
        optional("indices", TextSet, "The indices of the list that the index is in."),
        optional("cluster", Text, "The other cluster that the index is on, or a pattern of them."),
        optional("id", Text, "The document, when it is one and named."),
        optional("ids", TextSet, "The documents that are named."),
        optional(
            "op_type",
            Text,
            "`create` when a document that is there is not replaced, or `index`, if the request says so.",
        ),
        optional("pipeline", Text, "The ingest pipeline that the request names."),
        optional(
            "query_all",
            Bool,
            "For `es:delete_by_query` and `es:update_by_query`: true unless the query is seen to leave documents out.",
        ),
        optional("size", Long, "The most hits, or documents, that are asked for."),
        optional("pit", Bool, "True for a search of a point in time, which names no index."),
        optional("lookup", Bool, "True for a document that a query looks up in this index."),
        optional(
            "aliases",
            TextSet,
            "The aliases that are set or removed; a command on each of them besides those on the indices.",
        ),
        optional(
            "name",
            Text,
            "What else the path names: the alias, new index, template, repository, script, pipeline or policy.",
        ),
    ],
};

/// The groups of these actions.
pub(super) static GROUPS: &[ActionGroup] = &[
    group(
        "es:read",
        &["read"],
        "Requests that read documents, indices or the state of the cluster.",
    ),
    group("es:write", &["write"], "Requests that write documents."),
    group(
        "es:admin",
        &["write"],
        "Requests that change indices, settings or the cluster, or concern its security.",
    ),
];

/// The actions.
pub(super) static ACTIONS: &[ActionSpec] = &[
    read("es:search", "Searches an index; also the source of a reindex, and each search of many."),
    read("es:count", "Counts the documents of a query."),
    read("es:explain", "Explains or validates a query."),
    read("es:field_caps", "The fields of an index."),
    read("es:get", "Reads documents by id, also those that a query looks up."),
    read("es:analyze", "Analyses a text."),
    read("es:scroll", "Goes on with a search, whose indices are not named."),
    read("es:clear_scroll", "Ends a search, or a point in time."),
    read("es:open_pit", "Opens a point in time."),
    read("es:get_index", "Looks at an index: its mapping, settings, aliases, statistics."),
    read("es:monitor", "Looks at the cluster, its nodes and tasks."),
    read("es:get_template", "Looks at templates."),
    read("es:get_script", "Reads a stored script."),
    read("es:get_pipeline", "Looks at ingest pipelines and enrich policies."),
    read("es:get_lifecycle", "Looks at lifecycle policies."),
    read("es:get_snapshot", "Looks at repositories and snapshots."),
    write("es:index", "Stores a document, also as an item of a bulk request."),
    write("es:update", "Changes a document."),
    write("es:delete", "Deletes a document."),
    write("es:delete_by_query", "Deletes the documents of a query."),
    write("es:update_by_query", "Changes the documents of a query."),
    write("es:reindex", "Copies documents into this index; with a script also into `*`."),
    write("es:refresh", "Makes what was written visible to searches."),
    admin("es:maintain", "Flushes, merges or clears the cache of an index."),
    admin("es:create_index", "Makes an index or data stream, also from another one."),
    admin("es:delete_index", "Deletes an index or data stream."),
    admin("es:open_index", "Opens an index."),
    admin("es:close_index", "Closes an index."),
    admin("es:put_alias", "Sets an alias; a command on the index, and one on the alias."),
    admin("es:delete_alias", "Removes an alias; a command on the index, and one on the alias."),
    admin("es:put_mapping", "Changes a mapping."),
    admin("es:put_settings", "Changes the settings or blocks of an index."),
    admin("es:put_template", "Sets a template, for the patterns of indices that it has."),
    admin("es:delete_template", "Deletes a template."),
    admin("es:put_script", "Stores a script."),
    admin("es:delete_script", "Deletes a stored script."),
    admin("es:put_pipeline", "Sets an ingest pipeline or enrich policy."),
    admin("es:delete_pipeline", "Deletes an ingest pipeline or enrich policy."),
    admin("es:put_lifecycle", "Changes lifecycle policies, or what they are applied to."),
    admin("es:put_repository", "Sets, verifies or cleans a repository of snapshots."),
    admin("es:delete_repository", "Removes a repository of snapshots."),
    admin("es:create_snapshot", "Takes a snapshot of an index."),
    admin("es:delete_snapshot", "Deletes a snapshot."),
    admin("es:restore_snapshot", "Restores an index; when it is renamed also `*`."),
    admin("es:cancel_task", "Cancels tasks, or changes their pace."),
    admin("es:put_cluster_settings", "Changes the settings of the cluster."),
    admin("es:manage_cluster", "Moves shards, or changes which nodes take part."),
    admin("es:replicate", "Changes replication from another cluster."),
    admin("es:security", "Users, roles, keys and tokens, also to look at them."),
];

const fn read(name: &'static str, doc: &'static str) -> ActionSpec {
    es(name, &["es:read"], doc)
}

const fn write(name: &'static str, doc: &'static str) -> ActionSpec {
    es(name, &["es:write"], doc)
}

const fn admin(name: &'static str, doc: &'static str) -> ActionSpec {
    es(name, &["es:admin"], doc)
}

const fn es(name: &'static str, parents: &'static [&'static str], doc: &'static str) -> ActionSpec {
    ActionSpec { name, parents, resource: ResourceKind::Index, family: &ELASTICSEARCH, doc }
}
