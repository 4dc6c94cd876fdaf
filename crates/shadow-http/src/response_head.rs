//! Reads a response's head in place, for a client that wants the answer's status and its end but not its
//! bytes: the replay client, together with [`super::BodyDecoder`].

use std::ops::Range;

use super::field::trim_spaces;
use super::framing::{MessageFields, RequestKind};
use super::head::{HeadReader, StatusLine, span, with_fields};
use super::message::{Framing, Limits, Reject, Version};
use super::skimmer::Skimmer;

#[cfg(doc)]
use super::normalised;

/// A response's head, as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// Bytes of the head, empty line included; the body follows.
    pub length: usize,
    /// Status code. From 100 to 199 (except 101) the answer is an interim one and another follows.
    pub status: u16,
    /// HTTP version.
    pub version: Version,
    /// Whether the head is one of RFC 9112 as it stands; else [`normalised`] writes it so.
    pub plain: bool,
    /// How the body is framed.
    pub framing: Framing,
    /// Whether another request can be sent on the connection after the body (RFC 9112 section 9.3).
    pub keep_alive: bool,
    /// Where the value of the first `Location` field stands in the head.
    pub location: Option<Range<u32>>,
}

/// Looks for a head in an answer that arrives in pieces, each byte once.
#[derive(Debug)]
pub struct ResponseHeadReader {
    reader: HeadReader<StatusLine>,
}

impl ResponseHeadReader {
    /// At the first byte of an answer. Make a new one for each answer, interim ones included.
    pub fn new() -> Self {
        Self {
            reader: HeadReader::new(),
        }
    }

    /// `bytes` is the answer from its first byte, at least what the last call saw; `to` is the kind of
    /// request it answers. `None` while the head is not whole. [`Limits::max_body`] is not looked at.
    ///
    /// # Errors
    ///
    /// [`Reject::Malformed`], [`Reject::HeadTooLarge`] or [`Reject::AmbiguousFraming`]: then the connection is of no more use.
    pub fn read(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
        to: RequestKind,
    ) -> Result<Option<ResponseHead>, Reject> {
        let Some(found) = self.reader.read(bytes, limits)? else {
            return Ok(None);
        };
        if found.line.version == Version::Http2 {
            return Err(Reject::Malformed);
        }
        let head = &bytes[..found.length];
        let read = if found.plain {
            with_fields(head, limits, |fields| {
                let location = fields
                    .iter()
                    .find(|field| field.name.eq_ignore_ascii_case("location"));
                (
                    MessageFields::of(fields),
                    location.map(|field| span(head, field.value)),
                )
            })
        } else {
            Err(Reject::Malformed)
        };
        let (plain, (fields, location)) = match read {
            Ok(read) => (true, read),
            Err(Reject::Malformed) => (false, Self::read_odd(head)?),
            Err(reject) => return Err(reject),
        };
        let StatusLine { version, status } = found.line;
        let framing = fields
            .response_framing(version, status, to)
            .map_err(|_| Reject::AmbiguousFraming)?;
        Ok(Some(ResponseHead {
            length: found.length,
            status,
            version,
            plain,
            framing,
            keep_alive: fields.persistent(version) && framing != Framing::Close && status != 101,
            location,
        }))
    }

    /// The same of a head that is odd, where it can be read in one way only.
    fn read_odd(head: &[u8]) -> Result<(MessageFields, Option<Range<u32>>), Reject> {
        let mut reader = Skimmer::<StatusLine>::new();
        let ended = reader.read(head) == Ok(Some(head.len()));
        let skimmed = reader
            .skimmed()
            .filter(|skimmed| ended && skimmed.fault.is_none());
        let fields = skimmed.ok_or(Reject::Malformed)?.fields;
        let location = head.split(|byte| *byte == b'\n').find_map(|line| {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let colon = line.iter().position(|byte| *byte == b':')?;
            let is_location = line[..colon].eq_ignore_ascii_case(b"location");
            is_location.then(|| span(head, trim_spaces(&line[colon + 1..])))
        });
        Ok((fields, location))
    }
}

impl Default for ResponseHeadReader {
    fn default() -> Self {
        Self::new()
    }
}

/// The head of an answer that is there from its first byte on; see [`ResponseHeadReader::read`].
///
/// # Errors
///
/// As [`ResponseHeadReader::read`].
pub fn parse_response_head(
    bytes: &[u8],
    limits: &Limits,
    to: RequestKind,
) -> Result<Option<ResponseHead>, Reject> {
    ResponseHeadReader::new().read(bytes, limits, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        max_head: 4096,
        max_body: 0,
        max_headers: 64,
    };

    fn parse(bytes: &[u8], to: RequestKind) -> ResponseHead {
        parse_response_head(bytes, &LIMITS, to).unwrap().unwrap()
    }

    #[test]
    fn a_head_tells_length_status_framing_and_persistence() {
        let head = parse(
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            RequestKind::Other,
        );
        assert_eq!(
            (head.length, head.status, head.framing),
            (38, 200, Framing::Length(5))
        );
        assert!(head.keep_alive);
        assert_eq!(head.location, None);
    }

    #[test]
    fn an_answer_to_head_has_no_body() {
        let head = parse(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", RequestKind::Head);
        assert_eq!(head.framing, Framing::None);
    }

    #[test]
    fn a_body_that_lasts_until_the_close_ends_the_connection() {
        assert!(!parse(b"HTTP/1.1 200 OK\r\n\r\n", RequestKind::Other).keep_alive);
        assert!(
            !parse(
                b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n",
                RequestKind::Other
            )
            .keep_alive
        );
        assert!(
            !parse(
                b"HTTP/1.1 204 No\r\nConnection: close\r\n\r\n",
                RequestKind::Other
            )
            .keep_alive
        );
        assert!(!parse(b"HTTP/1.1 101 Up\r\n\r\n", RequestKind::Other).keep_alive);
    }

    #[test]
    fn a_location_is_pointed_at() {
        let bytes = b"HTTP/1.1 301 Moved\r\nlocation:  /b \r\nContent-Length: 0\r\n\r\n";
        let location = parse(bytes, RequestKind::Other).location.unwrap();
        assert_eq!(&bytes[location.start as usize..location.end as usize], b"/b");
    }

    #[test]
    fn a_head_that_is_odd_in_one_way_only_is_read() {
        let folded = b"HTTP/1.1 301 Moved\r\nX: a\r\n b\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n";
        let head = parse(folded, RequestKind::Other);
        assert_eq!((head.plain, head.framing), (false, Framing::Length(0)));
        let location = head.location.unwrap();
        assert_eq!(&folded[location.start as usize..location.end as usize], b"/b");
        let hidden = b"HTTP/1.1 200 OK\r\nX: a\r\n Content-Length: 5\r\n\r\n";
        assert_eq!(
            parse_response_head(hidden, &LIMITS, RequestKind::Other),
            Err(Reject::Malformed)
        );
    }

    #[test]
    fn a_head_that_is_not_whole_is_waited_for_and_one_that_is_none_fails() {
        let read = |bytes: &[u8]| parse_response_head(bytes, &LIMITS, RequestKind::Other);
        assert_eq!(read(b"HTTP/1.1 200 OK\r\nA: b\r\n"), Ok(None));
        assert_eq!(read(b"SSH-2.0-OpenSSH\r\n"), Err(Reject::Malformed));
        assert_eq!(read(&[b'a'; 4096]), Err(Reject::HeadTooLarge));
        let both = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(read(both), Err(Reject::AmbiguousFraming));
    }
}
