//! Processor time: `50%` of one CPU, `1.5` CPUs, `500m` (thousandths of a CPU, as Kubernetes writes them).

/// Most CPUs that can be said, in thousandths: more than any machine has.
const MOST: f64 = 65_536_000.0;

/// Least budget taken, in thousandths of a CPU: below it, measuring alone would spend it.
const LEAST: f64 = 10.0;

/// Parses an amount of processor time; the answer is in thousandths of a CPU.
///
/// # Errors
///
/// For another syntax, and for less than a hundredth of a CPU or more than any machine has.
pub fn cpus(text: &str) -> Result<u32, String> {
    const SYNTAX: &str =
        "not a share of a CPU: write 50% (of one CPU), 1.5 (CPUs) or 500m (thousandths of one)";
    let (number, scale) = match text.as_bytes() {
        [.., b'%'] => (&text[..text.len() - 1], 10.0),
        [.., b'm'] => (&text[..text.len() - 1], 1.0),
        _ => (text, 1000.0),
    };
    // `f64::from_str` takes more than people write here: signs, exponents, "inf".
    if !number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err(SYNTAX.to_owned());
    }
    let millis = number.parse::<f64>().map_err(|_| SYNTAX)? * scale;
    if millis < LEAST {
        return Err("less than a hundredth of a CPU: not enough to capture anything".to_owned());
    }
    if millis > MOST {
        return Err("more CPUs than any machine has".to_owned());
    }
    #[allow(clippy::cast_sign_loss)] // Checked above.
    Ok(millis.round() as u32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn percentages_are_of_one_cpu_and_numbers_are_cpus() {
        assert_eq!(cpus("50%"), Ok(500));
        assert_eq!(cpus("150%"), Ok(1500));
        assert_eq!(cpus("1.5"), Ok(1500));
        assert_eq!(cpus("2"), Ok(2000));
        assert_eq!(cpus("250m"), Ok(250));
        assert_eq!(cpus(".1"), Ok(100));
    }

    #[test]
    fn what_is_no_share_is_refused_with_an_example() {
        for text in ["", "%", "m", "-1", "1e3", "inf", "50 %", "1.5.1", "half", "50%%"] {
            assert!(cpus(text).unwrap_err().contains("50%"), "{text}");
        }
        for text in ["0", "0%", "9m", "0.001"] {
            assert!(cpus(text).unwrap_err().contains("hundredth"), "{text}");
        }
        assert!(cpus("99999999").unwrap_err().contains("any machine"));
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "\\PC*[m%]?") {
            let _ = cpus(&text);
        }
    }
}
