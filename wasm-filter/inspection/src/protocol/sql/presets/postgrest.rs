//! PostgREST (<https://docs.postgrest.org/en/stable/references/api.html>): a table is a
//! path, a function is below `/rpc`, and conditions are parameters of the query.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Reading, action_named, method, missing, parameters, unknown};
use crate::facts::{Attributes, Command, Unparsed};

/// Parameters that are no conditions.
const NO_CONDITION: [&str; 6] = ["select", "order", "limit", "offset", "columns", "on_conflict"];

/// The commands of one request.
pub(super) fn commands(request: &Reading<'_>, segments: &[&str]) -> Result<Vec<Command>, Unparsed> {
    let parameters = parameters(request)?;
    let schema = schema(request)?;
    match segments {
        ["rpc", function] if !function.is_empty() => {
            if !matches!(request.head.method, "GET" | "HEAD" | "POST") {
                return Err(method());
            }
            let functions = BTreeSet::from([qualified(schema.as_deref(), function)]);
            let facts = Facts { functions, ..Facts::default() };
            Ok(vec![facts.command("sql:call", String::new())])
        }
        [table] if !table.is_empty() => {
            let has_where = parameters.iter().any(|(name, _)| {
                let base = name.rsplit('.').next().unwrap_or(name);
                !NO_CONDITION.contains(&base) && !name.contains('.')
            });
            let table = qualified(schema.as_deref(), table);
            let embedded = parameters.iter().filter(|(name, _)| name == "select");
            let mut read = BTreeSet::new();
            for (_, select) in embedded {
                read.extend(
                    embedded_in(select)?.iter().map(|name| qualified(schema.as_deref(), name)),
                );
            }
            on_table(request, &table, has_where, read)
        }
        _ => Err(unknown()),
    }
}

fn on_table(
    request: &Reading<'_>,
    table: &str,
    has_where: bool,
    mut read: BTreeSet<String>,
) -> Result<Vec<Command>, Unparsed> {
    let prefer = request.head.header("prefer").unwrap_or_default().to_ascii_lowercase();
    let writes: &[&str] = match request.head.method {
        "GET" | "HEAD" => &[],
        "POST" if prefer.contains("resolution=merge-duplicates") => &["sql:insert", "sql:update"],
        "POST" => &["sql:insert"],
        "PUT" => &["sql:insert", "sql:update"],
        "PATCH" => &["sql:update"],
        "DELETE" => &["sql:delete"],
        _ => return Err(method()),
    };
    if writes.is_empty() || prefer.contains("return=representation") {
        read.insert(table.to_owned());
    }
    let written =
        if writes.is_empty() { BTreeSet::new() } else { BTreeSet::from([table.to_owned()]) };
    let facts = Facts { has_where, read, written, functions: BTreeSet::new() };
    let written = writes.iter().map(|action| facts.command(action, table.to_owned()));
    let read = facts.read.iter().map(|table| facts.command("sql:select", table.clone()));
    Ok(written.chain(read).collect())
}

/// The tables that a `select` embeds: `name(…)`, `alias:name!hint(…)`, `...name(…)`; an
/// aggregate is `column.sum()`.
fn embedded_in(select: &str) -> Result<BTreeSet<String>, Unparsed> {
    let mut found = BTreeSet::new();
    let mut word = String::new();
    for c in select.chars() {
        match c {
            '"' | '\\' => return Err(missing("a name in `select` is quoted")),
            '(' => {
                let name = word.rsplit(':').next().unwrap_or_default().trim_start_matches("...");
                let name = name.split('!').next().unwrap_or_default();
                if !name.contains('.') && !name.is_empty() {
                    found.insert(name.to_owned());
                }
                word.clear();
            }
            ',' | ')' => word.clear(),
            c if c.is_whitespace() => {}
            c => word.push(c),
        }
    }
    Ok(found)
}

/// The schema that a header names, when one does.
fn schema(request: &Reading<'_>) -> Result<Option<String>, Unparsed> {
    let name = match request.head.method {
        "GET" | "HEAD" => "accept-profile",
        _ => "content-profile",
    };
    let Some(schema) = request.head.header(name) else { return Ok(None) };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if schema.is_empty() || !schema.bytes().all(plain) {
        return Err(missing("the header that names the schema is not one plain name"));
    }
    Ok(Some(schema.into_owned()).filter(|schema| schema != "public"))
}

fn qualified(schema: Option<&str>, name: &str) -> String {
    match schema {
        Some(schema) => format!("{schema}.{name}"),
        None => name.to_owned(),
    }
}

#[derive(Default)]
struct Facts {
    has_where: bool,
    read: BTreeSet<String>,
    written: BTreeSet<String>,
    functions: BTreeSet<String>,
}

impl Facts {
    fn command(&self, action: &str, resource: String) -> Command {
        let set = |names: &BTreeSet<String>| names.iter().map(String::as_str).collect::<Value>();
        let attributes = [
            ("has_where", self.has_where.into()),
            ("tables_read", set(&self.read)),
            ("tables_written", set(&self.written)),
            ("functions", set(&self.functions)),
            ("dangerous_functions", Value::Array(Vec::new())),
            ("statements", 1.into()),
        ];
        let attributes: Attributes =
            attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Command { action: action_named(action), resource, attributes }
    }
}
