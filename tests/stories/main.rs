//! Stories through a real Envoy, with a real server, issuer and upstream.
//!
//! Most share one mesh; a story that breaks something takes its own. `cast` names
//! who plays in them.

mod answers;
mod approvals;
mod audit;
mod bodies;
mod cast;
mod chains;
mod facts;
mod failing;
mod identity_provider;
mod issuers;
mod masking;
mod mcp_lists;
mod mcp_sdk;
mod presets;
mod proofs;
mod protocols;
mod readme;
mod revocation;
mod stitching;
mod tokens;
mod upstream;
