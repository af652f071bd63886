//! Durations, sizes and times as people write them.

use std::time::Duration;

use pyrun_core::{Code, Fault};

fn wrong(what: &str, text: &str, examples: &str) -> Fault {
    Fault::new(Code::CONFIG_INVALID, format!("`{text}` is not {what}"))
        .hint(format!("write it as {examples}"))
}

/// A duration: a number with `ms`, `s`, `m`, `h` or `d`; a bare number counts seconds.
pub fn duration(text: &str) -> Result<Duration, Fault> {
    let fault = || wrong("a duration", text, "500ms, 30s, 5m, 12h or 30d");
    let (number, unit) = split(text).ok_or_else(fault)?;
    let seconds = match unit {
        "ms" => number / 1000.0,
        "" | "s" => number,
        "m" | "min" => number * 60.0,
        "h" => number * 3600.0,
        "d" => number * 86400.0,
        _ => return Err(fault()),
    };
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|time| !time.is_zero())
        .ok_or_else(fault)
}

/// A size in bytes: a number with `B`, `KB`, `MB`, `GB`, `TB` (powers of 1000) or `KiB`, `MiB`,
/// `GiB`, `TiB` (powers of 1024); a bare number counts bytes.
pub fn size(text: &str) -> Result<u64, Fault> {
    let fault = || wrong("a size", text, "512MB, 2GB or 1GiB");
    let (number, unit) = split(text).ok_or_else(fault)?;
    let factor: f64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return Err(fault()),
    };
    let bytes = number * factor;
    if !(1.0..1e18).contains(&bytes) {
        return Err(fault());
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be between 1 and 1e18"
    )]
    Ok(bytes as u64)
}

fn split(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let digits = text
        .bytes()
        .take_while(|byte| byte.is_ascii_digit() || *byte == b'.')
        .count();
    let number: f64 = text[..digits].parse().ok()?;
    Some((number, text[digits..].trim_start()))
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
    fn durations_are_read() {
        for (text, ms) in [
            ("30s", 30_000),
            ("500ms", 500),
            ("1.5m", 90_000),
            ("2 h", 7_200_000),
            ("7", 7_000),
        ] {
            assert_eq!(
                duration(text).map(|time| time.as_millis()),
                Ok(ms),
                "{text}"
            );
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
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_read() {
        for (text, bytes) in [
            ("512MB", 512_000_000),
            ("1GiB", 1 << 30),
            ("10", 10),
            ("1.5 kb", 1500),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "MB", "0", "-5MB", "1XB", "99999999999TB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_made_absolute() {
        assert_eq!(time("2026-01-31"), Ok("2026-01-31T00:00:00Z".to_owned()));
        assert_eq!(
            time("2026-01-31T12:00:00+02:00"),
            Ok("2026-01-31T10:00:00Z".to_owned())
        );
        assert!(time("yesterday").is_err());
    }
}
