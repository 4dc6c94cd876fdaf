//! The header fields of an answer's head that was read whole before: where they stand is all that is asked, so they are not
//! parsed again.

use shadow_http::same_lines;

/// Name and value of each field of `head`, in their order, without white space around the value (RFC 9112 section 5). Of a head
/// that nobody has read before, whatever looks like fields.
pub(crate) fn of(head: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = memchr::memchr(b'\n', head).map_or(&[][..], |end| &head[end + 1..]);
    std::iter::from_fn(move || {
        loop {
            // Names are short: a loop finds where they end sooner than a call.
            let stop = rest.iter().position(|byte| matches!(byte, b':' | b'\n'))?;
            let (name, behind) = (&rest[..stop], &rest[stop + 1..]);
            if rest[stop] == b'\n' {
                if matches!(name, b"" | b"\r") {
                    return None;
                }
                rest = behind;
                continue;
            }
            let end = memchr::memchr(b'\n', behind)?;
            rest = &behind[end + 1..];
            let value = &behind[..end];
            return Some((name, without_space(value.strip_suffix(b"\r").unwrap_or(value))));
        }
    })
}

/// Whether two heads issue the same: they are the same but for fields that issue nothing.
pub(crate) fn issue_alike(mut a: &[u8], mut b: &[u8]) -> bool {
    loop {
        let alike = same_lines(a, b);
        (a, b) = (&a[alike..], &b[alike..]);
        if a.is_empty() && b.is_empty() {
            return true;
        }
        let (Some(behind_a), Some(behind_b)) = (behind_plain(a), behind_plain(b)) else {
            return false;
        };
        (a, b) = (behind_a, behind_b);
    }
}

/// The rest of a head behind a line whose field issues nothing.
fn behind_plain(head: &[u8]) -> Option<&[u8]> {
    let colon = head.iter().position(|byte| matches!(byte, b':' | b'\n'))?;
    let end = memchr::memchr(b'\n', &head[colon..])?;
    (head[colon] == b':' && is_plain(&head[..colon])).then(|| &head[colon + end + 1..])
}

/// Whether a field of this name issues nothing: those that answers commonly have. Others may, whatever they are called.
pub(crate) fn is_plain(name: &[u8]) -> bool {
    // As nearly all write them: that is found without looking at each letter in both cases.
    let is_common = matches!(
        name,
        b"Date"
            | b"date"
            | b"Vary"
            | b"vary"
            | b"Server"
            | b"server"
            | b"Connection"
            | b"connection"
            | b"Keep-Alive"
            | b"keep-alive"
            | b"Cache-Control"
            | b"cache-control"
            | b"Accept-Ranges"
            | b"accept-ranges"
            | b"Content-Length"
            | b"content-length"
    );
    if is_common {
        return true;
    }
    let known: &[&str] = match name.len() {
        3 => &["age", "via"],
        4 => &["date", "vary"],
        6 => &["server", "pragma"],
        7 => &["expires"],
        10 => &["connection", "keep-alive"],
        12 => &["x-powered-by"],
        13 => &["cache-control", "accept-ranges"],
        14 => &["content-length"],
        22 => &["x-content-type-options"],
        25 => &["strict-transport-security"],
        _ => &[],
    };
    known
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
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

    #[test]
    fn fields_that_issue_nothing_are_none_that_are_looked_into() {
        for name in [
            "Age",
            "Via",
            "DATE",
            "Date",
            "Vary",
            "Server",
            "Pragma",
            "Expires",
            "Connection",
            "Keep-Alive",
            "X-Powered-By",
            "Cache-Control",
            "Accept-Ranges",
            "CONTENT-LENGTH",
            "x-content-type-options",
            "Strict-Transport-Security",
        ] {
            let name = name.as_bytes();
            assert!(is_plain(name) && !crate::shape::names_token(name), "{name:?}");
        }
        for name in [
            "ETag",
            "Last-Modified",
            "Location",
            "Set-Cookie",
            "X-Token",
            "Content-Type",
            "Content-Encoding",
        ] {
            assert!(!is_plain(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn heads_issue_alike_whatever_the_fields_say_that_issue_nothing() {
        let head = |date: &str, tag: &str| format!("HTTP/1.1 200 OK\r\nDate: {date}\r\nETag: {tag}\r\n\r\n");
        let alike = |a: &str, b: &str| issue_alike(a.as_bytes(), b.as_bytes());
        assert!(alike(&head("1", "a"), &head("22", "a")));
        assert!(!alike(&head("1", "a"), &head("1", "b")));
        assert!(!alike(&head("1", "a"), "HTTP/1.1 200 OK\r\nDate: 1\r\n\r\n"));
        assert!(!alike(&head("1", "a"), &head("1", "a").replace("200", "201")));
        assert!(!alike(
            "HTTP/1.1 200 OK\r\nDate\r\n\r\n",
            "HTTP/1.1 200 OK\r\nDatf\r\n\r\n"
        ));
    }

    proptest! {
        #[test]
        fn heads_that_issue_alike_have_the_same_fields_but_for_those(
            a in "(Date|ETag|Age)?(:[ab]?)?\r?\n(Date|Age:|X)?", b in "(Date|ETag|Age)?(:[ab]?)?\r?\n(Date|Age:|X)?",
        ) {
            let head = |fields: &str| format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n").into_bytes();
            let (a, b) = (head(&a), head(&b));
            let telling = |head| of(head).filter(|(name, _)| !is_plain(name)).collect::<Vec<_>>();
            prop_assert!(!issue_alike(&a, &b) || telling(&a) == telling(&b));
        }

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
