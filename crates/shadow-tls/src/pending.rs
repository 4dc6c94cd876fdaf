//! What came of a direction while its next record waits: copied, charged, in order.

use std::collections::VecDeque;

use shadow_core::budget::{Charge, MemoryBudget};
use shadow_core::time::Timestamp;
use shadow_tcp::{Chunk, GapCause};

use super::event::Unreadable;

/// What came.
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

    /// What is left of it.
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

/// Charged for each entry beside its bytes: its place in the queue, twice as the queue doubles, and an allocation.
const OVERHEAD: usize = 2 * size_of::<Input>() + 32;

/// Everything that waits in one direction.
#[derive(Default)]
pub(crate) struct Pending {
    inputs: VecDeque<Input>,
    charge: Option<Charge>,
}

impl Pending {
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// Puts a copy of `chunk` last; `most` bytes may wait in all.
    pub fn push(&mut self, chunk: &Chunk<'_>, budget: &MemoryBudget, most: usize) -> Result<(), Refusal> {
        self.take_room(chunk.bytes.len(), budget, most)?;
        self.inputs.push_back(Input::Bytes(Piece::of(chunk)));
        Ok(())
    }

    /// Puts a gap or FIN last.
    pub fn push_mark(&mut self, mark: Input, budget: &MemoryBudget, most: usize) -> Result<(), Refusal> {
        self.take_room(0, budget, most)?;
        self.inputs.push_back(mark);
        Ok(())
    }

    /// Takes the first.
    pub fn pop(&mut self) -> Option<Input> {
        let input = self.inputs.pop_front()?;
        let bytes = match &input {
            Input::Bytes(piece) => piece.bytes.len(),
            Input::Gap(..) | Input::Fin => 0,
        };
        if let Some(charge) = &mut self.charge {
            charge.shrink(bytes + OVERHEAD);
        }
        if self.inputs.is_empty() {
            *self = Self::default();
        }
        Some(input)
    }

    /// Puts back what [`pop`](Self::pop) took.
    pub fn put_back(&mut self, input: Input, budget: &MemoryBudget) -> Result<(), Refusal> {
        let bytes = match &input {
            Input::Bytes(piece) => piece.bytes.len(),
            Input::Gap(..) | Input::Fin => 0,
        };
        self.take_room(bytes, budget, usize::MAX)?;
        self.inputs.push_front(input);
        Ok(())
    }

    /// Puts a copy of `chunk` first.
    pub fn push_first(&mut self, chunk: &Chunk<'_>, budget: &MemoryBudget) -> Result<(), Refusal> {
        self.take_room(chunk.bytes.len(), budget, usize::MAX)?;
        self.inputs.push_front(Input::Bytes(Piece::of(chunk)));
        Ok(())
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

/// Why something cannot wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    TooMuch,
    Memory,
}

impl Refusal {
    /// What becomes of the connection; `in_vain` when it waited for too much.
    pub fn verdict(self, in_vain: Unreadable) -> Unreadable {
        match self {
            Self::TooMuch => in_vain,
            Self::Memory => Unreadable::Memory,
        }
    }
}
