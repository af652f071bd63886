//! What options say of durations, sizes and times.

use std::time::Duration;

use pyrun_core::{Code, Fault, units};

fn wrong(what: &str, text: &str, examples: &str) -> Fault {
    Fault::new(Code::CONFIG_INVALID, format!("`{text}` is not {what}"))
        .hint(format!("write it as {examples}"))
}

/// A duration, as [`units::milliseconds`] reads it.
pub fn duration(text: &str) -> Result<Duration, Fault> {
    let read = units::milliseconds(text).map(Duration::from_millis);
    read.ok_or_else(|| wrong("a duration", text, "500ms, 30s, 5m, 12h or 30d"))
}

/// A size in bytes, as [`units::bytes`] reads it.
pub fn size(text: &str) -> Result<u64, Fault> {
    units::bytes(text).ok_or_else(|| wrong("a size", text, "512MB, 2GB or 1GiB"))
}

/// A time as RFC 3339 in UTC: a date means its first moment.
pub fn time(text: &str) -> Result<String, Fault> {
    let whole = text.parse::<jiff::Timestamp>();
    let date = || format!("{text}T00:00:00Z").parse::<jiff::Timestamp>();
    whole
        .or_else(|_| date())
        .map(|time| time.to_string())
        .map_err(|_| wrong("a time", text, "2026-01-31 or 2026-01-31T12:00:00Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_made_absolute() {
        assert_eq!(time("2026-01-31"), Ok("2026-01-31T00:00:00Z".to_owned()));
        assert_eq!(
            time("2026-01-31T12:00:00+02:00"),
            Ok("2026-01-31T10:00:00Z".to_owned())
        );
        assert!(time("yesterday").is_err());
    }

    #[test]
    fn what_is_no_amount_is_named() {
        for fault in [
            duration("soon").expect_err("no duration"),
            size("12").expect_err("no unit"),
        ] {
            assert_eq!(fault.code, Code::CONFIG_INVALID);
        }
    }
}
