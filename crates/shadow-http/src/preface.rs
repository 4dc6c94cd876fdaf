//! Tells from the first bytes at a message boundary what they are: a message, TLS, HTTP/2, or neither.

use super::field::is_token_byte;
use super::head::MAX_METHOD;
use super::message::Skip;

/// The kinds of stream that bytes at a message boundary may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// Too few bytes to tell.
    More,
    /// A message of the kind that was looked for.
    Message,
    /// Something else.
    Other(Skip),
}

/// Whether something else than a message may begin at this boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Preface {
    /// The first bytes of the connection.
    First,
    /// Behind a request that offered to change.
    Upgrade,
    No,
}

/// The HTTP/2 connection preface up to where no HTTP/1 request can look like it (RFC 9113 section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";

/// Says what a client's bytes are. `preface` says whether another protocol may begin here: on the first bytes of
/// a connection, and behind a request that offered to change.
pub(super) fn from_client(bytes: &[u8], preface: bool) -> Opening {
    if preface {
        if bytes.starts_with(HTTP2_PREFACE) {
            return Opening::Other(Skip::Http2);
        }
        if HTTP2_PREFACE.starts_with(bytes) {
            return Opening::More;
        }
        if let Some(opening) = tls(bytes) {
            return opening;
        }
    }
    let window = &bytes[..bytes.len().min(MAX_METHOD + 1)];
    match window.iter().position(|&byte| !is_token_byte(byte)) {
        Some(end) if end > 0 && window[end] == b' ' => Opening::Message,
        None if window.len() <= MAX_METHOD => Opening::More,
        _ => Opening::Other(Skip::NotHttp),
    }
}

/// Says what a server's bytes are: a status line of HTTP/1, else as [`from_client`].
pub(super) fn from_server(bytes: &[u8], preface: bool) -> Opening {
    const STATUS_LINE: &[u8] = b"HTTP/1.";
    if bytes.starts_with(STATUS_LINE) {
        return Opening::Message;
    }
    if STATUS_LINE.starts_with(bytes) {
        return Opening::More;
    }
    if preface {
        if let Some(opening) = tls(bytes) {
            return opening;
        }
        if let Some(opening) = http2_settings(bytes) {
            return opening;
        }
    }
    Opening::Other(Skip::NotHttp)
}

/// A TLS handshake record: content type 22, major version 3 (RFC 8446 section 5.1).
fn tls(bytes: &[u8]) -> Option<Opening> {
    match bytes {
        [] | [0x16] => Some(Opening::More),
        [0x16, 0x03, ..] => Some(Opening::Other(Skip::Encrypted)),
        _ => None,
    }
}

/// A server's HTTP/2 begins with a SETTINGS frame: length (at most two bytes of it in use), type 4, flags 0,
/// stream 0 (RFC 9113 sections 3.4 and 4.1).
fn http2_settings(bytes: &[u8]) -> Option<Opening> {
    let frame: [Option<u8>; 9] = [
        Some(0),
        None,
        None,
        Some(4),
        Some(0),
        Some(0),
        Some(0),
        Some(0),
        Some(0),
    ];
    let matches = bytes
        .iter()
        .zip(frame)
        .all(|(&byte, expected)| expected.is_none_or(|expected| byte == expected));
    match (matches, bytes.len() >= frame.len()) {
        (true, true) => Some(Opening::Other(Skip::Http2)),
        (true, false) => Some(Opening::More),
        (false, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_and_a_space_are_a_request() {
        assert_eq!(from_client(b"GET /", true), Opening::Message);
        assert_eq!(from_client(b"M-SEARCH ", true), Opening::Message);
        assert_eq!(from_client(b"PRI /x", true), Opening::Message);
        assert_eq!(from_client(b"GE", true), Opening::More);
        assert_eq!(from_client(b"GET\t/", true), Opening::Other(Skip::NotHttp));
        assert_eq!(from_client(b" /", true), Opening::Other(Skip::NotHttp));
        assert_eq!(from_client(&[b'A'; 64], true), Opening::More);
        assert_eq!(from_client(&[b'A'; 65], true), Opening::Other(Skip::NotHttp));
    }

    #[test]
    fn tls_and_http2_are_recognised_where_they_may_begin() {
        assert_eq!(from_client(b"\x16", true), Opening::More);
        assert_eq!(
            from_client(b"\x16\x03\x01", true),
            Opening::Other(Skip::Encrypted)
        );
        assert_eq!(from_client(b"\x16\x03\x01", false), Opening::Other(Skip::NotHttp));
        assert_eq!(from_client(b"PRI * HTTP/2.0\r", true), Opening::More);
        assert_eq!(
            from_client(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", true),
            Opening::Other(Skip::Http2)
        );
        assert_eq!(from_client(b"PRI * HTTP/2.0\r\n", false), Opening::Message);
    }

    #[test]
    fn a_servers_first_bytes_tell_too() {
        assert_eq!(from_server(b"HTTP/1.1 200", true), Opening::Message);
        assert_eq!(from_server(b"HTT", true), Opening::More);
        assert_eq!(from_server(b"220 smtp", true), Opening::Other(Skip::NotHttp));
        assert_eq!(
            from_server(b"\x16\x03\x03", true),
            Opening::Other(Skip::Encrypted)
        );
        assert_eq!(
            from_server(b"\0\0\x12\x04\0\0\0\0\0", true),
            Opening::Other(Skip::Http2)
        );
        assert_eq!(
            from_server(b"\0\0\x12\x04\0\0\0\0\x01", true),
            Opening::Other(Skip::NotHttp)
        );
        assert_eq!(from_server(b"HTTP/2", true), Opening::Other(Skip::NotHttp));
    }
}
