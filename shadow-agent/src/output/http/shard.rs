//! One shard's half of an HTTP output: which request goes when, and over which connection.
//!
//! Everything here lives on one thread. A request goes at once when nothing of its lane is before it, no
//! other lane waits, a permit is free, and there is an idle connection (the one used last) or a new one may
//! be opened. Otherwise it waits in its lane, and connections that end an exchange take the lane that waits
//! longest. So the shadow sees about as many connections as production has busy ones.

mod events;
mod lifecycle;
mod streams;

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::Notify;

use super::breaker::Admission;
use super::connect::Connector;
use super::connection::Connection;
use super::failure::Failure;
use super::h2::{Streams, Way};
use super::lanes::{Job, Lanes};
use super::pool::Pool;
use super::response::Keep;
use super::tracking::Tracking;
use super::upstream::Upstream;
use crate::compare::{NotCompared, Pairing, Part};
use crate::mirror::Exchange;
use crate::mirror::ledger::{DropReason, Outcome, Ticket};
use crate::time::{Timestamp, monotonic_now};

/// Bytes read at once.
const READ_BUFFER: usize = 64 * 1024;

/// One shard's half of an HTTP output.
pub(super) struct Shard {
    upstream: Arc<Upstream>,
    connector: Connector,
    http2_connector: Connector,
    lanes: RefCell<Lanes>,
    pool: RefCell<Pool>,
    streams: RefCell<Streams>,
    /// Where a connection reads to; empty whenever none is in the middle of it.
    read_buffer: RefCell<Box<[u8]>>,
    /// Where the head of a copy is written before it is sent.
    head_buffer: RefCell<Vec<u8>>,
    /// Tickets that are not settled.
    outstanding: Cell<usize>,
    all_settled: Notify,
    /// Permits held by this shard's connections.
    held: Cell<usize>,
    /// Whether this shard is among those that wait for a permit.
    waiting_for_permit: Cell<bool>,
    permit_needed: Notify,
    backoff: Cell<Option<Backoff>>,
    /// Told when there is something to be swept: a connection, or a request that waits.
    wake: Notify,
    this: Weak<Shard>,
    /// One moment on both clocks, where the requests are live ones: their times are of the kernel's clock.
    live: Option<(Instant, Timestamp)>,
    /// Where answers go, if they are tracked.
    tracking: Option<Tracking>,
    /// Where they are compared.
    pairing: Option<Rc<RefCell<Pairing>>>,
}

#[derive(Clone, Copy, Debug)]
struct Backoff {
    until: Instant,
    length: Duration,
}

impl Shard {
    /// `is_live`: whether requests are of the moment, with the kernel's times.
    pub(super) fn new(
        upstream: Arc<Upstream>,
        tracking: Option<Tracking>,
        pairing: Option<Rc<RefCell<Pairing>>>,
        is_live: bool,
    ) -> Rc<Self> {
        let connector = upstream.connector().stamping(pairing.is_some());
        let http2_connector = upstream.http2_connector().stamping(pairing.is_some());
        Rc::new_cyclic(|this| Self {
            upstream,
            connector,
            http2_connector,
            lanes: RefCell::default(),
            pool: RefCell::default(),
            streams: RefCell::default(),
            read_buffer: RefCell::new(vec![0; READ_BUFFER].into_boxed_slice()),
            head_buffer: RefCell::default(),
            outstanding: Cell::new(0),
            all_settled: Notify::new(),
            held: Cell::new(0),
            waiting_for_permit: Cell::new(false),
            permit_needed: Notify::new(),
            backoff: Cell::new(None),
            wake: Notify::new(),
            this: this.clone(),
            live: is_live.then(|| (Instant::now(), monotonic_now())),
            tracking,
            pairing,
        })
    }

    /// The shadow, as all shards share it.
    pub(super) fn upstream(&self) -> &Arc<Upstream> {
        &self.upstream
    }

    /// Runs what it does besides answering to offers, until dropped: looks at deadlines, and starts requests
    /// when permits come free.
    pub(super) async fn run(self: Rc<Self>) {
        tokio::join!(self.sweep_regularly(), self.dispatch_when_permitted());
    }

    /// See [`ShardOutput::offer`](crate::mirror::ShardOutput::offer). `part`: what its answer is of a pair, if it is compared.
    pub(super) fn offer(&self, exchange: &Rc<Exchange>, ticket: Ticket, part: Option<Part>) {
        self.outstanding.set(self.outstanding.get() + 1);
        let pass = match self.upstream.breaker.admit(|| self.upstream.now()) {
            Admission::Pass(pass) => pass,
            Admission::Refused => {
                self.not_answered(exchange, part, DropReason::BreakerOpen);
                return self.settle(ticket, 0, Outcome::Dropped(DropReason::BreakerOpen));
            }
        };
        let job = Job {
            exchange: exchange.clone(),
            ticket,
            part,
            pass,
            written: None,
            retried: false,
            turned_away: 0,
            redirects: self.upstream.settings.redirects,
            hop: None,
            live: exchange.live.as_ref().map(|live| Rc::new(live.reader())),
        };
        if !self.upstream.queue.try_hold(job.bytes()) {
            self.upstream.breaker.abandoned(job.pass);
            self.not_answered(&job.exchange, job.part, DropReason::QueueFull);
            return self.settle(job.ticket, 0, Outcome::Dropped(DropReason::QueueFull));
        }
        let flow = job.flow();
        if self.lanes.borrow().is_free(flow) && self.may_launch() && self.take_permit() {
            self.lanes.borrow_mut().begin(flow);
            self.launch(job);
        } else if self.upstream.queue.try_enter() {
            self.lanes.borrow_mut().push(job);
            self.wake.notify_one();
        } else {
            self.give_up(job, DropReason::QueueFull);
        }
    }

    /// Whether at most half of what may wait does, and half of the bytes that may be held are.
    pub(super) fn has_room(&self) -> bool {
        self.upstream.queue.is_half_empty()
    }

    /// Whether nothing is sent to it, since it does not answer.
    pub(super) fn is_left_alone(&self) -> bool {
        self.upstream.breaker.is_open()
    }

    /// Resolves when nothing is queued or under way.
    pub(super) async fn drained(&self) {
        while self.outstanding.get() > 0 {
            self.all_settled.notified().await;
        }
    }

    /// Gives up everything.
    pub(super) fn abort(&self, reason: DropReason) {
        for connection in self.pool.take().into_all() {
            if let Some(job) = self.close(&connection) {
                self.lanes.borrow_mut().finished(job.flow());
                self.give_up(job, reason);
            }
        }
        self.abort_streams(reason);
        self.settle_waiting(reason, |_| false);
    }

    /// Leaves the line for permits, once nothing tends it any more.
    pub(super) fn retire(&self) {
        if self.waiting_for_permit.replace(false) {
            self.upstream.in_flight.unregister_waiter();
            self.upstream.in_flight.pass_on();
        }
    }

    // Requests on their way.

    /// Starts what can be started.
    fn dispatch(&self) {
        while self.any_ready() && self.may_launch() && self.take_permit() {
            match self.next_waiting() {
                Some(job) => self.launch(job),
                None => self.give_permit_back(),
            }
        }
    }

    /// Whether something waits that may go. What waits for a shadow that is left alone ends here, also where
    /// another shard found that it is sick.
    fn any_ready(&self) -> bool {
        if self.upstream.breaker.is_open() {
            self.end_waiting();
        }
        self.lanes.borrow().any_ready()
    }

    /// Gives up what waits for a shadow that is left alone; the probe goes on.
    fn end_waiting(&self) {
        self.settle_waiting(DropReason::BreakerOpen, |job| job.pass.probe);
    }

    fn next_waiting(&self) -> Option<Job> {
        let job = self.lanes.borrow_mut().next()?;
        self.upstream.queue.leave();
        Some(job)
    }

    /// Whether it makes sense to take a request out of its lane now. While no connection can be opened, those
    /// that are open are waited for; without any, the requests are given up, each with its reason.
    fn may_launch(&self) -> bool {
        self.backoff.get().is_none()
            || self.held.get() == 0
            || self.pool.borrow().has_idle()
            || self.streams.borrow().has_room()
    }

    /// Sends a job, for which a permit is held.
    fn launch(&self, job: Job) {
        match self.way_of(&job) {
            Way::Http1 => self.launch_alone(job),
            Way::Http2 => self.launch_on_stream(job),
            Way::None => self.has_no_way(job),
        }
    }

    /// Sends a job, for which a permit is held, over an idle connection or a new one.
    fn launch_alone(&self, job: Job) {
        let now = Instant::now();
        if !job.retried {
            while let Some(connection) = self.take_idle() {
                if connection.is_usable(now) {
                    if !self.send(&connection, job, now) {
                        self.pool.borrow_mut().put_idle(connection);
                        self.give_permit_back();
                    }
                    return;
                }
                self.close(&connection);
            }
        }
        if let Some(job) = self.admit_to_connect(job, now) {
            self.open(job);
        }
    }

    /// Gives a job back for which a connection may be opened; otherwise it ends, with its permit.
    fn admit_to_connect(&self, job: Job, now: Instant) -> Option<Job> {
        let held_back = self.backoff.get().is_some_and(|backoff| now < backoff.until);
        if !held_back || job.pass.probe {
            return Some(job);
        }
        self.give_up_under_way(job, DropReason::ConnectError);
        None
    }

    /// Ends a request that has a permit, of which the shadow knows nothing.
    fn give_up_under_way(&self, job: Job, reason: DropReason) {
        self.give_permit_back();
        self.lanes.borrow_mut().finished(job.flow());
        self.give_up(job, reason);
    }

    fn take_idle(&self) -> Option<Rc<Connection>> {
        self.pool.borrow_mut().take_idle()
    }

    /// Counts how late a copy was written, if it was.
    fn count_delay(&self, job: &Job) {
        // A second request for the comparison alone is no copy of production's.
        let is_copy = job.part.is_none_or(|part| part == Part::Shadow) && !job.is_coming();
        if let (Some((instant, timestamp)), Some(written), true) = (self.live, job.written, is_copy) {
            let written = timestamp.after(written.saturating_duration_since(instant));
            self.upstream
                .copied(written.since(job.exchange.request.last_byte));
        }
    }

    fn failed(&self, job: Job, failure: &Failure) {
        self.count_delay(&job);
        self.lanes.borrow_mut().finished(job.flow());
        if failure.sick {
            self.upstream.failed(job.pass, failure);
        } else {
            self.upstream.answered(job.pass);
        }
        let bytes = job.bytes();
        self.not_answered(&job.exchange, job.part, failure.reason);
        self.settle(job.ticket, bytes, Outcome::Dropped(failure.reason));
        if self.upstream.breaker.is_open() {
            self.end_waiting();
        }
    }

    /// Ends what waits, except what is `kept`.
    fn settle_waiting(&self, reason: DropReason, kept: impl Fn(&Job) -> bool) {
        let waiting = self.lanes.borrow_mut().take_waiting(kept);
        for job in waiting {
            self.upstream.queue.leave();
            self.give_up(job, reason);
        }
    }

    /// Ends a request of which the shadow knows nothing.
    fn give_up(&self, job: Job, reason: DropReason) {
        self.upstream.breaker.abandoned(job.pass);
        let bytes = job.bytes();
        self.not_answered(&job.exchange, job.part, reason);
        self.settle(job.ticket, bytes, Outcome::Dropped(reason));
    }

    /// Hands on what had come of an answer when production's client left, where it is compared.
    fn left(&self, job: &Job, begun: Option<(Bytes, Bytes)>) {
        if let (Some(pairing), Some(part), Some((head, body))) = (&self.pairing, job.part, begun) {
            pairing.borrow_mut().left(&job.exchange.id, part, head, body);
        }
    }

    /// Says so where the answer would have been compared.
    fn not_answered(&self, exchange: &Exchange, part: Option<Part>, reason: DropReason) {
        if let (Some(pairing), Some(part)) = (&self.pairing, part) {
            let why = NotCompared::Shadow(reason);
            pairing.borrow_mut().lost(&exchange.id, part, why);
        }
    }

    /// Limits for kept responses.
    pub(super) fn keep(&self) -> Keep {
        let tracked = self.upstream.settings.track_response;
        let pairing = self.pairing.as_ref().map(|pairing| pairing.borrow());
        Keep {
            most: tracked.max(pairing.as_ref().map(|pairing| pairing.max_answer())),
            budget: pairing.map(|pairing| pairing.budget().clone()),
        }
    }

    /// Ends a request that held so many bytes.
    fn settle(&self, ticket: Ticket, held: usize, outcome: Outcome) {
        self.upstream.queue.release(held);
        ticket.settle(outcome);
        self.outstanding.set(self.outstanding.get() - 1);
        if self.outstanding.get() == 0 {
            self.all_settled.notify_one();
        }
    }

    // Permits.

    fn take_permit(&self) -> bool {
        let limit = self.upstream.limit();
        let taken = self.upstream.in_flight.try_take(limit)
            || (self.register_waiter() && self.upstream.in_flight.try_take(limit));
        if taken {
            self.held.set(self.held.get() + 1);
        }
        taken
    }

    fn give_permit_back(&self) {
        self.held.set(self.held.get() - 1);
        self.upstream.in_flight.give_back();
    }

    /// Says that this shard waits for a permit; `true` if it had not been said.
    fn register_waiter(&self) -> bool {
        let first = !self.waiting_for_permit.replace(true);
        if first {
            self.upstream.in_flight.register_waiter();
            self.permit_needed.notify_one();
        }
        first
    }

    async fn dispatch_when_permitted(&self) {
        loop {
            self.permit_needed.notified().await;
            self.upstream.in_flight.freed().await;
            self.upstream.in_flight.unregister_waiter();
            self.waiting_for_permit.set(false);
            self.dispatch();
            if !self.waiting_for_permit.get() {
                self.upstream.in_flight.pass_on();
            }
        }
    }
}
