//! Durations as in GoReplay (and Go): `2s`, `150ms`, `1m30s`, `1.5h`.

use std::fmt::Write;
use std::time::Duration;

/// The micro sign and the Greek letter are both Go's.
const UNITS: [(&str, u64); 8] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ns", 1),
];

/// Longest duration taken: adding it to a clock cannot overflow, and nobody waits longer.
const LONGEST: Duration = Duration::from_hours(365 * 24);

/// Parses a duration: numbers with units (h, m, s, ms, us, ns), one after another. Only `0` may lack a unit.
///
/// # Errors
///
/// For another syntax, and for more than a year.
pub fn duration(text: &str) -> Result<Duration, String> {
    const SYNTAX: &str = "not a duration: write a number with a unit, such as 5s, 150ms or 1m30s";
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut nanoseconds: u64 = 0;
    loop {
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or(SYNTAX)?;
        let (number, tail) = rest.split_at(end);
        let end = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit).ok_or(SYNTAX)?;
        nanoseconds = scaled(number, *scale)
            .ok_or(SYNTAX)?
            .checked_add(nanoseconds)
            .filter(|total| Duration::from_nanos(*total) <= LONGEST)
            .ok_or("longer than a year")?;
        if tail.is_empty() {
            return Ok(Duration::from_nanos(nanoseconds));
        }
        rest = tail;
    }
}

/// [`duration`], and not 0.
///
/// # Errors
///
/// As [`duration`], and for 0.
pub fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("must be more than 0".to_owned()),
        duration => Ok(duration),
    }
}

/// `number` (digits, perhaps with a fraction) times `scale`, a fraction of a nanosecond cut off. More than
/// fits counts as the largest there is.
fn scaled(number: &str, scale: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let whole = match whole {
        "" => 0,
        _ => whole.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(scale),
    };
    let (part, _) = fraction.bytes().fold((0u64, scale), |(sum, unit), digit| {
        let unit = unit / 10;
        (sum + u64::from(digit - b'0') * unit, unit)
    });
    Some(whole.saturating_add(part))
}

/// The shortest exact way to write a duration in Go's form: `1m30s`, `150ms`.
pub fn format_duration(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    if rest == 0 {
        return "0".to_owned();
    }
    let mut text = String::new();
    for (unit, scale) in UNITS {
        let count = rest / scale;
        if count > 0 {
            let _ = write!(text, "{count}{unit}");
            rest %= scale;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units_follow_one_another() {
        assert_eq!(duration("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(duration("150ms"), Ok(Duration::from_millis(150)));
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1h2m3s4ms5us6ns"), Ok(Duration::new(3723, 4_005_006)));
    }

    #[test]
    fn the_literals_of_goreplays_users_are_taken() {
        for (text, nanoseconds) in [
            ("2s", 2_000_000_000),
            ("150ms", 150_000_000),
            ("1h2m3.5s", 3_723_500_000_000),
            ("100us", 100_000),
            ("100\u{b5}s", 100_000),
            ("100\u{3bc}s", 100_000),
            ("7ns", 7),
            ("1.5h", 5_400_000_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("0.25us", 250),
            ("0", 0),
            ("0s", 0),
            ("30m", 1_800_000_000_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_nanos(nanoseconds)), "{text}");
        }
    }

    #[test]
    fn fractions_are_exact() {
        assert_eq!(duration("1.5h"), Ok(Duration::from_mins(90)));
        assert_eq!(duration(".25s"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("0.1s"), Ok(Duration::from_millis(100)));
    }

    #[test]
    fn only_zero_may_lack_a_unit() {
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        assert!(duration("5").unwrap_err().contains("such as 5s"));
    }

    #[test]
    fn what_is_not_a_duration_is_refused_with_an_example() {
        for text in ["", "s", "-1s", "1 s", "1d", "1s5", ".s", "1.2.3s", "٣s"] {
            assert!(duration(text).unwrap_err().contains("such as 5s"), "{text}");
        }
        assert_eq!(duration("9999999h").unwrap_err(), "longer than a year");
        assert_eq!(
            duration("99999999999999999999999s").unwrap_err(),
            "longer than a year"
        );
        assert_eq!(positive_duration("0s").unwrap_err(), "must be more than 0");
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "\\PC*") {
            let _ = duration(&text);
        }

        #[test]
        fn near_durations_are_parsed_or_refused(text in "[0-9.]{0,22}(h|m|s|ms|us|µs|ns)[0-9.]{0,3}") {
            let _ = duration(&text);
        }

        #[test]
        fn a_printed_duration_reads_back_as_itself(nanoseconds in 0u64..31_536_000_000_000_000) {
            let value = Duration::from_nanos(nanoseconds);
            prop_assert_eq!(duration(&format_duration(value)), Ok(value));
        }
    }
}
