//! The reader of a connection's HTTP/2, and the streams that it tells of.

use shadow_core::budget::MemoryBudget;
use shadow_core::time::Timestamp;
use shadow_http::Reject;
use shadow_http::h2::{Connection, Event, Join};
use shadow_tcp::{Chunk, Close, Direction, Stall};

use super::ledger::DropReason;
use super::open::Open;
use super::shard::Shard;
use super::streams::{Around, Streams};

/// The reader of a connection's HTTP/2, and its streams.
pub(super) struct Http2 {
    pub(super) reader: Connection,
    pub(super) streams: Streams,
    /// Whether the client's bytes are read here and nowhere else.
    pub(super) requests: bool,
    /// Whether the server's are.
    pub(super) answers: bool,
    /// Why requests are in doubt that begin where a frame was found by how bytes look; `None` where that is taken for
    /// good enough.
    doubt: Option<DropReason>,
}

impl Http2 {
    /// Read from there on.
    pub fn new(shard: &Shard, join: Join) -> Box<Self> {
        let mut reader = Connection::new(shard.limits, shard.track_response, join);
        if shard.allow_incomplete {
            reader = reader.with_incomplete();
        }
        Box::new(Self {
            reader,
            streams: Streams::new(shard.track_response, shard.live_calls),
            requests: false,
            answers: false,
            doubt: match join {
                _ if shard.resume => None,
                Join::MidStream => Some(DropReason::MidStream),
                Join::Preface | Join::Upgraded(_) => Some(DropReason::H2Gap),
            },
        })
    }

    /// Of a connection that may be HTTP/2 since before anything of it was seen.
    pub fn doubtful(shard: &Shard) -> Box<Self> {
        Self::new(shard, Join::MidStream)
    }

    /// Whether the bytes of a direction are read here and nowhere else.
    #[inline]
    pub fn reads(&self, direction: Direction) -> bool {
        match direction {
            Direction::Request => self.requests,
            Direction::Response => self.answers,
        }
    }

    /// Whether bytes of a message that is not whole are kept.
    pub fn holds(&self) -> bool {
        self.reader.holds()
    }

    /// Whether a request is kept back.
    #[inline]
    pub fn waits(&self) -> bool {
        self.streams.waits() || (self.streams.live_calls.is_some() && self.reader.has_calls())
    }

    pub fn push(&mut self, open: &mut Open, shard: &mut Shard, direction: Direction, chunk: Chunk<'_>) {
        if direction == Direction::Response {
            self.streams.hears();
        }
        self.streams.acts(direction == Direction::Request);
        self.read(open, shard, |reader, budget, mut sink| {
            reader.push(direction, chunk, budget, &mut sink);
        });
    }

    /// Bytes of a direction are lost.
    pub fn gap(&mut self, open: &mut Open, shard: &mut Shard, direction: Direction, bytes: u64) {
        self.streams.acts(direction == Direction::Request);
        self.read(open, shard, |reader, _, mut sink| {
            reader.gap(direction, bytes, &mut sink);
        });
    }

    /// Waits no longer for what is not whole.
    pub fn stalled(&mut self, open: &mut Open, shard: &mut Shard, why: Stall) {
        self.streams.acts(false);
        self.read(open, shard, |reader, _, mut sink| reader.stalled(why, &mut sink));
    }

    /// A direction, or the connection, ended.
    pub fn end(&mut self, open: &mut Open, shard: &mut Shard, direction: Direction, close: Close) {
        if direction == Direction::Request && close == Close::Finished {
            self.streams.client_ends(open);
        }
        self.streams.ends(open, Some(direction), close);
        self.read(open, shard, |reader, _, mut sink| {
            reader.end(direction, close, &mut sink);
        });
    }

    /// More shows of the server.
    pub fn server(&mut self, open: &mut Open, shard: &mut Shard) {
        self.streams.settle(&mut around(open, shard));
    }

    /// Looks at what is kept back and has waited, which must make room if all of it takes more than `room`.
    pub fn overdue(&mut self, open: &mut Open, shard: &mut Shard, now: Timestamp, room: usize) {
        self.streams.overdue(&mut around(open, shard), now, room);
        self.streams.doubt = if self.reader.is_certain() {
            None
        } else {
            self.doubt
        };
        self.streams
            .go_live_in_time(&mut around(open, shard), &mut self.reader, now);
    }

    /// The connection is over.
    pub fn close(mut self, open: &mut Open, shard: &mut Shard, close: Close) {
        for direction in [Direction::Request, Direction::Response] {
            self.end(open, shard, direction, close);
        }
        let why = match close {
            Close::Reset => Reject::Reset,
            Close::Shutdown => Reject::Shutdown,
            Close::Finished | Close::Idle | Close::Evicted | Close::Reused => Reject::Truncated,
        };
        let reset = close == Close::Reset;
        self.streams.ends(open, None, close);
        self.streams.close(&mut around(open, shard), reset, why);
    }

    fn read(
        &mut self,
        open: &mut Open,
        shard: &mut Shard,
        step: impl FnOnce(&mut Connection, &MemoryBudget, &mut dyn FnMut(Event)),
    ) {
        let Self { reader, streams, .. } = self;
        streams.doubt = if reader.is_certain() { None } else { self.doubt };
        let Shard {
            budget,
            pipeline,
            flows,
            ..
        } = shard;
        let mut around = Around {
            open,
            pipeline,
            flows,
        };
        step(reader, budget, &mut |event| streams.take(&mut around, event));
        if reader.client_leaves() {
            streams.client_ends(around.open);
        }
        if reader.server_speaks() {
            streams.speaks(&mut around);
        }
        streams.go_live_answered(&mut around, reader);
    }
}

fn around<'a>(open: &'a mut Open, shard: &'a mut Shard) -> Around<'a> {
    Around {
        open,
        pipeline: &mut shard.pipeline,
        flows: &mut shard.flows,
    }
}
