//! One direction of a connection, cut into what its frames mean: data, header blocks, resets. It reads the bytes where they
//! lie; kept are a frame header or a prefix that came in part, and a header block that does not lie whole in a chunk.

use shadow_core::budget::{Charge, MemoryBudget};
use shadow_core::time::Timestamp;
use shadow_tcp::Chunk;

use super::frame::{ACK, DEFAULT_MAX_FRAME, END_HEADERS, END_STREAM, FrameHeader, HEADER, Kind, PREFACE};
use super::hpack::Decoder;
use super::limits::{FREE_TABLE, MAX_BLOCK, MAX_BLOCK_FRAMES};
use super::search::Search;
use crate::message::Skip;

/// Frames as large as this are believed in without SETTINGS that allow them, where those may not have been seen.
const LONG_FRAME: u32 = 1 << 20;

/// One direction.
#[derive(Debug)]
pub(super) struct Lane {
    pub place: Place,
    pub decoder: Decoder,
    /// For what its table has beyond [`FREE_TABLE`].
    table: Option<Charge>,
    /// Whether frames of it may be missing: before it was joined, or in a hole.
    pub has_holes: bool,
    /// What it has shown of its side.
    pub signs: Signs,
    /// Times that its place was wrong.
    pub false_places: u32,
    /// Largest frame that the other side said it takes.
    pub max_frame: u32,
    /// The header block under way.
    pub block: Option<OpenBlock>,
    /// Most bytes of one.
    max_block: usize,
    /// Where the frame under way began.
    pub origin: Origin,
}

#[derive(Debug)]
pub(super) enum Place {
    /// So many bytes into the preface.
    Preface(usize),
    /// In a frame header; or, with nothing of it, between frames. The first frame has to be SETTINGS.
    Header {
        bytes: [u8; HEADER],
        have: usize,
        first: bool,
    },
    Frame(Frame),
    /// Looking for a place at which a frame begins.
    Lost(Box<Search>),
    /// Nothing more is read.
    Rest(Skip),
}

/// A frame whose header was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub header: FrameHeader,
    /// Bytes of the payload that are still to come, padding included.
    left: u32,
    /// Of them, padding; known behind the prefix.
    padding: u32,
    /// Bytes of the prefix, or of a setting.
    scratch: [u8; 10],
    have: usize,
    stage: Stage,
    /// Nothing of its content came yet.
    untouched: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Prefix,
    Content,
    /// Its content means nothing, or a part of it was lost.
    Passing,
}

/// A header block, from its HEADERS or `PUSH_PROMISE` to the end of its last CONTINUATION.
#[derive(Debug)]
pub(super) struct OpenBlock {
    pub stream: u32,
    pub end_stream: bool,
    /// The stream that it promises.
    pub promised: Option<u32>,
    pub origin: Origin,
    pub fate: Fate,
    bytes: Vec<u8>,
    charge: Charge,
    frames: u32,
}

/// What became of a header block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Whole,
    /// A part of it was lost.
    Lost,
    /// It was too long to keep.
    TooLong,
    /// It came in too many frames.
    Flood,
    /// The budget had no room for it.
    Memory,
    /// It was given up, and that was told.
    Told,
}

/// Where something began.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Origin {
    pub time: Timestamp,
    pub sequence: u32,
    pub acknowledgment: u32,
}

/// The bytes of a block that is whole.
#[derive(Debug)]
pub(super) enum BlockBytes {
    /// They are these of the bytes given.
    Here(usize, usize),
    Kept(Vec<u8>),
    /// It is not to be decoded.
    None,
}

/// A header block that has ended.
#[derive(Debug)]
pub(super) struct Block {
    pub stream: u32,
    pub end_stream: bool,
    pub promised: Option<u32>,
    pub origin: Origin,
    pub fate: Fate,
    pub bytes: BlockBytes,
}

/// A part of what a direction says.
#[derive(Debug)]
pub(super) enum Step {
    /// Nothing that means anything.
    Nothing,
    /// The bytes given up to `end` are data.
    Data {
        stream: u32,
        /// With the first of a frame: how many bytes of data it has.
        size: Option<u32>,
        end: usize,
        /// Whether these are the last of the frame.
        last: bool,
    },
    /// A DATA frame with `END_STREAM` has ended.
    End(u32),
    Block(Block),
    Reset {
        stream: u32,
        code: Option<u32>,
    },
    GoAway(u32),
    MaxFrame(u32),
    /// So many bytes may be a frame, or not.
    Unknown(Skip),
    /// A frame whose place was not known begins here; these streams were opened in the frames before it.
    Found(Vec<u32>),
    /// It is not as RFC 9113 has it, which ends the connection.
    Violation,
}

/// What a direction has shown of the side that sends it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Signs {
    /// A frame of it was read.
    pub speaks: bool,
    /// It acknowledged the other side's SETTINGS.
    pub acknowledges: bool,
    /// It said goodbye (`GOAWAY`).
    pub leaves: bool,
}

/// What a hole costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    Nothing,
    /// This stream.
    Stream(u32),
    /// Where frames begin, and every stream whose frames may be in the hole.
    Place,
}

impl Lane {
    pub fn new(place: Place, max_head: usize) -> Self {
        let has_holes = matches!(place, Place::Lost(_));
        Self {
            place,
            decoder: if has_holes {
                Decoder::joined()
            } else {
                Decoder::new()
            },
            table: None,
            has_holes,
            signs: Signs::default(),
            false_places: 0,
            max_frame: DEFAULT_MAX_FRAME,
            block: None,
            max_block: max_head.max(MAX_BLOCK),
            origin: Origin::default(),
        }
    }

    /// Reads on in the bytes of `chunk`, which are not none: how many were taken, and what they say.
    pub fn step(
        &mut self,
        chunk: &Chunk<'_>,
        budget: &MemoryBudget,
        knows: &impl Fn(&FrameHeader) -> bool,
    ) -> (usize, Step) {
        match &mut self.place {
            Place::Preface(have) => {
                let expected = &PREFACE[*have..];
                let taken = expected.len().min(chunk.bytes.len());
                if chunk.bytes[..taken] != expected[..taken] {
                    return (0, Step::Violation);
                }
                *have += taken;
                if *have == PREFACE.len() {
                    self.place = Place::first_frame();
                }
                (taken, Step::Nothing)
            }
            Place::Header { bytes, have, first } => {
                if *have == 0 {
                    self.origin = Origin::of(chunk);
                }
                let taken = (HEADER - *have).min(chunk.bytes.len());
                bytes[*have..*have + taken].copy_from_slice(&chunk.bytes[..taken]);
                *have += taken;
                if *have < HEADER {
                    return (taken, Step::Nothing);
                }
                let (header, first) = (FrameHeader::parse(*bytes), *first);
                // Where the place may be wrong, more is asked of a frame.
                let fits =
                    !self.has_holes || (header.length <= self.max_frame.max(LONG_FRAME) && knows(&header));
                let step = if fits {
                    self.frame(header, first, budget)
                } else {
                    Step::Violation
                };
                (taken, step)
            }
            Place::Frame(frame) => {
                let mut frame = *frame;
                let (taken, step) = self.content(&mut frame, chunk.bytes);
                if let Place::Frame(kept) = &mut self.place {
                    *kept = frame;
                }
                (taken, step)
            }
            Place::Lost(search) => match search.step(chunk, self.max_frame, knows) {
                Some((taken, opened)) => {
                    self.place = Place::between();
                    (taken, Step::Found(opened))
                }
                None => (chunk.bytes.len(), Step::Unknown(Skip::AfterGap)),
            },
            Place::Rest(why) => (chunk.bytes.len(), Step::Unknown(*why)),
        }
    }

    /// A frame begins.
    fn frame(&mut self, header: FrameHeader, first: bool, budget: &MemoryBudget) -> Step {
        let is_block = matches!(header.kind, Kind::Headers | Kind::PushPromise);
        let fits = match &self.block {
            // Nothing may come between the frames of a block (RFC 9113 section 4.3).
            Some(block) => header.kind == Kind::Continuation && header.stream == block.stream,
            None => header.kind != Kind::Continuation,
        };
        if !header.is_valid() || !fits || (first && (header.kind != Kind::Settings || header.has(ACK))) {
            return Step::Violation;
        }
        self.signs.speaks = true;
        self.signs.acknowledges |= header.kind == Kind::Settings && header.has(ACK);
        self.signs.leaves |= header.kind == Kind::GoAway;
        if is_block {
            self.block = Some(OpenBlock {
                stream: header.stream,
                end_stream: header.kind == Kind::Headers && header.has(END_STREAM),
                promised: (header.kind == Kind::PushPromise).then_some(0),
                origin: self.origin,
                fate: Fate::Whole,
                bytes: Vec::new(),
                charge: budget.held().charge(),
                frames: 0,
            });
        }
        if let Some(block) = &mut self.block {
            block.frames = block.frames.saturating_add(1);
            if block.frames > MAX_BLOCK_FRAMES {
                block.give_up(Fate::Flood);
            }
        }
        let frame = Frame {
            header,
            left: header.length,
            padding: 0,
            scratch: [0; 10],
            have: 0,
            stage: if header.prefix() > 0 {
                Stage::Prefix
            } else if matches!(
                header.kind,
                Kind::Data | Kind::Headers | Kind::Continuation | Kind::Settings
            ) {
                Stage::Content
            } else {
                Stage::Passing
            },
            untouched: true,
        };
        self.place = Place::Frame(frame);
        if frame.left == 0 {
            return self.frame_ends(&frame, None);
        }
        Step::Nothing
    }

    /// Inside a frame.
    fn content(&mut self, frame: &mut Frame, bytes: &[u8]) -> (usize, Step) {
        match frame.stage {
            Stage::Prefix => {
                let prefix = frame.header.prefix() as usize;
                let taken = (prefix - frame.have).min(bytes.len());
                frame.scratch[frame.have..frame.have + taken].copy_from_slice(&bytes[..taken]);
                frame.have += taken;
                frame.left -= taken as u32;
                if frame.have < prefix {
                    return (taken, Step::Nothing);
                }
                let step = self.behind_prefix(frame);
                (taken, step)
            }
            Stage::Content if frame.header.kind == Kind::Data => self.data(frame, bytes),
            Stage::Content if frame.header.kind == Kind::Settings => self.setting(frame, bytes),
            Stage::Content => self.fragment(frame, bytes),
            Stage::Passing => {
                let taken = (frame.left as usize).min(bytes.len());
                frame.left -= taken as u32;
                let step = if frame.left == 0 {
                    self.frame_ends(frame, None)
                } else {
                    Step::Nothing
                };
                (taken, step)
            }
        }
    }

    fn behind_prefix(&mut self, frame: &mut Frame) -> Step {
        let word = |at: usize| {
            let mut word = [0; 4];
            word.copy_from_slice(&frame.scratch[at..at + 4]);
            u32::from_be_bytes(word)
        };
        if frame.header.is_padded() {
            frame.padding = u32::from(frame.scratch[0]);
            if frame.padding > frame.left {
                return Step::Violation;
            }
        }
        match frame.header.kind {
            Kind::RstStream => {
                let (stream, code) = (frame.header.stream, Some(word(0)));
                self.place = Place::between();
                return Step::Reset { stream, code };
            }
            Kind::GoAway => {
                let last = word(0) & 0x7fff_ffff;
                frame.stage = Stage::Passing;
                if frame.left == 0 {
                    self.place = Place::between();
                }
                return Step::GoAway(last);
            }
            Kind::PushPromise => {
                let promised = word(usize::from(frame.header.is_padded())) & 0x7fff_ffff;
                if let Some(block) = &mut self.block {
                    block.promised = Some(promised);
                }
            }
            _ => {}
        }
        frame.stage = Stage::Content;
        if frame.left == frame.padding {
            frame.stage = Stage::Passing;
        }
        if frame.left == 0 {
            return self.frame_ends(frame, None);
        }
        Step::Nothing
    }

    fn data(&mut self, frame: &mut Frame, bytes: &[u8]) -> (usize, Step) {
        let size = frame.left - frame.padding;
        let taken = (size as usize).min(bytes.len());
        let first = std::mem::take(&mut frame.untouched);
        frame.left -= taken as u32;
        let last = taken == size as usize;
        if last {
            // What ends the stream is the end of the frame: told when these were taken.
            frame.stage = Stage::Passing;
            if frame.left == 0 && !frame.header.has(END_STREAM) {
                self.place = Place::between();
            }
        }
        let step = Step::Data {
            stream: frame.header.stream,
            size: first.then_some(size),
            end: taken,
            last,
        };
        (taken, step)
    }

    /// Whether a frame has ended whose end is still to be told, for which no more bytes come.
    pub fn pending_end(&mut self) -> Option<Step> {
        match self.place {
            Place::Frame(frame) if frame.left == 0 => Some(self.frame_ends(&frame, None)),
            _ => None,
        }
    }

    fn setting(&mut self, frame: &mut Frame, bytes: &[u8]) -> (usize, Step) {
        let taken = (6 - frame.have).min(bytes.len());
        frame.scratch[frame.have..frame.have + taken].copy_from_slice(&bytes[..taken]);
        frame.have += taken;
        frame.left -= taken as u32;
        if frame.have < 6 {
            return (taken, Step::Nothing);
        }
        frame.have = 0;
        if frame.left == 0 {
            self.place = Place::between();
        }
        let [i1, i2, v1, v2, v3, v4, ..] = frame.scratch;
        let value = u32::from_be_bytes([v1, v2, v3, v4]);
        let step = match u16::from_be_bytes([i1, i2]) {
            // SETTINGS_MAX_FRAME_SIZE (section 6.5.2).
            5 if (DEFAULT_MAX_FRAME..1 << 24).contains(&value) => Step::MaxFrame(value),
            5 => Step::Violation,
            _ => Step::Nothing,
        };
        (taken, step)
    }

    /// A part of a header block.
    fn fragment(&mut self, frame: &mut Frame, bytes: &[u8]) -> (usize, Step) {
        let length = (frame.left - frame.padding) as usize;
        let first = std::mem::take(&mut frame.untouched);
        let Some(block) = &mut self.block else {
            return (0, Step::Violation); // `frame` lets none begin without one.
        };
        let is_here = first && block.frames == 1 && frame.header.has(END_HEADERS);
        if is_here && frame.left as usize <= bytes.len() && block.fate == Fate::Whole {
            let taken = frame.left as usize;
            frame.left = 0;
            return (taken, self.frame_ends(frame, Some((0, length))));
        }
        let taken = length.min(bytes.len());
        block.append(&bytes[..taken], self.max_block);
        frame.left -= taken as u32;
        if frame.left == frame.padding {
            frame.stage = Stage::Passing;
        }
        let step = if frame.left == 0 {
            self.frame_ends(frame, None)
        } else {
            Step::Nothing
        };
        (taken, step)
    }

    /// All bytes of a frame were taken.
    fn frame_ends(&mut self, frame: &Frame, here: Option<(usize, usize)>) -> Step {
        self.place = Place::between();
        let header = frame.header;
        match header.kind {
            Kind::Data if header.has(END_STREAM) => Step::End(header.stream),
            Kind::RstStream => Step::Reset {
                stream: header.stream,
                code: None,
            },
            Kind::Headers | Kind::PushPromise | Kind::Continuation if header.has(END_HEADERS) => {
                let Some(block) = self.block.take() else {
                    return Step::Nothing;
                };
                let bytes = match (block.fate, here) {
                    (Fate::Whole, Some((start, end))) => BlockBytes::Here(start, end),
                    (Fate::Whole, None) => BlockBytes::Kept(block.bytes),
                    _ => BlockBytes::None,
                };
                Step::Block(Block {
                    stream: block.stream,
                    end_stream: block.end_stream,
                    promised: block.promised,
                    origin: block.origin,
                    fate: block.fate,
                    bytes,
                })
            }
            _ => Step::Nothing,
        }
    }

    /// So many bytes are lost.
    pub fn gap(&mut self, bytes: u64) -> Loss {
        match &mut self.place {
            Place::Rest(_) => Loss::Nothing,
            Place::Lost(search) => {
                search.start_over();
                Loss::Nothing
            }
            Place::Frame(frame) if bytes <= u64::from(frame.left) => {
                frame.left -= bytes as u32;
                let (header, behind) = (frame.header, frame.stage == Stage::Passing);
                // The padding's length may be among what was lost.
                frame.stage = Stage::Passing;
                match header.kind {
                    // Of padding nothing is needed.
                    Kind::Data if !behind => Loss::Stream(header.stream),
                    Kind::Headers | Kind::PushPromise | Kind::Continuation if !behind => {
                        if let Some(block) = &mut self.block {
                            block.give_up(Fate::Lost);
                        }
                        Loss::Nothing
                    }
                    _ => Loss::Nothing,
                }
            }
            _ => Loss::Place,
        }
    }

    /// Whether nothing more is read.
    pub fn is_at_rest(&self) -> bool {
        matches!(self.place, Place::Rest(_))
    }

    /// Where frames begin is not known any more, nor what the table holds.
    pub fn lose(&mut self) {
        self.has_holes = true;
        self.forget();
        self.place = Place::Lost(Box::default());
    }

    /// Nothing more is read.
    pub fn rest(&mut self, why: Skip) {
        self.forget();
        self.place = Place::Rest(why);
    }

    fn forget(&mut self) {
        self.forget_table();
        self.block = None;
    }

    /// A header block was lost, and with it what the table holds.
    pub fn forget_table(&mut self) {
        self.decoder.lost();
        self.table = None;
    }

    /// Charges what the decoder's table holds, or forgets it.
    pub fn charge_table(&mut self, budget: &MemoryBudget) {
        let charged = self.decoder.memory().saturating_sub(FREE_TABLE);
        if charged == 0 {
            self.table = None;
            return;
        }
        let charge = self.table.get_or_insert_with(|| budget.charge());
        charge.shrink(charge.bytes().saturating_sub(charged));
        if !charge.try_grow(charged - charge.bytes()) {
            self.forget_table();
        }
    }
}

impl Place {
    /// Between two frames.
    pub fn between() -> Self {
        Self::Header {
            bytes: [0; HEADER],
            have: 0,
            first: false,
        }
    }

    /// Before the first frame.
    pub fn first_frame() -> Self {
        Self::Header {
            bytes: [0; HEADER],
            have: 0,
            first: true,
        }
    }
}

impl OpenBlock {
    fn append(&mut self, bytes: &[u8], most: usize) {
        if self.fate != Fate::Whole {
            return;
        }
        let needed = self.bytes.len() + bytes.len();
        if needed > most {
            return self.give_up(Fate::TooLong);
        }
        if needed > self.bytes.capacity() {
            let capacity = needed.max(self.bytes.capacity() * 2).min(most);
            if !self.charge.try_grow(capacity - self.bytes.capacity()) {
                return self.give_up(Fate::Memory);
            }
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Frees what was kept of it.
    pub fn give_up(&mut self, fate: Fate) {
        if self.fate != Fate::Told {
            self.fate = fate;
        }
        self.bytes = Vec::new();
        self.charge.shrink(self.charge.bytes());
    }
}

impl Origin {
    pub fn of(chunk: &Chunk<'_>) -> Self {
        Self {
            time: chunk.time,
            sequence: chunk.sequence,
            acknowledgment: chunk.acknowledgment,
        }
    }
}
