//! The runner as a deployed function.

fn main() {}
