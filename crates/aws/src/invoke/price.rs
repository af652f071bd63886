//! What calls cost in money, as far as the caller can tell.
//!
//! In: what a call used. Out: a [`Cost`] by the list prices of [`PRICES_OF`]. Never: knows the free
//! tier, discounts, savings plans, log volume, or what the functions ask of S3.

use pyrun_core::Arch;
use pyrun_core::protocol::Cost;

use super::CallReport;

/// The date of the table: AWS's public list prices in us-east-1, in US dollars. Other regions differ
/// by up to a third or so; the first tier of prices is taken.
pub const PRICES_OF: &str = "2025-08-01";

/// One GB (2^30 bytes) of memory for one second, by processor.
const GB_SECOND_X86: f64 = 0.000_016_666_7;
const GB_SECOND_ARM: f64 = 0.000_013_333_4;
/// One call.
const REQUEST: f64 = 0.20 / 1e6;
/// One GB that is streamed, beyond what is free of each answer.
const STREAMED_GB: f64 = 0.008;
/// Bytes of each answer that cost nothing to stream.
const STREAMED_FREE: u64 = 6 << 20;
/// One object that is written to, or read from, S3.
const S3_PUT: f64 = 0.005 / 1e3;
const S3_GET: f64 = 0.0004 / 1e3;

const GB: f64 = 1_073_741_824.0;

/// The prices of one function.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tariff {
    gb_second: f64,
    memory_mb: u64,
}

impl Tariff {
    /// Of a function with that processor and memory, in bytes.
    pub fn new(arch: Arch, memory_bytes: u64) -> Self {
        Self {
            gb_second: match arch {
                Arch::X86_64 => GB_SECOND_X86,
                Arch::Aarch64 => GB_SECOND_ARM,
            },
            memory_mb: memory_bytes.div_ceil(1 << 20),
        }
    }

    /// One millisecond of the function, in US dollars.
    pub fn millisecond(&self) -> f64 {
        self.gb_second * self.memory_mb as f64 / 1024.0 / 1e3
    }

    /// One call of it, in US dollars, however short.
    pub fn request(&self) -> f64 {
        REQUEST
    }

    /// What a call cost. Where its log did not say, what the caller measured counts.
    pub fn cost(&self, report: &CallReport) -> Cost {
        let measured = u64::try_from(report.wall.as_micros().div_ceil(1000)).unwrap_or(u64::MAX);
        let unsaid = if report.calls == 0 { 0 } else { measured };
        let billed_ms = report.billed_ms.unwrap_or(unsaid);
        let memory_mb = report.memory_mb.unwrap_or(self.memory_mb);
        let gb_seconds = billed_ms as f64 / 1e3 * memory_mb as f64 / 1024.0;
        let streamed = report.bytes.saturating_sub(STREAMED_FREE) as f64 / GB;
        Cost {
            billed_ms,
            memory_mb,
            gb_seconds,
            requests: report.calls,
            bytes: report.bytes,
            usd: gb_seconds * self.gb_second
                + report.calls as f64 * REQUEST
                + streamed * STREAMED_GB
                + report.puts as f64 * S3_PUT
                + report.gets as f64 * S3_GET,
            prices: PRICES_OF.to_owned(),
        }
    }
}

/// Adds what another call cost; the memory shown is the last one's.
pub fn add(sum: &mut Cost, more: &Cost) {
    sum.billed_ms += more.billed_ms;
    sum.memory_mb = more.memory_mb;
    sum.gb_seconds += more.gb_seconds;
    sum.requests += more.requests;
    sum.bytes += more.bytes;
    sum.usd += more.usd;
    sum.prices.clone_from(&more.prices);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn close(one: f64, other: f64) -> bool {
        (one - other).abs() < 1e-12
    }

    #[test]
    fn a_second_of_a_gigabyte_costs_what_the_list_says() {
        let report = CallReport {
            calls: 1,
            billed_ms: Some(1000),
            memory_mb: Some(1024),
            ..CallReport::default()
        };
        let x86 = Tariff::new(Arch::X86_64, 1 << 30).cost(&report);
        assert!(close(x86.usd, 0.000_016_866_7), "{x86:?}");
        assert!(close(x86.gb_seconds, 1.0));
        let arm = Tariff::new(Arch::Aarch64, 1 << 30).cost(&report);
        assert!(close(arm.usd, 0.000_013_533_4), "{arm:?}");
    }

    #[test]
    fn what_the_log_does_not_say_is_measured() {
        let report = CallReport {
            calls: 1,
            wall: Duration::from_micros(1_500_001),
            ..CallReport::default()
        };
        let cost = Tariff::new(Arch::X86_64, 2 << 30).cost(&report);
        assert_eq!((cost.billed_ms, cost.memory_mb), (1501, 2048));
        assert!(close(cost.gb_seconds, 3.002));
    }

    #[test]
    fn streaming_costs_beyond_what_is_free() {
        let tariff = Tariff::new(Arch::X86_64, 1 << 30);
        let usd = |bytes| {
            let report = CallReport {
                billed_ms: Some(0),
                bytes,
                ..CallReport::default()
            };
            tariff.cost(&report).usd
        };
        assert!(close(usd(STREAMED_FREE), 0.0));
        assert!(close(usd(STREAMED_FREE + (1 << 30)), STREAMED_GB));
    }

    #[test]
    fn objects_in_the_store_cost_too() {
        let report = CallReport {
            billed_ms: Some(0),
            puts: 1000,
            gets: 1000,
            ..CallReport::default()
        };
        let cost = Tariff::new(Arch::X86_64, 1 << 30).cost(&report);
        assert!(close(cost.usd, 0.0054), "{cost:?}");
    }

    #[test]
    fn what_was_never_called_costs_nothing() {
        let report = CallReport {
            wall: Duration::from_secs(9),
            ..CallReport::default()
        };
        let cost = Tariff::new(Arch::X86_64, 1 << 30).cost(&report);
        assert_eq!((cost.billed_ms, cost.requests), (0, 0));
        assert!(close(cost.usd, 0.0), "{cost:?}");
    }

    #[test]
    fn costs_add_up() {
        let one = Cost {
            billed_ms: 5,
            usd: 0.5,
            requests: 1,
            prices: PRICES_OF.to_owned(),
            ..Cost::default()
        };
        let mut sum = Cost::default();
        add(&mut sum, &one);
        add(&mut sum, &one);
        assert_eq!((sum.billed_ms, sum.requests), (10, 2));
        assert!(close(sum.usd, 1.0));
        assert_eq!(sum.prices, PRICES_OF);
    }
}
