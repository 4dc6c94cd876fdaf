//! Bounds of one connection of HTTP/2, beside those of a message ([`crate::Limits`]): what a peer can make us keep without
//! sending a message.

/// Streams of which something is kept at once. Servers announce 100 to 250 mostly, Envoy 1,024; some gRPC servers set no
/// limit. The request that opens one more is rejected ([`crate::Reject::H2Flood`]).
pub(super) const MAX_STREAMS: usize = 4096;

/// Bytes of a header block that comes in several frames or chunks, at least; `Limits::max_head` where that is larger. What
/// is longer is not decoded: it may have changed the table, so the decoder starts over.
pub(super) const MAX_BLOCK: usize = 64 * 1024;

/// Frames that carry one header block. A block of [`MAX_BLOCK`] takes 5 of the smallest size that a peer may be limited
/// to; a flood of empty ones is CVE-2024-27316 and its kin.
pub(super) const MAX_BLOCK_FRAMES: u32 = 128;

/// Bytes of a direction's table of header fields that are not charged to the budget, so that usual tables are never let go of:
/// a client of gRPC fills one of them with 1 to 2 KiB. What is beyond is charged; where the budget has no room, the table is
/// forgotten, and what refers to it is not known.
pub(super) const FREE_TABLE: usize = 4096;

/// Bytes of memory that are kept from one header list to the next.
pub(super) const KEPT_LIST: usize = 4096;

/// Resets by the client in one burst, and how many a second are let through for long: as nghttp2 has it since the rapid
/// reset (CVE-2023-44487). While there were more, new requests are rejected ([`crate::Reject::H2Flood`]), so that nobody
/// makes of the shadow what such a client makes of production.
pub(super) const RESETS_AT_ONCE: u64 = 1000;
/// See [`RESETS_AT_ONCE`].
pub(super) const RESETS_A_SECOND: u64 = 33;
/// One more reset is let through for so many requests: a proxy may send thousands a second on one connection, of which
/// deadlines cancel some.
pub(super) const REQUESTS_A_RESET: u64 = 10;

/// Moments of a gRPC call that are kept ([`crate::Piece`]): 16 bytes each. Later ones are taken for one with the last.
pub(super) const MAX_PIECES: usize = 4096;

/// Places at which a frame may begin that are followed at once, while none is proved.
pub(super) const MAX_CANDIDATES: usize = 8;

/// Times that a place may turn out to be wrong, until the rest of the direction is passed over.
pub(super) const MAX_FALSE_PLACES: u32 = 16;

/// Stream numbers that a hole may have taken.
pub(super) const MAX_LOST_STREAMS: u32 = 20_000;
