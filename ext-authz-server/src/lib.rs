//! Chaperone's decision point: who calls, through whom, to do what, and whether
//! they may.
//!
//! The rooms: [`identity`] turns a token into a chain, [`policy`] turns a chain
//! and commands into a decision, [`approval`] keeps what waits for a human,
//! [`audit`] keeps what was decided, [`store`] keeps both on disk. [`decide`] puts
//! them in order; [`envoy`], [`http`] and [`cli`] are the doors.

pub mod approval;
pub mod audit;
pub mod cli;
pub mod config;
pub mod decide;
pub mod envoy;
pub mod exchange;
pub mod health;
pub mod http;
pub mod identity;
pub mod issuing;
mod ledger;
pub mod policy;
mod redact;
pub mod request;
pub mod resource;
pub mod server;
pub mod service;
pub mod store;
mod suggestion;
pub mod time;
pub mod tools;
pub mod upstream;
pub mod verdict;
