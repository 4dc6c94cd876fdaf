//! One connection.

use shadow_core::budget::MemoryBudget;
use shadow_core::time::Timestamp;
use shadow_tcp::{Chunk, Direction, GapCause};

use super::event::{TlsEvent, Unreadable};
use super::limits::SessionLimits;
use super::store::SecretStore;

/// Opens one connection.
#[derive(Debug)]
pub struct Session {
    limits: SessionLimits,
    unreadable: Option<Unreadable>,
}

impl Session {
    /// A connection whose first bytes come next.
    pub fn new(limits: SessionLimits) -> Self {
        Self {
            limits,
            unreadable: None,
        }
    }

    /// A connection that may have been open before its bytes could be seen: unless a `ClientHello` comes first, there
    /// is [no secret](Unreadable::NoSecret) of it.
    pub fn mid_stream(limits: SessionLimits) -> Self {
        Self::new(limits)
    }

    /// Takes the next bytes of `direction`.
    pub fn data(
        &mut self,
        _direction: Direction,
        _chunk: Chunk<'_>,
        _secrets: &SecretStore,
        _budget: &MemoryBudget,
        sink: &mut dyn FnMut(TlsEvent<'_>),
    ) {
        if self.unreadable.is_none() && self.limits.max_trials > 0 {
            self.unreadable = Some(Unreadable::NoSecret);
            sink(TlsEvent::Unreadable(Unreadable::NoSecret));
        }
    }

    /// `bytes` bytes of `direction` will never come.
    pub fn gap(
        &mut self,
        _direction: Direction,
        _bytes: u64,
        _cause: GapCause,
        _secrets: &SecretStore,
        _budget: &MemoryBudget,
        _sink: &mut dyn FnMut(TlsEvent<'_>),
    ) {
    }

    /// `direction` ended with FIN, at `time`; all its bytes came.
    pub fn finished(
        &mut self,
        _direction: Direction,
        _time: Timestamp,
        _secrets: &SecretStore,
        _budget: &MemoryBudget,
        _sink: &mut dyn FnMut(TlsEvent<'_>),
    ) {
    }

    /// Looks again for secrets that are waited for, and gives up what waited for too long. To be called while it
    /// [waits](Self::waits), when [`SecretStore::generation`] has grown and on ticks.
    pub fn retry(
        &mut self,
        _now: Timestamp,
        _secrets: &SecretStore,
        _budget: &MemoryBudget,
        _sink: &mut dyn FnMut(TlsEvent<'_>),
    ) {
    }

    /// Nothing came for long, or others need the memory: gives up all bytes that it [holds](Self::holds). The connection
    /// goes on.
    pub fn stalled(&mut self, _sink: &mut dyn FnMut(TlsEvent<'_>)) {}

    /// Whether records wait for their secret.
    pub fn waits(&self) -> bool {
        false
    }

    /// Whether it keeps bytes at all.
    pub fn holds(&self) -> bool {
        false
    }

    /// The connection is over: what still waits is given up and counted.
    pub fn close(self, _sink: &mut dyn FnMut(TlsEvent<'_>)) {}
}
