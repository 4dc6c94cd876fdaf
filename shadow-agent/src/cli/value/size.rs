//! Sizes in bytes, as GoReplay's users write them: `32mb`, `256m`, `64kb`, `1048576`, `0x1000`.

/// Suffixes and the power of two each stands for; the first name of a power is the one that is printed.
const SUFFIXES: [(&str, u32); 13] = [
    ("kb", 10),
    ("k", 10),
    ("kib", 10),
    ("mb", 20),
    ("m", 20),
    ("mib", 20),
    ("gb", 30),
    ("g", 30),
    ("gib", 30),
    ("tb", 40),
    ("t", 40),
    ("tib", 40),
    ("b", 0),
];

/// Parses a size in bytes: an integer (decimal, `0x`, `0o`, `0` or `0b`; `_` between digits), then a suffix in any
/// case. Suffixes are powers of 1024. At most what can be addressed.
///
/// # Errors
///
/// For another syntax, and for more than can be addressed.
pub fn size(text: &str) -> Result<usize, String> {
    const SYNTAX: &str = "not a size: write bytes, or a whole number with kb, mb or gb, such as 32mb";
    let lower = text.to_ascii_lowercase();
    let (radix, rest) = match lower.get(..2) {
        Some("0x") => (16, &lower[2..]),
        Some("0o") => (8, &lower[2..]),
        Some("0b") if lower.len() > 2 => (2, &lower[2..]),
        // As in Go.
        Some(two) if two.starts_with('0') && two.ends_with(|c: char| c.is_ascii_digit() || c == '_') => {
            (8, &lower[1..])
        }
        _ => (10, lower.as_str()),
    };
    let end = rest
        .find(|c: char| !c.is_digit(radix) && c != '_')
        .unwrap_or(rest.len());
    let (digits, suffix) = rest.split_at(end);
    let digits = digits.replace('_', "");
    if digits.is_empty() {
        return Err(SYNTAX.to_owned());
    }
    let shift = match suffix {
        "" => 0,
        _ => SUFFIXES
            .iter()
            .find(|(name, _)| *name == suffix)
            .map(|(_, shift)| *shift)
            .ok_or(SYNTAX)?,
    };
    u64::from_str_radix(&digits, radix)
        .ok()
        .and_then(|number| number.checked_mul(1 << shift))
        .and_then(|bytes| isize::try_from(bytes).ok())
        .map(isize::cast_unsigned)
        .ok_or_else(|| "larger than any memory: write a smaller size".to_owned())
}

/// [`size`], and not 0.
///
/// # Errors
///
/// As [`size`], and for 0.
pub fn positive_size(text: &str) -> Result<usize, String> {
    match size(text)? {
        0 => Err("must be more than 0".to_owned()),
        bytes => Ok(bytes),
    }
}

/// The shortest exact way to write a size: `16mb`, `1000`.
pub fn format_size(bytes: usize) -> String {
    SUFFIXES
        .iter()
        .filter(|(_, shift)| bytes != 0 && *shift > 0 && bytes.is_multiple_of(1 << shift))
        .max_by_key(|(name, shift)| (*shift, name.len() == 2))
        .map_or_else(
            || bytes.to_string(),
            |(name, shift)| format!("{}{name}", bytes >> shift),
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn suffixes_are_powers_of_1024_in_any_case() {
        assert_eq!(size("32mb"), Ok(33_554_432));
        assert_eq!(size("256m"), Ok(268_435_456));
        assert_eq!(size("64KB"), Ok(65_536));
        assert_eq!(size("1GiB"), Ok(1_073_741_824));
        assert_eq!(size("2tb"), Ok(2_199_023_255_552));
        assert_eq!(size("10b"), Ok(10));
    }

    #[test]
    fn the_literals_of_goreplays_users_are_taken() {
        for (text, bytes) in [
            ("5242880", 5_242_880),
            ("32mb", 33_554_432),
            ("32MB", 33_554_432),
            ("1Tb", 1_099_511_627_776),
            ("10gb", 10_737_418_240),
            // Its documentation has it, and its parser refuses it.
            ("256m", 268_435_456),
            ("0x10kb", 16_384),
            ("0X10KB", 16_384),
            ("0x1mb", 1_048_576),
            ("0b1010kb", 10_240),
            ("0B11", 3),
            ("0o17", 15),
            ("017", 15),
            ("00", 0),
            ("0O17kb", 15_360),
            ("1_000_000", 1_000_000),
            ("0x_ff", 255),
            ("2_0mb", 20_971_520),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn plain_numbers_are_bytes_in_every_base() {
        assert_eq!(size("1_000"), Ok(1000));
        assert_eq!(size("0x10"), Ok(16));
        assert_eq!(size("0x1b"), Ok(27));
        assert_eq!(size("0x10kb"), Ok(16_384));
        assert_eq!(size("0o17"), Ok(15));
        assert_eq!(size("0b101"), Ok(5));
        assert_eq!(size("0b"), Ok(0));
        assert_eq!(size("0"), Ok(0));
    }

    #[test]
    fn what_is_not_a_size_is_refused_with_an_example() {
        for text in [
            "", "mb", "-1", "1.5mb", "08", "32 mb", "32xb", "0x", "٣kb", "+5", "_",
        ] {
            assert!(size(text).unwrap_err().contains("32mb"), "{text}");
        }
        assert!(size("99999999999999999999").unwrap_err().contains("smaller"));
        assert!(size("9000000tb").unwrap_err().contains("smaller"));
        assert_eq!(positive_size("0kb").unwrap_err(), "must be more than 0");
    }

    #[test]
    fn sizes_print_in_their_largest_exact_unit() {
        assert_eq!(format_size(16 << 20), "16mb");
        assert_eq!(format_size(1536), "1536");
        assert_eq!(format_size(3 << 30), "3gb");
        assert_eq!(format_size(0), "0");
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "\\PC*") {
            let _ = size(&text);
        }

        #[test]
        fn a_printed_size_reads_back_as_itself(bytes in 0..isize::MAX.cast_unsigned()) {
            prop_assert_eq!(size(&format_size(bytes)), Ok(bytes));
        }
    }
}
