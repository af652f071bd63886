//! Who holds a lease, and whether that process still lives.
//!
//! In: a lease's record, and on Linux what `/proc` says. Out: the holder, dead or not.
//! Never: calls a living holder dead, as long as clocks agree within a lease's lifetime.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pyrun_core::Sha256;
use serde::{Deserialize, Serialize};

/// The holder of a lease, as its record says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Different for every lease that was ever asked for.
    owner: String,
    /// The machine since its last start, and the process namespace; empty when unknown.
    host: String,
    /// The process.
    pid: u32,
    /// When the process started, in the kernel's ticks: a number that is used again for another
    /// process does not pass for the holder.
    #[serde(default)]
    started: u64,
    /// When the lease ends, in milliseconds since 1970-01-01 UTC.
    expires_at: u64,
}

impl Holder {
    /// This process, with a name that no other lease has.
    pub(super) fn me() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let pid = std::process::id();
        let host = host();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let time = since_epoch().as_nanos();
        Self {
            owner: Sha256::of(format!("{host} {pid} {time} {count}")).short(),
            host,
            pid,
            started: started(pid).unwrap_or(0),
            expires_at: 0,
        }
    }

    /// The holder that a record names. A record that can't be read is that of a holder whose end
    /// can't be foretold.
    pub(super) fn parse(record: &[u8]) -> Self {
        serde_json::from_slice(record).unwrap_or_else(|_| Self {
            owner: "unknown".to_owned(),
            host: String::new(),
            pid: 0,
            started: 0,
            expires_at: u64::MAX,
        })
    }

    /// The record of a lease that ends after `ttl` from now.
    pub(super) fn record(&self, ttl: Duration) -> Vec<u8> {
        let holder = Self {
            expires_at: millis(since_epoch() + ttl),
            ..self.clone()
        };
        serde_json::to_vec(&holder).expect("plain values are JSON")
    }

    /// Different for every lease that was ever asked for.
    pub fn id(&self) -> &str {
        &self.owner
    }

    /// The process, on whichever machine it is.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it runs on this machine.
    pub fn is_here(&self) -> bool {
        !self.host.is_empty() && self.host == host()
    }

    /// Whether the lease is over: its time has passed, or its process on this machine has ended.
    pub(super) fn is_dead(&self) -> bool {
        let expired = self.expires_at <= millis(since_epoch());
        expired || (self.is_here() && started(self.pid) != Some(self.started))
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            0 => write!(f, "another builder"),
            pid if self.is_here() => write!(f, "process {pid}"),
            pid => write!(f, "process {pid} of another machine"),
        }
    }
}

fn since_epoch() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The machine since its last start and the namespace in which a process number means something:
/// two containers may share the first but not the second. Empty where `/proc` does not say.
fn host() -> String {
    let boot = fs_err::read_to_string("/proc/sys/kernel/random/boot_id");
    let namespace = fs_err::read_link("/proc/self/ns/pid");
    match (boot, namespace) {
        (Ok(boot), Ok(namespace)) => format!("{} {}", boot.trim(), namespace.display()),
        _ => String::new(),
    }
}

/// When a process started (proc(5), `/proc/<pid>/stat`, field 22); `None` when there is no such
/// process, or when it has ended and waits for its parent to notice.
fn started(pid: u32) -> Option<u64> {
    let stat = fs_err::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name, the second field, may hold spaces and parentheses.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    match fields.next()? {
        "Z" | "X" => None,
        _ => fields.nth(18)?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_record_says_who_and_until_when() {
        let me = Holder::me();
        let read = Holder::parse(&me.record(Duration::from_mins(1)));
        assert_eq!(read.id(), me.id());
        assert_eq!(read.pid(), std::process::id());
        assert!(!read.is_dead());
        assert!(Holder::parse(&me.record(Duration::ZERO)).is_dead());
    }

    #[test]
    fn two_leases_of_one_process_have_two_names() {
        assert_ne!(Holder::me().id(), Holder::me().id());
    }

    #[test]
    fn an_unreadable_record_is_not_dead() {
        for record in [&b""[..], b"{}", b"nonsense", b"{\"owner\":1}"] {
            assert!(!Holder::parse(record).is_dead());
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_that_has_ended_is_dead_at_once() {
        let mut child = Command::new("sleep").arg("60").spawn().expect("started");
        let mut holder = Holder::me();
        holder.pid = child.id();
        holder.started = started(child.id()).expect("it lives");
        holder.expires_at = u64::MAX;
        assert!(!holder.is_dead());

        let mut reused = holder.clone();
        reused.started += 1;
        assert!(reused.is_dead(), "another process with its number");
        let mut elsewhere = reused;
        elsewhere.host = "another machine".to_owned();
        assert!(!elsewhere.is_dead(), "nothing is known of other machines");

        child.kill().expect("killed");
        while !holder.is_dead() {
            std::thread::yield_now();
        }
        child.wait().expect("reaped");
        assert!(holder.is_dead());
    }
}
