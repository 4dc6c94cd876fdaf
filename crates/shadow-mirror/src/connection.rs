//! One production connection's reader: stream bytes in, counted requests and exchanges out.
//!
//! Biased towards honesty of the account: a request is opened in the ledger when its start is seen and
//! settled when its outcome is known, whatever happens to the connection between the two.

use shadow_core::budget::MemoryBudget;
use shadow_core::time::Timestamp;
use shadow_hand_over::RequestStart;
use shadow_http::{RequestEvent, RequestStream, Skip, begins_request};
use shadow_tcp::{Chunk, Close, Direction, FlowKey, GapCause, ServerSign, Stall, Start, StreamHandler};

use super::answers::{AnswerCounters, AnswerEvent, Answers};
use super::front::{Front, FrontEvent};
use super::held_back::{HeldBack, Next};
use super::http2::Http2;
use super::ledger::{DropReason, Outcome};
use super::mirrors::Targets;
use super::open::Open;
use super::seen::FlowId;
use super::shard::Shard;

/// A shard's requests that are kept back may take this part of the memory budget: half of it for all of sixteen shards.
const KEPT_SHARE: usize = 32;

/// The stream handler of one connection.
pub struct ProductionConnection {
    /// The reader of what may stand in front of the requests.
    front: Front,
    pub(super) requests: RequestStream,
    /// Production's answers, where they are captured.
    pub(super) answers: Option<Box<Answers>>,
    /// The part of it that is HTTP/2, or may be.
    pub(super) http2: Option<Box<Http2>>,
    pub(super) open: Open,
}

impl ProductionConnection {
    /// Takes bytes as [`StreamHandler::data`] takes those of a client, and says what they come to: for whoever has to
    /// answer the client.
    pub fn serve(&mut self, shard: &mut Shard, chunk: Chunk<'_>, told: &mut dyn FnMut(&RequestEvent)) {
        self.read_and_tell(shard, told, |requests, budget, mut sink| {
            requests.push(chunk, budget, &mut sink);
            // HTTP/2 is not spoken to clients.
            requests.stay(chunk.bytes, &mut sink);
        });
    }

    /// Whether its bytes are left out by `--input-raw-bpf-filter`.
    pub(super) fn is_left_out(shard: &Shard, flow: &FlowKey) -> bool {
        shard.filter.as_ref().is_some_and(|filter| !filter.takes(flow))
    }

    /// Whether the client waits for `100 Continue` before it sends the body (RFC 9110 section 10.1.1).
    pub fn awaits_continue(&self) -> bool {
        self.requests.awaits_continue()
    }

    /// The rest of a client's chunk, for its requests or for the TLS that they are in: what stands in front is read.
    #[inline]
    pub(super) fn behind_front<'a>(&mut self, shard: &mut Shard, chunk: Chunk<'a>) -> Option<Chunk<'a>> {
        self.open.reads(&chunk);
        self.open.held.reads(chunk.sequence, chunk.acknowledgment);
        self.read_front(shard, chunk)
    }

    /// Reads what [`ProductionConnection::behind_front`] left.
    #[inline]
    pub(super) fn requests(&mut self, shard: &mut Shard, chunk: Chunk<'_>) {
        if self.http2.is_some() {
            self.data_of_http2(shard, Direction::Request, chunk);
        } else {
            self.data_of_http1(shard, Direction::Request, chunk);
        }
    }

    /// The next bytes of a direction as HTTP/1's, up to where HTTP/2 begins in them.
    #[inline]
    pub(super) fn data_of_http1(&mut self, shard: &mut Shard, direction: Direction, chunk: Chunk<'_>) {
        let left = match direction {
            Direction::Request => {
                self.read(shard, |requests, budget, mut sink| {
                    requests.push(chunk, budget, &mut sink);
                });
                self.requests.has_left()
            }
            Direction::Response => {
                self.read_answers(shard, |answers, budget, counters, mut sink| {
                    answers.push(chunk, budget, counters, &mut sink);
                });
                self.answers.as_deref().is_some_and(Answers::has_left)
            }
        };
        if left {
            self.go_over(shard, direction, chunk);
        }
    }

    /// Everything that it reads from here on is the plaintext of TLS that begins here: its first record proves where the
    /// first request starts.
    pub(super) fn begins_tls(&mut self, shard: &Shard) {
        let (requests, answers) = streams(shard, Start::Syn);
        self.requests = requests;
        self.answers = answers;
        self.http2 = None;
        self.open.tls = true;
    }

    /// The addresses on its packets.
    pub(super) fn wire_key(&self) -> FlowKey {
        self.open.wire_key()
    }

    /// Reads what stands in front of the requests; what is left of the chunk is theirs.
    fn read_front<'a>(&mut self, shard: &mut Shard, chunk: Chunk<'a>) -> Option<Chunk<'a>> {
        if self.front.is_over() {
            return Some(chunk);
        }
        let before = self.front.read(chunk);
        match self.pass_front(shard, before) {
            FrontEvent::More => None,
            FrontEvent::Requests(_) => Some(chunk),
            FrontEvent::Header(_, _, rest) => (!rest.bytes.is_empty()).then_some(rest),
        }
    }

    /// The direction ends, or bytes of it are lost, where something may have stood in front of the requests.
    fn end_front(&mut self, shard: &mut Shard) {
        if !self.front.is_over() {
            let before = self.front.end();
            self.pass_front(shard, before);
        }
    }

    fn pass_front<'a>(&mut self, shard: &mut Shard, before: FrontEvent<'a>) -> FrontEvent<'a> {
        match &before {
            FrontEvent::Header(length, client, _) => {
                shard.pipeline.counters.recognise(Skip::ProxyHeader);
                shard.pipeline.counters.skip(*length as u64, Skip::ProxyHeader);
                if let Some(client) = client {
                    self.open.key.client = (*client).into();
                }
            }
            FrontEvent::Requests(Some(kept)) => self.requests(shard, kept.chunk()),
            FrontEvent::Requests(None) | FrontEvent::More => {}
        }
        before
    }

    /// Lets the request stream read, and answers what it says.
    fn read(
        &mut self,
        shard: &mut Shard,
        read: impl FnOnce(&mut RequestStream, &MemoryBudget, &mut dyn FnMut(RequestEvent)),
    ) {
        self.read_and_tell(shard, &mut |_| {}, read);
    }

    /// Likewise, and says what that is.
    pub(super) fn read_and_tell(
        &mut self,
        shard: &mut Shard,
        told: &mut dyn FnMut(&RequestEvent),
        read: impl FnOnce(&mut RequestStream, &MemoryBudget, &mut dyn FnMut(RequestEvent)),
    ) {
        let Self {
            requests,
            answers,
            open,
            ..
        } = self;
        let Shard { budget, pipeline, .. } = shard;
        read(requests, budget, &mut |event| {
            told(&event);
            let id = match &event {
                RequestEvent::Complete(request) | RequestEvent::Incomplete(request, _) => {
                    Some(open.name(request))
                }
                _ => None,
            };
            let mut early = None;
            if let Some(answers) = answers.as_deref_mut() {
                let counters = &mut pipeline.counters.answers;
                let mut lost = Vec::new();
                match (&event, &id) {
                    (RequestEvent::Started, _) => answers.request_started(),
                    (RequestEvent::Complete(request), Some(id)) => {
                        answers.request(request, id.clone(), counters, &mut |event| match event {
                            AnswerEvent::Answered(_) => early = Some(event),
                            AnswerEvent::Lost(..) | AnswerEvent::Left(..) => lost.push(event),
                        });
                    }
                    (RequestEvent::Incomplete(..) | RequestEvent::Rejected(_), _) => {
                        answers.rejected_request(counters, &mut |event| lost.push(event));
                    }
                    _ => {}
                }
                for event in lost {
                    pipeline.answer(open, event);
                }
            }
            pipeline.request(open, id, event);
            // Behind its request.
            if let Some(event) = early {
                pipeline.answer(open, event);
            }
        });
    }

    /// Lets the response stream read, where responses are captured, and hands on what it finds.
    pub(super) fn read_answers(
        &mut self,
        shard: &mut Shard,
        read: impl FnOnce(&mut Answers, &MemoryBudget, &mut AnswerCounters, &mut dyn FnMut(AnswerEvent)),
    ) {
        let Some(answers) = self.answers.as_deref_mut() else {
            return;
        };
        let open = &mut self.open;
        let Shard { budget, pipeline, .. } = shard;
        let mut counters = pipeline.counters.answers;
        read(answers, budget, &mut counters, &mut |event| {
            pipeline.answer(open, event);
        });
        pipeline.counters.answers = counters;
    }
}

/// Readers of both directions of a connection that came into view so.
fn streams(shard: &Shard, start: Start) -> (RequestStream, Option<Box<Answers>>) {
    let mut requests = RequestStream::new(shard.limits, start).leaving_http2();
    if shard.allow_incomplete {
        requests = requests.with_incomplete();
    }
    if shard.resume {
        requests = requests.resuming();
    }
    let answers = shard
        .track_response
        .then(|| Box::new(Answers::new(shard.limits, start).knowing(&shard.heads)));
    (requests, answers)
}

impl StreamHandler for ProductionConnection {
    type Context = Shard;

    fn open(shard: &mut Shard, flow: &FlowKey, start: Start, _time: Timestamp) -> Self {
        shard.flows += 1;
        let taken = !Self::is_left_out(shard, flow);
        let (requests, answers) = if taken {
            streams(shard, start)
        } else {
            shard.pipeline.counters.recognise(Skip::LeftOut);
            (RequestStream::passed_over(shard.limits, Skip::LeftOut), None)
        };
        let held = HeldBack::new(answers.is_some());
        let http2 = (taken && start != Start::Syn).then(|| Http2::doubtful(shard));
        Self {
            front: if taken { Front::new(start) } else { Front::Over },
            requests,
            answers,
            http2,
            open: Open {
                flow: FlowId(shard.flows),
                key: *flow,
                peer: flow.client,
                tls: false,
                pipelined: (0, u32::MAX),
                request: None,
                pod: None,
                start: RequestStart::default(),
                held,
            },
        }
    }

    fn data(&mut self, shard: &mut Shard, direction: Direction, chunk: Chunk<'_>) {
        match direction {
            Direction::Request => {
                if let Some(chunk) = self.behind_front(shard, chunk) {
                    self.requests(shard, chunk);
                }
            }
            Direction::Response if self.http2.is_some() => self.data_of_http2(shard, direction, chunk),
            Direction::Response => self.data_of_http1(shard, direction, chunk),
        }
    }

    fn gap(&mut self, shard: &mut Shard, direction: Direction, bytes: u64, _cause: GapCause) {
        if direction == Direction::Request {
            self.end_front(shard);
        }
        if self.gap_of_http2(shard, direction, bytes) {
            return;
        }
        match direction {
            Direction::Request => {
                self.read(shard, |requests, _, mut sink| requests.gap(bytes, &mut sink));
                self.read_answers(shard, |answers, _, _, mut sink| answers.forget(&mut sink));
                if self.http2.is_none() && self.requests.is_lost() && !self.open.held.has_asked() {
                    // The preface may be what is lost.
                    self.http2 = Some(Http2::doubtful(shard));
                }
            }
            Direction::Response => {
                self.read_answers(shard, |answers, _, counters, mut sink| {
                    answers.gap(bytes, counters, &mut sink);
                });
            }
        }
    }

    fn finished(&mut self, shard: &mut Shard, direction: Direction, _time: Timestamp) {
        if direction == Direction::Request {
            self.end_front(shard);
        }
        if let Some(http2) = &mut self.http2 {
            http2.end(&mut self.open, shard, direction, Close::Finished);
        }
        match direction {
            Direction::Request => {
                self.read(shard, |requests, _, mut sink| {
                    requests.end(Close::Finished, &mut sink);
                });
            }
            Direction::Response => self.read_answers(shard, |answers, _, counters, mut sink| {
                answers.end(Close::Finished, counters, &mut sink);
            }),
        }
    }

    fn server(&mut self, shard: &mut Shard, sign: ServerSign) {
        self.open.held.server(sign);
        shard.pipeline.settle_kept(&mut self.open);
        if let Some(http2) = &mut self.http2 {
            http2.server(&mut self.open, shard);
        }
    }

    fn heard(&mut self, shard: &mut Shard, sequence: u32) {
        while self.open.held.is_heard(sequence) {
            shard.pipeline.settle_first(&mut self.open, Next::Forward);
        }
        shard.pipeline.settle_kept(&mut self.open);
    }

    #[inline]
    fn waits(&self) -> bool {
        !self.open.held.is_empty() || self.http2.as_deref().is_some_and(Http2::waits)
    }

    fn overdue(&mut self, shard: &mut Shard, now: Timestamp) {
        while self.open.held.is_overdue(now, Self::is_crowded(shard)) {
            shard.pipeline.settle_first(&mut self.open, Next::Forward);
        }
        shard.pipeline.settle_kept(&mut self.open);
        if let Some(http2) = &mut self.http2 {
            let room = shard.budget.limit() / KEPT_SHARE;
            http2.overdue(&mut self.open, shard, now, room);
        }
    }

    #[inline]
    fn is_crowded(shard: &Shard) -> bool {
        shard.pipeline.kept_bytes > shard.budget.limit() / KEPT_SHARE
    }

    fn late(shard: &mut Shard, flow: &FlowKey, bytes: &[u8]) {
        let taken = !Self::is_left_out(shard, flow);
        if taken && begins_request(bytes) {
            let Targets { slots, .. } = shard.mirrors_mut().targets_in_turn(flow);
            let opened = shard.pipeline.ledger.open_for(&slots);
            opened.settle(Outcome::Dropped(DropReason::AfterClose));
        }
    }

    #[inline]
    fn holds(&self) -> bool {
        self.requests.holds()
            || self.answers.as_deref().is_some_and(Answers::holds)
            || self.http2.as_deref().is_some_and(Http2::holds)
    }

    fn stalled(&mut self, shard: &mut Shard, why: Stall) {
        self.read(shard, |requests, _, mut sink| requests.stalled(why, &mut sink));
        self.read_answers(shard, |answers, _, counters, mut sink| {
            answers.stalled(why, counters, &mut sink);
        });
        if let Some(http2) = &mut self.http2 {
            http2.stalled(&mut self.open, shard, why);
        }
    }

    fn close(mut self, shard: &mut Shard, close: Close, _time: Timestamp) {
        self.end_front(shard);
        self.read(shard, |requests, _, mut sink| requests.end(close, &mut sink));
        self.read_answers(shard, |answers, _, counters, mut sink| {
            answers.end(close, counters, &mut sink);
        });
        if let Some(http2) = self.http2.take() {
            http2.close(&mut self.open, shard, close);
        }
        while !self.open.held.is_empty() {
            let next = self.open.held.at_end(close == Close::Reset);
            shard.pipeline.settle_first(&mut self.open, next);
        }
    }
}
