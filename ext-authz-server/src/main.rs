//! The `chaperone` command.

fn main() {}
