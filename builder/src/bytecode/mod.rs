//! Bytecode for every wheel, compiled once, the same bytes on every machine.
