//! Configuration: YAML to validated types.
//!
//! The only place that reads settings from files and the environment. A
//! [`Config`] that exists is valid: every name in it resolves and every part of
//! it can be built.

mod error;
mod exchange;
mod file;
mod grpc;
mod issuers;
mod keys;
mod proofs;
mod resolve;
mod services;
mod token_review;
mod value;

pub use error::{ConfigError, ConfigErrors};
pub use exchange::ExchangeSettings;
pub use resolve::{Config, ListenAddresses, PolicySettings, StorageSettings};

/// The JSON Schema of the configuration file.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(file::File).into()
}
