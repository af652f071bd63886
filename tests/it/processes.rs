//! The program as a process that is interrupted, and what it may leave behind.
//!
//! In: arguments, signals. Out: a running program, what it says, which processes live. Never: signals
//! anything but the program that it started.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::World;

/// Starts the program, with pipes for what it says.
pub fn start(world: &World, arguments: &[&str]) -> Child {
    let mut command = world.context.command(arguments);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().expect("it starts")
}

/// Waits until the program says a line that has this in it, and gives the line.
pub fn wait_for(child: &mut Child, part: &str) -> String {
    let stderr = child.stderr.take().expect("a pipe");
    let mut lines = BufReader::new(stderr).lines();
    let mut said = lines.by_ref().map(|line| line.expect("text"));
    let line = said.find(|line| line.contains(part)).expect("it says so");
    // The pipe must stay open, or the program's own writes fail.
    std::thread::spawn(move || lines.for_each(drop));
    line
}

/// Sends a signal to the program.
pub fn signal(child: &Child, name: &str) {
    let status = Command::new("kill")
        .args([name, &child.id().to_string()])
        .status()
        .expect("kill runs");
    assert!(status.success());
}

/// Waits until something is so.
pub fn until(is_so: impl Fn() -> bool, otherwise: &str) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_mins(1), "{otherwise}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
