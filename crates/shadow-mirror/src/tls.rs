//! The TLS of one connection: its records in, and what is inside of them to the [`ProductionConnection`] that reads it as if it had come
//! plain.
//!
//! Plaintext carries the numbers of the segments that its records came in, behind which the server has received them: so
//! what is known of the server, and of the other direction, by such numbers means the same as without TLS.

use shadow_core::budget::MemoryBudget;
use shadow_core::time::Timestamp;
use shadow_http::UNKNOWN_LENGTH;
use shadow_tcp::{Chunk, Close, Direction, Endpoint, FlowKey, GapCause, StreamHandler};
use shadow_tls::{SecretStore, Session, SessionLimits, TlsEvent, Unreadable};

use super::connection::ProductionConnection;
use super::shard::Shard;

/// The TLS of one connection.
pub(super) struct Tls {
    session: Session,
    secrets: SecretStore,
    budget: MemoryBudget,
    /// The addresses on the packets, by which the table knows the connection.
    key: FlowKey,
    /// Whether it stands among those that wait for secrets.
    listed: bool,
    told: TlsEvents,
}

/// Events of its session.
struct TlsEvents {
    server: Endpoint,
    /// Something was opened.
    opened: bool,
    unreadable: Option<Unreadable>,
    /// Bytes of the client, as received, while nothing was opened.
    unopened: u64,
    /// When the latest bytes were seen.
    time: Timestamp,
}

type Sink<'a> = &'a mut dyn FnMut(TlsEvent<'_>);

impl Tls {
    /// A connection whose first bytes come next. `None` where TLS is not read.
    pub fn begin(shard: &Shard, inner: &ProductionConnection) -> Option<Box<Self>> {
        Self::of(shard, inner, Session::new)
    }

    /// A connection that may have been open before its bytes could be seen.
    pub fn mid_stream(shard: &Shard, inner: &ProductionConnection) -> Option<Box<Self>> {
        Self::of(shard, inner, Session::mid_stream)
    }

    /// A connection whose first bytes are lost.
    pub fn behind_gap(shard: &mut Shard, inner: &mut ProductionConnection) -> Option<Box<Self>> {
        let mut tls = Self::begin(shard, inner)?;
        tls.gap(inner, shard, Direction::Request, 1, GapCause::Timeout);
        Some(tls)
    }

    fn of(
        shard: &Shard,
        inner: &ProductionConnection,
        session: fn(SessionLimits) -> Session,
    ) -> Option<Box<Self>> {
        let reading = shard.tls.as_ref()?;
        let key = inner.wire_key();
        let limits = SessionLimits {
            expected: reading.limits.expected || reading.served.contains(&key.server),
            answers: shard.track_response,
            ..reading.limits
        };
        Some(Box::new(Self {
            session: session(limits),
            secrets: reading.secrets.clone(),
            budget: shard.budget.clone(),
            key,
            listed: false,
            told: TlsEvents {
                server: key.server,
                opened: false,
                unreadable: None,
                unopened: 0,
                time: Timestamp::default(),
            },
        }))
    }

    /// The next bytes of a direction.
    pub fn data(
        &mut self,
        inner: &mut ProductionConnection,
        shard: &mut Shard,
        direction: Direction,
        chunk: Chunk<'_>,
    ) {
        self.told.time = chunk.time;
        if direction == Direction::Request && !self.told.counts(shard, chunk.bytes.len() as u64) {
            return;
        }
        self.with_session(inner, shard, |session, secrets, budget, sink| {
            session.data(direction, chunk, secrets, budget, sink);
        });
        self.list(shard);
    }

    /// Bytes of a direction are lost.
    pub fn gap(
        &mut self,
        inner: &mut ProductionConnection,
        shard: &mut Shard,
        direction: Direction,
        bytes: u64,
        cause: GapCause,
    ) {
        self.with_session(inner, shard, |session, secrets, budget, sink| {
            session.gap(direction, bytes, cause, secrets, budget, sink);
        });
        self.list(shard);
    }

    /// A direction ended by FIN.
    pub fn finished(
        &mut self,
        inner: &mut ProductionConnection,
        shard: &mut Shard,
        direction: Direction,
        time: Timestamp,
    ) {
        self.told.time = time;
        self.with_session(inner, shard, |session, secrets, budget, sink| {
            session.finished(direction, time, secrets, budget, sink);
        });
    }

    /// Looks again for the secrets that it waits for; what has waited for too long is given up.
    pub fn retry(&mut self, inner: &mut ProductionConnection, shard: &mut Shard, now: Timestamp) {
        self.listed = false;
        if self.session.waits() {
            self.with_session(inner, shard, |session, secrets, budget, sink| {
                session.retry(now, secrets, budget, sink);
            });
        }
        self.list(shard);
    }

    /// Frees everything that is held.
    pub fn stalled(&mut self, inner: &mut ProductionConnection, shard: &mut Shard) {
        self.with_session(inner, shard, |session, _, _, sink| session.stalled(sink));
    }

    /// Whether records wait for their secret.
    pub fn waits(&self) -> bool {
        self.session.waits()
    }

    /// Whether bytes are kept.
    pub fn holds(&self) -> bool {
        self.session.holds()
    }

    /// The connection is over: what still waits is given up.
    pub fn close(
        mut self,
        mut inner: ProductionConnection,
        shard: &mut Shard,
        close: Close,
        time: Timestamp,
    ) {
        if self.session.waits() {
            self.retry(&mut inner, shard, time);
        }
        let Self {
            session, mut told, ..
        } = self;
        session.close(&mut |event| told.take(&mut inner, shard, event));
        inner.close(shard, close, time);
    }

    fn with_session(
        &mut self,
        inner: &mut ProductionConnection,
        shard: &mut Shard,
        step: impl FnOnce(&mut Session, &SecretStore, &MemoryBudget, Sink<'_>),
    ) {
        let Self {
            session,
            secrets,
            budget,
            told,
            ..
        } = self;
        step(session, secrets, budget, &mut |event| {
            told.take(inner, shard, event);
        });
    }

    /// Enters it among those that wait for secrets, if it does.
    #[inline]
    fn list(&mut self, shard: &mut Shard) {
        if !self.listed
            && self.session.waits()
            && let Some(reading) = &mut shard.tls
        {
            self.listed = true;
            reading.waiting.push(self.key);
        }
    }
}

impl TlsEvents {
    /// Counts bytes of the client; `false` when they are passed over.
    #[inline]
    fn counts(&mut self, shard: &mut Shard, bytes: u64) -> bool {
        if let Some(why) = self.unreadable {
            shard.pipeline.counters.skip_unreadable(bytes, why);
            return false;
        }
        if !self.opened {
            self.unopened += bytes;
        }
        true
    }

    fn take(&mut self, inner: &mut ProductionConnection, shard: &mut Shard, event: TlsEvent<'_>) {
        match event {
            TlsEvent::Data(direction, chunk) => {
                if !self.opened {
                    self.opened = true;
                    self.unopened = 0;
                    shard.pipeline.counters.tls += 1;
                    if let Some(reading) = &mut shard.tls {
                        reading.opened_of(self.server);
                    }
                }
                inner.data(shard, direction, chunk);
            }
            TlsEvent::Gap(direction, bytes, cause) => inner.gap(shard, direction, bytes, cause),
            TlsEvent::Finished(direction) => inner.finished(shard, direction, self.time),
            // HTTP/2 is told by its preface, which also a server must get that was not asked for a protocol.
            TlsEvent::Alpn(_) => {}
            TlsEvent::RecordLost(_, records) => shard.pipeline.counters.tls_records_lost += records,
            TlsEvent::Unreadable(why) => {
                self.unreadable = Some(why);
                let counters = &mut shard.pipeline.counters;
                counters.unreadable(why);
                counters.skip_unreadable(std::mem::take(&mut self.unopened), why);
                for direction in [Direction::Request, Direction::Response] {
                    inner.gap(shard, direction, UNKNOWN_LENGTH, GapCause::Closing);
                }
            }
        }
    }
}
