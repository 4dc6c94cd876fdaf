//! Finds and reads the head of a message: start line, header fields, empty line (RFC 9112 section 2.1).
//!
//! Strict on purpose: what two implementations may read differently is malformed here, so that no request is replayed
//! that the shadow could understand differently from production. What is odd and can be read in one way only is found
//! here too ([`Found::plain`], fields that [can be sent](super::can_be_sent)); what becomes of the rest says
//! [`super::skimmer`]. The search for the end remembers how far it has come, so a head that arrives byte by byte costs no
//! more than one that arrives whole; the fields are parsed once, by httparse, when the whole head is there.

use std::ops::Range;

use super::field::is_token_byte;
use super::message::{HeaderField, Limits, Reject, Version};
use super::odd_head;

/// A start line of one kind of message.
pub(super) trait StartLine: Copy {
    /// Reads a start line without its CRLF; `None` when it is not one.
    fn parse(line: &[u8]) -> Option<Self>;

    /// Keeps what frames the message in a start line that may be odd, by its first and its last bytes. Anything else in
    /// what is given back means nothing.
    fn framing(first: &[u8], last: &[u8]) -> Option<Self>;
}

/// `method SP request-target SP HTTP-version` (RFC 9112 section 3). Offsets count from its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RequestLine {
    pub method_end: u32,
    pub target_end: u32,
    pub version: Version,
}

impl RequestLine {
    pub fn method(&self) -> Range<u32> {
        0..self.method_end
    }

    pub fn target(&self) -> Range<u32> {
        self.method_end + 1..self.target_end
    }
}

impl StartLine for RequestLine {
    /// Any method token up to [`MAX_METHOD`] bytes. The target may be in any form and hold bytes from 0x80 up (servers take
    /// them), but no white space and no control characters.
    fn parse(line: &[u8]) -> Option<Self> {
        let method_end = line
            .iter()
            .take(MAX_METHOD + 1)
            .position(|&b| !is_token_byte(b))?;
        let (rest, version) = line.split_last_chunk::<9>()?;
        let version = parse_version(version.strip_prefix(b" ")?)?;
        let target = rest.get(method_end..)?.strip_prefix(b" ")?;
        if method_end == 0 || target.is_empty() || target.iter().any(|&b| b <= b' ' || b == 0x7f) {
            return None;
        }
        Some(Self {
            method_end: method_end as u32,
            target_end: rest.len() as u32,
            version,
        })
    }

    /// A method, white space, anything, white space and a version, with white space behind it as some servers take it.
    fn framing(first: &[u8], last: &[u8]) -> Option<Self> {
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
        let method_end = first
            .iter()
            .take(MAX_METHOD + 1)
            .position(|&b| !is_token_byte(b))?;
        let end = last.iter().rposition(|byte| !is_space(byte))?;
        let (rest, version) = last[..=end].split_last_chunk::<8>()?;
        let version = parse_version(version)?;
        let apart = is_space(&first[method_end]) && rest.last().is_some_and(is_space);
        (method_end > 0 && apart).then_some(Self {
            method_end: method_end as u32,
            target_end: method_end as u32 + 1,
            version,
        })
    }
}

/// Longest method that is taken for one, in bytes. The longest registered one has 17.
pub(super) const MAX_METHOD: usize = 64;

/// `HTTP-version SP status-code SP [ reason-phrase ]` (RFC 9112 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StatusLine {
    pub version: Version,
    pub status: u16,
}

impl StartLine for StatusLine {
    /// Tolerates a missing SP behind the status code, which servers without reason phrases leave out.
    fn parse(line: &[u8]) -> Option<Self> {
        let (version, rest) = line.split_first_chunk::<8>()?;
        let version = parse_version(version)?;
        let (code, reason) = rest.strip_prefix(b" ")?.split_first_chunk::<3>()?;
        let status = code.iter().try_fold(0, |status: u16, digit| {
            digit
                .is_ascii_digit()
                .then(|| status * 10 + u16::from(digit - b'0'))
        })?;
        let plain = |&b: &u8| b == b'\t' || (b >= b' ' && b != 0x7f);
        let reason_ok = reason.is_empty() || (reason[0] == b' ' && reason.iter().all(plain));
        ((100..=999).contains(&status) && reason_ok).then_some(Self { version, status })
    }

    /// Any reason phrase will do.
    fn framing(first: &[u8], _: &[u8]) -> Option<Self> {
        let (line, reason) = first.split_first_chunk::<12>()?;
        Self::parse(line).filter(|_| matches!(reason.first(), None | Some(b' ' | b'\t')))
    }
}

/// The version at the end, or the beginning, of a start line. That of HTTP/2 stands only in texts that are no connection's
/// bytes: whoever reads those refuses it.
fn parse_version(bytes: &[u8]) -> Option<Version> {
    match bytes {
        b"HTTP/1.1" => Some(Version::Http11),
        b"HTTP/1.0" => Some(Version::Http10),
        b"HTTP/2.0" => Some(Version::Http2),
        _ => None,
    }
}

/// A head that is being looked for, from the first byte of its start line.
#[derive(Debug)]
pub(super) struct HeadReader<L> {
    /// Where the search for the next LF goes on.
    next: usize,
    /// Where the current line began.
    line: usize,
    start: Option<L>,
    odd: bool,
}

/// A whole head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found<L> {
    /// Its start line; only what frames the message, unless `plain`.
    pub line: L,
    /// Bytes of it, the empty line included.
    pub length: usize,
    /// Whether its start line and line ends are those of RFC 9112.
    pub plain: bool,
}

impl<L: StartLine> HeadReader<L> {
    pub fn new() -> Self {
        Self {
            next: 0,
            line: 0,
            start: None,
            odd: false,
        }
    }

    /// Looks on in `bytes`, which begin with the start line and hold at least what the last call saw, for the first
    /// empty line. The same bytes give the same answer however they are cut: whatever comes first in them decides.
    pub fn read(&mut self, bytes: &[u8], limits: &Limits) -> Result<Option<Found<L>>, Reject> {
        let window = &bytes[..bytes.len().min(limits.max_head)];
        let searched = self.next;
        for found in memchr::memchr_iter(b'\n', &window[searched..]) {
            let at = searched + found;
            let crlf = at > self.line && window[at - 1] == b'\r';
            let text = &window[self.line..at - usize::from(crlf)];
            self.odd |= !crlf;
            (self.next, self.line) = (at + 1, at + 1);
            match self.start {
                None => self.start = Some(self.start_line(text)?),
                Some(line) if text.is_empty() => {
                    return Ok(Some(Found {
                        line,
                        length: at + 1,
                        plain: !self.odd,
                    }));
                }
                Some(_) => {}
            }
        }
        self.next = window.len();
        if window.len() == limits.max_head {
            return Err(Reject::HeadTooLarge);
        }
        Ok(None)
    }

    fn start_line(&mut self, text: &[u8]) -> Result<L, Reject> {
        if let Some(line) = L::parse(text) {
            return Ok(line);
        }
        self.odd = true;
        L::framing(text, text).ok_or(Reject::Malformed)
    }
}

/// Whether `bytes` begin with a whole, valid start line.
pub(super) fn starts_with_line<L: StartLine>(bytes: &[u8]) -> bool {
    let line = memchr::memchr(b'\n', bytes).map(|at| &bytes[..at]);
    line.and_then(|line| line.strip_suffix(b"\r"))
        .and_then(L::parse)
        .is_some()
}

/// Fields that are parsed without an allocation; heads with more need one.
const FEW_FIELDS: usize = 32;

/// Parses the header fields of `head` (a whole, plain head as [`HeadReader`] found it) and hands them to `read`.
pub(super) fn with_fields<R>(
    head: &[u8],
    limits: &Limits,
    read: impl FnOnce(&[httparse::Header<'_>]) -> R,
) -> Result<R, Reject> {
    let start = memchr::memchr(b'\n', head).map_or(0, |at| at + 1);
    let section = &head[start..];
    let mut few = [httparse::EMPTY_HEADER; FEW_FIELDS];
    let mut many;
    let room = limits.max_headers.min(FEW_FIELDS);
    let fields = match httparse::parse_headers(section, &mut few[..room]) {
        Err(httparse::Error::TooManyHeaders) if limits.max_headers > FEW_FIELDS => {
            // A field takes at least four bytes (`a:` CRLF), so this is bounded by the head itself.
            many = vec![httparse::EMPTY_HEADER; limits.max_headers.min(section.len() / 4 + 1)];
            httparse::parse_headers(section, &mut many)
        }
        result => result,
    };
    match fields {
        Ok(httparse::Status::Complete((length, fields))) if length == section.len() => Ok(read(fields)),
        Err(httparse::Error::TooManyHeaders) => Err(Reject::HeadTooLarge),
        _ => odd_head::fields(section, limits.max_headers).map(|fields| read(&fields)),
    }
}

/// Where each of `fields` stands in `head`, from which they were parsed.
pub(super) fn spans(head: &[u8], fields: &[httparse::Header<'_>]) -> Vec<HeaderField> {
    fields
        .iter()
        .map(|field| HeaderField {
            name: span(head, field.name.as_bytes()),
            value: span(head, field.value),
        })
        .collect()
}

/// Where `part`, a slice of `head`, stands in it; empty at 0 should it not be one.
pub(super) fn span(head: &[u8], part: &[u8]) -> Range<u32> {
    let start = part.as_ptr().addr().wrapping_sub(head.as_ptr().addr());
    match start.checked_add(part.len()) {
        Some(end) if end <= head.len() => start as u32..end as u32,
        _ => 0..0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        max_head: 200,
        max_body: 1000,
        max_headers: 40,
    };

    #[test]
    fn any_method_token_and_any_target_form_is_a_request_line() {
        for line in [
            "GET / HTTP/1.1",
            "PURGE /cached HTTP/1.0",
            "QUERY /search HTTP/1.1",
            "M-SEARCH * HTTP/1.1",
            "version-control /a HTTP/1.1",
            "GET http://example.com/a?b HTTP/1.1",
            "CONNECT example.com:443 HTTP/1.1",
            "OPTIONS * HTTP/1.1",
            "GET /caf\u{e9} HTTP/1.1",
        ] {
            assert!(RequestLine::parse(line.as_bytes()).is_some(), "{line}");
        }
        let line = RequestLine::parse(b"PUT /a HTTP/1.0").unwrap();
        assert_eq!(
            (line.method(), line.target(), line.version),
            (0..3, 4..6, Version::Http10)
        );
    }

    #[test]
    fn what_only_resembles_a_request_line_is_not_one() {
        for line in [
            "",
            "GET",
            "GET /",
            "GET  / HTTP/1.1",
            "GET /  HTTP/1.1",
            "GET / HTTP/1.1 ",
            " GET / HTTP/1.1",
            "GET /a b HTTP/1.1",
            "GET\t/ HTTP/1.1",
            "GET / http/1.1",
            "GET / HTTP/1.2",
            "GET / HTTP/3.0",
            "GET / HTTP/1.10",
            "G(T / HTTP/1.1",
            "GET /\0 HTTP/1.1",
            "GET HTTP/1.1",
            "GET  HTTP/1.1",
            "EHLO mail.example.com",
        ] {
            assert_eq!(RequestLine::parse(line.as_bytes()), None, "{line:?}");
        }
        let long = format!("{} / HTTP/1.1", "A".repeat(65));
        assert_eq!(RequestLine::parse(long.as_bytes()), None);
        assert!(RequestLine::parse(&long.as_bytes()[1..]).is_some());
    }

    #[test]
    fn a_status_line_needs_three_digits_and_may_lack_a_reason() {
        for (line, status) in [
            ("HTTP/1.1 200 OK", 200),
            ("HTTP/1.0 404 ", 404),
            ("HTTP/1.1 200", 200),
            ("HTTP/1.1 103 Early Hints", 103),
            ("HTTP/1.1 100 any words at all", 100),
            ("HTTP/1.1 999 x", 999),
        ] {
            assert_eq!(StatusLine::parse(line.as_bytes()).unwrap().status, status);
        }
        for line in [
            "HTTP/1.1 20 OK",
            "HTTP/1.1 2000",
            "HTTP/1.1 099 x",
            "HTTP/1.1  200",
            "HTTP/1.1 200 a\rb",
            "HTTP/3.1 200 OK",
        ] {
            assert_eq!(StatusLine::parse(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn a_head_is_found_however_it_arrives() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let mut reader = HeadReader::<RequestLine>::new();
        for seen in 0..head.len() {
            assert_eq!(reader.read(&head[..seen], &LIMITS), Ok(None));
        }
        let found = reader.read(head, &LIMITS).unwrap().unwrap();
        assert_eq!((found.length, found.plain), (head.len(), true));
    }

    #[test]
    fn a_head_with_a_line_end_without_cr_is_not_plain() {
        for head in [
            "GET / HTTP/1.1\n\n",
            "GET / HTTP/1.1\r\nHost: a\n\r\n",
            "GET / HTTP/1.1\r\n\n",
            "GET  / HTTP/1.1 \r\n\r\n",
        ] {
            let found = HeadReader::<RequestLine>::new().read(head.as_bytes(), &LIMITS);
            let found = found.unwrap().unwrap();
            assert_eq!((found.length, found.plain), (head.len(), false), "{head:?}");
        }
    }

    #[test]
    fn a_start_line_that_frames_nothing_is_malformed_at_once() {
        for head in ["EHLO mail.example.com\r\n", "GET /\n", "GET / HTTP/3.0\r\n"] {
            let read = HeadReader::<RequestLine>::new().read(head.as_bytes(), &LIMITS);
            assert_eq!(read, Err(Reject::Malformed), "{head:?}");
        }
    }

    #[test]
    fn a_head_may_be_as_large_as_the_limit_and_no_larger() {
        let head = |length: usize| format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "x".repeat(length - 23));
        let read = |head: &str| HeadReader::<RequestLine>::new().read(head.as_bytes(), &LIMITS);
        assert_eq!(read(&head(200)).unwrap().unwrap().length, 200);
        assert_eq!(read(&head(201)), Err(Reject::HeadTooLarge));
    }

    #[test]
    fn fields_beyond_the_limit_are_too_many() {
        let head = |fields: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "a:\r\n".repeat(fields));
        let count = |fields| with_fields(head(fields).as_bytes(), &LIMITS, |fields| fields.len());
        assert_eq!(count(0), Ok(0));
        assert_eq!(count(32), Ok(32));
        assert_eq!(count(40), Ok(40));
        assert_eq!(count(41), Err(Reject::HeadTooLarge));
    }

    #[test]
    fn fields_that_implementations_read_differently_are_malformed() {
        for field in [
            "Host : a",
            " Host: a",
            "Host",
            ": a",
            "Ho st: a",
            "Host: a\rb",
            "Host: a\0b",
            "Host: a\r\n folded",
            "Transfer-Encoding: \x0bchunked",
            "H\u{e4}st: a",
        ] {
            let head = format!("GET / HTTP/1.1\r\n{field}\r\n\r\n");
            assert_eq!(
                with_fields(head.as_bytes(), &LIMITS, |fields| fields.len()),
                Err(Reject::Malformed),
                "{field:?}"
            );
        }
    }

    #[test]
    fn spans_keep_case_and_leave_out_white_space_around_values() {
        let head = b"GET / HTTP/1.1\r\nhOsT: \t a b \t\r\nEmpty:\r\nBlank:  \r\n\r\n";
        let spans = with_fields(head, &LIMITS, |fields| spans(head, fields)).unwrap();
        let text = |range: &Range<u32>| {
            std::str::from_utf8(&head[range.start as usize..range.end as usize]).unwrap()
        };
        let fields: Vec<_> = spans
            .iter()
            .map(|field| (text(&field.name), text(&field.value)))
            .collect();
        assert_eq!(fields, [("hOsT", "a b"), ("Empty", ""), ("Blank", "")]);
    }
}
