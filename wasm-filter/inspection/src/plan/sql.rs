//! How SQL over HTTP is read.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::JsonPointer;

/// How an SQL request is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SqlPlan {
    /// The dialect of the text.
    pub dialect: SqlDialect,
    /// Functions that are dangerous besides those known to be, and those known that are
    /// not: names in lower case, `*` at the end for any characters.
    #[serde(default, skip_serializing_if = "DangerousFunctions::is_empty")]
    pub dangerous_functions: DangerousFunctions,
    /// Where in the body the text is; by default the whole body is.
    #[serde(default)]
    pub statement: SqlCarrier,
}

/// What differs from the list of dangerous functions that is built in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct DangerousFunctions {
    /// Dangerous as well.
    pub add: BTreeSet<String>,
    /// Not dangerous here.
    pub remove: BTreeSet<String>,
}

impl DangerousFunctions {
    fn is_empty(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty()
    }
}

/// Where in a request the SQL text is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SqlCarrier {
    /// The whole body.
    #[default]
    Body,
    /// A string in a JSON body.
    JsonPointer(JsonPointer),
    /// A field of an `application/x-www-form-urlencoded` body.
    FormField(String),
    /// ClickHouse's HTTP interface.
    Clickhouse,
    /// Trino's client protocol, `/v1/statement`.
    Trino,
    /// The SQL endpoints of Elasticsearch and OpenSearch, `/_sql` and `/_plugins/_sql`.
    ElasticsearchSql,
    /// Snowflake's SQL API, `/api/v2/statements`.
    Snowflake,
    /// BigQuery's REST API: `queries` and query `jobs`.
    Bigquery,
    /// Databricks' statement execution API, `/api/2.0/sql/statements`.
    Databricks,
    /// Neon's SQL over HTTP, `/sql`.
    Neon,
    /// PostgREST: tables and functions by path, conditions in the query.
    Postgrest,
}

impl SqlCarrier {
    /// The only dialect that is spoken there, where there is one.
    pub const fn dialect(&self) -> Option<SqlDialect> {
        match self {
            Self::Body | Self::JsonPointer(_) | Self::FormField(_) => None,
            Self::ElasticsearchSql => Some(SqlDialect::Generic),
            Self::Clickhouse => Some(SqlDialect::Clickhouse),
            Self::Trino => Some(SqlDialect::Trino),
            Self::Snowflake => Some(SqlDialect::Snowflake),
            Self::Bigquery => Some(SqlDialect::Bigquery),
            Self::Databricks => Some(SqlDialect::Databricks),
            Self::Neon | Self::Postgrest => Some(SqlDialect::Postgresql),
        }
    }
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
    Trino,
    Databricks,
}
