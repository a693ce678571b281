//! How the APIs are read that have a language, or paths, of their own.

use serde::{Deserialize, Serialize};

/// How GraphQL over HTTP is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GraphqlPlan {}

/// How the Kubernetes API is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct KubernetesPlan {
    /// The path that the API is mounted at, such as `/k8s/clusters/one`, when it is not
    /// the root: decoded, without a slash at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
}

/// How the REST API of Elasticsearch and OpenSearch is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ElasticsearchPlan {}
