//! The pairs of one shard that are not whole yet: each waits for production's answer and for the shadow's, and for the
//! control's and a second one of the shadow's where these were asked.
//!
//! Sans-IO: time comes in as an argument. Biased towards the account: whatever comes or does not come, each request that
//! is opened ends once, as a pair or with a reason. What waits is charged to the budget of [`Intake`]; what that has no room for
//! ends at once.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hashlink::LinkedHashMap;
use shadow_core::budget::{BudgetShare, Charge, MemoryBudget};
use shadow_core::time::Timestamp;
use shadow_correlate::{Carried, Exchanges, Same, Turn};
use shadow_mirror::{Exchange, ExchangeResponse, MessageId, MessageKind};

use super::equal_pair::EqualPair;
use super::grpc_call::is_call;
use super::intake::{Finished, Intake, Unpaired};
use super::pair::{Answer, NotCompared, Pair, Times};
use super::races::may_change;
use open::{Extra, Open, moment, shared};

mod left;
mod open;

/// The cost of an open pair besides the bytes of its messages, in bytes: the exchange and its request, taken apart, its entries here and
/// where it is learned from, and what the allocator adds to each.
const OVERHEAD: usize = 1664;

/// Whose answer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The shadow's.
    Shadow,
    /// The control's.
    Control,
    /// The shadow's second.
    Repeat,
}

/// Who else is asked, besides the shadow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// The control.
    pub control: bool,
    /// The shadow, a second time.
    pub repeat: bool,
}

/// The incomplete pairs of one shard.
#[derive(Debug)]
pub struct Pairing {
    intake: Arc<Intake>,
    wait: Duration,
    max_answer: usize,
    /// From the source's clock to Unix time, in nanoseconds.
    wall_offset: u64,
    /// The oldest first.
    open: LinkedHashMap<MessageId, Open>,
    /// The bytes of those.
    share: BudgetShare,
    /// Production's answers to requests that are not open yet, the oldest first: a middleware may hold a request for
    /// longer than production takes. `None` where that cannot be.
    early: Option<LinkedHashMap<MessageId, Early>>,
    /// Learns what answers teach of identifiers, where values are mapped.
    learning: Option<Learning>,
    /// As far as it was told.
    now: Timestamp,
}

/// The exchanges of which answers are under way, with each output.
#[derive(Debug)]
struct Learning {
    shadow: Exchanges<MessageId>,
    control: Exchanges<MessageId>,
}

impl Learning {
    fn of(&mut self, part: Part) -> Option<&mut Exchanges<MessageId>> {
        match part {
            Part::Shadow => Some(&mut self.shadow),
            Part::Control => Some(&mut self.control),
            Part::Repeat => None,
        }
    }

    fn all(&mut self) -> [&mut Exchanges<MessageId>; 2] {
        [&mut self.shadow, &mut self.control]
    }
}

/// Answers that may wait for their requests to be opened.
const MAX_EARLY: usize = 1024;

#[derive(Debug)]
enum Early {
    Answered {
        head: Bytes,
        body: Bytes,
        began: Timestamp,
        first_byte: Timestamp,
        last_byte: Timestamp,
        charge: Charge,
    },
    Lost(NotCompared),
}

/// How long production takes for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProductionTime {
    /// It has not answered yet.
    Answering,
    /// It has, in so long.
    Took(Duration),
}

impl Pairing {
    /// No pairs yet. `wait`: how long production's answer is waited for. `max_answer`: most bytes of an answer that is kept. `wall_offset`: nanoseconds from the clock of the
    /// shard's source to Unix time.
    pub fn new(intake: Arc<Intake>, wait: Duration, max_answer: usize, wall_offset: u64) -> Self {
        let learning = intake.correlation().map(|correlation| Learning {
            shadow: correlation.exchanges(correlation.shadow()),
            control: correlation.exchanges(correlation.control()),
        });
        Self {
            share: intake.budget().share(),
            intake,
            wait,
            max_answer,
            wall_offset,
            open: LinkedHashMap::new(),
            early: None,
            learning,
            now: Timestamp::default(),
        }
    }

    /// The same, where production may have answered before a request is opened.
    #[must_use]
    pub fn with_early_answers(mut self) -> Self {
        self.early = Some(LinkedHashMap::new());
        self
    }

    /// A request is on its way to the shadow. `false` when it will not be compared: that is counted.
    pub fn open(&mut self, exchange: &Rc<Exchange>, asked: Extras, now: Timestamp) -> bool {
        self.now = now;
        self.intake.open();
        let refused = if exchange.copy > 1 {
            Some(NotCompared::Copy)
        } else if self.intake.is_closed() {
            Some(NotCompared::Internal)
        } else {
            exchange.request.incomplete.map(|_| NotCompared::Incomplete)
        };
        if let Some(why) = refused {
            self.not(exchange, why);
            return false;
        }
        let request = &exchange.request;
        let bytes = OVERHEAD + request.head.len() + size_of_val(&*request.headers) + request.body.len();
        if !self.share.try_take(bytes) {
            self.not(exchange, NotCompared::Memory);
            return false;
        }
        let is_write = may_change(request.method()) && !is_call(&request.head);
        let raced = self.races_with_others(exchange, is_write, now);
        let open = Open {
            since: now,
            exchange: Rc::clone(exchange),
            production: None,
            shadow: None,
            is_same: false,
            control: Extra::asked(asked.control),
            repeat: Extra::asked(asked.repeat),
            again: None,
            repeating: None,
            failed: None,
            is_write,
            raced,
            bytes,
            left: false,
        };
        if let Some(before) = self.open.insert(exchange.id.clone(), open) {
            self.share.give_back(before.bytes);
            self.not(&before.exchange, before.failed.unwrap_or(NotCompared::SameName));
        }
        if let Some(learning) = &mut self.learning {
            learning.shadow.open(&exchange.id, request);
            if asked.control {
                learning.control.open(&exchange.id, request);
            }
        }
        if self.early.is_none() {
            return true;
        }
        self.take_early(&exchange.id);
        self.is_open(&exchange.id)
    }

    /// Whether it comes in the time of another client's write. If it is a write itself, others come in its time from now on.
    fn races_with_others(&self, exchange: &Exchange, is_write: bool, now: Timestamp) -> bool {
        if !self.intake.compares() {
            return false;
        }
        let mut races = self.intake.races();
        if races.is_empty() && !is_write {
            return false;
        }
        let at = moment(exchange, now);
        let is_within = races.is_within(&exchange.id, at);
        if is_write {
            races.write(&exchange.id, at);
        }
        is_within
    }

    /// Joins a request with what production answered before it was opened.
    fn take_early(&mut self, id: &MessageId) {
        match self.early.as_mut().and_then(|early| early.remove(id)) {
            None => {}
            Some(Early::Lost(why)) => self.production_lost(id, why),
            Some(Early::Answered {
                head,
                body,
                began,
                first_byte,
                last_byte,
                charge,
            }) => {
                drop(charge);
                self.production(&ExchangeResponse {
                    id,
                    kind: MessageKind::Response,
                    head: &head,
                    body: &body,
                    began,
                    first_byte,
                    last_byte,
                });
            }
        }
    }

    fn keep_early(&mut self, id: &MessageId, early: Early) {
        let Some(kept) = &mut self.early else { return };
        kept.insert(id.clone(), early);
        if kept.len() > MAX_EARLY {
            kept.pop_front();
        }
    }

    /// Most bytes of an answer that is kept.
    pub fn max_answer(&self) -> usize {
        self.max_answer
    }

    /// The budget that the bytes of pairs are charged to.
    pub fn budget(&self) -> &MemoryBudget {
        self.intake.budget()
    }

    /// The request to `part` has this turn, and carries these values that production issued.
    pub fn carries(&mut self, id: &MessageId, part: Part, turn: Turn, carried: Carried) {
        if let Some(exchanges) = self.learning.as_mut().and_then(|learning| learning.of(part)) {
            exchanges.carries(id, turn, carried);
        } else if part == Part::Repeat
            && let Some(open) = self.open.get_mut(id)
        {
            open.again = Some(Box::new((turn, carried)));
            open.repeat_begins(self.intake.correlation());
        }
    }

    /// Whether a pair of this name is open.
    pub fn is_open(&self, id: &MessageId) -> bool {
        self.open.contains_key(id)
    }

    /// How long production takes for the request of a pair that is open; `None` where nobody waits for its answer.
    pub fn production_time(&self, id: &MessageId) -> Option<ProductionTime> {
        let open = self.open.get(id)?;
        Some(match &open.production {
            None => ProductionTime::Answering,
            Some(answer) => ProductionTime::Took(answer.times?.last),
        })
    }

    /// How long production's answer is waited for at most.
    pub fn wait(&self) -> Duration {
        self.wait
    }

    /// Production has answered: whole.
    pub fn production(&mut self, response: &ExchangeResponse<'_>) {
        // At once, and also where the shadow has failed: later requests may carry what it issued.
        let mut issued = 0;
        for exchanges in self.learning.iter_mut().flat_map(Learning::all) {
            let answer = (&response.head[..], &response.body[..]);
            issued += exchanges.production(response.id, answer, response.first_byte, self.now);
        }
        let Some(open) = self.open.get_mut(response.id) else {
            let mut charge = self.intake.budget().charge();
            if self.early.is_some() && charge.try_grow(OVERHEAD + response.head.len() + response.body.len()) {
                let early = Early::Answered {
                    head: response.head.clone(),
                    body: response.body.clone(),
                    began: response.began,
                    first_byte: response.first_byte,
                    last_byte: response.last_byte,
                    charge,
                };
                self.keep_early(response.id, early);
            }
            return;
        };
        let asked = open.exchange.request.last_byte.max(response.began);
        let times = (response.first_byte.0 > 0).then(|| Times {
            first: response.first_byte.since(asked),
            last: response.last_byte.since(asked),
        });
        let answer = Answer {
            head: response.head.clone(),
            body: response.body.clone(),
            times,
        };
        if open.production.is_some() {
            return;
        }
        if open.is_write {
            let mut races = self.intake.races();
            races.production_answered(response.id, answer.status(), response.last_byte);
        }
        let bytes = answer.head.len() + answer.body.len() + issued;
        if self.share.try_take(bytes) {
            open.bytes += bytes;
            open.set_production(answer);
            open.repeat_begins(self.intake.correlation());
            if open.is_whole() {
                self.finish(response.id);
            }
        } else {
            self.end(response.id, NotCompared::Memory);
        }
    }

    /// Production's answer will never be whole here.
    pub fn production_lost(&mut self, id: &MessageId, why: NotCompared) {
        for exchanges in self.learning.iter_mut().flat_map(Learning::all) {
            exchanges.production_lost(id);
        }
        match self.open.get(id) {
            Some(open) if open.production.is_none() => self.end(id, why),
            Some(_) => {}
            None => self.keep_early(id, Early::Lost(why)),
        }
    }

    /// Somebody else has answered: whole.
    pub fn answered(&mut self, id: &MessageId, part: Part, head: Bytes, body: Bytes, times: Times) {
        let mut body = body;
        let mut open = self.open.get_mut(id);
        let production = open.as_ref().and_then(|open| open.production.as_ref());
        let same = shared(production, &head, &mut body);
        let is_same = matches!(same, Same::Answer);
        if let Some(exchanges) = self.learning.as_mut().and_then(|learning| learning.of(part)) {
            exchanges.own(id, &head, &body, same, self.now);
        }
        let Some(open) = open.as_mut() else {
            return;
        };
        if part == Part::Control
            && let Some(failed) = open.failed.filter(|_| !open.left)
        {
            return self.end(id, failed);
        }
        let bytes = head.len() + body.len();
        let room = self.share.try_take(bytes);
        if room {
            open.bytes += bytes;
        }
        let answer = Answer {
            head,
            body,
            times: Some(times),
        };
        let extra = match part {
            Part::Shadow if !room => return self.end(id, NotCompared::Memory),
            Part::Shadow => {
                if open.is_write {
                    self.intake.races().shadow_ended(id);
                }
                open.shadow = Some(answer);
                open.is_same = is_same;
                if open.is_whole() {
                    self.finish(id);
                }
                return;
            }
            Part::Control => &mut open.control,
            Part::Repeat => {
                open.repeating = None;
                &mut open.repeat
            }
        };
        *extra = if room {
            Extra::Answered(Box::new(answer))
        } else {
            Extra::None
        };
        if open.is_whole() {
            self.finish(id);
        }
    }

    /// Somebody else will give no whole answer.
    pub fn lost(&mut self, id: &MessageId, part: Part, why: NotCompared) {
        if let Some(exchanges) = self.learning.as_mut().and_then(|learning| learning.of(part)) {
            exchanges.own_lost(id);
        }
        let Some(open) = self.open.get_mut(id) else {
            return;
        };
        match part {
            // It is there, as far as it had come.
            Part::Shadow if open.left && open.shadow.is_some() => {}
            Part::Control if open.left && open.control.is_answered() => {}
            Part::Shadow => match open.control {
                Extra::Waiting if why.is_excused_by_control() => open.failed = Some(why),
                Extra::Lost(alike) if alike == why && why.is_excused_by_control() => {
                    self.end(id, NotCompared::ControlFailedToo);
                }
                _ => self.end(id, why),
            },
            Part::Control => {
                if let Some(failed) = open.failed.take_if(|_| !open.left) {
                    let is_alike = failed == why;
                    self.end(
                        id,
                        if is_alike {
                            NotCompared::ControlFailedToo
                        } else {
                            failed
                        },
                    );
                    return;
                }
                open.control = Extra::Lost(why);
                if open.is_whole() {
                    self.finish(id);
                }
            }
            Part::Repeat => {
                open.repeating = None;
                open.repeat = Extra::Lost(why);
                if open.is_whole() {
                    self.finish(id);
                }
            }
        }
    }

    /// Gives up waiting for what production should have answered by now.
    pub fn expire(&mut self, now: Timestamp) {
        self.now = now;
        if let Some(correlation) = self.intake.correlation() {
            correlation.expire(now);
        }
        let wait = self.wait;
        // A call that production is serving takes its time.
        let lasts = |open: &Open| open.exchange.live.as_ref().is_some_and(|live| !live.is_over());
        let late = |open: &Open| open.shadow.is_some() && open.production.is_none() && !lasts(open);
        let mut due = Vec::new();
        for (id, open) in &self.open {
            if now.since(open.since) < wait {
                break;
            }
            if late(open) {
                due.push(id.clone());
            }
        }
        for id in due {
            self.production_lost(&id, NotCompared::ProductionMissing);
        }
    }

    /// Production will answer nothing any more: its source has ended.
    pub fn production_ended(&mut self) {
        let waiting = |open: &Open| open.production.is_none();
        let due: Vec<MessageId> = self
            .open
            .iter()
            .filter(|(_, open)| waiting(open))
            .map(|(id, _)| id.clone())
            .collect();
        for id in due {
            self.end(&id, NotCompared::ProductionMissing);
        }
    }

    /// Ends all that is open.
    pub fn shutdown(&mut self) {
        while let Some((_, open)) = self.open.pop_front() {
            self.share.give_back(open.bytes);
            self.not(&open.exchange, open.failed.unwrap_or(NotCompared::Shutdown));
        }
    }

    /// Whether nothing is open.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Ends one without a pair. Where the shadow has failed before, that is why.
    fn end(&mut self, id: &MessageId, why: NotCompared) {
        if let Some(open) = self.open.remove(id) {
            self.share.give_back(open.bytes);
            if open.is_write {
                self.intake.races().shadow_ended(id);
            }
            self.not(&open.exchange, open.failed.unwrap_or(why));
        }
    }

    fn not(&self, exchange: &Exchange, why: NotCompared) {
        let request = &exchange.request;
        let selected = self.intake.route_by().read(&request.head, &request.body);
        let unpaired = Unpaired::new(&request.head, self.unix(exchange), why).selected(selected);
        self.intake.put(Finished::Not(unpaired));
    }

    fn unix(&self, exchange: &Exchange) -> u64 {
        exchange.request.first_byte.0.saturating_add(self.wall_offset)
    }

    /// Hands a pair on that is whole.
    fn finish(&mut self, id: &MessageId) {
        let Some(open) = self.open.remove(id) else {
            return;
        };
        let mut open = open;
        if open.left && !open.cut() {
            self.share.give_back(open.bytes);
            return self.not(&open.exchange, left::LEFT);
        }
        let (Some(production), Some(shadow), true) = (&open.production, &open.shadow, self.intake.compares())
        else {
            return self.share.give_back(open.bytes);
        };
        let at = self.unix(&open.exchange);
        let request = &open.exchange.request;
        let came_after = || {
            let races = self.intake.races();
            let took = production.times.map(|times| times.last).unwrap_or_default();
            !races.is_empty() && races.came_soon_after(id, open.moment(), took)
        };
        let raced = open.raced || came_after();
        if !(open.control.is_answered() || open.repeat.is_answered() || self.intake.keeps())
            && let Some(mut pair) = EqualPair::of(&request.head, at, production, shadow, open.is_same)
        {
            pair.raced = raced;
            pair.selected = self.intake.route_by().read(&request.head, &request.body);
            self.share.give_back(open.bytes);
            return self.intake.put(Finished::Equal(pair));
        }
        let (Some(production), Some(shadow)) = (open.production, open.shadow) else {
            return;
        };
        let pair = Pair {
            raced,
            id: open.exchange.id.clone(),
            at,
            request_head: request.head.clone(),
            request_body: request.body.clone(),
            production,
            shadow,
            control: open.control.into_answer(),
            repeat: open.repeat.into_answer(),
        };
        let charge = self.share.split(open.bytes);
        self.intake.put(Finished::Pair(Box::new(pair), charge));
    }
}

impl Drop for Pairing {
    fn drop(&mut self) {
        self.shutdown();
    }
}

#[cfg(test)]
mod tests;
