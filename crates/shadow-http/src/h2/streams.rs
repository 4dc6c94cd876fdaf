//! The streams of a connection of which something is still to come.

use std::collections::{BTreeMap, BTreeSet};

use super::gather::Gather;
use super::limits::MAX_STREAMS;
use super::messages::{Cutter, LiveCall};
use crate::framing::RequestKind;
use crate::message::Reject;
use crate::response_stream::Response;

/// One stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub request: RequestSide,
    pub answer: AnswerSide,
    pub kind: RequestKind,
}

/// How far its request is.
#[derive(Debug)]
pub(super) enum RequestSide {
    /// Its answer came before it: the directions are not captured in step.
    Unseen,
    Open(Box<Gather>),
    /// A call of gRPC that is told message by message.
    Live(Cutter),
    /// It was told.
    Complete,
}

/// How far its answer is.
#[derive(Debug)]
pub(super) enum AnswerSide {
    None,
    Open(Box<Gather>),
    /// It is whole, and its request is not.
    Early(Box<Response>),
    /// It will never be whole, and its request is not complete.
    Lost(Reject),
    Unprocessed,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Streams {
    all: BTreeMap<u32, Stream>,
    /// Messages of which bytes are kept.
    holding: usize,
    /// Answers without a request.
    unseen: usize,
    /// Requests that were told and wait for their answers.
    complete: usize,
    /// Open calls of gRPC.
    calls: BTreeSet<u32>,
}

impl Stream {
    fn holding(&self) -> usize {
        let request = match &self.request {
            RequestSide::Open(_) => true,
            RequestSide::Live(cutter) => cutter.holds(),
            RequestSide::Unseen | RequestSide::Complete => false,
        };
        let answer = matches!(self.answer, AnswerSide::Open(_) | AnswerSide::Early(_));
        usize::from(request) + usize::from(answer)
    }

    fn unseen(&self) -> usize {
        usize::from(matches!(self.request, RequestSide::Unseen))
    }

    fn complete(&self) -> usize {
        usize::from(matches!(self.request, RequestSide::Complete))
    }
}

impl Streams {
    /// Whether bytes of messages that are not whole are kept.
    pub fn hold(&self) -> bool {
        self.holding > 0
    }

    pub fn is_full(&self) -> bool {
        self.all.len() >= MAX_STREAMS
    }

    pub fn are_some_unseen(&self) -> bool {
        self.unseen > 0
    }

    /// The oldest of those that wait for nothing but their answers.
    pub fn oldest_complete(&self) -> Option<u32> {
        if self.complete == 0 {
            return None; // Asked for each stream beyond the limit: nobody is to make that dear.
        }
        let oldest = self.all.iter().find(|(_, stream)| stream.complete() > 0);
        oldest.map(|(id, _)| *id)
    }

    pub fn get(&self, id: u32) -> Option<&Stream> {
        self.all.get(&id)
    }

    pub fn insert(&mut self, id: u32, stream: Stream) {
        self.remove(id);
        self.holding += stream.holding();
        self.unseen += stream.unseen();
        self.complete += stream.complete();
        if matches!(&stream.request, RequestSide::Open(gather) if gather.is_call()) {
            self.calls.insert(id);
        }
        self.all.insert(id, stream);
    }

    pub fn remove(&mut self, id: u32) -> Option<Stream> {
        let stream = self.all.remove(&id)?;
        self.calls.remove(&id);
        self.holding -= stream.holding();
        self.unseen -= stream.unseen();
        self.complete -= stream.complete();
        Some(stream)
    }

    /// The open calls of gRPC, in their order.
    pub fn calls(&self) -> impl Iterator<Item = u32> {
        self.calls.iter().copied()
    }

    pub fn has_calls(&self) -> bool {
        !self.calls.is_empty()
    }

    /// Has one of these go live, as `begin` makes of it, if it is there.
    pub fn go_live(
        &mut self,
        id: u32,
        begin: impl FnOnce(Gather) -> Result<(LiveCall, Cutter), Reject>,
    ) -> Option<Result<LiveCall, Reject>> {
        if !self.calls.remove(&id) {
            return None;
        }
        self.edit(id, |stream| {
            let gathered = std::mem::replace(&mut stream.request, RequestSide::Complete);
            let RequestSide::Open(gather) = gathered else {
                stream.request = gathered;
                return None;
            };
            let (call, cutter) = match begin(*gather) {
                Ok(live) => live,
                Err(reject) => return Some(Err(reject)),
            };
            stream.request = RequestSide::Live(cutter);
            Some(Ok(call))
        })?
    }

    /// Changes one, if it is there.
    pub fn edit<R>(&mut self, id: u32, change: impl FnOnce(&mut Stream) -> R) -> Option<R> {
        let stream = self.all.get_mut(&id)?;
        self.holding -= stream.holding();
        self.unseen -= stream.unseen();
        self.complete -= stream.complete();
        let result = change(stream);
        self.holding += stream.holding();
        self.unseen += stream.unseen();
        self.complete += stream.complete();
        Some(result)
    }

    /// Those of which this holds, in their order.
    pub fn which(&self, is_one: impl Fn(u32, &Stream) -> bool) -> Vec<u32> {
        let them = self.all.iter().filter(|(id, stream)| is_one(**id, stream));
        them.map(|(id, _)| *id).collect()
    }
}
