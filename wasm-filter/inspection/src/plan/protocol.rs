//! How the requests of a route are read.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, MapDeserializer};
use serde::de::{self, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::{
    A2aPlan, ElasticsearchPlan, FormPlan, GraphqlPlan, GrpcPlan, JsonPlan, KubernetesPlan, McpPlan,
    SqlPlan,
};
use crate::facts::Protocol;

/// How the requests of a route are read. Written as `{ sql: { … } }`, or by the name
/// alone where there is nothing to add: `mcp`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProtocolPlan {
    /// Method and path only: the filter lets the request pass without facts.
    Http,
    /// A JSON document.
    Json(JsonPlan),
    /// An `application/x-www-form-urlencoded` form.
    Form(FormPlan),
    /// A `multipart/form-data` form.
    Multipart(FormPlan),
    /// MCP over streamable HTTP.
    Mcp(McpPlan),
    /// A2A over JSON-RPC or REST.
    A2a(A2aPlan),
    /// SQL text over HTTP.
    Sql(SqlPlan),
    /// GraphQL over HTTP.
    Graphql(GraphqlPlan),
    /// The Kubernetes API.
    Kubernetes(KubernetesPlan),
    /// The REST API of Elasticsearch and OpenSearch.
    Elasticsearch(ElasticsearchPlan),
    /// gRPC.
    Grpc(GrpcPlan),
}

impl ProtocolPlan {
    /// The protocol.
    pub const fn protocol(&self) -> Protocol {
        match self {
            Self::Http => Protocol::Http,
            Self::Json(_) => Protocol::Json,
            Self::Form(_) => Protocol::Form,
            Self::Multipart(_) => Protocol::Multipart,
            Self::Mcp(_) => Protocol::Mcp,
            Self::A2a(_) => Protocol::A2a,
            Self::Sql(_) => Protocol::Sql,
            Self::Graphql(_) => Protocol::Graphql,
            Self::Kubernetes(_) => Protocol::Kubernetes,
            Self::Elasticsearch(_) => Protocol::Elasticsearch,
            Self::Grpc(_) => Protocol::Grpc,
        }
    }
}

/// The written form: every protocol with its settings, of which there may be none.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
enum Settings {
    Http(Nothing),
    Json(JsonPlan),
    Form(FormPlan),
    Multipart(FormPlan),
    Mcp(McpPlan),
    A2a(A2aPlan),
    Sql(SqlPlan),
    Graphql(GraphqlPlan),
    Kubernetes(KubernetesPlan),
    Elasticsearch(ElasticsearchPlan),
    Grpc(GrpcPlan),
}

#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Nothing {}

impl From<Settings> for ProtocolPlan {
    fn from(settings: Settings) -> Self {
        match settings {
            Settings::Http(Nothing {}) => Self::Http,
            Settings::Json(plan) => Self::Json(plan),
            Settings::Form(plan) => Self::Form(plan),
            Settings::Multipart(plan) => Self::Multipart(plan),
            Settings::Mcp(plan) => Self::Mcp(plan),
            Settings::A2a(plan) => Self::A2a(plan),
            Settings::Sql(plan) => Self::Sql(plan),
            Settings::Graphql(plan) => Self::Graphql(plan),
            Settings::Kubernetes(plan) => Self::Kubernetes(plan),
            Settings::Elasticsearch(plan) => Self::Elasticsearch(plan),
            Settings::Grpc(plan) => Self::Grpc(plan),
        }
    }
}

impl<'de> Deserialize<'de> for ProtocolPlan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NameOrSettings)
    }
}

struct NameOrSettings;

impl<'de> Visitor<'de> for NameOrSettings {
    type Value = ProtocolPlan;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a protocol, or one with its settings")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<ProtocolPlan, E> {
        let none = MapDeserializer::new(std::iter::empty::<(&str, &str)>());
        let named = MapDeserializer::new(std::iter::once((name, Empty(none))));
        Settings::deserialize(MapAccessDeserializer::new(named)).map(Into::into)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ProtocolPlan, A::Error> {
        Settings::deserialize(MapAccessDeserializer::new(map)).map(Into::into)
    }
}

/// Settings that are not written.
struct Empty<D>(D);

impl<'de, E: de::Error, D: Deserializer<'de, Error = E>> IntoDeserializer<'de, E> for Empty<D> {
    type Deserializer = D;

    fn into_deserializer(self) -> D {
        self.0
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for ProtocolPlan {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Inspect".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let settings = Settings::json_schema(generator);
        schemars::json_schema!({ "anyOf": [{ "type": "string" }, settings] })
    }
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_name_alone_stands_for_a_protocol_without_settings() {
        for (short, long) in [("\"mcp\"", "{\"mcp\":{}}"), ("\"http\"", "{\"http\":{}}")] {
            let [short, long] =
                [short, long].map(|text| serde_json::from_str::<ProtocolPlan>(text).unwrap());
            assert_eq!(short, long);
        }
        let error = serde_json::from_str::<ProtocolPlan>("\"sql\"").unwrap_err().to_string();
        assert!(error.contains("missing field `dialect`"), "{error}");
        let error = serde_json::from_str::<ProtocolPlan>("\"sqll\"").unwrap_err().to_string();
        assert!(error.contains("unknown variant `sqll`"), "{error}");
    }

    #[test]
    fn a_plan_is_read_as_it_was_written() {
        for text in ["\"http\"", "\"mcp\"", "\"graphql\"", "{\"json\":{\"fields\":{\"a\":\"/b\"}}}"]
        {
            let plan: ProtocolPlan = serde_json::from_str(text).unwrap();
            let written = serde_json::to_string(&plan).unwrap();
            assert_eq!(serde_json::from_str::<ProtocolPlan>(&written).unwrap(), plan);
        }
    }
}
