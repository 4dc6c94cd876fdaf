//! Calls of gRPC that are handed on while their requests are under way: message by message, instead of once they are whole.
//!
//! A stream of gRPC may last for hours, so that waiting for its end is no way to mirror it. Whoever reads the connection sees
//! which calls are open ([`Connection::calls`]), and may have one go live ([`Connection::go_live`]): its head, and the
//! messages so far, come at once, and each further message as it is whole. What is kept of such a call is the message
//! under way, and nothing else.

use shadow_core::time::Timestamp;

use super::answers::tell_begun;
use super::connection::{Connection, Event, StreamId};
use super::messages::{CallEnd, LiveCall};
use super::streams::{AnswerSide, RequestSide};
use crate::message::Reject;

/// A call of gRPC whose request has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its stream.
    pub stream: StreamId,
    /// When its first byte was seen.
    pub since: Timestamp,
    /// Whether the server is in the middle of its answer, where answers are read.
    pub is_answered: bool,
}

impl Connection {
    /// The calls of gRPC whose requests are under way and have not gone live, the oldest first.
    pub fn calls(&self) -> impl Iterator<Item = Call> {
        self.streams.calls().filter_map(|id| {
            let stream = self.streams.get(id)?;
            let RequestSide::Open(gather) = &stream.request else {
                return None;
            };
            Some(Call {
                stream: StreamId(id),
                since: gather.since(),
                is_answered: matches!(stream.answer, AnswerSide::Open(_)),
            })
        })
    }

    /// Whether there are any.
    pub fn has_calls(&self) -> bool {
        self.streams.has_calls()
    }

    /// Has one of these [calls](Connection::calls) go live: from here on [`Event::Messages`] tell of it, and [`Event::Ended`]
    /// where else `Complete` would. `None` for any other stream, and where there is no room for it: then it ends as
    /// [`Event::Rejected`].
    pub fn go_live(&mut self, stream: StreamId, sink: &mut impl FnMut(Event)) -> Option<LiveCall> {
        let StreamId(id) = stream;
        let limits = self.limits;
        let begun = self.streams.go_live(id, |gather| gather.go_live(&limits))?;
        match begun {
            Ok(call) => Some(call),
            Err(reject) => {
                self.streams.remove(id);
                sink(Event::Rejected(stream, reject));
                None
            }
        }
    }

    /// Data of a call that went live.
    pub(super) fn live_data(&mut self, id: u32, data: &[u8], now: Timestamp, sink: &mut impl FnMut(Event)) {
        let limits = self.limits;
        let pushed = self.streams.edit(id, |stream| match &mut stream.request {
            RequestSide::Live(cutter) => cutter.push(data, now, &limits),
            _ => Ok(None),
        });
        match pushed {
            Some(Ok(Some(messages))) => sink(Event::Messages(StreamId(id), messages)),
            Some(Err(reject)) => self.break_off(id, reject, sink),
            _ => {}
        }
    }

    /// The client has ended its side of a call that went live.
    pub(super) fn live_ends(&mut self, id: u32, now: Timestamp, sink: &mut impl FnMut(Event)) {
        let Some(mut stream) = self.streams.remove(id) else {
            return;
        };
        if let RequestSide::Live(cutter) = &mut stream.request
            && let Some(rest) = cutter.rest(now)
        {
            sink(Event::Messages(StreamId(id), rest));
        }
        sink(Event::Ended(StreamId(id), CallEnd::HalfClosed(now)));
        self.await_answer(id, stream.kind, stream.answer, sink);
    }

    pub(super) fn is_live(&self, id: u32) -> bool {
        let stream = self.streams.get(id);
        stream.is_some_and(|stream| matches!(stream.request, RequestSide::Live(_)))
    }
}

/// Nothing more comes of the request of a call that went live and was taken out of the streams.
pub(super) fn live_breaks_off(id: u32, answer: AnswerSide, reject: Reject, sink: &mut impl FnMut(Event)) {
    let stream = StreamId(id);
    let is_lost = !matches!(
        reject,
        Reject::H2Reset | Reject::Reset | Reject::Truncated | Reject::Shutdown
    );
    match answer {
        AnswerSide::Early(response) if !is_lost => {
            sink(Event::Ended(stream, CallEnd::Answered));
            sink(Event::Answered(stream, response));
        }
        answer => {
            tell_begun(id, Some(answer), reject, sink);
            sink(Event::Rejected(stream, reject));
        }
    }
}
