//! Whether a connection that was open before is HTTP/2.
//!
//! Nothing but evidence is kept of it: from the first byte of a segment on, one frame header must stand where the one before
//! says, all with types, lengths, flags and streams as a client sends them; two header blocks at least must be those of
//! requests, as far as they are known, on streams that ascend; and the client must have received something between these
//! two. Four such frames are demanded, and the fifth is the first that is read. The body of an upload, even one that holds
//! frames of HTTP/2, is hardly ever cut so, and its server says nothing meanwhile; a WebSocket's frames begin otherwise.

use shadow_tcp::{Chunk, Direction};

use super::frame::{DEFAULT_MAX_FRAME, END_HEADERS, FrameHeader, HEADER, Kind, PADDED, PRIORITY, is_known};
use super::hpack::{Completeness, Decoder, FieldList};
use super::limits::FREE_TABLE;
use crate::field::is_token;
use crate::message::Limits;

/// Frames in a row that prove the next.
const FRAMES: u32 = 4;
/// Header blocks among them.
const BLOCKS: u32 = 2;
/// Requests among them that are told of.
const MAX_TOLD: usize = 64;

/// Evidence so far.
#[derive(Debug, Default)]
pub(super) struct Joining {
    trail: Option<Box<Trail>>,
}

/// Frames that follow one another.
#[derive(Debug)]
pub(super) struct Trail {
    /// Bytes up to where the next header begins.
    ahead: u64,
    /// A header that came in part.
    header: [u8; HEADER],
    have: usize,
    frames: u32,
    blocks: u32,
    /// The acknowledgment number with the first block.
    acknowledgment: u32,
    /// Whether a later block acknowledged more.
    heard: bool,
    /// The stream whose block goes on.
    block: Option<u32>,
    /// Streams that were opened, and the last of them.
    pub opened: Vec<u32>,
    pub highest: u32,
    pub decoder: Decoder,
}

impl Joining {
    /// Bytes are missing.
    pub fn gap(&mut self, direction: Direction) {
        if direction == Direction::Request {
            self.trail = None;
        }
    }

    /// The next bytes of the client: where in them a frame begins that is proved.
    pub fn push(
        &mut self,
        chunk: &Chunk<'_>,
        list: &mut FieldList,
        limits: &Limits,
    ) -> Option<(usize, Box<Trail>)> {
        if self.trail.is_none() && chunk.segment_start && may_begin(chunk.bytes) {
            self.trail = Some(Box::new(Trail::new()));
        }
        let mut trail = self.trail.take()?;
        let mut at = 0;
        loop {
            let left = chunk.bytes.len() - at;
            if trail.ahead >= left as u64 {
                trail.ahead -= left as u64;
                break;
            }
            at += trail.ahead as usize;
            trail.ahead = 0;
            if trail.is_proof() && trail.have == 0 && trail.next(&chunk.bytes[at..]).is_some() {
                return Some((at, trail));
            }
            let taken = (HEADER - trail.have).min(chunk.bytes.len() - at);
            trail.header[trail.have..trail.have + taken].copy_from_slice(&chunk.bytes[at..at + taken]);
            trail.have += taken;
            at += taken;
            if trail.have < HEADER {
                break;
            }
            trail.have = 0;
            let header = FrameHeader::parse(trail.header);
            let payload = chunk.bytes[at..].get(..header.length as usize);
            // What does not follow is none; another may begin with a later segment.
            trail.follow(&header, payload, chunk.acknowledgment, list, limits)?;
        }
        self.trail = Some(trail);
        None
    }
}

/// Whether a segment may begin with a frame header: text does not.
fn may_begin(bytes: &[u8]) -> bool {
    match bytes.first_chunk() {
        Some(header) => is_frame(&FrameHeader::parse(*header)),
        None => false,
    }
}

fn is_frame(header: &FrameHeader) -> bool {
    header.is_plain() && header.length <= DEFAULT_MAX_FRAME && is_known(header, Direction::Request, u32::MAX)
}

impl Trail {
    fn new() -> Self {
        Self {
            ahead: 0,
            header: [0; HEADER],
            have: 0,
            frames: 0,
            blocks: 0,
            acknowledgment: 0,
            heard: false,
            block: None,
            opened: Vec::new(),
            highest: 0,
            decoder: Decoder::joined(),
        }
    }

    fn is_proof(&self) -> bool {
        self.frames >= FRAMES && self.blocks >= BLOCKS && self.heard && self.block.is_none()
    }

    /// The frame header at the front of `bytes`, if it may follow.
    fn next(&self, bytes: &[u8]) -> Option<FrameHeader> {
        let header = FrameHeader::parse(*bytes.first_chunk()?);
        self.may_follow(&header).then_some(header)
    }

    fn may_follow(&self, header: &FrameHeader) -> bool {
        let fits = match self.block {
            Some(stream) => header.kind == Kind::Continuation && header.stream == stream,
            None => header.kind != Kind::Continuation,
        };
        let ascends = header.kind != Kind::Headers || header.stream > self.highest;
        let is_open = self.highest == 0 || is_known(header, Direction::Request, self.highest);
        fits && ascends && is_open && is_frame(header)
    }

    /// Takes a frame; `payload` where all of it is here.
    fn follow(
        &mut self,
        header: &FrameHeader,
        payload: Option<&[u8]>,
        acknowledgment: u32,
        list: &mut FieldList,
        limits: &Limits,
    ) -> Option<()> {
        if !self.may_follow(header) {
            return None;
        }
        let ends = header.has(END_HEADERS);
        match header.kind {
            Kind::Headers => {
                self.highest = header.stream;
                if self.opened.len() < MAX_TOLD {
                    self.opened.push(header.stream);
                }
                self.block = (!ends).then_some(header.stream);
                match payload.filter(|_| ends) {
                    Some(payload) => {
                        let block = fragment(header, payload)?;
                        self.block(block, acknowledgment, list, limits)?;
                    }
                    None => self.decoder.lost(),
                }
            }
            Kind::Continuation if ends => self.block = None,
            _ => {}
        }
        self.frames = self.frames.saturating_add(1);
        self.ahead = u64::from(header.length);
        Some(())
    }

    /// A whole header block.
    fn block(
        &mut self,
        block: &[u8],
        acknowledgment: u32,
        list: &mut FieldList,
        limits: &Limits,
    ) -> Option<()> {
        let decoded = self.decoder.decode(block, list, limits).ok()?;
        if self.decoder.memory() > FREE_TABLE {
            self.decoder.lost(); // Nobody charges it yet.
        }
        if decoded == Completeness::TooLarge || !is_request(list, decoded == Completeness::Whole) {
            return None;
        }
        if self.blocks == 0 {
            self.acknowledgment = acknowledgment;
        }
        self.blocks = self.blocks.saturating_add(1);
        self.heard |= acknowledgment.wrapping_sub(self.acknowledgment).cast_signed() > 0;
        Some(())
    }
}

/// The header block in the payload of HEADERS.
fn fragment<'a>(header: &FrameHeader, payload: &'a [u8]) -> Option<&'a [u8]> {
    let (padding, rest) = if header.has(PADDED) {
        let (length, rest) = payload.split_first()?;
        (usize::from(*length), rest)
    } else {
        (0, payload)
    };
    let rest = rest.get(if header.has(PRIORITY) { 5 } else { 0 }..)?;
    rest.get(..rest.len().checked_sub(padding)?)
}

/// Whether the fields that are known of a list are those of a request: its method, no pseudo-field twice or behind another
/// field, names in lower case; all that it needs, where all are known.
fn is_request(list: &FieldList, is_whole: bool) -> bool {
    let (mut method, mut path, mut scheme, mut others) = (0, 0, 0, false);
    for (name, value) in list.iter() {
        let fits = match name {
            b":method" => {
                method += 1;
                is_token(value)
            }
            b":path" => {
                path += 1;
                value.starts_with(b"/") || value == b"*"
            }
            b":scheme" => {
                scheme += 1;
                matches!(value, b"http" | b"https")
            }
            b":authority" => true,
            _ => {
                others = true;
                is_token(name) && !name.iter().any(u8::is_ascii_uppercase)
            }
        };
        if !fits || (others && name.starts_with(b":")) {
            return false;
        }
    }
    let needed = if is_whole {
        path == 1 && scheme == 1
    } else {
        path + scheme >= 1
    };
    method == 1 && path <= 1 && scheme <= 1 && needed
}
