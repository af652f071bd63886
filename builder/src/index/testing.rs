//! A loopback server.
