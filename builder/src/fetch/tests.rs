//! Wheels into the store: whole ones only.
