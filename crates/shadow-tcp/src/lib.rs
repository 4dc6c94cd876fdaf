//! TCP without IO: segments in, ordered bytes and gaps out.
//!
//! A segment comes from the ring, a capture file or a test alike; time comes in with it. The reassembler
//! trusts nothing: every length, order, overlap and sequence number may be hostile, and everything that is
//! kept is bounded by the global [`shadow_core::budget::MemoryBudget`] and by counts of its own.
//!
//! A segment's way: [`FlowTable`] finds its connection (`flow`), whose direction (`reassembler`) hands the
//! bytes to a [`StreamHandler`], at once or from behind a hole (`waiting`). Whether the server took the connection is told
//! beside them (`handshake`, `servers`).
#![forbid(unsafe_code)]

mod bpf_filter;
mod counters;
mod flow;
mod flow_hash;
mod handshake;
mod kept;
mod lingering;
#[cfg(test)]
mod properties;
mod reassembler;
mod segment;
mod seq;
mod servers;
mod settings;
mod stream;
mod table;
mod waiting;

pub use bpf_filter::{BpfFilter, FilterError, MAX_LENGTH as MAX_FILTER_LENGTH};
pub use counters::ConnectionCounters;
pub use segment::{Direction, Endpoint, FlowKey, Segment, TcpFlags};
pub use servers::{Expected, Servers};
pub use settings::ConnectionSettings;
pub use stream::{Chunk, Close, GapCause, ServerSign, Stall, Start, StreamHandler};
pub use table::{ANSWER_TIMEOUT, FlowTable};
