//! How far two heads are the same. Answers to one request begin alike, most of them to their end: what is the same need not be
//! taken apart.

/// Bytes that are looked at in one step.
const STEP: usize = 16;

/// The length of the whole lines, line ends included, that both begin with.
pub fn same_lines(a: &[u8], b: &[u8]) -> usize {
    let alike = same_bytes(a, b);
    memchr::memrchr(b'\n', &a[..alike]).map_or(0, |end| end + 1)
}

/// Whether two heads are the same, or the same but for the value of one `Date`: nearly all answers of two instances are.
pub fn same_but_for_date(a: &[u8], b: &[u8]) -> bool {
    let alike = same_bytes(a, b);
    if alike == a.len() && alike == b.len() {
        return true;
    }
    let start = memchr::memrchr(b'\n', &a[..alike]).map_or(0, |end| end + 1);
    let behind_date = |head: &[u8]| {
        let line = &head[start..];
        let end = memchr::memchr(b'\n', line)?;
        matches!(line.first_chunk()?, b"Date:" | b"date:").then_some(start + end)
    };
    match (behind_date(a), behind_date(b)) {
        (Some(x), Some(y)) => a[x..] == b[y..],
        _ => false,
    }
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

    #[test]
    fn heads_are_the_same_but_for_their_date() {
        let head = |date: &str, more: &str| format!("HTTP/1.1 200 OK\r\nDate:{date}\r\nA: {more}\r\n\r\n");
        let same = |a: &str, b: &str| same_but_for_date(a.as_bytes(), b.as_bytes());
        for other in [" 1", " 12", "", " 1 "] {
            assert!(same(&head(" 1", "a"), &head(other, "a")), "{other}");
            assert!(!same(&head(" 1", "a"), &head(other, "b")), "{other}");
        }
        let (one, two) = (head(" 1", "a"), head(" 2", "a"));
        assert!(same(&one, &two.replace("Date", "date")));
        for other in [
            two.replace("Date", "Datf"),
            two.replace("200", "201"),
            two.replace("A: a\r\n", ""),
            two.replace("\r\n\r\n", "\r\nB: c\r\n\r\n"),
            one[..one.len() - 2].to_owned(),
            String::new(),
        ] {
            assert!(!same(&one, &other) && !same(&other, &one), "{other:?}");
        }
        assert!(same("", "") && !same("Date: 1", "Date: 2"));
    }

    proptest! {
        #[test]
        fn what_is_the_same_but_for_its_date_has_the_same_other_lines(
            a in "(Date: [12]\n|date:\n|B: [12]\n|Date){0,4}", b in "(Date: [12]\n|date:\n|B: [12]\n|Date){0,4}",
        ) {
            let others = |head: &str| {
                let lines = head.split_inclusive('\n').filter(|line| !line.to_ascii_lowercase().starts_with("date:"));
                lines.map(str::to_owned).collect::<Vec<_>>()
            };
            prop_assert!(!same_but_for_date(a.as_bytes(), b.as_bytes()) || others(&a) == others(&b));
        }

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
