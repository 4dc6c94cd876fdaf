//! Hands a recording to a session in pieces, and writes down what it tells.

use shadow_core::budget::MemoryBudget;
use shadow_core::time::Timestamp;
use shadow_tcp::{Chunk, Direction, GapCause};

use crate::{Secret, SecretStore, Session, SessionLimits, StoreLimits, TlsEvent, Unreadable};

/// A session and its events, with everything that it needs.
pub struct Listener {
    pub session: Option<Session>,
    pub store: SecretStore,
    pub budget: MemoryBudget,
    pub told: Told,
    /// Next sequence number of each direction.
    next: [u32; 2],
    pub now: Timestamp,
}

/// Events of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Plaintext of the client and of the server.
    pub inside: [Vec<u8>; 2],
    /// Plaintext of each record.
    pub records: [Vec<Vec<u8>>; 2],
    /// Whose data was told, where that changed.
    pub turns: Vec<Direction>,
    pub gaps: [u64; 2],
    pub lost: [u64; 2],
    pub finished: [bool; 2],
    pub alpn: Vec<Vec<u8>>,
    pub unreadable: Option<Unreadable>,
}

fn side(direction: Direction) -> usize {
    usize::from(direction == Direction::Response)
}

impl Told {
    /// Writes down an event, and checks what holds for all of them. `next` are the sequence numbers behind all bytes that came.
    fn note(&mut self, event: TlsEvent<'_>, next: [u32; 2]) {
        if !matches!(event, TlsEvent::RecordLost(..)) {
            assert_eq!(self.unreadable, None, "{event:?}");
        }
        match event {
            TlsEvent::Data(direction, chunk) => {
                let side = side(direction);
                assert!(!chunk.bytes.is_empty() && chunk.segment_start && !self.finished[side]);
                let end = chunk.sequence.wrapping_add(chunk.bytes.len() as u32);
                assert!(
                    next[side].wrapping_sub(end) < 1 << 31,
                    "{chunk:?} behind {next:?}"
                );
                self.inside[side].extend_from_slice(chunk.bytes);
                if self.turns.last() != Some(&direction) {
                    self.turns.push(direction);
                }
                self.records[side].push(chunk.bytes.to_vec());
            }
            TlsEvent::Gap(direction, bytes, _) => {
                assert!(bytes == u64::MAX && !self.finished[side(direction)]);
                self.gaps[side(direction)] += 1;
            }
            TlsEvent::Finished(direction) => {
                assert!(!std::mem::replace(&mut self.finished[side(direction)], true));
            }
            TlsEvent::Alpn(name) => self.alpn.push(name.to_vec()),
            TlsEvent::Unreadable(why) => self.unreadable = Some(why),
            TlsEvent::RecordLost(direction, records) => {
                assert!(records >= 1);
                self.lost[side(direction)] += records;
            }
        }
    }
}

impl Default for Listener {
    fn default() -> Self {
        Self::new(Session::new(SessionLimits::default()))
    }
}

impl Listener {
    pub fn new(session: Session) -> Self {
        Self {
            session: Some(session),
            store: SecretStore::new(StoreLimits::default()),
            budget: MemoryBudget::new(64 << 20),
            told: Told::default(),
            // The client's wrap.
            next: [u32::MAX - 100, 1000],
            now: Timestamp(1),
        }
    }

    pub fn insert(&mut self, secrets: &[Secret]) {
        for secret in secrets {
            self.store.insert(secret.clone(), self.now);
        }
    }

    pub fn data(&mut self, direction: Direction, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let sequence = self.next[side(direction)];
        let chunk = Chunk {
            bytes,
            sequence,
            acknowledgment: self.next[1 - side(direction)],
            segment_start: true,
            time: self.now,
        };
        self.next[side(direction)] = sequence.wrapping_add(bytes.len() as u32);
        self.call(|session, listener, sink| {
            session.data(direction, chunk, &listener.store, &listener.budget, sink);
        });
    }

    pub fn gap(&mut self, direction: Direction, bytes: usize) {
        let next = &mut self.next[side(direction)];
        *next = next.wrapping_add(bytes as u32);
        self.call(|session, listener, sink| {
            let (store, budget) = (&listener.store, &listener.budget);
            session.gap(direction, bytes as u64, GapCause::Timeout, store, budget, sink);
        });
    }

    pub fn finished(&mut self, direction: Direction) {
        self.call(|session, listener, sink| {
            session.finished(direction, listener.now, &listener.store, &listener.budget, sink);
        });
    }

    pub fn retry(&mut self, now: Timestamp) {
        self.now = now;
        self.call(|session, listener, sink| {
            session.retry(now, &listener.store, &listener.budget, sink);
        });
    }

    pub fn stalled(&mut self) {
        self.call(|session, _, sink| session.stalled(sink));
    }

    /// Ends the connection: nothing is kept any more.
    pub fn close(mut self) -> Told {
        let (told, next) = (&mut self.told, self.next);
        if let Some(session) = self.session.take() {
            session.close(&mut |event| told.note(event, next));
        }
        assert_eq!(self.budget.used(), 0);
        self.told
    }

    fn call(&mut self, call: impl FnOnce(&mut Session, &Self, &mut dyn FnMut(TlsEvent<'_>))) {
        let mut session = self.session.take().expect("open");
        let mut told = std::mem::take(&mut self.told);
        let next = self.next;
        call(&mut session, self, &mut |event| told.note(event, next));
        self.told = told;
        self.session = Some(session);
    }
}
