//! Numbers by what they are worth, however they are written: `1`, `1.0` and `1e0` are the same, and no digit is lost of any.

/// Digits of an exponent that is reckoned with; longer ones are told by their spelling.
const MAX_EXPONENT_DIGITS: usize = 15;

/// Writes to `out` a spelling that all numbers of the same worth share. `text` is a number of JSON.
pub(super) fn canonical(text: &str, out: &mut Vec<u8>) {
    out.clear();
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => (true, mantissa),
        None => (false, mantissa),
    };
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let (down, digits) = match exponent.as_bytes().first() {
        Some(b'-') => (true, &exponent[1..]),
        Some(b'+') => (false, &exponent[1..]),
        _ => (false, exponent),
    };
    out.extend(
        whole
            .bytes()
            .chain(part.bytes())
            .skip_while(|digit| *digit == b'0'),
    );
    let before = out.len();
    let kept = out
        .iter()
        .rposition(|digit| *digit != b'0')
        .map_or(0, |at| at + 1);
    out.truncate(kept);
    if out.is_empty() {
        // Nothing, whatever its sign and exponent.
        out.push(b'0');
        return;
    }
    let digits = digits.trim_start_matches('0');
    if digits.len() > MAX_EXPONENT_DIGITS {
        out.clear();
        out.extend_from_slice(text.as_bytes());
        return;
    }
    let power: i64 = digits.parse().unwrap_or(0);
    let shift = |digits: usize| i64::try_from(digits).unwrap_or(i64::MAX / 4);
    let power = if down { -power } else { power } - shift(part.len()) + shift(before - kept);
    out.push(b'e');
    out.extend_from_slice(&power.to_le_bytes());
    out.push(u8::from(sign));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(a: &str, b: &str) -> bool {
        let (mut left, mut right) = (Vec::new(), Vec::new());
        canonical(a, &mut left);
        canonical(b, &mut right);
        left == right
    }

    #[test]
    fn numbers_are_the_same_by_worth() {
        for (a, b) in [
            ("1", "1.0"),
            ("1", "1e0"),
            ("100", "1e2"),
            ("0.1", "1E-1"),
            ("10.50", "1.05e+1"),
            ("-0", "0"),
            ("0e99", "0.000"),
            ("1e0000000000000000000000002", "100"),
        ] {
            assert!(same(a, b), "{a} {b}");
        }
        for (a, b) in [
            ("1", "-1"),
            ("1", "10"),
            ("1", "1.0000000000000000000001"),
            ("9007199254740993", "9007199254740992"),
            ("123456789012345678901234567890", "123456789012345678901234567891"),
            ("1e99999999999999999999", "1e99999999999999999998"),
        ] {
            assert!(!same(a, b), "{a} {b}");
        }
    }
}
