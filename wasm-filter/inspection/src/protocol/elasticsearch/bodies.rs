//! Bodies of one document, and the indices that they name.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::bulk::{known, one_index};
use super::call::{Call, Object};
use super::endpoint::Operation;
use super::index::{self, ALL};
use super::malformed;
use super::query::{restricts, text_restricts};
use super::scan::{Found, scan};
use crate::facts::Unparsed;

/// A search, or a body that can have scripts and queries in it.
pub(super) fn search(call: &mut Call<'_>, operation: &Operation<'_>) -> Result<(), Unparsed> {
    let body = call.optional_object()?;
    let mut found = Found::default();
    searched(call, &body, &mut found)?;
    let index = if body.contains_key("pit") {
        if operation.index.is_some_and(|index| !index.is_empty()) {
            return Err(malformed("a search of a point in time names an index"));
        }
        call.say("pit", true);
        None
    } else {
        operation.index
    };
    call.on(operation.action, index)?;
    looked_up(call, &found)
}

/// Says what a search says of itself.
pub(super) fn searched(
    call: &mut Call<'_>,
    body: &Object,
    found: &mut Found,
) -> Result<(), Unparsed> {
    if call.parameter("q").is_some() && body.contains_key("query") {
        // The one of the URL is taken.
        return Err(malformed("there is a query in the URL and one in the body"));
    }
    for value in body {
        // The members are looked at as those of an object in `scan`.
        let object: Object = [(value.0.clone(), value.1.clone())].into_iter().collect();
        scan(&Value::Object(object), found)?;
    }
    call.say("scripted", found.scripted);
    size(call, body, "size")
}

fn size(call: &mut Call<'_>, body: &Object, name: &str) -> Result<(), Unparsed> {
    let url = match call.parameter(name).map(str::parse::<i64>) {
        None => None,
        Some(Ok(size)) => Some(size),
        Some(Err(_)) => return Err(malformed("a size is not a number")),
    };
    let own = match body.get(name) {
        None => None,
        Some(size) => Some(size.as_i64().ok_or_else(|| malformed("a size is not a number"))?),
    };
    if url.is_some() && own.is_some() && url != own {
        return Err(malformed("the URL and the body say two sizes"));
    }
    match url.or(own) {
        Some(size) => call.say("size", size),
        None => call.unsay("size"),
    }
    Ok(())
}

/// A command for each index that a document is looked up in.
pub(super) fn looked_up(call: &mut Call<'_>, found: &Found) -> Result<(), Unparsed> {
    if found.lookups.is_empty() {
        return Ok(());
    }
    call.say("lookup", true);
    for index in &found.lookups {
        call.on("es:get", Some(index))?;
    }
    call.unsay("lookup");
    Ok(())
}

pub(super) fn by_query(call: &mut Call<'_>, operation: &Operation<'_>) -> Result<(), Unparsed> {
    let body = call.optional_object()?;
    let mut found = Found::default();
    searched(call, &body, &mut found)?;
    size(
        call,
        &body,
        if body.contains_key("max_docs") || call.parameter("max_docs").is_some() {
            "max_docs"
        } else {
            "size"
        },
    )?;
    let narrow = match (call.parameter("q"), body.get("query")) {
        (Some(text), _) => text_restricts(text),
        (None, query) => query.is_some_and(restricts),
    };
    call.say("query_all", !narrow);
    call.on(operation.action, operation.index)?;
    call.unsay("query_all");
    looked_up(call, &found)
}

pub(super) fn update(call: &mut Call<'_>, operation: &Operation<'_>) -> Result<(), Unparsed> {
    let body = call.object()?;
    call.say("scripted", body.contains_key("script"));
    call.on(operation.action, operation.index)
}

pub(super) fn multi_get(call: &mut Call<'_>, default: Option<&str>) -> Result<(), Unparsed> {
    const DOCUMENT: &[&str] = &[
        "_id",
        "_index",
        "_routing",
        "_source",
        "_type",
        "routing",
        "stored_fields",
        "version",
        "version_type",
    ];
    let body = call.object()?;
    known(&body, &["docs", "ids"])?;
    let default = default.filter(|index| !index.is_empty());
    let mut wanted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut want = |index: Option<&str>, id: Option<&str>| {
        let index = index.or(default).ok_or_else(|| malformed("a document is of no index"))?;
        let id = id.ok_or_else(|| malformed("a document has no id"))?;
        wanted.entry(index.to_owned()).or_default().insert(id.to_owned());
        Ok::<(), Unparsed>(())
    };
    for document in list_in(&body, "docs")? {
        match document {
            Value::Object(document) => {
                known(document, DOCUMENT)?;
                want(text(document, "_index")?, text(document, "_id")?)?;
            }
            document => want(None, document.as_str())?,
        }
    }
    for id in list_in(&body, "ids")? {
        want(None, id.as_str())?;
    }
    for (index, ids) in wanted {
        call.ids(ids);
        call.on("es:get", Some(&index))?;
    }
    Ok(())
}

/// Reads the indices of `source` and writes the one of `dest`. A script can send documents
/// to any other one.
pub(super) fn reindex(call: &mut Call<'_>) -> Result<(), Unparsed> {
    let body = call.object()?;
    known(&body, &["conflicts", "dest", "max_docs", "script", "size", "source"])?;
    let source = object_in(&body, "source")?;
    if source.contains_key("remote") {
        return Err(malformed("documents are taken from another cluster"));
    }
    let dest = object_in(&body, "dest")?;
    known(dest, &["index", "op_type", "pipeline", "routing", "type", "version_type"])?;
    let from = source.get("index").ok_or_else(|| malformed("a source names no index"))?;
    let into = text(dest, "index")?.ok_or_else(|| malformed("a destination names no index"))?;
    let mut found = Found::default();
    for (key, value) in source {
        if key != "index" {
            scan(&Value::Object([(key.clone(), value.clone())].into_iter().collect()), &mut found)?;
        }
    }
    let scripted = body.contains_key("script");
    call.say("scripted", scripted || found.scripted);
    size(call, &body, "max_docs")?;
    call.on("es:search", Some(&indices_of(from)?))?;
    looked_up(call, &found)?;
    for name in ["pipeline", "op_type"] {
        if let Some(value) = text(dest, name)? {
            call.say(name, value);
        }
    }
    one_index(into)?;
    call.on("es:reindex", Some(into))?;
    if scripted { call.on("es:reindex", Some(ALL)) } else { Ok(()) }
}

pub(super) fn aliases(call: &mut Call<'_>) -> Result<(), Unparsed> {
    let body = call.object()?;
    known(&body, &["actions"])?;
    for action in list_in(&body, "actions")? {
        let mut members = action.as_object().into_iter().flatten();
        let (Some((verb, Value::Object(action))), None) = (members.next(), members.next()) else {
            return Err(malformed("an action on aliases is not one action with an object"));
        };
        let indices = one_of(action, "index", "indices")?;
        let indices = indices.ok_or_else(|| malformed("an action on aliases names no index"))?;
        let aliases = one_of(action, "alias", "aliases")?;
        let name = match verb.as_str() {
            "add" => "es:put_alias",
            "remove" => "es:delete_alias",
            "remove_index" => {
                call.unsay("aliases");
                call.on("es:delete_index", Some(&indices))?;
                continue;
            }
            _ => return Err(malformed("an action on aliases is not known")),
        };
        let aliases = aliases.ok_or_else(|| malformed("an action on aliases names no alias"))?;
        aliased(call, name, &indices, &aliases, action)?;
    }
    Ok(())
}

/// An alias in the path; a body that names another one, or another index, is taken
/// instead of the path by the server.
pub(super) fn alias(call: &mut Call<'_>, operation: &Operation<'_>) -> Result<(), Unparsed> {
    let body = call.optional_object()?;
    if ["index", "indices", "alias", "aliases", "name"].iter().any(|key| body.contains_key(*key)) {
        return Err(malformed("the body names an index or an alias, as the path does"));
    }
    let (index, name) = (operation.index.unwrap_or_default(), operation.name.unwrap_or_default());
    aliased(call, operation.action, index, name, &body)
}

/// What reads or writes an alias does it to the index, so both are meant.
fn aliased(
    call: &mut Call<'_>,
    action: &str,
    indices: &str,
    aliases: &str,
    body: &Object,
) -> Result<(), Unparsed> {
    let mut found = Found::default();
    if let Some(filter) = body.get("filter") {
        scan(filter, &mut found)?;
    }
    call.say("scripted", found.scripted);
    let names = index::list(aliases)?;
    let set: BTreeSet<String> = names.iter().map(|alias| alias.name.clone()).collect();
    call.say("aliases", set.into_iter().collect::<Vec<_>>());
    call.on(action, Some(indices))?;
    call.on_each(action, Some(&names))?;
    looked_up(call, &found)
}

/// A new index, with aliases and a mapping.
pub(super) fn create(call: &mut Call<'_>, operation: &Operation<'_>) -> Result<(), Unparsed> {
    let body = call.optional_object()?;
    let mut found = Found::default();
    let index = operation.index.unwrap_or_default();
    scan(body.get("mappings").unwrap_or(&Value::Null), &mut found)?;
    call.say("scripted", found.scripted);
    call.on(operation.action, Some(index))?;
    looked_up(call, &found)?;
    aliases_of(call, &body, index)
}

fn aliases_of(call: &mut Call<'_>, body: &Object, index: &str) -> Result<(), Unparsed> {
    match body.get("aliases") {
        None => Ok(()),
        Some(Value::Object(aliases)) => aliases.iter().try_for_each(|(alias, body)| {
            one_index(alias)?;
            let body = body.as_object().cloned().unwrap_or_default();
            aliased(call, "es:put_alias", index, alias, &body)
        }),
        Some(_) => Err(malformed("`aliases` is not an object")),
    }
}

/// A new index with the documents, or in the place, of another one.
pub(super) fn resize(call: &mut Call<'_>, operation: &Operation<'_>) -> Result<(), Unparsed> {
    let body = call.optional_object()?;
    let target = operation.name.unwrap_or_default();
    one_index(target)?;
    call.on("es:search", operation.index)?;
    call.on(operation.action, Some(target))?;
    aliases_of(call, &body, target)
}

pub(super) fn template(call: &mut Call<'_>, operation: &Operation<'_>) -> Result<(), Unparsed> {
    let body = call.object()?;
    let mut found = Found::default();
    scan(body.get("template").unwrap_or(&Value::Null), &mut found)?;
    scan(body.get("mappings").unwrap_or(&Value::Null), &mut found)?;
    call.say("scripted", found.scripted);
    let patterns = one_of(&body, "index_patterns", "template_patterns")?;
    call.on(operation.action, patterns.as_deref())?;
    looked_up(call, &found)?;
    // Indices that are yet to be made get these aliases.
    let patterns = patterns.unwrap_or_else(|| ALL.to_owned());
    aliases_of(call, &body, &patterns)?;
    match body.get("template").and_then(Value::as_object) {
        None => Ok(()),
        Some(template) => aliases_of(call, template, &patterns),
    }
}

/// A snapshot or its restoration: of every index when none is named.
pub(super) fn snapshot(call: &mut Call<'_>, operation: &Operation<'_>) -> Result<(), Unparsed> {
    let body = call.optional_object()?;
    let indices = one_of(&body, "indices", "index")?.unwrap_or_default();
    call.on(operation.action, Some(&indices))?;
    // What the renamed ones are called depends on the snapshot.
    let renamed = body.contains_key("rename_pattern") || body.contains_key("rename_replacement");
    if renamed { call.on(operation.action, Some(ALL)) } else { Ok(()) }
}

/// A policy that copies documents of its indices into those that a pipeline sees.
pub(super) fn enrich(call: &mut Call<'_>, operation: &Operation<'_>) -> Result<(), Unparsed> {
    let body = call.object()?;
    let mut found = Found::default();
    call.on(operation.action, None)?;
    for policy in body.values() {
        let policy = policy.as_object().ok_or_else(|| malformed("a policy is not an object"))?;
        scan(policy.get("query").unwrap_or(&Value::Null), &mut found)?;
        let indices = policy.get("indices").ok_or_else(|| malformed("a policy has no index"))?;
        call.on("es:search", Some(&indices_of(indices)?))?;
    }
    looked_up(call, &found)
}

/// A list of indices: a string with commas, or a list of such.
pub(super) fn indices_of(value: &Value) -> Result<String, Unparsed> {
    match value {
        Value::String(text) if !text.is_empty() => Ok(text.clone()),
        Value::Array(items) if !items.is_empty() => {
            let items: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
            let items = items.filter(|items| items.iter().all(|item| !item.is_empty()));
            items
                .map(|items| items.join(","))
                .ok_or_else(|| malformed("a list of indices is not one of strings"))
        }
        _ => Err(malformed("indices are neither a string nor a list with something in it")),
    }
}

/// The one of two members that is there.
fn one_of(object: &Object, name: &str, other: &str) -> Result<Option<String>, Unparsed> {
    match (object.get(name), object.get(other)) {
        (None, None) => Ok(None),
        (Some(value), None) | (None, Some(value)) => indices_of(value).map(Some),
        _ => Err(malformed(format!("both `{name}` and `{other}` are there, which are one"))),
    }
}

/// The string of that name, with something in it.
pub(super) fn text<'o>(object: &'o Object, name: &str) -> Result<Option<&'o str>, Unparsed> {
    match object.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
        Some(_) => Err(malformed(format!("`{name}` is not a string with something in it"))),
    }
}

fn object_in<'o>(object: &'o Object, name: &str) -> Result<&'o Object, Unparsed> {
    object
        .get(name)
        .and_then(Value::as_object)
        .ok_or_else(|| malformed(format!("`{name}` is not an object")))
}

fn list_in<'o>(object: &'o Object, name: &str) -> Result<&'o [Value], Unparsed> {
    match object.get(name) {
        None => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(malformed(format!("`{name}` is not a list"))),
    }
}
