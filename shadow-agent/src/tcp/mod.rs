//! TCP without IO: segments in, ordered bytes and gaps out.
//!
//! A segment comes from the ring, a capture file or a test alike; time comes in with it. The reassembler
//! trusts nothing: every length, order, overlap and sequence number may be hostile, and everything that is
//! kept is bounded by the global [`crate::budget::MemoryBudget`] and by counts of its own.

mod segment;
mod stream;

pub use segment::{Direction, Endpoint, FlowKey, Segment, TcpFlags};
pub use stream::{Chunk, Close, GapCause, Start, StreamHandler};
