//! The prelude that may stand before a connection's requests: a header of the PROXY protocol.
//!
//! It is looked for at the first byte of a connection whose SYN was seen and nowhere else, so that a client cannot have
//! something else of its own passed over, nor speak for another further on.

use std::net::SocketAddr;

use shadow_http::{ProxyHeader, ProxyStep};
use shadow_tcp::{Chunk, Start};

/// How far a connection's front was read.
#[derive(Debug)]
pub(super) enum Front {
    /// Nothing came so far.
    Unread,
    /// A header, or what may become one, came in part.
    Partial(Box<Partial>),
    /// Everything from here on is requests.
    Over,
}

/// Bytes of a front, kept apart until it is known what they are: some hundred at most, for as long as the connection is in
/// its table.
#[derive(Debug)]
pub(super) struct Partial {
    header: ProxyHeader,
    first: Chunk<'static>,
}

/// The result of reading a chunk at the front.
pub(super) enum FrontEvent<'a> {
    /// Not known yet.
    More,
    /// Requests: those bytes first that were kept, then what is left of the chunk.
    Requests(Option<Kept>),
    /// A header of so many bytes that names this client; what is left of the chunk is requests.
    Header(usize, Option<SocketAddr>, Chunk<'a>),
}

/// Bytes that were kept and are requests after all.
pub(super) struct Kept {
    bytes: Vec<u8>,
    first: Chunk<'static>,
}

impl Kept {
    /// As they came, but in one piece.
    pub fn chunk(&self) -> Chunk<'_> {
        Chunk {
            bytes: &self.bytes,
            ..self.first
        }
    }
}

impl Front {
    /// Of a connection that came into view so.
    pub fn new(start: Start) -> Self {
        match start {
            Start::Syn => Self::Unread,
            Start::MidStream | Start::Doubtful => Self::Over,
        }
    }

    /// Whether all that comes is requests.
    #[inline]
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Over)
    }

    /// Reads the next bytes.
    pub fn read<'a>(&mut self, chunk: Chunk<'a>) -> FrontEvent<'a> {
        if let Self::Unread = self {
            if !ProxyHeader::may_begin(chunk.bytes) {
                *self = Self::Over;
                return FrontEvent::Requests(None);
            }
            *self = Self::Partial(Box::new(Partial {
                header: ProxyHeader::default(),
                first: Chunk { bytes: &[], ..chunk },
            }));
        }
        let Self::Partial(partial) = self else {
            return FrontEvent::Requests(None);
        };
        match partial.header.take(chunk.bytes) {
            ProxyStep::More => FrontEvent::More,
            ProxyStep::Absent(bytes) => FrontEvent::Requests(self.give_up(bytes)),
            ProxyStep::Header {
                taken,
                length,
                client,
            } => {
                *self = Self::Over;
                let rest = Chunk {
                    bytes: &chunk.bytes[taken..],
                    sequence: chunk.sequence.wrapping_add(taken as u32),
                    segment_start: taken == 0 && chunk.segment_start,
                    ..chunk
                };
                FrontEvent::Header(length, client, rest)
            }
        }
    }

    /// No more comes of it, or bytes of it are lost.
    pub fn end(&mut self) -> FrontEvent<'static> {
        let Self::Partial(partial) = self else {
            *self = Self::Over;
            return FrontEvent::Requests(None);
        };
        let first = partial.first;
        match partial.header.end() {
            ProxyStep::Header { length, client, .. } => {
                *self = Self::Over;
                FrontEvent::Header(length, client, first)
            }
            ProxyStep::Absent(bytes) => FrontEvent::Requests(self.give_up(bytes)),
            ProxyStep::More => FrontEvent::More,
        }
    }

    fn give_up(&mut self, bytes: Vec<u8>) -> Option<Kept> {
        let before = std::mem::replace(self, Self::Over);
        match before {
            Self::Partial(partial) if !bytes.is_empty() => Some(Kept {
                bytes,
                first: partial.first,
            }),
            _ => None,
        }
    }
}
