//! Python interpreters on this machine: found, asked once, remembered.
