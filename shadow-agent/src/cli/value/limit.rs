//! Limits behind an address: `|10%`, `|0.5%`, `|250%`, `|100`.

use crate::settings::Limit;

/// Most percent: a hundred copies of each request.
const MAX_PERCENT: u64 = 10_000;

/// Takes an address apart from the limit behind it, if there is one.
pub fn split_limit(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once('|') {
        Some((address, limit)) => (address.trim_end(), Some(limit.trim())),
        None => (text, None),
    }
}

/// Parses what stands behind the `|`: a percentage with up to six places, or a whole number of requests a second.
///
/// # Errors
///
/// For another syntax, and for too large a percentage.
pub fn limit(text: &str) -> Result<Limit, String> {
    const SYNTAX: &str =
        "not a limit: write a share such as |10% or |0.5%, or requests a second such as |100";
    match text.strip_suffix('%') {
        Some(number) => {
            let (whole, places) = number.split_once('.').unwrap_or((number, ""));
            let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            if !digits(whole) || !digits(places) || whole.len() + places.len() == 0 || places.len() > 6 {
                return Err(SYNTAX.to_owned());
            }
            let millionths: u64 = format!("{whole}{places:0<6}").parse().map_err(|_| SYNTAX)?;
            if millionths > MAX_PERCENT * 1_000_000 {
                return Err(format!("more than {MAX_PERCENT}%"));
            }
            Ok(Limit::percent_millionths(millionths))
        }
        None if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse().map(Limit::PerSecond).map_err(|_| SYNTAX.to_owned())
        }
        None => Err(SYNTAX.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_is_told_from_its_limit() {
        assert_eq!(split_limit(":80"), (":80", None));
        assert_eq!(split_limit(":80|10%"), (":80", Some("10%")));
        assert_eq!(split_limit("http://a/b|c | 5"), ("http://a/b|c", Some("5")));
    }

    #[test]
    fn shares_and_rates_are_read() {
        assert_eq!(limit("10%"), Ok(Limit::percent_millionths(10_000_000)));
        assert_eq!(limit("0.5%"), Ok(Limit::percent_millionths(500_000)));
        assert_eq!(limit(".5%"), Ok(Limit::percent_millionths(500_000)));
        assert_eq!(limit("250%"), Ok(Limit::percent_millionths(250_000_000)));
        assert_eq!(limit("0%"), Ok(Limit::percent_millionths(0)));
        assert_eq!(limit("100"), Ok(Limit::PerSecond(100)));
    }

    #[test]
    fn anything_else_is_refused_with_examples() {
        for text in [
            "",
            "%",
            "-5",
            "1e3",
            "10 %",
            "0.1234567%",
            "x",
            "1.5",
            "99999999999",
            "1.2.3%",
        ] {
            assert!(limit(text).unwrap_err().contains("|0.5%"), "{text}");
        }
        assert!(limit("10001%").unwrap_err().contains("more than"));
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "\\PC*%?") {
            let _ = limit(&text);
        }
    }
}
