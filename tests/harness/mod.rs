//! Everything that an end-to-end story needs, started for real: Envoy, the server,
//! an issuer of tokens and an upstream with made-up customers.
//!
//! A story takes a [`Mesh`], sends requests through its Envoy and looks at the
//! answers, at what the upstream saw, and at the audit log.

#![expect(clippy::missing_panics_doc, reason = "a harness that is wrong about itself must panic")]

pub mod answer;
pub mod artifacts;
pub mod binaryen;
pub mod certificates;
pub mod envoy;
pub mod failure;
pub mod grpc;
pub mod identity_provider;
pub mod issuer;
pub mod mcp_sdk;
pub mod mesh;
mod npm;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod proof;
mod pypi;
pub mod replica;
pub mod request;
pub mod runtime;
pub mod server;
pub mod tap;
pub mod template;
pub mod upstream;
pub mod workdir;

pub use answer::Answer;
pub use failure::{Failure, Result};
pub use identity_provider::IdentityProvider;
pub use issuer::{DevelopmentIssuer, Issuer};
pub use mesh::{Behind, Mesh, Setup};
pub use replica::Replica;
pub use request::Request;
