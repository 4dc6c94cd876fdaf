//! The bytes of a message that does not lie whole in one chunk, charged to the memory budget.

use bytes::Bytes;
use shadow_core::budget::{Charge, MemoryBudget};
use shadow_core::time::Timestamp;
use shadow_tcp::Chunk;

use super::body::BodyDecoder;
use super::head::HeadReader;
use super::message::{Framing, HeaderField};
use super::message_kind::{Next, Whole};

/// A message (or something too short to tell) with its bytes so far.
#[derive(Debug)]
pub(super) struct Buffered<L> {
    pub bytes: Vec<u8>,
    /// How many bytes more came than a head that was written anew ([`Self::replace`]) has.
    left_out: isize,
    /// The capacity of `bytes`, and this structure.
    charge: Charge,
    origin: Origin,
    last_byte: Timestamp,
    pub phase: Phase<L>,
}

/// The first byte of a message: when it came, and where in its stream it stood.
#[derive(Clone, Copy, Debug)]
struct Origin {
    time: Timestamp,
    sequence: u32,
    acknowledgment: u32,
}

impl Origin {
    fn of(chunk: &Chunk<'_>) -> Self {
        Self {
            time: chunk.time,
            sequence: chunk.sequence,
            acknowledgment: chunk.acknowledgment,
        }
    }
}

/// How much of it is known.
#[derive(Debug)]
pub(super) enum Phase<L> {
    /// Too short to tell what it is.
    Opening,
    /// Its head is not whole.
    Head(HeadReader<L>),
    /// Its head is, its body is not.
    Body { head: Head<L>, decoder: BodyDecoder },
}

/// A whole head, parsed.
#[derive(Debug)]
pub(super) struct Head<L> {
    pub line: L,
    /// Bytes of it, the empty line included.
    pub length: usize,
    pub headers: Vec<HeaderField>,
    pub framing: Framing,
    pub next: Next,
}

/// Longest message, in bytes, that has its place before all of it came. Most that lie in two segments are no longer: a head, and
/// a body behind it.
const SMALL: usize = 2048;

impl<L> Buffered<L> {
    /// Nothing yet of a message whose first byte is that of `chunk`.
    pub fn new(chunk: &Chunk<'_>, phase: Phase<L>, budget: &MemoryBudget) -> Self {
        Self {
            bytes: Vec::new(),
            left_out: 0,
            charge: budget.held_charge(),
            origin: Origin::of(chunk),
            last_byte: chunk.time,
            phase,
        }
    }

    /// Adds `more` bytes seen at `time` to a message that is expected to have `most` bytes or fewer. `false`, and
    /// nothing added, when the budget refuses. The buffer doubles, so that adding costs little however small the pieces;
    /// what a head announces is never reserved before it comes, but for a message that is [small](SMALL) by what it announces.
    #[must_use]
    pub fn append(&mut self, more: &[u8], most: usize, time: Timestamp) -> bool {
        let capacity = self.bytes.capacity();
        let needed = self.bytes.len().saturating_add(more.len());
        if needed > capacity {
            let begins_small = capacity == 0 && most <= SMALL;
            let wanted = if begins_small {
                most
            } else {
                capacity.saturating_mul(2)
            };
            let mut capacity_then = wanted.min(most).max(needed);
            let overhead = if capacity == 0 { size_of::<Self>() } else { 0 };
            if !self.charge.try_grow(capacity_then - capacity + overhead) {
                // Memory is scarce: only what is needed now.
                capacity_then = needed;
                if !self.charge.try_grow(capacity_then - capacity + overhead) {
                    return false;
                }
            }
            self.bytes.reserve_exact(capacity_then - self.bytes.len());
        }
        self.bytes.extend_from_slice(more);
        self.last_byte = time;
        true
    }

    /// Exchanges all its bytes. `false`, and nothing exchanged, when the budget refuses.
    #[must_use]
    pub fn replace(&mut self, bytes: Vec<u8>) -> bool {
        let (before, now) = (self.bytes.capacity(), bytes.capacity());
        if now > before && !self.charge.try_grow(now - before) {
            return false;
        }
        self.charge.shrink(before.saturating_sub(now));
        self.left_out = self.came().cast_signed() - bytes.len().cast_signed();
        self.bytes = bytes;
        true
    }

    /// Bytes that came: those it has, but for a head that was written anew.
    pub fn came(&self) -> usize {
        self.bytes.len().saturating_add_signed(self.left_out)
    }

    /// Where in its body it is, and what comes behind it; `None` unless its head is known.
    pub fn place_behind(&self) -> Option<(BodyDecoder, Next)> {
        match &self.phase {
            Phase::Body { head, decoder } => Some((*decoder, head.next)),
            Phase::Opening | Phase::Head(_) => None,
        }
    }

    /// All bytes as the message they are; `None` unless its head is known.
    pub fn complete(mut self) -> Option<Whole<L>> {
        let Phase::Body { head, .. } = self.phase else {
            return None;
        };
        self.bytes.shrink_to_fit();
        self.charge.is_whole_now();
        self.charge
            .shrink(self.charge.bytes().saturating_sub(self.bytes.len()));
        Some(head.with_bytes(self.bytes.into(), self.origin, self.last_byte, self.charge))
    }
}

impl<L> Head<L> {
    /// Bytes the whole message has at most, as far as its head says.
    pub fn most_bytes(&self) -> usize {
        match self.framing {
            Framing::None => self.length,
            Framing::Length(length) => {
                usize::try_from(length).map_or(usize::MAX, |body| self.length.saturating_add(body))
            }
            Framing::Chunked | Framing::Close => usize::MAX,
        }
    }

    /// The message of this head that `bytes` are, head and body.
    fn with_bytes(self, mut bytes: Bytes, origin: Origin, last_byte: Timestamp, charge: Charge) -> Whole<L> {
        // Splitting allocates; most requests have no body.
        let body = if bytes.len() > self.length {
            bytes.split_off(self.length)
        } else {
            Bytes::new()
        };
        Whole {
            line: self.line,
            head: bytes,
            body,
            headers: self.headers,
            framing: self.framing,
            first_byte: origin.time,
            last_byte,
            sequence: origin.sequence,
            acknowledgment: origin.acknowledgment,
            charge,
        }
    }
}

/// The message that `bytes`, the first of `chunk`, are: copied once, nothing held between. `None` when the
/// budget refuses.
pub(super) fn whole<L>(
    bytes: &[u8],
    head: Head<L>,
    chunk: &Chunk<'_>,
    budget: &MemoryBudget,
) -> Option<Whole<L>> {
    let mut charge = budget.charge();
    if !charge.try_grow(bytes.len()) {
        return None;
    }
    let bytes = Bytes::copy_from_slice(bytes);
    Some(head.with_bytes(bytes, Origin::of(chunk), chunk.time, charge))
}
