//! Dates, times and durations.
//!
//! In: ISO 8601 as people write it. Out: the form that `fromisoformat` of every Python takes: two
//! digits for each part, six for a fraction, an offset instead of `Z`.

use serde_json::Value;

use super::number;

/// `2024-05-31`.
pub(super) fn date(word: &str) -> Option<String> {
    let mut parts = word.trim().split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let year = digits(year, 4)?;
    let month = digits(month, 2)?;
    let day = digits(day, 2)?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => return None,
    };
    let valid = year > 0 && (1..=days).contains(&day);
    valid.then(|| format!("{year:04}-{month:02}-{day:02}"))
}

/// `12:00`, `12:00:00.5`, `12:00+02:00`, `12:00Z`.
pub(super) fn time(word: &str) -> Option<String> {
    let word = word.trim();
    let (clock, offset) = match word.find(['Z', 'z', '+', '-']) {
        Some(at) => (&word[..at], Some(&word[at..])),
        None => (word, None),
    };
    let mut text = clock_text(clock.trim_end())?;
    if let Some(offset) = offset {
        text.push_str(&offset_text(offset)?);
    }
    Some(text)
}

fn clock_text(clock: &str) -> Option<String> {
    let (clock, fraction) = match clock.split_once(['.', ',']) {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (clock, None),
    };
    let mut parts = clock.split(':');
    let hour = digits(parts.next()?, 2)?;
    let minute = digits(parts.next()?, 2)?;
    let second = parts.next();
    if parts.next().is_some() || (fraction.is_some() && second.is_none()) {
        return None;
    }
    let second = second.map_or(Some(0), |second| digits(second, 2))?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut text = format!("{hour:02}:{minute:02}:{second:02}");
    if let Some(fraction) = fraction {
        if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        // Python keeps microseconds.
        let micros = &fraction[..fraction.len().min(6)];
        text = format!("{text}.{micros:0<6}");
    }
    Some(text)
}

fn offset_text(offset: &str) -> Option<String> {
    if offset.eq_ignore_ascii_case("z") {
        return Some("+00:00".to_owned());
    }
    let (sign, clock) = offset.split_at(1);
    let (hour, minute) = match (clock.split_once(':'), clock.len()) {
        (Some((hour, minute)), _) => (hour, minute),
        (None, 4) => clock.split_at_checked(2)?,
        _ => (clock, "00"),
    };
    let (hour, minute) = (digits(hour, 2)?, digits(minute, 2)?);
    (hour <= 23 && minute <= 59).then(|| format!("{sign}{hour:02}:{minute:02}"))
}

/// `2024-05-31T12:00`, with a space for the `T`, or a date alone, which is its midnight.
pub(super) fn datetime(word: &str) -> Option<String> {
    let word = word.trim();
    match word.split_once(['T', 't', ' ']) {
        Some((day, clock)) => Some(format!("{}T{}", date(day)?, time(clock)?)),
        None => Some(format!("{}T00:00:00", date(word)?)),
    }
}

/// Exactly so many digits.
fn digits(text: &str, count: usize) -> Option<u32> {
    let valid = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    valid.then(|| text.parse().ok()).flatten()
}

/// A duration in seconds: `90`, `1.5`, `1h30m`, `250ms`, `01:30:00`, each with a sign.
pub(super) fn seconds(word: &str) -> Option<Value> {
    let word = word.trim();
    let (sign, unsigned) = match word.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, word.strip_prefix('+').unwrap_or(word)),
    };
    let total = clock_seconds(unsigned).or_else(|| unit_seconds(unsigned))?;
    // `timedelta` holds up to 999999999 days.
    if total > 999_999_999.0 * 86_400.0 {
        return None;
    }
    let total = sign * total;
    if total.fract() == 0.0 {
        #[expect(clippy::cast_possible_truncation, reason = "whole, and bounded above")]
        let whole = total as i64;
        return Some(Value::from(whole));
    }
    number::real(total)
}

fn clock_seconds(text: &str) -> Option<f64> {
    let mut parts = text.split(':');
    let hours: f64 = plain(parts.next()?)?;
    let minutes = f64::from(digits(parts.next()?, 2)?);
    let seconds = parts.next().map_or(Some(0.0), plain)?;
    let valid = parts.next().is_none() && minutes < 60.0 && seconds < 60.0;
    valid.then_some(hours * 3600.0 + minutes * 60.0 + seconds)
}

fn unit_seconds(text: &str) -> Option<f64> {
    let mut total = 0.0;
    let mut rest = text;
    loop {
        let end = rest
            .find(|each: char| !each.is_ascii_digit() && each != '.')
            .unwrap_or(rest.len());
        let amount = plain(&rest[..end])?;
        rest = rest[end..].trim_start();
        let end = rest
            .find(|each: char| !each.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let factor = match rest[..end].to_ascii_lowercase().as_str() {
            "us" => 1e-6,
            "ms" => 1e-3,
            "" | "s" | "sec" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            "w" => 604_800.0,
            _ => return None,
        };
        // A number without a unit stands alone.
        if end == 0 && !(rest.is_empty() && total == 0.0) {
            return None;
        }
        total += amount * factor;
        rest = rest[end..].trim_start();
        if rest.is_empty() {
            return Some(total);
        }
    }
}

/// Digits with at most one point.
fn plain(text: &str) -> Option<f64> {
    let valid = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    valid.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn dates_are_checked_against_the_calendar() {
        for (word, text) in [
            ("2024-02-29", Some("2024-02-29")),
            ("2023-02-29", None),
            ("1900-02-29", None),
            ("2024-13-01", None),
            ("2024-04-31", None),
            ("0000-01-01", None),
            ("24-01-01", None),
            ("2024-1-1", None),
            ("2024-01-01-01", None),
        ] {
            assert_eq!(date(word).as_deref(), text, "{word}");
        }
    }

    #[test]
    fn times_become_what_every_python_reads() {
        for (word, text) in [
            ("12:00", Some("12:00:00")),
            ("12:00:05.5", Some("12:00:05.500000")),
            ("12:00:05,1234567", Some("12:00:05.123456")),
            ("12:00Z", Some("12:00:00+00:00")),
            ("12:00-0330", Some("12:00:00-03:30")),
            ("12:00+02", Some("12:00:00+02:00")),
            ("24:00", None),
            ("12", None),
            ("12:00.5", None),
            ("12:00+é", None),
        ] {
            assert_eq!(time(word).as_deref(), text, "{word}");
        }
        assert_eq!(
            datetime("2024-05-31 12:00Z").as_deref(),
            Some("2024-05-31T12:00:00+00:00")
        );
        assert_eq!(
            datetime("2024-05-31").as_deref(),
            Some("2024-05-31T00:00:00")
        );
        assert_eq!(datetime("2024-05-31T"), None);
    }

    #[test]
    fn durations_are_seconds() {
        for (word, value) in [
            ("90", Some(json!(90))),
            ("-1.5", Some(json!(-1.5))),
            ("1h30m", Some(json!(5400))),
            ("1d 2h", Some(json!(93_600))),
            ("250ms", Some(json!(0.25))),
            ("01:30:00", Some(json!(5400))),
            ("1:00", Some(json!(3600))),
            ("1h30", None),
            ("1:75", None),
            ("h", None),
            ("", None),
            ("1e3", None),
            ("1é", None),
            ("99999999999999d", None),
        ] {
            assert_eq!(seconds(word), value, "{word}");
        }
    }
}
