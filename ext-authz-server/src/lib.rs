//! Chaperone's decision point: who calls, through whom, to do what, and whether
//! they may.
//!
//! The rooms: [`identity`] turns a token into a chain, [`policy`] turns a chain
//! and commands into a decision, [`approval`] keeps what waits for a human,
//! [`audit`] keeps what was decided, [`store`] keeps both on disk.

pub mod approval;
pub mod audit;
pub mod identity;
pub mod policy;
pub mod store;
pub mod time;
