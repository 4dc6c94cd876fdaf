//! The PROXY protocol without IO: the header in which a load balancer says whose connection it passes on.
//!
//! Both versions are read, as the specification of `HAProxy` has them ("The PROXY protocol", versions 1 and 2,
//! <https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt>): one line of text (section 2.1) or a binary header with
//! extensions (section 2.2). It stands once, in front of everything else on a connection, in any number of segments.
//!
//! What is not a header to the letter is none: a server that asks for one refuses the connection then, and the
//! bytes are left to whoever reads requests.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Longest header of version 1, its CRLF included (section 2.1).
const MAX_LINE: usize = 107;

/// The bytes that a header of version 2 begins with (section 2.2).
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Bytes of a version 2 header before its addresses: signature, version and command, family, length.
const FIXED: usize = 16;

/// Bytes of a pair of IPv4 or IPv6 addresses with their ports.
const INET: usize = 12;
const INET6: usize = 36;

/// The reading of a connection's first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// Too few to tell.
    More,
    /// No header.
    Absent,
    /// A header of so many bytes, which need not all be there, and the client that it names.
    Header(usize, Option<SocketAddr>),
}

/// The fate of bytes that were handed to a [`ProxyHeader`].
#[derive(Debug, PartialEq, Eq)]
pub enum ProxyStep {
    /// They are the header's, or may be. There will be more.
    More,
    /// There is no header: these bytes were taken before and come first; of the latest none was taken.
    Absent(Vec<u8>),
    /// The header is over.
    Header {
        /// How many of the latest bytes were its.
        taken: usize,
        /// How many bytes it had.
        length: usize,
        /// The client it names. None for a health check of the balancer's own (`LOCAL`, `UNKNOWN`), or where the
        /// client has no IP address (`AF_UNIX`).
        client: Option<SocketAddr>,
    },
}

/// Reads the header at the start of one connection. It keeps at most [`MAX_LINE`] bytes; extensions are counted and
/// passed over, which section 2.2 allows for all of them.
#[derive(Debug, Default)]
pub struct ProxyHeader {
    held: Vec<u8>,
    /// A header that is known and not over: its length, its client, and how many of its bytes came.
    known: Option<(usize, Option<SocketAddr>, usize)>,
}

impl ProxyHeader {
    /// Whether a header may begin with these bytes, which are the first.
    pub fn may_begin(bytes: &[u8]) -> bool {
        read(bytes) != Reading::Absent
    }

    /// Takes the next bytes. Not to be called again behind anything but [`ProxyStep::More`].
    pub fn take(&mut self, bytes: &[u8]) -> ProxyStep {
        if self.known.is_none() {
            let before = self.held.len();
            let room = MAX_LINE.saturating_sub(before).min(bytes.len());
            self.held.extend_from_slice(&bytes[..room]);
            match read(&self.held) {
                Reading::More => return ProxyStep::More,
                Reading::Absent => {
                    self.held.truncate(before);
                    return ProxyStep::Absent(std::mem::take(&mut self.held));
                }
                Reading::Header(length, client) => self.known = Some((length, client, before)),
            }
        }
        self.pass(bytes.len())
    }

    /// No more comes of it, or bytes of it are lost: what is there of a header that is known, and of what may have been
    /// one.
    pub fn end(&mut self) -> ProxyStep {
        match self.known {
            Some((_, client, length)) => ProxyStep::Header {
                taken: 0,
                length,
                client,
            },
            None => ProxyStep::Absent(std::mem::take(&mut self.held)),
        }
    }

    fn pass(&mut self, bytes: usize) -> ProxyStep {
        let Some((length, client, before)) = &mut self.known else {
            return ProxyStep::More;
        };
        let taken = bytes.min(length.saturating_sub(*before));
        *before += taken;
        if before < length {
            return ProxyStep::More;
        }
        self.held = Vec::new();
        ProxyStep::Header {
            taken,
            length: *length,
            client: *client,
        }
    }
}

fn read(bytes: &[u8]) -> Reading {
    match bytes.first() {
        None => Reading::More,
        Some(b'P') => line(bytes),
        Some(b'\r') => binary(bytes),
        Some(_) => Reading::Absent,
    }
}

/// Version 1: `PROXY TCP4 203.0.113.7 192.0.2.1 51234 80`, and CRLF.
fn line(bytes: &[u8]) -> Reading {
    const KINDS: [&[u8]; 3] = [b"PROXY TCP4 ", b"PROXY TCP6 ", b"PROXY UNKNOWN"];
    if !KINDS.iter().any(|kind| begins(bytes, kind)) {
        return Reading::Absent;
    }
    let window = &bytes[..bytes.len().min(MAX_LINE)];
    let Some(end) = memchr::memmem::find(window, b"\r\n") else {
        return if window.len() < MAX_LINE {
            Reading::More
        } else {
            Reading::Absent
        };
    };
    let Ok(text) = std::str::from_utf8(&window[..end]) else {
        return Reading::Absent;
    };
    let mut words = text.split(' ').skip(1);
    let client = match words.next() {
        // What follows is to be ignored.
        Some("UNKNOWN") => Some(None),
        Some("TCP4") => named(words, |word| word.parse::<Ipv4Addr>().ok().map(IpAddr::V4)).map(Some),
        Some("TCP6") => named(words, |word| word.parse::<Ipv6Addr>().ok().map(IpAddr::V6)).map(Some),
        _ => None,
    };
    client.map_or(Reading::Absent, |client| Reading::Header(end + 2, client))
}

/// The client of a line whose addresses are all there, and nothing else.
fn named<'a>(
    words: impl Iterator<Item = &'a str>,
    address: impl Fn(&str) -> Option<IpAddr>,
) -> Option<SocketAddr> {
    let words: Vec<_> = words.take(5).collect();
    let [source, destination, source_port, destination_port] = words[..] else {
        return None;
    };
    address(destination)?;
    port(destination_port)?;
    Some(SocketAddr::new(address(source)?, port(source_port)?))
}

/// A decimal number without sign or leading zeros.
fn port(word: &str) -> Option<u16> {
    let canonical = word.bytes().all(|byte| byte.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    canonical.then(|| word.parse().ok()).flatten()
}

/// Version 2.
fn binary(bytes: &[u8]) -> Reading {
    if !begins(bytes, SIGNATURE) {
        return Reading::Absent;
    }
    let Some(&[version_command, family, high, low]) = bytes.get(12..FIXED) else {
        // A version that is not 2, or a command that is not assigned, must not be accepted.
        return match bytes.get(12) {
            None | Some(0x20 | 0x21) => Reading::More,
            Some(_) => Reading::Absent,
        };
    };
    let behind = usize::from(u16::from_be_bytes([high, low]));
    let length = FIXED + behind;
    let addresses = match (version_command, family) {
        // LOCAL: whatever follows is to be ignored.
        (0x20, _) => return Reading::Header(length, None),
        // TCP over IPv4, over IPv6.
        (0x21, 0x11) => INET,
        (0x21, 0x21) => INET6,
        // Not to be used as an address, while the header is one (AF_UNSPEC, AF_UNIX, datagrams).
        (0x21, 0x00..=0x02 | 0x10 | 0x12 | 0x20 | 0x22 | 0x30..=0x32) => {
            return Reading::Header(length, None);
        }
        _ => return Reading::Absent,
    };
    if behind < addresses {
        return Reading::Absent;
    }
    let Some(fields) = bytes.get(FIXED..FIXED + addresses) else {
        return Reading::More;
    };
    match client(fields) {
        Some(client) => Reading::Header(length, Some(client)),
        None => Reading::Absent,
    }
}

/// The source of a pair of addresses: both, then both ports.
fn client(fields: &[u8]) -> Option<SocketAddr> {
    let (address, ports) = if fields.len() == INET {
        let (source, rest) = fields.split_first_chunk::<4>()?;
        (IpAddr::from(*source), rest.get(4..)?)
    } else {
        let (source, rest) = fields.split_first_chunk::<16>()?;
        (IpAddr::from(*source), rest.get(16..)?)
    };
    let (port, _) = ports.split_first_chunk::<2>()?;
    Some(SocketAddr::new(address, u16::from_be_bytes(*port)))
}

/// Whether `bytes` begin with `what`, as far as they go.
fn begins(bytes: &[u8], what: &[u8]) -> bool {
    let length = bytes.len().min(what.len());
    bytes[..length] == what[..length]
}

#[cfg(test)]
#[path = "tests/proxy_protocol.rs"]
mod tests;
