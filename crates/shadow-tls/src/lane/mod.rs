//! One direction: what comes is cut into `records`, waits, or is lost. Those in the clear (`plain`) are taken here; the
//! others are `sealed`.

mod place;
mod plain;
mod records;

use shadow_core::budget::Charge;
use shadow_core::time::Timestamp;
use shadow_tcp::{Chunk, Direction, GapCause};

use super::event::{TlsEvent, Unreadable};
use super::handshake::Handshake;
use super::messages::Messages;
use super::pending::{Input, Pending, Refusal};
use super::sealed::{Sealed, Wait};
use super::work::Work;

/// One direction of a connection.
pub(crate) struct Lane {
    direction: Direction,
    /// Bytes kept of a record that is not whole, or among which one is looked for.
    buffer: Vec<u8>,
    /// For `buffer`.
    charge: Option<Charge>,
    place: RecordPosition,
    /// Sequence number behind `buffer`; acknowledgment number and time of the last segment in it.
    end: u32,
    acknowledgment: u32,
    time: Timestamp,
    /// `buffer` has something that was not looked at yet.
    is_due: bool,
    /// When the last of what was taken came, among all that came of both directions.
    arrival: u64,
    /// Handshake messages in the clear.
    messages: Messages,
    /// `None` before the first protected record.
    sealed: Option<Box<Sealed>>,
    /// Bytes that came since the next record waits.
    pending: Pending,
    /// Since when it waits, and for what.
    waits: Option<(Timestamp, Wait)>,
    /// Only its end is listened for.
    is_deaf: bool,
    /// Nothing more comes.
    has_ended: bool,
}

/// Where the next byte is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RecordPosition {
    /// Behind what `buffer` has of a record; it is empty between two.
    Known,
    /// In a record that is lost, so many bytes before its end.
    Passing(u64),
    /// Not known.
    Lost,
}

impl Lane {
    pub fn new(direction: Direction) -> Self {
        Self {
            direction,
            buffer: Vec::new(),
            charge: None,
            place: RecordPosition::Known,
            end: 0,
            acknowledgment: 0,
            time: Timestamp::default(),
            is_due: false,
            arrival: 0,
            messages: Messages::default(),
            sealed: None,
            pending: Pending::default(),
            waits: None,
            is_deaf: false,
            has_ended: false,
        }
    }

    /// Since when its next record waits, and for what.
    pub fn waits(&self) -> Option<(Timestamp, Wait)> {
        self.waits
    }

    /// Whether it keeps bytes.
    pub fn holds(&self) -> bool {
        !self.buffer.is_empty()
            || !self.pending.is_empty()
            || self.messages.holds()
            || self.sealed.as_ref().is_some_and(|sealed| sealed.holds())
    }

    /// Takes the next bytes.
    #[inline]
    pub fn data(
        &mut self,
        handshake: &mut Handshake,
        work: &mut Work<'_>,
        mut chunk: Chunk<'_>,
    ) -> Result<(), Unreadable> {
        if self.has_ended || self.is_deaf && self.waits.is_none() {
            return Ok(());
        }
        if let Some(sealed) = &mut self.sealed {
            sealed.earn(chunk.bytes.len());
        }
        if self.waits.is_none() {
            self.time = chunk.time;
            self.arrival = work.arrival;
            let Some(wait) = self.bytes(handshake, work, &mut chunk)? else {
                // Behind bytes that were lost, something may have been put back.
                while self.waits.is_none() && self.arrival_of_next().is_some() {
                    self.step(handshake, work)?;
                }
                return Ok(());
            };
            self.begin_to_wait(wait);
        }
        if chunk.bytes.is_empty() {
            return Ok(());
        }
        let most = work.limits.max_waiting;
        let pushed = self.pending.push(work.arrival, &chunk, work.budget, most);
        pushed.map_err(|why| self.refused(why, handshake, work))
    }

    /// `bytes` bytes are lost.
    pub fn gap(
        &mut self,
        handshake: &mut Handshake,
        work: &mut Work<'_>,
        bytes: u64,
        cause: GapCause,
    ) -> Result<(), Unreadable> {
        if self.has_ended {
            return Ok(());
        }
        if self.waits.is_none() {
            let Some(wait) = self.hole(handshake, work, bytes, cause)? else {
                return Ok(());
            };
            self.begin_to_wait(wait);
        }
        self.push_mark(Input::Gap(bytes, cause), handshake, work)
    }

    /// FIN came behind all bytes.
    pub fn finished(&mut self, handshake: &mut Handshake, work: &mut Work<'_>) -> Result<(), Unreadable> {
        if self.waits.is_some() && !self.has_ended {
            return self.push_mark(Input::Fin, handshake, work);
        }
        self.end(handshake, work);
        Ok(())
    }

    /// When the next of what waits came, among all that came of both directions.
    pub fn arrival_of_next(&self) -> Option<u64> {
        if self.has_ended {
            None
        } else if self.is_due {
            Some(self.arrival)
        } else {
            self.pending.arrival()
        }
    }

    /// Whether data comes, and no part of the handshake that the other direction may wait for.
    pub fn has_data(&self, handshake: &Handshake) -> bool {
        let sealed = self.sealed.as_ref();
        sealed.is_some_and(|sealed| sealed.has_data(handshake))
    }

    /// Lets what comes wait, since the other direction does: what came first is told first.
    pub fn wait_for_peer(&mut self, now: Timestamp) {
        if !self.has_ended {
            self.waits = Some((now, Wait::Peer));
        }
    }

    /// Goes on with the next of what waits. `false` when it has to wait on.
    pub fn step(&mut self, handshake: &mut Handshake, work: &mut Work<'_>) -> Result<bool, Unreadable> {
        let wait = if self.is_due {
            let mut nothing = self.nothing();
            self.bytes(handshake, work, &mut nothing)?
        } else if let Some(entry) = self.pending.pop() {
            self.input(handshake, work, entry)?
        } else {
            None
        };
        if let Some(wait) = wait {
            self.begin_to_wait(wait);
        } else if self.arrival_of_next().is_none() {
            self.waits = None;
        }
        Ok(wait.is_none())
    }

    /// Gives up early data whose secret did not come. `false` when that is not what is waited for.
    pub fn give_up_early_data(&self, handshake: &mut Handshake) -> bool {
        let sealed = self.sealed.as_ref();
        sealed.is_some_and(|sealed| sealed.give_up_early_data(handshake))
    }

    /// Gives up the bytes that it keeps.
    pub fn release(&mut self, handshake: &mut Handshake, work: &mut Work<'_>) -> Result<(), Unreadable> {
        if let Some((_, wait)) = self.waits {
            return Err(in_vain(wait, handshake, work));
        }
        if self.sealed.is_none() && self.holds() {
            return Err(Unreadable::HandshakeLost);
        }
        self.lose_kept(handshake, work, GapCause::Memory);
        let sealed = self.sealed.as_mut();
        sealed.map_or(Ok(()), |sealed| sealed.release())
    }

    /// The connection is over: counts what is lost.
    pub fn close(&mut self, handshake: &mut Handshake, work: &mut Work<'_>) {
        if !self.has_ended && self.waits.is_none() {
            self.count_rest(handshake, work);
        }
        self.has_ended = true;
    }

    fn begin_to_wait(&mut self, wait: Wait) {
        match self.waits {
            Some((_, before)) if before == wait => {}
            _ => self.waits = Some((self.time, wait)),
        }
    }

    fn push_mark(
        &mut self,
        mark: Input,
        handshake: &Handshake,
        work: &mut Work<'_>,
    ) -> Result<(), Unreadable> {
        let most = work.limits.max_waiting;
        let pushed = self.pending.push_mark(work.arrival, mark, work.budget, most);
        pushed.map_err(|why| self.refused(why, handshake, work))
    }

    fn refused(&self, why: Refusal, handshake: &Handshake, work: &Work<'_>) -> Unreadable {
        let wait = self.waits.map_or(Wait::Peer, |(_, wait)| wait);
        why.verdict(in_vain(wait, handshake, work))
    }

    /// A chunk without bytes, to go on with what is kept.
    fn nothing(&self) -> Chunk<'static> {
        Chunk {
            bytes: &[],
            sequence: self.end,
            acknowledgment: self.acknowledgment,
            segment_start: false,
            time: self.time,
        }
    }

    /// Takes what waited; what cannot be taken yet waits again.
    fn input(
        &mut self,
        handshake: &mut Handshake,
        work: &mut Work<'_>,
        mut entry: (u64, Input),
    ) -> Result<Option<Wait>, Unreadable> {
        self.arrival = entry.0;
        let wait = match &mut entry.1 {
            Input::Bytes(piece) => {
                let mut chunk = piece.chunk();
                let wait = self.bytes(handshake, work, &mut chunk)?;
                let left = chunk.bytes.len();
                piece.keep_last(left);
                if left == 0 {
                    // All of it is taken; the record that waits is kept elsewhere.
                    self.pending.done(&entry);
                    return Ok(wait);
                }
                wait
            }
            Input::Gap(bytes, cause) => self.hole(handshake, work, *bytes, *cause)?,
            Input::Fin => {
                self.end(handshake, work);
                None
            }
        };
        if wait.is_some() {
            self.pending.put_back(entry);
        } else {
            self.pending.done(&entry);
        }
        Ok(wait)
    }

    /// Nothing more comes.
    fn end(&mut self, handshake: &mut Handshake, work: &mut Work<'_>) {
        if !std::mem::replace(&mut self.has_ended, true) {
            self.count_rest(handshake, work);
            work.tell(TlsEvent::Finished(self.direction));
        }
    }

    fn count_rest(&mut self, handshake: &mut Handshake, work: &mut Work<'_>) {
        self.lose_kept(handshake, work, GapCause::Closing);
        if let Some(sealed) = &mut self.sealed {
            sealed.end(work);
        }
        self.pending = Pending::default();
        self.waits = None;
    }
}

/// Why a connection that waits is given up.
pub(crate) fn in_vain(wait: Wait, handshake: &Handshake, work: &Work<'_>) -> Unreadable {
    let is_flight_lost = matches!(handshake, Handshake::Tls13(tls13) if tls13.is_flight_lost());
    match wait {
        Wait::Peer if work.mid_stream && matches!(handshake, Handshake::Start) => Unreadable::NoSecret,
        Wait::Peer => Unreadable::HandshakeLost,
        Wait::Secret if is_flight_lost && handshake.has_secret() => Unreadable::HandshakeLost,
        Wait::Secret if work.limits.expected || handshake.has_secret() => Unreadable::SecretLost,
        Wait::Secret => Unreadable::NoSecret,
    }
}
