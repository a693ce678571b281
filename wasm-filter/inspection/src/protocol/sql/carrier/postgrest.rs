//! PostgREST: a table is a path, a condition is a parameter.
//! <https://docs.postgrest.org/en/stable/references/api.html>

use std::collections::BTreeSet;

use super::super::super::path::NormalPath;
use super::super::super::{Reading, RequestHead};
use super::super::Part;
use super::super::effects::Effects;
use super::{Carried, malformed, no_endpoint, query};
use crate::facts::Unparsed;

/// Parameters that are no conditions.
const RESERVED: [&str; 6] = ["select", "order", "limit", "offset", "columns", "on_conflict"];

pub(super) fn read(request: &Reading<'_>) -> Result<Carried, Unparsed> {
    let head = request.head;
    let path = NormalPath::parse(head.path)?;
    let path = path.as_str();
    // Supabase serves it under this path.
    let path = path.strip_prefix("/rest/v1/").or_else(|| path.strip_prefix('/'));
    let segments: Vec<&str> = path.unwrap_or_default().split('/').collect();
    let reads = matches!(head.method, "GET" | "HEAD");
    let effects = match segments.as_slice() {
        [""] if reads => Effects::only("sql:explain"),
        ["rpc", function] if !function.is_empty() && (reads || head.method == "POST") => {
            call(head, function)?
        }
        [table] if !table.is_empty() => resource(head, table)?,
        _ => return Err(no_endpoint()),
    };
    Ok(Carried { parts: vec![Part::Effects(effects)], database: None })
}

fn call(head: &RequestHead<'_>, function: &str) -> Result<Effects, Unparsed> {
    let mut effects = Effects::only("sql:call");
    effects.functions.insert(qualified(head, function)?.to_lowercase());
    let embedded = embedded(&query::parameters(head)?)?;
    if !embedded.is_empty() {
        effects.writes("sql:call", String::new());
        effects.read_action = Effects::only("sql:select").read_action;
        effects.read = embedded;
    }
    Ok(effects)
}

fn resource(head: &RequestHead<'_>, table: &str) -> Result<Effects, Unparsed> {
    let name = qualified(head, table)?;
    let parameters = query::parameters(head)?;
    let prefer = head.header("prefer").unwrap_or_default();
    let mut effects = Effects::only("sql:select");
    effects.read = embedded(&parameters)?;
    let writes: &[&str] = match head.method {
        "GET" | "HEAD" => &[],
        "OPTIONS" => return Ok(Effects::only("sql:explain")),
        "POST" if prefer.contains("resolution=merge-duplicates") => &["sql:insert", "sql:update"],
        "POST" => &["sql:insert"],
        "PUT" => &["sql:insert", "sql:update"],
        "PATCH" => &["sql:update"],
        "DELETE" => &["sql:delete"],
        _ => return Err(no_endpoint()),
    };
    for action in writes {
        effects.writes(action, name.clone());
    }
    let selects = parameters.iter().any(|(key, _)| key == "select");
    if writes.is_empty() || prefer.contains("return=representation") || selects {
        effects.read.insert(name);
    }
    effects.has_where = parameters.iter().any(|(key, value)| limits(key, value));
    Ok(effects)
}

/// The table's name with the schema that a header chooses.
fn qualified(head: &RequestHead<'_>, name: &str) -> Result<String, Unparsed> {
    let header =
        if matches!(head.method, "GET" | "HEAD") { "accept-profile" } else { "content-profile" };
    let quoted = if name.contains(['.', '"']) {
        format!("\"{}\"", name.replace('"', "\"\""))
    } else {
        name.to_owned()
    };
    match head.header(header) {
        Some(schema) if schema.contains(',') => Err(malformed("the request names two schemas")),
        Some(schema) if schema != "public" => Ok([&schema, quoted.as_str()].join(".")),
        _ => Ok(quoted),
    }
}

/// Whether a parameter is a condition on the table's own rows that is not true of all
/// of them. `or=(…)` is not looked into and counts as none.
fn limits(key: &str, value: &str) -> bool {
    if key == "and" || key == "not.or" {
        return true;
    }
    if RESERVED.contains(&key) || key == "or" || key == "not.and" || key.contains('.') {
        return false;
    }
    let all =
        |pattern: &str| !pattern.is_empty() && pattern.bytes().all(|b| b == b'*' || b == b'%');
    let regex = |pattern: &str| ["", ".*", "^", "^.*$", "."].contains(&pattern);
    match value.split_once('.') {
        Some(("like" | "ilike", pattern)) => !all(pattern),
        Some(("match" | "imatch", pattern)) => !regex(pattern),
        Some(_) => true,
        None => false,
    }
}

/// The tables that `select` asks for besides: `select=id,orders(total,items(*))`. The
/// name may be that of a foreign key, which is all that can be known here.
fn embedded(parameters: &[(String, String)]) -> Result<BTreeSet<String>, Unparsed> {
    let mut found = BTreeSet::new();
    for (_, list) in parameters.iter().filter(|(key, _)| key == "select") {
        if list.contains('"') {
            return Err(malformed("the list of columns has a quoted name"));
        }
        let mut pieces = list.split('(').peekable();
        while let Some(piece) = pieces.next() {
            if pieces.peek().is_none() {
                break;
            }
            let name = piece.rsplit([',', ')']).next().unwrap_or_default().trim();
            let name = name.rsplit(':').next().unwrap_or(name);
            let name = name.strip_prefix("...").unwrap_or(name);
            let name = name.split('!').next().unwrap_or(name);
            // `amount.sum()` and `count()` are aggregates.
            let aggregates = pieces.peek().is_some_and(|next| next.starts_with(')'))
                && (name == "count" || name.contains('.'));
            if !aggregates {
                found.insert(name.to_owned());
            }
        }
    }
    Ok(found)
}
