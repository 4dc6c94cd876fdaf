//! One connection: both directions, and what they learn from each other.

use std::fmt;

use shadow_core::budget::MemoryBudget;
use shadow_core::time::Timestamp;
use shadow_tcp::{Chunk, Direction, GapCause};

use super::event::{TlsEvent, Unreadable};
use super::handshake::Handshake;
use super::lane::{Lane, in_vain};
use super::limits::{SessionLimits, StoreLimits};
use super::sealed::Wait;
use super::store::SecretStore;
use super::work::Work;

/// Opens one connection.
pub struct Session {
    limits: SessionLimits,
    mid_stream: bool,
    /// The store's generation when secrets were last looked for again.
    looked: u64,
    /// `None` when it is unreadable.
    open: Option<Box<Open>>,
}

/// A connection that may be read.
struct Open {
    handshake: Handshake,
    client: Lane,
    server: Lane,
    /// How many things have come.
    arrivals: u64,
}

impl Session {
    /// A connection whose first bytes come next.
    pub fn new(limits: SessionLimits) -> Self {
        let open = Open {
            handshake: Handshake::default(),
            client: Lane::new(Direction::Request),
            server: Lane::new(Direction::Response),
            arrivals: 0,
        };
        Self {
            limits,
            mid_stream: false,
            looked: 0,
            open: Some(Box::new(open)),
        }
    }

    /// A connection that may have been open before its bytes could be seen: unless a `ClientHello` comes first, there
    /// is [no secret](Unreadable::NoSecret) of it.
    pub fn mid_stream(limits: SessionLimits) -> Self {
        Self {
            mid_stream: true,
            ..Self::new(limits)
        }
    }

    /// Takes the next bytes of `direction`.
    #[inline]
    pub fn data(
        &mut self,
        direction: Direction,
        chunk: Chunk<'_>,
        secrets: &SecretStore,
        budget: &MemoryBudget,
        sink: &mut dyn FnMut(TlsEvent<'_>),
    ) {
        let now = chunk.time;
        self.work(secrets, budget, sink, |open, work| {
            let (lane, handshake) = open.next_of(direction, work);
            lane.data(handshake, work, chunk)?;
            open.go_on(work, now)
        });
    }

    /// `bytes` bytes of `direction` will never come.
    pub fn gap(
        &mut self,
        direction: Direction,
        bytes: u64,
        cause: GapCause,
        secrets: &SecretStore,
        budget: &MemoryBudget,
        sink: &mut dyn FnMut(TlsEvent<'_>),
    ) {
        self.work(secrets, budget, sink, |open, work| {
            let (lane, handshake) = open.next_of(direction, work);
            lane.gap(handshake, work, bytes, cause)?;
            open.share(work)
        });
    }

    /// `direction` ended with FIN, at `time`; all its bytes came.
    pub fn finished(
        &mut self,
        direction: Direction,
        time: Timestamp,
        secrets: &SecretStore,
        budget: &MemoryBudget,
        sink: &mut dyn FnMut(TlsEvent<'_>),
    ) {
        self.work(secrets, budget, sink, |open, work| {
            let (lane, handshake) = open.next_of(direction, work);
            lane.finished(handshake, work)?;
            open.go_on(work, time)
        });
    }

    /// Looks again for secrets that are waited for, and gives up what waited for too long. To be called while it
    /// [waits](Self::waits), when [`SecretStore::generation`] has grown and on ticks.
    pub fn retry(
        &mut self,
        now: Timestamp,
        secrets: &SecretStore,
        budget: &MemoryBudget,
        sink: &mut dyn FnMut(TlsEvent<'_>),
    ) {
        // Before they are looked for: what comes meanwhile is for the next time.
        let looked = std::mem::replace(&mut self.looked, secrets.generation());
        self.work(secrets, budget, sink, |open, work| {
            if looked != work.secrets.generation()
                && work.secrets.has_newer(looked, |of| open.handshake.is(of))
            {
                open.resume(work)?;
            }
            open.go_on(work, now)
        });
    }

    /// Nothing came for long, or others need the memory: gives up all bytes that it [holds](Self::holds). The connection
    /// goes on, unless they are of its handshake or wait for a secret.
    pub fn stalled(&mut self, sink: &mut dyn FnMut(TlsEvent<'_>)) {
        self.without_secrets(sink, |open, work| {
            if matches!(open.handshake, Handshake::Offered(_) | Handshake::Retried(_)) {
                return Err(Unreadable::HandshakeLost);
            }
            open.server.release(&mut open.handshake, work)?;
            open.client.release(&mut open.handshake, work)
        });
    }

    /// Whether records wait for their secret, or for the other direction's part of the handshake.
    #[inline]
    pub fn waits(&self) -> bool {
        let waits = |open: &Open| open.client.waits().is_some() || open.server.waits().is_some();
        self.open.as_ref().is_some_and(|open| waits(open))
    }

    /// Whether it keeps bytes at all.
    #[inline]
    pub fn holds(&self) -> bool {
        let holds = |open: &Open| {
            open.client.holds()
                || open.server.holds()
                || matches!(open.handshake, Handshake::Offered(_) | Handshake::Retried(_))
        };
        self.open.as_ref().is_some_and(|open| holds(open))
    }

    /// The connection is over: what still waits is given up and counted.
    pub fn close(mut self, sink: &mut dyn FnMut(TlsEvent<'_>)) {
        self.without_secrets(sink, |open, work| {
            let waits = open.waits();
            open.server.close(&mut open.handshake, work);
            open.client.close(&mut open.handshake, work);
            waits.map_or(Ok(()), |(_, wait)| Err(in_vain(wait, &open.handshake, work)))
        });
    }

    #[inline]
    fn work(
        &mut self,
        secrets: &SecretStore,
        budget: &MemoryBudget,
        sink: &mut dyn FnMut(TlsEvent<'_>),
        step: impl FnOnce(&mut Open, &mut Work<'_>) -> Result<(), Unreadable>,
    ) {
        let Some(open) = &mut self.open else { return };
        let mut work = Work::new(&self.limits, self.mid_stream, secrets, budget, sink);
        if let Err(why) = step(open, &mut work) {
            work.tell(TlsEvent::Unreadable(why));
            self.open = None;
        }
    }

    /// The same where no secret is to be looked for.
    fn without_secrets(
        &mut self,
        sink: &mut dyn FnMut(TlsEvent<'_>),
        step: impl FnOnce(&mut Open, &mut Work<'_>) -> Result<(), Unreadable>,
    ) {
        let secrets = SecretStore::new(StoreLimits::default());
        self.work(&secrets, &MemoryBudget::new(0), sink, step);
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("limits", &self.limits)
            .field("mid_stream", &self.mid_stream)
            .field("is_readable", &self.open.is_some())
            .finish_non_exhaustive()
    }
}

impl Open {
    /// The direction in which something comes. It waits with its data while the other waits: what came first is told
    /// first, as a request before its answer.
    #[inline]
    fn next_of(&mut self, direction: Direction, work: &mut Work<'_>) -> (&mut Lane, &mut Handshake) {
        self.arrivals += 1;
        work.arrival = self.arrivals;
        let (lane, other) = match direction {
            Direction::Request => (&mut self.client, &self.server),
            Direction::Response => (&mut self.server, &self.client),
        };
        work.peer_waits = other.waits().is_some();
        if let Some((since, _)) = other.waits()
            && lane.waits().is_none()
            && lane.has_data(&self.handshake)
        {
            lane.wait_for_peer(since);
        }
        (lane, &mut self.handshake)
    }

    /// Hands what one direction learnt to the other, and gives up what waits for too long.
    #[inline]
    fn go_on(&mut self, work: &mut Work<'_>, now: Timestamp) -> Result<(), Unreadable> {
        self.share(work)?;
        match self.waits() {
            Some((since, wait)) if now.since(since) > work.limits.max_wait => self.give_up(work, wait),
            _ => Ok(()),
        }
    }

    fn give_up(&mut self, work: &mut Work<'_>, wait: Wait) -> Result<(), Unreadable> {
        if self.client.give_up_early_data(&mut self.handshake) {
            return self.resume(work);
        }
        Err(in_vain(wait, &self.handshake, work))
    }

    /// Lets both directions go on when one has learnt something that the other may wait for.
    #[inline]
    fn share(&mut self, work: &mut Work<'_>) -> Result<(), Unreadable> {
        if work.progress {
            self.resume(work)?;
        }
        Ok(())
    }

    /// Goes on with what waits in the order in which it came. Only a part of the handshake may go before something that
    /// came earlier, since that may wait for it.
    fn resume(&mut self, work: &mut Work<'_>) -> Result<(), Unreadable> {
        loop {
            let of_client = self.client.arrival_of_next();
            let of_server = self.server.arrival_of_next();
            let (first, second, both) = match (of_client, of_server) {
                (Some(client), server) if server.is_none_or(|server| client < server) => {
                    (&mut self.client, &mut self.server, server.is_some())
                }
                (client, Some(_)) => (&mut self.server, &mut self.client, client.is_some()),
                (_, None) => return Ok(()),
            };
            let handshake = &mut self.handshake;
            // What is first waits for nothing that came earlier.
            (work.progress, work.peer_waits) = (false, false);
            let mut goes_on = first.step(handshake, work)?;
            if !goes_on && both && !second.has_data(handshake) {
                work.peer_waits = true;
                goes_on = second.step(handshake, work)? || work.progress;
            }
            if !goes_on {
                return Ok(());
            }
        }
    }

    /// Since when one of the directions waits, and for what. A secret is what the other direction may wait for too.
    fn waits(&self) -> Option<(Timestamp, Wait)> {
        let both = [self.server.waits(), self.client.waits()].into_iter().flatten();
        both.reduce(|one, other| {
            let wait = if one.1 == Wait::Secret { one.1 } else { other.1 };
            (one.0.min(other.0), wait)
        })
    }
}
