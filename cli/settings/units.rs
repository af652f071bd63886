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

/// A moment: a time as RFC 3339 in UTC, where a date means its first moment; or how long ago it was,
/// as an ISO 8601 duration of whole days, hours or minutes (`P7D`), the largest that fit.
pub fn moment(text: &str) -> Result<String, Fault> {
    let whole = text.parse::<jiff::Timestamp>();
    let date = || format!("{text}T00:00:00Z").parse::<jiff::Timestamp>();
    if let Ok(time) = whole.or_else(|_| date()) {
        return Ok(time.to_string());
    }
    minutes_ago(text).map(duration_of).ok_or_else(|| {
        wrong(
            "a time",
            text,
            "2026-01-31, 2026-01-31T12:00:00Z, '7 days' or P7D",
        )
    })
}

/// The longest time that is looked back, in minutes: beyond it there was no index.
const LONGEST: u64 = 100 * 366 * 24 * 60;

/// A [`units::period`] of whole minutes, `ago` or not.
fn minutes_ago(text: &str) -> Option<u64> {
    let lower = text.trim().to_ascii_lowercase();
    let period = units::period(lower.strip_suffix(" ago").unwrap_or(&lower))?;
    let minutes = Some(period / 60).filter(|minutes| *minutes <= LONGEST);
    minutes.filter(|_| period % 60 == 0)
}

fn duration_of(minutes: u64) -> String {
    match minutes {
        days if days % (24 * 60) == 0 => format!("P{}D", days / (24 * 60)),
        hours if hours % 60 == 0 => format!("PT{}H", hours / 60),
        minutes => format!("PT{minutes}M"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_made_absolute() {
        assert_eq!(moment("2026-01-31"), Ok("2026-01-31T00:00:00Z".to_owned()));
        assert_eq!(
            moment("2026-01-31T12:00:00+02:00"),
            Ok("2026-01-31T10:00:00Z".to_owned())
        );
    }

    #[test]
    fn what_is_relative_stays_so_in_one_spelling() {
        for (spellings, expected) in [
            (
                &[
                    "7 days",
                    "P7D",
                    "1 week",
                    "p1w",
                    "7d",
                    "168 hours",
                    "7 days ago",
                ][..],
                "P7D",
            ),
            (&["PT24H", "1 day", "P1D", "1440 minutes", "24h"], "P1D"),
            (
                &["PT36H", "P1DT12H", "1 day 12 hours", "1 day, 12h"],
                "PT36H",
            ),
            (&["90 min", "PT1H30M"], "PT90M"),
            (&["0 days"], "P0D"),
        ] {
            for text in spellings {
                assert_eq!(moment(text).as_deref(), Ok(expected), "{text}");
            }
        }
        for text in [
            "yesterday",
            "",
            "P",
            "PT",
            "P1M",
            "1 month",
            "P1Y",
            "7",
            "-7 days",
            "P-7D",
            "PT5S",
            "P7",
            "days",
            "P1H",
            "99999999999999999999 days",
            "9999999 days",
            "P1Dx",
        ] {
            assert!(moment(text).is_err(), "{text}");
        }
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
