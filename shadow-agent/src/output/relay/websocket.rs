//! A WebSocket's bytes, as a client has them (RFC 6455): the handshake, frames that go out, frames that come in. Without
//! IO.
//!
//! No more than the relay needs: it sends whole binary messages, and nobody asks it for any.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use ring::rand::{SecureRandom, SystemRandom};

/// The text that a server puts behind the key before it hashes it (section 1.3).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Largest head of an answer to the handshake, in bytes.
const MAX_HEAD: usize = 16 * 1024;
/// Fields in it at most.
const MAX_FIELDS: usize = 64;
/// Largest frame that the other side may send, in bytes: nobody asks it for any.
const MAX_FRAME: u64 = 64 * 1024;

/// The last frame of a message, which is the only one here.
const FIN: u8 = 0x80;
/// The payload is masked: all that a client sends is (section 5.3).
const MASKED: u8 = 0x80;
/// Stands for a length in the two bytes behind it.
const LENGTH_IN_TWO: u8 = 126;
/// Stands for a length in the eight bytes behind it.
const LENGTH_IN_EIGHT: u8 = 127;
/// The bits of an extension that was never agreed on.
const RESERVED: u8 = 0x70;

/// Kinds of frames that are told apart here (section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A whole message of bytes.
    Binary = 0x2,
    /// The sender ends the connection.
    Close = 0x8,
    /// To be answered by a pong with the same payload.
    Ping = 0x9,
    /// The answer to a ping.
    Pong = 0xA,
}

/// A handshake that was begun.
pub(super) struct Handshake {
    /// The bytes that ask for it.
    pub request: Vec<u8>,
    /// The value that the server must answer the key with.
    accept: String,
}

impl Handshake {
    /// Asks for `url`, such as `ws://host:81/path?query`, which is without userinfo.
    pub fn new(url: &str, authorization: Option<&str>) -> io::Result<Self> {
        Ok(Self::with_key(
            url,
            authorization,
            &BASE64.encode(random::<16>()?),
        ))
    }

    fn with_key(url: &str, authorization: Option<&str>, key: &str) -> Self {
        let place = url.split_once("://").map_or(url, |(_, place)| place);
        let (host, path) = place.split_at(place.find('/').unwrap_or(place.len()));
        let path = if path.is_empty() { "/" } else { path };
        let authorization =
            authorization.map_or_else(String::new, |value| format!("Authorization: {value}\r\n"));
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{authorization}\r\n"
        );
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{GUID}").as_bytes());
        Self {
            request: request.into_bytes(),
            accept: BASE64.encode(hash),
        }
    }

    /// Reads the answer: the length of its head once that is whole, with frames behind it.
    pub fn answered(&self, bytes: &[u8]) -> io::Result<Option<usize>> {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut answer = httparse::Response::new(&mut fields);
        let length = match answer.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD => return Ok(None),
            Ok(httparse::Status::Partial) => {
                return Err(refused("the handshake's answer is too long".to_owned()));
            }
            Err(error) => {
                return Err(refused(format!(
                    "the handshake was answered with what is no HTTP ({error})"
                )));
            }
        };
        let status = answer.code.unwrap_or_default();
        if status != 101 {
            let reason = answer.reason.unwrap_or_default();
            return Err(refused(format!(
                "the handshake was refused with {status} {reason}"
            )));
        }
        let has = |name: &str, wanted: &dyn Fn(&str) -> bool| {
            let mut named = answer
                .headers
                .iter()
                .filter(|field| field.name.eq_ignore_ascii_case(name));
            named.any(|field| std::str::from_utf8(field.value).is_ok_and(wanted))
        };
        let is_agreed = has("upgrade", &|value| value.eq_ignore_ascii_case("websocket"))
            && has("connection", &|value| {
                value
                    .split(',')
                    .any(|option| option.trim().eq_ignore_ascii_case("upgrade"))
            })
            && has("sec-websocket-accept", &|value| value == self.accept);
        if is_agreed {
            Ok(Some(length))
        } else {
            Err(refused(
                "the handshake was answered by something that is no WebSocket".to_owned(),
            ))
        }
    }
}

/// Puts a frame with the whole of `payload` behind what is in `bytes`.
pub(super) fn write_frame(kind: Kind, payload: &[u8], bytes: &mut Vec<u8>) -> io::Result<()> {
    write_masked(kind, payload, random()?, bytes);
    Ok(())
}

fn write_masked(kind: Kind, payload: &[u8], mask: [u8; 4], bytes: &mut Vec<u8>) {
    bytes.push(FIN | kind as u8);
    match payload.len() {
        length @ ..126 => bytes.push(MASKED | length as u8),
        length @ 126..0x1_0000 => {
            bytes.push(MASKED | LENGTH_IN_TWO);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(MASKED | LENGTH_IN_EIGHT);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(mask);
    bytes.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
}

/// A frame that came in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    /// Its kind; `None` where it is none that matters here.
    pub kind: Option<Kind>,
    pub payload: &'a [u8],
}

/// The frame that `bytes` begin with, and its length with what stands before its payload; `None` while it is not whole.
pub(super) fn read_frame(bytes: &[u8]) -> io::Result<Option<(Frame<'_>, usize)>> {
    let Some(([first, second], rest)) = bytes.split_first_chunk() else {
        return Ok(None);
    };
    if second & MASKED != 0 || first & RESERVED != 0 {
        return Err(refused(
            "the other side sent a frame that a server may not send".to_owned(),
        ));
    }
    let length = match *second {
        LENGTH_IN_TWO => rest
            .first_chunk()
            .map(|length| (2, u64::from(u16::from_be_bytes(*length)))),
        LENGTH_IN_EIGHT => rest.first_chunk().map(|length| (8, u64::from_be_bytes(*length))),
        length => Some((0, u64::from(length))),
    };
    let Some((taken, length)) = length else {
        return Ok(None);
    };
    if length > MAX_FRAME {
        return Err(refused(format!(
            "the other side sent a frame of {length} bytes, which nobody asked for"
        )));
    }
    let length = length as usize;
    let Some(payload) = rest[taken..].get(..length) else {
        return Ok(None);
    };
    let kind = match first & 0x0F {
        0x8 => Some(Kind::Close),
        0x9 => Some(Kind::Ping),
        0xA => Some(Kind::Pong),
        _ => None,
    };
    Ok(Some((Frame { kind, payload }, 2 + taken + length)))
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| io::Error::other("the system has no random numbers"))?;
    Ok(bytes)
}

fn refused(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of section 1.3.
    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
    const AGREED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\
                          Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

    fn answered(answer: &str) -> Result<Option<usize>, String> {
        let handshake = Handshake::with_key("ws://host:81/", None, KEY);
        handshake
            .answered(answer.as_bytes())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_handshake_asks_for_the_url_with_the_credentials() {
        let asked = Handshake::with_key("wss://host/a/?b=1", Some("Basic bWU6c2VjcmV0"), KEY);
        assert_eq!(
            String::from_utf8(asked.request).unwrap(),
            "GET /a/?b=1 HTTP/1.1\r\nHost: host\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Authorization: Basic bWU6c2VjcmV0\r\n\r\n"
        );
    }

    #[test]
    fn the_answer_must_know_the_key() {
        assert_eq!(answered(AGREED), Ok(Some(AGREED.len())));
        assert_eq!(answered(&format!("{AGREED}frames")), Ok(Some(AGREED.len())));
        for cut in 0..AGREED.len() {
            assert_eq!(answered(&AGREED[..cut]), Ok(None), "{cut} bytes");
        }
        for wrong in [
            "Upgrade: WebSocket",
            "keep-alive, Upgrade",
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        ] {
            let said = answered(&AGREED.replace(wrong, "another")).unwrap_err();
            assert!(
                said.contains("no WebSocket") || said.contains("no HTTP"),
                "{wrong}: {said}"
            );
        }
    }

    #[test]
    fn an_answer_that_refuses_is_told() {
        assert_eq!(
            answered("HTTP/1.1 403 Forbidden\r\n\r\n"),
            Err("the handshake was refused with 403 Forbidden".to_owned())
        );
        assert!(
            answered("SSH-2.0-OpenSSH_9.6\r\n")
                .unwrap_err()
                .contains("no HTTP")
        );
        let endless = format!("HTTP/1.1 101 OK\r\nX: {}", "x".repeat(MAX_HEAD));
        assert!(answered(&endless).unwrap_err().contains("too long"));
    }

    #[test]
    fn what_goes_out_is_masked() {
        // The example of section 5.7, as bytes rather than text.
        let mut bytes = Vec::new();
        write_masked(Kind::Binary, b"Hello", [0x37, 0xfa, 0x21, 0x3d], &mut bytes);
        assert_eq!(
            bytes,
            [0x82, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]
        );
    }

    #[test]
    fn lengths_are_written_in_as_few_bytes_as_may_be() {
        let begin = |length: usize| {
            let mut bytes = Vec::new();
            write_masked(Kind::Binary, &vec![0; length], [0; 4], &mut bytes);
            let before = bytes.len() - length - 4;
            bytes[1..before].to_vec()
        };
        assert_eq!(begin(0), [0x80]);
        assert_eq!(begin(125), [0xFD]);
        assert_eq!(begin(126), [0xFE, 0, 126]);
        assert_eq!(begin(65_535), [0xFE, 0xff, 0xff]);
        assert_eq!(begin(65_536), [0xFF, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn frames_that_come_in_are_told_apart() {
        let frame = |bytes: &'static [u8]| {
            read_frame(bytes)
                .unwrap()
                .map(|(frame, length)| (frame.kind, frame.payload, length))
        };
        assert_eq!(
            frame(&[0x89, 2, b'h', b'i', 0x88]),
            Some((Some(Kind::Ping), &b"hi"[..], 4))
        );
        assert_eq!(frame(&[0x88, 0]), Some((Some(Kind::Close), &b""[..], 2)));
        assert_eq!(frame(&[0x81, 1, b'x']), Some((None, &b"x"[..], 3)));
        for part in [&[][..], &[0x89], &[0x89, 2, b'h'], &[0x82, 126, 0]] {
            assert_eq!(frame(part), None, "{part:?}");
        }
    }

    #[test]
    fn frames_that_no_server_may_send_are_refused() {
        for bytes in [
            &[0x89, 0x81, 0, 0, 0, 0, 1][..],
            &[0xC2, 0],
            &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 1],
        ] {
            assert!(read_frame(bytes).is_err(), "{bytes:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_readers_panic(bytes: Vec<u8>) {
            let _ = read_frame(&bytes);
            let _ = Handshake::with_key("ws://host/", None, KEY).answered(&bytes);
        }
    }
}
