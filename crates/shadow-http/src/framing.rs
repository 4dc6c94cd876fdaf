//! Where a body ends, and whether the connection lives on: RFC 9112 sections 6.3 and 9.3, as one decision
//! each for requests and responses.
//!
//! Where the RFC lets a recipient choose between refusing and guessing, this refuses: a length that can be
//! read in two ways is how requests are smuggled, and a mirror must not pass that on.

use super::fault::FramingError;
use super::field::trim_spaces;
use super::message::{Framing, Version};

/// Everything a head's fields say about framing and the connection; fed field by field.
#[derive(Clone, Copy, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, not states of one thing"
)]
pub(super) struct MessageFields {
    length: Option<u64>,
    coding: Coding,
    error: Option<FramingError>,
    close: bool,
    keep_alive: bool,
    connection_upgrade: bool,
    upgrade: Upgrade,
    /// `Expect` is there: an interim response may come inside the request.
    pub expect: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Coding {
    #[default]
    Absent,
    /// Known codings, `chunked` not among them so far.
    NotChunked,
    /// `chunked` is the last so far.
    Chunked,
}

/// The protocol that a request offers to change to (RFC 9110 section 7.8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Upgrade {
    /// None.
    #[default]
    Absent,
    /// Only `h2c` or `TLS/1.x`: a client that was let in continues with a preface that is no request.
    Recognisable,
    /// `websocket` too: its frames are no requests either, but the handshake asks for nothing else.
    WebSocket,
    /// Something whose bytes may be anything, even requests to somebody else.
    Unknown,
}

impl MessageFields {
    pub fn of(fields: &[httparse::Header<'_>]) -> Self {
        Self::of_pairs(fields.iter().map(|field| (field.name.as_bytes(), field.value)))
    }

    /// From names and values.
    pub fn of_pairs<'a>(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Self {
        let mut all = Self::default();
        for (name, value) in fields {
            all.observe(name, value);
        }
        all
    }

    /// Whether a field of this name frames the message, or says what becomes of its connection.
    pub fn frames(name: &[u8]) -> bool {
        let names = ["content-length", "transfer-encoding", "connection", "upgrade"];
        names
            .iter()
            .any(|other| name.eq_ignore_ascii_case(other.as_bytes()))
    }

    /// Whether there is a transfer coding, of whatever kind.
    pub fn has_coding(&self) -> bool {
        self.coding != Coding::Absent
    }

    /// The next field.
    pub fn observe(&mut self, name: &[u8], value: &[u8]) {
        // By length first: nearly all fields are passed over with one comparison.
        match name.len() {
            14 if name.eq_ignore_ascii_case(b"content-length") => self.content_length(value),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.transfer_encoding(value),
            10 if name.eq_ignore_ascii_case(b"connection") => self.connection(value),
            7 if name.eq_ignore_ascii_case(b"upgrade") => self.upgrade(value),
            6 if name.eq_ignore_ascii_case(b"expect") => self.expect = true,
            _ => {}
        }
    }

    /// One value, or a list of the same value again and again (RFC 9112 section 6.3, item 5).
    fn content_length(&mut self, value: &[u8]) {
        for part in list(value) {
            match (parse_length(part), self.length) {
                (None, _) => self.fail(FramingError::BadLength),
                (Some(length), Some(before)) if length != before => self.fail(FramingError::DifferentLengths),
                (length, _) => self.length = length,
            }
        }
    }

    fn transfer_encoding(&mut self, value: &[u8]) {
        for coding in list(value) {
            let known = [&b"gzip"[..], b"x-gzip", b"deflate", b"compress", b"x-compress"];
            self.coding = match self.coding {
                Coding::Chunked => return self.fail(FramingError::BadCoding),
                _ if coding.eq_ignore_ascii_case(b"chunked") => Coding::Chunked,
                _ => {
                    if !known.iter().any(|name| coding.eq_ignore_ascii_case(name)) {
                        self.fail(FramingError::BadCoding);
                    }
                    Coding::NotChunked
                }
            };
        }
    }

    fn connection(&mut self, value: &[u8]) {
        for option in list(value) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            self.connection_upgrade |= option.eq_ignore_ascii_case(b"upgrade");
        }
    }

    fn upgrade(&mut self, value: &[u8]) {
        for protocol in list(value).filter(|protocol| !protocol.is_empty()) {
            let kind = if protocol.eq_ignore_ascii_case(b"h2c")
                || protocol
                    .get(..4)
                    .is_some_and(|name| name.eq_ignore_ascii_case(b"TLS/"))
            {
                Upgrade::Recognisable
            } else if protocol.eq_ignore_ascii_case(b"websocket") {
                Upgrade::WebSocket
            } else {
                Upgrade::Unknown
            };
            self.upgrade = self.upgrade.max(kind);
        }
    }

    fn fail(&mut self, error: FramingError) {
        self.error.get_or_insert(error);
    }

    /// The framing of a request with these fields.
    pub fn request_framing(&self, version: Version) -> Result<Framing, FramingError> {
        match self.checked(version)? {
            (Coding::Chunked, _) => Ok(Framing::Chunked),
            (Coding::NotChunked, _) => Err(FramingError::BadCoding),
            (Coding::Absent, Some(length)) => Ok(Framing::Length(length)),
            (Coding::Absent, None) => Ok(Framing::None),
        }
    }

    /// The framing of a response with these fields and this status to a request of this kind.
    pub fn response_framing(
        &self,
        version: Version,
        status: u16,
        to: RequestKind,
    ) -> Result<Framing, FramingError> {
        let tunnel = to == RequestKind::Connect && (200..300).contains(&status);
        if to == RequestKind::Head || tunnel || matches!(status, 100..200 | 204 | 304) {
            return Ok(Framing::None);
        }
        match self.checked(version)? {
            (Coding::Chunked, _) => Ok(Framing::Chunked),
            (Coding::Absent, Some(length)) => Ok(Framing::Length(length)),
            (Coding::NotChunked, _) | (Coding::Absent, None) => Ok(Framing::Close),
        }
    }

    fn checked(&self, version: Version) -> Result<(Coding, Option<u64>), FramingError> {
        match self.error {
            Some(error) => Err(error),
            None if self.coding == Coding::Absent => Ok((self.coding, self.length)),
            None if self.length.is_some() => Err(FramingError::LengthAndCoding),
            None if version == Version::Http10 => Err(FramingError::CodingInHttp10),
            None => Ok((self.coding, self.length)),
        }
    }

    /// Whether the connection outlives the message (RFC 9112 section 9.3), as far as its fields say: a body
    /// that is framed by the close ends it too. In HTTP/2 no field says anything about it (RFC 9113 section 8.2.2).
    pub fn persistent(&self, version: Version) -> bool {
        version == Version::Http2 || !self.close && (version == Version::Http11 || self.keep_alive)
    }

    /// The protocol that a request with these fields offers to change to. A server must not heed it in HTTP/1.0, nor
    /// without `Connection: upgrade` (RFC 9110 section 7.8).
    pub fn offered_upgrade(&self, version: Version) -> Upgrade {
        if version == Version::Http11 && self.connection_upgrade {
            self.upgrade
        } else {
            Upgrade::Absent
        }
    }
}

/// The kind of request that a response answers, as far as its framing depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// HEAD: the answer has no body whatever its fields say.
    Head,
    /// CONNECT: a 2xx answer opens a tunnel.
    Connect,
    /// Any other method.
    Other,
}

impl RequestKind {
    /// The kind of a request with this method (methods are case-sensitive).
    pub fn of(method: &[u8]) -> Self {
        match method {
            b"HEAD" => Self::Head,
            b"CONNECT" => Self::Connect,
            _ => Self::Other,
        }
    }
}

fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&b| b == b',').map(trim_spaces)
}

/// The value of `Content-Length` (RFC 9110 section 8.6).
pub(crate) fn parse_length(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |length, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        length.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&'static str, &'static str)]) -> MessageFields {
        let fields: Vec<_> = lines
            .iter()
            .map(|(name, value)| httparse::Header {
                name,
                value: value.as_bytes(),
            })
            .collect();
        MessageFields::of(&fields)
    }

    fn request(lines: &[(&'static str, &'static str)]) -> Result<Framing, FramingError> {
        fields(lines).request_framing(Version::Http11)
    }

    fn response(
        status: u16,
        to: RequestKind,
        lines: &[(&'static str, &'static str)],
    ) -> Result<Framing, FramingError> {
        fields(lines).response_framing(Version::Http11, status, to)
    }

    #[test]
    fn a_request_without_length_has_no_body() {
        assert_eq!(request(&[("Host", "a")]), Ok(Framing::None));
    }

    #[test]
    fn content_length_is_taken_in_any_case_of_its_name() {
        assert_eq!(request(&[("content-length", "5")]), Ok(Framing::Length(5)));
        assert_eq!(request(&[("CONTENT-LENGTH", "0")]), Ok(Framing::Length(0)));
    }

    #[test]
    fn equal_lengths_are_one_and_different_ones_are_ambiguous() {
        assert_eq!(request(&[("Content-Length", "5, 5")]), Ok(Framing::Length(5)));
        assert_eq!(
            request(&[("Content-Length", "5"), ("Content-Length", "5")]),
            Ok(Framing::Length(5))
        );
        assert_eq!(
            request(&[("Content-Length", "5, 6")]),
            Err(FramingError::DifferentLengths)
        );
        assert_eq!(
            request(&[("Content-Length", "5"), ("content-length", "0")]),
            Err(FramingError::DifferentLengths)
        );
    }

    #[test]
    fn lengths_that_are_no_decimal_numbers_are_ambiguous() {
        for value in [
            "",
            "-1",
            "+5",
            "5a",
            "0x5",
            "5 5",
            "5,",
            "1.0",
            "18446744073709551616",
            "\u{665}",
        ] {
            assert_eq!(
                request(&[("Content-Length", value)]),
                Err(FramingError::BadLength),
                "{value}"
            );
        }
        assert_eq!(
            request(&[("Content-Length", "18446744073709551615")]),
            Ok(Framing::Length(u64::MAX))
        );
    }

    #[test]
    fn chunked_must_be_the_last_coding_and_stand_once() {
        for value in ["chunked", "Chunked", "gzip, chunked", "gzip,\tchunked"] {
            assert_eq!(
                request(&[("Transfer-Encoding", value)]),
                Ok(Framing::Chunked),
                "{value}"
            );
        }
        for value in [
            "",
            "gzip",
            "chunked, gzip",
            "chunked, chunked",
            "xchunked",
            "chunked;q=1",
            "identity",
            "identity, chunked",
            "chunked,",
            ",chunked",
            "\"chunked\"",
        ] {
            assert_eq!(
                request(&[("Transfer-Encoding", value)]),
                Err(FramingError::BadCoding),
                "{value}"
            );
        }
        let two = [("Transfer-Encoding", "gzip"), ("Transfer-Encoding", "chunked")];
        assert_eq!(request(&two), Ok(Framing::Chunked));
    }

    #[test]
    fn length_with_coding_and_coding_in_http_1_0_are_ambiguous() {
        let both = [("Content-Length", "5"), ("Transfer-Encoding", "chunked")];
        assert_eq!(request(&both), Err(FramingError::LengthAndCoding));
        let old = fields(&[("Transfer-Encoding", "chunked")]).request_framing(Version::Http10);
        assert_eq!(old, Err(FramingError::CodingInHttp10));
    }

    #[test]
    fn head_interim_204_and_304_have_no_body_whatever_their_fields_say() {
        let length = [("Content-Length", "5")];
        assert_eq!(response(200, RequestKind::Head, &length), Ok(Framing::None));
        assert_eq!(response(200, RequestKind::Connect, &length), Ok(Framing::None));
        for status in [100, 101, 103, 204, 304] {
            assert_eq!(response(status, RequestKind::Other, &length), Ok(Framing::None));
        }
        assert_eq!(
            response(404, RequestKind::Connect, &length),
            Ok(Framing::Length(5))
        );
        assert_eq!(response(200, RequestKind::Other, &length), Ok(Framing::Length(5)));
    }

    #[test]
    fn a_response_without_length_lasts_until_the_close() {
        assert_eq!(response(200, RequestKind::Other, &[]), Ok(Framing::Close));
        assert_eq!(
            response(200, RequestKind::Other, &[("Transfer-Encoding", "gzip")]),
            Ok(Framing::Close)
        );
        let both = [("Content-Length", "5"), ("Transfer-Encoding", "chunked")];
        assert_eq!(
            response(200, RequestKind::Other, &both),
            Err(FramingError::LengthAndCoding)
        );
    }

    #[test]
    fn persistence_depends_on_version_and_connection_options() {
        let persistent = |version, value| fields(&[("Connection", value)]).persistent(version);
        assert!(persistent(Version::Http11, ""));
        assert!(!persistent(Version::Http11, "Upgrade, Close"));
        assert!(!persistent(Version::Http10, ""));
        assert!(persistent(Version::Http10, "Keep-Alive"));
        assert!(!persistent(Version::Http10, "keep-alive, close"));
    }

    #[test]
    fn an_upgrade_counts_only_in_http_1_1_with_the_connection_option() {
        let offered = |protocol, option, version| {
            fields(&[("Upgrade", protocol), ("Connection", option)]).offered_upgrade(version)
        };
        assert_eq!(
            offered("h2c", "Upgrade, HTTP2-Settings", Version::Http11),
            Upgrade::Recognisable
        );
        assert_eq!(
            offered("WebSocket", "upgrade", Version::Http11),
            Upgrade::WebSocket
        );
        assert_eq!(offered("h2c, tcp", "upgrade", Version::Http11), Upgrade::Unknown);
        assert_eq!(offered("h2c", "keep-alive", Version::Http11), Upgrade::Absent);
        assert_eq!(offered("h2c", "upgrade", Version::Http10), Upgrade::Absent);
    }
}
