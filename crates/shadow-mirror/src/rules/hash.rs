//! Sampling by a value: whoever has the same one is always in, or always out.

use super::Invalid;

/// Parts of one percent that a share may have.
const PARTS: u32 = 10_000;

/// FNV-1a of 32 bits, which chooses the same users as `GoReplay` does.
pub fn fnv1a_32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

/// A share of all values: a whole percentage takes those whose hash leaves less than it when divided by 100. A fraction
/// of a percent takes its part of those that leave exactly the whole percentage, so that a larger share always has
/// everybody that a smaller one has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashShare {
    percent: u32,
    /// Of [`PARTS`] of the next percent.
    parts: u32,
}

impl HashShare {
    /// Reads `10%` or `2.5%`, and the old form `1/2`, which as in `GoReplay` is a whole percentage, rounded down.
    ///
    /// # Errors
    ///
    /// Where the text is no share.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        let read = match text.split_once('/') {
            Some((some, of)) => fraction(some, of),
            None => text.strip_suffix('%').and_then(percentage),
        };
        read.filter(|share| {
            share.percent < 100
                || *share
                    == Self {
                        percent: 100,
                        parts: 0,
                    }
        })
        .ok_or_else(|| Invalid("not a share of at most 100%".to_owned()))
    }

    /// Whether those with this value are in.
    pub fn takes(self, value: &[u8]) -> bool {
        let hash = fnv1a_32(value);
        (hash % 100, (hash / 100) % PARTS) < (self.percent, self.parts)
    }
}

fn digits(text: &str) -> Option<u32> {
    let plain = !text.is_empty() && text.len() <= 9 && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

fn percentage(text: &str) -> Option<HashShare> {
    let (percent, behind) = text.split_once('.').unwrap_or((text, "0"));
    if behind.len() > 4 {
        return None;
    }
    Some(HashShare {
        percent: digits(percent)?,
        parts: digits(&format!("{behind:0<4}")).filter(|_| !behind.is_empty())?,
    })
}

fn fraction(some: &str, of: &str) -> Option<HashShare> {
    let (some, of) = (u64::from(digits(some)?), u64::from(digits(of)?));
    let percent = (100 * some).checked_div(of)?;
    Some(HashShare {
        percent: u32::try_from(percent).ok()?,
        parts: 0,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_hash_is_fnv_1a() {
        // From the test vectors of the draft that describes FNV.
        for (text, hash) in [
            ("", 0x811c_9dc5),
            ("a", 0xe40c_292c),
            ("b", 0xe70c_2de5),
            ("foobar", 0xbf9c_f968),
        ] {
            assert_eq!(fnv1a_32(text.as_bytes()), hash, "{text}");
        }
    }

    #[test]
    fn a_whole_percentage_is_the_remainder_of_the_hash() {
        let share = HashShare::new("10%").unwrap();
        for user in 0..2000 {
            let user = format!("user-{user}");
            assert_eq!(share.takes(user.as_bytes()), fnv1a_32(user.as_bytes()) % 100 < 10);
        }
    }

    #[test]
    fn the_old_form_is_a_whole_percentage() {
        assert_eq!(HashShare::new("1/2"), HashShare::new("50%"));
        assert_eq!(HashShare::new("1/3"), HashShare::new("33%"));
        assert_eq!(HashShare::new("2/2"), HashShare::new("100%"));
    }

    #[test]
    fn what_is_not_a_share_is_refused() {
        for text in [
            "", "%", "10", "-1%", "101%", "100.1%", "1.%", ".5%", "1.23456%", "1/0", "3/2", "1/", "a/b",
            "1e1%",
        ] {
            assert!(HashShare::new(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_larger_share_has_everybody_that_a_smaller_one_has(
            value: Vec<u8>, a in 0_u32..1_000_000, b in 0_u32..1_000_000,
        ) {
            let share = |parts: u32| HashShare::new(&format!("{}.{:04}%", parts / PARTS, parts % PARTS)).unwrap();
            let (small, large) = (share(a.min(b)), share(a.max(b)));
            prop_assert!(!small.takes(&value) || large.takes(&value));
            prop_assert!(HashShare::new("100%").unwrap().takes(&value));
            prop_assert!(!HashShare::new("0%").unwrap().takes(&value));
        }

        #[test]
        fn any_text_is_a_share_or_refused(text in "\\PC{0,12}|[0-9./%]{0,12}") {
            let _ = HashShare::new(&text);
        }
    }
}
