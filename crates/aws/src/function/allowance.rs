//! What a call may spend of the function it runs in: time and memory.
//!
//! In: the invocation's deadline and the function's size. Out: a run's limits, and faults that name
//! the limit that was met. Never: gives more than there is; lets AWS end a run that pyrun can end
//! itself, and say why.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pyrun_core::protocol::{Ask, RunRequest};
use pyrun_core::{Code, Fault};
use tokio::time::Instant;

/// How long before the invocation's deadline a run is asked to end. It is killed half a second
/// later, and then its last words are sent.
const GRACE: Duration = Duration::from_secs(1);
/// How long before the deadline whatever is going on is given up.
const LAST_MOMENT: Duration = Duration::from_millis(250);
/// Bytes that pyrun itself takes beside a run: the program, and frames on their way.
const OWN_MEMORY: u64 = 64 << 20;

/// A call of the function.
#[derive(Debug, Clone)]
pub struct Call {
    /// What the function is called, and how large it is.
    pub(super) size: Size,
    /// When the call came.
    pub(super) came: Instant,
    /// When the environment is killed.
    end: Instant,
}

/// The function's name and memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Size {
    /// Its name.
    pub(super) name: String,
    /// Its memory in MB of 2^20 bytes.
    pub(super) memory_mb: u64,
}

impl Size {
    /// Bytes of the whole.
    pub(super) fn memory_bytes(&self) -> u64 {
        self.memory_mb.saturating_mul(1 << 20)
    }

    /// Bytes that a run may take: pyrun keeps some, but never more than half.
    fn run_memory(&self) -> u64 {
        let whole = self.memory_bytes();
        whole - OWN_MEMORY.min(whole / 2)
    }
}

impl Call {
    /// A call that came now and ends at `deadline`, in milliseconds since 1970-01-01 UTC.
    pub(super) fn new(size: Size, deadline: u64) -> Self {
        let came = Instant::now();
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let left = Duration::from_millis(deadline).saturating_sub(now.unwrap_or_default());
        Self {
            size,
            came,
            // Longer than any call may take: a wrong clock can't make the moment overflow.
            end: came + left.min(Duration::from_hours(24)),
        }
    }

    /// When a run is to end at the latest.
    pub fn until(&self) -> Instant {
        self.before_end(GRACE)
    }

    /// When everything is given up.
    pub(super) fn last_moment(&self) -> Instant {
        self.before_end(LAST_MOMENT)
    }

    fn before_end(&self, margin: Duration) -> Instant {
        self.end
            .checked_sub(margin)
            .unwrap_or(self.came)
            .max(self.came)
    }

    /// How long the function may take: the invocation's time when it came, to the second.
    pub(super) fn timeout(&self) -> Duration {
        let whole = self.end.saturating_duration_since(self.came);
        Duration::from_secs((whole + Duration::from_millis(500)).as_secs())
    }

    /// Waits until the call has taken `millis` milliseconds, or has to end.
    pub async fn hold(&self, millis: u64) {
        let held = self.came.checked_add(Duration::from_millis(millis));
        tokio::time::sleep_until(held.map_or(self.until(), |held| held.min(self.until()))).await;
    }

    /// The fault for a question that is the other function's.
    pub fn refuse(&self, ask: &Ask) -> Fault {
        let what = match ask {
            Ask::Build(_) => "to build",
            Ask::Run(_) => "to run",
            Ask::Prepare(_) => "to prepare a bundle",
            Ask::Describe | Ask::Stored { .. } => "what it can't answer",
        };
        let name = &self.size.name;
        Fault::new(
            Code::CONFIG_INVALID,
            format!("the function `{name}` was asked {what}, which is not its work"),
        )
        .hint("check `builder` and `runner` of the remote in pyrun.toml: they may have changed places")
    }

    /// Gives a run its memory, or says that there is not as much as it asks for.
    pub(super) fn grant(&self, request: &mut RunRequest) -> Result<(), Fault> {
        let most = self.size.run_memory();
        match request.limits.memory_bytes {
            Some(asked) if asked > most => Err(Fault::new(
                Code::REMOTE_QUOTA,
                format!(
                    "the run asks for {} of memory, and the function `{}` has {} for it",
                    mebibytes(asked),
                    self.size.name,
                    mebibytes(most),
                ),
            )
            .cause(self.share_of_memory())
            .hint(format!(
                "deploy it with more memory, such as `pyrun deploy --memory {}`, or ask for less",
                memory_for(asked)
            ))),
            Some(_) => Ok(()),
            None => {
                request.limits.memory_bytes = Some(most);
                Ok(())
            }
        }
    }

    fn share_of_memory(&self) -> String {
        let kept = self.size.memory_bytes() - self.size.run_memory();
        format!(
            "the function has {} MB, of which pyrun keeps {}",
            self.size.memory_mb,
            mebibytes(kept)
        )
    }

    /// A fault of a run with what to do about it here, where that is another thing than on the
    /// user's own machine. `asked` is what the user asked for.
    pub(super) fn explain(&self, mut fault: Fault, asked: &Asked) -> Fault {
        let name = &self.size.name;
        if fault.code == Code::RUN_TIMEOUT && Instant::now() >= self.until() {
            let timeout = self.timeout().as_secs();
            fault.causes.push(format!(
                "a call of the function `{name}` may take {timeout} s altogether"
            ));
            fault.hints = vec![
                "deploy it with more time, such as `pyrun deploy --timeout 15m`, the most that AWS Lambda allows"
                    .to_owned(),
            ];
        } else if fault.code == Code::RUN_MEMORY && asked.memory_bytes.is_none() {
            fault.causes.push(self.share_of_memory());
            let twice = self.size.memory_mb.saturating_mul(2).min(10_240);
            fault.hints = vec![format!(
                "deploy it with more memory, such as `pyrun deploy --memory {twice}`, or work on the data in parts"
            )];
        } else if fault.code == Code::STORE_FULL {
            fault
                .causes
                .push(format!("the disk of the function `{name}` is full"));
            fault.hints =
                vec!["deploy it with more disk, such as `pyrun deploy --storage 4096`".to_owned()];
        }
        fault
    }

    /// The fault of a call whose time is over.
    pub(super) fn over(&self) -> Fault {
        let name = &self.size.name;
        let timeout = self.timeout().as_secs();
        Fault::new(
            Code::RUN_TIMEOUT,
            format!(
                "the function `{name}` was not done within the {timeout} s that a call may take"
            ),
        )
        .hint("deploy it with more time, such as `pyrun deploy --timeout 15m`")
    }
}

/// What the user asked for, before it was made to fit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) memory_bytes: Option<u64>,
}

/// The memory in MB of a function whose runs may take so many bytes.
fn memory_for(bytes: u64) -> u64 {
    bytes.saturating_add(OWN_MEMORY).div_ceil(1 << 20).max(128)
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(memory_mb: u64, left: Duration) -> Call {
        let size = Size {
            name: "pyrun-Runner312".to_owned(),
            memory_mb,
        };
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("a time");
        let deadline = now + left;
        Call::new(size, u64::try_from(deadline.as_millis()).expect("a time"))
    }

    fn run(memory_bytes: Option<u64>) -> RunRequest {
        let json = serde_json::json!({
            "protocol": 1,
            "lock": "0".repeat(64),
            "script": { "path": "a.py", "source": "" },
            "entry": { "kind": "program", "argv": [] },
            "limits": { "memory_bytes": memory_bytes },
        });
        serde_json::from_value(json).expect("a request")
    }

    #[test]
    fn a_run_gets_what_pyrun_leaves() {
        for (memory_mb, left) in [(1024, 960), (128, 64), (64, 32)] {
            let mut request = run(None);
            let call = call(memory_mb, Duration::from_mins(1));
            call.grant(&mut request).expect("there is as much");
            assert_eq!(request.limits.memory_bytes, Some(left << 20));
        }
    }

    #[test]
    fn more_memory_than_there_is_is_refused_with_what_to_do() {
        let mut request = run(Some(1 << 30));
        let fault = call(1024, Duration::from_mins(1))
            .grant(&mut request)
            .expect_err("too much");
        assert_eq!(fault.code, Code::REMOTE_QUOTA);
        assert!(fault.hints[0].contains("--memory 1088"), "{fault:?}");
    }

    #[test]
    fn a_run_ends_before_its_function_is_killed() {
        let call = call(1024, Duration::from_mins(1));
        let left = call.end.duration_since(call.until());
        assert_eq!(left, GRACE);
        assert!(call.until() < call.last_moment());
        assert_eq!(call.timeout(), Duration::from_mins(1));
    }

    #[test]
    fn a_deadline_that_is_past_leaves_no_time() {
        let call = call(1024, Duration::ZERO);
        assert_eq!(call.until(), call.came);
        let size = call.size.clone();
        assert!(Call::new(size, u64::MAX).timeout() <= Duration::from_hours(24));
    }

    #[test]
    fn a_limit_of_the_function_is_told_apart_from_the_users() {
        let timeout = || Fault::new(Code::RUN_TIMEOUT, "late").hint("`--timeout`");
        let asked = Asked::default();
        let ample = call(1024, Duration::from_mins(1));
        assert_eq!(ample.explain(timeout(), &asked), timeout());
        let over = call(1024, Duration::ZERO).explain(timeout(), &asked);
        assert!(over.hints[0].contains("pyrun deploy --timeout"), "{over:?}");
        let memory = || Fault::new(Code::RUN_MEMORY, "much").hint("less");
        let own = Asked {
            memory_bytes: Some(1),
        };
        assert_eq!(ample.explain(memory(), &own), memory());
        let function = ample.explain(memory(), &asked);
        assert!(function.hints[0].contains("--memory 2048"), "{function:?}");
    }
}
