//! A production connection in HTTP/2: each of its streams is a request of its own, with its own place in the ledger, its own
//! name, and its own way to the outputs.
//!
//! # What is kept back
//!
//! As with HTTP/1.1, what production may not have served waits until that shows. A whole stream waits while no server took
//! the connection. Where answers are read it waits a moment longer, until its answer is there or the server says that it has not
//! processed it (RFC 9113 section 8.7): a client sends such a request again, and then that one is mirrored. After
//! [`ANSWER_TIMEOUT`] it goes on all the same, and so it does where memory is short: who refuses a stream does so at once.
//! Order means nothing between streams, so none waits for another. Calls of gRPC that last do not wait for their end (`calls.rs`).
//!
//! A client may send requests before the server has said a word. Whether that speaks HTTP/2 at all shows in the client's
//! acknowledgment of its SETTINGS (RFC 9113 section 6.5.3), or in its own bytes. Until then streams wait, and if it closes
//! instead, it has refused them. A client that is the first to leave, as curl does once it has its answer, may have left that out.
//!
//! # What is in doubt
//!
//! Where the place of a frame was lost, or never known, it is found by how bytes look, which an upload could feign. What
//! begins there is handed on only if the server answers on that very stream; without answers to read it is not handed on,
//! unless `--input-raw-resume` asks for it.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use shadow_core::time::Timestamp;
use shadow_http::h2::{Event, StreamId};
use shadow_http::{Reject, Request, Response};
use shadow_tcp::{ANSWER_TIMEOUT, Close, Direction};

use super::MessageId;
use super::answers::{AnswerEvent, ProductionAnswer, lost};
use super::exchange::AnswerLost;
use super::held_back::Server;
use super::ledger::{DropReason, Opened, Outcome};
use super::live::Live;
use super::not_understood;
use super::open::{Open, RequestOrigin};
use super::pipeline::Pipeline;
use super::plan::PodIdentity;
use super::read_settings::MaxStream;
use super::seen::FlowId;

/// Most streams of one connection that are kept back; servers take a tenth of that at once.
const MAX_KEPT: usize = 1024;

/// The streams of one connection that have not ended here.
#[derive(Debug)]
pub(super) struct Streams {
    /// By number, which is the order of starting.
    pub(super) open: BTreeMap<StreamId, Stream>,
    kept: usize,
    /// The number that the name of stream 0 would have: names are unique on a connection.
    base: u32,
    /// Whether answers are read, and something of the server was.
    pub(super) answers: Answers,
    /// Whether the server is known to speak HTTP/2.
    pub(super) speaks: bool,
    /// Bounds of a call that is handed on while it is served, if any is.
    pub(super) live_calls: Option<MaxStream>,
    /// Of those that are, the ones that are gathered too.
    pub(super) gathered: BTreeSet<StreamId>,
    /// Whether the client closed while the server had not.
    client_first: bool,
    /// Whose doing it is what is read now, or ends.
    pub(super) doing: Doing,
    /// Why what is read now is in doubt, if it is.
    pub doubt: Option<DropReason>,
}

/// Whose doing something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    ClientSends,
    /// A direction, or the connection, ends by the client.
    ClientEnds,
    Others,
}

/// The part that production's answers have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answers {
    Unwanted,
    /// Nothing of the server's HTTP/2 came so far.
    Unseen,
    Seen,
}

/// A stream that has not ended here.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: MessageId,
    flow: FlowId,
    pod: Option<Arc<PodIdentity>>,
    pub(super) state: State,
    /// It as a call that production is serving, where it was handed on as one.
    pub(super) live: Option<Rc<Live>>,
    /// As much as came of an answer of which the end is told next.
    begun: Option<Box<Response>>,
}

#[derive(Debug)]
pub(super) enum State {
    /// Its request is not whole.
    Coming {
        opened: Opened,
        /// It began behind what the server reads.
        behind_close: bool,
    },
    /// Another agent mirrors it; or it is a call that went on, and is not read any further.
    OfAnotherAgent,
    /// A call of gRPC that went on before its request was whole.
    Live,
    /// Its request waits for what shows of the server; for its answer alone, if it is in doubt.
    Kept {
        request: Box<Request>,
        opened: Opened,
        doubt: Option<DropReason>,
    },
    /// Its request went on, and had its last byte then; its answer is waited for.
    Sent(Timestamp),
}

/// Everything that a stream's step needs of its connection and its shard.
pub(super) struct Around<'a> {
    pub open: &'a mut Open,
    pub pipeline: &'a mut Pipeline,
    pub flows: &'a mut u64,
}

impl Stream {
    pub(super) fn place<'a>(&'a self, open: &'a Open) -> RequestOrigin<'a> {
        RequestOrigin {
            flow: self.flow,
            key: &open.key,
            pod: self.pod.as_ref(),
        }
    }

    /// Its answer lasts: it is followed, if it is a call.
    pub(super) fn lasts(&mut self) {
        if let State::Kept { request, .. } = &self.state
            && may_last(request)
        {
            self.live = Some(Live::whole(request.first_byte, request.last_byte));
        }
    }

    /// Its request goes on if it was kept back.
    fn forward(&mut self, open: &Open, pipeline: &mut Pipeline) {
        let State::Kept { request, .. } = &self.state else {
            return;
        };
        let sent = State::Sent(request.last_byte);
        if let State::Kept { request, opened, .. } = std::mem::replace(&mut self.state, sent) {
            pipeline.no_longer_kept(&request);
            let live = self.live.clone();
            pipeline.forward_captured(self.place(open), self.id.clone(), request, opened, live);
        }
    }

    fn is_kept(&self) -> bool {
        matches!(self.state, State::Kept { .. })
    }

    /// Why its request is in doubt, if it waits for its answer for that.
    fn doubt(&self) -> Option<DropReason> {
        match self.state {
            State::Kept { doubt, .. } => doubt,
            _ => None,
        }
    }

    /// It ends here, for this reason unless its request has gone on.
    fn end(self, pipeline: &mut Pipeline, reason: DropReason) {
        match self.state {
            State::Kept { request, opened, .. } => {
                pipeline.no_longer_kept(&request);
                pipeline.drop_unserved(&self.id, opened, reason);
            }
            State::Coming { opened, .. } => pipeline.drop_unserved(&self.id, opened, reason),
            State::OfAnotherAgent | State::Live | State::Sent(_) => {
                if let Some(live) = self.live {
                    live.lost(reason);
                }
            }
        }
    }
}

impl Streams {
    /// Of a connection; answers are read if they are `wanted`, and calls handed on while they are served within such bounds.
    pub fn new(wanted: bool, live_calls: Option<MaxStream>) -> Self {
        Self {
            open: BTreeMap::new(),
            kept: 0,
            base: 0,
            answers: if wanted {
                Answers::Unseen
            } else {
                Answers::Unwanted
            },
            speaks: false,
            live_calls,
            gathered: BTreeSet::new(),
            client_first: false,
            doing: Doing::Others,
            doubt: None,
        }
    }

    /// The server speaks HTTP/2.
    pub fn speaks(&mut self, around: &mut Around<'_>) {
        if !std::mem::replace(&mut self.speaks, true) {
            self.settle(around);
        }
    }

    /// The client sends nothing more, or says so.
    pub fn client_ends(&mut self, open: &Open) {
        self.client_first |= !open.held.has_closed();
    }

    /// What is read now is the client's doing or not, and no end of a direction.
    pub fn acts(&mut self, client: bool) {
        self.doing = if client { Doing::ClientSends } else { Doing::Others };
    }

    /// A direction, or the connection with both, ends so: whether that is the client's doing, who closed first or reset it.
    pub fn ends(&mut self, open: &Open, direction: Option<Direction>, close: Close) {
        let may_be = match close {
            Close::Finished => direction == Some(Direction::Request) || self.client_first,
            Close::Reset => true,
            Close::Idle | Close::Evicted | Close::Reused | Close::Shutdown => false,
        };
        if may_be && (self.client_first || !open.held.has_closed()) {
            self.doing = Doing::ClientEnds;
            self.client_has_left();
        } else {
            self.doing = Doing::Others;
        }
    }

    /// Whether the server took the connection and has not spoken HTTP/2.
    fn never_spoke(&self, open: &Open) -> bool {
        !self.speaks && open.held.server_is() == Server::Accepted
    }

    /// Whether it has closed as well, before the client did.
    fn is_turned_away(&self, open: &Open) -> bool {
        self.never_spoke(open) && open.held.has_closed() && !self.client_first
    }

    /// The client has received so much of the server's bytes when its HTTP/2 begins.
    pub fn begin(&mut self, acknowledgment: u32) {
        self.base = acknowledgment;
    }

    /// The server's HTTP/2 begins.
    pub fn hears(&mut self) {
        if self.answers == Answers::Unseen {
            self.answers = Answers::Seen;
        }
    }

    /// A request of HTTP/1.1 that went on became stream 1.
    pub fn upgraded(&mut self, open: &Open, id: MessageId, last_byte: Timestamp) {
        let stream = Stream {
            id,
            flow: open.flow,
            pod: open.pod.clone(),
            state: State::Sent(last_byte),
            live: None,
            begun: None,
        };
        self.open.insert(StreamId(1), stream);
    }

    /// Whether a request is kept back, or gathered for as long as it may be.
    #[inline]
    pub fn waits(&self) -> bool {
        self.kept > 0 || !self.gathered.is_empty()
    }

    /// Takes an event of the connection's reader.
    pub fn take(&mut self, around: &mut Around<'_>, event: Event) {
        match event {
            Event::Started(id) => self.started(around, id),
            Event::Complete(id, request) => self.whole(around, id, request, false),
            Event::Incomplete(id, request, why) => match request.cut_short(why) {
                Ok(request) => self.whole(around, id, Box::new(request), true),
                Err(reject) => self.rejected(around, id, reject),
            },
            Event::Rejected(id, reject) => self.rejected(around, id, reject),
            Event::Messages(id, messages) => self.messages(id, messages),
            Event::Ended(id, end) => self.ended(around, id, end),
            Event::Answered(id, response) => self.answered(around, id, response),
            Event::AnswerBegun(id, response) => {
                if let Some(stream) = self.open.get_mut(&id) {
                    stream.begun = Some(response);
                }
            }
            Event::AnswerLost(id, reject) => {
                self.unanswered(around, id, reject);
            }
            Event::Unprocessed(id) => self.unprocessed(around, id),
            Event::Pushed(_) => around.pipeline.counters.http2_pushed += 1,
            Event::Skipped { bytes, why } => around.pipeline.counters.skip(bytes, why),
            Event::Recognised(what) => around.pipeline.counters.recognise(what),
        }
    }

    fn started(&mut self, around: &mut Around<'_>, id: StreamId) {
        let begun = around.pipeline.begin(around.open);
        *around.flows += 1;
        let (state, pod) = match begun {
            Some((opened, pod)) => {
                let behind_close = around.open.held.is_behind_close();
                (State::Coming { opened, behind_close }, pod)
            }
            None => (State::OfAnotherAgent, None),
        };
        let stream = Stream {
            id: MessageId::captured(&around.open.key, self.base.wrapping_add(id.0)),
            flow: FlowId(*around.flows),
            pod,
            state,
            live: None,
            begun: None,
        };
        self.open.insert(id, stream);
    }

    /// A request is whole, or all that will come of it is there.
    fn whole(&mut self, around: &mut Around<'_>, id: StreamId, request: Box<Request>, cut_short: bool) {
        let next = self.judge(around.open.held.server_is());
        let Some(stream) = self.open.get_mut(&id) else {
            return;
        };
        let sent = State::Sent(request.last_byte);
        let (opened, behind_close) = match std::mem::replace(&mut stream.state, sent) {
            State::Coming { opened, behind_close } => (opened, behind_close),
            State::OfAnotherAgent if self.answers == Answers::Unwanted => {
                self.open.remove(&id);
                return;
            }
            other => return stream.state = other,
        };
        let opened = if cut_short { opened.incomplete() } else { opened };
        let doubt = self.doubt;
        if doubt == Some(DropReason::MidStream) {
            not_understood::say_that_connections_were_open();
        }
        let reason = match (next, doubt) {
            _ if behind_close => DropReason::AfterClose,
            (Judgement::Drop(reason), _) => reason,
            (_, Some(reason)) if self.answers == Answers::Unwanted || self.kept >= MAX_KEPT => reason,
            (Judgement::Keep, _) | (Judgement::Forward, Some(_)) => {
                around.pipeline.kept_bytes += request.charge.bytes();
                stream.state = State::Kept {
                    request,
                    opened,
                    doubt,
                };
                self.kept += 1;
                return;
            }
            (Judgement::Forward, None) => {
                let place = stream.place(around.open);
                around
                    .pipeline
                    .forward_captured(place, stream.id.clone(), request, opened, None);
                if self.answers == Answers::Unwanted || cut_short {
                    self.open.remove(&id);
                }
                return;
            }
        };
        around.pipeline.drop_unserved(&stream.id, opened, reason);
        self.open.remove(&id);
    }

    /// Decides about a whole request by what shows of the server.
    fn judge(&self, server: Server) -> Judgement {
        let refusals_show = match self.answers {
            Answers::Unwanted => false,
            Answers::Unseen => server == Server::Accepted,
            Answers::Seen => true,
        };
        match server {
            Server::Silent => Judgement::Drop(DropReason::Unanswered),
            Server::Awaited if self.kept >= MAX_KEPT => Judgement::Drop(DropReason::Unanswered),
            Server::Awaited => Judgement::Keep,
            Server::Accepted | Server::Unknown if refusals_show && self.kept < MAX_KEPT => Judgement::Keep,
            Server::Accepted if !self.speaks && self.kept < MAX_KEPT => Judgement::Keep,
            Server::Accepted | Server::Unknown => Judgement::Forward,
        }
    }

    fn rejected(&mut self, around: &mut Around<'_>, id: StreamId, reject: Reject) {
        if reject == Reject::MidStream {
            not_understood::say_that_connections_were_open();
        }
        let Some(stream) = self.remove(id) else { return };
        match (stream.state, stream.live) {
            (State::Coming { opened, .. }, _) => {
                let reason = around.pipeline.reason_on(around.open, reject);
                opened.settle(Outcome::Dropped(reason));
            }
            // Whoever got it ends it.
            (State::Live, Some(live)) => {
                live.lost(self.end_of_call(around, reject));
                if let Some(response) = stream.begun.filter(|_| self.is_left(reject)) {
                    let event = AnswerEvent::Left(stream.id, response);
                    around.pipeline.answer(around.open, event);
                }
            }
            _ => {}
        }
    }

    fn answered(&mut self, around: &mut Around<'_>, id: StreamId, response: Box<Response>) {
        let Some(stream) = self.served(around, id) else {
            around.pipeline.counters.answers.unpaired += 1;
            return;
        };
        let State::Sent(last_byte) = stream.state else {
            return;
        };
        if let Some(live) = &stream.live {
            live.answered();
        }
        around.pipeline.counters.answers.paired += 1;
        let answer = ProductionAnswer {
            id: stream.id,
            began: last_byte,
            took: response.last_byte.since(last_byte),
            response,
        };
        around.pipeline.answer(around.open, AnswerEvent::Answered(answer));
    }

    /// Its answer will never be whole: that says nothing against the request.
    fn unanswered(&mut self, around: &mut Around<'_>, id: StreamId, reject: Reject) {
        let why = lost(reject);
        let is_over = why == AnswerLost::NotHttp || (why == AnswerLost::Closed && !self.client_first);
        let turned_away = (self.never_spoke(around.open) && is_over).then_some(DropReason::H2Refused);
        let kept = self.open.get(&id).filter(|stream| stream.is_kept());
        if let Some(reason) = kept.and_then(|stream| stream.doubt().or(turned_away)) {
            if let Some(stream) = self.remove(id) {
                stream.end(around.pipeline, reason);
            }
            return;
        }
        let left = self.leaves(around, id, reject);
        let Some(mut stream) = self.served(around, id) else {
            return;
        };
        let State::Sent(_) = stream.state else { return };
        let name = stream.id.clone();
        let begun = stream.begun.take();
        let begun = begun.filter(|_| stream.live.is_some() && self.is_left(reject));
        if stream.live.is_some() && !left {
            self.follow(around, id, stream, reject);
        }
        if why != AnswerLost::Closed && why != AnswerLost::Shutdown {
            around.pipeline.counters.answers.rejected += 1;
        }
        let event = match begun {
            Some(response) => AnswerEvent::Left(name, response),
            None => AnswerEvent::Lost(name, why),
        };
        around.pipeline.answer(around.open, event);
    }

    /// A stream's request was served: it goes on if it was kept back.
    fn served(&mut self, around: &mut Around<'_>, id: StreamId) -> Option<Stream> {
        let mut stream = self.remove(id)?;
        stream.forward(around.open, around.pipeline);
        Some(stream)
    }

    /// The server has not processed a whole request.
    fn unprocessed(&mut self, around: &mut Around<'_>, id: StreamId) {
        let Some(stream) = self.remove(id) else { return };
        if let State::Sent(_) = stream.state {
            if let Some(live) = &stream.live {
                live.lost(DropReason::H2Refused);
            }
            let event = AnswerEvent::Lost(stream.id, AnswerLost::Closed);
            return around.pipeline.answer(around.open, event);
        }
        stream.end(around.pipeline, DropReason::H2Refused);
    }

    fn remove(&mut self, id: StreamId) -> Option<Stream> {
        let stream = self.open.remove(&id)?;
        self.gathered.remove(&id);
        self.kept -= usize::from(matches!(stream.state, State::Kept { .. }));
        Some(stream)
    }

    /// More shows of the server: settles what is kept back as far as that tells.
    pub fn settle(&mut self, around: &mut Around<'_>) {
        match around.open.held.server_is() {
            _ if self.kept == 0 => {}
            Server::Awaited => {}
            Server::Silent => self.settle_if(around, Some(DropReason::Unanswered), |_, _| true),
            Server::Accepted if self.is_turned_away(around.open) => {
                self.settle_if(around, Some(DropReason::H2Refused), |_, _| true);
            }
            Server::Accepted if !self.speaks || self.answers != Answers::Unwanted => {}
            Server::Accepted | Server::Unknown => self.settle_if(around, None, |_, _| true),
        }
    }

    /// Lets go on what was kept back for long enough, or gives its room to others where these need it.
    pub fn overdue(&mut self, around: &mut Around<'_>, now: Timestamp, room: usize) {
        if self.kept > 0 && around.open.held.server_is() != Server::Awaited {
            let reason = self.is_turned_away(around.open).then_some(DropReason::H2Refused);
            self.settle_if(around, reason, |request, kept_bytes| {
                kept_bytes > room || request.last_byte.after(ANSWER_TIMEOUT) <= now
            });
        }
    }

    /// Settles those that are kept back and of which `is_due` says so, with this reason or by handing them on.
    fn settle_if(
        &mut self,
        around: &mut Around<'_>,
        reason: Option<DropReason>,
        is_due: impl Fn(&Request, usize) -> bool,
    ) {
        let mut over = Vec::new();
        for (id, stream) in &mut self.open {
            match &stream.state {
                State::Kept { request, .. } if is_due(request, around.pipeline.kept_bytes) => {}
                _ => continue,
            }
            let reason = reason.or(stream.doubt());
            if reason.is_none() {
                if self.live_calls.is_some() && self.answers != Answers::Unwanted {
                    stream.lasts();
                }
                stream.forward(around.open, around.pipeline);
                self.kept -= 1;
            }
            if reason.is_some() || self.answers == Answers::Unwanted {
                over.push((*id, reason));
            }
        }
        for (id, reason) in over {
            if let (Some(stream), Some(reason)) = (self.remove(id), reason) {
                stream.end(around.pipeline, reason);
            }
        }
    }

    /// The connection is over, `reset` by either side or otherwise, and its reader has told all that there is.
    pub fn close(mut self, around: &mut Around<'_>, reset: bool, why: Reject) {
        let of_call = self.end_of_call(around, why);
        let why = around.pipeline.reason_on(around.open, why);
        let taken = around.open.held.server_is() != Server::Awaited;
        let turned_away = self.is_turned_away(around.open);
        for (_, mut stream) in std::mem::take(&mut self.open) {
            if let State::Kept { doubt: None, .. } = stream.state
                && (taken || !reset)
                && !turned_away
            {
                stream.forward(around.open, around.pipeline);
            }
            let reason = match stream.state {
                State::Kept {
                    doubt: Some(doubt), ..
                } => doubt,
                State::Kept { .. } if turned_away => DropReason::H2Refused,
                State::Kept { .. } => DropReason::Reset,
                _ if stream.live.is_some() => of_call,
                _ => why,
            };
            stream.end(around.pipeline, reason);
        }
    }
}

/// The decision about a whole request.
enum Judgement {
    Forward,
    Keep,
    Drop(DropReason),
}

/// Whether a request is a call of gRPC, or gRPC-Web, whose answer may last.
fn may_last(request: &Request) -> bool {
    let kind = request.header("content-type");
    request.method() == b"POST" && kind.is_some_and(|kind| kind.starts_with(b"application/grpc"))
}
