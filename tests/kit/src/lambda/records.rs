//! What happened: one record for each call, and counts of everything.
//!
//! In: calls as they end. Out: records, counts, and the lines that Lambda writes around a call.
//! Never: forgets within its bound; records a call before it is over.

use std::fmt::Write as _;
use std::time::Duration;

/// A call that is over.
#[derive(Debug, Clone, PartialEq)]
pub struct CallRecord {
    /// The function's name.
    pub function: String,
    /// The call's own id.
    pub request_id: String,
    /// Which environment served it, counted from 1.
    pub environment: u64,
    /// Whether the environment was started for it.
    pub cold: bool,
    /// Whether the caller asked for a stream.
    pub streamed: bool,
    /// From the delivery of the call to the request for the next, and a repeated init.
    pub duration: Duration,
    /// The init phase, or the restore from a snapshot, where there was one for this call.
    pub init: Option<Duration>,
    /// What would be billed, in milliseconds, with the init phase.
    pub billed_ms: u64,
    /// The function's memory in MB.
    pub memory_mb: u64,
    /// The most memory that the environment ever used, in bytes.
    pub peak_memory_bytes: u64,
    /// The most disk that the environment was seen to use, in bytes. It is looked at a few times
    /// a second while the environment is at work, and after each call as long as that is quick.
    pub storage_bytes: u64,
    /// Bytes of the question.
    pub request_bytes: u64,
    /// The type of the error that the caller got.
    pub error: Option<String>,
}

/// Counts since the start or the last clear.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Environments that were started. An init that failed and was repeated counts twice.
    pub environments_started: u64,
    /// Calls that reached an environment.
    pub invocations: u64,
    /// Calls that were refused for there were too many, injected ones included.
    pub throttled: u64,
    /// Calls that were refused for any other reason.
    pub refused: u64,
    /// The most calls that were served at once.
    pub peak: usize,
    /// Calls after which an environment had more on its disk than it may.
    pub over_storage: u64,
    /// Connections of callers that were opened.
    pub connections: u64,
    /// The most connections of callers that were open at once.
    pub peak_connections: usize,
}

/// What a report line is made of.
#[derive(Debug)]
pub(super) struct Report<'a> {
    pub id: &'a str,
    pub duration: Duration,
    pub init: Option<Duration>,
    pub restore: Option<Duration>,
    pub memory_mb: u64,
    pub peak_bytes: u64,
    pub status: Option<String>,
}

impl Report<'_> {
    /// Milliseconds, each one begun counts.
    pub(super) fn billed_ms(&self) -> u64 {
        let total = self.duration + self.init.unwrap_or_default();
        u64::try_from(total.as_micros().div_ceil(1000))
            .unwrap_or(u64::MAX)
            .max(1)
    }

    /// The line that ends a call's log.
    pub(super) fn line(&self) -> String {
        let ms = |duration: Duration| format!("{:.2} ms", duration.as_secs_f64() * 1000.0);
        let peak = self.peak_bytes.div_ceil(1 << 20);
        let mut line = format!(
            "REPORT RequestId: {}\tDuration: {}\tBilled Duration: {} ms\tMemory Size: {} MB\tMax Memory Used: {peak} MB\t",
            self.id,
            ms(self.duration),
            self.billed_ms(),
            self.memory_mb,
        );
        if let Some(init) = self.init {
            let _ = write!(line, "Init Duration: {}\t", ms(init));
        }
        if let Some(restore) = self.restore {
            let _ = write!(line, "Restore Duration: {}\t", ms(restore));
        }
        if let Some(status) = &self.status {
            line += status;
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_begun_millisecond_is_billed_and_the_init_phase_with_them() {
        let report = Report {
            id: "id",
            duration: Duration::from_micros(1_001),
            init: Some(Duration::from_micros(2_500)),
            restore: None,
            memory_mb: 128,
            peak_bytes: (30 << 20) + 1,
            status: None,
        };
        assert_eq!(report.billed_ms(), 4);
        assert_eq!(
            report.line(),
            "REPORT RequestId: id\tDuration: 1.00 ms\tBilled Duration: 4 ms\tMemory Size: 128 MB\t\
             Max Memory Used: 31 MB\tInit Duration: 2.50 ms\t"
        );
    }
}
