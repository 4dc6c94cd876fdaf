//! Bytes that are lost, and the place that is found again behind them.

use shadow_tcp::{Chunk, Direction, GapCause};

use super::plain::not_tls;
use super::{Lane, RecordPosition};
use crate::event::Unreadable;
use crate::handshake::Handshake;
use crate::record::{HANDSHAKE, HEADER, Header};
use crate::sealed::{Record, Sealed, Taken, Wait};
use crate::work::Work;

impl Lane {
    /// A header stands where none can.
    pub(super) fn misplaced(&mut self, work: &Work<'_>) -> Result<(), Unreadable> {
        if self.sealed.is_none() {
            return Err(not_tls(work));
        }
        self.place = RecordPosition::Lost;
        self.is_due = !self.buffer.is_empty();
        Ok(())
    }

    /// Looks for a record that opens.
    pub(super) fn seek(
        &mut self,
        handshake: &mut Handshake,
        work: &mut Work<'_>,
    ) -> Result<Option<Wait>, Unreadable> {
        let sealed = self.sealed.as_ref();
        if sealed.is_some_and(|sealed| sealed.is_of_no_use(handshake, work)) {
            self.become_deaf(work);
            return Ok(None);
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        self.is_due = false;
        let (mut at, mut passed) = (0, 0);
        while let (Some(header), Some(sealed)) = (Header::read(&buffer[at..]), &mut self.sealed) {
            if !header.may_be_protected() {
                at += 1;
                continue;
            }
            let behind = at + HEADER + header.body_len();
            let Some(body) = buffer.get(at + HEADER..behind) else {
                break;
            };
            if !sealed.may_try(body.len()) {
                at += 1;
                continue;
            }
            sealed.skip_bytes(at - passed);
            passed = at;
            let left = (buffer.len() - behind) as u32;
            let record = Record {
                header,
                body,
                end: self.end.wrapping_sub(left),
                acknowledgment: self.acknowledgment,
                time: self.time,
            };
            match sealed.record(handshake, work, record)? {
                Taken::Lost | Taken::PassedOver => at += 1,
                Taken::Not(wait) => {
                    buffer.drain(..at);
                    self.buffer = buffer;
                    self.is_due = true;
                    return Ok(Some(wait));
                }
                Taken::Last => self.end(handshake, work),
                Taken::Opened => self.found(handshake, work, &buffer[behind..])?,
            }
            if self.has_ended || self.place == RecordPosition::Known {
                work.buffers.give_back(buffer);
                self.charge = None;
                return Ok(None);
            }
        }
        if let Some(sealed) = &mut self.sealed {
            sealed.skip_bytes(at - passed);
        }
        buffer.drain(..at);
        self.buffer = buffer;
        if let Some(charge) = &mut self.charge {
            charge.shrink(at);
        }
        Ok(None)
    }

    /// The place is known again: `rest` comes next.
    fn found(&mut self, handshake: &Handshake, work: &mut Work<'_>, rest: &[u8]) -> Result<(), Unreadable> {
        self.place = RecordPosition::Known;
        if rest.is_empty() {
            return Ok(());
        }
        let rest = Chunk {
            bytes: rest,
            sequence: self.end.wrapping_sub(rest.len() as u32),
            ..self.nothing()
        };
        let put = self.pending.push_first(self.arrival, &rest, work.budget);
        put.map_err(|why| self.refused(why, handshake, work))
    }

    /// Bytes are lost here.
    pub(super) fn hole(
        &mut self,
        handshake: &mut Handshake,
        work: &mut Work<'_>,
        bytes: u64,
        cause: GapCause,
    ) -> Result<Option<Wait>, Unreadable> {
        if self.is_deaf {
            return Ok(None);
        }
        match (&handshake, self.direction) {
            (Handshake::Start, _) if work.mid_stream => return Err(Unreadable::NoSecret),
            (Handshake::Start | Handshake::Retried(_), Direction::Request)
            | (Handshake::Offered(_), Direction::Response) => return Err(Unreadable::HandshakeLost),
            (Handshake::Offered(_), Direction::Request)
            | (Handshake::Start | Handshake::Retried(_), Direction::Response) => {
                return Ok(Some(Wait::Peer));
            }
            (Handshake::Tls12(_) | Handshake::Tls13(_), _) => {}
        }
        let is_plain12 = matches!(handshake, Handshake::Tls12(_)) && self.sealed.is_none();
        let is_within = match Header::read(&self.buffer) {
            Some(header) if header.kind() == HANDSHAKE => {
                (HEADER + header.body_len() - self.buffer.len()) as u64 >= bytes
            }
            _ => matches!(self.place, RecordPosition::Passing(left) if left >= bytes),
        };
        if !(is_plain12 && is_within) {
            let direction = self.direction;
            let new = || Box::new(Sealed::new(direction, handshake));
            self.sealed.get_or_insert_with(new);
            self.messages.clear();
        }
        self.lose_kept(handshake, work, cause);
        match self.place {
            RecordPosition::Passing(left) if bytes <= left => self.pass(left - bytes),
            RecordPosition::Passing(left) => self.lose_place(handshake, work, bytes - left, cause),
            RecordPosition::Known | RecordPosition::Lost => self.lose_place(handshake, work, bytes, cause),
        }
        Ok(None)
    }

    /// Nothing of what follows is wanted but its end.
    pub(super) fn become_deaf(&mut self, work: &mut Work<'_>) {
        self.forget_kept(work);
        self.sealed = None;
        self.is_deaf = true;
    }

    fn lose_place(&mut self, handshake: &mut Handshake, work: &mut Work<'_>, bytes: u64, cause: GapCause) {
        self.place = RecordPosition::Lost;
        if let Some(sealed) = &mut self.sealed {
            sealed.lost(handshake, work, bytes, 0, cause);
        }
    }

    /// Gives up what is kept: the record that it is a part of is lost, and passed over where its end is known.
    pub(super) fn lose_kept(&mut self, handshake: &mut Handshake, work: &mut Work<'_>, cause: GapCause) {
        let kept = self.buffer.len();
        let record = match self.place {
            RecordPosition::Known => Header::read(&self.buffer).map(|header| HEADER + header.body_len()),
            RecordPosition::Passing(_) | RecordPosition::Lost => None,
        };
        let (bytes, records) = record.map_or((kept, 0), |len| (len, 1));
        if bytes == 0 {
            return;
        }
        if let Some(sealed) = &mut self.sealed {
            sealed.lost(handshake, work, bytes as u64, records, cause);
        }
        match record {
            Some(len) => self.pass((len - kept) as u64),
            None => self.place = RecordPosition::Lost,
        }
        self.forget_kept(work);
    }

    pub(super) fn forget_kept(&mut self, work: &mut Work<'_>) {
        work.buffers.give_back(std::mem::take(&mut self.buffer));
        self.charge = None;
        self.is_due = false;
    }
}
