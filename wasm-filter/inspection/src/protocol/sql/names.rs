//! Names of tables and functions as policies spell them.
//!
//! A name is folded as its database folds it, so that a policy on `users` is not
//! got round by `USERS` or `public."users"`:
//!
//! - PostgreSQL: unquoted parts in lower case, quoted parts as written, cut at 63
//!   bytes; the database, and the schemas `public` and `pg_catalog`, left out.
//! - SQLite: lower case, the schema `main` left out.
//! - MySQL, Snowflake, Databricks, Trino, generic: lower case, quoted or not. Where the
//!   database has two names that differ in case, they are one to policies.
//! - Redshift: the same, `public` and `pg_catalog` left out.
//! - ClickHouse, BigQuery: as written; there, names have case.
//!
//! Otherwise a name is as qualified as it is written: what `users` alone stands for
//! depends on the session, so policies name both, `users` and `crm.users`.
//!
//! Parts are joined by dots. A part with a dot in it is in double quotes, but for
//! BigQuery, where a quoted name may hold the whole path.

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};

use crate::plan::SqlDialect;

/// The longest name in PostgreSQL, in bytes; it cuts longer ones.
const POSTGRES_NAME_BYTES: usize = 63;

/// A table's name.
pub(super) fn table(name: &ObjectName, dialect: SqlDialect) -> String {
    let parts: Vec<_> = name.0.iter().map(part_ident).collect();
    of_idents(&parts, dialect)
}

/// A table's name from its parts.
pub(super) fn of_idents(parts: &[&Ident], dialect: SqlDialect) -> String {
    let folded: Vec<_> = parts.iter().map(|part| fold(part, dialect)).collect();
    // PostgreSQL has no other database to name than the one that is connected to.
    let folded = match (dialect, folded.as_slice()) {
        (SqlDialect::Postgresql, [_, rest @ ..]) if rest.len() == 2 => rest,
        (_, all) => all,
    };
    let folded: &[String] = match (dialect, folded) {
        (SqlDialect::Postgresql | SqlDialect::Redshift, [schema, rest @ ..])
            if rest.len() == 1 && (schema == "public" || schema == "pg_catalog") =>
        {
            rest
        }
        (SqlDialect::Sqlite, [schema, rest @ ..]) if !rest.is_empty() && schema == "main" => rest,
        (_, all) => all,
    };
    let quote = |part: &String| {
        if dialect != SqlDialect::Bigquery && part.contains(['.', '"']) {
            format!("\"{}\"", part.replace('"', "\"\""))
        } else {
            part.clone()
        }
    };
    folded.iter().map(quote).collect::<Vec<_>>().join(".")
}

/// What a table's name says of a place outside of the database: a Snowflake stage, or
/// files that Databricks reads by their path.
pub(super) fn outside(name: &ObjectName, dialect: SqlDialect) -> Option<&'static str> {
    let mut parts = name.0.iter().map(part_ident);
    let first = parts.next()?.value.as_str();
    match dialect {
        SqlDialect::Snowflake if first.starts_with('@') => Some("stage"),
        SqlDialect::Snowflake if first.contains("://") => Some("url"),
        SqlDialect::Databricks => match parts.next()?.value.as_str() {
            path if path.contains("://") => Some("url"),
            path if path.contains('/') => Some("file"),
            _ => None,
        },
        _ => None,
    }
}

/// A function's name, in lower case.
pub(super) fn function(name: &ObjectName) -> String {
    let parts: Vec<_> = name.0.iter().map(|part| part_ident(part).value.to_lowercase()).collect();
    let parts = match parts.as_slice() {
        [schema, rest @ ..] if !rest.is_empty() && schema == "pg_catalog" => rest,
        all => all,
    };
    parts.join(".")
}

/// Whether a reference is sure to mean a name that the statement itself defines,
/// in any of the ways that the dialect may compare them.
pub(super) fn surely_same(defined: &Ident, used: &Ident, dialect: SqlDialect) -> bool {
    let folds = !matches!(
        dialect,
        SqlDialect::Generic | SqlDialect::Mysql | SqlDialect::Clickhouse | SqlDialect::Bigquery
    );
    let unquoted = defined.quote_style.is_none() && used.quote_style.is_none();
    if unquoted && folds {
        defined.value.eq_ignore_ascii_case(&used.value)
    } else {
        defined.value == used.value && defined.quote_style.is_none() == used.quote_style.is_none()
    }
}

/// The identifier of a part; of a part that a function computes, the function's.
pub(super) const fn part_ident(part: &ObjectNamePart) -> &Ident {
    match part {
        ObjectNamePart::Identifier(ident) => ident,
        ObjectNamePart::Function(function) => &function.name,
    }
}

fn fold(ident: &Ident, dialect: SqlDialect) -> String {
    let value = ident.value.as_str();
    match dialect {
        SqlDialect::Postgresql => {
            let cut = value.get(..value.floor_char_boundary(POSTGRES_NAME_BYTES)).unwrap_or(value);
            if ident.quote_style.is_some() { cut.to_owned() } else { cut.to_ascii_lowercase() }
        }
        SqlDialect::Sqlite => value.to_ascii_lowercase(),
        SqlDialect::Mysql
        | SqlDialect::Snowflake
        | SqlDialect::Generic
        | SqlDialect::Databricks
        | SqlDialect::Redshift
        | SqlDialect::Trino => value.to_lowercase(),
        SqlDialect::Clickhouse | SqlDialect::Bigquery => value.to_owned(),
    }
}
