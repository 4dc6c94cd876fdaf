//! How far apart two values are, where both are times.
//!
//! Times are strings by RFC 3339 (without a zone too, where both lack it), dates of HTTP (RFC 9110 section 5.6.7), what people
//! read ([`worded_time`](super::worded_time)), and numbers, also in strings, that are seconds, milli-, micro- or nanoseconds of Unix time in this century. A number alone may be anything:
//! it is a time where its name says so, or where on both sides it is near to the time of its own answer (the `Date` field, RFC
//! 9110 section 6.6.1) and as far from it: it moves with the clock. By that, times that two clocks gave are near each other
//! however late the shadow was asked, and however wrong its clock is.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;

use super::display_value::DisplayValue;
use super::embedded_time;
use super::relative_time;
use super::worded_time;

/// Seconds of Unix time between which a number may be one: from 2001 to 2100.
const PLAUSIBLE: std::ops::Range<i128> = 978_307_200..4_102_444_800;
/// Nanoseconds from its answer within which a value moves with the clock: tokens and sessions end within a month, and a number
/// that is none is there by chance in one of a thousand.
const NEAR: i128 = 31 * 86_400 * 1_000_000_000;

/// Seconds from its answer to a time to the minute that belongs to what just happened: a day and a half before, as nobody knows
/// its zone, and no more after than zones are ahead.
const FRESH: std::ops::Range<i64> = -36 * 3600..14 * 3600;

/// Longest text in which numbers may be times, in bytes.
const MAX_WITH_NUMBERS: usize = 256;

/// The `Date` fields of production's answer and of the shadow's.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Dates<'a> {
    pub production: Option<&'a [u8]>,
    pub shadow: Option<&'a [u8]>,
}

impl Dates<'_> {
    /// How far two times are from each other when each is taken from its own answer; `None` where one of them is not near it.
    fn apart(self, production: i128, shadow: i128) -> Option<u128> {
        let since = |value: i128, date: Option<&[u8]>| {
            let since = value - of_http(std::str::from_utf8(date?).ok()?)?;
            (since.abs() <= NEAR).then_some(since)
        };
        let (production, shadow) = (since(production, self.production)?, since(shadow, self.shadow)?);
        Some(production.abs_diff(shadow))
    }

    /// How far they are from each other, by themselves or each from its own answer, whichever is less.
    fn least(self, production: i128, shadow: i128) -> u128 {
        let by_value = production.abs_diff(shadow);
        self.apart(production, shadow)
            .map_or(by_value, |apart| apart.min(by_value))
    }
}

/// The time between two values at `path`; `None` where they are no times.
pub(super) fn apart(
    path: &str,
    a: DisplayValue<'_>,
    b: DisplayValue<'_>,
    dates: Dates<'_>,
) -> Option<Duration> {
    let (a, b, is_written) = match (a.digits(), b.digits()) {
        (Some(a), Some(b)) => (a, b, None),
        (None, None) => {
            let (a, b) = (a.string()?, b.string()?);
            let written = written(a, b);
            if written.is_none() {
                let nanos = embedded_time::apart(a, b, |a, b| dates.least(a, b))
                    .or_else(|| numbers_apart(a, b, dates));
                if let Some(nanos) = nanos {
                    let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
                    return Some(Duration::from_nanos(nanos));
                }
                if let Some(apart) = relative_time::apart(a, b) {
                    return Some(apart);
                }
            }
            (a, b, written)
        }
        _ => return None,
    };
    let is_time = is_written.is_some() || names_a_time(path);
    let (a, b) = is_written.or_else(|| unix(a, b))?;
    let by_value = is_time.then(|| a.abs_diff(b));
    let nanos = by_value.into_iter().chain(dates.apart(a, b)).min()?;
    Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
}

/// Nanoseconds between two texts that are the same but for numbers that move with the clock, where they are furthest apart:
/// `change-1-1796066443118660`.
fn numbers_apart(a: &str, b: &str, dates: Dates<'_>) -> Option<u128> {
    if a.len() > MAX_WITH_NUMBERS || a.len() != b.len() {
        return None;
    }
    let mut left = a
        .as_bytes()
        .chunk_by(|x, y| x.is_ascii_digit() == y.is_ascii_digit());
    let mut right = b
        .as_bytes()
        .chunk_by(|x, y| x.is_ascii_digit() == y.is_ascii_digit());
    let mut apart = None;
    loop {
        match (left.next(), right.next()) {
            (None, None) => return apart,
            (Some(a), Some(b)) if a == b => {}
            (Some(a), Some(b)) => {
                let text = |digits| std::str::from_utf8(digits).ok();
                let (a, b) = unix(text(a)?, text(b)?)?;
                apart = apart.max(Some(dates.apart(a, b)?));
            }
            _ => return None,
        }
    }
}

/// Whether both values are times to the minute, of today, in minutes next to each other: the moment that both mean may lie
/// between these.
pub(super) fn are_next_minutes(a: DisplayValue<'_>, b: DisplayValue<'_>, dates: Dates<'_>) -> bool {
    let fresh = |value: DisplayValue<'_>, date: Option<&[u8]>| {
        let time = worded_time::read(value.string()?)?;
        let answered = i64::try_from(of_http(std::str::from_utf8(date?).ok()?)? / 1_000_000_000).ok()?;
        (!time.has_seconds && FRESH.contains(&(time.seconds - answered))).then_some(time.seconds)
    };
    let both = fresh(a, dates.production).zip(fresh(b, dates.shadow));
    both.is_some_and(|(a, b)| a.abs_diff(b) == 60)
}

/// Whether `text` is a time by itself, as [`apart`] knows it: a string, whatever its name, or a number of a name that says so.
pub(super) fn is_time(name: &str, text: &str, is_number: bool) -> bool {
    if is_number {
        names_a_time(name) && unix(text, text).is_some()
    } else {
        written(text, text).is_some() || worded_time::read(text).is_some()
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
        .or_else(|| both(in_words))
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

fn in_words(text: &str) -> Option<i128> {
    let time = worded_time::read(text).filter(|time| time.has_seconds)?;
    Some(i128::from(time.seconds) * 1_000_000_000)
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
        apart(
            "$.any",
            DisplayValue::Text(a),
            DisplayValue::Text(b),
            Dates::default(),
        )
        .map(|apart| apart.as_secs())
    }

    /// Of answers that both sides gave at these times.
    fn between_at(dates: (&str, &str), a: &str, b: &str) -> Option<u64> {
        let dates = Dates {
            production: Some(dates.0.as_bytes()),
            shadow: Some(dates.1.as_bytes()),
        };
        apart("$.any", DisplayValue::Text(a), DisplayValue::Text(b), dates).map(|apart| apart.as_secs())
    }

    #[test]
    fn numbers_within_a_text_that_move_with_the_clock_are_times() {
        let dates = ("Thu, 12 Nov 2026 05:00:00 GMT", "Thu, 12 Nov 2026 05:01:00 GMT");
        let (a, b) = ("change-1-1794459600118660", "change-1-1794459662258137");
        assert_eq!(between_at(dates, a, b), Some(2));
        assert_eq!(
            between_at(dates, "change-1-1794459600118660", "change-2-1794459662258137"),
            None
        );
        assert_eq!(between_at(dates, "a 1234567890 b", "a 1234567891 b"), None);
        assert_eq!(between(a, b), None);
    }

    #[test]
    fn times_within_a_text_are_taken_from_their_answers_too() {
        let dates = ("Thu, 12 Nov 2026 05:00:05 GMT", "Thu, 12 Nov 2026 05:01:05 GMT");
        let (a, b) = ("saved at 11/12/26 05:00:01", "saved at 11/12/26 05:01:02");
        assert_eq!((between_at(dates, a, b), between(a, b)), (Some(1), Some(61)));
    }

    #[test]
    fn times_from_now_are_as_far_apart_as_they_say() {
        assert_eq!(between("0 seconds ago", "5 seconds ago"), Some(4));
    }

    #[test]
    fn values_that_move_with_the_clock_are_times() {
        // 1794477600 and a minute later.
        let dates = ("Thu, 12 Nov 2026 10:00:00 GMT", "Thu, 12 Nov 2026 10:01:00 GMT");
        for (a, b, seconds) in [
            // Seconds, and a fraction of them; milli-, micro- and nanoseconds.
            ("1794477600", "1794477660", Some(0)),
            ("1794477599.25", "1794477661.75", Some(2)),
            ("1794477600125", "1794477660250", Some(0)),
            ("1794477600125000", "1794477660250000", Some(0)),
            ("1794477600125000000", "1794477660250000000", Some(0)),
            // The end of a session in an hour.
            ("1794481200", "1794481260", Some(0)),
            ("2026-11-12T11:00:00Z", "2026-11-12T11:01:00Z", Some(0)),
            (
                "Thu, 12 Nov 2026 11:00:00 GMT",
                "Thu, 12 Nov 2026 11:01:00 GMT",
                Some(0),
            ),
            // They stand still on one side, or move away.
            ("1794477600", "1794477600", Some(60)),
            ("1794477600", "1794481260", Some(3600)),
            // Far from the clock: an amount, or a number of something.
            ("1700000000", "1700000060", None),
            ("7500", "7560", None),
            // In other units.
            ("1794477600", "1794477660000", None),
        ] {
            assert_eq!(between_at(dates, a, b), seconds, "{a} {b}");
        }
        // Nobody knows when it was answered.
        assert_eq!(between("1794477600", "1794477660"), None);
        assert_eq!(
            between_at(("yesterday", "today"), "1794477600", "1794477660"),
            None
        );
    }

    #[test]
    fn minutes_of_today_are_next_to_each_other() {
        let next = |a: &str, b: &str, date: &str| {
            let dates = Dates {
                production: Some(date.as_bytes()),
                shadow: Some(date.as_bytes()),
            };
            are_next_minutes(DisplayValue::Text(a), DisplayValue::Text(b), dates)
        };
        let (minute, after) = ("Nov. 30, 2026, 2:59 a.m.", "Nov. 30, 2026, 3 a.m.");
        let now = "Mon, 30 Nov 2026 02:59:59 GMT";
        assert!(next(minute, after, now) && next(after, minute, now));
        // In other zones.
        assert!(next(minute, after, "Mon, 30 Nov 2026 13:59:59 GMT"));
        assert!(next(minute, after, "Sun, 29 Nov 2026 14:59:59 GMT"));
        // Long ago, in a week, or at a time that nobody knows.
        for date in [
            "Wed, 02 Dec 2026 02:59:59 GMT",
            "Mon, 23 Nov 2026 02:59:59 GMT",
            "now",
        ] {
            assert!(!next(minute, after, date), "{date}");
        }
        for other in [
            minute,
            "Nov. 30, 2026, 3:01 a.m.",
            "Nov. 30, 2026, 3:00:00 a.m.",
            "3 a.m.",
        ] {
            assert!(!next(minute, other, now), "{other}");
        }
    }

    #[test]
    fn a_clock_that_is_wrong_makes_its_times_no_other() {
        let dates = ("Thu, 12 Nov 2026 10:00:00 GMT", "Thu, 12 Nov 2026 09:15:00 GMT");
        assert_eq!(
            between_at(dates, "2026-11-12T10:00:00Z", "2026-11-12T09:15:01Z"),
            Some(1)
        );
        assert_eq!(
            between("2026-11-12T10:00:00Z", "2026-11-12T09:15:01Z"),
            Some(2699)
        );
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
        assert_eq!(
            between("Nov. 24, 2026, 9:59:58 a.m.", "Nov. 24, 2026, 10:00:01 a.m."),
            Some(3)
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
