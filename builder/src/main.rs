//! The builder as a deployed function.

fn main() {}
