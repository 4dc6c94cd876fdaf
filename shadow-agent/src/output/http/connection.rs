//! One connection to the shadow: writes a request and reads its answer, again and again.
//!
//! A request is written where it is handed over ([`Connection::start`]), so the connection's task wakes only
//! when there is something to read: in the common case an exchange is one `write` and one `read`. The task
//! always listens, also while a request is being written (a shadow may answer early and stop reading) and
//! while the connection is idle (a shadow may close it).
//!
//! It knows of nobody who uses it: [`Connection::poll_read`] takes bytes off the socket, [`Connection::next_event`] says what
//! they mean, and whoever polls says what comes next. A connection has a job exactly while it holds one of the in-flight permits.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::connect::Link;
use super::lanes::Job;
use super::outstanding::{Event, Outstanding};
use super::response::{Keep, ResponseReader};
use super::sending::Sending;

/// A connection that was idle for longer is asked for its health before it is used again: its end may have
/// arrived without having been seen yet.
const TRUSTED_IDLE: Duration = Duration::from_millis(50);

/// How long a shadow that says it will close may take to do so.
const CLOSING: Duration = Duration::from_secs(1);

/// One connection to the shadow.
#[derive(Debug)]
pub(super) struct Connection {
    state: RefCell<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Connecting,
    Idle,
    Busy,
    /// The answer is whole, and the shadow is about to close: it goes first, so that the connection does not
    /// stay on this side in TIME-WAIT, where it would hold a local port for a minute.
    Closing,
    Closed,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    link: Option<Link>,
    sending: Sending,
    outstanding: Outstanding,
    /// Whether the times of answers are wanted.
    timed: bool,
    /// When nothing was under way any more.
    quiet_since: Instant,
    /// Whether the shadow has closed its side.
    at_end: bool,
    waker: Option<Waker>,
}

/// The bytes that were taken off a socket.
#[derive(Debug)]
pub(super) enum Input<'a> {
    /// Bytes of which no event was made yet.
    Bytes(&'a [u8]),
    /// The end; with an error, a sudden one.
    End(Option<io::Error>),
}

impl Connection {
    /// One that is yet to be opened, for a job. `timed`: whether the times of answers are wanted.
    pub(super) fn connecting(job: Job, max_response: u64, keep: Keep, timed: bool) -> Self {
        let now = Instant::now();
        Self {
            state: RefCell::new(State {
                phase: Phase::Connecting,
                link: None,
                sending: Sending::default(),
                outstanding: Outstanding::new(job, ResponseReader::new(max_response, keep), now),
                timed,
                quiet_since: now,
                at_end: false,
                waker: None,
            }),
        }
    }

    /// Takes the job of a connection that could not be opened.
    pub(super) fn take_job(&self) -> Option<Job> {
        let mut state = self.state.borrow_mut();
        state.phase = Phase::Closed;
        state.outstanding.take_job()
    }

    /// It is open: gives the job back that is to be sent on it. `None` when it was given up meanwhile.
    pub(super) fn opened(&self, link: Link) -> Option<Job> {
        let mut state = self.state.borrow_mut();
        let job = state.outstanding.take_job()?;
        state.link = Some(link);
        Some(job)
    }

    /// Whether requests may be written behind the one that is started next. A shadow that has kept the connection open once will
    /// read on; one that closes it after each answer may reset it over bytes that it did not read, and the answer is lost.
    pub(super) fn takes_followers(&self) -> bool {
        self.state.borrow().outstanding.is_reused()
    }

    /// Requests behind the one that is under way or started next.
    pub(super) fn followers(&self) -> usize {
        self.state.borrow().outstanding.followers()
    }

    /// Enters a request whose head goes behind that of the one that is started next.
    pub(super) fn push_follower(&self, follower: Job) {
        self.state.borrow_mut().outstanding.push_follower(follower);
    }

    /// Sends a job over an open connection on which nothing is under way: `heads` are its head and those of its followers. What
    /// cannot be sent at once goes on in the task.
    pub(super) fn start(&self, job: Job, heads: &[u8], now: Instant) {
        self.state.borrow_mut().start(job, heads, now);
    }

    /// Nothing more is to be sent for now.
    pub(super) fn rest(&self) {
        self.state.borrow_mut().be_quiet(Phase::Idle);
    }

    /// Nothing more is to be sent, and the shadow is about to close it.
    pub(super) fn await_close(&self) {
        self.state.borrow_mut().be_quiet(Phase::Closing);
    }

    /// Whether an idle connection can be used, as far as can be known.
    pub(super) fn is_usable(&self, now: Instant) -> bool {
        let state = self.state.borrow();
        state.phase == Phase::Idle
            && state.link.as_ref().is_some_and(|link| {
                now.saturating_duration_since(state.quiet_since) < TRUSTED_IDLE || link.transport.is_quiet()
            })
    }

    /// Whether the exchange under way has lasted for longer than `timeout`.
    pub(super) fn is_overdue(&self, now: Instant, timeout: Duration) -> bool {
        let state = self.state.borrow();
        state.phase == Phase::Busy && now.saturating_duration_since(state.outstanding.since()) >= timeout
    }

    /// Gives what `look` makes of the request under way and of when it began.
    pub(super) fn with_job<T>(&self, look: impl FnOnce(&Job, Instant) -> T) -> Option<T> {
        let state = self.state.borrow();
        let job = state.outstanding.job()?;
        Some(look(job, state.outstanding.since()))
    }

    /// Whether it has been idle for longer than `idle`, or the shadow was to close it and did not.
    pub(super) fn is_surplus(&self, now: Instant, idle: Duration) -> bool {
        let state = self.state.borrow();
        let limit = match state.phase {
            Phase::Idle => idle,
            Phase::Closing => CLOSING,
            _ => return false,
        };
        now.saturating_duration_since(state.quiet_since) >= limit
    }

    /// Takes the requests that were sent behind the one under way. And whether any that was sent
    /// with them has been answered.
    pub(super) fn take_followers(&self) -> (VecDeque<Job>, bool) {
        self.state.borrow_mut().outstanding.take_followers()
    }

    /// Closes it, outside of its task. The job that was under way comes back.
    pub(super) fn close(&self) -> Option<Job> {
        let mut state = self.state.borrow_mut();
        state.shut();
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
        state.outstanding.take_job()
    }

    /// Closes it, in its task.
    pub(super) fn shut(&self) {
        self.state.borrow_mut().shut();
    }

    /// Sends what is left to be sent and takes what has come off the socket, into `buffer`. The end of a connection that was
    /// closed meanwhile.
    pub(super) fn poll_read<'a>(&self, cx: &mut Context<'_>, buffer: &'a mut [u8]) -> Poll<Input<'a>> {
        let state = &mut *self.state.borrow_mut();
        let read = ready!(state.poll_read(cx, buffer));
        Poll::Ready(match read {
            Ok(0) => Input::End(None),
            Ok(read) => Input::Bytes(&buffer[..read]),
            Err(error) => Input::End(Some(error)),
        })
    }

    /// The next event that is in what was read. Without one, all of it was taken.
    pub(super) fn next_event(&self, input: &mut Input<'_>) -> Option<Event> {
        let state = &mut *self.state.borrow_mut();
        match input {
            Input::Bytes([]) => None,
            Input::Bytes(bytes) => state.outstanding.feed(bytes, &state.sending),
            Input::End(error) => {
                let event = state.outstanding.closed(error.as_ref(), &state.sending);
                *input = Input::Bytes(&[]);
                Some(event)
            }
        }
    }
}

impl State {
    /// Closes the socket: in the orderly way when nothing was going on, with a reset when something is broken
    /// off. That tells the shadow to stop, and leaves no TIME-WAIT behind.
    fn shut(&mut self) {
        let orderly = self.phase == Phase::Idle || self.at_end;
        self.phase = Phase::Closed;
        if let Some(link) = self.link.take()
            && !orderly
        {
            link.transport.reset();
        }
    }

    fn be_quiet(&mut self, phase: Phase) {
        self.phase = phase;
        self.quiet_since = Instant::now();
    }

    fn start(&mut self, job: Job, heads: &[u8], now: Instant) {
        let drops_body = job.hop.as_ref().is_some_and(|hop| hop.as_get);
        let body = if drops_body {
            Bytes::new()
        } else {
            job.exchange.request.body.clone()
        };
        self.phase = Phase::Busy;
        self.outstanding.begin(job, now);
        // Without one, it was closed meanwhile: its task ends, and says so.
        let Some(link) = &mut self.link else { return };
        self.sending.begin(&mut link.transport, heads, body);
        let is_sent = self.sending.is_whole();
        if is_sent {
            self.outstanding.request_sent(now);
        }
        if (self.sending.has_failed() || !is_sent)
            && let Some(waker) = &self.waker
        {
            waker.wake_by_ref();
        }
    }

    /// Bytes read into `buffer`; 0 at the end.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let Some(link) = &mut self.link else {
            return Poll::Ready(Ok(0));
        };
        if !self
            .waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            self.waker = Some(cx.waker().clone());
        }
        if self.phase == Phase::Busy && self.sending.poll(&mut link.transport, cx) {
            self.outstanding.request_sent(Instant::now());
        }
        let read = ready!(link.transport.poll_read(cx, buffer))?;
        self.at_end |= read == 0;
        if self.timed && read > 0 {
            let arrived = link.transport.arrived().unwrap_or_else(Instant::now);
            self.outstanding.bytes_arrived(arrived);
        }
        Poll::Ready(Ok(read))
    }
}
