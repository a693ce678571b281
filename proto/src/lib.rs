//! The types generated from `proto/chaperone`: what the filter and the server
//! say to each other besides Envoy's own protocol.

/// Package `chaperone.v1`.
#[allow(
    missing_docs,
    unused_qualifications,
    clippy::pedantic,
    reason = "generated code; the documentation is in the .proto files"
)]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/chaperone.v1.rs"));
}
