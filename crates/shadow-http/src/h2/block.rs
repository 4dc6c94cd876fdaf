//! A header block: what its frames have of it, kept only where it does not lie whole in a chunk.

use shadow_core::budget::Charge;

use super::origin::Origin;

/// A header block, from its HEADERS or `PUSH_PROMISE` to the end of its last CONTINUATION.
#[derive(Debug)]
pub(super) struct OpenBlock {
    pub stream: u32,
    pub end_stream: bool,
    /// The stream that it promises.
    pub promised: Option<u32>,
    pub origin: Origin,
    pub fate: Fate,
    pub bytes: Vec<u8>,
    pub charge: Charge,
    pub frames: u32,
}

/// Fate of a header block.
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

impl OpenBlock {
    pub fn append(&mut self, bytes: &[u8], most: usize) {
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
