//! Tokens that this server signs itself: its keys, what a token may say at most, and
//! the signing.
//!
//! [`SigningKeys`] keeps the keys of a file or a folder, knows which of them signs and
//! which are published, and follows the files when they change (`signing`, `schedule`,
//! `keys`). [`narrow`] says what a token that comes of an exchange may be for
//! (`terms`). [`mint`] writes and signs it (`mint`).

mod keys;
mod mint;
mod schedule;
mod signing;
mod terms;

pub use keys::{KeyChange, KeyHealth, KeySettings, KeyState, KeysError, KeysIn, SigningKeys};
pub use mint::{BoundTo, MAX_MINTED_BYTES, MintError, Minted, Wording, mint};
pub use signing::{SigningAlgorithm, SigningKey, SigningKeyError};
pub use terms::{ExchangeTerms, Parent, SERVER, TermsError, TokenTerms, Wish, narrow};
