//! What one statement does: the tables it writes and by which action, the tables
//! it reads, the functions it calls.
//!
//! The whole tree is walked, so that a DELETE in a CTE or a table in a subquery
//! counts. In doubt a name is a table, and a write acts on the service.

mod rows;
mod scopes;
mod targets;

use std::collections::{BTreeSet, HashSet};
use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Ident, InTarget, ObjectName, ObjectNamePart, Query, Select, SetExpr, Statement,
    TableFactor, TableWithJoins, Visitor,
};

use self::scopes::Scopes;
use super::{condition, names};
use crate::facts::Action;
use crate::plan::SqlDialect;

/// What one statement does.
#[derive(Clone, Debug)]
pub(super) struct Effects {
    /// What is written, by which action; the empty name is the service.
    pub(super) written: Vec<(Action, String)>,
    /// The tables that are read.
    pub(super) read: BTreeSet<String>,
    /// The action of the tables that are read.
    pub(super) read_action: Action,
    /// The functions that are called.
    pub(super) functions: BTreeSet<String>,
    /// Whether every UPDATE and DELETE in it has a WHERE that limits it or, where
    /// there is none of them, every SELECT from a table.
    pub(super) has_where: bool,
    /// What it names outside of the database.
    pub(super) external: BTreeSet<&'static str>,
    /// Why what it does cannot be said: a table's name is computed, or it changes how
    /// the next text is read.
    pub(super) refused: Option<&'static str>,
}

/// What `statement` does.
pub(super) fn of(statement: &Statement, dialect: SqlDialect) -> Effects {
    let mut walk = Walk::new(dialect);
    let shown = match statement {
        Statement::Explain { statement: inner, .. } if targets::only_shows(statement) => inner,
        _ => statement,
    };
    super::walk::walk(shown, &mut walk);
    let effects = walk.finish();
    if targets::only_shows(statement) { effects.shown_only() } else { effects }
}

/// The SQL text that a statement has in it as a string and runs.
pub(super) fn text_in(statement: &Statement) -> Option<&str> {
    match statement {
        Statement::Unload { query_text, .. } => query_text.as_deref(),
        Statement::Execute { name: None, parameters, .. } => match parameters.as_slice() {
            [text] => condition::literal_text(text),
            _ => None,
        },
        _ => None,
    }
}

impl Effects {
    /// What a request does that has no SQL text: `action`, on nothing yet.
    pub(super) fn only(name: &str) -> Self {
        Self { read_action: action(name), ..Walk::new(SqlDialect::Generic).finish() }
    }

    /// Writes `table`.
    pub(super) fn writes(&mut self, name: &str, table: String) {
        self.written.push((action(name), table));
    }

    /// The same, explained and not run: it touches what it names and writes nothing.
    pub(super) fn shown_only(mut self) -> Self {
        let written = std::mem::take(&mut self.written);
        self.read.extend(written.into_iter().map(|(_, table)| table).filter(|t| !t.is_empty()));
        self.read_action = action("sql:explain");
        self
    }

    /// Its rows go to a file of the server.
    pub(super) fn writes_file(&mut self) {
        self.external.insert("file");
        self.writes("sql:copy", String::new());
    }
}

/// An action that stands in the vocabulary. A test gives every name that is used
/// here; were one missing all the same, `sql:other` is the strictest.
pub(super) fn action(name: &str) -> Action {
    Action::named(name).unwrap_or(Action::of(&crate::vocabulary::SQL_OTHER))
}

struct Walk {
    dialect: SqlDialect,
    written: Vec<(Action, String)>,
    read: BTreeSet<String>,
    functions: BTreeSet<String>,
    external: BTreeSet<&'static str>,
    refused: Option<&'static str>,
    /// Names that are no reads: the addresses of nodes of the tree that is walked.
    not_read: HashSet<usize>,
    scopes: Scopes,
    /// Whether it has an UPDATE or DELETE, and whether one of them is unlimited.
    limited: Limited,
    /// The same of SELECT.
    selects: Limited,
}

/// Whether statements of a kind were seen, and one of them without a WHERE.
#[derive(Default)]
struct Limited {
    seen: bool,
    unlimited: bool,
}

impl Limited {
    fn see(&mut self, limited: bool) {
        self.seen = true;
        self.unlimited |= !limited;
    }
}

impl Walk {
    fn new(dialect: SqlDialect) -> Self {
        Self {
            dialect,
            written: Vec::new(),
            read: BTreeSet::new(),
            functions: BTreeSet::new(),
            external: BTreeSet::new(),
            refused: None,
            not_read: HashSet::new(),
            scopes: Scopes::default(),
            limited: Limited::default(),
            selects: Limited::default(),
        }
    }

    fn finish(self) -> Effects {
        let limits = if self.limited.seen { &self.limited } else { &self.selects };
        Effects {
            has_where: limits.seen && !limits.unlimited,
            written: self.written,
            read: self.read,
            read_action: action("sql:select"),
            functions: self.functions,
            external: self.external,
            refused: self.refused,
        }
    }

    fn writes(&mut self, action: Action, table: String) {
        if !self.written.iter().any(|(other, name)| *other == action && *name == table) {
            self.written.push((action, table));
        }
    }

    /// This mention of a table is what a statement acts on, and no read.
    fn target(&mut self, name: &ObjectName) {
        self.not_read.insert(address(name));
    }

    fn writes_table(&mut self, action: Action, name: &ObjectName) {
        // A target is no CTE to PostgreSQL, while some databases write through a CTE to
        // the tables in it.
        if self.is_cte(name) {
            self.writes(action, String::new());
        }
        let table = self.name(name);
        self.writes(action, table);
    }

    fn reads_table(&mut self, name: &ObjectName) {
        if !self.is_cte(name) {
            let name = self.name(name);
            self.read.insert(name);
        }
    }

    fn name(&mut self, name: &ObjectName) -> String {
        if name.0.iter().any(|part| matches!(part, ObjectNamePart::Function(_))) {
            self.refused = Some("the name of a table is computed");
        }
        self.external.extend(names::outside(name, self.dialect));
        names::table(name, self.dialect)
    }

    /// `x IN users` reads the table, and `x IN f()` calls the function.
    fn reads_by_in(&mut self, target: &InTarget) {
        match target {
            InTarget::Table { name, args: Some(_) } => {
                self.target(name);
                self.calls(name);
            }
            InTarget::List(items) if self.dialect == SqlDialect::Clickhouse => {
                let parts = match items.as_slice() {
                    [Expr::Identifier(name)] if !self.is_cte_name(name) => vec![name],
                    [Expr::CompoundIdentifier(parts)] => parts.iter().collect(),
                    _ => return,
                };
                self.read.insert(names::of_idents(&parts, self.dialect));
            }
            _ => {}
        }
    }

    fn is_cte(&self, name: &ObjectName) -> bool {
        match name.0.as_slice() {
            [ObjectNamePart::Identifier(used)] => self.is_cte_name(used),
            _ => false,
        }
    }

    fn is_cte_name(&self, used: &Ident) -> bool {
        self.scopes.define(used, self.dialect)
    }

    fn calls(&mut self, name: &ObjectName) {
        let name = names::function(name);
        let computes = matches!(
            self.dialect,
            SqlDialect::Snowflake | SqlDialect::Databricks | SqlDialect::Generic
        );
        if computes && name == "identifier" {
            self.refused = Some("the name of a table is computed");
        }
        self.functions.insert(name);
    }

    /// `TABLE users`, as a query or as part of one: the tree has it as two
    /// identifiers that the walk does not call a relation.
    fn table_commands(&mut self, body: &SetExpr) {
        match body {
            SetExpr::Table(table) => {
                let parts: Vec<_> = table.schema_name.iter().chain(&table.table_name).collect();
                let cte = matches!(parts.as_slice(), [one] if self.is_cte_name(one));
                if !cte {
                    self.read.insert(names::of_idents(&parts, self.dialect));
                    self.selects.see(false);
                }
            }
            SetExpr::SetOperation { left, right, .. } => {
                self.table_commands(left);
                self.table_commands(right);
            }
            _ => {}
        }
    }
}

impl Visitor for Walk {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.scopes.enter(query);
        self.table_commands(&query.body);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.scopes.leave(query);
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        for target in select.into.iter().flat_map(|into| &into.targets) {
            self.creates(target);
        }
        let tables: Vec<_> = factors(&select.from)
            .filter_map(|factor| match factor {
                TableFactor::Table { name, args: None, .. } => Some(name),
                _ => None,
            })
            .filter(|name| !self.is_cte(name))
            .map(Some)
            .collect();
        if !tables.is_empty() {
            let limited = self.limits(select.selection.as_ref(), &tables)
                || self.limits(select.prewhere.as_ref(), &tables);
            self.selects.see(limited);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            // A function in the place of a table.
            TableFactor::Table { name, args: Some(_), .. } => {
                self.target(name);
                self.calls(name);
            }
            TableFactor::Function { name, .. } => self.calls(name),
            TableFactor::SemanticView { name, .. } => self.reads_table(name),
            // Snowflake's TABLE('name') and TABLE($name).
            TableFactor::TableFunction { expr, .. } if !matches!(expr, Expr::Function(_)) => {
                self.refused = Some("the name of a table is computed");
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
        if !self.not_read.contains(&address(name)) {
            self.reads_table(name);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(function) => self.calls(&function.name),
            Expr::In { target, .. } => self.reads_by_in(target),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        match statement {
            Statement::Query(_) => {}
            Statement::Insert(insert) => self.insert(insert),
            Statement::Update(update) => self.update(update),
            Statement::Delete(delete) => self.delete(delete),
            Statement::Merge(merge) => self.merge(merge),
            other => self.other_statement(other),
        }
        ControlFlow::Continue(())
    }
}

/// Every factor of a FROM, through joins in parentheses.
fn factors(from: &[TableWithJoins]) -> impl Iterator<Item = &TableFactor> {
    let mut open: Vec<&TableWithJoins> = from.iter().rev().collect();
    let mut found = Vec::new();
    while let Some(table) = open.pop() {
        for factor in
            std::iter::once(&table.relation).chain(table.joins.iter().map(|j| &j.relation))
        {
            match factor {
                TableFactor::NestedJoin { table_with_joins, .. } => open.push(table_with_joins),
                TableFactor::Pivot { table, .. }
                | TableFactor::Unpivot { table, .. }
                | TableFactor::MatchRecognize { table, .. } => found.push(&**table),
                other => found.push(other),
            }
        }
    }
    found.into_iter()
}

/// Where a node of the tree is: the tree neither moves nor changes while it is
/// walked, so an address names a node.
fn address<T>(node: &T) -> usize {
    std::ptr::from_ref(node).addr()
}
