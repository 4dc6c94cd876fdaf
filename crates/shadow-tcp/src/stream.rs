//! The contract between reassembly and whoever reads the streams.

use shadow_core::time::Timestamp;

use super::{Direction, FlowKey};

/// How a connection came into view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Its SYN was seen: the first byte of each direction is known.
    Syn,
    /// It was open already, or so it may be: bytes before the first seen segment are unknown.
    MidStream,
    /// A SYN came that the server may not have taken, on a connection that had not ended: whatever was known
    /// of it is not any more, nor what its client was waiting for.
    Doubtful,
}

/// In-order bytes of one direction, borrowed from one segment.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    /// The bytes; never empty.
    pub bytes: &'a [u8],
    /// Sequence number of `bytes[0]`.
    pub sequence: u32,
    /// Acknowledgment number of the segment they came in: how much of the other side's bytes the sender had
    /// received when it sent these.
    pub acknowledgment: u32,
    /// Whether `bytes[0]` is the first byte of a segment as its sender cut it.
    pub segment_start: bool,
    /// When that segment was seen.
    pub time: Timestamp,
}

/// Why bytes of a stream are missing for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapCause {
    /// They did not come within the gap timeout, while later ones had.
    Timeout,
    /// Too many bytes or pieces waited behind the hole (per-connection bound).
    Window,
    /// The global memory budget had no room for what waited behind the hole.
    Memory,
    /// The connection closed, or the agent ends, with the hole still open.
    Closing,
}

/// Why a connection leaves the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// FIN was seen in every watched direction.
    Finished,
    /// RST.
    Reset,
    /// No segment for the idle timeout.
    Idle,
    /// The connection table was full and this one had been quiet longest.
    Evicted,
    /// A new SYN on the same addresses and ports with another sequence number.
    Reused,
    /// The agent ends, or the capture file did.
    Shutdown,
}

/// A sign of a connection's server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerSign {
    /// Its part in the handshake was not seen so far: the connection may be forged.
    Awaited,
    /// It has taken the connection.
    Accepted,
    /// It has not taken the connection in time, and its answers to others are seen here.
    Silent,
    /// Nothing of what it sends is seen here.
    Unseen,
    /// It closes, or resets, the connection; it has received what the client sent before this sequence number.
    Closed(u32),
}

/// Why a message under way is not waited for any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stall {
    /// Nothing of it came for too long.
    Timeout,
    /// Nothing of it came for a while, and others need the memory.
    Memory,
}

/// A reader of one connection's streams. The table calls it in stream order; it is dropped after
/// [`StreamHandler::close`].
pub trait StreamHandler: Sized {
    /// The state that all connections of a shard share (ledger, outputs); handed to every call.
    type Context;

    /// A connection came into view with its first SYN or data segment at `time`.
    fn open(context: &mut Self::Context, flow: &FlowKey, start: Start, time: Timestamp) -> Self;

    /// The next bytes of `direction`. Called once per contiguous piece, not once per message.
    fn data(&mut self, context: &mut Self::Context, direction: Direction, chunk: Chunk<'_>);

    /// `bytes` bytes of `direction` will never come; the next [`StreamHandler::data`] continues behind them.
    fn gap(&mut self, context: &mut Self::Context, direction: Direction, bytes: u64, cause: GapCause);

    /// `direction` ended with FIN; all its bytes were delivered. The other direction may go on (half-close).
    fn finished(&mut self, context: &mut Self::Context, direction: Direction, time: Timestamp);

    /// Whether it keeps bytes of something that is not whole yet. Asked before and after each segment.
    fn holds(&self) -> bool;

    /// Nothing came for long, on a connection that [holds](StreamHandler::holds) bytes: it is to free them.
    /// The connection goes on.
    fn stalled(&mut self, context: &mut Self::Context, why: Stall);

    /// Something shows of the server. Without [`ServerSign::Awaited`] as the first, its part is not asked for.
    fn server(&mut self, _context: &mut Self::Context, _sign: ServerSign) {}

    /// The client has received the server's bytes before this sequence number. Told while it
    /// [waits](StreamHandler::waits).
    fn heard(&mut self, _context: &mut Self::Context, _sequence: u32) {}

    /// Whether it keeps something back until more shows of the server. Asked before and after each segment; the
    /// connection does not end by FIN meanwhile.
    fn waits(&self) -> bool {
        false
    }

    /// It has [waited](StreamHandler::waits) for [`ANSWER_TIMEOUT`](super::ANSWER_TIMEOUT), or others need the room. Told
    /// again after the same time.
    fn overdue(&mut self, _context: &mut Self::Context, _now: Timestamp) {}

    /// Whether it waits for something else than segments, which may come later than the connection's end: then it is kept
    /// until that has come, or [`FlowTable::shutdown`](super::FlowTable::shutdown).
    fn outlasts(&self) -> bool {
        false
    }

    /// Looks whether what it waited for besides segments has come, or its time is over:
    /// [`FlowTable::revisit`](super::FlowTable::revisit) was asked to. Also behind the connection's end.
    fn revisited(&mut self, _context: &mut Self::Context, _now: Timestamp) {}

    /// Whether all that is kept back takes too much room.
    fn is_crowded(_context: &Self::Context) -> bool {
        false
    }

    /// Bytes that were never seen before came behind the end of a connection.
    fn late(_context: &mut Self::Context, _flow: &FlowKey, _bytes: &[u8]) {}

    /// The connection is over. Called exactly once, last.
    fn close(self, context: &mut Self::Context, close: Close, time: Timestamp);
}
