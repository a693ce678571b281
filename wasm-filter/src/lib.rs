//! Chaperone's enforcement point: a proxy-wasm HTTP filter for Envoy.
//!
//! It states what a request would do (`request`), masks the answer as the decision
//! orders (`response`), and reports how the exchange ended (`outcomes`). It decides
//! nothing: what it cannot read or mask it says so or withholds.

#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

use std::cell::RefCell;

use chaperone_inspection::Inspector;
use chaperone_inspection::digest::Digest;
use chaperone_inspection::plan::PluginConfig;
use chaperone_inspection::protocol::PlanError;
use chaperone_inspection::seal::FactsKey;
use serde_json::Value;

use crate::outcomes::Reporter;
use crate::profiles::Profiles;

pub mod exchange;
pub mod host;
pub mod mcp;
pub mod outcomes;
pub mod profiles;
pub mod reply;
pub mod request;
pub mod response;

/// The variable of the VM's environment that holds the facts keys when the plugin
/// configuration has none: a JSON list of `{"id", "secret"}`.
pub const KEYS_VARIABLE: &str = "CHAPERONE_FACTS_KEYS";

/// What every exchange of one VM shares. A VM has one thread: no lock.
#[derive(Debug)]
pub struct Filter {
    inspector: Inspector,
    plan: Digest,
    key: FactsKey,
    profiles: RefCell<Profiles>,
    outcomes: RefCell<Reporter>,
}

impl Filter {
    /// A filter from its plugin configuration (the JSON of [`PluginConfig`]) and,
    /// where that has no keys, the value of [`KEYS_VARIABLE`].
    pub fn new(configuration: &[u8], keys_variable: Option<&str>) -> Result<Self, ConfigError> {
        let (config, key) = read(configuration, keys_variable)?;
        let outcomes = Reporter::new(config.outcomes, key.clone())?;
        let plan = config.plan.digest();
        Ok(Self {
            inspector: Inspector::new(config.plan)?,
            plan,
            key,
            profiles: RefCell::default(),
            outcomes: RefCell::new(outcomes),
        })
    }

    /// The inspector of the configured plan.
    pub const fn inspector(&self) -> &Inspector {
        &self.inspector
    }

    /// The digest of the configured plan.
    pub const fn plan(&self) -> Digest {
        self.plan
    }

    /// The key that seals.
    pub const fn key(&self) -> &FactsKey {
        &self.key
    }

    /// The profiles compiled so far.
    pub const fn profiles(&self) -> &RefCell<Profiles> {
        &self.profiles
    }

    /// The outcomes on their way to the server.
    pub const fn outcomes(&self) -> &RefCell<Reporter> {
        &self.outcomes
    }
}

/// The plugin configuration cannot be used. The text never quotes a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// It is not the JSON of a [`PluginConfig`].
    #[error("the plugin configuration cannot be read: {0}")]
    Malformed(String),
    /// There is no key, neither in it nor in the environment.
    #[error(
        "no facts key: put facts_keys in the plugin configuration or {KEYS_VARIABLE} in the \
         VM's environment"
    )]
    KeyMissing,
    /// A key cannot be used.
    #[error(
        "facts key {index} in {place} is not {{\"id\", \"secret\"}} with a secret of at least 32 \
         bytes in base64"
    )]
    Key {
        /// Where the key was found.
        place: &'static str,
        /// Its place in the list, from 0.
        index: usize,
    },
    /// The plan contradicts itself.
    #[error("the plan cannot be used: {0}")]
    Plan(#[from] PlanError),
    /// Outcomes cannot be reported as configured.
    #[error("outcomes.{0} must be at least 1")]
    Outcomes(&'static str),
}

/// Keys are read apart from the rest, because serde's messages quote what they
/// refuse.
fn read(
    configuration: &[u8],
    keys_variable: Option<&str>,
) -> Result<(PluginConfig, FactsKey), ConfigError> {
    let malformed = |error: serde_json::Error| ConfigError::Malformed(error.to_string());
    let mut document: Value = serde_json::from_slice(configuration).map_err(malformed)?;
    let inline = document
        .get_mut("facts_keys")
        .map(|keys| std::mem::replace(keys, Value::Array(Vec::new())))
        .unwrap_or_default();
    let config: PluginConfig = serde_json::from_value(document).map_err(malformed)?;
    let mut keys = read_keys("the plugin configuration", inline)?;
    if keys.is_empty()
        && let Some(text) = keys_variable
    {
        let document = serde_json::from_str(text)
            .map_err(|_| ConfigError::Key { place: KEYS_VARIABLE, index: 0 })?;
        keys = read_keys(KEYS_VARIABLE, document)?;
    }
    let key = keys.into_iter().next().ok_or(ConfigError::KeyMissing)?;
    Ok((config, key))
}

fn read_keys(place: &'static str, document: Value) -> Result<Vec<FactsKey>, ConfigError> {
    let Value::Array(keys) = document else {
        return Err(ConfigError::Key { place, index: 0 });
    };
    let read =
        |(index, key)| serde_json::from_value(key).map_err(|_| ConfigError::Key { place, index });
    keys.into_iter().enumerate().map(read).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::rc::Rc;

    use chaperone_inspection::plan::{
        JsonPlan, Limits, OutcomesConfig, Plan, ProtocolPlan, RoutePlan, ServicePlan,
    };
    use serde_json::json;

    use super::*;

    pub(crate) const BODY_LIMIT: usize = 64;

    pub(crate) fn key() -> FactsKey {
        FactsKey::new("k1", vec![7; 32]).unwrap()
    }

    fn configuration(facts_keys: Vec<FactsKey>) -> PluginConfig {
        let route = |path: &str, inspect| RoutePlan::new(path.into(), inspect);
        PluginConfig {
            plan: Plan {
                services: vec![ServicePlan {
                    name: "customers".into(),
                    hosts: vec!["customers.example".into()],
                    routes: vec![
                        route("/api", ProtocolPlan::Json(JsonPlan::default())),
                        route("/plain", ProtocolPlan::Http),
                    ],
                    paths: Vec::new(),
                }],
                limits: Limits { body_bytes: BODY_LIMIT, ..Limits::default() },
            },
            facts_keys,
            outcomes: OutcomesConfig { cluster: "chaperone".into(), interval_ms: 1_000, batch: 2 },
        }
    }

    pub(crate) fn filter() -> Rc<Filter> {
        let text = json!(configuration(vec![key()])).to_string();
        Rc::new(Filter::new(text.as_bytes(), None).unwrap())
    }

    fn refusal(configuration: &Value, keys_variable: Option<&str>) -> ConfigError {
        Filter::new(configuration.to_string().as_bytes(), keys_variable).unwrap_err()
    }

    #[test]
    fn the_first_key_seals() {
        let second = FactsKey::new("k2", vec![8; 32]).unwrap();
        let text = json!(configuration(vec![second, key()])).to_string();
        let filter = Filter::new(text.as_bytes(), None).unwrap();
        assert_eq!(filter.key().id(), "k2");
        assert_eq!(filter.plan(), configuration(Vec::new()).plan.digest());
    }

    #[test]
    fn keys_come_from_the_environment_where_the_configuration_has_none() {
        let without = json!(configuration(Vec::new()));
        let keys = json!([key()]).to_string();
        let filter = Filter::new(without.to_string().as_bytes(), Some(&keys)).unwrap();
        assert_eq!(filter.key().id(), "k1");
        assert_eq!(refusal(&without, None), ConfigError::KeyMissing);
        assert_eq!(refusal(&without, Some("[]")), ConfigError::KeyMissing);
        let error = ConfigError::Key { place: KEYS_VARIABLE, index: 0 };
        assert_eq!(refusal(&without, Some("hunter2")), error);
    }

    #[test]
    fn a_refused_key_is_not_quoted() {
        let mut with = json!(configuration(Vec::new()));
        for wrong in [json!("hunter2"), json!({"id": "k2", "secret": "hunter2"})] {
            with["facts_keys"] = json!([key(), wrong]);
            let error = refusal(&with, None);
            assert_eq!(error, ConfigError::Key { place: "the plugin configuration", index: 1 });
            assert!(!error.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn an_unknown_setting_is_refused_by_name() {
        let mut with = json!(configuration(vec![key()]));
        with["outcomes"]["intervall_ms"] = 5.into();
        assert!(refusal(&with, None).to_string().contains("intervall_ms"));
    }

    #[test]
    fn outcomes_that_could_never_leave_are_refused() {
        for setting in ["interval_ms", "batch"] {
            let mut with = json!(configuration(vec![key()]));
            with["outcomes"][setting] = 0.into();
            assert_eq!(refusal(&with, None), ConfigError::Outcomes(setting));
        }
    }
}
