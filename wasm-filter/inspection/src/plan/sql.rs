//! How SQL over HTTP is read.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::JsonPointer;

/// How an SQL request is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SqlPlan {
    /// The dialect of the text; that of the API, where `statement` names one.
    pub dialect: SqlDialect,
    /// Where in the body the text is, or the name of the API that carries it.
    #[serde(default)]
    pub statement: SqlCarrier,
    /// Changes to the list of functions that count as dangerous.
    #[serde(default, skip_serializing_if = "FunctionList::is_empty")]
    pub dangerous_functions: FunctionList,
}

impl SqlPlan {
    /// A plan with the usual list of dangerous functions.
    pub const fn new(dialect: SqlDialect, statement: SqlCarrier) -> Self {
        let dangerous_functions = FunctionList { add: BTreeSet::new(), remove: BTreeSet::new() };
        Self { dialect, statement, dangerous_functions }
    }

    /// Why the plan cannot be meant, if it cannot.
    pub(crate) fn contradiction(&self) -> Option<&'static str> {
        let of_carrier = match self.statement {
            SqlCarrier::FormField(ref field) if field.is_empty() => {
                return Some("takes SQL from a form field without a name");
            }
            SqlCarrier::Clickhouse => SqlDialect::Clickhouse,
            SqlCarrier::Trino => SqlDialect::Trino,
            SqlCarrier::Snowflake => SqlDialect::Snowflake,
            SqlCarrier::Bigquery => SqlDialect::Bigquery,
            SqlCarrier::Databricks => SqlDialect::Databricks,
            SqlCarrier::Neon | SqlCarrier::Postgrest => SqlDialect::Postgresql,
            _ => self.dialect,
        };
        // These read text by their own rules; by others', it would be read wrongly.
        (of_carrier != self.dialect).then_some("reads SQL by another dialect than its API has")
    }
}

/// Changes to a list of functions. A name is in lower case, `*` at its end stands for
/// any ending, and one without a dot is met whatever the schema.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct FunctionList {
    /// Functions that count as well.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub add: BTreeSet<String>,
    /// Functions that do not.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub remove: BTreeSet<String>,
}

impl FunctionList {
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
    /// ClickHouse's HTTP interface: the parameter `query`, the body, or both.
    Clickhouse,
    /// Trino's client protocol, prepared statements in headers included.
    Trino,
    /// Elasticsearch's `/_sql` and OpenSearch's `/_plugins/_sql`.
    ElasticsearchSql,
    /// Snowflake's SQL API, `/api/v2/statements`.
    Snowflake,
    /// BigQuery's REST API: `queries` and query `jobs`. Legacy SQL, the API's default, is
    /// not read.
    Bigquery,
    /// Databricks' Statement Execution API, `/api/2.0/sql/statements`.
    Databricks,
    /// Neon's SQL over HTTP, `/sql`, one query or a batch.
    Neon,
    /// PostgREST (and Supabase below `/rest/v1`): tables as paths, conditions as
    /// parameters, functions below `/rpc`.
    Postgrest,
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
