//! One direction of a connection, cut into what its frames mean: data, header blocks, resets. It reads the bytes where they
//! lie; kept are a frame header or a prefix that came in part, and a header block that does not lie whole in a chunk. Here is
//! where frames begin and what a hole costs; what stands in them is read in `payload`.

use shadow_core::budget::{Charge, MemoryBudget};
use shadow_tcp::Chunk;

use super::block::{Block, Fate, OpenBlock};
use super::frame::{DEFAULT_MAX_FRAME, FrameHeader, HEADER, Kind, PREFACE};
use super::hpack::Decoder;
use super::limits::{FREE_TABLE, MAX_BLOCK};
use super::origin::Origin;
use super::search::Search;
use crate::message::Skip;

/// Frames as large as this are believed in without SETTINGS that allow them, where those may not have been seen.
const LONG_FRAME: u32 = 1 << 20;

/// One direction.
#[derive(Debug)]
pub(super) struct Lane {
    pub place: FramePosition,
    pub decoder: Decoder,
    /// For what its table has beyond [`FREE_TABLE`].
    table: Option<Charge>,
    /// Whether frames of it may be missing: before it was joined, or in a hole.
    pub has_holes: bool,
    /// Signs of its side.
    pub signs: Signs,
    /// Times that its place was wrong.
    pub false_places: u32,
    /// Largest frame that the other side said it takes.
    pub max_frame: u32,
    /// The header block under way.
    pub block: Option<OpenBlock>,
    /// Most bytes of one.
    pub max_block: usize,
    /// Where the frame under way began.
    pub origin: Origin,
}

#[derive(Debug)]
pub(super) enum FramePosition {
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
    pub left: u32,
    /// Of them, padding; known behind the prefix.
    pub padding: u32,
    /// Bytes of the prefix, or of a setting.
    pub scratch: [u8; 10],
    pub have: usize,
    pub stage: Stage,
    /// Nothing of its content came yet.
    pub untouched: bool,
}

/// How far a frame was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Prefix,
    Content,
    /// Its content means nothing, or a part of it was lost.
    Passing,
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

/// Signs that a direction has shown of the side that sends it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Signs {
    /// A frame of it was read.
    pub speaks: bool,
    /// It acknowledged the other side's SETTINGS.
    pub acknowledges: bool,
    /// It said goodbye (`GOAWAY`).
    pub leaves: bool,
}

/// Cost of a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    Nothing,
    /// This stream.
    Stream(u32),
    /// Where frames begin, and every stream whose frames may be in the hole.
    Place,
}

impl Lane {
    pub fn new(place: FramePosition, max_head: usize) -> Self {
        let has_holes = matches!(place, FramePosition::Lost(_));
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
            FramePosition::Preface(have) => {
                let expected = &PREFACE[*have..];
                let taken = expected.len().min(chunk.bytes.len());
                if chunk.bytes[..taken] != expected[..taken] {
                    return (0, Step::Violation);
                }
                *have += taken;
                if *have == PREFACE.len() {
                    self.place = FramePosition::first_frame();
                }
                (taken, Step::Nothing)
            }
            FramePosition::Header { bytes, have, first } => {
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
            FramePosition::Frame(frame) => {
                let mut frame = *frame;
                let (taken, step) = self.content(&mut frame, chunk.bytes);
                if let FramePosition::Frame(kept) = &mut self.place {
                    *kept = frame;
                }
                (taken, step)
            }
            FramePosition::Lost(search) => match search.step(chunk, self.max_frame, knows) {
                Some((taken, opened)) => {
                    self.place = FramePosition::between();
                    (taken, Step::Found(opened))
                }
                None => (chunk.bytes.len(), Step::Unknown(Skip::AfterGap)),
            },
            FramePosition::Rest(why) => (chunk.bytes.len(), Step::Unknown(*why)),
        }
    }

    /// So many bytes are lost.
    pub fn gap(&mut self, bytes: u64) -> Loss {
        match &mut self.place {
            FramePosition::Rest(_) => Loss::Nothing,
            FramePosition::Lost(search) => {
                search.start_over();
                Loss::Nothing
            }
            FramePosition::Frame(frame) if bytes <= u64::from(frame.left) => {
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
        matches!(self.place, FramePosition::Rest(_))
    }

    /// Where frames begin is not known any more, nor what the table holds.
    pub fn lose(&mut self) {
        self.has_holes = true;
        self.forget();
        self.place = FramePosition::Lost(Box::default());
    }

    /// Nothing more is read.
    pub fn rest(&mut self, why: Skip) {
        self.forget();
        self.place = FramePosition::Rest(why);
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

impl FramePosition {
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
