//! Frames of a [`Lane`]: what the payload of each means, as far as it matters.

use shadow_core::budget::MemoryBudget;

use super::block::{Block, BlockBytes, Fate, OpenBlock};
use super::frame::{ACK, DEFAULT_MAX_FRAME, END_HEADERS, END_STREAM, FrameHeader, Kind};
use super::lane::{Frame, FramePosition, Lane, Stage, Step};
use super::limits::MAX_BLOCK_FRAMES;

impl Lane {
    /// A frame begins.
    pub(super) fn frame(&mut self, header: FrameHeader, first: bool, budget: &MemoryBudget) -> Step {
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
        self.place = FramePosition::Frame(frame);
        if frame.left == 0 {
            return self.frame_ends(&frame, None);
        }
        Step::Nothing
    }

    /// Inside a frame.
    pub(super) fn content(&mut self, frame: &mut Frame, bytes: &[u8]) -> (usize, Step) {
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
                self.place = FramePosition::between();
                return Step::Reset { stream, code };
            }
            Kind::GoAway => {
                let last = word(0) & 0x7fff_ffff;
                frame.stage = Stage::Passing;
                if frame.left == 0 {
                    self.place = FramePosition::between();
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
                self.place = FramePosition::between();
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
            FramePosition::Frame(frame) if frame.left == 0 => Some(self.frame_ends(&frame, None)),
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
            self.place = FramePosition::between();
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
        self.place = FramePosition::between();
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
}
