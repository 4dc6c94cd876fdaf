//! One shard's half of an HTTP output: which request goes when, and over which connection.
//!
//! Everything here lives on one thread. A request goes at once when nothing of its lane is before it, no
//! other lane waits, a permit is free, and there is an idle connection (the one used last) or a new one may
//! be opened. Otherwise it waits in its lane, and connections that end an exchange take the lane that waits
//! longest. So the shadow sees about as many connections as production has busy ones.

mod lifecycle;

use std::cell::{Cell, RefCell, RefMut};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::breaker::Admission;
use super::connect::Connector;
use super::connection::{Connection, Failure};
use super::copy::CopyTemplate;
use super::lanes::{Job, Lanes};
use super::pool::Pool;
use super::redirect::{self, Hop};
use super::response::{Keep, ShadowAnswer};
use super::tracking::Tracking;
use super::upstream::Upstream;
use crate::compare::{NotCompared, Pairing, Part};
use crate::mirror::Exchange;
use crate::mirror::ledger::{DropReason, Outcome, Ticket};

/// Bytes read at once.
const READ_BUFFER: usize = 64 * 1024;
/// One shard's half of an HTTP output.
pub(super) struct Shard {
    upstream: Arc<Upstream>,
    connector: Connector,
    lanes: RefCell<Lanes>,
    pool: RefCell<Pool>,
    read_buffer: RefCell<Box<[u8]>>,
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
    /// Where answers go, if they are tracked.
    pub(super) tracking: Option<Tracking>,
    /// Where they are compared.
    pub(super) pairing: Option<Rc<RefCell<Pairing>>>,
}

#[derive(Clone, Copy, Debug)]
struct Backoff {
    until: Instant,
    length: Duration,
}

impl Shard {
    pub(super) fn new(
        upstream: Arc<Upstream>,
        tracking: Option<Tracking>,
        pairing: Option<Rc<RefCell<Pairing>>>,
    ) -> Rc<Self> {
        let connector = upstream.connector().stamping(pairing.is_some());
        Rc::new_cyclic(|this| Self {
            upstream,
            connector,
            lanes: RefCell::default(),
            pool: RefCell::default(),
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
            tracking,
            pairing,
        })
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
            retried: false,
            redirects: self.upstream.settings.redirects,
            hop: None,
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
        self.settle_waiting(reason, |_| false);
    }

    /// Leaves the line for permits, once nothing tends it any more.
    pub(super) fn retire(&self) {
        if self.waiting_for_permit.replace(false) {
            self.upstream.in_flight.unregister_waiter();
            self.upstream.in_flight.pass_on();
        }
    }

    // What connections ask of it.

    pub(super) fn template(&self) -> &CopyTemplate {
        &self.upstream.template
    }

    pub(super) fn head_scratch(&self) -> RefMut<'_, Vec<u8>> {
        self.head_buffer.borrow_mut()
    }

    pub(super) fn read_scratch(&self) -> RefMut<'_, Box<[u8]>> {
        self.read_buffer.borrow_mut()
    }

    /// The next hop, if `answer` is a redirect to be followed.
    pub(super) fn next_hop(&self, job: &Job, answer: &ShadowAnswer) -> Option<Hop> {
        if job.redirects == 0 {
            return None;
        }
        let location = answer.location.as_deref()?;
        let request = &job.exchange.request;
        let (current, was_get) = match job.hop.as_deref() {
            Some(hop) => (hop.target.to_vec(), hop.as_get),
            None => (self.template().target(request), false),
        };
        let method = if was_get { b"GET" } else { request.method() };
        let tls = self.upstream.settings.tls;
        let host = self.template().upstream_host();
        let hop = redirect::hop(answer.status, location, method, &current, tls, host)?;
        Some(Hop {
            as_get: hop.as_get || was_get,
            ..hop
        })
    }

    /// An exchange was completed.
    pub(super) fn delivered(&self, job: Job, took: Duration) {
        self.upstream.delivered(job.pass, took);
        self.lanes.borrow_mut().finished(job.flow());
        let bytes = job.bytes();
        self.settle(job.ticket, bytes, Outcome::Delivered);
    }

    /// An exchange was completed whose followers are under way: its lane is not free yet.
    pub(super) fn delivered_before_others(&self, job: Job, took: Duration) {
        self.upstream.delivered(job.pass, took);
        let bytes = job.bytes();
        self.settle(job.ticket, bytes, Outcome::Delivered);
    }

    /// The next request of the same lane that may be sent behind `leader` without waiting for its answer, where
    /// `behind` are already: both must be such that doing them again does no harm (RFC 9112 section 9.3.2).
    pub(super) fn next_behind(&self, leader: &Job, behind: usize) -> Option<Job> {
        let may =
            behind + 1 < self.upstream.settings.pipeline && leader.may_lead() && self.upstream.may_pipeline();
        if !may {
            return None;
        }
        let job = self
            .lanes
            .borrow_mut()
            .next_behind(leader.flow(), Job::may_follow)?;
        self.upstream.queue.leave();
        Some(job)
    }

    /// Requests that were sent behind another and will not be answered there wait again, before the rest of
    /// their lane. `broken`: that may have been because they
    /// were sent so.
    pub(super) fn put_back(&self, followers: VecDeque<Job>, broken: bool) {
        if broken && !followers.is_empty() {
            self.upstream.stop_pipelining();
        }
        for mut job in followers.into_iter().rev() {
            job.retried |= broken;
            self.upstream.queue.reenter();
            self.lanes.borrow_mut().put_back(job);
        }
    }

    /// A request that must not be sent as it is, behind one that is under way.
    pub(super) fn refused_behind(&self, job: Job) {
        self.give_up(job, DropReason::Malformed);
    }

    /// A request that must not be sent as it is.
    pub(super) fn refused(&self, job: Job) {
        self.lanes.borrow_mut().finished(job.flow());
        self.give_up(job, DropReason::Malformed);
    }

    /// The next request for a connection that has a permit; without one, the connection shall be idle.
    pub(super) fn next_job(&self) -> Option<Job> {
        if !self.any_ready() {
            return None;
        }
        if self
            .upstream
            .in_flight
            .should_yield(self.upstream.limit(), self.waiting_for_permit.get())
        {
            self.register_waiter();
            return None;
        }
        self.next_waiting()
    }

    /// A connection has nothing to do: its permit is free, and it can be used again.
    pub(super) fn now_idle(&self, connection: &Rc<Connection>) {
        self.pool.borrow_mut().put_idle(connection.clone());
        self.give_permit_back();
    }

    /// A connection has no more use for its permit: other requests may go.
    pub(super) fn released(&self) {
        self.give_permit_back();
        self.dispatch();
    }

    /// Whether a connection may stay for a moment until the shadow closes it: not without bound.
    pub(super) fn may_wait_for_close(&self) -> bool {
        self.upstream.connections_open() <= 2 * self.upstream.settings.workers
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
        self.backoff.get().is_none() || self.held.get() == 0 || self.pool.borrow().has_idle()
    }

    /// Sends a job, for which a permit is held, over an idle connection or a new one.
    fn launch(&self, job: Job) {
        let now = Instant::now();
        if !job.retried {
            while let Some(connection) = self.take_idle() {
                if connection.is_usable(now) {
                    if !connection.start(job, self, now) {
                        self.pool.borrow_mut().put_idle(connection);
                        self.give_permit_back();
                    }
                    return;
                }
                self.close(&connection);
            }
        }
        let held_back = self.backoff.get().is_some_and(|backoff| now < backoff.until);
        if held_back && !job.pass.probe {
            self.give_permit_back();
            self.lanes.borrow_mut().finished(job.flow());
            self.give_up(job, DropReason::ConnectError);
            return;
        }
        self.open(job);
    }

    fn take_idle(&self) -> Option<Rc<Connection>> {
        self.pool.borrow_mut().take_idle()
    }

    fn failed(&self, job: Job, failure: &Failure) {
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
