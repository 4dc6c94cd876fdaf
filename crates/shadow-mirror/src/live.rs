//! A call of gRPC on its way to outputs while production serves it: its messages, its end, and what became of it.
//!
//! The connection's reader puts messages in as they are whole; each output takes them by a [`LiveReader`] of its own, at its
//! own pace. A message is kept until all readers have taken it, and the first [`KEPT`] bytes of a call a while longer, so that a
//! shadow that refused a stream can be sent them again, and an output that begins late has them too. What is kept is charged to
//! `--max-memory`, and a call that has more messages than `--grpc-max-stream` allows ends here, with the last one that
//! is within it. Outputs that need it whole have it [gathered](Gathering) beside.
//!
//! Sans-IO: it knows no clock, and whoever waits is woken.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use shadow_core::time::Timestamp;
use shadow_http::h2::{CallEnd, Messages};

use super::gathering::Gathering;
use super::ledger::DropReason;

/// Bytes of messages that are kept although all have taken them: some dozens of small ones.
const KEPT: usize = 16 * 1024;

/// A call of gRPC that production is serving.
#[derive(Debug)]
pub struct Live {
    began: Timestamp,
    /// Most bytes of messages.
    most: u64,
    /// Whether its request was whole when it was handed on.
    is_whole: bool,
    state: RefCell<State>,
}

#[derive(Debug)]
struct State {
    messages: VecDeque<Rc<Messages>>,
    /// The number of the first of them.
    first: u64,
    /// Bytes of them.
    kept: usize,
    /// Bytes of all messages so far.
    total: u64,
    /// When the last messages came.
    last: Timestamp,
    /// The end of its request.
    end: Option<CallEnd>,
    over: Option<Over>,
    readers: Vec<Cursor>,
    /// Whether there was a reader.
    was_read: bool,
    next_reader: u64,
    /// It for those who need it whole, until it is.
    gathering: Option<Box<Gathering>>,
}

/// How far a reader is.
#[derive(Debug)]
struct Cursor {
    reader: u64,
    next: u64,
    waker: Option<Waker>,
}

/// The end of a call in production.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    Answered,
    Lost(DropReason),
    /// Its client left it before it was known to last, which need not end it elsewhere.
    Left(DropReason),
}

/// The next part of a call's request.
#[derive(Clone, Debug)]
pub enum Next {
    /// Whole messages.
    Messages(Rc<Messages>),
    /// The client has ended its side, then.
    HalfClosed(Timestamp),
    /// Nothing more, though the client did not say so: production had answered.
    Nothing,
    /// It is not to be sent on, for this reason.
    Lost(DropReason),
}

impl Live {
    /// A call of which the first byte came then, with `most` bytes of messages.
    pub fn new(began: Timestamp, most: u64) -> Rc<Self> {
        Rc::new(Self::of(began, most, false))
    }

    /// A call whose request was whole when it was handed on, and whose answer is not.
    pub fn whole(began: Timestamp, ended: Timestamp) -> Rc<Self> {
        let live = Self::of(began, 0, true);
        live.ended(CallEnd::HalfClosed(ended));
        Rc::new(live)
    }

    fn of(began: Timestamp, most: u64, is_whole: bool) -> Self {
        Self {
            began,
            most,
            is_whole,
            state: RefCell::new(State {
                messages: VecDeque::new(),
                first: 0,
                kept: 0,
                total: 0,
                last: began,
                end: None,
                over: None,
                readers: Vec::new(),
                was_read: false,
                next_reader: 0,
                gathering: None,
            }),
        }
    }

    /// When its first byte was seen.
    pub fn began(&self) -> Timestamp {
        self.began
    }

    /// Whether its request was whole when it was handed on: then it has no messages here.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Whether production is done with it, or will not be.
    pub fn is_over(&self) -> bool {
        self.state.borrow().over.is_some()
    }

    /// When its last messages so far came.
    pub(crate) fn last(&self) -> Timestamp {
        self.state.borrow().last
    }

    /// Bytes of messages that are kept.
    pub fn kept(&self) -> usize {
        self.state.borrow().kept
    }

    /// A reader of it, from the first message on.
    pub fn reader(self: &Rc<Self>) -> LiveReader {
        let mut state = self.state.borrow_mut();
        let reader = state.next_reader;
        state.next_reader += 1;
        state.was_read = true;
        state.readers.push(Cursor {
            reader,
            next: 0,
            waker: None,
        });
        LiveReader {
            live: Rc::clone(self),
            reader,
        }
    }

    /// Has it gathered for those who need it whole; before its first message.
    pub(crate) fn gather(&self, gathering: Gathering) {
        self.state.borrow_mut().gathering = Some(Box::new(gathering));
    }

    /// Whether it is.
    pub(crate) fn is_gathered(&self) -> bool {
        self.state.borrow().gathering.is_some()
    }

    /// Takes what was gathered of it: its request has ended.
    pub(crate) fn take_gathered(&self) -> Option<Box<Gathering>> {
        self.state.borrow_mut().gathering.take()
    }

    /// Gathers it no further, for this reason: it goes on for everybody else.
    pub(crate) fn give_up_gathering(&self, reason: DropReason) {
        self.state.borrow_mut().give_up_gathering(reason);
    }

    /// More messages came.
    pub fn push(&self, messages: Messages) {
        self.take(messages, true);
    }

    /// The same; `is_read`: whether anybody has it who may read them.
    pub(crate) fn take(&self, messages: Messages, is_read: bool) {
        let mut state = self.state.borrow_mut();
        if state.end.is_some() || state.over.is_some() {
            return;
        }
        let bytes = messages.data.len();
        state.total = state.total.saturating_add(bytes as u64);
        if state.total > self.most {
            return state.is_over(Over::Lost(DropReason::GrpcStreamLimit));
        }
        state.last = messages.time;
        if let Some(Err(reason)) = state.gathering.as_mut().map(|one| one.push(&messages)) {
            state.give_up_gathering(reason);
        }
        if !is_read {
            return;
        }
        state.kept += bytes;
        state.messages.push_back(Rc::new(messages));
        state.trim();
        state.wake();
    }

    /// Its request has ended.
    pub fn ended(&self, end: CallEnd) {
        let mut state = self.state.borrow_mut();
        state.end.get_or_insert(end);
        if end == CallEnd::Answered {
            state.is_over(Over::Answered);
        }
        state.wake();
    }

    /// Production has answered it: whole.
    pub fn answered(&self) {
        self.state.borrow_mut().is_over(Over::Answered);
    }

    /// Production's call ended without an answer, or it cannot be read any further.
    pub fn lost(&self, reason: DropReason) {
        self.state.borrow_mut().is_over(Over::Lost(reason));
    }

    /// Production's client left it before it was handed on. Whoever gets it has the time of any exchange for it, and ends it for
    /// this reason then.
    pub fn left(&self, reason: DropReason) {
        self.state.borrow_mut().is_over(Over::Left(reason));
    }
}

impl State {
    fn is_over(&mut self, over: Over) {
        self.over.get_or_insert(over);
        if let Over::Lost(reason) | Over::Left(reason) = over {
            self.give_up_gathering(reason);
        }
        self.wake();
    }

    fn give_up_gathering(&mut self, reason: DropReason) {
        if let Some(gathering) = self.gathering.take() {
            gathering.give_up(reason);
        }
    }

    fn wake(&mut self) {
        for cursor in &mut self.readers {
            if let Some(waker) = cursor.waker.take() {
                waker.wake();
            }
        }
    }

    /// Lets go of what nobody needs.
    fn trim(&mut self) {
        let nobody = self.was_read && self.readers.is_empty();
        let slowest = self.readers.iter().map(|cursor| cursor.next).min();
        while let Some(front) = self.messages.front() {
            let taken = slowest.is_some_and(|next| next > self.first) && self.kept > KEPT;
            if !taken && !nobody {
                break;
            }
            self.kept -= front.data.len();
            self.messages.pop_front();
            self.first += 1;
        }
    }

    /// Takes the next part for a reader, which has got it then.
    fn next(&mut self, reader: u64) -> Option<Next> {
        let cursor = self.readers.iter_mut().find(|cursor| cursor.reader == reader)?;
        let Some(ahead) = cursor.next.checked_sub(self.first) else {
            return Some(Next::Lost(DropReason::QueueFull));
        };
        let messages = usize::try_from(ahead).ok().and_then(|at| self.messages.get(at));
        if let Some(messages) = messages.cloned() {
            cursor.next += 1;
            self.trim();
            return Some(Next::Messages(messages));
        }
        match (self.over, self.end) {
            (Some(Over::Lost(reason)), _) => Some(Next::Lost(reason)),
            (_, Some(CallEnd::HalfClosed(time))) => Some(Next::HalfClosed(time)),
            (_, Some(CallEnd::Answered)) => Some(Next::Nothing),
            (_, None) => None,
        }
    }
}

/// One output's reader of a call; dropped once it wants no more of it.
#[derive(Debug)]
pub struct LiveReader {
    live: Rc<Live>,
    reader: u64,
}

impl LiveReader {
    /// The call.
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// Polls for the next part of its request. At its end the end comes again and again.
    pub fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Next> {
        let mut state = self.live.state.borrow_mut();
        if let Some(next) = state.next(self.reader) {
            return Poll::Ready(next);
        }
        state.wake_later(self.reader, cx);
        Poll::Pending
    }

    /// Ready once production's call ended without an answer, with the reason: what is sent of it, or read, is to be
    /// ended too. Only once all messages have been taken.
    pub fn poll_lost(&self, cx: &mut Context<'_>) -> Poll<DropReason> {
        let mut state = self.live.state.borrow_mut();
        let cursor = state.readers.iter().find(|cursor| cursor.reader == self.reader);
        let is_behind = cursor.is_some_and(|cursor| cursor.next < state.first + state.messages.len() as u64);
        match state.over {
            Some(Over::Lost(reason)) if !is_behind => Poll::Ready(reason),
            _ => {
                state.wake_later(self.reader, cx);
                Poll::Pending
            }
        }
    }

    /// Why production's call ended without an answer, if it did.
    pub fn lost(&self) -> Option<DropReason> {
        match self.live.state.borrow().over {
            Some(Over::Lost(reason) | Over::Left(reason)) => Some(reason),
            _ => None,
        }
    }

    /// Begins again with the first message. `false` where that is gone.
    pub fn rewind(&self) -> bool {
        let mut state = self.live.state.borrow_mut();
        let whole = state.first == 0;
        let cursor = state
            .readers
            .iter_mut()
            .find(|cursor| cursor.reader == self.reader);
        if let Some(cursor) = cursor.filter(|_| whole) {
            cursor.next = 0;
        }
        whole
    }
}

impl State {
    fn wake_later(&mut self, reader: u64, cx: &Context<'_>) {
        if let Some(cursor) = self.readers.iter_mut().find(|cursor| cursor.reader == reader) {
            cursor.waker = Some(cx.waker().clone());
        }
    }
}

impl Drop for LiveReader {
    fn drop(&mut self) {
        let mut state = self.live.state.borrow_mut();
        state.readers.retain(|cursor| cursor.reader != self.reader);
        state.trim();
    }
}

#[cfg(test)]
mod tests;
