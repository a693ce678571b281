//! The plan: which requests are inspected, as what, within which limits.
//!
//! The server makes it from `chaperone.yaml` (`chaperone envoy plugin-config`
//! prints it) and the filter reads it as its plugin configuration, so there is
//! one source of truth; [`Plan::digest`] lets the server refuse facts that were
//! made under another version of it.

mod documents;
mod field;
mod grpc;
mod mcp;
mod path_template;
mod pointer;
mod protocol;
mod queries;
mod sql;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use self::documents::{EmbeddedPlan, FormPlan, JsonPlan, Language};
pub use self::field::FieldPath;
pub use self::grpc::{
    GrpcField, GrpcKind, GrpcLabel, GrpcMethod, GrpcPlan, GrpcSchema, grpc_concerns,
};
pub use self::mcp::{A2aPlan, McpPlan, McpRevision, ParamHeaderPlan};
pub use self::path_template::{PathTemplate, PathTemplateError, TemplateSegment};
pub use self::pointer::{JsonPointer, JsonPointerSyntaxError};
pub use self::protocol::ProtocolPlan;
pub use self::queries::{Batches, ElasticsearchPlan, GraphqlPlan, KubernetesPlan};
pub use self::sql::{FunctionList, SqlCarrier, SqlDialect, SqlPlan};
use crate::detect::DetectorId;
use crate::digest::Digest;
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
    /// Its routes. Those with the longest matching prefix are looked at, and of them
    /// the first that takes the method and the content type. A path that no prefix
    /// matches is plain HTTP; one whose routes all refuse is not read.
    pub routes: Vec<RoutePlan>,
    /// Paths with named segments, such as `/customers/{id}`, to name requests by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<PathTemplate>,
}

/// One route of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoutePlan {
    /// A path prefix that ends at a segment: `/sql` matches `/sql` and `/sql/x`,
    /// not `/sqlite`. Plain ASCII, decoded, without a slash at its end.
    pub path: String,
    /// The methods that it takes; every one when there is none.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub methods: BTreeSet<String>,
    /// The media types that it takes, in lower case and without parameters, the
    /// empty one being none at all; every one when there is none.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub content_types: BTreeSet<String>,
    /// How its requests are read.
    pub inspect: ProtocolPlan,
    /// What to look for in its requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detect: Option<DetectPlan>,
    /// What becomes of requests for an upgrade, such as to WebSocket.
    #[serde(default, skip_serializing_if = "Upgrades::are_denied")]
    pub upgrades: Upgrades,
    /// Bounds of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
}

impl RoutePlan {
    /// A route that reads every request below `path` by `inspect`.
    pub const fn new(path: String, inspect: ProtocolPlan) -> Self {
        Self {
            path,
            methods: BTreeSet::new(),
            content_types: BTreeSet::new(),
            inspect,
            detect: None,
            upgrades: Upgrades::Deny,
            limits: None,
        }
    }
}

/// What to look for in requests: what is found is named to policies, never shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DetectPlan {
    /// The detectors, by name.
    #[cfg_attr(feature = "schema", schemars(with = "BTreeSet<String>"))]
    pub detectors: BTreeSet<DetectorId>,
    /// Where to look in a JSON body; by default at the whole request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldPath>,
}

/// What becomes of requests for an upgrade: what goes through one is not read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Upgrades {
    /// They are not read and so do not pass.
    #[default]
    Deny,
    /// They are the command `http:upgrade`; to Kubernetes exec, attach and portforward,
    /// each a command of its own, and no other.
    Allow,
}

impl Upgrades {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
    const fn are_denied(&self) -> bool {
        matches!(self, Self::Deny)
    }
}

/// Bounds on what is read of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The largest body, in bytes, as it is sent.
    pub body_bytes: usize,
    /// The largest body once its content encoding is undone, in bytes.
    pub decoded_bytes: usize,
    /// The deepest nesting, 1 to 112; SQL is bounded more tightly.
    pub depth: usize,
    /// The most commands in one request.
    pub commands: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body_bytes: 64 * 1024, decoded_bytes: 256 * 1024, depth: 64, commands: 64 }
    }
}
