//! How far apart two values are, where both are times.
//!
//! Times are strings by RFC 3339 (without a zone too, where both lack it), dates of HTTP (RFC 9110 section 5.6.7), and numbers
//! that are seconds, milli-, micro- or nanoseconds of Unix time in this century, where the name says so: a number alone may be
//! anything.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;

use super::shown::Shown;

/// Seconds of Unix time between which a number may be one: from 2001 to 2100.
const PLAUSIBLE: std::ops::Range<i128> = 978_307_200..4_102_444_800;

/// The time between two values at `path`; `None` where they are no times.
pub(super) fn apart(path: &str, a: Shown<'_>, b: Shown<'_>) -> Option<Duration> {
    let (a, b) = match (a.digits(), b.digits()) {
        (Some(a), Some(b)) if names_a_time(path) => unix(a, b)?,
        (None, None) => written(a.string()?, b.string()?)?,
        _ => return None,
    };
    let nanos = a.checked_sub(b)?.unsigned_abs();
    Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
}

/// Whether `text` is a time as [`apart`] knows it: a string, whatever its name, or a number of a name that says so.
pub(super) fn is_time(name: &str, text: &str, is_number: bool) -> bool {
    if is_number {
        names_a_time(name) && unix(text, text).is_some()
    } else {
        written(text, text).is_some()
    }
}

/// Nanoseconds of two times written in the same way.
fn written(a: &str, b: &str) -> Option<(i128, i128)> {
    let plausible = |text: &str| (16..=40).contains(&text.len()) && text.is_ascii();
    if !plausible(a) || !plausible(b) {
        return None;
    }
    let both = |read: fn(&str) -> Option<i128>| Some((read(a)?, read(b)?));
    both(with_zone)
        .or_else(|| both(without_zone))
        .or_else(|| both(of_http))
}

fn with_zone(text: &str) -> Option<i128> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_nanosecond)
}

fn without_zone(text: &str) -> Option<i128> {
    let time: DateTime = text.parse().ok()?;
    let zoned = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(zoned.timestamp().as_nanosecond())
}

fn of_http(text: &str) -> Option<i128> {
    let zoned = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(zoned.timestamp().as_nanosecond())
}

/// Nanoseconds of two numbers in the same unit.
fn unix(a: &str, b: &str) -> Option<(i128, i128)> {
    let (a, b) = (seconds(a)?, seconds(b)?);
    [1, 1_000, 1_000_000, 1_000_000_000]
        .into_iter()
        .find_map(|parts: i128| {
            let is_time = |number: i128| PLAUSIBLE.contains(&(number / parts / 1_000_000_000));
            (is_time(a) && is_time(b)).then_some((a / parts, b / parts))
        })
}

/// A number times a thousand million, cut to a whole one.
fn seconds(text: &str) -> Option<i128> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if whole.len() > 20
        || !whole
            .bytes()
            .chain(part.bytes())
            .all(|byte| byte.is_ascii_digit())
    {
        return None;
    }
    let part = format!("{part:0<9.9}");
    Some(whole.parse::<i128>().ok()? * 1_000_000_000 + part.parse::<i128>().ok()?)
}

/// Whether the last name of a path says that it is a time.
fn names_a_time(path: &str) -> bool {
    let name = path
        .trim_end_matches("[*]")
        .rsplit('.')
        .next()
        .unwrap_or_default();
    let lower = name.to_ascii_lowercase();
    ["time", "date", "stamp", "expir"]
        .iter()
        .any(|word| lower.contains(word))
        || name.ends_with("At")
        || lower.ends_with("_at")
        || [
            "at", "ts", "now", "iat", "exp", "nbf", "created", "updated", "modified",
        ]
        .contains(&lower.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(a: &str, b: &str) -> Option<u64> {
        apart("$.any", Shown::Text(a), Shown::Text(b)).map(|apart| apart.as_secs())
    }

    #[test]
    fn times_of_either_form_have_a_distance() {
        assert_eq!(between("2026-11-24T10:00:00Z", "2026-11-24T10:00:07.5Z"), Some(7));
        assert_eq!(
            between("2026-11-24T10:00:00Z", "2026-11-24T12:00:01+02:00"),
            Some(1)
        );
        assert_eq!(between("2026-11-24T10:00:09", "2026-11-24T10:00:00"), Some(9));
        assert_eq!(
            between("Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:39 GMT"),
            Some(2)
        );
        assert_eq!(between("2026-11-24T10:00:00Z", "not a time at all"), None);
        assert_eq!(between("2026-11-24", "2026-11-25"), None);
    }

    #[test]
    fn numbers_are_times_where_the_name_says_so() {
        for (path, a, b, millis) in [
            ("$.createdAt", "1700000000", "1700000003", Some(3000)),
            ("$.timestamp", "1700000000000", "1700000000250", Some(250)),
            ("$.x.ts", "1700000000.5", "1700000001", Some(500)),
            ("$.times[*]", "1700000000", "1700000001", Some(1000)),
            ("$.price", "1700000000", "1700000003", None),
            ("$.createdAt", "12", "13", None),
            ("$.createdAt", "1700000000", "1700000000000", None),
            ("$.createdAt", "-1700000000", "1700000000", None),
        ] {
            let (text_a, text_b) = (a.to_owned(), b.to_owned());
            let both = unix(&text_a, &text_b).filter(|_| names_a_time(path));
            let apart = both.map(|(a, b)| (a - b).unsigned_abs() / 1_000_000);
            assert_eq!(apart, millis, "{path} {a} {b}");
        }
    }
}
