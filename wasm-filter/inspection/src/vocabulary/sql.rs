//! SQL statements.

use super::{
    ActionGroup, ActionSpec, AttributeKind, Family, ResourceKind, group, optional, required,
};

/// Attributes of SQL commands.
pub(super) static SQL: Family = Family {
    name: "sql",
    attributes: &[
        required(
            "has_where",
            AttributeKind::Bool,
            "Whether every UPDATE and DELETE, or without one every SELECT from a table, has a WHERE \
             that depends on the row and is not plainly always true.",
        ),
        required("tables_read", AttributeKind::TextSet, "Every table that the statement reads."),
        required(
            "tables_written",
            AttributeKind::TextSet,
            "Every table that the statement writes.",
        ),
        required(
            "functions",
            AttributeKind::TextSet,
            "Every function that the statement calls by its name, in lower case; not those that \
             views, triggers, operators and types call.",
        ),
        required(
            "dangerous_functions",
            AttributeKind::TextSet,
            "Those of `functions` that are on the list of dangerous ones: they reach files, \
             programs, other servers or settings, run SQL given as text (`execute immediate` is \
             that statement), read tables that are not named, or wait.",
        ),
        required(
            "external",
            AttributeKind::TextSet,
            "What the statement names outside of the database, to read or to write: `file`, \
             `program`, `client` (the connection's own stream), `url` (an object store or \
             server), `stage`.",
        ),
        optional(
            "database",
            AttributeKind::Text,
            "The database, or catalog and schema, that the request (not the text) asks names \
             without one to be looked up in.",
        ),
        required("statements", AttributeKind::Long, "How many statements the text has."),
    ],
};

/// The groups of these actions.
pub(super) static GROUPS: &[ActionGroup] = &[
    group("sql:read", &["read"], "SQL that reads."),
    group("sql:write", &["write"], "SQL that changes data or structure."),
    group("sql:destructive", &["sql:write"], "SQL that removes structure or whole tables."),
    group(
        "sql:admin",
        &["sql:write"],
        "SQL that changes rights, runs procedures or does what no other action covers.",
    ),
];

/// The actions.
pub(super) static ACTIONS: &[ActionSpec] = &[
    sql("sql:select", &["sql:read"], "SELECT, VALUES, TABLE."),
    sql("sql:explain", &["sql:read"], "EXPLAIN that does not execute, SHOW, DESCRIBE."),
    sql("sql:insert", &["sql:write"], "INSERT, REPLACE."),
    sql(
        "sql:update",
        &["sql:write"],
        "UPDATE; besides `sql:insert`, REPLACE and an INSERT that updates on conflict.",
    ),
    sql("sql:delete", &["sql:write"], "DELETE."),
    sql("sql:merge", &["sql:write"], "MERGE."),
    sql(
        "sql:create",
        &["sql:write"],
        "CREATE of tables, views, indexes, schemas, sequences and types, and SELECT INTO.",
    ),
    sql("sql:copy", &["sql:admin"], "COPY, LOAD DATA, UNLOAD, EXPORT, INTO OUTFILE."),
    sql(
        "sql:call",
        &["sql:admin"],
        "CALL, EXECUTE, EXECUTE IMMEDIATE, PREPARE; besides its own action, any statement that \
         calls a dangerous function.",
    ),
    sql("sql:grant", &["sql:admin"], "GRANT, REVOKE, roles and users, SET ROLE."),
    sql("sql:set", &["sql:admin"], "SET, PRAGMA, USE and other session settings."),
    sql("sql:transaction", &["sql:read"], "BEGIN, COMMIT, ROLLBACK, SAVEPOINT."),
    sql(
        "sql:poll",
        &["sql:read"],
        "Asks for the state or the rows of a statement that was sent before.",
    ),
    sql("sql:cancel", &["sql:read"], "Ends a statement that was sent before, or its cursor."),
    sql("sql:alter", &["sql:destructive"], "ALTER, RENAME."),
    sql("sql:drop", &["sql:destructive"], "DROP."),
    sql("sql:truncate", &["sql:destructive"], "TRUNCATE."),
    SQL_OTHER_SPEC,
];

const SQL_OTHER_SPEC: ActionSpec =
    sql("sql:other", &["sql:admin"], "A statement that parses and that no other action covers.");

/// The row of `sql:other`.
pub(crate) static SQL_OTHER: ActionSpec = SQL_OTHER_SPEC;

const fn sql(
    name: &'static str,
    parents: &'static [&'static str],
    doc: &'static str,
) -> ActionSpec {
    ActionSpec { name, parents, resource: ResourceKind::Table, family: &SQL, doc }
}
