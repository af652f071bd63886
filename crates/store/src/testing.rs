//! The laws that every backend keeps, and a store that fails on purpose.
