//! Integers as Go's `flag` package reads them: `10`, `0x10`, `0b11`, `0o17`, `017`, `1_000`, `+5`, `-1`.

/// Parses an integer literal of Go's: a number that begins with 0 is octal, and `_` may stand between digits.
pub fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    // A prefix may be followed by one.
    let separated = if radix == 10 {
        digits
    } else {
        digits.strip_prefix('_').unwrap_or(digits)
    };
    let digit = |c: char| c.is_digit(radix);
    if !separated
        .split('_')
        .all(|part| !part.is_empty() && part.chars().all(digit))
    {
        return None;
    }
    let number = i64::from_str_radix(&separated.replace('_', ""), radix).ok()?;
    Some(if negative { -number } else { number })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_integer_is_what_go_takes_for_one() {
        // As strconv.ParseInt(text, 0, 64) has it.
        for (text, number) in [
            ("0", 0),
            ("10", 10),
            ("010", 8),
            ("0x10", 16),
            ("0X1F", 31),
            ("0b11", 3),
            ("0o17", 15),
            ("0O17", 15),
            ("1_000", 1000),
            ("0_7", 7),
            ("0x_1f", 31),
            ("+5", 5),
            ("-0x1", -1),
        ] {
            assert_eq!(integer(text), Some(number), "{text}");
        }
        for text in [
            "",
            "+",
            "-",
            "_1",
            "1_",
            "1__0",
            "08",
            "0x",
            "0b",
            "0b2",
            "0xg",
            "1e3",
            "1.5",
            " 1",
            "\u{661}",
            "5s",
            "99999999999999999999",
        ] {
            assert_eq!(integer(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_printed_number_reads_back_as_itself(number in i64::MIN + 1..i64::MAX) {
            prop_assert_eq!(integer(&number.to_string()), Some(number));
        }

        #[test]
        fn any_text_is_an_integer_or_none(text in "\\PC{0,12}|[-+0-9a-fxob_]{0,12}") {
            let _ = integer(&text);
        }
    }
}
