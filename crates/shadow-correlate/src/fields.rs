//! The header fields of an answer's head that was read whole before: where they stand is all that is asked, so they are not
//! parsed again.

/// Name and value of each field of `head`, in their order, without white space around the value (RFC 9112 section 5). Of a head
/// that nobody has read before, whatever looks like fields.
pub(crate) fn of(head: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut ends = memchr::memchr_iter(b'\n', head);
    let mut start = ends.next().map(|end| end + 1);
    std::iter::from_fn(move || {
        loop {
            let (from, end) = (start?, ends.next()?);
            start = Some(end + 1);
            let line = &head[from..end];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                start = None;
                return None;
            }
            // Names are short: a loop finds where they end sooner than a call.
            if let Some(colon) = line.iter().position(|byte| *byte == b':') {
                return Some((&line[..colon], without_space(&line[colon + 1..])));
            }
        }
    })
}

fn without_space(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_end_at_the_empty_line() {
        let fields: Vec<_> = of(b"HTTP/1.1 200 OK\r\nA: \t b c \r\nno field\r\nD:\n\r\nE: f\r\n").collect();
        assert_eq!(fields, [(&b"A"[..], &b"b c"[..]), (b"D", b"")]);
        assert_eq!(of(b"").chain(of(b"HTTP/1.1 200 OK\r\nA: b")).count(), 0);
    }

    proptest! {
        #[test]
        fn a_head_that_parses_has_the_same_fields(
            lines in proptest::collection::vec("[A-Za-z-]{1,12}:[ \t]{0,2}[ -~]{0,20}[ \t]{0,2}\r\n", 0..8),
        ) {
            let head = format!("HTTP/1.1 200 OK\r\n{}\r\n", lines.concat());
            let head = head.as_bytes();
            let parsed = shadow_http::head_fields(head).unwrap();
            let part = |range: &std::ops::Range<u32>| &head[range.start as usize..range.end as usize];
            let parsed: Vec<_> = parsed.iter().map(|field| (part(&field.name), part(&field.value))).collect();
            prop_assert_eq!(of(head).collect::<Vec<_>>(), parsed);
        }
    }
}
