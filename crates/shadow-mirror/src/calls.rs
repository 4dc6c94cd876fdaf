//! Calls of gRPC that last: they are handed on while production serves them, so that the shadow gets each message when
//! production does, and not once a stream has ended that may last for hours.
//!
//! A call goes live where production shows that it serves it: it has begun to answer on that stream; or the call has been
//! open for [`ANSWER_TIMEOUT`], and nothing speaks against it (what is said of whole requests in `streams.rs`). It does so only
//! where somebody takes it live. Outputs that keep or relay requests, or have rules that look into bodies, get it whole: it is
//! gathered for them beside. With a middleware, or without an output that takes it live, it waits for its end, as every other
//! request does.
//!
//! A call that was whole early, and whose answer lasts, is followed too: where production's client gives up, or its connection
//! ends, so does the shadow's stream.

use std::rc::Rc;

use shadow_core::time::Timestamp;
use shadow_http::Reject;
use shadow_http::h2::{Call, CallEnd, Connection, LiveCall, Messages, StreamId};
use shadow_tcp::ANSWER_TIMEOUT;

use super::held_back::Server;
use super::live::Live;
use super::not_understood;
use super::read_settings::MaxStream;
use super::streams::{Answers, Around, Doing, State, Stream, Streams};
use crate::ledger::DropReason;

impl Streams {
    /// Has calls go live that production has begun to answer.
    pub(super) fn go_live_answered(&mut self, around: &mut Around<'_>, reader: &mut Connection) {
        if self.live_calls.is_some() && reader.has_calls() {
            let calls: Vec<Call> = reader.calls().filter(|call| call.is_answered).collect();
            self.go_live(around, reader, &calls);
        }
    }

    /// Has calls go live that have been open for long.
    pub(super) fn go_live_in_time(
        &mut self,
        around: &mut Around<'_>,
        reader: &mut Connection,
        now: Timestamp,
    ) {
        let may = match around.open.held.server_is() {
            Server::Awaited | Server::Silent => false,
            Server::Accepted => self.speaks,
            Server::Unknown => true,
        };
        if self.live_calls.is_some() && may && self.doubt.is_none() {
            let is_due = |call: &Call| call.since.after(ANSWER_TIMEOUT) <= now;
            let calls: Vec<Call> = reader.calls().filter(is_due).collect();
            self.go_live(around, reader, &calls);
        }
        self.end_gathering(now);
    }

    /// Gathers no further what lasts for longer than it may.
    fn end_gathering(&mut self, now: Timestamp) {
        let Some(MaxStream { time, .. }) = self.live_calls else {
            return;
        };
        let open = &self.open;
        self.gathered.retain(|id| {
            let live = open.get(id).and_then(|stream| stream.live.as_ref());
            let Some(live) = live.filter(|live| live.is_gathered()) else {
                return false;
            };
            let is_due = live.began().after(time) <= now;
            if is_due {
                live.give_up_gathering(DropReason::GrpcStreamLimit);
            }
            !is_due
        });
    }

    fn go_live(&mut self, around: &mut Around<'_>, reader: &mut Connection, calls: &[Call]) {
        for call in calls {
            if !self.may_go_live(around, call.stream) {
                continue;
            }
            let mut rejected = None;
            let live = reader.go_live(call.stream, &mut |event| rejected = Some(event));
            if let Some(live) = live {
                self.goes_live(around, call.stream, live);
            }
            if let Some(event) = rejected {
                self.take(around, event);
            }
        }
    }

    fn may_go_live(&self, around: &Around<'_>, id: StreamId) -> bool {
        let Some(stream) = self.open.get(&id) else {
            return false;
        };
        match &stream.state {
            State::Coming { opened, behind_close } => {
                !behind_close && around.pipeline.dispatcher.takes_live_calls(opened.slots())
            }
            _ => false,
        }
    }

    fn goes_live(&mut self, around: &mut Around<'_>, id: StreamId, call: LiveCall) {
        let (Some(MaxStream { bytes, .. }), Some(stream)) = (self.live_calls, self.open.get_mut(&id)) else {
            return;
        };
        let State::Coming { opened, .. } = std::mem::replace(&mut stream.state, State::Live) else {
            return;
        };
        if self.doubt == Some(DropReason::MidStream) {
            not_understood::say_that_connections_were_open();
        }
        let live = Live::new(call.request.first_byte, bytes);
        stream.live = Some(Rc::clone(&live));
        let (place, name) = (stream.place(around.open), stream.id.clone());
        let goes_on = Some(Rc::clone(&live));
        around
            .pipeline
            .forward_captured(place, name, call.request, opened, goes_on);
        if live.is_gathered() {
            self.gathered.insert(id);
        }
        drop(live);
        for messages in call.messages {
            self.messages(id, messages);
        }
    }

    /// Messages of a call that went live.
    pub(super) fn messages(&mut self, id: StreamId, messages: Messages) {
        if let Some(live) = self.open.get(&id).and_then(|stream| stream.live.as_ref()) {
            // Where nobody has it any more there is nobody to keep them for.
            let is_read = Rc::strong_count(live) > 1;
            live.take(messages, is_read);
        }
    }

    /// The request of a call that went live has ended.
    pub(super) fn ended(&mut self, around: &Around<'_>, id: StreamId, end: CallEnd) {
        let Some(stream) = self.open.get_mut(&id) else {
            return;
        };
        let Some(live) = &stream.live else { return };
        live.ended(end);
        let last = match end {
            CallEnd::HalfClosed(time) => time,
            CallEnd::Answered => live.last(),
        };
        self.gathered.remove(&id);
        // Before production's answer to it is handed on.
        if let Some(gathered) = live.take_gathered() {
            around.pipeline.dispatcher.gathered(*gathered, last);
        }
        stream.state = State::Sent(last);
        if self.answers == Answers::Unwanted {
            self.open.remove(&id);
        }
    }

    /// A call that is kept back is not answered to its end: it goes on as one that lasts. Whether its client has left it.
    pub(super) fn leaves(&mut self, around: &Around<'_>, id: StreamId, reject: Reject) -> bool {
        let Some(stream) = self.open.get_mut(&id).filter(|_| self.live_calls.is_some()) else {
            return false;
        };
        stream.lasts();
        let is_kept = matches!(stream.state, State::Kept { .. });
        let Some(live) = stream.live.clone().filter(|_| is_kept && self.is_end(reject)) else {
            return false;
        };
        live.left(self.end_of_call(around, reject));
        true
    }

    /// Decides on a followed call whose answer will never be whole here. Where that is only not read to its end, it is
    /// followed until its connection ends.
    pub(super) fn follow(&mut self, around: &Around<'_>, id: StreamId, mut stream: Stream, reject: Reject) {
        let Some(live) = &stream.live else { return };
        if self.is_end(reject) {
            live.lost(self.end_of_call(around, reject));
        } else if Rc::strong_count(live) > 1 && self.open.len() < MAX_FOLLOWED {
            stream.state = State::OfAnotherAgent;
            self.open.insert(id, stream);
        }
    }

    /// The client has closed, or reset, its connection. A server that notices may end calls in order then, which the shadow's will not
    /// do: nobody has left that.
    pub(super) fn client_has_left(&mut self) {
        for stream in self.open.values() {
            if let (Some(live), State::Sent(_) | State::OfAnotherAgent) = (&stream.live, &stream.state) {
                live.lost(DropReason::GrpcStreamLeft);
            }
        }
    }

    /// Whether a stream is over with it, and not only read no further.
    fn is_end(&self, reject: Reject) -> bool {
        matches!(reject, Reject::H2Reset | Reject::Reset | Reject::Shutdown) || self.is_left(reject)
    }

    /// Whether it means that the client has left.
    pub(super) fn is_left(&self, reject: Reject) -> bool {
        match self.doing {
            Doing::ClientEnds => matches!(reject, Reject::H2Reset | Reject::Reset | Reject::Truncated),
            // An answer may have been given up before, for a pause: that is told when its request ends.
            Doing::ClientSends => reject == Reject::H2Reset,
            Doing::Others => false,
        }
    }

    /// Why a call that was handed on ends so.
    pub(super) fn end_of_call(&self, around: &Around<'_>, reject: Reject) -> DropReason {
        if self.is_left(reject) {
            DropReason::GrpcStreamLeft
        } else {
            around.pipeline.reason_on(around.open, reject)
        }
    }
}

/// Most streams of a connection that are followed without being read.
const MAX_FOLLOWED: usize = 4096;
