//! How far two heads are the same. Answers to one request begin alike, most of them to their end: what is the same need not be
//! taken apart.

/// Bytes that are looked at in one step.
const STEP: usize = 16;

/// The length of the whole lines, line ends included, that both begin with.
pub fn same_lines(a: &[u8], b: &[u8]) -> usize {
    let alike = same_bytes(a, b);
    memchr::memrchr(b'\n', &a[..alike]).map_or(0, |end| end + 1)
}

fn same_bytes(a: &[u8], b: &[u8]) -> usize {
    let (mut left, mut right) = (a, b);
    while let (Some((x, behind_x)), Some((y, behind_y))) = (
        left.split_first_chunk::<STEP>(),
        right.split_first_chunk::<STEP>(),
    ) && x == y
    {
        (left, right) = (behind_x, behind_y);
    }
    let rest = left.iter().zip(right).take_while(|(x, y)| x == y).count();
    a.len() - left.len() + rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_is_the_same_with_its_end() {
        for (a, b, expected) in [
            ("", "", 0),
            ("a", "a", 0),
            ("a\r\n", "a\r\n", 3),
            ("a\r\n", "a\n", 0),
            ("a\nb\nc", "a\nb\nd", 4),
            ("Date: 1\r\nServer: a\r\n\r\n", "Date: 1\r\nServer: b\r\n\r\n", 9),
            (
                "0123456789abcde\n0123456789abcde\n",
                "0123456789abcde\n0123456789abcdef",
                16,
            ),
        ] {
            assert_eq!(same_lines(a.as_bytes(), b.as_bytes()), expected, "{a:?} {b:?}");
        }
    }

    proptest! {
        #[test]
        fn it_is_what_one_line_after_the_other_gives(
            alike in "[a\n]{0,80}", a in "[ab\n]{0,40}", b in "[ab\n]{0,40}",
        ) {
            let (a, b) = (alike.clone() + &a, alike + &b);
            let lines = a.split_inclusive('\n').zip(b.split_inclusive('\n'));
            let same = lines.take_while(|(x, y)| x == y && x.ends_with('\n'));
            let expected: usize = same.map(|(line, _)| line.len()).sum();
            prop_assert_eq!(same_lines(a.as_bytes(), b.as_bytes()), expected);
        }
    }
}
