//! A relative `exclude_newer` to an absolute one.
//!
//! In: a request, the time. Out: the request with an RFC 3339 time. Pure: the time is the caller's.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};
use pyrun_core::{Request, units};

use super::error::ResolveError;

/// The request as it is to be resolved now: an `exclude_newer` that says how long before the
/// resolution becomes the time that this was.
///
/// # Errors
/// When it is neither an RFC 3339 time nor an ISO 8601 duration of weeks, days, hours, minutes and
/// seconds.
pub fn as_of(request: &Request, now: Timestamp) -> Result<Cow<'_, Request>, ResolveError> {
    let Some(text) = &request.options.exclude_newer else {
        return Ok(Cow::Borrowed(request));
    };
    if text.parse::<Timestamp>().is_ok() {
        return Ok(Cow::Borrowed(request));
    }
    let limit = before(text, now).ok_or_else(|| ResolveError::ExcludeNewer(text.clone()))?;
    let mut request = request.clone();
    request.options.exclude_newer = Some(limit.to_string());
    Ok(Cow::Owned(request))
}

fn before(text: &str, now: Timestamp) -> Option<Timestamp> {
    let seconds = units::period(text).filter(|_| text.starts_with('P'))?;
    let seconds = i64::try_from(seconds).ok()?;
    let whole = Timestamp::from_second(now.as_second()).ok()?;
    whole.checked_sub(SignedDuration::from_secs(seconds)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_count_back_from_now_and_times_stay() {
        let now: Timestamp = "2026-03-10T12:00:00.7Z".parse().expect("a time");
        for (text, time) in [
            ("P7D", "2026-03-03T12:00:00Z"),
            ("PT36H", "2026-03-09T00:00:00Z"),
            ("P1DT90M", "2026-03-09T10:30:00Z"),
            ("P1W", "2026-03-03T12:00:00Z"),
            ("P0D", "2026-03-10T12:00:00Z"),
        ] {
            let limit = before(text, now).map(|time| time.to_string());
            assert_eq!(limit.as_deref(), Some(time), "{text}");
        }
        for text in [
            "P1M",
            "P1Y",
            "-P7D",
            "7 days",
            "P",
            "",
            "P99999999999999999999D",
            "PT99999999999H",
        ] {
            assert_eq!(before(text, now), None, "{text}");
        }
    }
}
