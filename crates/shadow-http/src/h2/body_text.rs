//! The text of a body as it grows: its bytes, charged to the budget before there is room for them, and the moments at which its
//! parts came.

use std::mem::size_of;

use shadow_core::budget::Charge;
use shadow_core::time::Timestamp;

use super::limits::MAX_PIECES;
use crate::message::{Limits, Piece, Reject};

/// A body that is not whole yet.
#[derive(Debug)]
pub(super) struct BodyText {
    pub bytes: Vec<u8>,
    /// The moments of a call's parts.
    pub pieces: Vec<Piece>,
    /// For the capacity of both.
    pub charge: Charge,
}

impl BodyText {
    /// One without bytes, that charges to `charge`.
    pub fn new(charge: Charge) -> Self {
        Self {
            bytes: Vec::new(),
            pieces: Vec::new(),
            charge,
        }
    }

    /// Adds bytes. `most`: more than these will never come.
    pub fn append(&mut self, more: &[u8], most: usize, limits: &Limits) -> Result<(), Reject> {
        let needed = self.bytes.len() + more.len();
        // Places in a body are kept in 32 bits.
        if needed > limits.max_body.min(u32::MAX as usize) {
            return Err(Reject::BodyTooLarge);
        }
        if needed > self.bytes.capacity() {
            self.reserve(needed, most)?;
        }
        self.bytes.extend_from_slice(more);
        Ok(())
    }

    /// Makes room, twice as much each time; what a head announces is never reserved before it comes.
    fn reserve(&mut self, needed: usize, most: usize) -> Result<(), Reject> {
        let capacity = self.bytes.capacity();
        let mut then = capacity.saturating_mul(2).min(most).max(needed);
        if !self.charge.try_grow(then - capacity) {
            // Memory is scarce: only what is needed now.
            then = needed;
            if !self.charge.try_grow(then - capacity) {
                return Err(Reject::Memory);
            }
        }
        self.bytes.reserve_exact(then - self.bytes.len());
        Ok(())
    }

    /// Notes the moment at which the last bytes came.
    pub fn piece(&mut self, time: Timestamp) -> Result<(), Reject> {
        let end = self.bytes.len() as u32;
        let is_full = self.pieces.len() >= MAX_PIECES;
        if let Some(last) = self.pieces.last_mut()
            && (last.time == time || is_full)
        {
            last.end = end;
            return Ok(());
        }
        if self.pieces.len() == self.pieces.capacity() {
            let more = self.pieces.capacity().max(4);
            if !self.charge.try_grow(more * size_of::<Piece>()) {
                return Err(Reject::Memory);
            }
            self.pieces.reserve_exact(more);
        }
        self.pieces.push(Piece { end, time });
        Ok(())
    }

    /// The same moments, where they tell anything.
    pub fn take_pieces(&mut self) -> Option<Box<[Piece]>> {
        let pieces = std::mem::take(&mut self.pieces);
        (pieces.len() > 1).then(|| pieces.into_boxed_slice())
    }

    /// Its charge, for what is handed on and no more: its bytes, and `beside` them so many.
    pub fn settle(&mut self, beside: usize) -> Charge {
        self.bytes.shrink_to_fit();
        let mut charge = self.charge.take();
        charge.is_whole_now();
        let kept = beside + self.bytes.len();
        charge.shrink(charge.bytes().saturating_sub(kept));
        charge
    }
}

/// The line in front of a chunk.
pub(super) fn chunk_size(size: u32, line: &mut [u8; 10]) -> &[u8] {
    let digits = (u32::BITS - size.leading_zeros()).div_ceil(4).max(1) as usize;
    for (place, digit) in line.iter_mut().take(digits).enumerate() {
        let value = (size >> (4 * (digits - 1 - place))) & 0xf;
        *digit = b"0123456789abcdef"[value as usize];
    }
    line[digits..digits + 2].copy_from_slice(b"\r\n");
    &line[..digits + 2]
}
