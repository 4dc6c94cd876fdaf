//! Numbers that need not be whole: `100`, `0.5`.

/// Largest number that is taken.
const MOST: f64 = 1e9;

/// Parses a number above 0, of digits with at most one point.
///
/// # Errors
///
/// For another syntax, for 0, and for more than is sensible.
pub fn positive_number(text: &str) -> Result<f64, String> {
    // `f64::from_str` takes more than people write here: signs, exponents, "inf".
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number: f64 = text
        .parse()
        .ok()
        .filter(|_| plain)
        .ok_or("not a number: write digits, such as 100 or 0.5")?;
    if number <= 0.0 || number > MOST {
        return Err(format!("must be more than 0, and at most {MOST}"));
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_digits_and_perhaps_a_point() {
        for (text, number) in [("100", 100.0), ("0.5", 0.5), (".5", 0.5), ("1000000000", 1e9)] {
            assert_eq!(positive_number(text), Ok(number), "{text}");
        }
        for text in [
            "",
            ".",
            "-1",
            "+1",
            "1e3",
            "inf",
            "1.2.3",
            "0x10",
            "0",
            "1000000001",
        ] {
            assert!(positive_number(text).is_err(), "{text}");
        }
    }
}
