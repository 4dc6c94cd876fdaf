//! The bytes that wait behind a hole of one direction: copied bytes in stream order, bounded and charged, and the FIN.

use std::collections::VecDeque;

use shadow_core::budget::Charge;
use shadow_core::time::Timestamp;

use super::stream::GapCause;

/// Most pieces that wait in one direction. A hostile sender can make pieces of one byte; a real one has
/// about a window of full segments behind a hole, 2,900 of them in 4 MiB.
pub(super) const MAX_PIECES: usize = 4096;

/// The cost of a piece beside its bytes, in the memory budget: its place in the queue, twice as the queue
/// doubles, and an allocation.
pub(super) const PIECE_OVERHEAD: usize = 2 * size_of::<Piece>() + 32;

/// Bytes of one segment, or the part of them that was new.
#[derive(Debug)]
pub(super) struct Piece {
    /// Position of the first byte.
    pub start: u64,
    /// The bytes; never empty.
    pub bytes: Box<[u8]>,
    /// When the segment was seen.
    pub time: Timestamp,
    /// Acknowledgment number of the segment.
    pub acknowledgment: u32,
    /// Whether the first byte is where the segment began.
    pub segment_start: bool,
}

impl Piece {
    /// Position behind the last byte.
    pub fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

/// Pieces that do not overlap, in stream order, all beyond the hole.
#[derive(Debug)]
pub(super) struct Waiting {
    pieces: VecDeque<Piece>,
    /// Bytes in `pieces`.
    bytes: usize,
    /// `bytes` and the overhead of `pieces`.
    charge: Charge,
    /// Position of the FIN, and when it was seen.
    fin: Option<(u64, Timestamp)>,
}

impl Waiting {
    pub fn new(charge: Charge) -> Self {
        Self {
            pieces: VecDeque::new(),
            bytes: 0,
            charge,
            fin: None,
        }
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.fin.is_none()
    }

    /// Where the first hole ends.
    pub fn start(&self) -> Option<u64> {
        self.pieces.front().map(|piece| piece.start).or(self.fin())
    }

    /// The furthest position known; 0 when nothing waits.
    pub fn end(&self) -> u64 {
        self.fin()
            .or(self.pieces.back().map(Piece::end))
            .unwrap_or_default()
    }

    /// Since when what ends the first hole waits.
    pub fn since(&self) -> Option<Timestamp> {
        self.pieces
            .front()
            .map(|piece| piece.time)
            .or(self.fin.map(|(_, time)| time))
    }

    /// Position of the FIN.
    pub fn fin(&self) -> Option<u64> {
        self.fin.map(|(position, _)| position)
    }

    /// Sets the FIN and drops what waits beyond it; returns how many bytes that were.
    pub fn set_fin(&mut self, position: u64, time: Timestamp) -> u64 {
        self.fin = Some((position, time));
        let before = self.bytes;
        while let Some(mut piece) = self.pieces.pop_back_if(|piece| piece.end() > position) {
            let len = piece.bytes.len();
            let keep = usize::try_from(position.saturating_sub(piece.start))
                .unwrap_or(usize::MAX)
                .min(len);
            self.bytes -= len - keep;
            self.charge.shrink(len - keep);
            if keep > 0 {
                piece.bytes = piece.bytes[..keep].into();
                self.pieces.push_back(piece);
            } else {
                self.charge.shrink(PIECE_OVERHEAD);
            }
        }
        (before - self.bytes) as u64
    }

    /// The first piece that holds `position` or starts behind it.
    pub fn at_or_after(&self, position: u64) -> Option<&Piece> {
        self.pieces
            .get(self.pieces.partition_point(|piece| piece.end() <= position))
    }

    /// Makes room for one piece of `len` bytes, or says which bound forbids it.
    pub fn reserve(&mut self, len: usize, max_bytes: usize) -> Result<(), GapCause> {
        if self.pieces.len() >= MAX_PIECES || self.bytes.saturating_add(len) > max_bytes {
            return Err(GapCause::Window);
        }
        if !self.charge.try_grow(len + PIECE_OVERHEAD) {
            return Err(GapCause::Memory);
        }
        Ok(())
    }

    /// Puts in a piece that room was reserved for and that overlaps none.
    pub fn insert(&mut self, piece: Piece) {
        self.bytes += piece.bytes.len();
        let index = self.pieces.partition_point(|held| held.start < piece.start);
        self.pieces.insert(index, piece);
    }

    /// Takes the first piece out if it starts at `next` and ends at `limit` or before. Its bytes are no
    /// longer charged: they are handed on and freed at once.
    pub fn take_next(&mut self, next: u64, limit: u64) -> Option<Piece> {
        let piece = self
            .pieces
            .pop_front_if(|piece| piece.start == next && piece.end() <= limit)?;
        self.bytes -= piece.bytes.len();
        self.charge.shrink(piece.bytes.len() + PIECE_OVERHEAD);
        Some(piece)
    }
}
