//! The bundles that are unpacked on this machine.
