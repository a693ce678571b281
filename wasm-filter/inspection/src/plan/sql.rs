//! How SQL over HTTP is read.

use serde::{Deserialize, Serialize};

use super::JsonPointer;

/// How an SQL request is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SqlPlan {
    /// The dialect of the text.
    pub dialect: SqlDialect,
    /// Where in the body the text is.
    pub statement: SqlCarrier,
}

/// Where in a request the SQL text is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SqlCarrier {
    /// The whole body.
    Body,
    /// A string in a JSON body.
    JsonPointer(JsonPointer),
    /// A field of an `application/x-www-form-urlencoded` body.
    FormField(String),
}

/// The SQL dialects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum SqlDialect {
    Generic,
    Postgresql,
    Mysql,
    Sqlite,
    Clickhouse,
    Snowflake,
    Bigquery,
    Databricks,
    Redshift,
    Trino,
}
