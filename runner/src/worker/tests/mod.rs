//! Runs with a real Python.

mod support;

mod hostile;
mod outcomes;
mod programs;
mod values;
