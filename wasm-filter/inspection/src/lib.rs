//! What a request body would do, and what a response may show.
//!
//! Two doors lead in: [`Inspector`] turns a request into [`facts::Facts`], and
//! [`Masker`] turns response chunks into masked chunks. Everything here is pure:
//! no clock, no I/O, no globals; the same code runs in Envoy (wasm) and in the
//! server (native), so both read the same bytes the same way.

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

pub mod detect;
pub mod digest;
pub mod encoding;
pub mod facts;
pub mod json;
pub mod mask;
pub mod mcp_answer;
pub mod obligations;
pub mod plan;
pub mod protocol;
pub mod seal;
pub mod vocabulary;

pub use mask::Masker;
pub use protocol::Inspector;
