//! Bodies of lines: bulk requests and many searches in one.

use serde_json::Value;

use super::bodies::{self, indices_of, text};
use super::call::{Call, Object};
use super::malformed;
use super::scan::Found;
use crate::facts::Unparsed;

/// What an action line may say besides.
const ITEM: &[&str] = &[
    "_id",
    "_index",
    "_source",
    "_type",
    "dynamic_templates",
    "if_primary_term",
    "if_seq_no",
    "list_executed_pipelines",
    "op_type",
    "pipeline",
    "require_alias",
    "require_data_stream",
    "retry_on_conflict",
    "routing",
    "version",
    "version_type",
];

/// What the first of two lines of a search may say.
const SEARCH: &[&str] = &[
    "allow_no_indices",
    "allow_partial_search_results",
    "ccs_minimize_roundtrips",
    "expand_wildcards",
    "ignore_throttled",
    "ignore_unavailable",
    "index",
    "indices",
    "preference",
    "request_cache",
    "routing",
    "search_type",
];

/// One command for each action line.
pub(super) fn bulk(call: &mut Call<'_>, default: Option<&str>) -> Result<(), Unparsed> {
    let mut lines = call.lines()?.into_iter();
    let default = default.filter(|index| !index.is_empty());
    let pipeline = call.parameter("pipeline").map(str::to_owned);
    while let Some(line) = lines.next() {
        let (verb, item) = action(line)?;
        known(&item, ITEM)?;
        let index = text(&item, "_index")?.or(default).ok_or_else(|| {
            malformed("an action line names no index and the path does not either")
        })?;
        call.ids(text(&item, "_id")?.map(str::to_owned).into_iter().collect());
        call.unsay("pipeline");
        if let Some(pipeline) = text(&item, "pipeline")?.or(pipeline.as_deref()) {
            call.say("pipeline", pipeline);
        }
        call.unsay("op_type");
        call.say("scripted", false);
        let name = match verb.as_str() {
            "index" | "create" => {
                let op_type = text(&item, "op_type")?.unwrap_or(verb.as_str());
                call.say("op_type", op_type);
                lines.next().ok_or_else(no_source)?;
                "es:index"
            }
            "update" => {
                let source = lines.next().ok_or_else(no_source)?;
                call.say("scripted", source.contains_key("script"));
                "es:update"
            }
            "delete" => "es:delete",
            _ => return Err(malformed("an action line has an action that is not known")),
        };
        one_index(index)?;
        call.on(name, Some(index))?;
    }
    Ok(())
}

/// One search for each pair of lines.
pub(super) fn multi_search(call: &mut Call<'_>, default: Option<&str>) -> Result<(), Unparsed> {
    let mut lines = call.lines()?.into_iter();
    while let Some(header) = lines.next() {
        known(&header, SEARCH)?;
        let indices = match (header.get("index"), header.get("indices")) {
            (Some(_), Some(_)) => return Err(malformed("a search names its indices twice")),
            (Some(value), None) | (None, Some(value)) => indices_of(value)?,
            (None, None) => default.unwrap_or_default().to_owned(),
        };
        let body = lines.next().ok_or_else(|| malformed("a search has no second line"))?;
        let mut found = Found::default();
        bodies::searched(call, &body, &mut found)?;
        let pit = body.contains_key("pit");
        call.on("es:search", if pit { None } else { Some(&indices) })?;
        bodies::looked_up(call, &found)?;
    }
    Ok(())
}

fn action(line: Object) -> Result<(String, Object), Unparsed> {
    let mut members = line.into_iter();
    match (members.next(), members.next()) {
        (Some((verb, Value::Object(item))), None) => Ok((verb, item)),
        _ => Err(malformed("an action line is not one action with an object")),
    }
}

/// An error if the index to be written to is a list or a pattern.
pub(super) fn one_index(index: &str) -> Result<(), Unparsed> {
    if index.is_empty() || index.contains([',', '*']) || index == "_all" {
        return Err(malformed("a document is written to a pattern"));
    }
    Ok(())
}

/// An error if there is a member besides those: the server would refuse it, or read it as
/// something that is not known here.
pub(super) fn known(object: &Object, names: &[&str]) -> Result<(), Unparsed> {
    if object.keys().all(|key| names.contains(&key.as_str())) {
        Ok(())
    } else {
        Err(malformed("an object has a member that is not known"))
    }
}

fn no_source() -> Unparsed {
    malformed("an action line has no document after it")
}
