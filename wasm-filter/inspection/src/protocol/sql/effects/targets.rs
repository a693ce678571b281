//! Statements other than the four that change rows: their actions and what they
//! act on. What is not named here is `sql:other`, an act of administration.

use sqlparser::ast::{
    AlterTableOperation, CopySource, CopyTarget, CreateTable, CreateTableLikeKind,
    CreateTableOptions, Expr, Function, ObjectName, ObjectType, RenameTableNameKind, Reset,
    ResetStatement, Set, SqlOption, Statement, Use, UtilityOption, Value,
};

use super::super::dangerous::EXECUTE_IMMEDIATE;
use super::super::names;
use super::{Walk, action};
use crate::plan::SqlDialect;

const READS_DIFFERENTLY: &str = "a setting would change how the next SQL text is read";

/// Whether an EXPLAIN runs what it explains.
pub(super) fn explain_executes(statement: &Statement) -> bool {
    let Statement::Explain { analyze, options, .. } = statement else { return false };
    *analyze || options.iter().flatten().any(asks_to_analyze)
}

/// Whether a statement shows what tables are made of or how it would be run, and
/// reads no row.
pub(super) fn only_shows(statement: &Statement) -> bool {
    match statement {
        Statement::Explain { .. } => !explain_executes(statement),
        Statement::ExplainTable { .. }
        | Statement::ShowCreate { .. }
        | Statement::ShowColumns { .. }
        | Statement::ShowFunctions { .. }
        | Statement::ShowVariable { .. }
        | Statement::ShowStatus { .. }
        | Statement::ShowVariables { .. }
        | Statement::ShowCatalogs { .. }
        | Statement::ShowDatabases { .. }
        | Statement::ShowProcessList { .. }
        | Statement::ShowSchemas { .. }
        | Statement::ShowCharset(_)
        | Statement::ShowObjects(_)
        | Statement::ShowTables { .. }
        | Statement::ShowViews { .. }
        | Statement::ShowCollation { .. } => true,
        _ => false,
    }
}

fn asks_to_analyze(option: &UtilityOption) -> bool {
    let off = match &option.arg {
        Some(Expr::Value(value)) => match &value.value {
            Value::Boolean(on) => !on,
            Value::Number(number, _) => number == "0",
            _ => false,
        },
        Some(Expr::Identifier(ident)) => ident.value.eq_ignore_ascii_case("off"),
        _ => false,
    };
    option.name.value.eq_ignore_ascii_case("analyze") && !off
}

impl Walk {
    /// Notes a statement other than SELECT, INSERT, UPDATE, DELETE and MERGE. The
    /// statements in it are walked after it.
    pub(super) fn other_statement(&mut self, statement: &Statement) {
        match statement {
            Statement::CreateTable(create) => self.create_table(create),
            Statement::CreateView(create) => {
                self.acts_on("sql:create", std::iter::once(&create.name).chain(&create.to));
            }
            Statement::CreateIndex(create) => self.acts_on("sql:create", [&create.table_name]),
            Statement::CreateVirtualTable { name, .. } => self.acts_on("sql:create", [name]),
            Statement::CreateSchema { .. }
            | Statement::CreateDatabase { .. }
            | Statement::CreateSequence { .. }
            | Statement::CreateDomain(_)
            | Statement::CreateType { .. } => self.acts("sql:create"),

            Statement::Drop { object_type, names, table, .. } => {
                self.unlimited();
                let tables = table.iter().chain(match object_type {
                    ObjectType::Table
                    | ObjectType::ForeignTable
                    | ObjectType::View
                    | ObjectType::MaterializedView => names.as_slice(),
                    _ => &[],
                });
                self.acts_on("sql:drop", tables);
            }
            Statement::DropFunction(_)
            | Statement::DropDomain(_)
            | Statement::DropProcedure { .. }
            | Statement::DropSecret { .. }
            | Statement::DropPolicy(_)
            | Statement::DropRule(_)
            | Statement::DropConnector { .. }
            | Statement::DropExtension(_)
            | Statement::DropOperator(_)
            | Statement::DropOperatorFamily(_)
            | Statement::DropOperatorClass(_)
            | Statement::DropTrigger(_) => self.acts("sql:drop"),
            Statement::Truncate(truncate) => {
                self.unlimited();
                self.acts_on("sql:truncate", truncate.table_names.iter().map(|table| &table.name));
            }

            Statement::OptimizeTable { name, .. } => self.acts_on("sql:other", [name]),

            Statement::AlterTable(alter) => {
                self.unlimited();
                self.acts_on("sql:alter", [&alter.name]);
                for operation in &alter.operations {
                    self.alter_operation(operation);
                }
            }
            Statement::AlterView(alter) => self.acts_on("sql:alter", [&alter.name]),
            Statement::RenameTable(renames) => {
                let names = renames.iter().flat_map(|rename| [&rename.old_name, &rename.new_name]);
                self.acts_on("sql:alter", names);
            }
            Statement::AlterSchema(_)
            | Statement::AlterIndex { .. }
            | Statement::AlterFunction(_)
            | Statement::AlterType(_)
            | Statement::AlterCollation(_)
            | Statement::AlterOperator(_)
            | Statement::AlterOperatorFamily(_)
            | Statement::AlterOperatorClass(_)
            | Statement::AlterTextSearch(_)
            | Statement::AlterPolicy(_)
            | Statement::AlterTrigger(_)
            | Statement::AlterConnector { .. }
            | Statement::Comment { .. } => self.acts("sql:alter"),

            other => self.administration(other),
        }
    }

    fn administration(&mut self, statement: &Statement) {
        match statement {
            Statement::Copy { source, to, target, .. } => {
                self.external.insert(match target {
                    CopyTarget::Stdin | CopyTarget::Stdout => "client",
                    CopyTarget::Program { .. } => "program",
                    CopyTarget::File { filename } if filename.contains("://") => "url",
                    CopyTarget::File { .. } => "file",
                });
                match source {
                    CopySource::Table { table_name, .. } if *to => {
                        self.acts("sql:copy");
                        self.reads_table(table_name);
                    }
                    CopySource::Table { table_name, .. } => self.acts_on("sql:copy", [table_name]),
                    CopySource::Query(_) => self.acts("sql:copy"),
                }
            }
            Statement::CopyIntoSnowflake { into, from_obj, .. } => {
                // Either may be a stage; both are named, whichever is written.
                self.acts_on("sql:copy", [into]);
                if let Some(from) = from_obj {
                    self.reads_table(from);
                }
            }
            Statement::LoadData { table_name, local, .. } => {
                self.external.insert(if *local { "client" } else { "file" });
                self.acts_on("sql:copy", [table_name]);
            }
            Statement::Unload { .. } | Statement::ExportData(_) => {
                self.external.insert("url");
                self.acts("sql:copy");
            }
            Statement::Directory { .. } => {
                self.external.insert("file");
                self.acts("sql:copy");
            }

            Statement::Call(Function { name, .. })
            | Statement::Execute { name: Some(name), .. } => {
                self.calls(name);
                self.acts("sql:call");
            }
            Statement::Execute { name: None, .. } => {
                self.functions.insert(EXECUTE_IMMEDIATE.to_owned());
                self.acts("sql:call");
            }
            // What is prepared is run sooner or later: it is walked as if it were run.
            Statement::Prepare { .. } => self.acts("sql:call"),

            Statement::Grant(_)
            | Statement::GrantRole(_)
            | Statement::Deny(_)
            | Statement::Revoke(_)
            | Statement::RevokeRole(_)
            | Statement::AlterDefaultPrivileges(_)
            | Statement::CreateRole(_)
            | Statement::AlterRole { .. }
            | Statement::CreateUser(_)
            | Statement::AlterUser(_)
            | Statement::Use(Use::Role(_) | Use::SecondaryRoles(_)) => self.acts("sql:grant"),

            Statement::Set(set) => self.set(set),
            Statement::Reset(ResetStatement { reset }) => match reset {
                Reset::ConfigurationParameter(name) => self.setting(name),
                Reset::SessionAuthorization => self.acts("sql:grant"),
                Reset::ALL => self.acts("sql:set"),
            },
            Statement::Use(_)
            | Statement::Pragma { .. }
            | Statement::AlterSession { .. }
            | Statement::Discard { .. } => self.acts("sql:set"),

            // The statements of a block are walked after it.
            Statement::StartTransaction { .. }
            | Statement::Commit { .. }
            | Statement::Rollback { .. }
            | Statement::Savepoint { .. }
            | Statement::ReleaseSavepoint { .. } => self.acts("sql:transaction"),

            // The tables that it names are among those that are read, and the statement
            // that an EXPLAIN runs is walked after it.
            Statement::ExplainTable { .. } => {}
            Statement::Explain { .. } if explain_executes(statement) => {}
            Statement::ShowCreate { obj_name, .. } => self.reads_table(obj_name),
            other if only_shows(other) => self.acts("sql:explain"),

            _ => self.acts("sql:other"),
        }
    }

    fn set(&mut self, set: &Set) {
        match set {
            Set::SetRole { .. } | Set::SetSessionAuthorization(_) => self.acts("sql:grant"),
            Set::SingleAssignment { variable, .. } => self.setting(variable),
            Set::MultipleAssignments { assignments } => {
                for assignment in assignments {
                    self.setting(&assignment.name);
                }
            }
            Set::ParenthesizedAssignments { variables, .. } => {
                for variable in variables {
                    self.setting(variable);
                }
            }
            Set::SetNames { charset_name, .. } => {
                let name = charset_name.value.to_ascii_lowercase();
                if !["utf8", "utf8mb4", "utf8mb3", "utf-8"].contains(&name.as_str()) {
                    self.refused = Some(READS_DIFFERENTLY);
                }
                self.acts("sql:set");
            }
            _ => self.acts("sql:set"),
        }
    }

    /// A setting is changed. The role that the session has can be set by name, and so
    /// can what the next text means.
    fn setting(&mut self, name: &ObjectName) {
        let name = names::function(name);
        let last = name.rsplit(['.', '@']).next().unwrap_or_default();
        if last == "role" || last == "session_authorization" {
            return self.acts("sql:grant");
        }
        let changes_reading = [
            "sql_mode",
            "standard_conforming_strings",
            "backslash_quote",
            "client_encoding",
            "character_set_client",
            "quoted_identifiers_ignore_case",
            "escapedstringliterals",
            "doublequotedidentifiers",
            "dialect",
        ];
        if changes_reading.contains(&last) {
            self.refused = Some(READS_DIFFERENTLY);
        }
        self.acts("sql:set");
    }

    fn create_table(&mut self, create: &CreateTable) {
        if create.external || create.location.is_some() {
            self.external.insert("url");
        }
        if matches!(self.dialect, SqlDialect::Clickhouse | SqlDialect::Generic) {
            self.engine(&create.table_options);
        }
        if create.or_replace {
            self.unlimited();
            self.acts_on("sql:drop", [&create.name]);
        }
        self.acts_on("sql:create", [&create.name]);
        if let Some(CreateTableLikeKind::Parenthesized(like) | CreateTableLikeKind::Plain(like)) =
            &create.like
        {
            self.reads_table(&like.name);
        }
        for name in create.clone.iter().chain(create.inherits.iter().flatten()) {
            self.reads_table(name);
        }
    }

    /// ClickHouse's engines reach what the functions of their names reach.
    fn engine(&mut self, options: &CreateTableOptions) {
        let CreateTableOptions::Plain(options) = options else { return };
        for option in options {
            if let SqlOption::NamedParenthesizedList(list) = option
                && let Some(name) = &list.name
                && list.key.value.eq_ignore_ascii_case("engine")
            {
                self.functions.insert(name.value.to_lowercase());
            }
        }
    }

    /// Operations that touch a second table.
    fn alter_operation(&mut self, operation: &AlterTableOperation) {
        match operation {
            AlterTableOperation::RenameTable {
                table_name: RenameTableNameKind::As(name) | RenameTableNameKind::To(name),
            }
            | AlterTableOperation::SwapWith { table_name: name }
            | AlterTableOperation::AttachPartitionOf { partition: name, .. }
            | AlterTableOperation::DetachPartitionOf { partition: name, .. } => {
                self.acts_on("sql:alter", [name]);
            }
            _ => {}
        }
    }

    /// The statement acts on the service.
    fn acts(&mut self, name: &str) {
        self.writes(action(name), String::new());
    }

    /// The statement acts on tables, or on the service when there is none.
    fn acts_on<'s>(&mut self, name: &str, tables: impl IntoIterator<Item = &'s ObjectName>) {
        let mut tables = tables.into_iter().peekable();
        if tables.peek().is_none() {
            self.acts(name);
        }
        for table in tables {
            self.target(table);
            self.writes_table(action(name), table);
        }
    }

    /// The statement has no WHERE to be limited by.
    fn unlimited(&mut self) {
        self.limited.see(false);
    }
}
