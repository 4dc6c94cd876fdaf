//! Records out of chunks: where they stand when they are whole, else out of what is kept of them.

use shadow_core::budget::MemoryBudget;
use shadow_tcp::{Chunk, GapCause};

use super::plain::Plain;
use super::{Lane, RecordPosition};
use crate::event::Unreadable;
use crate::handshake::Handshake;
use crate::record::{ALERT, HANDSHAKE, HEADER, Header};
use crate::sealed::{Record, Sealed, Taken, Wait};
use crate::work::Work;

impl Lane {
    /// Takes what is kept, if it is due, and then the bytes of `chunk`, until one must wait or there are no more.
    #[inline]
    pub(super) fn bytes(
        &mut self,
        handshake: &mut Handshake,
        work: &mut Work<'_>,
        chunk: &mut Chunk<'_>,
    ) -> Result<Option<Wait>, Unreadable> {
        loop {
            if self.has_ended || self.is_deaf {
                chunk.bytes = &[];
                return Ok(None);
            }
            if self.is_due {
                let wait = match self.place {
                    RecordPosition::Lost => self.seek(handshake, work)?,
                    RecordPosition::Known | RecordPosition::Passing(_) => {
                        self.kept_record(handshake, work)?
                    }
                };
                if wait.is_some() {
                    return Ok(wait);
                }
                continue;
            }
            if chunk.bytes.is_empty() {
                return Ok(None);
            }
            if work.progress && work.peer_waits {
                return Ok(Some(Wait::Peer));
            }
            match self.place {
                RecordPosition::Known if self.buffer.is_empty() => {
                    let wait = self.whole_records(handshake, work, chunk)?;
                    if wait.is_some() {
                        return Ok(wait);
                    }
                }
                RecordPosition::Known => self.fill(handshake, work, chunk)?,
                RecordPosition::Passing(left) => {
                    let passed = chunk.bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    advance(chunk, passed);
                    self.pass(left - passed as u64);
                }
                RecordPosition::Lost => self.keep_all(handshake, work, chunk),
            }
        }
    }

    /// Takes records that are whole in `chunk`, where they stand. What follows them is begun to be kept.
    #[inline]
    fn whole_records(
        &mut self,
        handshake: &mut Handshake,
        work: &mut Work<'_>,
        chunk: &mut Chunk<'_>,
    ) -> Result<Option<Wait>, Unreadable> {
        while let Some(header) = Header::read(chunk.bytes) {
            if !may_be_here(handshake, header) {
                return self.misplaced(work).map(|()| None);
            }
            let len = HEADER + header.body_len();
            let Some(bytes) = chunk.bytes.get(..len) else {
                return self.begin_record(handshake, work, header, chunk).map(|()| None);
            };
            let record = Record {
                header,
                body: &bytes[HEADER..],
                end: chunk.sequence.wrapping_add(len as u32),
                acknowledgment: chunk.acknowledgment,
                time: chunk.time,
            };
            let wait = self.record(handshake, work, record)?;
            if wait.is_some() {
                return Ok(wait);
            }
            advance(chunk, len);
            if self.has_ended || self.is_deaf || work.progress && work.peer_waits {
                return Ok(None);
            }
        }
        if !chunk.bytes.is_empty() {
            self.buffer = work.buffers.with_room(HEADER);
            self.take(chunk, HEADER);
        }
        Ok(None)
    }

    /// Begins to keep a record of which `chunk` has the header.
    fn begin_record(
        &mut self,
        handshake: &mut Handshake,
        work: &mut Work<'_>,
        header: Header,
        chunk: &mut Chunk<'_>,
    ) -> Result<(), Unreadable> {
        let len = HEADER + header.body_len();
        if self.charge_for(len, work.budget) {
            if self.buffer.capacity() < len {
                let begun = std::mem::replace(&mut self.buffer, work.buffers.with_room(len));
                self.buffer.extend_from_slice(&begun);
                work.buffers.give_back(begun);
            }
            self.take(chunk, len);
            return Ok(());
        }
        let Some(sealed) = &mut self.sealed else {
            return Err(Unreadable::Memory);
        };
        sealed.lost(handshake, work, len as u64, 1, GapCause::Memory);
        let left = len - self.buffer.len();
        self.forget_kept(work);
        self.pass(left as u64);
        Ok(())
    }

    /// Adds to the record that is kept.
    fn fill(
        &mut self,
        handshake: &mut Handshake,
        work: &mut Work<'_>,
        chunk: &mut Chunk<'_>,
    ) -> Result<(), Unreadable> {
        if self.buffer.len() < HEADER {
            self.take(chunk, HEADER);
            let Some(header) = Header::read(&self.buffer) else {
                return Ok(());
            };
            if !may_be_here(handshake, header) {
                return self.misplaced(work);
            }
            return self.begin_record(handshake, work, header, chunk);
        }
        let len = Header::read(&self.buffer).map_or(HEADER, |header| HEADER + header.body_len());
        self.take(chunk, len);
        Ok(())
    }

    /// Keeps bytes of `chunk` until `len` are kept. A whole record is due.
    fn take(&mut self, chunk: &mut Chunk<'_>, len: usize) {
        let more = chunk.bytes.len().min(len.saturating_sub(self.buffer.len()));
        self.buffer.extend_from_slice(&chunk.bytes[..more]);
        advance(chunk, more);
        self.note_end(chunk);
        self.is_due = len > HEADER && self.buffer.len() == len;
    }

    /// Keeps all of `chunk`, to look for a record in it.
    fn keep_all(&mut self, handshake: &mut Handshake, work: &mut Work<'_>, chunk: &mut Chunk<'_>) {
        let len = chunk.bytes.len();
        if self.charge_for(len, work.budget) {
            if self.buffer.is_empty() {
                self.buffer = work.buffers.with_room(len);
            }
            self.buffer.extend_from_slice(chunk.bytes);
            self.is_due = true;
        } else {
            self.lose_kept(handshake, work, GapCause::Memory);
            if let Some(sealed) = &mut self.sealed {
                sealed.lost(handshake, work, len as u64, 0, GapCause::Memory);
            }
        }
        advance(chunk, len);
        self.note_end(chunk);
    }

    fn note_end(&mut self, chunk: &Chunk<'_>) {
        self.end = chunk.sequence;
        self.acknowledgment = chunk.acknowledgment;
        self.time = chunk.time;
    }

    fn charge_for(&mut self, bytes: usize, budget: &MemoryBudget) -> bool {
        let charge = self.charge.get_or_insert_with(|| budget.held().charge());
        charge.try_grow(bytes)
    }

    pub(super) fn pass(&mut self, left: u64) {
        self.place = if left == 0 {
            RecordPosition::Known
        } else {
            RecordPosition::Passing(left)
        };
    }

    /// Takes the whole record that is kept.
    fn kept_record(
        &mut self,
        handshake: &mut Handshake,
        work: &mut Work<'_>,
    ) -> Result<Option<Wait>, Unreadable> {
        let buffer = std::mem::take(&mut self.buffer);
        self.is_due = false;
        let Some(header) = Header::read(&buffer) else {
            return Ok(None);
        };
        let record = Record {
            header,
            body: &buffer[HEADER..],
            end: self.end,
            acknowledgment: self.acknowledgment,
            time: self.time,
        };
        let wait = self.record(handshake, work, record)?;
        self.is_due = wait.is_some();
        self.buffer = buffer;
        if wait.is_none() {
            self.forget_kept(work);
        }
        Ok(wait)
    }

    /// Takes a whole record.
    #[inline]
    fn record(
        &mut self,
        handshake: &mut Handshake,
        work: &mut Work<'_>,
        record: Record<'_>,
    ) -> Result<Option<Wait>, Unreadable> {
        if self.sealed.is_none() {
            match self.plain_record(handshake, work, record)? {
                Plain::Taken => return Ok(None),
                Plain::Not(wait) => return Ok(Some(wait)),
                Plain::Last => {
                    self.end(handshake, work);
                    return Ok(None);
                }
                Plain::Sealed => {}
            }
        }
        let direction = self.direction;
        let new = || Box::new(Sealed::new(direction, handshake));
        let sealed = self.sealed.get_or_insert_with(new);
        if sealed.is_of_no_use(handshake, work) {
            self.become_deaf(work);
            return Ok(None);
        }
        match sealed.record(handshake, work, record)? {
            Taken::Opened | Taken::PassedOver => {}
            Taken::Lost => {
                let bytes = HEADER + record.body.len();
                sealed.lost(handshake, work, bytes as u64, 1, GapCause::Timeout);
            }
            Taken::Not(wait) => return Ok(Some(wait)),
            Taken::Last => self.end(handshake, work),
        }
        Ok(None)
    }
}

/// Whether a record may begin so here: a connection begins with its handshake.
#[inline]
fn may_be_here(handshake: &Handshake, header: Header) -> bool {
    header.is_plausible()
        && (!matches!(handshake, Handshake::Start) || matches!(header.kind(), HANDSHAKE | ALERT))
}

fn advance(chunk: &mut Chunk<'_>, bytes: usize) {
    chunk.bytes = &chunk.bytes[bytes..];
    chunk.sequence = chunk.sequence.wrapping_add(bytes as u32);
}
