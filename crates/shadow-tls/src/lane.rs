//! One direction: records out of chunks and gaps, wherever they are cut, and the place found again behind lost bytes.

use shadow_core::budget::{Charge, MemoryBudget};
use shadow_core::time::Timestamp;
use shadow_tcp::{Chunk, Direction, GapCause};

use super::event::{TlsEvent, Unreadable};
use super::handshake::{Handshake, Step};
use super::messages::Messages;
use super::pending::{Input, Pending, Refusal};
use super::record::{ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE, HEADER, Header};
use super::sealed::{Record, Sealed, Taken, Wait, is_last};
use super::work::Work;

/// One direction of a connection.
pub(crate) struct Lane {
    direction: Direction,
    /// What is kept of a record that is not whole, or of bytes among which one is looked for.
    buffer: Vec<u8>,
    /// For `buffer`.
    charge: Option<Charge>,
    place: Place,
    /// Sequence number behind `buffer`; acknowledgment number and time of the last segment in it.
    end: u32,
    acknowledgment: u32,
    time: Timestamp,
    /// `buffer` has something that was not looked at yet.
    is_due: bool,
    /// Handshake messages in the clear.
    messages: Messages,
    /// `None` before the first protected record.
    sealed: Option<Box<Sealed>>,
    /// What came since the next record waits.
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
enum Place {
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
            place: Place::Known,
            end: 0,
            acknowledgment: 0,
            time: Timestamp::default(),
            is_due: false,
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
            let Some(wait) = self.bytes(handshake, work, &mut chunk)? else {
                // Behind bytes that were lost, something may have been put back.
                return self.resume(handshake, work);
            };
            self.begin_to_wait(wait);
        }
        if chunk.bytes.is_empty() {
            return Ok(());
        }
        let pushed = self.pending.push(&chunk, work.budget, work.limits.max_waiting);
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

    /// Goes on with what waits, as far as it can.
    pub fn resume(&mut self, handshake: &mut Handshake, work: &mut Work<'_>) -> Result<(), Unreadable> {
        while !self.has_ended {
            let wait = if self.is_due {
                let mut nothing = self.nothing();
                self.bytes(handshake, work, &mut nothing)?
            } else if let Some(input) = self.pending.pop() {
                self.input(handshake, work, input)?
            } else {
                break;
            };
            if let Some(wait) = wait {
                self.begin_to_wait(wait);
                return Ok(());
            }
        }
        self.waits = None;
        Ok(())
    }

    /// Gives up early data whose secret did not come. `false` when that is not what is waited for.
    pub fn give_up_early_data(&self, handshake: &mut Handshake) -> bool {
        let sealed = self.sealed.as_ref();
        sealed.is_some_and(|sealed| sealed.give_up_early_data(handshake))
    }

    /// Gives up the bytes that it keeps.
    pub fn let_go(&mut self, handshake: &mut Handshake, work: &mut Work<'_>) -> Result<(), Unreadable> {
        if let Some((_, wait)) = self.waits {
            return Err(in_vain(wait, handshake, work));
        }
        if self.sealed.is_none() && self.holds() {
            return Err(Unreadable::HandshakeLost);
        }
        if self.place == Place::Lost || self.buffer.len() >= HEADER {
            self.lose_kept(handshake, work, GapCause::Memory);
        }
        let sealed = self.sealed.as_mut();
        sealed.map_or(Ok(()), |sealed| sealed.let_go())
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
        let pushed = self.pending.push_mark(mark, work.budget, most);
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
        mut input: Input,
    ) -> Result<Option<Wait>, Unreadable> {
        let wait = match &mut input {
            Input::Bytes(piece) => {
                let mut chunk = piece.chunk();
                let wait = self.bytes(handshake, work, &mut chunk)?;
                let left = chunk.bytes.len();
                piece.keep_last(left);
                // All of it may be in a record that is kept.
                if left == 0 {
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
            let put = self.pending.put_back(input, work.budget);
            put.map_err(|why| self.refused(why, handshake, work))?;
        }
        Ok(wait)
    }

    /// Takes what is kept, if it is due, and then the bytes of `chunk`, until one must wait or there are no more.
    #[inline]
    fn bytes(
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
                    Place::Lost => self.seek(handshake, work)?,
                    Place::Known | Place::Passing(_) => self.kept_record(handshake, work)?,
                };
                if wait.is_some() {
                    return Ok(wait);
                }
                continue;
            }
            if chunk.bytes.is_empty() {
                return Ok(None);
            }
            match self.place {
                Place::Known if self.buffer.is_empty() => {
                    let wait = self.whole_records(handshake, work, chunk)?;
                    if wait.is_some() {
                        return Ok(wait);
                    }
                }
                Place::Known => self.fill(handshake, work, chunk)?,
                Place::Passing(left) => {
                    let passed = chunk.bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    advance(chunk, passed);
                    self.pass(left - passed as u64);
                }
                Place::Lost => self.keep_all(handshake, work, chunk),
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
            if self.has_ended || self.is_deaf {
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

    fn pass(&mut self, left: u64) {
        self.place = if left == 0 {
            Place::Known
        } else {
            Place::Passing(left)
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

    /// Takes a record in the clear.
    fn plain_record(
        &mut self,
        handshake: &mut Handshake,
        work: &mut Work<'_>,
        record: Record<'_>,
    ) -> Result<Plain, Unreadable> {
        use Direction::{Request, Response};
        let kind = record.header.kind();
        Ok(match (self.direction, &handshake, kind) {
            (Request, Handshake::Start | Handshake::Retried(_), HANDSHAKE)
            | (Response, Handshake::Offered(_), HANDSHAKE) => {
                self.hello(handshake, work, record.body)?;
                Plain::Taken
            }
            // Before any protected record: the handshake has failed.
            (_, _, ALERT) if is_last(record.body, true) => Plain::Last,
            // For middleboxes; and early data, which a server that asks for another hello passes over.
            (Request, Handshake::Retried(_), CHANGE_CIPHER_SPEC | APPLICATION_DATA)
            | (Response, Handshake::Retried(_), CHANGE_CIPHER_SPEC)
            | (_, Handshake::Tls13(_), CHANGE_CIPHER_SPEC)
            // Certificates and key exchange of TLS 1.2.
            | (_, Handshake::Tls12(_), HANDSHAKE | ALERT) => Plain::Taken,
            (Request, Handshake::Offered(_), _)
            | (Response, Handshake::Retried(_), _)
            | (Response, Handshake::Start, HANDSHAKE) => Plain::Not(Wait::Peer),
            (_, Handshake::Tls13(_), APPLICATION_DATA) => Plain::Sealed,
            (_, Handshake::Tls12(_), CHANGE_CIPHER_SPEC) => {
                self.sealed = Some(Box::new(Sealed::new(self.direction, handshake)));
                Plain::Taken
            }
            _ => return Err(not_tls(work)),
        })
    }

    /// Takes a part of a hello.
    fn hello(
        &mut self,
        handshake: &mut Handshake,
        work: &mut Work<'_>,
        body: &[u8],
    ) -> Result<(), Unreadable> {
        let mut step = Ok(Step::On);
        let mut is_whole = false;
        let direction = self.direction;
        self.messages.push(body, work.budget, |message| {
            is_whole = true;
            step = match direction {
                Direction::Request => handshake.client_message(message, work.budget).map(|()| Step::On),
                Direction::Response => handshake.server_message(message),
            };
            false
        })?;
        work.progress |= is_whole;
        if let Step::Alpn(alpn) = step.map_err(|why| first_of(why, work, direction))? {
            work.tell(TlsEvent::Alpn(&alpn));
        }
        Ok(())
    }

    /// A header stands where none can.
    fn misplaced(&mut self, work: &Work<'_>) -> Result<(), Unreadable> {
        if self.sealed.is_none() {
            return Err(not_tls(work));
        }
        self.place = Place::Lost;
        self.is_due = !self.buffer.is_empty();
        Ok(())
    }

    /// Looks for a record that opens.
    fn seek(&mut self, handshake: &mut Handshake, work: &mut Work<'_>) -> Result<Option<Wait>, Unreadable> {
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
            sealed.pass_over(at - passed);
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
            if self.has_ended || self.place == Place::Known {
                work.buffers.give_back(buffer);
                self.charge = None;
                return Ok(None);
            }
        }
        if let Some(sealed) = &mut self.sealed {
            sealed.pass_over(at - passed);
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
        self.place = Place::Known;
        if rest.is_empty() {
            return Ok(());
        }
        let rest = Chunk {
            bytes: rest,
            sequence: self.end.wrapping_sub(rest.len() as u32),
            ..self.nothing()
        };
        let put = self.pending.push_first(&rest, work.budget);
        put.map_err(|why| self.refused(why, handshake, work))
    }

    /// Bytes are lost here.
    fn hole(
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
            _ => matches!(self.place, Place::Passing(left) if left >= bytes),
        };
        if !(is_plain12 && is_within) {
            let direction = self.direction;
            let new = || Box::new(Sealed::new(direction, handshake));
            self.sealed.get_or_insert_with(new);
            self.messages.clear();
        }
        self.lose_kept(handshake, work, cause);
        match self.place {
            Place::Passing(left) if bytes <= left => self.pass(left - bytes),
            Place::Passing(left) => self.lose_place(handshake, work, bytes - left, cause),
            Place::Known | Place::Lost => self.lose_place(handshake, work, bytes, cause),
        }
        Ok(None)
    }

    /// Nothing of what follows is wanted but its end.
    fn become_deaf(&mut self, work: &mut Work<'_>) {
        self.forget_kept(work);
        self.sealed = None;
        self.is_deaf = true;
    }

    fn lose_place(&mut self, handshake: &mut Handshake, work: &mut Work<'_>, bytes: u64, cause: GapCause) {
        self.place = Place::Lost;
        if let Some(sealed) = &mut self.sealed {
            sealed.lost(handshake, work, bytes, 0, cause);
        }
    }

    /// Gives up what is kept: the record that it is a part of is lost, and passed over where its end is known.
    fn lose_kept(&mut self, handshake: &mut Handshake, work: &mut Work<'_>, cause: GapCause) {
        let kept = self.buffer.len();
        let record = match self.place {
            Place::Known => Header::read(&self.buffer).map(|header| HEADER + header.body_len()),
            Place::Passing(_) | Place::Lost => None,
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
            None => self.place = Place::Lost,
        }
        self.forget_kept(work);
    }

    fn forget_kept(&mut self, work: &mut Work<'_>) {
        work.buffers.give_back(std::mem::take(&mut self.buffer));
        self.charge = None;
        self.is_due = false;
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

/// What a record in the clear is.
enum Plain {
    /// It was taken.
    Taken,
    /// It needs something that has not come.
    Not(Wait),
    /// It was the last one.
    Last,
    /// It is none: it is protected.
    Sealed,
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

/// What came is not what a handshake begins with.
fn not_tls(work: &Work<'_>) -> Unreadable {
    if work.mid_stream {
        Unreadable::NoSecret
    } else {
        Unreadable::Malformed
    }
}

/// A hello that cannot be read, of a connection that may have been open before, is none.
fn first_of(why: Unreadable, work: &Work<'_>, direction: Direction) -> Unreadable {
    if why == Unreadable::Malformed && direction == Direction::Request {
        not_tls(work)
    } else {
        why
    }
}

/// Why a connection that waits is given up.
pub(crate) fn in_vain(wait: Wait, handshake: &Handshake, work: &Work<'_>) -> Unreadable {
    let is_flight_lost = matches!(handshake, Handshake::Tls13(tls13) if tls13.is_flight_lost());
    match wait {
        Wait::Peer => Unreadable::HandshakeLost,
        Wait::Secret if is_flight_lost && handshake.has_secret() => Unreadable::HandshakeLost,
        Wait::Secret if work.limits.expected || handshake.has_secret() => Unreadable::SecretLost,
        Wait::Secret => Unreadable::NoSecret,
    }
}
