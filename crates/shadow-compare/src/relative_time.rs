//! Times as they are from now, in English: `3 seconds ago`, `a minute ago`, `just now`, `in 2 hours`.
//!
//! Each side says it by when it was asked. What stands around such a time must be the same on both sides.

use std::time::Duration;

/// Longest text that is looked into, in bytes: what holds a time is a line.
const LONGEST: usize = 256;
const UNITS: [(&str, u64); 10] = [
    ("second", 1),
    ("sec", 1),
    ("minute", 60),
    ("min", 60),
    ("hour", 3600),
    ("day", 86_400),
    ("week", 7 * 86_400),
    ("month", 30 * 86_400),
    ("year", 365 * 86_400),
    ("moment", 1),
];

/// Longest unit, in seconds, whose ends two sides may see at the same moment: a second apart, one says a minute and one two.
const FINE: u64 = 60;

/// How far two texts are at least apart that are the same but for one such time; `None` for others.
pub(super) fn apart(a: &str, b: &str) -> Option<Duration> {
    if a.len().max(b.len()) > LONGEST {
        return None;
    }
    let (a, b) = (read(a)?, read(b)?);
    let is_same = a.before.eq_ignore_ascii_case(b.before) && a.after == b.after;
    let (less, more) = if a.seconds <= b.seconds {
        (&a, &b)
    } else {
        (&b, &a)
    };
    let within = if less.unit <= FINE { less.unit } else { 0 };
    is_same.then(|| Duration::from_secs((more.seconds - less.seconds).saturating_sub(within)))
}

/// A text with such a time in it.
struct Relative<'t> {
    before: &'t str,
    /// Into the past, as into the future.
    seconds: u64,
    unit: u64,
    after: &'t str,
}

/// Reads the first such time of a text.
fn read(text: &str) -> Option<Relative<'_>> {
    let words: Vec<(usize, &str)> = text
        .split(' ')
        .scan(0, |at, word| {
            let start = *at;
            *at += word.len() + 1;
            Some((start, word))
        })
        .collect();
    let end_of = |at: usize| words[at].0 + words[at].1.len();
    for (at, (start, word)) in words.iter().enumerate() {
        let word = word.to_ascii_lowercase();
        let next = |by: usize| words.get(at + by).map_or("", |(_, word)| *word);
        if word == "just" && punctuated(next(1)) == "now" {
            let end = words[at + 1].0 + "now".len();
            return Some(Relative {
                before: &text[..*start],
                seconds: 0,
                unit: 1,
                after: &text[end..],
            });
        }
        let is_ahead = at > 0 && words[at - 1].1.eq_ignore_ascii_case("in");
        let few = usize::from(word == "a" && next(1) == "few");
        let count = match &*word {
            "a" | "an" | "one" => 1,
            number if number.len() <= 4 && number.bytes().all(|byte| byte.is_ascii_digit()) => {
                number.parse().ok()?
            }
            _ => continue,
        };
        let Some(unit) = unit(punctuated(next(1 + few))) else {
            continue;
        };
        let is_ago = punctuated(next(2 + few)) == "ago";
        if !is_ago && !is_ahead {
            continue;
        }
        let last = at + 1 + few;
        let end = if is_ago {
            words[last + 1].0 + "ago".len()
        } else {
            end_of(last) - (next(1 + few).len() - punctuated(next(1 + few)).len())
        };
        return Some(Relative {
            before: &text[..*start],
            seconds: count * unit,
            unit,
            after: &text[end..],
        });
    }
    None
}

/// A word without the signs behind it.
fn punctuated(word: &str) -> &str {
    word.trim_end_matches(|c: char| c.is_ascii_punctuation())
}

fn unit(word: &str) -> Option<u64> {
    let word = word.strip_suffix('s').unwrap_or(word);
    UNITS
        .iter()
        .find(|(name, _)| *name == word)
        .map(|(_, seconds)| *seconds)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(a: &str, b: &str) -> Option<u64> {
        assert_eq!(apart(a, b), apart(b, a), "{a} {b}");
        apart(a, b).map(|apart| apart.as_secs())
    }

    #[test]
    fn times_from_now_are_read() {
        for (a, b, apart) in [
            ("0 seconds ago", "3 seconds ago", 2),
            ("changed 59 minutes ago by ann", "changed an hour ago by ann", 0),
            ("Just now", "3 secs ago", 2),
            ("a few seconds ago", "2 minutes ago", 118),
            ("ends in 5 minutes.", "ends in 4 minutes.", 0),
            ("made 3 days ago, and shown", "made 2 days ago, and shown", 86_400),
        ] {
            assert_eq!(seconds(a, b), Some(apart), "{a}");
        }
    }

    #[test]
    fn other_texts_are_none() {
        for (a, b) in [
            ("3 seconds", "4 seconds"),
            ("3 apples ago", "4 apples ago"),
            ("3 seconds ago by ann", "4 seconds ago by bob"),
            ("ann 3 seconds ago", "bob 3 seconds ago"),
            ("in 3", "in 4"),
            ("", "just now"),
            ("a", "an"),
        ] {
            assert_eq!(seconds(a, b), None, "{a} {b}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(a in "(in|a|few|just|now|[0-9]|minutes?|ago|[ .é]){0,12}", b in "\\PC{0,30}") {
            let _ = (apart(&a, &a), apart(&a, &b));
        }
    }
}
