//! Times within a text: `attachment; filename=posts_2026-11-30_12-18-25.csv`, `made 30/Nov/2026:12:18:25 +0000 by ann`.
//!
//! A date with a time of day to the second, its parts in one order and parted in one way. What stands around them must be the
//! same on both sides, and so must their number.

use jiff::civil::date;
use jiff::tz::TimeZone;

/// Longest text that is looked into, in bytes: what holds a time is a line.
const LONGEST: usize = 1024;
/// Most times of one text.
const MOST: usize = 8;
const MONTHS: [&[u8; 3]; 12] = [
    b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
];

/// Nanoseconds between the times in two texts that are the same but for these, where they are furthest apart; `None` for other texts.
/// `between` says how far two times are apart.
pub(super) fn apart(a: &str, b: &str, between: impl Fn(i128, i128) -> u128) -> Option<u128> {
    if a.len().max(b.len()) > LONGEST {
        return None;
    }
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let (mut left, mut right) = (0, 0);
    let (mut apart, mut times) = (None, 0);
    while left < a.len() && right < b.len() {
        if begins_number(a, left)
            && begins_number(b, right)
            && let (Some(one), Some(other)) = (time(&a[left..]), time(&b[right..]))
        {
            apart = apart.max(Some(between(one.nanos, other.nanos)));
            (left, right, times) = (left + one.length, right + other.length, times + 1);
            if times > MOST {
                return None;
            }
        } else if a[left] == b[right] {
            (left, right) = (left + 1, right + 1);
        } else {
            return None;
        }
    }
    apart.filter(|_| left == a.len() && right == b.len())
}

fn begins_number(text: &[u8], at: usize) -> bool {
    text[at].is_ascii_digit() && (at == 0 || !text[at - 1].is_ascii_digit())
}

struct Time {
    nanos: i128,
    length: usize,
}

/// Reads the time that a text begins with.
fn time(text: &[u8]) -> Option<Time> {
    let mut reader = Reader { text, at: 0 };
    let (year, month, day, is_compact) = reader
        .year_first()
        .or_else(|| {
            reader.at = 0;
            reader.day_first()
        })
        .or_else(|| {
            reader.at = 0;
            reader.numbers()
        })?;
    let hour = if is_compact && !matches!(reader.peek(), Some(b'T' | b'-' | b'_')) {
        reader.number(2)?
    } else {
        reader.between()?;
        reader.number(2).or_else(|| reader.number(1))?
    };
    let parted = reader.parts_time();
    let minute = reader.number(2)?;
    if reader.parts_time() != parted || (parted.is_none() && !is_compact) {
        return None;
    }
    let second = reader.number(2)?;
    let fraction = reader.fraction();
    let hour = reader.half_of_day(hour)?;
    if reader.peek().is_some_and(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let is_day = (2001..2100).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !is_day || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let [month, day, hour, minute, second] =
        [month, day, hour, minute, second.min(59)].map(|part| i8::try_from(part).unwrap_or(0));
    let days = date(year, month, 1).days_in_month();
    let civil = (day <= days).then(|| date(year, month, day).at(hour, minute, second, 0))?;
    let nanos = civil.to_zoned(TimeZone::UTC).ok()?.timestamp().as_nanosecond();
    Some(Time {
        nanos: nanos + i128::from(fraction),
        length: reader.at,
    })
}

struct Reader<'t> {
    text: &'t [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn one_of(&mut self, bytes: &[u8]) -> Option<u8> {
        let next = self.peek().filter(|next| bytes.contains(next))?;
        self.at += 1;
        Some(next)
    }

    fn number(&mut self, digits: usize) -> Option<i16> {
        let text = self.text.get(self.at..self.at + digits)?;
        let mut number = 0_i16;
        for byte in text {
            let digit = byte.is_ascii_digit().then(|| i16::from(byte - b'0'))?;
            number = number * 10 + digit;
        }
        self.at += digits;
        Some(number)
    }

    /// `2026-11-30`, `2026/11/30`, `20261130`: year, month, day, and whether nothing parts them.
    fn year_first(&mut self) -> Option<(i16, i16, i16, bool)> {
        let year = self.number(4)?;
        let parted = self.one_of(b"-/._");
        let month = self.number(2)?;
        if self.one_of(b"-/._") != parted {
            return None;
        }
        let day = self.number(2)?;
        Some((year, month, day, parted.is_none()))
    }

    /// `30/Nov/2026`, `1 November 2026`.
    fn day_first(&mut self) -> Option<(i16, i16, i16, bool)> {
        let day = self.number(2).or_else(|| self.number(1))?;
        let parted = self.one_of(b" /-")?;
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_alphabetic()) {
            self.at += 1;
        }
        let name = self.text[start..self.at].get(..3)?.to_ascii_lowercase();
        let month = MONTHS.iter().position(|month| month[..] == name[..])?;
        if self.one_of(b" /-")? != parted {
            return None;
        }
        let year = self.number(4)?;
        Some((year, i16::try_from(month).ok()? + 1, day, false))
    }

    /// `11/30/26`, `30.11.2026`: which of day and month comes first is not known, unless one can be no month.
    fn numbers(&mut self) -> Option<(i16, i16, i16, bool)> {
        let first = self.number(2).or_else(|| self.number(1))?;
        let parted = self.one_of(b"/.-")?;
        let second = self.number(2).or_else(|| self.number(1))?;
        if self.one_of(b"/.-")? != parted {
            return None;
        }
        let year = self
            .number(4)
            .or_else(|| self.number(2).map(|year| 2000 + year))?;
        let (month, day) = if first > 12 {
            (second, first)
        } else {
            (first, second)
        };
        Some((year, month, day, false))
    }

    /// Reads what parts hours from minutes and minutes from seconds; in a URL it may be encoded.
    fn parts_time(&mut self) -> Option<u8> {
        if self.text[self.at..].starts_with(b"%3A") || self.text[self.at..].starts_with(b"%3a") {
            self.at += 3;
            return Some(b'%');
        }
        self.one_of(b":-_.")
    }

    /// The hour where `AM` or `PM` may follow.
    fn half_of_day(&mut self, hour: i16) -> Option<i16> {
        let rest = &self.text[self.at..];
        let space = usize::from(rest.first() == Some(&b' '));
        let half = rest
            .get(space..space + 2)
            .unwrap_or_default()
            .to_ascii_lowercase();
        let is_afternoon = match &half[..] {
            b"am" => false,
            b"pm" => true,
            _ => return Some(hour),
        };
        self.at += space + 2;
        (1..=12)
            .contains(&hour)
            .then(|| hour % 12 + if is_afternoon { 12 } else { 0 })
    }

    /// Signs between a date and a time of day.
    fn between(&mut self) -> Option<u8> {
        if self.text[self.at..].starts_with(b"%20") {
            self.at += 3;
            return Some(b' ');
        }
        let first = self.one_of(b" T_-:,t+")?;
        if first == b',' {
            self.one_of(b" ");
        }
        Some(first)
    }

    /// Nanoseconds of a fraction of a second; what is below them is left out.
    fn fraction(&mut self) -> i64 {
        let is_fraction = self.peek().is_some_and(|byte| matches!(byte, b'.' | b','))
            && self.text.get(self.at + 1).is_some_and(u8::is_ascii_digit);
        if !is_fraction {
            return 0;
        }
        self.at += 1;
        let (mut nanos, mut worth) = (0, 100_000_000);
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            nanos += i64::from(digit - b'0') * worth;
            worth /= 10;
            self.at += 1;
        }
        nanos
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(a: &str, b: &str) -> Option<u128> {
        apart(a, b, i128::abs_diff).map(|nanos| nanos / 1_000_000_000)
    }

    #[test]
    fn times_within_a_text_are_read() {
        for (a, b, apart) in [
            (
                "attachment;filename=Post_2026-11-30_12-18-25.csv",
                "attachment;filename=Post_2026-11-30_12-18-26.csv",
                1,
            ),
            ("backup-20261130T121859Z.tar", "backup-20261130T121902Z.tar", 3),
            ("at 20261130121859", "at 20261130121901", 2),
            (
                "[30/Nov/2026:23:59:59 +0000] ok",
                "[01/Dec/2026:00:00:02 +0000] ok",
                3,
            ),
            (
                "made 1 November 2026 10:00:00, changed 1 November 2026 10:00:01",
                "made 1 November 2026 10:00:00, changed 1 November 2026 10:00:05",
                4,
            ),
            ("x 2026/11/30 12:18:25.75 y", "x 2026/11/30 12:18:27 y", 1),
            (
                "?from=2026-11-30T19%3A20%3A42Z&p=s",
                "?from=2026-11-30T19%3A20%3A44Z&p=s",
                2,
            ),
            ("at 11/30/26 19:20:59", "at 11/30/26 19:21:01", 2),
            ("30.11.2026, 9:59:59", "30.11.2026, 10:00:00", 1),
            ("11/30/2026 11:59:59 AM", "11/30/2026 12:00:00 PM", 1),
        ] {
            assert_eq!(seconds(a, b), Some(apart), "{a}");
        }
    }

    #[test]
    fn anything_else_that_differs_is_more_than_a_time() {
        for (a, b) in [
            ("Post_2026-11-30_12-18-25.csv", "Past_2026-11-30_12-18-26.csv"),
            ("Post_2026-11-30_12-18-25.csv", "Post_2026-11-30_12-18-26.csv.gz"),
            ("Post_2026-11-30_12-18-25.csv", "Post_2026-11-30T12:18:26.csv "),
            ("2026-11-30 12:18:25 of 10", "2026-11-30 12:18:26 of 11"),
            ("version 2026.11.30", "version 2026.11.31"),
            ("2026-13-30 12:18:25", "2026-13-30 12:18:26"),
            ("2026-02-30 12:18:25", "2026-02-30 12:18:26"),
            ("12:18:25", "12:18:26"),
            ("202611301218250", "202611301218260"),
            ("1220261130121825", "1220261130121826"),
            ("", ""),
        ] {
            assert_eq!(apart(a, b, i128::abs_diff), None, "{a} {b}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(a in "\\PC{0,60}", b in "\\PC{0,60}") {
            let _ = apart(&a, &b, i128::abs_diff);
        }

        #[test]
        fn digits_in_any_order_are_read_to_their_end(text in "[0-9:T/. -]{0,40}") {
            if let Some(nanos) = apart(&text, &text, i128::abs_diff) {
                prop_assert_eq!(nanos, 0);
            }
        }
    }
}
