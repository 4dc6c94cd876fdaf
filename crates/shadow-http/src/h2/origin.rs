//! Where something began on a connection.

use shadow_core::time::Timestamp;
use shadow_tcp::Chunk;

/// Where something began.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Origin {
    pub time: Timestamp,
    pub sequence: u32,
    pub acknowledgment: u32,
}

impl Origin {
    pub fn of(chunk: &Chunk<'_>) -> Self {
        Self {
            time: chunk.time,
            sequence: chunk.sequence,
            acknowledgment: chunk.acknowledgment,
        }
    }
}
