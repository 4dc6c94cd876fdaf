//! The workplace of one call, beside the connection: where things are told, and buffers that all connections of a thread share.

use std::cell::Cell;

use shadow_core::budget::MemoryBudget;

use super::event::TlsEvent;
use super::limits::SessionLimits;
use super::record::MAX_BODY;
use super::store::SecretStore;

/// Buffers for records under way that a thread keeps for the next ones: as many as are likely to be under way at once.
const MAX_SPARE: usize = 16;

/// Largest buffer that is kept: one for the largest record, as it may have grown.
const MAX_KEPT: usize = 4 * MAX_BODY;

thread_local! {
    /// Taken during a call, so that a call from inside it finds none and makes its own.
    static BUFFERS: Cell<Buffers> = Cell::default();
}

/// Buffers that are used again, so that no record is allocated for.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    /// A record is opened in it.
    pub scratch: Vec<u8>,
    spare: Vec<Vec<u8>>,
}

impl Buffers {
    /// An empty buffer with room for `len` bytes.
    pub fn with_room(&mut self, len: usize) -> Vec<u8> {
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.reserve(len);
        buffer
    }

    /// Takes a buffer back.
    pub fn give_back(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < MAX_SPARE && (1..=MAX_KEPT).contains(&buffer.capacity()) {
            buffer.clear();
            self.spare.push(buffer);
        }
    }
}

/// The surroundings of a call.
pub(crate) struct Work<'a> {
    pub limits: &'a SessionLimits,
    /// It may have been open before its first byte was seen.
    pub mid_stream: bool,
    pub secrets: &'a SecretStore,
    pub budget: &'a MemoryBudget,
    pub sink: &'a mut dyn FnMut(TlsEvent<'_>),
    pub buffers: Buffers,
    /// How many things have come of both directions.
    pub arrival: u64,
    /// Something came that the other direction may have waited for.
    pub progress: bool,
    /// The other direction waits with something that came earlier.
    pub peer_waits: bool,
}

impl<'a> Work<'a> {
    pub fn new(
        limits: &'a SessionLimits,
        mid_stream: bool,
        secrets: &'a SecretStore,
        budget: &'a MemoryBudget,
        sink: &'a mut dyn FnMut(TlsEvent<'_>),
    ) -> Self {
        Self {
            limits,
            mid_stream,
            secrets,
            budget,
            sink,
            buffers: BUFFERS.take(),
            arrival: 0,
            progress: false,
            peer_waits: false,
        }
    }

    pub fn tell(&mut self, event: TlsEvent<'_>) {
        (self.sink)(event);
    }
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        BUFFERS.set(std::mem::take(&mut self.buffers));
    }
}
