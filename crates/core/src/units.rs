//! Durations and sizes as people write them, spelled alike in options, settings and scripts.
//!
//! In: text. Out: milliseconds or bytes, `None` for what is neither. Never: takes zero.

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

/// A long time in seconds, as people or ISO 8601 write it: `7 days`, `36h`, `2 weeks`, `P7D`,
/// `PT36H`.
pub fn period(text: &str) -> Option<u64> {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix(['P', 'p']) {
        let (factor, rest) = match rest.strip_prefix(['T', 't']) {
            Some(rest) => (3_600.0, rest.strip_suffix(['H', 'h'])?),
            None => match rest.strip_suffix(['W', 'w']) {
                Some(rest) => (604_800.0, rest),
                None => (86_400.0, rest.strip_suffix(['D', 'd'])?),
            },
        };
        let (number, none) = split(rest)?;
        return none.is_empty().then(|| whole(number * factor))?;
    }
    let (number, unit) = split(text)?;
    let factor = match unit.as_str() {
        "h" | "hour" | "hours" => 3_600.0,
        "d" | "day" | "days" => 86_400.0,
        "w" | "week" | "weeks" => 604_800.0,
        _ => return None,
    };
    whole(number * factor)
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
    let text = text.trim();
    let digits = text
        .bytes()
        .take_while(|byte| byte.is_ascii_digit() || *byte == b'.')
        .count();
    let number = text[..digits].parse().ok()?;
    Some((number, text[digits..].trim_start().to_ascii_lowercase()))
}

fn whole(amount: f64) -> Option<u64> {
    // Up to here every whole number is exact in a float.
    if !(1.0..9e15).contains(&amount) {
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
        ] {
            assert_eq!(period(text), Some(seconds), "{text}");
        }
        for text in [
            "", "7", "P", "PD", "P7", "0 days", "-1d", "PT7D", "7 months", "P1e9D",
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
