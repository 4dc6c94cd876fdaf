//! Some of Google's own messages as what they stand for: times, durations, and messages of any type.

use crate::json::MAX_VALUES;
use crate::wire::{Raw, fields};

/// From 0001-01-01 to 9999-12-31: the seconds that a `Timestamp` may have.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// Seconds and nanoseconds: both messages have them as their first and second fields.
fn seconds_and_nanos(message: &[u8]) -> Option<(i64, i32)> {
    let (mut seconds, mut nanos) = (0, 0);
    for field in fields(message, &mut MAX_VALUES.clone()).ok()? {
        match (field.number, field.value) {
            (1, Raw::Varint(value)) => seconds = value.cast_signed(),
            (2, Raw::Varint(value)) => nanos = (value as u32).cast_signed(),
            _ => {}
        }
    }
    Some((seconds, nanos))
}

/// A `google.protobuf.Timestamp` as RFC 3339 has it; `None` for one that is out of its range.
pub(crate) fn timestamp(message: &[u8]) -> Option<String> {
    let (seconds, nanos) = seconds_and_nanos(message)?;
    if !SECONDS.contains(&seconds) || !(0..1_000_000_000).contains(&nanos) {
        return None;
    }
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let part = fraction(nanos.unsigned_abs());
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{part}Z"
    ))
}

/// A `google.protobuf.Duration` as a number of seconds; `None` for one that is none.
pub(crate) fn duration(message: &[u8]) -> Option<String> {
    let (seconds, nanos) = seconds_and_nanos(message)?;
    let same_sign = seconds == 0 || nanos == 0 || (seconds < 0) == (nanos < 0);
    if !same_sign || nanos.unsigned_abs() >= 1_000_000_000 {
        return None;
    }
    let sign = if seconds < 0 || nanos < 0 { "-" } else { "" };
    Some(format!(
        "{sign}{}{}",
        seconds.unsigned_abs(),
        fraction(nanos.unsigned_abs())
    ))
}

/// The address of the type and the bytes of a `google.protobuf.Any`.
pub(crate) fn any(message: &[u8]) -> Option<(&str, &[u8])> {
    let (mut url, mut value) = ("", &[][..]);
    for field in fields(message, &mut MAX_VALUES.clone()).ok()? {
        match (field.number, field.value) {
            (1, Raw::Bytes(bytes)) => url = std::str::from_utf8(bytes).ok()?,
            (2, Raw::Bytes(bytes)) => value = bytes,
            _ => {}
        }
    }
    (!url.is_empty()).then_some((url, value))
}

fn fraction(nanos: u32) -> String {
    if nanos == 0 {
        return String::new();
    }
    let digits = format!("{nanos:09}");
    format!(".{}", digits.trim_end_matches('0'))
}

/// Year, month and day of so many days after 1970-01-01 (proleptic Gregorian): counted in eras of 400 years from a first of March.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::put_varint;

    fn message(seconds: i64, nanos: i32) -> Vec<u8> {
        let mut out = vec![0x08];
        put_varint(seconds.cast_unsigned(), &mut out);
        out.push(0x10);
        put_varint(i64::from(nanos).cast_unsigned(), &mut out);
        out
    }

    #[test]
    fn times_read_as_rfc_3339_has_them() {
        for (seconds, nanos, text) in [
            (0, 0, "1970-01-01T00:00:00Z"),
            (951_782_400, 0, "2000-02-29T00:00:00Z"),
            (1_795_994_870, 954_358_000, "2026-11-29T23:27:50.954358Z"),
            (-1, 500_000_000, "1969-12-31T23:59:59.5Z"),
            (-62_135_596_800, 0, "0001-01-01T00:00:00Z"),
            (253_402_300_799, 1, "9999-12-31T23:59:59.000000001Z"),
        ] {
            assert_eq!(timestamp(&message(seconds, nanos)).as_deref(), Some(text));
        }
        assert_eq!(timestamp(&message(253_402_300_800, 0)), None);
        assert_eq!(timestamp(&message(0, -1)), None);
        assert_eq!(timestamp(b"").as_deref(), Some("1970-01-01T00:00:00Z"));
    }

    #[test]
    fn durations_are_seconds() {
        for (seconds, nanos, text) in [(3, 0, "3"), (0, -500_000_000, "-0.5"), (-1, -1, "-1.000000001")] {
            assert_eq!(duration(&message(seconds, nanos)).as_deref(), Some(text));
        }
        assert_eq!(duration(&message(1, -1)), None);
    }
}
