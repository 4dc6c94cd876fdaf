//! Correlation on one shard: each request is sent with what this output issued in place of what production did, and waits, for a
//! moment, where the output has yet to issue it.
//!
//! What a request carries is looked up once all that was captured before it has been read, on whichever shard: the login that
//! a page carries the session of, the pages before a logout. A shard that is kept off its processor may be that far behind.
//!
//! What waits holds back the requests of its own connection alone, which keep their order. When the time is up, or no more may
//! wait, a request goes with what is known.

use std::cell::{Cell, RefCell};
use std::collections::{HashSet, VecDeque};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::{JoinHandle, spawn_local};

use super::lanes::held_bytes;
use super::shard::Shard;
use crate::compare::{Correlation, NotCompared, Pairing, Part};
use crate::correlate::rewrite::Rewriting;
use crate::correlate::{Carried, Map, Turn, lock};
use crate::mirror::ledger::{DropReason, Outcome, Ticket};
use crate::mirror::{Exchange, FlowId};
use crate::time::monotonic_now;

/// How often requests that wait are looked at: the answer may come to any shard.
const TURN: Duration = Duration::from_millis(5);
/// The same while any of them waits for another shard, which reads what it has within milliseconds.
const ARRIVING: Duration = Duration::from_millis(1);
/// Most requests that wait: those of more clients than log in at once.
const MAX_WAITING: usize = 1024;
/// Most bytes of them.
const MAX_WAITING_BYTES: usize = 16 << 20;

/// The requests of one shard to one output, on their way to being sent.
pub(super) struct Correlating {
    state: Rc<State>,
    releasing: JoinHandle<()>,
}

struct State {
    correlation: Arc<Correlation>,
    map: Arc<Mutex<Map>>,
    shard: Rc<Shard>,
    pairing: Rc<RefCell<Pairing>>,
    /// In the order in which they came.
    waiting: RefCell<VecDeque<Waiting>>,
    bytes: Cell<usize>,
    begun: Notify,
}

struct Waiting {
    turn: Turn,
    /// The values that it carries; `None` as long as it is arriving.
    carried: Option<Carried>,
    /// The request that it waited for last.
    before: Option<Turn>,
    /// Whether it waited for another request, or for what it carries, rather than for other shards alone.
    waited: bool,
    exchange: Rc<Exchange>,
    ticket: Ticket,
    part: Option<Part>,
    until: Instant,
}

impl Correlating {
    /// Towards `shard`, by `map`. For the current thread, inside its `LocalRuntime`.
    pub(super) fn new(
        correlation: &Arc<Correlation>,
        map: &Arc<Mutex<Map>>,
        shard: &Rc<Shard>,
        pairing: &Rc<RefCell<Pairing>>,
    ) -> Self {
        if let Some(origin) = shard
            .upstream()
            .template
            .own_origin(shard.upstream().settings.tls)
        {
            lock(map).set_origin(&origin);
        }
        let state = Rc::new(State {
            correlation: Arc::clone(correlation),
            map: Arc::clone(map),
            shard: Rc::clone(shard),
            pairing: Rc::clone(pairing),
            waiting: RefCell::default(),
            bytes: Cell::new(0),
            begun: Notify::new(),
        });
        let releasing = spawn_local(Rc::clone(&state).release_in_turns());
        Self { state, releasing }
    }

    /// Sends a request, or lets it wait.
    pub(super) fn offer(&self, exchange: &Rc<Exchange>, ticket: Ticket, part: Option<Part>) {
        let state = &*self.state;
        // Without room its order is lost, or the request would be.
        let has_room = state.has_room_for(exchange);
        let (turn, looked_up) = state.turn(exchange);
        let (rewriting, may_go) = match looked_up {
            Some(looked_up) => {
                state.carries(exchange, turn, part, &looked_up.0);
                looked_up
            }
            None if has_room => return state.wait(exchange, (turn, None), ticket, part),
            None => state.arrive(exchange, turn, part),
        };
        let goes = may_go && !state.is_behind(exchange.flow);
        if goes || !has_room {
            state.send(exchange, rewriting, ticket, part, None);
        } else {
            state.wait(exchange, (turn, Some(rewriting.carried)), ticket, part);
        }
    }

    /// Whether less than half of what may wait does.
    pub(super) fn has_room(&self) -> bool {
        let state = &self.state;
        state.waiting.borrow().len() < MAX_WAITING / 2 && state.bytes.get() < MAX_WAITING_BYTES / 2
    }

    /// Resolves when nothing waits.
    pub(super) async fn drained(&self) {
        while !self.state.waiting.borrow().is_empty() {
            tokio::time::sleep(TURN).await;
        }
    }

    /// Gives up what waits.
    pub(super) fn abort(&self, reason: DropReason) {
        let waiting = std::mem::take(&mut *self.state.waiting.borrow_mut());
        self.state.bytes.set(0);
        for one in waiting {
            if one.carried.is_none() {
                lock(&self.state.map).has_arrived(one.turn);
            }
            if let Some(part) = one.part {
                let why = NotCompared::Shadow(reason);
                self.state.pairing.borrow_mut().lost(&one.exchange.id, part, why);
            }
            one.ticket.settle(Outcome::Dropped(reason));
        }
    }
}

impl Drop for Correlating {
    fn drop(&mut self) {
        self.releasing.abort();
        self.abort(DropReason::Shutdown);
    }
}

impl State {
    /// Whether an earlier request of its connection waits.
    fn is_behind(&self, flow: FlowId) -> bool {
        self.waiting.borrow().iter().any(|one| one.exchange.flow == flow)
    }

    fn has_room_for(&self, exchange: &Exchange) -> bool {
        self.waiting.borrow().len() < MAX_WAITING
            && self.bytes.get() + held_bytes(&exchange.request) <= MAX_WAITING_BYTES
    }

    /// Its turn, and what becomes of its values and whether it may go, where all that was captured before it has been read. Else it is
    /// arriving. Most requests take the map once, here.
    fn turn(&self, exchange: &Exchange) -> (Turn, Option<(Rewriting, bool)>) {
        let at = exchange.request.first_byte;
        // In this order: what is read is known to the map, if only as arriving.
        let is_read = self.correlation.is_read(at);
        let mut map = lock(&self.map);
        // By its addresses: each shard counts its flows from one.
        let turn = map.turn(exchange.id.connection(), at);
        if !is_read {
            map.arrives(turn);
            return (turn, None);
        }
        let (rewriting, may_go) = self.look_up_in(&mut map, exchange, turn);
        let may_go = may_go && map.is_next(turn);
        (turn, Some((rewriting, may_go)))
    }

    /// Whether it is known of all requests before this turn what they carry.
    fn is_next(&self, turn: Turn) -> bool {
        lock(&self.map).is_next(turn)
    }

    /// Looks up what a request carries, so that others may wait for it; and whether it may go, as all before it were looked at.
    fn arrive(&self, exchange: &Exchange, turn: Turn, part: Option<Part>) -> (Rewriting, bool) {
        let (rewriting, may_go) = {
            let mut map = lock(&self.map);
            let (rewriting, may_go) = self.look_up_in(&mut map, exchange, turn);
            let may_go = may_go && map.is_next(turn);
            if rewriting.carried.is_empty() {
                map.has_arrived(turn);
                return (rewriting, may_go);
            }
            (rewriting, may_go)
        };
        self.carries(exchange, turn, part, &rewriting);
        lock(&self.map).has_arrived(turn);
        (rewriting, may_go)
    }

    /// Lets others wait for its answer that carry the same.
    fn carries(&self, exchange: &Exchange, turn: Turn, part: Option<Part>, rewriting: &Rewriting) {
        if let Some(part) = part.filter(|_| !rewriting.carried.is_empty()) {
            let mut pairing = self.pairing.borrow_mut();
            pairing.carries(&exchange.id, part, turn, rewriting.carried.clone());
        }
    }

    /// The fate of its values, and whether it need not wait: neither for what it carries, nor for a request before it.
    fn look_up(&self, exchange: &Exchange, turn: Turn) -> (Rewriting, bool) {
        self.look_up_in(&mut lock(&self.map), exchange, turn)
    }

    fn look_up_in(&self, map: &mut Map, exchange: &Exchange, turn: Turn) -> (Rewriting, bool) {
        let exceptions = &self.correlation.settings().exceptions;
        let rewriting = Rewriting::of(&exchange.request, exceptions, map, monotonic_now());
        let may_go = rewriting.pending == 0 && map.before(turn, &rewriting.carried).is_none();
        (rewriting, may_go)
    }

    fn wait(
        &self,
        exchange: &Rc<Exchange>,
        (turn, carried): (Turn, Option<Carried>),
        ticket: Ticket,
        part: Option<Part>,
    ) {
        self.bytes.set(self.bytes.get() + held_bytes(&exchange.request));
        self.waiting.borrow_mut().push_back(Waiting {
            turn,
            waited: false,
            carried,
            before: None,
            exchange: Rc::clone(exchange),
            ticket,
            part,
            until: self.time_is_up(),
        });
        self.begun.notify_one();
    }

    fn time_is_up(&self) -> Instant {
        Instant::now() + self.correlation.settings().wait
    }

    async fn release_in_turns(self: Rc<Self>) {
        loop {
            self.begun.notified().await;
            let mut next = ARRIVING;
            while !self.waiting.borrow().is_empty() {
                tokio::time::sleep(next).await;
                self.release();
                let any_arriving = self.waiting.borrow().iter().any(|one| !one.waited);
                next = if any_arriving { ARRIVING } else { TURN };
            }
        }
    }

    /// Sends what has what it waited for, or waited long enough: its time begins when it is the first on its connection, and again
    /// with each request that it waits for. A shadow that is far behind answers one after the other, each in its time.
    fn release(&self) {
        let mut kept: VecDeque<Waiting> = VecDeque::new();
        let mut connections = HashSet::new();
        let waiting = std::mem::take(&mut *self.waiting.borrow_mut());
        for mut one in waiting {
            let flow = one.exchange.flow;
            let is_behind = connections.contains(&flow);
            match self.looked_at(&mut one, is_behind) {
                None => {
                    connections.insert(flow);
                    kept.push_back(one);
                }
                Some((rewriting, in_time)) => {
                    self.bytes
                        .set(self.bytes.get().saturating_sub(held_bytes(&one.exchange.request)));
                    let waited = (one.waited || !in_time).then_some(in_time);
                    self.send(&one.exchange, rewriting, one.ticket, one.part, waited);
                }
            }
        }
        let mut waiting = self.waiting.borrow_mut();
        kept.append(&mut waiting);
        *waiting = kept;
    }

    /// The fate of a waiting request's values, if it goes now, and whether what it waited for came in time. `is_behind`: whether
    /// another one on its connection goes first.
    fn looked_at(&self, one: &mut Waiting, is_behind: bool) -> Option<(Rewriting, bool)> {
        let now = Instant::now();
        let in_time = now < one.until;
        if one.carried.is_none() {
            if in_time && !self.correlation.is_read(one.turn.at) {
                return None;
            }
            // At once, whatever else is arriving: others may wait for this one.
            let (rewriting, may_go) = self.arrive(&one.exchange, one.turn, one.part);
            if may_go && !is_behind {
                return Some((rewriting, in_time));
            }
            one.carried = Some(rewriting.carried);
        }
        if in_time && !self.is_next(one.turn) {
            return None;
        }
        let carried = one.carried.as_ref()?;
        if is_behind {
            one.waited = true;
            one.until = self.time_is_up();
            return None;
        }
        // Most of what waits is known to have to: its values are not looked up again.
        let before = lock(&self.map).before(one.turn, carried);
        if before != one.before {
            one.before = before;
            one.until = self.time_is_up();
        }
        if before.is_some() && now < one.until {
            one.waited = true;
            return None;
        }
        let (rewriting, may_go) = self.look_up(&one.exchange, one.turn);
        one.waited |= !may_go;
        (may_go || now >= one.until).then_some((rewriting, may_go && in_time))
    }

    /// Sends it. `waited`: whether what it waited for came in time.
    fn send(
        &self,
        exchange: &Rc<Exchange>,
        rewriting: Rewriting,
        ticket: Ticket,
        part: Option<Part>,
        waited: Option<bool>,
    ) {
        let (values, pending) = (rewriting.values(), rewriting.pending > 0);
        let mut missing = rewriting.missing > 0 || pending;
        let rewritten = rewriting.is_changed().then(|| rewriting.apply(&exchange.request));
        // Where that fails there is no memory for it, or it would be no request: it goes as it came.
        missing |= matches!(rewritten, Some(Err(_)));
        let rewritten = rewritten.and_then(Result::ok);
        ticket.correlate(if rewritten.is_some() { values } else { 0 }, missing);
        // The second answer of the shadow is to the same request.
        if (rewritten.is_some() || missing || waited.is_some()) && part != Some(Part::Repeat) {
            let mut map = lock(&self.map);
            let counts = map.counts_mut();
            if rewritten.is_some() && values > 0 {
                counts.requests += 1;
                counts.values += values as u64;
            }
            counts.missing += u64::from(missing);
            counts.waited += u64::from(waited.is_some());
            counts.late += u64::from(waited == Some(false));
        }
        match rewritten {
            None => self.shard.offer(exchange, ticket, part),
            Some(request) => {
                let exchange = Rc::new(exchange.with_request(Box::new(request)));
                self.shard.offer(&exchange, ticket, part);
            }
        }
    }
}
