//! The last lines of a function's log, which come with its answer.
//!
//! In: the log's tail in base64. Out: what the platform's report line says, and the function's own
//! last lines. Never: trusts that there is one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// Lines of the log that a fault shows.
const SHOWN: usize = 8;
/// Characters of a line that a fault shows.
const WIDTH: usize = 300;

/// The end of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tail {
    /// `Billed Duration`, in milliseconds.
    pub billed_ms: Option<u64>,
    /// `Memory Size`, in MB.
    pub memory_mb: Option<u64>,
    /// `Max Memory Used`, in MB.
    pub peak_mb: Option<u64>,
    /// `Init Duration`, in milliseconds.
    pub init_ms: Option<u64>,
    /// The last lines that are not the platform's.
    pub lines: Vec<String>,
}

/// The report of a log in JSON, as Lambda's telemetry schema writes it.
#[derive(Deserialize)]
struct Platform {
    #[serde(rename = "type")]
    kind: String,
    record: Record,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Record {
    metrics: Metrics,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metrics {
    billed_duration_ms: Option<f64>,
    #[serde(rename = "memorySizeMB")]
    memory_size_mb: Option<f64>,
    #[serde(rename = "maxMemoryUsedMB")]
    max_memory_used_mb: Option<f64>,
    init_duration_ms: Option<f64>,
}

impl Tail {
    /// From the base64 text of a header or an event; `None` for what is none.
    pub(super) fn decode(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.trim()).ok()?;
        Some(Self::parse(&String::from_utf8_lossy(&bytes)))
    }

    fn parse(log: &str) -> Self {
        let mut tail = Self::default();
        for line in log.lines().filter(|line| !line.trim().is_empty()) {
            if let Some(rest) = line.strip_prefix("REPORT RequestId: ") {
                tail.read_report(rest);
            } else if let Some(platform) = platform(line) {
                tail.read_platform(&platform);
            } else if !is_platforms(line) {
                tail.lines.push(line.chars().take(WIDTH).collect());
            }
        }
        let more = tail.lines.len().saturating_sub(SHOWN);
        tail.lines.drain(..more);
        tail
    }

    /// `Billed Duration: 13 ms<TAB>Memory Size: 128 MB<TAB>…`.
    fn read_report(&mut self, report: &str) {
        for field in report.split('\t') {
            let Some((name, value)) = field.trim().split_once(": ") else {
                continue;
            };
            let amount = value.split(' ').next().and_then(|text| text.parse().ok());
            match name {
                "Billed Duration" => self.billed_ms = amount.and_then(rounded_up),
                "Memory Size" => self.memory_mb = amount.and_then(rounded_up),
                "Max Memory Used" => self.peak_mb = amount.and_then(rounded_up),
                "Init Duration" => self.init_ms = amount.and_then(rounded_up),
                _ => {}
            }
        }
    }

    fn read_platform(&mut self, platform: &Platform) {
        if platform.kind == "platform.report" {
            let metrics = &platform.record.metrics;
            self.billed_ms = metrics.billed_duration_ms.and_then(rounded_up);
            self.memory_mb = metrics.memory_size_mb.and_then(rounded_up);
            self.peak_mb = metrics.max_memory_used_mb.and_then(rounded_up);
            self.init_ms = metrics.init_duration_ms.and_then(rounded_up);
        }
    }

    /// Whether all the memory that there is was used.
    pub(super) fn memory_was_full(&self) -> bool {
        matches!((self.peak_mb, self.memory_mb), (Some(peak), Some(all)) if peak >= all)
    }
}

/// A line of the platform in a log in JSON.
fn platform(line: &str) -> Option<Platform> {
    line.starts_with('{')
        .then(|| serde_json::from_str(line).ok())
        .flatten()
        .filter(|platform: &Platform| platform.kind.starts_with("platform."))
}

fn is_platforms(line: &str) -> bool {
    [
        "START RequestId: ",
        "END RequestId: ",
        "INIT_START ",
        "XRAY TraceId: ",
    ]
    .iter()
    .any(|word| line.starts_with(word))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be a small number"
)]
fn rounded_up(amount: f64) -> Option<u64> {
    (0.0..1e15).contains(&amount).then(|| amount.ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_line_is_read() {
        let log = "START RequestId: 1 Version: $LATEST\nhello\nEND RequestId: 1\n\
            REPORT RequestId: 1\tDuration: 12.34 ms\tBilled Duration: 113 ms\tMemory Size: 128 MB\t\
            Max Memory Used: 50 MB\tInit Duration: 99.60 ms\t\nXRAY TraceId: 1-2\tSegmentId: 3\n";
        let tail = Tail::decode(&STANDARD.encode(log)).expect("base64");
        assert_eq!(
            tail,
            Tail {
                billed_ms: Some(113),
                memory_mb: Some(128),
                peak_mb: Some(50),
                init_ms: Some(100),
                lines: vec!["hello".to_owned()],
            }
        );
    }

    #[test]
    fn a_log_in_json_is_read_too() {
        let log = concat!(
            r#"{"time":"t","type":"platform.start","record":{"requestId":"1"}}"#,
            "\n{\"level\":\"info\"}\n",
            r#"{"time":"t","type":"platform.report","record":{"metrics":{"durationMs":1.5,"billedDurationMs":2,"memorySizeMB":512,"maxMemoryUsedMB":512}}}"#,
        );
        let tail = Tail::parse(log);
        assert_eq!((tail.billed_ms, tail.memory_mb), (Some(2), Some(512)));
        assert!(tail.memory_was_full());
        assert_eq!(tail.lines, ["{\"level\":\"info\"}"]);
    }

    #[test]
    fn nonsense_is_no_report() {
        assert_eq!(Tail::decode("not base64!"), None);
        let odd = "REPORT RequestId: x\tBilled Duration: -1 ms\tMemory Size: many MB\tOdd";
        assert_eq!(Tail::parse(odd), Tail::default());
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let log: Vec<String> = (0..100).map(|number| format!("line {number}")).collect();
        let tail = Tail::parse(&log.join("\n"));
        assert_eq!(tail.lines.len(), SHOWN);
        assert_eq!(tail.lines.last().map(String::as_str), Some("line 99"));
    }
}
