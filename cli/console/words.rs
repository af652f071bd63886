//! Numbers as people read them.

use pyrun_core::Phase;
use pyrun_core::protocol::Cost;

/// A duration from microseconds: `340µs`, `12ms`, `1.2s`, `2m 05s`.
pub fn duration(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros}µs"),
        1_000..1_000_000 => format!("{}ms", micros / 1_000),
        1_000_000..60_000_000 => format!("{}.{}s", micros / 1_000_000, micros / 100_000 % 10),
        _ => format!("{}m {:02}s", micros / 60_000_000, micros / 1_000_000 % 60),
    }
}

/// A size from bytes, in powers of 1000: `812 B`, `45.2 MB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if count < 1000 {
        return format!("{count} B");
    }
    let mut scaled = count as f64 / 1000.0;
    let mut unit = 0;
    // 999.95 would be shown as 1000.0.
    while scaled >= 999.95 && unit + 1 < UNITS.len() {
        scaled /= 1000.0;
        unit += 1;
    }
    format!("{scaled:.1} {}", UNITS[unit])
}

/// An amount of money, in as many digits as it takes to tell: `$0.0000034`, `$1.20`.
pub fn money(usd: f64) -> String {
    match usd {
        0.1.. => format!("${usd:.2}"),
        0.001.. => format!("${usd:.4}"),
        _ => format!("${usd:.7}"),
    }
}

/// What a remote run cost, in short.
pub fn cost(cost: &Cost) -> String {
    format!(
        "{} billed, {:.2} GB-s, about {}",
        duration(cost.billed_ms.saturating_mul(1000)),
        cost.gb_seconds,
        money(cost.usd)
    )
}

/// What a remote run cost, in full.
pub fn cost_in_full(of: &Cost) -> String {
    format!(
        "{} by the list prices of {}: {} of {} MB, {}, {} of answers",
        cost(of),
        of.prices,
        duration(of.billed_ms.saturating_mul(1000)),
        grouped(of.memory_mb),
        count(of.requests, "call"),
        bytes(of.bytes),
    )
}

/// A count with its noun: `1 package`, `1,832 files`.
pub fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(number))
}

/// Text from elsewhere without what a terminal would obey: control characters but tabs and line
/// ends, and what turns the direction of writing round, are shown as `�`.
pub fn plain(text: &str) -> String {
    let shown = |character: char| match character {
        '\n' | '\t' => character,
        control if control.is_control() => '\u{fffd}',
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        other => other,
    };
    text.chars().map(shown).collect()
}

/// A number with its thousands apart.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How long ago, from seconds.
pub fn ago(seconds: u64) -> String {
    match seconds {
        0..60 => "just now".to_owned(),
        60..3600 => format!("{}m ago", seconds / 60),
        3600..86_400 => format!("{}h ago", seconds / 3600),
        _ => format!("{}d ago", seconds / 86_400),
    }
}

/// What a phase is doing, for the live line.
pub fn doing(phase: Phase) -> &'static str {
    match phase {
        Phase::Resolve => "Resolving",
        Phase::Wait => "Waiting for another build of the same bundle",
        Phase::Download => "Downloading",
        Phase::Splice => "Building the bundle",
        Phase::Compile => "Compiling bytecode",
        Phase::Fetch => "Fetching the bundle",
        Phase::Extract => "Unpacking",
        Phase::Start | Phase::Import | Phase::Call | Phase::Other => "Running",
    }
}

/// What a phase did, for the line that stays; `None` when it is not worth one.
pub fn finished(phase: Phase, micros: u64, size: u64, items: u64) -> Option<String> {
    let time = duration(micros);
    let (size, amount) = (bytes(size), size);
    match phase {
        Phase::Resolve if items > 0 => {
            Some(format!("Resolved {} in {time}", count(items, "package")))
        }
        Phase::Download if items > 0 => Some(format!(
            "Downloaded {}, {size}, in {time}",
            count(items, "wheel")
        )),
        Phase::Splice if items > 0 => Some(format!(
            "Built a bundle of {}, {size}, in {time}",
            count(items, "package")
        )),
        Phase::Compile if items > 0 => Some(format!(
            "Compiled bytecode of {} in {time}",
            count(items, "file")
        )),
        Phase::Fetch if amount > 0 => Some(format!("Fetched {size} in {time}")),
        Phase::Extract if items > 0 => Some(format!(
            "Unpacked {}, {size}, in {time}",
            count(items, "file")
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        let shown: Vec<_> = [0, 999, 12_400, 1_250_000, 125_000_000]
            .map(duration)
            .into();
        assert_eq!(shown, ["0µs", "999µs", "12ms", "1.2s", "2m 05s"]);
    }

    #[test]
    fn bytecode_is_counted_in_files() {
        let said = finished(Phase::Compile, 1_250_000, 0, 2);
        assert_eq!(
            said.as_deref(),
            Some("Compiled bytecode of 2 files in 1.2s")
        );
    }

    #[test]
    fn no_text_commands_the_terminal() {
        assert_eq!(plain("a\x1b[2Jb\r\u{9b}c\td\n"), "a�[2Jb��c\td\n");
        assert_eq!(plain("a\u{202e}b\u{2066}é"), "a�b�é");
    }

    #[test]
    fn money_reads_well() {
        let shown: Vec<_> = [0.0, 0.000_003_4, 0.0123, 1.234].map(money).into();
        assert_eq!(shown, ["$0.0000000", "$0.0000034", "$0.0123", "$1.23"]);
        let run = Cost {
            billed_ms: 412,
            memory_mb: 2048,
            gb_seconds: 0.824,
            requests: 2,
            bytes: 1200,
            usd: 0.000_014_1,
            prices: "2025-08-01".to_owned(),
        };
        assert_eq!(cost(&run), "412ms billed, 0.82 GB-s, about $0.0000141");
        assert!(cost_in_full(&run).ends_with("412ms of 2,048 MB, 2 calls, 1.2 kB of answers"));
    }

    #[test]
    fn sizes_read_well() {
        let shown: Vec<_> = [0, 999, 1_000, 45_230_000, 999_999_999].map(bytes).into();
        assert_eq!(shown, ["0 B", "999 B", "1.0 kB", "45.2 MB", "1.0 GB"]);
        assert_eq!(count(1, "file"), "1 file");
        assert_eq!(count(1_234_567, "file"), "1,234,567 files");
    }
}
