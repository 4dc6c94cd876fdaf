//! One HTTP/2 connection to the shadow, with the exchanges on its streams.
//!
//! It is opened for the requests that wait for it. When the shadow says that it will take no more (GOAWAY), or nothing was
//! asked for long, it is left: what is under way ends, and nothing else begins.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use ::h2::SendStream;
use ::h2::client::{ResponseFuture, SendRequest};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use http::Request;
use tokio::task::AbortHandle;

use super::client::Client;
use super::exchange::{End, Exchanging, Running};
use super::head::Heads;
use super::watched::Seen;
use crate::output::http::lanes::Job;

/// How long one that is left may take to close once nothing is under way: a shadow that takes nothing more never lets it.
const LEAVING: Duration = Duration::from_secs(1);

/// The first stream of a client (RFC 9113 section 5.1.1).
const FIRST_STREAM: u32 = 1;

/// One HTTP/2 connection.
#[derive(Debug)]
pub(in crate::output::http) struct Multiplexed {
    /// Signs of its transport.
    pub seen: Rc<Seen>,
    /// Heads of its requests.
    pub heads: RefCell<Heads>,
    state: RefCell<State>,
    /// Its exchanges. They are polled by its task: a task for each would be made, woken and scheduled for every request.
    running: RefCell<FuturesUnordered<Running>>,
    /// Has the task polled, once it has been.
    waker: RefCell<Option<Waker>>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// The production connection whose streams it carries first of all.
    client: Option<Client>,
    /// Requests that wait until it is open.
    waiting: VecDeque<Job>,
    exchanges: Vec<Rc<Exchanging>>,
    /// Whether an exchange was completed on it.
    reused: bool,
    /// Whether a stream has begun that the shadow did not say it never looked at.
    fruitful: bool,
    quiet_since: Instant,
    task: Option<AbortHandle>,
}

#[derive(Debug)]
enum Phase {
    Opening,
    Open(SendRequest<Bytes>),
    /// No stream begins any more.
    Left,
}

impl Multiplexed {
    /// One that is yet to be opened, for a production connection.
    pub(in crate::output::http) fn opening(client: Option<Client>) -> Self {
        Self {
            seen: Rc::default(),
            heads: RefCell::default(),
            state: RefCell::new(State {
                phase: Phase::Opening,
                client,
                waiting: VecDeque::new(),
                exchanges: Vec::new(),
                reused: false,
                fruitful: false,
                quiet_since: Instant::now(),
                task: None,
            }),
            running: RefCell::default(),
            waker: RefCell::default(),
        }
    }

    /// It is run by this task.
    pub(in crate::output::http) fn run_by(&self, task: AbortHandle) {
        self.state.borrow_mut().task = Some(task);
    }

    /// Streams may begin.
    pub(in crate::output::http) fn opened(&self, sender: SendRequest<Bytes>) {
        let mut state = self.state.borrow_mut();
        if matches!(state.phase, Phase::Opening) {
            state.phase = Phase::Open(sender);
            state.quiet_since = Instant::now();
        }
    }

    /// Whether it is being opened.
    pub(in crate::output::http) fn is_opening(&self) -> bool {
        matches!(self.state.borrow().phase, Phase::Opening)
    }

    /// A request waits until it is open.
    pub(in crate::output::http) fn wait(&self, job: Job) {
        self.state.borrow_mut().waiting.push_back(job);
    }

    /// Takes the requests that wait, in their order.
    pub(in crate::output::http) fn take_waiting(&self) -> VecDeque<Job> {
        std::mem::take(&mut self.state.borrow_mut().waiting)
    }

    /// Requests that wait until it is open.
    pub(in crate::output::http) fn waits(&self) -> usize {
        self.state.borrow().waiting.len()
    }

    /// Whose streams it carries first of all.
    pub(in crate::output::http) fn client(&self) -> Option<Client> {
        self.state.borrow().client
    }

    /// It carries the streams of this production connection from now on.
    pub(in crate::output::http) fn carry(&self, client: Option<Client>) {
        self.state.borrow_mut().client = client;
    }

    /// Streams that may begin on it now.
    pub(in crate::output::http) fn room(&self) -> usize {
        let state = self.state.borrow();
        match &state.phase {
            Phase::Open(sender) => sender
                .current_max_send_streams()
                .saturating_sub(state.exchanges.len()),
            _ => 0,
        }
    }

    /// Whether it is open, and nothing is under way.
    pub(in crate::output::http) fn is_idle(&self) -> bool {
        let state = self.state.borrow();
        matches!(state.phase, Phase::Open(_)) && state.exchanges.is_empty()
    }

    /// Begins a stream. On an error none begins any more.
    pub(in crate::output::http) fn begin(
        &self,
        request: Request<()>,
        ends: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), ::h2::Error> {
        let mut state = self.state.borrow_mut();
        let Phase::Open(sender) = &mut state.phase else {
            return Err(::h2::Reason::REFUSED_STREAM.into());
        };
        let begun = sender.send_request(request, ends);
        state.fruitful |= begun.is_ok();
        // A request that is at fault itself says nothing of the connection.
        if begun.as_ref().is_err_and(|error| !is_of_request(error)) {
            state.phase = Phase::Left;
        }
        begun
    }

    /// An exchange is under way.
    pub(in crate::output::http) fn add(&self, running: Running) {
        self.state
            .borrow_mut()
            .exchanges
            .push(Rc::clone(&running.exchanging));
        self.running.borrow().push(running);
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// Polls the exchanges under way for the next that ended; pending, too, while there is none.
    pub(in crate::output::http) fn poll_ended(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<(Rc<Exchanging>, Option<End>)> {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        match self.running.borrow_mut().poll_next_unpin(cx) {
            Poll::Ready(Some(ended)) => Poll::Ready(ended),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    /// Whether nothing is left to be polled.
    pub(in crate::output::http) fn is_done(&self) -> bool {
        self.running.borrow().is_empty()
    }

    /// Forgets an exchange.
    pub(in crate::output::http) fn remove(&self, exchange: &Rc<Exchanging>) {
        let mut state = self.state.borrow_mut();
        // Those that began first end first, mostly.
        let place = state
            .exchanges
            .iter()
            .position(|other| Rc::ptr_eq(other, exchange));
        if let Some(place) = place {
            state.exchanges.remove(place);
        }
        if state.exchanges.is_empty() {
            state.quiet_since = Instant::now();
        }
    }

    /// Exchanges under way.
    pub(in crate::output::http) fn exchanges(&self) -> Vec<Rc<Exchanging>> {
        self.state.borrow().exchanges.clone()
    }

    /// Those under way that are `due`.
    pub(in crate::output::http) fn due(&self, due: impl Fn(&Exchanging) -> bool) -> Vec<Rc<Exchanging>> {
        let state = self.state.borrow();
        state.exchanges.iter().filter(|one| due(one)).cloned().collect()
    }

    /// The shadow has said that it did not look at a stream: then at none behind it either.
    pub(in crate::output::http) fn was_refused(&self, stream: u32) {
        if stream == FIRST_STREAM {
            self.state.borrow_mut().fruitful = false;
        }
    }

    /// Whether nothing can have come of it.
    pub(in crate::output::http) fn is_barren(&self) -> bool {
        !self.state.borrow().fruitful
    }

    /// An exchange was completed on it.
    pub(in crate::output::http) fn completed(&self) {
        self.state.borrow_mut().reused = true;
    }

    /// Whether an exchange was completed on it.
    pub(in crate::output::http) fn is_reused(&self) -> bool {
        self.state.borrow().reused
    }

    /// Lets it end when what is under way has ended.
    pub(in crate::output::http) fn leave(&self) {
        let mut state = self.state.borrow_mut();
        if !matches!(state.phase, Phase::Left) {
            state.phase = Phase::Left;
            state.quiet_since = Instant::now();
        }
    }

    /// Whether it is idle for so long that it is to be left.
    pub(in crate::output::http) fn is_surplus(&self, now: Instant, idle: Duration) -> bool {
        self.is_idle() && now.saturating_duration_since(self.state.borrow().quiet_since) >= idle
    }

    /// Whether it was left, and does not end.
    pub(in crate::output::http) fn is_stuck(&self, now: Instant) -> bool {
        let state = self.state.borrow();
        matches!(state.phase, Phase::Left)
            && state.exchanges.is_empty()
            && now.saturating_duration_since(state.quiet_since) >= LEAVING
    }

    /// Closes it at once, with what is on it.
    pub(in crate::output::http) fn close(&self) {
        let task = {
            let mut state = self.state.borrow_mut();
            state.phase = Phase::Left;
            state.task.take()
        };
        if let Some(task) = task {
            task.abort();
        }
        drop(self.running.take());
    }
}

/// Whether an error comes from the request that was to be sent, not from the connection.
pub(in crate::output::http) fn is_of_request(error: &::h2::Error) -> bool {
    !error.is_io() && !error.is_go_away() && !error.is_reset() && error.reason().is_none()
}
