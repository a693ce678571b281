//! Who calls, on whose behalf, and how well each of them is known.

mod chain;

pub use chain::{Assurance, Chain, EmptyChain, GroupName, Hop, IssuerAlias, NameError, Principal};
