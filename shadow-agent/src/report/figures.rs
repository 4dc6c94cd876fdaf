//! Figures and hostile text as people read them, the same in every form of a report but the page's script, which has its own.

use std::borrow::Cow;
use std::fmt::Write;

use super::grouped;
use crate::compare::document::{CopyDelay, Endpoint, Interval, Rate};

pub(super) use crate::time::moment;

/// A share as a percentage. It says 0% and 100% only where that is exactly so: one in a million shows.
pub(super) fn percent(share: f64) -> String {
    if !share.is_finite() {
        "–".to_owned()
    } else if share <= 0.0 {
        "0%".to_owned()
    } else if share >= 1.0 {
        "100%".to_owned()
    } else if share < 0.0001 {
        "<0.01%".to_owned()
    } else if share > 0.9999 {
        ">99.99%".to_owned()
    } else {
        format!("{:.2}%", share * 100.0)
    }
}

/// A share with its interval: `0.30% (0.21% to 0.43%)`.
pub(super) fn rate(rate: &Rate) -> String {
    if rate.total == 0 {
        return "nothing to count".to_owned();
    }
    format!(
        "{} ({} to {})",
        percent(rate.share),
        percent(rate.low),
        percent(rate.high)
    )
}

/// How late copies were sent.
pub(super) fn copy_delay(delay: &CopyDelay) -> String {
    let [p50, p99, max] = [delay.p50_us, delay.p99_us, delay.max_us].map(|micros| duration(micros as f64));
    format!("{p50} (p50), {p99} (p99), {max} (longest)")
}

/// A time in microseconds: milliseconds with three digits that matter, and seconds from ten of them on. Nothing takes no time:
/// 0 stands for a time that nobody knows.
pub(super) fn duration(micros: f64) -> String {
    if !(micros.is_finite() && micros > 0.0) {
        return "–".to_owned();
    }
    let millis = micros / 1000.0;
    if millis >= 10_000.0 {
        format!("{:.1} s", millis / 1000.0)
    } else if millis >= 100.0 {
        format!("{} ms", whole(millis))
    } else if millis >= 10.0 {
        format!("{millis:.1} ms")
    } else {
        format!("{millis:.2} ms")
    }
}

/// A number of things that was reckoned with as a fraction.
pub(super) fn whole(number: f64) -> String {
    let digits = format!("{:.0}", number.max(0.0));
    digits.parse().map_or(digits, grouped)
}

/// A ratio with its interval: `1.08 (1.02 to 1.15)`; 0 stands for one that nobody knows.
pub(super) fn ratio(ratio: &Interval) -> String {
    if !(ratio.value.is_finite() && ratio.value > 0.0) {
        return "–".to_owned();
    }
    format!("{:.2} ({:.2} to {:.2})", ratio.value, ratio.low, ratio.high)
}

/// Hostile text with everything made visible that a reader would not see, or that would move what is around it: control
/// characters, line ends among them, and characters of no width or that turn the direction of text, as `⟨U+202E⟩`.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut seen = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_hidden(character) {
            let _ = write!(seen, "⟨U+{:04X}⟩", u32::from(character));
        } else {
            seen.push(character);
        }
    }
    Cow::Owned(seen)
}

/// Whether [`visible`] would write it in another way.
pub(super) fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{FFFE}' | '\u{FFFF}'
            | '\u{E0000}'..='\u{E007F}')
}

/// How much speaks against an endpoint, to put the worst first: the share of its requests that failed or differ, and one more
/// where it is slower.
pub(crate) fn wrong(endpoint: &Endpoint) -> f64 {
    let failed = endpoint
        .failed
        .values()
        .fold(0_u64, |sum, count| sum.saturating_add(*count)) as f64;
    let agreement = &endpoint.agreement;
    let differing = agreement.total.saturating_sub(agreement.count) as f64;
    let share = (failed + differing) / (endpoint.compared as f64 + failed).max(1.0);
    share + f64::from(u8::from(endpoint.slower))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_is_whole_only_where_it_is_exactly_so() {
        let shares = [0.0, 0.000_001, 0.0001, 0.0034, 0.5, 0.9999, 0.999_999, 1.0];
        assert_eq!(
            shares.map(percent),
            [
                "0%", "<0.01%", "0.01%", "0.34%", "50.00%", "99.99%", ">99.99%", "100%"
            ]
        );
    }

    #[test]
    fn times_are_read_in_milliseconds() {
        let micros = [0.0, 420.0, 3210.0, 45_600.0, 450_000.0, 9_999_000.0, 12_300_000.0];
        assert_eq!(
            micros.map(duration),
            [
                "–", "0.42 ms", "3.21 ms", "45.6 ms", "450 ms", "9,999 ms", "12.3 s"
            ]
        );
    }

    #[test]
    fn moments_are_in_utc_and_nonsense_is_unknown() {
        assert_eq!(moment(1_764_000_367_123), "2025-11-24 16:06:07 UTC");
        assert_eq!(moment(0), "unknown");
        assert_eq!(moment(u64::MAX), "unknown");
    }

    #[test]
    fn what_nobody_would_see_is_made_visible() {
        assert_eq!(
            visible("a\u{202E}b\n\u{1b}[31mc\u{7f}\u{FEFF}"),
            "a⟨U+202E⟩b⟨U+000A⟩⟨U+001B⟩[31mc⟨U+007F⟩⟨U+FEFF⟩"
        );
        assert!(matches!(visible("größer 価格"), Cow::Borrowed("größer 価格")));
    }

    #[test]
    fn nothing_is_not_nought_percent() {
        assert_eq!(rate(&Rate::default()), "nothing to count");
    }
}
