//! Wheels to a bundle, by copying compressed members as they are.
