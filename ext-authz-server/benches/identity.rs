//! Verification of tokens.

fn main() {}
