//! Counters of the connection table: every connection it opened has an end, every payload byte a place.

use serde::Serialize;

/// Counts of one table (or several, see [`ConnectionCounters::add`]): the ledger's `connections` object.
///
/// Two equations hold at any moment:
///
/// ```text
/// opened = finished + reset + idle + evicted + reused + shutdown + open
/// bytes  = delivered_bytes + duplicate_bytes + out_of_window_bytes + after_fin_bytes + after_close_bytes
///        + unwatched_bytes + waiting_bytes
/// ```
///
/// `gap_bytes` stands beside the second: those bytes never came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ConnectionCounters {
    /// Connections that came into view.
    pub opened: u64,
    /// Of these, those whose SYN was not seen, or came on the ports of one that had not ended.
    pub mid_stream: u64,
    /// Connections with data that their server did not take in time, while its answers to others are seen.
    pub unanswered: u64,
    /// Connections of whose server nothing is seen here: taken as if it had answered.
    pub one_way: u64,
    /// Connections that ended with FIN in every watched direction.
    pub finished: u64,
    /// Connections that ended with RST.
    pub reset: u64,
    /// Connections forgotten because no segment came for the idle timeout.
    pub idle: u64,
    /// Connections forgotten because the table was full.
    pub evicted: u64,
    /// Connections ended by a new SYN on the same addresses and ports.
    pub reused: u64,
    /// Connections still open when the agent, or the capture file, ended, or when mirroring was paused.
    pub shutdown: u64,
    /// Connections open now.
    pub open: u64,
    /// Ended connections still remembered, so that their late segments do not look like a new one.
    pub lingering: u64,
    /// Segments pushed.
    pub segments: u64,
    /// Payload bytes pushed.
    pub bytes: u64,
    /// Payload bytes handed on in stream order.
    pub delivered_bytes: u64,
    /// Segments with data ahead of bytes that had not come yet.
    pub out_of_order: u64,
    /// Payload bytes that had been seen before.
    pub duplicate_bytes: u64,
    /// Overlaps whose bytes differed from the waiting ones; the first copy was kept. What was handed on
    /// already is not kept for comparing.
    pub conflicting_overlaps: u64,
    /// Segments with a sequence number the receiver cannot have taken, RST outside the window among them.
    pub out_of_window: u64,
    /// Payload bytes of those.
    pub out_of_window_bytes: u64,
    /// Payload bytes beyond their direction's FIN.
    pub after_fin_bytes: u64,
    /// Payload bytes that came late, for a connection that had ended.
    pub after_close_bytes: u64,
    /// Payload bytes that belong to no stream followed: of responses that are not watched, or in a RST.
    pub unwatched_bytes: u64,
    /// Payload bytes waiting behind a hole now.
    pub waiting_bytes: u64,
    /// Holes given up.
    pub gaps: u64,
    /// Bytes in these holes: they never came.
    pub gap_bytes: u64,
}

impl ConnectionCounters {
    /// Adds another table's counts.
    pub fn add(&mut self, other: &ConnectionCounters) {
        self.opened += other.opened;
        self.mid_stream += other.mid_stream;
        self.unanswered += other.unanswered;
        self.one_way += other.one_way;
        self.finished += other.finished;
        self.reset += other.reset;
        self.idle += other.idle;
        self.evicted += other.evicted;
        self.reused += other.reused;
        self.shutdown += other.shutdown;
        self.open += other.open;
        self.lingering += other.lingering;
        self.segments += other.segments;
        self.bytes += other.bytes;
        self.delivered_bytes += other.delivered_bytes;
        self.out_of_order += other.out_of_order;
        self.duplicate_bytes += other.duplicate_bytes;
        self.conflicting_overlaps += other.conflicting_overlaps;
        self.out_of_window += other.out_of_window;
        self.out_of_window_bytes += other.out_of_window_bytes;
        self.after_fin_bytes += other.after_fin_bytes;
        self.after_close_bytes += other.after_close_bytes;
        self.unwatched_bytes += other.unwatched_bytes;
        self.waiting_bytes += other.waiting_bytes;
        self.gaps += other.gaps;
        self.gap_bytes += other.gap_bytes;
    }

    /// Whether both equations hold.
    pub fn balanced(&self) -> bool {
        let ended =
            self.finished + self.reset + self.idle + self.evicted + self.reused + self.shutdown + self.open;
        let placed = self.delivered_bytes
            + self.duplicate_bytes
            + self.out_of_window_bytes
            + self.after_fin_bytes
            + self.after_close_bytes
            + self.unwatched_bytes
            + self.waiting_bytes;
        self.opened == ended && self.bytes == placed
    }
}
