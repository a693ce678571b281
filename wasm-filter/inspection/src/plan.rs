//! The plan: which requests are inspected, as what, within which limits.
//!
//! The server makes it from `chaperone.yaml` (`chaperone envoy plugin-config`
//! prints it) and the filter reads it as its plugin configuration, so there is
//! one source of truth; [`Plan::digest`] lets the server refuse facts that were
//! made under another version of it.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::facts::Protocol;
use crate::seal::FactsKey;

/// What the filter is configured with.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginConfig {
    /// What to inspect.
    pub plan: Plan,
    /// The keys that facts are sealed with: the first seals, the server opens
    /// with any. At least one.
    pub facts_keys: Vec<FactsKey>,
    /// Where outcomes are reported.
    pub outcomes: OutcomesConfig,
}

/// Where and how often the filter reports outcomes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutcomesConfig {
    /// The Envoy cluster of the server's gRPC port.
    pub cluster: String,
    /// How often a batch is sent, in milliseconds.
    pub interval_ms: u64,
    /// A batch is sent early when it has this many outcomes.
    pub batch: usize,
}

/// Which requests are inspected, as what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The services, in the order of their names.
    pub services: Vec<ServicePlan>,
    /// Bounds on what is read.
    pub limits: Limits,
}

impl Plan {
    /// The digest of the plan's JSON form.
    pub fn digest(&self) -> Digest {
        // Serialising plain structs of strings and numbers into memory has no
        // way to fail; an empty text would only make every comparison fail.
        Digest::of(serde_json::to_string(self).unwrap_or_default().as_bytes())
    }
}

/// One service behind Envoy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServicePlan {
    /// Its name in policies.
    pub name: String,
    /// The hosts it answers to, in lower case, without a port. `*.example.com`
    /// stands for every name below `example.com`; `*` for every host.
    pub hosts: Vec<String>,
    /// Its routes; the one with the longest matching prefix is taken. A path
    /// that none matches is plain HTTP.
    pub routes: Vec<RoutePlan>,
}

/// One route of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoutePlan {
    /// A path prefix that ends at a segment: `/sql` matches `/sql` and `/sql/x`,
    /// not `/sqlite`. Plain ASCII, decoded, without a slash at its end.
    pub path: String,
    /// How its requests are read.
    pub inspect: ProtocolPlan,
}

/// How the requests of a route are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ProtocolPlan {
    /// Method and path only: the filter lets the request pass without facts.
    Http,
    /// A JSON document.
    Json(JsonPlan),
    /// MCP over streamable HTTP.
    Mcp,
    /// SQL text over HTTP.
    Sql(SqlPlan),
}

impl ProtocolPlan {
    /// The protocol.
    pub const fn protocol(&self) -> Protocol {
        match self {
            Self::Http => Protocol::Http,
            Self::Json(_) => Protocol::Json,
            Self::Mcp => Protocol::Mcp,
            Self::Sql(_) => Protocol::Sql,
        }
    }
}

/// How a JSON body is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JsonPlan {
    /// Attribute names to where their values are.
    pub fields: std::collections::BTreeMap<String, JsonPointer>,
}

/// How an SQL request is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqlPlan {
    /// The dialect of the text.
    pub dialect: SqlDialect,
    /// Where in the body the text is.
    pub statement: SqlCarrier,
}

/// Where in a request the SQL text is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// An RFC 6901 JSON Pointer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JsonPointer(String);

impl JsonPointer {
    /// The pointer as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is not a JSON Pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a JSON Pointer: it is empty or starts with `/`, and `~` is followed by 0 or 1 (RFC 6901)"
)]
pub struct JsonPointerSyntaxError;

impl TryFrom<String> for JsonPointer {
    type Error = JsonPointerSyntaxError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let rooted = text.is_empty() || text.starts_with('/');
        let escaped = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        if rooted && escaped { Ok(Self(text)) } else { Err(JsonPointerSyntaxError) }
    }
}

impl From<JsonPointer> for String {
    fn from(pointer: JsonPointer) -> Self {
        pointer.0
    }
}

/// Bounds on what is read of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The largest body, in bytes.
    pub body_bytes: usize,
    /// The deepest nesting, 1 to 128; SQL is bounded more tightly.
    pub depth: usize,
    /// The most commands in one request.
    pub commands: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body_bytes: 64 * 1024, depth: 64, commands: 64 }
    }
}
