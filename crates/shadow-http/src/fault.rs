//! The fault for which a message is not forwarded, and where it stands: for the log and for counters.

use std::fmt;

/// An oddity, and in which line of the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1; `None` when it is in the body, or in several lines together.
    pub line: Option<u32>,
    /// What.
    pub what: Oddity,
}

/// Why a message is not read as HTTP/1.x.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Oddity {
    /// The start line is none that is understood.
    #[error("no start line of HTTP/1.0 or HTTP/1.1")]
    StartLine,
    /// A field without a colon.
    #[error("a field without a colon")]
    NoColon,
    /// A field without a name.
    #[error("a field without a name")]
    NoName,
    /// White space before the colon, which a server must refuse (RFC 9112 section 5.1).
    #[error("white space before the colon")]
    SpaceBeforeColon,
    /// White space, a control byte or a byte beyond ASCII in the name of a field.
    #[error("an invalid byte in a field name")]
    Name,
    /// NUL in a field.
    #[error("NUL in a field")]
    Nul,
    /// The first field begins with white space.
    #[error("white space before the first field")]
    LeadingSpace,
    /// CR that no LF follows.
    #[error("a CR without LF")]
    BareCr,
    /// A line of white space or control bytes alone, with which the head ends for some.
    #[error("a line of white space")]
    BlankLine,
    /// LF without CR where it matters how that is read.
    #[error("an LF without CR, where readers differ about it")]
    LineEnds,
    /// A field that frames the message has control bytes, or is longer than anybody needs.
    #[error("a field that frames the message is malformed")]
    FramingField,
    /// An odd line may be read as a field that frames the message.
    #[error("a malformed line that some may take for a field that frames the message")]
    Hidden,
    /// The length can be read in more than one way (RFC 9112 section 6.3).
    #[error(transparent)]
    Framing(#[from] FramingError),
    /// The chunked body is malformed (RFC 9112 section 7.1).
    #[error(transparent)]
    Chunk(#[from] ChunkedError),
}

/// The length of a message can be read in more than one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// Content-Length that is no decimal number, or too large for one.
    #[error("Content-Length is not a number")]
    BadLength,
    /// Several Content-Length values that differ.
    #[error("Content-Length values differ")]
    DifferentLengths,
    /// Content-Length and Transfer-Encoding.
    #[error("both Content-Length and Transfer-Encoding")]
    LengthAndCoding,
    /// Transfer-Encoding that is empty, unknown, or has `chunked` anywhere but once at its end.
    #[error("Transfer-Encoding is not understood")]
    BadCoding,
    /// Transfer-Encoding in HTTP/1.0, which does not have it.
    #[error("Transfer-Encoding in HTTP/1.0")]
    CodingInHttp10,
}

/// Why bytes are not the chunked coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChunkedError {
    /// A chunk size that is no hexadecimal number of at most 16 digits, or is not followed as it must be.
    #[error("bad chunk size")]
    Size,
    /// A chunk extension with control characters, or extensions of more than [`MAX_EXTENSION`](super::chunked::MAX_EXTENSION) bytes in a line.
    #[error("bad chunk extension")]
    Extension,
    /// Chunk data not followed by CRLF, or a line end that is not CRLF.
    #[error("bad line end in chunked body")]
    LineEnd,
    /// A malformed trailer field, or trailers of more than [`MAX_TRAILERS`](super::chunked::MAX_TRAILERS) bytes.
    #[error("bad trailer")]
    Trailer,
}

/// The kind of line that an [`Oddity`] is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultyLine {
    /// The request line or status line.
    StartLine,
    /// A line of the header section, by itself.
    Field,
    /// A line whose end, or whose beginning, readers differ about.
    LineEnd,
    /// The fields that frame the message, together.
    Framing,
    /// A line of the chunked coding.
    Chunk,
}

impl Oddity {
    /// The kind of line that it is in.
    pub fn line(self) -> FaultyLine {
        match self {
            Self::StartLine => FaultyLine::StartLine,
            Self::NoColon
            | Self::NoName
            | Self::SpaceBeforeColon
            | Self::Name
            | Self::Nul
            | Self::LeadingSpace => FaultyLine::Field,
            Self::BareCr | Self::BlankLine | Self::LineEnds => FaultyLine::LineEnd,
            Self::FramingField | Self::Hidden | Self::Framing(_) => FaultyLine::Framing,
            Self::Chunk(_) => FaultyLine::Chunk,
        }
    }
}

impl From<Oddity> for Fault {
    fn from(what: Oddity) -> Self {
        Self {
            line: (what == Oddity::StartLine).then_some(1),
            what,
        }
    }
}

impl From<ChunkedError> for Fault {
    fn from(error: ChunkedError) -> Self {
        Self {
            line: None,
            what: error.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.what),
            None => self.what.fmt(f),
        }
    }
}
