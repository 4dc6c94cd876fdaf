//! Heads that are odd and can still be read in one way only: their fields, and the head as HTTP/1.1 has it.

use super::field::{can_be_sent, trim_spaces};
use super::message::Reject;

/// The fields of a header section (lines ended by CRLF, the empty one included) of which some are none to RFC 9110, though
/// each [can be sent](can_be_sent).
pub(super) fn fields(section: &[u8], most: usize) -> Result<Vec<httparse::Header<'_>>, Reject> {
    let mut fields = Vec::new();
    let mut rest = section;
    loop {
        let end = memchr::memchr(b'\n', rest).ok_or(Reject::Malformed)?;
        let line = rest[..end].strip_suffix(b"\r").ok_or(Reject::Malformed)?;
        rest = &rest[end + 1..];
        if line.is_empty() {
            return if rest.is_empty() {
                Ok(fields)
            } else {
                Err(Reject::Malformed)
            };
        }
        let colon = memchr::memchr(b':', line).ok_or(Reject::Malformed)?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if !can_be_sent(name, value) {
            return Err(Reject::Malformed);
        }
        if fields.len() == most {
            return Err(Reject::HeadTooLarge);
        }
        let name = std::str::from_utf8(name).map_err(|_| Reject::Malformed)?;
        fields.push(httparse::Header {
            name,
            value: trim_spaces(value),
        });
    }
}

/// A whole head with its line ends as CRLF, its folded lines as one with a space between (RFC 9112 section 5.2), and single
/// spaces in its request line (section 3). Only for heads that can be read in one way: nothing is checked here.
pub fn normalised(head: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(head.len() + 64);
    for (index, line) in head.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if index == 0 && !line.starts_with(b"HTTP/") {
            write_request_line(line, &mut out);
        } else if index > 1 && matches!(line.first(), Some(b' ' | b'\t')) {
            out.truncate(out.len().saturating_sub(2));
            out.push(b' ');
            out.extend_from_slice(trim_spaces(line));
        } else {
            out.extend_from_slice(line);
        }
        out.extend_from_slice(b"\r\n");
    }
    out
}

fn write_request_line(line: &[u8], out: &mut Vec<u8>) {
    let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some(method), Some(target), Some(version), None) => {
            for part in [method, b" ", target, b" ", version] {
                out.extend_from_slice(part);
            }
        }
        _ => out.extend_from_slice(line),
    }
}

#[cfg(test)]
mod tests {
    use super::super::head::spans;
    use super::*;

    fn normal(head: &str) -> String {
        String::from_utf8(normalised(head.as_bytes())).unwrap()
    }

    #[test]
    fn line_ends_folds_and_spaces_become_those_of_http_1_1() {
        assert_eq!(
            normal("GET  /a   HTTP/1.1 \nHost: a\nX: b\n\t c \n  d\n\n"),
            "GET /a HTTP/1.1\r\nHost: a\r\nX: b c d\r\n\r\n"
        );
        assert_eq!(
            normal("HTTP/1.1 200 All  right\r\nX: b\r\n c\r\n\r\n"),
            "HTTP/1.1 200 All  right\r\nX: b c\r\n\r\n"
        );
    }

    #[test]
    fn a_head_that_is_as_it_should_be_stays_byte_for_byte() {
        for head in [
            "GET /a HTTP/1.1\r\nHost:  a \r\nX(Y): \x01\r\n\r\n",
            "GET /a b HTTP/1.1\r\n\r\n",
        ] {
            assert_eq!(normal(head), head);
        }
    }

    #[test]
    fn a_blank_value_stands_behind_its_white_space_as_httparse_has_it() {
        let section = b"X(Y): a\r\nA:\r\nB: \t \r\n\r\n";
        let values = |fields: &[httparse::Header<'_>]| {
            let spans = spans(section, fields).into_iter();
            spans.map(|field| field.value).collect::<Vec<_>>()
        };
        assert_eq!(values(&fields(section, 3).unwrap()), [6..7, 11..11, 18..18]);

        let mut plain = [httparse::EMPTY_HEADER; 2];
        httparse::parse_headers(&section[9..], &mut plain).unwrap();
        assert_eq!(values(&plain), [11..11, 18..18]);
    }

    #[test]
    fn fields_that_can_be_sent_are_read_and_others_refused() {
        let read = |section: &str| {
            let fields = fields(section.as_bytes(), 3)?;
            Ok(fields
                .iter()
                .map(|field| format!("{}={}", field.name, field.value.escape_ascii()))
                .collect::<Vec<_>>())
        };
        assert_eq!(
            read("X(Y): a \r\nCookie:\tb\x01\r\n\r\n"),
            Ok(vec!["X(Y)=a".to_owned(), "Cookie=b\\x01".to_owned()])
        );
        for section in [
            "X : a\r\n\r\n",
            "no colon\r\n\r\n",
            "X: a\n\r\n",
            "X: a\rb\r\n\r\n",
            "X: a\r\n b\r\n\r\n",
            "X: \0\r\n\r\n",
            "(Content-Length): 5\r\n\r\n",
            "X: a\r\n",
            "X: a\r\n\r\nY: b\r\n\r\n",
        ] {
            assert_eq!(read(section), Err(Reject::Malformed), "{section:?}");
        }
        assert_eq!(read("(:\r\n(:\r\n(:\r\n(:\r\n\r\n"), Err(Reject::HeadTooLarge));
    }
}
