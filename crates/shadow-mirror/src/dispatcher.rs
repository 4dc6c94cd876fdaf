//! The dispatcher of whole messages on one shard: to the middleware, where there is one, and the mirrors.

use std::cell::{Cell, Ref, RefCell, RefMut};
use std::rc::Rc;

use shadow_core::budget::MemoryBudget;
use shadow_core::time::Timestamp;
use shadow_http::{Limits, whole_request};
use shadow_tcp::FlowKey;

use super::exchange::{AnswerLost, Exchange, ExchangeResponse};
use super::gathering::Gathering;
use super::interceptor::{Interceptor, NextStep};
use super::ledger::{DropReason, Opened, Outcome, ShardLedger};
use super::message::{Message, MessageId, MessageKind};
use super::mirrors::{Enqueued, Mirrors, Targets};
use super::response_routing::ResponseRouting;

/// The path of a complete message on one shard: middleware, then mirrors. It is shared by what finds messages on a shard's
/// thread, and never borrowed across a wait.
pub struct Dispatcher {
    mirrors: RefCell<Mirrors>,
    /// Whether responses may come.
    responses: Cell<bool>,
    response_routing: RefCell<ResponseRouting>,
    middleware: Option<Box<dyn Interceptor>>,
    ledger: ShardLedger,
    limits: Limits,
    budget: MemoryBudget,
}

impl Dispatcher {
    pub(super) fn new(
        ledger: ShardLedger,
        limits: Limits,
        budget: MemoryBudget,
        middleware: Option<Box<dyn Interceptor>>,
    ) -> Rc<Self> {
        Rc::new(Self {
            mirrors: RefCell::default(),
            responses: Cell::new(middleware.is_some()),
            response_routing: RefCell::default(),
            middleware,
            ledger,
            limits,
            budget,
        })
    }

    /// Follows what comes back from the middleware, where there is one. Where local tasks may be spawned.
    pub(super) fn start(self: &Rc<Self>) {
        if self.middleware.is_some() {
            let dispatcher = Rc::clone(self);
            tokio::task::spawn_local(async move {
                if let Some(middleware) = &dispatcher.middleware {
                    middleware.follow(&*dispatcher).await;
                }
            });
        }
    }

    /// The mirrors. Not to be held across a wait, nor while a message is handed on.
    pub fn mirrors(&self) -> Ref<'_, Mirrors> {
        self.mirrors.borrow()
    }

    /// The same, to change them.
    pub fn mirrors_mut(&self) -> RefMut<'_, Mirrors> {
        self.mirrors.borrow_mut()
    }

    /// Responses come too: which mirrors did not take a request is remembered from now on.
    pub fn expect_responses(&self) {
        self.responses.set(true);
    }

    /// A request ended before it was handed on: no mirror gets its response.
    pub(super) fn not_taken(&self, id: &MessageId) {
        if self.responses.get() {
            let nobody = self.mirrors.borrow().nobody();
            self.response_routing.borrow_mut().note(id, false, &nobody);
        }
    }

    /// Sends a request through the middleware, where there is one, and on.
    pub fn intercept(&self, exchange: Exchange, opened: Opened) {
        let whole = match &self.middleware {
            Some(middleware) => middleware.request(exchange, opened),
            None => Some((exchange, opened)),
        };
        if let Some((exchange, opened)) = whole {
            self.enqueue(exchange, opened);
        }
    }

    /// Hands on a response to a request that was handed on before. `key`: the addresses of the request.
    pub fn response(&self, key: &FlowKey, response: &ExchangeResponse<'_>) {
        let taken = self
            .middleware
            .as_ref()
            .is_some_and(|middleware| middleware.response(key, response));
        if !taken {
            self.offer_response(key, response);
        }
    }

    /// Production has answered: for outputs that compare, as it was on the wire, whatever a middleware makes of it.
    pub fn production_answered(&self, response: &ExchangeResponse<'_>) {
        for output in self.mirrors.borrow().outputs() {
            output.production_answered(response);
        }
    }

    /// Production's answer to a request will never be whole here.
    pub fn production_lost(&self, id: &MessageId, why: AnswerLost) {
        if let Some(middleware) = &self.middleware {
            middleware.production_lost(id);
        }
        for output in self.mirrors.borrow().outputs() {
            output.production_lost(id, why);
        }
    }

    /// Production's client left a call while the answer came, of which this much had come.
    pub(super) fn production_left(&self, response: &ExchangeResponse<'_>) {
        if let Some(middleware) = &self.middleware {
            middleware.production_lost(response.id);
        }
        for output in self.mirrors.borrow().outputs() {
            output.production_left(response);
        }
    }

    /// Production will answer nothing any more.
    pub fn production_ended(&self) {
        if let Some(middleware) = &self.middleware {
            middleware.production_ended();
        }
        for output in self.mirrors.borrow().outputs() {
            output.production_ended();
        }
    }

    /// Whether requests pass through a middleware, which takes its time.
    pub fn has_middleware(&self) -> bool {
        self.middleware.is_some()
    }

    /// A call that was gathered is whole, since then: those get it who waited for that.
    pub(super) fn gathered(&self, gathering: Gathering, last: Timestamp) {
        let Some((seen, request, tickets)) = gathering.whole(last) else {
            return;
        };
        let exchange = Rc::new(Exchange::of_seen(seen, request));
        let taken = self.mirrors.borrow_mut().enqueue_gathered(&exchange, tickets);
        if self.responses.get() && !taken.is_empty() {
            let nobody = self.mirrors.borrow().nobody();
            // Those that took it live were noted then.
            let mut routing = self.response_routing.borrow_mut();
            let mut takers = routing.takers(&exchange.id, nobody).to_vec();
            takers.extend(taken);
            takers.sort_unstable();
            self.note_takers(&mut routing, &exchange, &takers.into());
        }
    }

    fn note_takers(&self, routing: &mut ResponseRouting, exchange: &Exchange, takers: &Rc<[usize]>) {
        let all = takers.len() == self.mirrors.borrow_mut().targets(&exchange.key).slots.len();
        routing.note(&exchange.id, all, takers);
    }

    /// Whether a request for these mirrors may be handed on before it is whole: to some of them at least.
    pub(super) fn takes_live_calls(&self, slots: &[usize]) -> bool {
        !slots.is_empty() && self.middleware.is_none() && self.mirrors.borrow().any_takes_live_calls(slots)
    }

    /// Lets the middleware give back what it holds, once the source has ended: responses may still pass through it.
    pub async fn settle(&self) {
        if let Some(middleware) = &self.middleware {
            middleware.settle().await;
        }
    }

    /// Lets the middleware end with what it holds: resolves when nothing waits for it.
    pub async fn drain(&self) {
        if let Some(middleware) = &self.middleware {
            middleware.drain().await;
        }
    }

    /// Settles what waits for the middleware.
    pub fn abort(&self, reason: DropReason) {
        if let Some(middleware) = &self.middleware {
            middleware.abort(reason);
        }
    }

    fn offer_response(&self, key: &FlowKey, response: &ExchangeResponse<'_>) {
        let concerned = self.mirrors.borrow_mut().targets(key).slots;
        let takers = self.response_routing.borrow_mut().takers(response.id, concerned);
        self.mirrors.borrow_mut().respond(&takers, response);
    }
}

impl NextStep for Dispatcher {
    fn enqueue(&self, exchange: Exchange, opened: Opened) {
        let exchange = Rc::new(exchange);
        let Enqueued { takers, waiting } = self.mirrors.borrow_mut().enqueue(&exchange, opened);
        if let Some(live) = exchange.live.as_ref().filter(|_| !waiting.is_empty()) {
            let (seen, head) = (exchange.seen(), &exchange.request);
            live.gather(Gathering::new(seen, head, waiting, self.limits, &self.budget));
        }
        if self.responses.get() {
            self.note_takers(&mut self.response_routing.borrow_mut(), &exchange, &takers);
        }
    }

    fn enqueue_response(&self, key: &FlowKey, message: &Message) {
        let (head, body) = message.split();
        self.offer_response(key, &message.response(&head, &body));
    }

    fn enqueue_made(&self, message: &Message) {
        let key = message.id.endpoints();
        if message.kind != MessageKind::Request {
            return self.enqueue_response(&key, message);
        }
        let Targets { slots, pod } = self.mirrors.borrow_mut().targets_in_turn(&key);
        let opened = self.ledger.open_for(&slots);
        match whole_request(&message.payload, self.limits, &self.budget) {
            Ok(request) => self.enqueue(Exchange::of_message(message, pod, request), opened),
            Err(reject) => opened.settle(Outcome::Dropped(reject.into())),
        }
    }
}
