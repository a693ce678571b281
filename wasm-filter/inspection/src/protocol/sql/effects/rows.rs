//! The statements that change rows: INSERT, UPDATE, DELETE and MERGE, and which
//! tables they change.

use sqlparser::ast::{
    Delete, Expr, FromTable, Insert, Merge, ObjectName, ObjectNamePart, OnConflictAction, OnInsert,
    OutputClause, SqliteOnConflict, TableFactor, TableObject, TableWithJoins, Update,
    UpdateTableFromKind,
};

use super::super::{condition, names};
use super::{Walk, action, factors};
use crate::plan::SqlDialect;

impl Walk {
    pub(super) fn insert(&mut self, insert: &Insert) {
        let insert_action = action("sql:insert");
        match &insert.table {
            // Snowflake's INSERT ALL has its targets in clauses only.
            TableObject::TableName(name) if name.0.is_empty() => self.target(name),
            TableObject::TableName(name) => {
                self.target(name);
                if insert.overwrite {
                    self.writes_table(action("sql:truncate"), name);
                }
                self.writes_table(insert_action, name);
                if replaces_rows(insert) {
                    self.writes_table(action("sql:update"), name);
                }
            }
            TableObject::TableFunction(function) => {
                self.calls(&function.name);
                self.writes(insert_action, String::new());
            }
            TableObject::TableQuery(_) => self.writes(insert_action, String::new()),
        }
        let clauses = insert.multi_table_when_clauses.iter().flat_map(|when| &when.into_clauses);
        let clauses = clauses
            .chain(&insert.multi_table_into_clauses)
            .chain(insert.multi_table_else_clause.iter().flatten());
        for clause in clauses {
            self.writes_table(insert_action, &clause.table_name);
        }
        self.output(insert.returning.is_some(), insert.output.as_ref(), &[insert_target(insert)]);
    }

    pub(super) fn update(&mut self, update: &Update) {
        let from = match &update.from {
            Some(UpdateTableFromKind::BeforeSet(from) | UpdateTableFromKind::AfterSet(from)) => {
                from.as_slice()
            }
            None => &[],
        };
        let targets = self.targets(std::slice::from_ref(&update.table), from);
        self.limited.see(self.limits(update.selection.as_ref(), &targets));
        self.dml("sql:update", &targets, update.returning.is_some(), update.output.as_ref());
    }

    pub(super) fn delete(&mut self, delete: &Delete) {
        let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
        let using = delete.using.as_deref().unwrap_or_default();
        let targets = if delete.tables.is_empty() {
            self.targets(from, using)
        } else {
            delete.tables.iter().map(|name| self.unalias(name, from, using)).collect()
        };
        for name in &delete.tables {
            self.target(name);
        }
        self.limited.see(self.limits(delete.selection.as_ref(), &targets));
        self.dml("sql:delete", &targets, delete.returning.is_some(), delete.output.as_ref());
    }

    pub(super) fn merge(&mut self, merge: &Merge) {
        let target = self.factor_target(&merge.table, &[]);
        self.limited.see(false);
        self.dml("sql:merge", &[target], false, merge.output.as_ref());
    }

    /// Whether a WHERE limits the rows of `tables`.
    pub(super) fn limits(&self, selection: Option<&Expr>, tables: &[Option<&ObjectName>]) -> bool {
        let last = |name: &ObjectName| {
            name.0.last().map(|part| names::part_ident(part).value.to_lowercase())
        };
        let tables: Vec<_> = tables.iter().copied().flatten().filter_map(last).collect();
        condition::limits(selection, &tables, self.dialect)
    }

    fn dml(
        &mut self,
        name: &str,
        targets: &[Option<&ObjectName>],
        returning: bool,
        output: Option<&OutputClause>,
    ) {
        let action = action(name);
        if targets.is_empty() {
            self.writes(action, String::new());
        }
        for target in targets {
            match target {
                Some(target) => self.writes_table(action, target),
                None => self.writes(action, String::new()),
            }
        }
        self.output(returning, output, targets);
    }

    /// RETURNING and OUTPUT show the rows, and OUTPUT INTO stores them.
    fn output(
        &mut self,
        returning: bool,
        output: Option<&OutputClause>,
        targets: &[Option<&ObjectName>],
    ) {
        if returning || output.is_some() {
            for target in targets.iter().flatten() {
                self.reads_table(target);
            }
        }
        if let Some(OutputClause::Output { into_table: Some(into), .. }) = output {
            for target in &into.targets {
                self.creates(target);
            }
        }
    }

    /// The target of SELECT INTO.
    pub(super) fn creates(&mut self, target: &Expr) {
        let idents = match target {
            Expr::Identifier(ident) => vec![ident],
            Expr::CompoundIdentifier(idents) => idents.iter().collect(),
            _ => Vec::new(),
        };
        self.writes(action("sql:create"), names::of_idents(&idents, self.dialect));
    }

    /// The tables that an UPDATE or a DELETE of `written` changes: all of a join,
    /// since which of them is only known to who knows the columns.
    fn targets<'s>(
        &mut self,
        written: &'s [TableWithJoins],
        others: &'s [TableWithJoins],
    ) -> Vec<Option<&'s ObjectName>> {
        factors(written).map(|factor| self.factor_target(factor, others)).collect()
    }

    /// The table that a factor names; `None` if it names none.
    fn factor_target<'s>(
        &mut self,
        factor: &'s TableFactor,
        others: &'s [TableWithJoins],
    ) -> Option<&'s ObjectName> {
        match factor {
            TableFactor::Table { name, args: None, .. } => {
                self.target(name);
                self.unalias(name, &[], others)
            }
            _ => None,
        }
    }

    /// `DELETE u FROM users u` writes `users`. In PostgreSQL and SQLite a target
    /// is never an alias.
    fn unalias<'s>(
        &self,
        name: &'s ObjectName,
        from: &'s [TableWithJoins],
        using: &'s [TableWithJoins],
    ) -> Option<&'s ObjectName> {
        if matches!(self.dialect, SqlDialect::Postgresql | SqlDialect::Sqlite) {
            return Some(name);
        }
        let [ObjectNamePart::Identifier(used)] = name.0.as_slice() else {
            return Some(name);
        };
        for factor in factors(from).chain(factors(using)) {
            let (alias, table) = match factor {
                TableFactor::Table { name, alias: Some(alias), args: None, .. } => {
                    (alias, Some(name))
                }
                TableFactor::Derived { alias: Some(alias), .. } => (alias, None),
                _ => continue,
            };
            if alias.name.value.to_lowercase() == used.value.to_lowercase() {
                return table;
            }
        }
        Some(name)
    }
}

/// Whether an INSERT may change rows that are there already.
fn replaces_rows(insert: &Insert) -> bool {
    let replaces = insert.replace_into || matches!(insert.or, Some(SqliteOnConflict::Replace));
    let updates = match &insert.on {
        Some(OnInsert::OnConflict(conflict)) => {
            !matches!(conflict.action, OnConflictAction::DoNothing)
        }
        Some(_) => true,
        None => false,
    };
    replaces || updates
}

fn insert_target(insert: &Insert) -> Option<&ObjectName> {
    match &insert.table {
        TableObject::TableName(name) => Some(name),
        _ => None,
    }
}
