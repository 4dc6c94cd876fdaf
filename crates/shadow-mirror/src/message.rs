//! The name of a message on its way, and a message that did not come from a connection: one that was recorded, or
//! that another agent sent.

use std::fmt;

use bytes::Bytes;
use shadow_core::time::Timestamp;
use shadow_tcp::{Endpoint, FlowKey};

/// Longest name of a message, in bytes: `GoReplay` has written 24 and 40.
pub const MAX_ID: usize = 128;

/// Names an exchange: its request, production's response and the shadow's have the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MessageId(Name);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Name {
    /// 24 hexadecimal digits, as `GoReplay` makes them: client port, server port, client address (the low 32 bits of
    /// it), and a number.
    Parts {
        client_port: u16,
        server_port: u16,
        client: u32,
        number: u32,
    },
    /// Any other.
    Given(Box<str>),
}

impl MessageId {
    /// The name of a request that was captured on a connection. `number` is its acknowledgment number, which is the
    /// sequence number of its response; more where requests are pipelined and have the same.
    pub fn captured(key: &FlowKey, number: u32) -> Self {
        let [.., a, b, c, d] = key.client.address;
        Self(Name::Parts {
            client_port: key.client.port,
            server_port: key.server.port,
            client: u32::from_be_bytes([a, b, c, d]),
            number,
        })
    }

    /// A name from outside. `None` for one that is empty, too long or not of visible ASCII: it could not be written
    /// into a record.
    pub fn given(text: &[u8]) -> Option<Self> {
        if text.is_empty() || text.len() > MAX_ID || !text.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        let text = std::str::from_utf8(text).ok()?;
        Some(Self(parts(text).unwrap_or_else(|| Name::Given(text.into()))))
    }

    /// The endpoints that it tells; the unspecified address and port 0 where it does not.
    pub fn endpoints(&self) -> FlowKey {
        let endpoint =
            |address: u32, port| Endpoint::from(std::net::SocketAddr::from((address.to_be_bytes(), port)));
        match self.0 {
            Name::Parts {
                client_port,
                server_port,
                client,
                ..
            } => FlowKey {
                client: endpoint(client, client_port),
                server: endpoint(0, server_port),
                scope: 0,
            },
            Name::Given(_) => FlowKey {
                client: endpoint(0, 0),
                server: endpoint(0, 0),
                scope: 0,
            },
        }
    }

    /// A number that is the same for all messages of one connection, as far as names tell.
    pub fn connection(&self) -> u64 {
        match &self.0 {
            Name::Parts {
                client_port,
                server_port,
                client,
                ..
            } => u64::from(*client_port) << 48 | u64::from(*server_port) << 32 | u64::from(*client),
            Name::Given(text) => fnv(text.as_bytes()),
        }
    }

    /// A number of its own, as far as its name tells.
    pub fn exchange(&self) -> u64 {
        match &self.0 {
            Name::Parts { number, .. } => {
                let connection = self.connection().to_be_bytes();
                let mut bytes = [0; 12];
                bytes[..8].copy_from_slice(&connection);
                bytes[8..].copy_from_slice(&number.to_be_bytes());
                fnv(&bytes)
            }
            Name::Given(text) => fnv(text.as_bytes()),
        }
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Name::Parts {
                client_port,
                server_port,
                client,
                number,
            } => write!(f, "{client_port:04x}{server_port:04x}{client:08x}{number:08x}"),
            Name::Given(text) => f.write_str(text),
        }
    }
}

fn parts(text: &str) -> Option<Name> {
    let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.len() != 24 || !text.bytes().all(digit) {
        return None;
    }
    let part = |range: std::ops::Range<usize>| u32::from_str_radix(&text[range], 16).ok();
    Some(Name::Parts {
        client_port: u16::try_from(part(0..4)?).ok()?,
        server_port: u16::try_from(part(4..8)?).ok()?,
        client: part(8..16)?,
        number: part(16..24)?,
    })
}

/// FNV-1a of 64 bits.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The kind of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// A request as production got it.
    Request,
    /// The response production gave.
    Response,
    /// The response the shadow gave.
    Replayed,
}

/// A whole message that did not come from a connection.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its kind.
    pub kind: MessageKind,
    /// Its name.
    pub id: MessageId,
    /// When its first byte was seen: Unix time.
    pub first_byte: Timestamp,
    /// When its last byte was.
    pub last_byte: Timestamp,
    /// Head and body as on the wire. Nothing has looked at them.
    pub payload: Bytes,
}

impl Message {
    /// Head (the empty line included) and body. All of it is head where there is no empty line.
    pub fn split(&self) -> (Bytes, Bytes) {
        let end = memchr::memmem::find(&self.payload, b"\r\n\r\n").map_or(self.payload.len(), |at| at + 4);
        (self.payload.slice(..end), self.payload.slice(end..))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_24_digits_tells_the_endpoints_and_is_kept_as_it_is() {
        let id = MessageId::given(b"9c4000500a010203deadbeef").unwrap();
        assert_eq!(id.to_string(), "9c4000500a010203deadbeef");
        let key = id.endpoints();
        assert_eq!(key.client.socket_addr(), "10.1.2.3:40000".parse().unwrap());
        assert_eq!(key.server.port, 80);
        assert_eq!(id, MessageId::captured(&key, 0xdead_beef));
    }

    #[test]
    fn messages_of_one_connection_are_told_by_their_names() {
        let of = |text: &str| MessageId::given(text.as_bytes()).unwrap().connection();
        assert_eq!(of("9c4000500a01020300000001"), of("9c4000500a01020300000002"));
        assert_ne!(of("9c4000500a01020300000001"), of("9c4100500a01020300000001"));
        assert_ne!(of("a"), of("b"));
    }

    #[test]
    fn any_other_name_is_kept_as_it_is() {
        for text in [
            "1",
            "9C4000500A010203DEADBEEF",
            "f45590522cd1838b4a0d5c5aab80b77929dea3b3",
        ] {
            assert_eq!(MessageId::given(text.as_bytes()).unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_name_that_could_not_be_written_into_a_record_is_none() {
        for text in ["", "a b", "a\nb", "\u{e4}", &"a".repeat(MAX_ID + 1)] {
            assert_eq!(MessageId::given(text.as_bytes()), None, "{text:?}");
        }
    }
}
