//! One shard's half of a middleware: the messages that wait for it, and what becomes of them when they come back.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use hashlink::LinkedHashMap;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::line::{Incoming, Outgoing};
use super::pairs::Pairs;
use super::process::{Middleware, Reply};
use super::settings::OnExit;
use crate::budget::MemoryBudget;
use crate::http::{Limits, whole_request};
use crate::mirror::ledger::{DropReason, Opened, Outcome};
use crate::mirror::{Exchange, ExchangeResponse, Interceptor, Message, MessageId, MessageKind, NextStep};
use crate::tcp::FlowKey;
use crate::time::{Timestamp, unix_now};

/// How often messages are looked at that have waited for too long.
const TICK: std::time::Duration = std::time::Duration::from_millis(100);

/// How long a program that is to end, and writes nothing any more, is waited for.
const REST: std::time::Duration = std::time::Duration::from_secs(1);

/// One shard's half of a middleware: the messages waiting for it, and their return.
pub struct ShardMiddleware {
    middleware: Middleware,
    number: usize,
    limits: Limits,
    budget: MemoryBudget,
    /// From the source's clock to Unix time, in nanoseconds.
    wall_offset: u64,
    /// The oldest first. Messages of one name wait in their order.
    waiting: RefCell<LinkedHashMap<(MessageKind, MessageId), VecDeque<Waiting>>>,
    emptied: Notify,
    ended: Cell<bool>,
    replies: Cell<Option<mpsc::Receiver<Reply>>>,
    left: Cell<bool>,
    /// Whether its source has ended.
    ending: Cell<bool>,
    /// When something came back last.
    latest: Cell<Instant>,
    /// Answers of the shadow's that came before production's.
    pairs: RefCell<Pairs<Held>>,
}

/// A response that is not handed over yet.
struct Held {
    key: FlowKey,
    kind: MessageKind,
    id: MessageId,
    head: Bytes,
    body: Bytes,
    first_byte: Timestamp,
    last_byte: Timestamp,
}

impl Held {
    fn new(key: &FlowKey, response: &ExchangeResponse<'_>) -> Self {
        Self {
            key: *key,
            kind: response.kind,
            id: response.id.clone(),
            head: response.head.clone(),
            body: response.body.clone(),
            first_byte: response.first_byte,
            last_byte: response.last_byte,
        }
    }

    fn size(&self) -> usize {
        self.head.len() + self.body.len()
    }
}

struct Waiting {
    since: Instant,
    what: What,
}

enum What {
    Request(Box<Exchange>, Opened),
    Response { key: FlowKey, message: Message },
}

impl ShardMiddleware {
    /// A shard's half. `wall_offset`: nanoseconds from the clock of the shard's source to Unix time. `answers`: whether
    /// production's answers will be offered.
    pub fn new(
        middleware: &Middleware,
        limits: Limits,
        budget: MemoryBudget,
        wall_offset: u64,
        answers: bool,
    ) -> Self {
        let (number, replies) = middleware.join();
        Self {
            middleware: middleware.clone(),
            number,
            limits,
            budget,
            wall_offset,
            waiting: RefCell::default(),
            emptied: Notify::new(),
            ended: Cell::new(false),
            replies: Cell::new(Some(replies)),
            left: Cell::new(false),
            ending: Cell::new(false),
            latest: Cell::new(Instant::now()),
            pairs: RefCell::new(Pairs::new(answers)),
        }
    }

    /// Hands an answer of the shadow's over, or lets it wait for production's.
    fn replayed(&self, key: &FlowKey, response: &ExchangeResponse<'_>) {
        let mut pairs = self.pairs.borrow_mut();
        if !pairs.is_early(response.id) {
            return self.put_response(key, response);
        }
        let held = Held::new(key, response);
        if self.middleware.hold(held.size()) {
            pairs.hold(response.id, held, Instant::now());
        } else {
            self.middleware.count_early(1);
            self.put_response(key, response);
        }
    }

    /// Hands over what does not wait any longer.
    fn hand_over(&self, held: Vec<Held>) {
        for held in held {
            self.middleware.release_held(held.size());
            let response = ExchangeResponse {
                id: &held.id,
                kind: held.kind,
                head: &held.head,
                body: &held.body,
                began: Timestamp::default(),
                first_byte: held.first_byte,
                last_byte: held.last_byte,
            };
            self.put_response(&held.key, &response);
        }
    }

    /// The same of what waited for nothing.
    fn give_up(&self, held: Vec<Held>) {
        self.middleware.count_early(held.len() as u64);
        self.hand_over(held);
    }

    fn put_response(&self, key: &FlowKey, response: &ExchangeResponse<'_>) {
        let outgoing = Outgoing {
            kind: response.kind,
            id: response.id,
            unix: self.unix(response.first_byte),
            took: nanoseconds(response.first_byte, response.last_byte),
            payload: [response.head, response.body],
        };
        if self.middleware.put(self.number, &outgoing).is_err() {
            return;
        }
        let message = Message {
            kind: response.kind,
            id: response.id.clone(),
            first_byte: response.first_byte,
            last_byte: response.last_byte,
            // Only its length is compared, and only its times are needed: what goes on is what comes back.
            payload: Bytes::new(),
        };
        let key = *key;
        self.wait(
            (response.kind, response.id.clone()),
            What::Response { key, message },
        );
    }

    /// Follows what comes back until nothing more can.
    async fn follow_replies(&self, next: &dyn NextStep) {
        let Some(mut replies) = self.replies.take() else {
            return;
        };
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let reply = tokio::select! {
                biased;
                reply = replies.recv() => reply,
                _ = tick.tick() => {
                    self.expire();
                    continue;
                }
            };
            match reply {
                Some(Reply::Message(message)) => self.back(message, next),
                Some(Reply::Ended) | None => return self.end(next),
            }
        }
    }

    async fn empty(&self) {
        loop {
            // Listens before it looks, so that nothing is missed in between.
            let emptied = self.emptied.notified();
            if self.waiting.borrow().is_empty() {
                return;
            }
            emptied.await;
        }
    }

    /// Responses have no outcome of their own.
    fn forget_held(&self) {
        for held in self.pairs.borrow_mut().given_up() {
            self.middleware.release_held(held.size());
        }
    }

    fn wait(&self, key: (MessageKind, MessageId), what: What) {
        let since = Instant::now();
        let mut all = self.waiting.borrow_mut();
        all.entry(key)
            .or_insert_with(VecDeque::new)
            .push_back(Waiting { since, what });
    }

    /// The message that has waited longest under this name.
    fn waited(&self, kind: MessageKind, id: &MessageId) -> Option<What> {
        let mut all = self.waiting.borrow_mut();
        let key = (kind, id.clone());
        let queue = all.get_mut(&key)?;
        let first = queue.pop_front();
        if queue.is_empty() {
            all.remove(&key);
        }
        if all.is_empty() {
            self.emptied.notify_one();
        }
        first.map(|waiting| waiting.what)
    }

    /// A message came back.
    fn back(&self, incoming: Incoming, next: &dyn NextStep) {
        self.latest.set(Instant::now());
        match self.waited(incoming.kind, &incoming.id) {
            Some(What::Request(exchange, opened)) => {
                self.request_back(*exchange, opened, &incoming.payload, next);
            }
            Some(What::Response { key, message }) => {
                let message = Message {
                    payload: incoming.payload,
                    ..message
                };
                next.enqueue_response(&key, &message);
            }
            None => {
                let now = Timestamp(unix_now().saturating_sub(self.wall_offset));
                next.enqueue_made(&Message {
                    kind: incoming.kind,
                    id: incoming.id,
                    first_byte: now,
                    last_byte: now,
                    payload: incoming.payload,
                });
            }
        }
    }

    fn request_back(&self, mut exchange: Exchange, opened: Opened, payload: &Bytes, next: &dyn NextStep) {
        let before = &exchange.request;
        let (head, body) = payload.split_at(before.head.len().min(payload.len()));
        if head == before.head && body == before.body {
            return next.enqueue(exchange, opened);
        }
        match whole_request(payload, self.limits, &self.budget) {
            Ok(mut changed) => {
                changed.first_byte = before.first_byte;
                changed.last_byte = before.last_byte;
                changed.acknowledgment = before.acknowledgment;
                // Nobody can make it whole again.
                changed.incomplete = before.incomplete;
                exchange.request = changed.into();
                next.enqueue(exchange, opened);
            }
            Err(reject) => opened.settle(Outcome::Dropped(reject.into())),
        }
    }

    /// Filters messages that the program did not return in time, and hands over those that waited for production for too long.
    fn expire(&self) {
        let early = self.pairs.borrow_mut().expired(Instant::now());
        self.give_up(early);
        if self.middleware.is_ending() {
            return;
        }
        let mut timeout = self.middleware.settings().timeout;
        if (self.ending.get() || self.middleware.is_finishing()) && self.latest.get().elapsed() >= REST {
            timeout = timeout.min(REST);
        }
        let mut all = self.waiting.borrow_mut();
        while let Some(((kind, id), queue)) = all.front()
            && let Some(oldest) = queue.front()
            && oldest.since.elapsed() >= timeout
        {
            let key = (*kind, id.clone());
            self.middleware.forget(key.0, &key.1);
            let Some(queue) = all.get_mut(&key) else { break };
            if let Some(Waiting {
                what: What::Request(_, opened),
                ..
            }) = queue.pop_front()
            {
                opened.settle(Outcome::Filtered);
            }
            if queue.is_empty() {
                all.remove(&key);
            }
        }
        if all.is_empty() {
            self.emptied.notify_one();
        }
    }

    /// The program has ended. Where it ended because nothing more was to come, it kept back what it did not give back.
    fn end(&self, next: &dyn NextStep) {
        self.ended.set(true);
        self.forget_held();
        let finished = self.middleware.is_finishing();
        let all = std::mem::take(&mut *self.waiting.borrow_mut());
        for waiting in all.into_iter().flat_map(|(_, queue)| queue) {
            let What::Request(exchange, opened) = waiting.what else {
                continue;
            };
            if finished {
                opened.settle(Outcome::Filtered);
            } else if let Some((exchange, opened)) = self.after_the_end(*exchange, opened) {
                next.enqueue(exchange, opened);
            }
        }
        self.emptied.notify_one();
    }

    fn after_the_end(&self, exchange: Exchange, opened: Opened) -> Option<(Exchange, Opened)> {
        match self.middleware.settings().on_exit {
            OnExit::Bypass => Some((exchange, opened)),
            OnExit::Stop => {
                opened.settle(Outcome::Dropped(DropReason::MiddlewareEnded));
                None
            }
        }
    }

    fn leave(&self) {
        if !self.left.replace(true) {
            self.middleware.leave();
        }
    }

    fn unix(&self, time: Timestamp) -> u64 {
        time.0.saturating_add(self.wall_offset)
    }
}

impl Interceptor for ShardMiddleware {
    fn request(&self, exchange: Exchange, opened: Opened) -> Option<(Exchange, Opened)> {
        if self.ended.get() {
            return self.after_the_end(exchange, opened);
        }
        let request = &exchange.request;
        let outgoing = Outgoing {
            kind: MessageKind::Request,
            id: &exchange.id,
            unix: self.unix(request.first_byte),
            took: nanoseconds(request.first_byte, request.last_byte),
            payload: [&request.head, &request.body],
        };
        match self.middleware.put(self.number, &outgoing) {
            Ok(()) => {
                let forgotten = self.pairs.borrow_mut().asked(&exchange.id, Instant::now());
                self.give_up(forgotten);
                let key = (MessageKind::Request, exchange.id.clone());
                self.wait(key, What::Request(Box::new(exchange), opened));
                None
            }
            Err(DropReason::MiddlewareEnded) => self.after_the_end(exchange, opened),
            Err(reason) => {
                opened.settle(Outcome::Dropped(reason));
                None
            }
        }
    }

    fn response(&self, key: &FlowKey, response: &ExchangeResponse<'_>) -> bool {
        if self.ended.get() {
            return self.middleware.settings().on_exit == OnExit::Stop;
        }
        match response.kind {
            MessageKind::Replayed => self.replayed(key, response),
            MessageKind::Request | MessageKind::Response => {
                self.put_response(key, response);
                let held = self.pairs.borrow_mut().answered(response.id);
                self.hand_over(held);
            }
        }
        true
    }

    fn production_lost(&self, id: &MessageId) {
        let held = self.pairs.borrow_mut().lost(id);
        self.hand_over(held);
    }

    fn production_ended(&self) {
        let held = self.pairs.borrow_mut().ended();
        self.hand_over(held);
    }

    fn follow<'a>(&'a self, next: &'a dyn NextStep) -> Pin<Box<dyn Future<Output = ()> + 'a>> {
        Box::pin(self.follow_replies(next))
    }

    fn settle(&self) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        self.ending.set(true);
        Box::pin(self.empty())
    }

    fn drain(&self) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        self.production_ended();
        self.leave();
        Box::pin(self.empty())
    }

    fn abort(&self, reason: DropReason) {
        self.forget_held();
        let all = std::mem::take(&mut *self.waiting.borrow_mut());
        for ((kind, id), queue) in all {
            for waiting in queue {
                self.middleware.forget(kind, &id);
                if let What::Request(_, opened) = waiting.what {
                    opened.settle(Outcome::Dropped(reason));
                }
            }
        }
        self.emptied.notify_one();
    }
}

impl Drop for ShardMiddleware {
    fn drop(&mut self) {
        self.leave();
    }
}

fn nanoseconds(from: Timestamp, to: Timestamp) -> u64 {
    to.0.saturating_sub(from.0)
}
