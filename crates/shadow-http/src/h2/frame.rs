//! Frame headers (RFC 9113 sections 4.1 and 6).

use shadow_tcp::Direction;

use super::limits::MAX_LOST_STREAMS;

/// Bytes of a frame header.
pub(super) const HEADER: usize = 9;
/// The client's connection preface (section 3.4).
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Largest frame where no SETTINGS allow more (section 4.2).
pub(super) const DEFAULT_MAX_FRAME: u32 = 16_384;

pub(super) const END_STREAM: u8 = 0x1;
pub(super) const ACK: u8 = 0x1;
pub(super) const END_HEADERS: u8 = 0x4;
pub(super) const PADDED: u8 = 0x8;
pub(super) const PRIORITY: u8 = 0x20;

/// The types of frames (section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Data,
    Headers,
    Priority,
    RstStream,
    Settings,
    PushPromise,
    Ping,
    GoAway,
    WindowUpdate,
    Continuation,
    /// One that is not known, and means nothing (section 5.5).
    Other,
}

/// A frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHeader {
    /// Bytes of the payload.
    pub length: u32,
    pub kind: Kind,
    pub flags: u8,
    /// The bit that means nothing, and is zero where nobody cheats.
    pub reserved: bool,
    pub stream: u32,
}

impl FrameHeader {
    pub fn parse(bytes: [u8; HEADER]) -> Self {
        let [l1, l2, l3, kind, flags, s1, s2, s3, s4] = bytes;
        let stream = u32::from_be_bytes([s1, s2, s3, s4]);
        Self {
            length: u32::from_be_bytes([0, l1, l2, l3]),
            kind: match kind {
                0 => Kind::Data,
                1 => Kind::Headers,
                2 => Kind::Priority,
                3 => Kind::RstStream,
                4 => Kind::Settings,
                5 => Kind::PushPromise,
                6 => Kind::Ping,
                7 => Kind::GoAway,
                8 => Kind::WindowUpdate,
                9 => Kind::Continuation,
                _ => Kind::Other,
            },
            flags,
            reserved: stream >> 31 == 1,
            stream: stream & 0x7fff_ffff,
        }
    }

    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Bytes at the front of the payload that are read before the rest has a meaning.
    pub fn prefix(&self) -> u32 {
        let padding = u32::from(self.has(PADDED));
        match self.kind {
            Kind::Data => padding,
            Kind::Headers => padding + if self.has(PRIORITY) { 5 } else { 0 },
            Kind::PushPromise => padding + 4,
            Kind::RstStream => 4,
            Kind::GoAway => 8,
            _ => 0,
        }
    }

    /// Whether the payload may be padded, and is.
    pub fn is_padded(&self) -> bool {
        self.has(PADDED) && matches!(self.kind, Kind::Data | Kind::Headers | Kind::PushPromise)
    }

    /// Whether length and stream are such as this type has (section 6); a reader ends the connection otherwise. A PRIORITY of
    /// another length ends a stream only, but nobody sends one.
    pub fn is_valid(&self) -> bool {
        let length = match self.kind {
            Kind::Priority => self.length == 5,
            Kind::RstStream | Kind::WindowUpdate => self.length == 4,
            Kind::Settings => self.length.is_multiple_of(6) && (!self.has(ACK) || self.length == 0),
            Kind::Ping => self.length == 8,
            _ => self.length >= self.prefix(),
        };
        let stream = match self.kind {
            Kind::Data
            | Kind::Headers
            | Kind::Priority
            | Kind::RstStream
            | Kind::PushPromise
            | Kind::Continuation => self.stream != 0,
            Kind::Settings | Kind::Ping | Kind::GoAway => self.stream == 0,
            Kind::WindowUpdate | Kind::Other => true,
        };
        length && stream
    }

    /// Whether nothing but what the type defines is set: what is demanded of a frame whose place is not known.
    pub fn is_plain(&self) -> bool {
        let defined = match self.kind {
            Kind::Data => END_STREAM | PADDED,
            Kind::Headers => END_STREAM | END_HEADERS | PADDED | PRIORITY,
            Kind::Settings | Kind::Ping => ACK,
            Kind::PushPromise => END_HEADERS | PADDED,
            Kind::Continuation => END_HEADERS,
            Kind::Priority | Kind::RstStream | Kind::GoAway | Kind::WindowUpdate => 0,
            Kind::Other => return false,
        };
        !self.reserved && self.flags & !defined == 0 && self.is_valid()
    }
}

/// Whether a frame that looks like one may be of this connection.
pub(super) fn is_known(header: &FrameHeader, direction: Direction, highest: u32) -> bool {
    let may_be = header.stream <= highest.saturating_add(2 * MAX_LOST_STREAMS);
    let is_client = header.stream % 2 == 1;
    match (header.kind, direction) {
        (Kind::PushPromise, Direction::Request) => false,
        (Kind::Data | Kind::Headers | Kind::Continuation, Direction::Request) => may_be && is_client,
        _ => may_be,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_length_type_flags_and_stream() {
        let header = FrameHeader::parse([0, 0x40, 1, 1, 0x2d, 0x80, 0, 0, 5]);
        assert_eq!(
            (header.length, header.kind, header.stream),
            (16_385, Kind::Headers, 5)
        );
        assert!(header.reserved && header.has(END_STREAM | END_HEADERS) && header.is_padded());
        assert_eq!(header.prefix(), 6);
    }

    #[test]
    fn lengths_and_streams_that_a_type_cannot_have_are_not_valid() {
        let valid = |length: u8, kind: u8, flags: u8, stream: u8| {
            FrameHeader::parse([0, 0, length, kind, flags, 0, 0, 0, stream]).is_valid()
        };
        assert!(valid(0, 0, 0, 1) && !valid(0, 0, 0, 0) && !valid(0, 0, PADDED, 1));
        assert!(valid(12, 4, 0, 0) && !valid(12, 4, ACK, 0) && !valid(13, 4, 0, 0) && !valid(0, 4, 0, 1));
        assert!(valid(8, 6, 0, 0) && !valid(7, 6, 0, 0) && !valid(8, 6, 0, 1));
        assert!(valid(4, 3, 0, 1) && !valid(5, 3, 0, 1) && !valid(4, 3, 0, 0));
        assert!(valid(5, 1, PRIORITY, 1) && !valid(4, 1, PRIORITY, 1));
        assert!(valid(77, 42, 0xff, 0));
    }
}
