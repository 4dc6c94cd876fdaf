//! Events of a shard's connections and how it acts on them: answers are handed on, and the next request is sent.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::Shard;
use crate::compare::{NotCompared, Part, Times};
use crate::mirror::ledger::{DropReason, Outcome};
use crate::output::http::connection::Connection;
use crate::output::http::copy::Wire;
use crate::output::http::h2::Way;
use crate::output::http::lanes::Job;
use crate::output::http::outstanding::{Answered, Event, Loss, Then};
use crate::output::http::redirect::{self, Hop};
use crate::output::http::response::{NotKept, ShadowAnswer};

/// Full reads in a row before other connections get their turn.
const MAX_READS: usize = 16;

impl Shard {
    /// The task of an open connection: resolves when it is closed, and what it had to do has ended or goes on elsewhere.
    pub(super) fn poll_connection(&self, connection: &Rc<Connection>, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..MAX_READS {
            let mut buffer = self.read_buffer.borrow_mut();
            let mut input = ready!(connection.poll_read(cx, &mut buffer));
            while let Some(event) = connection.next_event(&mut input) {
                if self.react(connection, event).is_break() {
                    return Poll::Ready(());
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Breaks when the connection is closed.
    fn react(&self, connection: &Rc<Connection>, event: Event) -> ControlFlow<()> {
        match event {
            Event::Answered(answered) => self.answered(connection, answered),
            Event::Lost(loss) => {
                self.lost(connection, loss);
                ControlFlow::Break(())
            }
        }
    }

    fn answered(&self, connection: &Rc<Connection>, answered: Answered) -> ControlFlow<()> {
        let Answered {
            mut job,
            answer,
            took,
            times,
            then,
        } = answered;
        let hop = self.next_hop(&job, &answer);
        if hop.is_none() {
            self.hand_on(&job, answer, took, times);
        }
        match (then, hop) {
            // One that may be redirected has none behind it.
            (Then::Next, _) => self.delivered_before_others(job, took),
            (Then::Free, Some(hop)) => {
                job.follow(hop);
                if !self.send(connection, job, Instant::now()) {
                    self.carry_on(connection);
                }
            }
            (Then::Free, None) => {
                self.delivered(job, took);
                self.carry_on(connection);
            }
            (Then::Close { .. }, Some(hop)) => {
                self.forget(connection, None);
                job.follow(hop);
                // The permit stays with the job.
                self.launch(job);
                return ControlFlow::Break(());
            }
            (Then::Close { announced: true }, None) if self.may_wait_for_close() => {
                // Announced: they were not even looked at, and go elsewhere.
                self.put_back(connection.take_followers().0, false);
                connection.await_close();
                self.delivered(job, took);
                self.release_permit();
            }
            (Then::Close { .. }, None) => {
                self.forget(connection, None);
                self.delivered(job, took);
                self.release_permit();
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    /// A connection is over; what it had to do goes on or ends.
    fn lost(&self, connection: &Rc<Connection>, loss: Loss) {
        self.forget(connection, Some(&loss));
        match loss {
            Loss::Quiet => {}
            // The permit stays with the job.
            Loss::Retry(job) => return self.launch(job),
            Loss::Failed(job, failure) => {
                self.give_permit_back();
                self.failed(job, &failure);
            }
        }
        self.dispatch();
    }

    /// Closes a connection in its task. Requests that were sent behind the one under way wait again.
    fn forget(&self, connection: &Rc<Connection>, loss: Option<&Loss>) {
        connection.shut();
        self.pool.borrow_mut().remove(connection);
        let (followers, begun) = connection.take_followers();
        let broken = loss.is_some_and(|loss| loss.breaks_a_batch(begun));
        self.put_back(followers, broken);
    }

    /// Hands an answer on, where answers are tracked or compared.
    pub(super) fn hand_on(&self, job: &Job, answer: ShadowAnswer, took: Duration, times: Times) {
        // A second answer for the comparison alone is nobody else's.
        if let Some(tracking) = &self.tracking
            && job.part != Some(Part::Repeat)
        {
            tracking.answered(&job.exchange, &answer, took);
        }
        if let (Some(pairing), Some(part)) = (&self.pairing, job.part) {
            let mut pairing = pairing.borrow_mut();
            let id = &job.exchange.id;
            match answer.kept {
                Ok((head, body)) => pairing.answered(id, part, head, body, times),
                Err(NotKept::TooLarge) => pairing.lost(id, part, NotCompared::ShadowTooLarge),
                Err(NotKept::Memory) => pairing.lost(id, part, NotCompared::Memory),
            }
        }
    }

    /// The next hop, if `answer` is a redirect to be followed.
    pub(super) fn next_hop(&self, job: &Job, answer: &ShadowAnswer) -> Option<Hop> {
        if job.redirects == 0 {
            return None;
        }
        let location = answer.location.as_deref()?;
        let template = &self.upstream.template;
        let request = &job.exchange.request;
        let (current, was_get) = match job.hop.as_deref() {
            Some(hop) => (hop.target.to_vec(), hop.as_get),
            None => (template.target(request), false),
        };
        let method = if was_get { b"GET" } else { request.method() };
        let tls = self.upstream.settings.tls;
        let host = template.upstream_host();
        let hop = redirect::hop(answer.status, location, method, &current, tls, host)?;
        Some(Hop {
            as_get: hop.as_get || was_get,
            ..hop
        })
    }

    /// An exchange was completed.
    pub(super) fn delivered(&self, job: Job, took: Duration) {
        self.lanes.borrow_mut().finished(job.flow());
        self.delivered_before_others(job, took);
    }

    /// An exchange was completed whose followers are under way: its lane is not free yet.
    fn delivered_before_others(&self, job: Job, took: Duration) {
        self.count_delay(&job);
        self.upstream.delivered(job.pass, took);
        let bytes = job.bytes();
        self.settle(job.ticket, bytes, Outcome::Delivered);
    }

    /// Sends a job, for which a permit is held, over an open connection on which nothing is under way, and with it what may go
    /// behind it. `false` when it must not be sent as it is: then it is settled.
    pub(super) fn send(&self, connection: &Connection, job: Job, now: Instant) -> bool {
        let mut heads = self.head_buffer.borrow_mut();
        heads.clear();
        let exchange = &job.exchange;
        let written = self.upstream.template.write_head(
            &exchange.request,
            exchange.pod.as_deref(),
            exchange.copy,
            job.hop.as_deref(),
            Wire::Http1,
            &mut heads,
        );
        if written.is_err() {
            self.lanes.borrow_mut().finished(job.flow());
            self.give_up(job, DropReason::Malformed);
            return false;
        }
        if connection.takes_followers() {
            self.add_followers(connection, &job, &mut heads);
        }
        connection.start(job, &heads, now);
        true
    }

    /// Lets what waits behind `leader` in its lane go with it, in the same write.
    fn add_followers(&self, connection: &Connection, leader: &Job, heads: &mut Vec<u8>) {
        while let Some(follower) = self.next_behind(leader, connection.followers()) {
            let before = heads.len();
            let exchange = &follower.exchange;
            let written = self.upstream.template.write_head(
                &exchange.request,
                exchange.pod.as_deref(),
                exchange.copy,
                None,
                Wire::Http1,
                heads,
            );
            if written.is_ok() {
                connection.push_follower(follower);
            } else {
                heads.truncate(before);
                self.give_up(follower, DropReason::Malformed);
            }
        }
    }

    /// The next request of the same lane that may be sent behind `leader` without waiting for its answer, where
    /// `behind` are already: both must be such that doing them again does no harm (RFC 9112 section 9.3.2).
    fn next_behind(&self, leader: &Job, behind: usize) -> Option<Job> {
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
    /// their lane. `broken`: that may have been because they were sent so.
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

    /// Sends the next job that waits in this shard over a connection that holds a permit; without one, the connection is idle, and
    /// its permit free.
    pub(super) fn carry_on(&self, connection: &Rc<Connection>) {
        while let Some(job) = self.next_job() {
            if self.way_of(&job) != Way::Http1 {
                connection.rest();
                self.pool.borrow_mut().put_idle(connection.clone());
                // The permit goes with the job.
                self.launch(job);
                return self.dispatch();
            }
            if self.send(connection, job, Instant::now()) {
                return;
            }
        }
        connection.rest();
        self.pool.borrow_mut().put_idle(connection.clone());
        self.give_permit_back();
    }

    /// The next request for a connection that has a permit; without one, the connection shall be idle.
    fn next_job(&self) -> Option<Job> {
        if !self.any_ready() {
            return None;
        }
        let in_flight = &self.upstream.in_flight;
        if in_flight.should_yield(self.upstream.limit(), self.waiting_for_permit.get()) {
            self.register_waiter();
            return None;
        }
        self.next_waiting()
    }

    /// A connection has no more use for its permit: other requests may go.
    fn release_permit(&self) {
        self.give_permit_back();
        self.dispatch();
    }

    /// Whether a connection may stay for a moment until the shadow closes it: not without bound.
    fn may_wait_for_close(&self) -> bool {
        self.upstream.connections_open() <= 2 * self.upstream.settings.workers
    }
}
