//! Pending bytes of a direction whose next record waits: copied, charged, in order.

use std::collections::VecDeque;

use shadow_core::budget::{Charge, MemoryBudget};
use shadow_core::time::Timestamp;
use shadow_tcp::{Chunk, GapCause};

use super::event::Unreadable;

/// A piece that came.
pub(crate) enum Input {
    Bytes(Piece),
    Gap(u64, GapCause),
    Fin,
}

/// A chunk that was copied; what was taken of it stands before `start`.
pub(crate) struct Piece {
    bytes: Vec<u8>,
    start: usize,
    end: u32,
    acknowledgment: u32,
    time: Timestamp,
}

impl Piece {
    fn of(chunk: &Chunk<'_>) -> Self {
        Self {
            bytes: chunk.bytes.to_vec(),
            start: 0,
            end: chunk.sequence.wrapping_add(chunk.bytes.len() as u32),
            acknowledgment: chunk.acknowledgment,
            time: chunk.time,
        }
    }

    /// The rest of it.
    pub fn chunk(&self) -> Chunk<'_> {
        let bytes = &self.bytes[self.start..];
        Chunk {
            bytes,
            sequence: self.end.wrapping_sub(bytes.len() as u32),
            acknowledgment: self.acknowledgment,
            segment_start: false,
            time: self.time,
        }
    }

    /// Notes that all but the last `left` bytes were taken.
    pub fn keep_last(&mut self, left: usize) {
        self.start = self.bytes.len().saturating_sub(left);
    }
}

/// A piece that came, and its turn among all that came of both directions.
type Entry = (u64, Input);

/// Charged for each entry beside its bytes: its place in the queue, twice as the queue doubles, and an allocation.
const OVERHEAD: usize = 2 * size_of::<Entry>() + 32;

/// Everything that waits in one direction.
#[derive(Default)]
pub(crate) struct Pending {
    inputs: VecDeque<Entry>,
    charge: Option<Charge>,
}

impl Pending {
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// When the first came.
    pub fn arrival(&self) -> Option<u64> {
        self.inputs.front().map(|(arrival, _)| *arrival)
    }

    /// Puts a copy of `chunk` last; `most` bytes may wait in all.
    pub fn push(
        &mut self,
        arrival: u64,
        chunk: &Chunk<'_>,
        budget: &MemoryBudget,
        most: usize,
    ) -> Result<(), Refusal> {
        self.take_room(chunk.bytes.len(), budget, most)?;
        self.inputs.push_back((arrival, Input::Bytes(Piece::of(chunk))));
        Ok(())
    }

    /// Puts a gap or FIN last.
    pub fn push_mark(
        &mut self,
        arrival: u64,
        mark: Input,
        budget: &MemoryBudget,
        most: usize,
    ) -> Result<(), Refusal> {
        self.take_room(0, budget, most)?;
        self.inputs.push_back((arrival, mark));
        Ok(())
    }

    /// Puts a copy of `chunk` first.
    pub fn push_first(
        &mut self,
        arrival: u64,
        chunk: &Chunk<'_>,
        budget: &MemoryBudget,
    ) -> Result<(), Refusal> {
        self.take_room(chunk.bytes.len(), budget, usize::MAX)?;
        self.inputs.push_front((arrival, Input::Bytes(Piece::of(chunk))));
        Ok(())
    }

    /// Takes the first, whose room it keeps: it is [put back](Self::put_back) or [done](Self::done).
    pub fn pop(&mut self) -> Option<Entry> {
        self.inputs.pop_front()
    }

    /// Puts back what [`pop`](Self::pop) took.
    pub fn put_back(&mut self, entry: Entry) {
        self.inputs.push_front(entry);
    }

    /// Gives back the room of what [`pop`](Self::pop) took.
    pub fn done(&mut self, (_, input): &Entry) {
        if let Some(charge) = &mut self.charge {
            charge.shrink(input.bytes() + OVERHEAD);
        }
        if self.inputs.is_empty() {
            *self = Self::default();
        }
    }

    fn take_room(&mut self, bytes: usize, budget: &MemoryBudget, most: usize) -> Result<(), Refusal> {
        let charge = self.charge.get_or_insert_with(|| budget.held().charge());
        if charge.bytes().saturating_add(bytes) > most {
            return Err(Refusal::TooMuch);
        }
        if charge.try_grow(bytes + OVERHEAD) {
            Ok(())
        } else {
            Err(Refusal::Memory)
        }
    }
}

impl Input {
    /// Bytes that it keeps.
    fn bytes(&self) -> usize {
        match self {
            Self::Bytes(piece) => piece.bytes.len(),
            Self::Gap(..) | Self::Fin => 0,
        }
    }
}

/// Why something cannot wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    TooMuch,
    Memory,
}

impl Refusal {
    /// Decides about the connection; `in_vain` when it waited for too much.
    pub fn verdict(self, in_vain: Unreadable) -> Unreadable {
        match self {
            Self::TooMuch => in_vain,
            Self::Memory => Unreadable::Memory,
        }
    }
}
