//! One captured connection's reader: what is plain goes to [`ProductionConnection`] as it is, and what is TLS by way of its
//! [`Tls`], where it is asked for to read that.
//!
//! Which of the two it is shows in its first bytes, behind a header of the PROXY protocol if there is one. Without TLS
//! to be read nothing is looked at.

use shadow_core::time::Timestamp;
use shadow_tcp::{Chunk, Close, Direction, FlowKey, GapCause, ServerSign, Stall, Start, StreamHandler};

use super::connection::ProductionConnection;
use super::shard::Shard;
use super::tls::Tls;

/// The stream handler of one captured connection.
pub struct CapturedConnection {
    inner: ProductionConnection,
    layer: Layer,
}

/// Kind of its bytes.
enum Layer {
    /// Requests and answers as they are, or nothing that is read.
    Plain,
    /// Nothing came so far that tells; the first bytes of the connection are still to come, or were never seen, or are lost.
    Unread(Next),
    /// TLS.
    Tls(Box<Tls>),
}

/// Which bytes of it come next.
#[derive(Clone, Copy)]
enum Next {
    /// Its first.
    OfConnection,
    /// Any.
    Any,
    /// Those behind lost ones.
    BehindGap,
}

impl CapturedConnection {
    /// Reads bytes of one direction that are requests or answers, or TLS.
    fn read(&mut self, shard: &mut Shard, direction: Direction, chunk: Chunk<'_>) {
        if let Layer::Unread(first) = self.layer {
            if let Some(tls) = self.recognise(shard, first, chunk.bytes) {
                self.layer = Layer::Tls(tls);
            } else if direction == Direction::Request {
                self.layer = Layer::Plain;
            }
        }
        match &mut self.layer {
            Layer::Tls(tls) => tls.data(&mut self.inner, shard, direction, chunk),
            _ if direction == Direction::Request => self.inner.requests(shard, chunk),
            _ => self.inner.data(shard, direction, chunk),
        }
    }

    /// The connection's TLS, if this is how it begins.
    fn recognise(&mut self, shard: &mut Shard, first: Next, bytes: &[u8]) -> Option<Box<Tls>> {
        let begins = match first {
            // A handshake record, as far as one byte tells: no request begins with it.
            Next::OfConnection => matches!(bytes, [0x16] | [0x16, 0x03, ..]),
            Next::Any | Next::BehindGap => is_record(bytes),
        };
        if !begins {
            return None;
        }
        self.inner.begins_tls(shard);
        match first {
            Next::OfConnection => Tls::begin(shard, &self.inner),
            Next::Any => Tls::mid_stream(shard, &self.inner),
            Next::BehindGap => Tls::behind_gap(shard, &mut self.inner),
        }
    }
}

/// Whether a record of TLS seems to begin here (RFC 8446 section 5.1, RFC 5246 section 6.2).
fn is_record(bytes: &[u8]) -> bool {
    const LONGEST: u16 = (1 << 14) + 2048;
    match *bytes {
        [0x14..=0x17, 0x03, 0..=4, high, low, ..] => (1..=LONGEST).contains(&u16::from_be_bytes([high, low])),
        _ => false,
    }
}

impl StreamHandler for CapturedConnection {
    type Context = Shard;

    fn open(shard: &mut Shard, flow: &FlowKey, start: Start, time: Timestamp) -> Self {
        let layer = match start {
            _ if shard.tls.is_none() || ProductionConnection::is_left_out(shard, flow) => Layer::Plain,
            Start::Syn => Layer::Unread(Next::OfConnection),
            Start::MidStream | Start::Doubtful => Layer::Unread(Next::Any),
        };
        Self {
            inner: ProductionConnection::open(shard, flow, start, time),
            layer,
        }
    }

    #[inline]
    fn data(&mut self, shard: &mut Shard, direction: Direction, chunk: Chunk<'_>) {
        if let Layer::Plain = self.layer {
            return self.inner.data(shard, direction, chunk);
        }
        let chunk = match direction {
            Direction::Request => self.inner.behind_front(shard, chunk),
            Direction::Response => Some(chunk),
        };
        if let Some(chunk) = chunk {
            self.read(shard, direction, chunk);
        }
    }

    fn gap(&mut self, shard: &mut Shard, direction: Direction, bytes: u64, cause: GapCause) {
        match &mut self.layer {
            Layer::Tls(tls) => return tls.gap(&mut self.inner, shard, direction, bytes, cause),
            Layer::Unread(first @ Next::OfConnection) => *first = Next::BehindGap,
            Layer::Unread(_) | Layer::Plain => {}
        }
        self.inner.gap(shard, direction, bytes, cause);
    }

    fn finished(&mut self, shard: &mut Shard, direction: Direction, time: Timestamp) {
        match &mut self.layer {
            Layer::Tls(tls) => tls.finished(&mut self.inner, shard, direction, time),
            _ => self.inner.finished(shard, direction, time),
        }
    }

    fn server(&mut self, shard: &mut Shard, sign: ServerSign) {
        self.inner.server(shard, sign);
    }

    fn heard(&mut self, shard: &mut Shard, sequence: u32) {
        self.inner.heard(shard, sequence);
    }

    #[inline]
    fn waits(&self) -> bool {
        self.inner.waits()
    }

    fn overdue(&mut self, shard: &mut Shard, now: Timestamp) {
        self.inner.overdue(shard, now);
    }

    fn outlasts(&self) -> bool {
        matches!(&self.layer, Layer::Tls(tls) if tls.waits())
    }

    fn revisited(&mut self, shard: &mut Shard, now: Timestamp) {
        if let Layer::Tls(tls) = &mut self.layer {
            tls.retry(&mut self.inner, shard, now);
        }
    }

    #[inline]
    fn is_crowded(shard: &Shard) -> bool {
        ProductionConnection::is_crowded(shard)
    }

    fn late(shard: &mut Shard, flow: &FlowKey, bytes: &[u8]) {
        ProductionConnection::late(shard, flow, bytes);
    }

    #[inline]
    fn holds(&self) -> bool {
        let tls = match &self.layer {
            Layer::Tls(tls) => tls.holds(),
            Layer::Plain | Layer::Unread(_) => false,
        };
        tls || self.inner.holds()
    }

    fn stalled(&mut self, shard: &mut Shard, why: Stall) {
        if let Layer::Tls(tls) = &mut self.layer {
            tls.stalled(&mut self.inner, shard);
        }
        self.inner.stalled(shard, why);
    }

    fn close(self, shard: &mut Shard, close: Close, time: Timestamp) {
        match self.layer {
            Layer::Tls(tls) => tls.close(self.inner, shard, close, time),
            Layer::Plain | Layer::Unread(_) => self.inner.close(shard, close, time),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_told_by_its_header() {
        assert!(is_record(&[0x17, 3, 3, 0, 23, 1]));
        assert!(is_record(&[0x16, 3, 1, 2, 0]));
        for other in [
            &b"GET / HTTP/1.1\r\n"[..],
            &[0x17, 3, 3, 0],
            &[0x17, 3, 3, 0, 0],
            &[0x18, 3, 3, 0, 23],
            &[0x17, 2, 3, 0, 23],
            &[0x17, 3, 5, 0, 23],
            &[0x17, 3, 3, 0x48, 1],
        ] {
            assert!(!is_record(other), "{other:?}");
        }
    }
}
