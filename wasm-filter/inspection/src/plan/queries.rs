//! How the APIs are read that have a language, or paths, of their own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How GraphQL over HTTP is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GraphqlPlan {
    /// Documents that a request may name instead of sending them: their ids to their
    /// texts. The id is what clients send as `documentId`, `id` or `doc_id`; one that
    /// is `sha256:` and 64 hex digits is the digest of the text, and what automatic
    /// persisted queries (`extensions.persistedQuery.sha256Hash`) are found by. An id
    /// that is not here is not read, unless it is the digest of a text beside it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub persisted: BTreeMap<String, String>,
    /// What becomes of several requests in one body, a JSON array.
    #[serde(default, skip_serializing_if = "Batches::are_denied")]
    pub batches: Batches,
}

/// What becomes of several requests in one body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Batches {
    /// They are not read and so do not pass.
    #[default]
    Deny,
    /// They are all the commands of all of them, within the limit of a request.
    Allow,
}

impl Batches {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
    const fn are_denied(&self) -> bool {
        matches!(self, Self::Deny)
    }
}

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
