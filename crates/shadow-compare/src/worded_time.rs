//! Times as people read them: `Nov. 30, 2026, 2:46 a.m.`, `Monday, 30 November 2026 14:46:07`, `2026-11-30 2 p.m.`.
//!
//! A date with an English name of its month or as ISO 8601 writes it, and a time of day, in any order. Anything else in the
//! text, and anything twice, and it is none.

use jiff::civil::{Date, date};

/// Longest text that is one, in bytes.
const LONGEST: usize = 48;
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const DAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

/// A time as a text has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WordedTime {
    /// Seconds from 1970 on the clock of whoever wrote it: nothing says in which zone.
    pub seconds: i64,
    /// Whether it is written to the second; else to the minute.
    pub has_seconds: bool,
}

/// Reads a text that is a time and nothing else.
pub(super) fn read(text: &str) -> Option<WordedTime> {
    if text.len() > LONGEST || !text.is_ascii() || !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut parts = Parts::default();
    let words = text.split([' ', ',']).filter(|word| !word.is_empty());
    for word in words {
        parts.take(&word.trim_end_matches('.').to_ascii_lowercase())?;
    }
    parts.done()
}

#[derive(Default)]
struct Parts {
    date: Option<Date>,
    month: Option<i8>,
    day: Option<i8>,
    year: Option<i16>,
    /// Hour, minute and second.
    time: Option<(i64, i64, Option<i64>)>,
    is_afternoon: Option<bool>,
}

impl Parts {
    /// Takes one word; `None` where it has no place in a time.
    fn take(&mut self, word: &str) -> Option<()> {
        if word.is_empty() || ["at", "of", "utc"].contains(&word) || begins(&DAYS, word).is_some() {
            return Some(());
        }
        if let Some(month) = begins(&MONTHS, word) {
            return put(&mut self.month, i8::try_from(month).ok()? + 1);
        }
        match word {
            "a.m" | "am" => return put(&mut self.is_afternoon, false),
            "p.m" | "pm" => return put(&mut self.is_afternoon, true),
            "noon" => return put(&mut self.time, (12, 0, None)),
            "midnight" => return put(&mut self.time, (0, 0, None)),
            _ => {}
        }
        if let Some((hour, rest)) = word.split_once(':') {
            let (minute, second) = match rest.split_once(':') {
                Some((minute, second)) => (minute, Some(below(second, 61)?)),
                None => (rest, None),
            };
            return put(&mut self.time, (below(hour, 24)?, below(minute, 60)?, second));
        }
        if word.len() == 10 {
            return put(&mut self.date, word.parse().ok()?);
        }
        if word.len() == 4 {
            return put(&mut self.year, i16::try_from(digits(word)?).ok()?);
        }
        let number = below(word, 32)?;
        if self.day.is_none() {
            return put(&mut self.day, i8::try_from(number).ok()?);
        }
        put(&mut self.time, (number, 0, None))
    }

    fn done(self) -> Option<WordedTime> {
        let date = match (self.date, self.year, self.month, self.day) {
            (Some(date), None, None, None) => date,
            (None, Some(year), Some(month), Some(day)) => Date::new(year, month, day).ok()?,
            _ => return None,
        };
        let (hour, minute, second) = self.time?;
        let hour = match self.is_afternoon {
            Some(_) if !(1..=12).contains(&hour) => return None,
            Some(is_afternoon) => hour % 12 + if is_afternoon { 12 } else { 0 },
            None => hour,
        };
        let days = i64::from((date - EPOCH).get_days());
        Some(WordedTime {
            seconds: ((days * 24 + hour) * 60 + minute) * 60 + second.unwrap_or(0),
            has_seconds: second.is_some(),
        })
    }
}

const EPOCH: Date = date(1970, 1, 1);

/// Where the name is that a word is, or begins: three letters are enough.
fn begins(names: &[&str], word: &str) -> Option<usize> {
    (word.len() >= 3)
        .then(|| names.iter().position(|name| name.starts_with(word)))
        .flatten()
}

fn put<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.is_none().then(|| *place = Some(value))
}

fn digits(word: &str) -> Option<i64> {
    let is_number = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| word.parse().ok()).flatten()
}

/// A number of one or two digits.
fn below(word: &str, end: i64) -> Option<i64> {
    digits(word).filter(|number| word.len() <= 2 && *number < end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> Option<(i64, bool)> {
        read(text).map(|time| (time.seconds, time.has_seconds))
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        // 2026-11-30 02:46.
        let time = 1_796_006_760;
        for (text, expected) in [
            ("Nov. 30, 2026, 2:46 a.m.", (time, false)),
            ("November 30, 2026 at 02:46", (time, false)),
            ("Monday, 30 Nov 2026 2:46 AM UTC", (time, false)),
            ("2026-11-30 02:46", (time, false)),
            ("30 November 2026 02:46:07", (time + 7, true)),
            ("Nov. 30, 2026, 2:46 p.m.", (time + 12 * 3600, false)),
            ("Nov. 30, 2026, 2 a.m.", (time - 46 * 60, false)),
            ("Nov. 30, 2026, midnight", (time - 166 * 60, false)),
            ("Nov. 30, 2026, noon", (time + 554 * 60, false)),
            ("Nov. 30, 2026, 12:46 a.m.", (time - 120 * 60, false)),
            ("Sept. 1, 1969, 1 p.m.", (-10_494_000, false)),
        ] {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn whatever_else_a_text_says_it_is_no_time() {
        for text in [
            "",
            "Nov. 30, 2026",
            "2:46 a.m.",
            "02:46:07",
            "Nov. 30, 2026, 2:46 a.m. by ann",
            "Nov. 31, 2026, 2:46 a.m.",
            "Nov. 30, 2026, 14:46 a.m.",
            "Nov. 30, 2026, 2:46 a.m. a.m.",
            "Nov. 30, 2026, 2:66",
            "30 30 2026 2:46",
            "room 30, 2026, 2:46",
            "Nov. 30, 2026, 2:46:07:09",
            "Nov. 30, 99999, 2:46",
            "٣٠ Nov 2026 2:46",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_trusted(text in "\\PC{0,60}|[0-9:,. apm-]{0,48}|(nov|30|2026|2:4|6|[ :,]){0,12}") {
            let _ = read(&text);
        }
    }
}
