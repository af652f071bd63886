//! The processes of this machine, and those of one environment among them.
//!
//! In: `/proc`, and the first process of an environment. Out: its descendants, whatever group or
//! session they moved to, and their memory; stopped, going on or gone.
//! Never: signals a process that it has not just seen to be of the environment.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// How often a tree is looked at again before whatever still appears in it is left alone.
const ROUNDS: usize = 100;

/// What `/proc/PID/stat` says of a process (proc(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process {
    parent: i32,
    group: i32,
    session: i32,
    /// Ticks since boot: with the number, a name that is never given twice.
    start: u64,
    /// Bytes.
    resident: u64,
}

/// Every live process at one moment.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    processes: BTreeMap<i32, Process>,
    children: BTreeMap<i32, Vec<i32>>,
    /// Who is given the children of processes that end: the first process, or a reaper among the
    /// parents of this one.
    reapers: BTreeSet<i32>,
}

impl Snapshot {
    /// The machine as it is now.
    pub(super) fn take() -> Self {
        let page = rustix::param::page_size() as u64;
        let mut snapshot = Self::default();
        let Ok(entries) = fs_err::read_dir("/proc") else {
            return snapshot;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(number) = name.to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            // One that ended meanwhile is not there, which is the truth.
            if let Some(process) = look(number, page) {
                let siblings = snapshot.children.entry(process.parent).or_default();
                siblings.push(number);
                snapshot.processes.insert(number, process);
            }
        }
        snapshot.reapers = snapshot.parents(std::process::id());
        snapshot
    }

    fn parents(&self, of: u32) -> BTreeSet<i32> {
        let mut parents = BTreeSet::from([1]);
        let mut next = i32::try_from(of).ok();
        while let Some(process) = next.and_then(|number| self.processes.get(&number)) {
            if !parents.insert(process.parent) {
                break;
            }
            next = Some(process.parent);
        }
        parents
    }
}

/// A process by its number.
fn look(number: i32, page: u64) -> Option<Process> {
    // The line is short, and one read is what the file system answers whole.
    let mut buffer = [0; 1024];
    let mut file = fs_err::File::open(format!("/proc/{number}/stat")).ok()?;
    let count = file.read(&mut buffer).ok()?;
    parse(&String::from_utf8_lossy(&buffer[..count]), page)
}

/// A process from its line; `None` for one that is dead and only waits to be noticed.
fn parse(text: &str, page: u64) -> Option<Process> {
    // The command stands in brackets and may hold anything, brackets and spaces included.
    let rest = text.rsplit_once(')')?.1;
    let mut fields = rest.split_ascii_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    Some(Process {
        parent: fields.next()?.parse().ok()?,
        group: fields.next()?.parse().ok()?,
        session: fields.next()?.parse().ok()?,
        // Fifteen fields that nobody needs here stand between, and one after.
        start: fields.nth(15)?.parse().ok()?,
        resident: fields.nth(1)?.parse::<u64>().ok()?.saturating_mul(page),
    })
}

/// The processes that come from one.
#[derive(Debug)]
pub(super) struct Tree {
    root: i32,
    /// A variable that no other environment has, as `NAME=VALUE`.
    marker: String,
    /// Members by number, with their start: one that loses its parent is still known.
    known: Mutex<BTreeMap<i32, u64>>,
    /// Processes that lost their parent and are not of this tree.
    strangers: Mutex<BTreeMap<i32, u64>>,
}

impl Tree {
    /// The tree of `root`, a live child of this process that leads a group of its own.
    pub(super) fn new(root: u32, marker: String) -> Self {
        let root = i32::try_from(root).expect("process numbers are small");
        let start = look(root, 1).map(|process| process.start);
        let known = start.map(|start| (root, start)).into_iter().collect();
        Self {
            root,
            marker,
            known: Mutex::new(known),
            strangers: Mutex::default(),
        }
    }

    /// Whose processes are in the tree. `orphans` looks at the variables of processes that
    /// lost their parent too, which finds one that left everything behind before it was seen.
    fn members(&self, snapshot: &Snapshot, orphans: bool) -> BTreeSet<i32> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = |number: &i32, start: &u64| {
            let process = snapshot.processes.get(number);
            process.is_some_and(|process| process.start == *start)
        };
        known.retain(|number, start| seen(number, start));
        let mut strangers = self
            .strangers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        strangers.retain(|number, start| seen(number, start));
        let mut members: BTreeSet<i32> = known.keys().copied().collect();
        // A number names a group or session as long as one of its members lives, so that the
        // first process's own is safe to ask for unless the number is another process's by now.
        let reused = snapshot.processes.contains_key(&self.root) && !members.contains(&self.root);
        let mut leaders = members.clone();
        if !reused {
            leaders.insert(self.root);
        }
        for (number, process) in &snapshot.processes {
            let led = leaders.contains(&process.group) || leaders.contains(&process.session);
            let orphan = orphans && snapshot.reapers.contains(&process.parent);
            if led {
                members.insert(*number);
            } else if orphan && !strangers.contains_key(number) {
                if self.marks(*number) {
                    members.insert(*number);
                } else {
                    strangers.insert(*number, process.start);
                }
            }
        }
        let mut unseen: Vec<i32> = members.iter().copied().collect();
        while let Some(number) = unseen.pop() {
            for child in snapshot.children.get(&number).into_iter().flatten() {
                if members.insert(*child) {
                    unseen.push(*child);
                }
            }
        }
        for number in &members {
            if let Some(process) = snapshot.processes.get(number) {
                known.insert(*number, process.start);
            }
        }
        members
    }

    /// Whether a process was started with the marker.
    fn marks(&self, number: i32) -> bool {
        fs_err::read(format!("/proc/{number}/environ")).is_ok_and(|variables| {
            let mut variables = variables.split(|byte| *byte == 0);
            variables.any(|variable| variable == self.marker.as_bytes())
        })
    }

    /// The memory of the tree in bytes. Pages that several processes share are counted for each,
    /// unless that would take it over `limit`: then their parts are looked up.
    pub(super) fn memory(&self, snapshot: &Snapshot, limit: u64) -> u64 {
        memory_of(&self.members(snapshot, false), snapshot, limit)
    }

    /// Stops every process, and says how much memory they have.
    pub(super) fn freeze(&self, limit: u64) -> u64 {
        if let Some(root) = Pid::from_raw(self.root) {
            // The first process is not yet waited for, so that the number is still its own.
            let _ = kill_process_group(root, Signal::STOP);
        }
        let mut stopped = BTreeSet::new();
        let mut memory = 0;
        for _ in 0..ROUNDS {
            let snapshot = Snapshot::take();
            let members = self.members(&snapshot, true);
            let in_group = |number: &i32| {
                let process = snapshot.processes.get(number);
                process.is_some_and(|process| process.group == self.root)
            };
            memory = memory_of(&members, &snapshot, limit);
            let fresh: Vec<i32> = members
                .into_iter()
                .filter(|number| !in_group(number) && !stopped.contains(number))
                .collect();
            if fresh.is_empty() {
                break;
            }
            for number in fresh {
                send(number, Signal::STOP);
                stopped.insert(number);
            }
        }
        memory
    }

    /// Lets every process go on.
    pub(super) fn thaw(&self) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // They are stopped and can't have ended, but for what somebody else killed.
        for number in known.keys() {
            send(*number, Signal::CONT);
        }
    }

    /// Ends every process.
    pub(super) fn kill(&self) {
        kill_all(&[self]);
    }
}

/// Ends every process of several trees.
pub(super) fn kill_all(trees: &[&Tree]) {
    for round in 0..ROUNDS {
        let snapshot = Snapshot::take();
        let members: Vec<i32> = trees
            .iter()
            .flat_map(|tree| tree.members(&snapshot, true))
            .collect();
        if members.is_empty() {
            return;
        }
        for number in members {
            send(number, Signal::KILL);
        }
        if round > 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn send(number: i32, signal: Signal) {
    if let Some(process) = Pid::from_raw(number) {
        // One that ended meanwhile needs no signal.
        let _ = kill_process(process, signal);
    }
}

fn memory_of(members: &BTreeSet<i32>, snapshot: &Snapshot, limit: u64) -> u64 {
    let resident = members
        .iter()
        .filter_map(|number| Some(snapshot.processes.get(number)?.resident))
        .sum();
    if resident <= limit || members.len() < 2 {
        return resident;
    }
    members.iter().map(|number| proportional(*number)).sum()
}

/// A process's memory with its part of what it shares, in bytes.
fn proportional(number: i32) -> u64 {
    let Ok(text) = fs_err::read_to_string(format!("/proc/{number}/smaps_rollup")) else {
        return 0;
    };
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
    kilobytes.unwrap_or(0_u64).saturating_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_brackets_and_spaces_is_read_and_a_dead_process_is_none() {
        let tail = "5 6 7 0 -1 0 0 0 0 0 1 2 0 0 20 0 3 0 12345 4096000 10 0 0";
        let process = parse(&format!("42 (a) b (c) S {tail}"), 4096).expect("it is alive");
        assert_eq!(
            process,
            Process {
                parent: 5,
                group: 6,
                session: 7,
                start: 12345,
                resident: 40_960
            }
        );
        assert_eq!(parse(&format!("42 (sh) Z {tail}"), 4096), None);
        assert_eq!(parse("nonsense", 4096), None);
    }

    #[test]
    fn this_process_is_in_the_snapshot() {
        let number = i32::try_from(std::process::id()).expect("a number");
        let snapshot = Snapshot::take();
        assert!(snapshot.processes[&number].resident > 100_000);
        assert!(proportional(number) > 100_000);
    }
}
