//! The words of this room: a whole request as captured, and what can become of bytes that are not one.

use std::ops::Range;

use bytes::Bytes;
use shadow_core::budget::Charge;
use shadow_core::time::Timestamp;

use super::fault::Fault;

/// Limits of one message.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest head (start line and header fields with their line ends), in bytes.
    pub max_head: usize,
    /// Largest body as sent (chunk framing and trailers included), in bytes.
    pub max_body: usize,
    /// Most header fields in a head.
    pub max_headers: usize,
}

/// HTTP version of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2: its head is text as HTTP/1.1 has it, with `HTTP/2.0` in the start line.
    Http2,
}

/// How the end of a body is found (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// No body.
    None,
    /// So many bytes.
    Length(u64),
    /// Chunked transfer coding, extensions and trailers included.
    Chunked,
    /// Until the connection closes (responses only).
    Close,
}

/// Where one header field stands in [`Request::head`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderField {
    /// Bytes of the field name, as captured (case kept).
    pub name: Range<u32>,
    /// Bytes of the value without surrounding white space.
    pub value: Range<u32>,
}

/// A part of a body that came at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where it ends in [`Request::body`].
    pub end: u32,
    /// When its last byte was seen.
    pub time: Timestamp,
}

/// One whole request, byte for byte as production got it; of HTTP/2, the text that stands for it.
#[derive(Debug)]
pub struct Request {
    /// Start line and header section, up to and including the empty line. Leading empty lines that a client
    /// may send (RFC 9112 section 2.2) are not part of it.
    pub head: Bytes,
    /// Body as it was on the wire: with chunk sizes, extensions and trailers when chunked.
    pub body: Bytes,
    /// The method in `head`.
    pub method: Range<u32>,
    /// The request target in `head`, in whatever form it was sent (RFC 9112 section 3.2).
    pub target: Range<u32>,
    /// HTTP version of the request.
    pub version: Version,
    /// The header fields in their order.
    pub headers: Vec<HeaderField>,
    /// How the body was framed.
    pub framing: Framing,
    /// When its first byte was seen.
    pub first_byte: Timestamp,
    /// When its last byte was seen.
    pub last_byte: Timestamp,
    /// Acknowledgment number of the segment with its first byte; with the addresses, it names the exchange.
    pub acknowledgment: u32,
    /// Why its body is not whole, where one that is not is handed on.
    pub incomplete: Option<Reject>,
    /// The moments at which its body came, in order, where it is to be sent with the same spacing: gRPC's streams.
    pub pieces: Option<Box<[Piece]>>,
    /// The bytes of `head` and `body` in the memory budget.
    pub charge: Charge,
}

impl Request {
    /// The method's bytes.
    pub fn method(&self) -> &[u8] {
        &self.head[self.method.start as usize..self.method.end as usize]
    }

    /// The request target's bytes.
    pub fn target(&self) -> &[u8] {
        &self.head[self.target.start as usize..self.target.end as usize]
    }

    /// Name and value of each header field, in order.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.headers.iter().map(|field| {
            (
                &self.head[field.name.start as usize..field.name.end as usize],
                &self.head[field.value.start as usize..field.value.end as usize],
            )
        })
    }

    /// The value of the first field called `name`, in any case.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.fields()
            .find(|(field, _)| field.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }
}

/// Why a request whose start was seen will never be whole. Each becomes a reason in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reject {
    /// Bytes inside it were lost, or it looked like a start behind lost bytes, where nobody can tell it from the
    /// middle of an upload.
    Gap,
    /// It looked like a start on a connection that was open before the agent came, where nobody can tell it from
    /// the middle of an upload.
    MidStream,
    /// The connection was reset inside it.
    Reset,
    /// The client closed or paused for too long, or the connection fell idle or was evicted, inside it.
    Truncated,
    /// Its head is larger than the limit, or has more fields.
    HeadTooLarge,
    /// Its body is larger than the limit.
    BodyTooLarge,
    /// It has a method, but is not HTTP/1.x as RFC 9112 has it.
    Malformed,
    /// Its length can be read in more than one way (RFC 9112 section 6.3): Content-Length with
    /// Transfer-Encoding, several lengths, a bad chunk size. Or it came behind such a request on the same
    /// connection: where it starts is known to nobody but its server.
    AmbiguousFraming,
    /// The memory budget had no room for it.
    Memory,
    /// It asks to leave HTTP (CONNECT): what follows is not requests.
    Upgrade,
    /// It looked like a start behind a request whose end is not known, because that could not be read.
    AfterReject,
    /// It came behind a request that closes the connection (`Connection: close`, or HTTP/1.0 without
    /// `keep-alive`): the server must not process it (RFC 9112 section 9.6).
    AfterClose,
    /// HTTP/2: fields of its head stand in the header table since before the agent came, or since bytes were lost, so
    /// that nobody here knows them (RFC 7541 section 2.3.2).
    H2TableUnknown,
    /// HTTP/2: bytes inside it were lost, or may have been.
    H2Gap,
    /// HTTP/2: its client, or its server, ended its stream by `RST_STREAM` inside it (RFC 9113 section 6.4).
    H2Reset,
    /// HTTP/2: too many streams of its connection were open at once or reset, or its head came in too many frames.
    H2Flood,
    /// The agent ended before it was whole.
    Shutdown,
}

impl Reject {
    /// One word for it, as the ledger has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Gap => "gap",
            Self::MidStream => "mid_stream",
            Self::Reset => "reset",
            Self::Truncated => "truncated",
            Self::HeadTooLarge => "head_too_large",
            Self::BodyTooLarge => "body_too_large",
            Self::Malformed => "malformed",
            Self::AmbiguousFraming => "ambiguous_framing",
            Self::Memory => "memory",
            Self::Upgrade => "upgrade",
            Self::AfterReject => "after_reject",
            Self::AfterClose => "after_close",
            Self::H2TableUnknown => "h2_table_unknown",
            Self::H2Gap => "h2_gap",
            Self::H2Reset => "h2_reset",
            Self::H2Flood => "h2_flood",
            Self::Shutdown => "shutdown",
        }
    }
}

/// Why bytes of a connection are passed over without being parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Skip {
    /// The connection was open before the agent came, so that no start on it can be proved.
    MidStream,
    /// Behind a gap, where no start can be proved.
    AfterGap,
    /// Behind a request that was rejected: the rest of it, or everything when its end is not known.
    AfterReject,
    /// Behind a request that closes the connection (RFC 9112 section 9.6).
    AfterClose,
    /// Empty lines between messages, which mean nothing (RFC 9112 section 2.2).
    EmptyLine,
    /// Behind CONNECT or an Upgrade.
    Upgraded,
    /// TLS.
    Encrypted,
    /// HTTP/2 with prior knowledge.
    Http2,
    /// Never was HTTP.
    NotHttp,
    /// On a connection that `--input-raw-bpf-filter` leaves out.
    LeftOut,
    /// A header of the PROXY protocol in front of the connection's requests.
    ProxyHeader,
}

/// An event that a request stream tells its reader, in stream order.
#[derive(Debug)]
pub enum RequestEvent {
    /// A request starts. Exactly one `Complete`, `Incomplete` or `Rejected` follows before the next `Started`.
    Started,
    /// The request is whole.
    Complete(Box<Request>),
    /// The request will never be whole, and only where that is asked for: its whole head, and its body as far as it
    /// was seen, as it was on the wire.
    Incomplete(Box<Request>, Reject),
    /// The request under way is not read as HTTP/1.x, for this reason; [`Reject::Malformed`] or
    /// [`Reject::AmbiguousFraming`] follows.
    Faulty {
        /// The oddity.
        fault: Fault,
        /// The first bytes of its start line, as far as they are known.
        start: Vec<u8>,
    },
    /// The request will never be whole.
    Rejected(Reject),
    /// So many bytes were passed over.
    Skipped {
        /// How many.
        bytes: u64,
        /// Why.
        why: Skip,
    },
    /// The connection carries something else from here on: said once per connection ([`Skip::Encrypted`],
    /// [`Skip::Http2`], [`Skip::NotHttp`] or [`Skip::Upgraded`]).
    Recognised(Skip),
}
