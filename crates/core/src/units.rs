//! Durations and sizes as people write them, spelled alike in options, settings and scripts.
//!
//! In: text. Out: milliseconds, seconds or bytes, `None` for what is none. Never: takes zero, but for
//! [`period`].

/// A duration in milliseconds: a number with `ms`, `s`, `m`, `h` or `d`; a bare number counts
/// seconds.
pub fn milliseconds(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let factor = match unit.as_str() {
        "ms" => 1.0,
        "" | "s" | "sec" => 1e3,
        "m" | "min" => 6e4,
        "h" => 3.6e6,
        "d" => 8.64e7,
        _ => return None,
    };
    whole(number * factor)
}

/// A long time in whole seconds, as people or ISO 8601 write it: `7 days`, `36h`, `1 day, 12 hours`,
/// `P7D`, `PT36H`, `P1DT6H`. Unlike the others it takes zero. A month or a year is no fixed time, and
/// a number without a unit is none.
pub fn period(text: &str) -> Option<u64> {
    let lower = text.trim().to_ascii_lowercase();
    let seconds = match lower.strip_prefix('p') {
        Some(rest) => iso_period(rest)?,
        None => spoken_period(&lower)?,
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range is checked"
    )]
    (seconds < EXACT).then(|| seconds.round() as u64)
}

/// ISO 8601 after its `P`: units of one letter, the larger first; those below a day after a `T`.
fn iso_period(text: &str) -> Option<f64> {
    let (mut seconds, mut last, mut in_time) = (None, f64::INFINITY, false);
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(time) = rest.strip_prefix('t').filter(|_| !in_time) {
            (rest, in_time) = (time, true);
        }
        let (number, after) = number(rest)?;
        let factor = match (after.chars().next()?, in_time) {
            ('w', false) => 604_800.0,
            ('d', false) => 86_400.0,
            ('h', true) => 3_600.0,
            ('m', true) => 60.0,
            ('s', true) => 1.0,
            _ => return None,
        };
        if factor >= last {
            return None;
        }
        (last, rest) = (factor, &after[1..]);
        seconds = Some(seconds.unwrap_or(0.0) + number * factor);
    }
    seconds
}

/// Numbers with words, with spaces or commas between.
fn spoken_period(text: &str) -> Option<f64> {
    let mut seconds = None;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, after) = number(rest)?;
        let after = after.trim_start();
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let factor = match &after[..letters] {
            "w" | "week" | "weeks" => 604_800.0,
            "d" | "day" | "days" => 86_400.0,
            "h" | "hr" | "hrs" | "hour" | "hours" => 3_600.0,
            "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
            "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
            _ => return None,
        };
        seconds = Some(seconds.unwrap_or(0.0) + number * factor);
        rest = after[letters..].trim_start_matches([' ', ',']);
    }
    seconds
}

/// A size in bytes: a number with `B`, `KB`, `MB`, `GB`, `TB` (powers of 1000) or `KiB`, `MiB`,
/// `GiB`, `TiB` (powers of 1024), in any case.
pub fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let factor = match unit.as_str() {
        "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        "kib" => 1024_f64,
        "mib" => 1024_f64.powi(2),
        "gib" => 1024_f64.powi(3),
        "tib" => 1024_f64.powi(4),
        _ => return None,
    };
    whole(number * factor)
}

/// A number and its unit in lower case.
fn split(text: &str) -> Option<(f64, String)> {
    let (number, unit) = number(text.trim())?;
    Some((number, unit.trim_start().to_ascii_lowercase()))
}

/// A number, and what follows it.
fn number(text: &str) -> Option<(f64, &str)> {
    let digits = text
        .bytes()
        .take_while(|byte| byte.is_ascii_digit() || *byte == b'.')
        .count();
    Some((text[..digits].parse().ok()?, &text[digits..]))
}

/// Up to here every whole number is exact in a float.
const EXACT: f64 = 9e15;

fn whole(amount: f64) -> Option<u64> {
    if !(1.0..EXACT).contains(&amount) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range is checked"
    )]
    Some(amount.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        for (text, ms) in [
            ("30s", 30_000),
            ("500ms", 500),
            ("1.5m", 90_000),
            ("2 h", 7_200_000),
            ("7", 7_000),
            ("1d", 86_400_000),
        ] {
            assert_eq!(milliseconds(text), Some(ms), "{text}");
        }
        for text in [
            "",
            "s",
            "-1s",
            "1w",
            "0s",
            "1e400s",
            "1.2.3s",
            "99999999999999999999999d",
        ] {
            assert_eq!(milliseconds(text), None, "{text}");
        }
    }

    #[test]
    fn periods_are_read() {
        for (text, seconds) in [
            ("7 days", 604_800),
            ("1 day", 86_400),
            ("36h", 129_600),
            ("2 Weeks", 1_209_600),
            ("P7D", 604_800),
            ("PT36H", 129_600),
            ("p1w", 604_800),
            ("P1DT90M", 91_800),
            ("PT1H30M5S", 5_405),
            ("1 day, 12 hours", 129_600),
            ("1d 12h", 129_600),
            ("90 min", 5_400),
            ("1.5 days", 129_600),
            ("0 days", 0),
            ("P0D", 0),
        ] {
            assert_eq!(period(text), Some(seconds), "{text}");
        }
        for text in [
            "",
            "7",
            "P",
            "PD",
            "P7",
            "-1d",
            "PT7D",
            "7 months",
            "P1e9D",
            "PT",
            "P1DT",
            "P1M",
            "P1Y",
            "P1H",
            "P1DT1D",
            "P1D2W",
            "P1Dx",
            "P-7D",
            "days",
            "1 day 2",
            "9999999999999 days",
            "P1é",
        ] {
            assert_eq!(period(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_are_read() {
        for (text, size) in [
            ("512MB", 512_000_000),
            ("1GiB", 1 << 30),
            ("10b", 10),
            ("1.5 kb", 1500),
        ] {
            assert_eq!(bytes(text), Some(size), "{text}");
        }
        for text in ["", "MB", "0b", "10", "-5MB", "1XB", "99999999999TB"] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }
}
