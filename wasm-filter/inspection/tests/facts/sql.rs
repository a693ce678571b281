//! SQL statements.

use std::collections::BTreeSet;

use chaperone_inspection::facts::{Command, Facts};
use chaperone_inspection::plan::{Limits, ProtocolPlan, SqlCarrier, SqlDialect, SqlPlan};
use chaperone_inspection::protocol::inspect_body;
use serde::Deserialize;
use serde_json::Value;

use crate::{cases, code, conform, head};

#[derive(Deserialize)]
struct SqlCase {
    case: String,
    dialect: Option<SqlDialect>,
    sql: String,
    #[serde(flatten)]
    facts: SqlFacts,
}

/// Facts in short: `<action> <table>` of each command, the tables and functions of
/// all of them together, and whether any of them has a WHERE.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SqlFacts {
    commands: Vec<String>,
    reads: BTreeSet<String>,
    writes: BTreeSet<String>,
    functions: BTreeSet<String>,
    dangerous: BTreeSet<String>,
    external: BTreeSet<String>,
    has_where: bool,
    /// When it is not one.
    statements: Option<Value>,
    /// The database that the request, and not the text, names.
    database: Option<Value>,
    unparsed: Option<String>,
}

impl SqlFacts {
    pub(crate) fn of(facts: &Facts) -> Self {
        let attribute = |name| facts.commands.iter().map(move |c| c.attributes[name].clone());
        let union = |name| {
            let sets = attribute(name).map(|set| serde_json::from_value(set).unwrap());
            sets.flat_map(|set: Vec<String>| set).collect()
        };
        let in_short = |c: &Command| format!("{} {}", c.action.name(), c.resource);
        Self {
            commands: facts.commands.iter().map(in_short).collect(),
            reads: union("tables_read"),
            writes: union("tables_written"),
            functions: union("functions"),
            dangerous: union("dangerous_functions"),
            external: union("external"),
            has_where: attribute("has_where").any(|has| has == true),
            statements: attribute("statements").next().filter(|count| *count != 1),
            database: facts.commands.iter().find_map(|c| c.attributes.get("database").cloned()),
            unparsed: code(facts),
        }
    }
}

#[test]
fn sql_makes_the_facts_that_were_reviewed() {
    let mut wrong = Vec::new();
    for case in cases::<SqlCase>("sql", 400) {
        let dialect = case.dialect.unwrap_or(SqlDialect::Generic);
        let plan = ProtocolPlan::Sql(SqlPlan::new(dialect, SqlCarrier::Body));
        let head = head("POST", "/sql", &[("content-type", "application/sql")]);
        let facts = inspect_body(&plan, &Limits::default(), &head, case.sql.as_bytes());
        conform(&facts);
        let actual = SqlFacts::of(&facts);
        if actual != case.facts {
            let unparsed = facts.unparsed.map_or(String::new(), |unparsed| unparsed.detail);
            wrong.push(format!("{}: {unparsed}\n  {:?}\n  {actual:?}", case.case, case.facts));
        }
    }
    assert!(wrong.is_empty(), "expected, then found:\n{}", wrong.join("\n"));
}
