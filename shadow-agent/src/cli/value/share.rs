//! Shares: `10%`, `0.5%`.

/// A share of connections: more than nothing, at most everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// So many of 2^32; `None` for everything.
    pub of_2_32: Option<u32>,
}

/// Parses a percentage above 0 and up to 100, fractions included.
///
/// # Errors
///
/// For another syntax, for more than 100%, and for so little that nothing would be captured.
pub fn share(text: &str) -> Result<Share, String> {
    const SYNTAX: &str = "not a percentage: write a number with %, such as 10% or 0.5%";
    let number = text.strip_suffix('%').ok_or(SYNTAX)?;
    // `f64::from_str` takes more than people write here: signs, exponents, "inf".
    if !number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err(SYNTAX.to_owned());
    }
    let percent: f64 = number.parse().map_err(|_| SYNTAX)?;
    if percent > 100.0 {
        return Err("more than 100%: every connection can be captured once".to_owned());
    }
    // 0..=2^32 is exact in f64.
    #[allow(clippy::cast_sign_loss)]
    let of_2_32 = (percent / 100.0 * 4_294_967_296.0).round() as u64;
    match of_2_32 {
        0 => Err("no connection would be captured: write more than 0%".to_owned()),
        some => Ok(Share {
            of_2_32: u32::try_from(some).ok(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn percentages_become_parts_of_2_to_the_32() {
        assert_eq!(share("50%").unwrap().of_2_32, Some(1 << 31));
        assert_eq!(share("10%").unwrap().of_2_32, Some(429_496_730));
        assert_eq!(share("0.5%").unwrap().of_2_32, Some(21_474_836));
        assert_eq!(share("100%").unwrap().of_2_32, None);
    }

    #[test]
    fn what_is_not_a_percentage_is_refused_with_an_example() {
        for text in ["", "%", "10", "-5%", "1e1%", "inf%", "1.2.3%", "10 %"] {
            assert!(share(text).unwrap_err().contains("0.5%"), "{text}");
        }
        assert!(share("100.1%").unwrap_err().contains("more than 100%"));
        assert!(share("0%").unwrap_err().contains("no connection"));
        assert!(share("0.000000001%").unwrap_err().contains("no connection"));
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "\\PC*%?") {
            let _ = share(&text);
        }
    }
}
