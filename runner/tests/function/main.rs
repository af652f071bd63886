//! The deployed runner's program, against a Runtime API of its own and a store in a folder.
#![expect(
    clippy::print_stderr,
    reason = "a number to look at, and why a test was skipped"
)]

mod answers;
mod emulator;
mod limits;
mod secrets;
mod starts;
mod world;
