//! One connection to the shadow: a state machine that writes a request and reads its answer, again and again.
//!
//! A request is written where it is handed over ([`Connection::start`]), so the connection's task wakes only
//! when there is something to read: in the common case an exchange is one `write` and one `read`. The task
//! always listens, also while a request is being written (a shadow may answer early and stop reading) and
//! while the connection is idle (a shadow may close it).
//!
//! A connection has a job exactly while it holds one of the in-flight permits.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};

use super::connect::Link;
use super::lanes::Job;
use super::response::{BadResponse, Keep, NotKept, ResponseReader, ShadowAnswer};
use super::shard::Shard;
use crate::compare::{NotCompared, Part, Times};
use crate::http::{RequestKind, Version};
use crate::mirror::ledger::DropReason;

/// Full reads in a row before other connections get their turn.
const MAX_READS: usize = 16;
/// A connection that was idle for longer is asked for its health before it is used again: its end may have
/// arrived without having been seen yet.
const TRUSTED_IDLE: Duration = Duration::from_millis(50);

/// How long a shadow that says it will close may take to do so.
const CLOSING: Duration = Duration::from_secs(1);

/// One connection to the shadow: a state machine that writes requests and reads their responses.
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
    job: Option<Job>,
    /// Requests of the same lane that were sent behind it; their answers come behind its own.
    followers: VecDeque<Job>,
    /// Requests sent together with the one under way that have been answered.
    batch_answered: usize,
    /// When the request under way began, or the connection became idle.
    since: Instant,
    /// When the last byte of the request under way was sent, and the first one of its answer came: of one that is compared.
    times: (Option<Instant>, Option<Instant>),
    /// When what was read last came to this host: of an answer that is compared.
    arrived: Instant,
    /// The part of the head that the socket did not take yet.
    head: Vec<u8>,
    head_sent: usize,
    /// The part of the body that the socket did not take yet.
    body: Bytes,
    /// Bytes of the request that the socket took.
    sent: usize,
    /// The shadow does not take the rest; its answer may be there all the same.
    write_failed: bool,
    reader: ResponseReader,
    /// Whether an exchange was completed on this connection.
    reused: bool,
    /// Whether the shadow has closed its side.
    at_end: bool,
    waker: Option<Waker>,
}

/// How an exchange or a connection ended.
#[derive(Debug)]
pub(super) enum End {
    /// Nothing was under way.
    Quiet,
    /// It failed.
    Failed(Job, Failure),
    /// A reused connection died under it; it may go to a fresh one.
    Retry(Job),
    /// The answer is whole, but the connection is not fit for another request. `closing`: the shadow is
    /// about to close it.
    Delivered { job: Job, took: Duration, closing: bool },
    /// The answer is a redirect to be followed, on another connection.
    Redirected(Job),
}

impl End {
    /// Whether the end speaks against sending requests behind others. Not when the shadow had said that it would
    /// close, nor when it had closed an idle connection before it saw the batch (`begun`: some of it was
    /// answered).
    pub(super) fn breaks_a_batch(&self, begun: bool) -> bool {
        match self {
            Self::Delivered { .. } | Self::Redirected(_) | Self::Quiet => false,
            Self::Retry(_) => begun,
            Self::Failed(..) => true,
        }
    }
}

/// Why an exchange failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub reason: DropReason,
    /// Whether it says that the shadow is sick.
    pub sick: bool,
    /// Words for the log.
    pub words: String,
}

impl From<BadResponse> for Failure {
    fn from(bad: BadResponse) -> Self {
        let (sick, words) = match bad {
            BadResponse::Malformed => (true, "its response is not HTTP/1.x"),
            BadResponse::Endless => (
                true,
                "its response has an endless head or endless interim responses",
            ),
            // Production may answer so, too.
            BadResponse::TooLarge => (false, "its response is larger than the limit"),
        };
        Self {
            reason: DropReason::BadResponse,
            sick,
            words: words.to_owned(),
        }
    }
}

impl Connection {
    /// One that is yet to be opened, for a job.
    pub(super) fn connecting(job: Job, max_response: u64, keep: Keep) -> Self {
        Self {
            state: RefCell::new(State {
                phase: Phase::Connecting,
                link: None,
                job: Some(job),
                followers: VecDeque::new(),
                batch_answered: 0,
                since: Instant::now(),
                times: (None, None),
                arrived: Instant::now(),
                head: Vec::new(),
                head_sent: 0,
                body: Bytes::new(),
                sent: 0,
                write_failed: false,
                reader: ResponseReader::new(max_response, keep),
                reused: false,
                at_end: false,
                waker: None,
            }),
        }
    }

    /// Takes the job of a connection that could not be opened.
    pub(super) fn take_job(&self) -> Option<Job> {
        let mut state = self.state.borrow_mut();
        state.phase = Phase::Closed;
        state.job.take()
    }

    /// It is open: sends its job. `false` when it was given up meanwhile.
    pub(super) fn opened(self: &Rc<Self>, link: Link, shard: &Shard) -> bool {
        let mut state = self.state.borrow_mut();
        let Some(job) = state.job.take() else {
            return false;
        };
        state.link = Some(link);
        if !state.start(job, shard, Instant::now()) && !state.start_next(shard) {
            shard.now_idle(self);
        }
        true
    }

    /// Sends a job over an idle connection. What cannot be sent at once goes on in the task. `false` when it
    /// must not be sent at all: then it is settled.
    pub(super) fn start(&self, job: Job, shard: &Shard, now: Instant) -> bool {
        self.state.borrow_mut().start(job, shard, now)
    }

    /// Whether an idle connection can be used, as far as can be known.
    pub(super) fn is_usable(&self, now: Instant) -> bool {
        let state = self.state.borrow();
        state.phase == Phase::Idle
            && state.link.as_ref().is_some_and(|link| {
                now.saturating_duration_since(state.since) < TRUSTED_IDLE || link.transport.is_quiet()
            })
    }

    /// Whether the exchange under way has lasted for longer than `timeout`.
    pub(super) fn is_overdue(&self, now: Instant, timeout: Duration) -> bool {
        let state = self.state.borrow();
        state.phase == Phase::Busy && now.saturating_duration_since(state.since) >= timeout
    }

    /// Whether it has been idle for longer than `idle`, or the shadow was to close it and did not.
    pub(super) fn is_surplus(&self, now: Instant, idle: Duration) -> bool {
        let state = self.state.borrow();
        let limit = match state.phase {
            Phase::Idle => idle,
            Phase::Closing => CLOSING,
            _ => return false,
        };
        now.saturating_duration_since(state.since) >= limit
    }

    /// Takes the requests that were sent behind the one under way. And whether any that was sent
    /// with them has been answered.
    pub(super) fn take_followers(&self) -> (VecDeque<Job>, bool) {
        let mut state = self.state.borrow_mut();
        (std::mem::take(&mut state.followers), state.batch_answered > 0)
    }

    /// Closes it, outside of its task. The job that was under way comes back.
    pub(super) fn close(&self) -> Option<Job> {
        let mut state = self.state.borrow_mut();
        state.shut();
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
        state.job.take()
    }

    /// The task of an open connection: resolves when it is closed.
    pub(super) fn poll(self: &Rc<Self>, shard: &Shard, cx: &mut Context<'_>) -> Poll<End> {
        let mut state = self.state.borrow_mut();
        for _ in 0..MAX_READS {
            match ready!(state.poll_exchange(shard, cx)) {
                // The answer goes on.
                None => {}
                Some(Ok((job, took))) => {
                    shard.delivered(job, took);
                    if !state.start_next(shard) {
                        shard.now_idle(self);
                    }
                }
                Some(Err(End::Delivered {
                    job,
                    took,
                    closing: true,
                })) if shard.may_wait_for_close() => {
                    // Announced: they were not even looked at, and go elsewhere.
                    shard.put_back(std::mem::take(&mut state.followers), false);
                    state.phase = Phase::Closing;
                    state.since = Instant::now();
                    shard.delivered(job, took);
                    shard.released();
                }
                Some(Err(end)) => {
                    state.shut();
                    return Poll::Ready(end);
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// `None`: go on. `Ok`: delivered, and the connection can carry the next request.
type Step = Option<Result<(Job, Duration), End>>;

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

    /// Sends a job. `false` when it must not be sent: then it is settled.
    fn start(&mut self, job: Job, shard: &Shard, now: Instant) -> bool {
        let request = &job.exchange.request;
        let mut scratch = shard.head_scratch();
        scratch.clear();
        if shard
            .template()
            .write_head(
                request,
                job.exchange.pod.as_deref(),
                job.exchange.copy,
                job.hop.as_deref(),
                &mut scratch,
            )
            .is_err()
        {
            drop(scratch);
            shard.refused(job);
            return false;
        }
        // A shadow that has kept the connection open once will read on; one that closes it after each answer may
        // reset it over bytes that it did not read, and the answer is lost.
        if self.link.is_some() && self.reused {
            self.add_followers(&job, &mut scratch, shard);
        }
        let drops_body = job.hop.as_ref().is_some_and(|hop| hop.as_get);
        self.body = if drops_body {
            Bytes::new()
        } else {
            request.body.clone()
        };
        self.reader.reset(RequestKind::of(request.method()));
        self.write_failed = false;
        self.batch_answered = 0;
        self.since = now;
        self.times = (None, None);
        self.phase = Phase::Busy;
        let Some(link) = &mut self.link else {
            self.job = Some(job);
            return true;
        };
        self.head.clear();
        self.head_sent = 0;
        let sent = match link.transport.try_write(&scratch, &self.body) {
            Ok(sent) => sent,
            Err(error) => {
                self.write_failed = error.kind() != io::ErrorKind::WouldBlock;
                0
            }
        };
        self.sent = sent;
        if sent < scratch.len() {
            self.head.extend_from_slice(&scratch[sent..]);
        } else {
            self.body.advance(sent - scratch.len());
        }
        if !self.has_unsent() {
            self.times.0 = Some(now);
        }
        self.job = Some(job);
        if (self.write_failed || self.has_unsent())
            && let Some(waker) = &self.waker
        {
            waker.wake_by_ref();
        }
        true
    }

    /// Lets what waits behind `job` in its lane go with it, in the same write.
    fn add_followers(&mut self, job: &Job, heads: &mut Vec<u8>, shard: &Shard) {
        while let Some(follower) = shard.next_behind(job, self.followers.len()) {
            let before = heads.len();
            let written = shard.template().write_head(
                &follower.exchange.request,
                follower.exchange.pod.as_deref(),
                follower.exchange.copy,
                None,
                heads,
            );
            if written.is_ok() {
                self.followers.push_back(follower);
            } else {
                heads.truncate(before);
                shard.refused_behind(follower);
            }
        }
    }

    /// The answer to the request under way is whole, and the next one on this connection has been sent already.
    fn promote(&mut self, follower: Job, shard: &Shard) {
        let now = Instant::now();
        self.reader
            .reset(RequestKind::of(follower.exchange.request.method()));
        self.reused = true;
        self.batch_answered += 1;
        if let Some(job) = self.job.replace(follower) {
            shard.delivered_before_others(job, now.saturating_duration_since(self.since));
        }
        self.since = now;
        // The shadow began with it when it was done with the one before.
        self.times = (Some(self.arrived), None);
    }

    /// Sends the next job that waits in this shard; without one, the connection is idle.
    fn start_next(&mut self, shard: &Shard) -> bool {
        while let Some(job) = shard.next_job() {
            if self.start(job, shard, Instant::now()) {
                return true;
            }
        }
        self.phase = Phase::Idle;
        self.since = Instant::now();
        false
    }

    fn has_unsent(&self) -> bool {
        self.head_sent < self.head.len() || !self.body.is_empty()
    }

    fn poll_exchange(&mut self, shard: &Shard, cx: &mut Context<'_>) -> Poll<Step> {
        if self.phase == Phase::Closed {
            return Poll::Ready(Some(Err(End::Quiet)));
        }
        if !self
            .waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            self.waker = Some(cx.waker().clone());
        }
        if self.phase == Phase::Busy && !self.write_failed {
            self.poll_send(cx);
        }
        let Some(link) = &mut self.link else {
            return Poll::Ready(Some(Err(End::Quiet)));
        };
        let mut buffer = shard.read_scratch();
        let read = ready!(link.transport.poll_read(cx, &mut buffer));
        Poll::Ready(match read {
            Ok(0) => {
                self.at_end = true;
                self.ended(None, shard)
            }
            Err(error) => self.ended(Some(&error), shard),
            Ok(read) => {
                if shard.pairing.is_some() {
                    self.arrived = link.transport.arrived().unwrap_or_else(Instant::now);
                }
                self.received(&buffer[..read], shard)
            }
        })
    }

    /// Sends what the socket takes.
    fn poll_send(&mut self, cx: &mut Context<'_>) {
        let Some(link) = &mut self.link else { return };
        while self.head_sent < self.head.len() || !self.body.is_empty() {
            match link
                .transport
                .poll_write(cx, &self.head[self.head_sent..], &self.body)
            {
                Poll::Pending => break,
                Poll::Ready(Ok(sent)) if sent > 0 => {
                    self.sent += sent;
                    let head = sent.min(self.head.len() - self.head_sent);
                    self.head_sent += head;
                    self.body.advance(sent - head);
                    if self.head_sent == self.head.len() && self.body.is_empty() {
                        self.times.0 = Some(Instant::now());
                    }
                }
                Poll::Ready(_) => {
                    self.write_failed = true;
                    return;
                }
            }
        }
        if let Poll::Ready(Err(_)) = link.transport.poll_flush(cx) {
            self.write_failed = true;
        }
    }

    fn received(&mut self, mut bytes: &[u8], shard: &Shard) -> Step {
        if self.phase != Phase::Busy {
            // Nobody asked for this: whatever it is, it is no answer.
            return Some(Err(End::Quiet));
        }
        loop {
            self.times.1.get_or_insert(self.arrived);
            let (answer, used) = match self.reader.feed(bytes) {
                Ok(Some(whole)) => whole,
                Ok(None) => return None,
                Err(bad) => return Some(Err(self.failed(Failure::from(bad)))),
            };
            self.track(&answer, shard);
            let goes_on = answer.keep_alive && answer.status != 101 && !self.write_failed;
            if goes_on && let Some(follower) = self.followers.pop_front() {
                self.promote(follower, shard);
                bytes = &bytes[used..];
                if bytes.is_empty() {
                    return None;
                }
                continue;
            }
            let clean = used == bytes.len() && !self.has_unsent() && !self.write_failed;
            return self.answered(&answer, clean, shard);
        }
    }

    /// Hands the answer to the request under way on, where answers are tracked or compared. A redirect that is followed is none
    /// yet.
    fn track(&self, answer: &ShadowAnswer, shard: &Shard) {
        let Some(job) = &self.job else { return };
        let compared = shard.pairing.as_ref().zip(job.part);
        if (shard.tracking.is_none() && compared.is_none()) || shard.next_hop(job, answer).is_some() {
            return;
        }
        // A second answer for the comparison alone is nobody else's.
        if let Some(tracking) = &shard.tracking
            && job.part != Some(Part::Repeat)
        {
            tracking.answered(&job.exchange, answer, self.since.elapsed());
        }
        if let Some((pairing, part)) = compared {
            let mut pairing = pairing.borrow_mut();
            let id = &job.exchange.id;
            match &answer.kept {
                Ok((head, body)) => pairing.answered(id, part, head.clone(), body.clone(), self.measured()),
                Err(NotKept::TooLarge) => pairing.lost(id, part, NotCompared::ShadowTooLarge),
                Err(NotKept::Memory) => pairing.lost(id, part, NotCompared::Memory),
            }
        }
    }

    /// How long the answer that is whole now took. One that came before its request was sent took no time.
    fn measured(&self) -> Times {
        let (sent, first) = self.times;
        let took = |until: Instant| sent.map_or(Duration::ZERO, |sent| until.saturating_duration_since(sent));
        Times {
            first: took(first.unwrap_or(self.arrived)),
            last: took(self.arrived),
        }
    }

    /// The whole answer is there. `clean`: nothing is left over on either side.
    fn answered(&mut self, answer: &ShadowAnswer, clean: bool, shard: &Shard) -> Step {
        let Some(mut job) = self.job.take() else {
            return Some(Err(End::Quiet));
        };
        let reusable = clean && answer.keep_alive && asks_for_more(&job);
        self.reused = true;
        let Some(hop) = shard.next_hop(&job, answer) else {
            let took = self.since.elapsed();
            return Some(if reusable {
                Ok((job, took))
            } else {
                Err(End::Delivered {
                    job,
                    took,
                    closing: clean && answer.status != 101,
                })
            });
        };
        job.hop = Some(Box::new(hop));
        job.redirects -= 1;
        if !reusable {
            return Some(Err(End::Redirected(job)));
        }
        if !self.start(job, shard, Instant::now()) && !self.start_next(shard) {
            // Cannot be: a head that could be written once can be written again. Closing is always right.
            shard.released();
            return Some(Err(End::Quiet));
        }
        None
    }

    /// The shadow closed or reset the connection.
    fn ended(&mut self, error: Option<&io::Error>, shard: &Shard) -> Step {
        if error.is_none()
            && let Some(answer) = self.reader.closed()
        {
            self.track(&answer, shard);
            return self.answered(&answer, false, shard);
        }
        let words = match error {
            Some(error) => error.to_string(),
            None => "it closed the connection before its response was complete".to_owned(),
        };
        Some(Err(self.failed(Failure {
            reason: DropReason::UpstreamClosed,
            sick: true,
            words,
        })))
    }

    /// A failure under way. A reused connection may have been closed by the shadow before the request came;
    /// then nothing was lost but time, and doing it again does no harm if it is idempotent or never left.
    fn failed(&mut self, failure: Failure) -> End {
        let Some(mut job) = self.job.take() else {
            return End::Quiet;
        };
        let stale = self.reused && !self.reader.has_started();
        if stale && !job.retried && (job.is_idempotent() || self.sent == 0) {
            job.retried = true;
            return End::Retry(job);
        }
        End::Failed(job, failure)
    }
}

/// Whether the request itself leaves the connection open: one of HTTP/1.0 says so or means the opposite
/// (RFC 9112 section 9.3).
fn asks_for_more(job: &Job) -> bool {
    let request = &job.exchange.request;
    request.version == Version::Http11
        || request.header("connection").is_some_and(|value| {
            value
                .split(|byte| *byte == b',')
                .any(|option| option.trim_ascii().eq_ignore_ascii_case(b"keep-alive"))
        })
}
