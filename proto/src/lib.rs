//! The types generated from `proto/chaperone`: what the filter and the server
//! say to each other besides Envoy's own protocol.

/// Package `chaperone.v1`.
#[expect(
    missing_docs,
    clippy::pedantic,
    reason = "generated; the documentation is in the .proto files"
)]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/chaperone.v1.rs"));
}
