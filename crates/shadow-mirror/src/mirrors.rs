//! One shard's mirrors as the plan in force has them: which of them a request concerns, and their outputs.

use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use shadow_core::time::{Timestamp, monotonic_now};
use shadow_tcp::FlowKey;

use super::admission::{Admission, admitted};
use super::exchange::{Exchange, ExchangeResponse};
use super::ledger::{DropReason, Opened, Outcome, Ticket};
use super::limiter::Limiter;
use super::matching::{Hit, RouteMatcher};
use super::plan::{AddressScope, Plan, PodIdentity, Selection};
use super::rules::{Redacted, Rules, Unredactable, Verdict};
use super::shard_output::ShardOutput;
use super::share::Draws;
use super::split::Splits;

/// How long what a ring still holds of a pod that is watched no more is told from strangers' packets.
const LINGER: Duration = Duration::from_secs(5);

/// The mirrors of one shard.
#[derive(Default)]
pub struct Mirrors {
    generation: u64,
    /// By slot.
    active: Vec<Option<Active>>,
    /// The mirrors that requests captured at an address concern, where that is the same for every address.
    everywhere: Option<Rc<[usize]>>,
    addresses: Vec<AddressScope>,
    /// Answers of `addresses`.
    known: HashMap<(IpAddr, u16), Rc<[usize]>>,
    pods: HashMap<(u64, u16), Pod>,
    /// The scopes of the inputs at addresses.
    live: Vec<AddressScope>,
    /// Answers of `live` and `pods` together.
    overlaps: HashMap<(u64, IpAddr, u16), Rc<[usize]>>,
    nobody: Rc<[usize]>,
    draws: Draws,
    admissions: Vec<Admission>,
    splits: Splits,
    withheld: u64,
}

struct Active {
    selection: Selection,
    rules: Option<Arc<Rules>>,
    limit: Option<Limiter>,
    output: Rc<dyn ShardOutput>,
}

impl Active {
    /// Whether its route, if it is one's, takes the request.
    fn select(&self, exchange: &Exchange, draws: &mut Draws, cache: &mut MatchCache) -> Result<(), Outcome> {
        let Selection::Route { matcher, rule, share } = &self.selection else {
            return Ok(());
        };
        if cache.hit(matcher, exchange).is_none_or(|hit| hit.rule != *rule) {
            return Err(Outcome::Filtered);
        }
        if !share.takes(draws.draw()) {
            return Err(Outcome::SampledOut);
        }
        Ok(())
    }

    /// Applies its filters, rewriting and redaction to the request.
    fn apply_rules<'e>(
        &self,
        exchange: &'e Rc<Exchange>,
        cache: &'e mut MatchCache,
    ) -> Result<&'e Rc<Exchange>, Outcome> {
        match &self.rules {
            None => Ok(exchange),
            Some(rules) => cache.judged(rules, exchange),
        }
    }

    /// Whether it takes calls that production is still serving: its output does, and none of its rules needs more of them than their
    /// heads.
    fn takes_live_calls(&self) -> bool {
        self.output.takes_live_calls() && !self.reads_bodies()
    }

    fn reads_bodies(&self) -> bool {
        self.rules.as_ref().is_some_and(|rules| rules.reads_bodies())
    }

    /// Gives its output the request, as its rules make it.
    fn take(
        &self,
        exchange: &Rc<Exchange>,
        ticket: Ticket,
        draws: &mut Draws,
        cache: &mut MatchCache,
    ) -> Offered {
        let admitted = self
            .apply_rules(exchange, cache)
            .and_then(|exchange| Ok((exchange, self.copies(draws)?)));
        match admitted {
            Ok((exchange, copies)) => {
                for number in 2..=copies {
                    let copy = Rc::new(exchange.copy(number));
                    self.output.offer(&copy, ticket.another());
                }
                self.output.offer(exchange, ticket);
                Offered::Taken
            }
            Err(outcome) => {
                ticket.settle(outcome);
                Offered::Ended
            }
        }
    }

    /// How many of the request its output gets: one, unless it has a limit that says otherwise.
    fn copies(&self, draws: &mut Draws) -> Result<u32, Outcome> {
        self.limit
            .as_ref()
            .map_or(Ok(1), |limit| limit.next(draws, now()))
    }
}

struct Pod {
    identity: Arc<PodIdentity>,
    slots: Rc<[usize]>,
    limit: Option<Limiter>,
    /// Slots of the mirrors that it is the shadow of.
    shadow_of: Rc<[usize]>,
    /// Set when the plan has it no more.
    until: Option<Timestamp>,
}

/// Most server endpoints whose mirrors are remembered; beyond, they are worked out anew.
const MAX_KNOWN: usize = 4096;

/// What became of a request at its mirrors.
pub struct Enqueued {
    /// Slots of those that took it: its response is for them alone.
    pub takers: Rc<[usize]>,
    /// Those that take it once it is whole, of a call that is not.
    pub waiting: Vec<Ticket>,
}

/// What became of a request at one mirror.
enum Offered {
    Taken,
    /// It is settled.
    Ended,
    /// It is to be whole first.
    Waits(Ticket),
}

/// The mirrors that a request concerns.
pub struct Targets {
    /// Slots of the mirrors.
    pub slots: Rc<[usize]>,
    /// The pod that serves it.
    pub pod: Option<Arc<PodIdentity>>,
}

impl Mirrors {
    /// The plan in force.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Goes over to `plan`. `open` makes the output of a slot that was not there before; the outputs of slots that are
    /// there no more are handed back: what they hold is still to be sent.
    pub fn apply(
        &mut self,
        plan: &Plan,
        now: Timestamp,
        mut open: impl FnMut(usize) -> Rc<dyn ShardOutput>,
    ) -> Vec<Rc<dyn ShardOutput>> {
        self.generation = plan.generation;
        let mut before = std::mem::take(&mut self.active);
        for mirror in &plan.mirrors {
            let slot = mirror.slot;
            if self.active.len() <= slot {
                self.active.resize_with(slot + 1, || None);
            }
            let output = match before.get_mut(slot).and_then(Option::take) {
                Some(active) => active.output,
                None => open(slot),
            };
            self.active[slot] = Some(Active {
                selection: mirror.selection.clone(),
                rules: mirror.rules.clone(),
                limit: mirror.limit.clone(),
                output,
            });
        }
        self.set_addresses(&plan.addresses);
        self.live.clone_from(&plan.live);
        self.overlaps.clear();
        self.admissions.clone_from(&plan.admissions);
        self.splits.set(&plan.splits);
        self.set_pods(plan, now);
        before.into_iter().flatten().map(|active| active.output).collect()
    }

    fn set_addresses(&mut self, scopes: &[AddressScope]) {
        self.known.clear();
        self.everywhere = match scopes {
            [] => Some(self.nobody.clone()),
            [one] if one.addresses.is_empty() && one.ports.is_empty() => Some(one.slots.as_slice().into()),
            _ => None,
        };
        self.addresses = scopes.to_vec();
    }

    fn set_pods(&mut self, plan: &Plan, now: Timestamp) {
        self.pods.retain(|key, pod| {
            if plan.pods.contains_key(key) {
                return true;
            }
            *pod.until.get_or_insert(now.after(LINGER)) > now
        });
        for (key, scope) in &plan.pods {
            let pod = Pod {
                identity: scope.pod.clone(),
                slots: scope.slots.as_slice().into(),
                limit: scope.limit.clone(),
                shadow_of: scope.shadow_of.as_slice().into(),
                until: None,
            };
            self.pods.insert(*key, pod);
        }
    }

    /// Selects the mirrors that a request on this connection concerns that starts now.
    pub fn targets(&mut self, flow: &FlowKey) -> Targets {
        if let Some(cgroup) = flow.pod() {
            let pod = self.pods.get(&(cgroup, flow.server.port));
            let (slots, pod) = match pod {
                Some(pod) => (pod.slots.clone(), Some(pod.identity.clone())),
                None => (self.nobody.clone(), None),
            };
            let slots = if self.live.is_empty() {
                slots
            } else {
                self.with_live(cgroup, flow, &slots)
            };
            return Targets { slots, pod };
        }
        let slots = match &self.everywhere {
            Some(slots) => slots.clone(),
            None => self.at(flow),
        };
        Targets { slots, pod: None }
    }

    /// The same for a request that starts now: where outputs divide requests among them, one of them has its turn.
    pub fn targets_in_turn(&mut self, flow: &FlowKey) -> Targets {
        let mut concerned = self.targets(flow);
        if !self.splits.is_empty() {
            concerned.slots = self.splits.choose(&concerned.slots, flow).into();
        }
        concerned
    }

    /// Which of the mirrors in `slots` do not get a whole request because of a limit of their inputs, or because their shadow
    /// has got it itself, each with what that comes to. Empty for most runs.
    pub fn left_out(&mut self, flow: &FlowKey, slots: &[usize]) -> Vec<(usize, Outcome)> {
        if let Some(cgroup) = flow.pod() {
            let Some(pod) = self.pods.get(&(cgroup, flow.server.port)) else {
                return Vec::new();
            };
            let own = |slot: &&usize| pod.shadow_of.contains(slot);
            if !pod.shadow_of.is_empty() {
                // Mirrors of routes: where one of them has to do with a pod, inputs have no limit there.
                let reached = slots.iter().filter(own);
                return reached.map(|slot| (*slot, Outcome::Filtered)).collect();
            }
            let limit = pod.limit.as_ref();
            let Some(outcome) = limit.and_then(|limit| limit.next(&mut self.draws, now()).err()) else {
                return Vec::new();
            };
            // An input at the pod's address takes it all the same.
            let server = flow.server.socket_addr();
            let live = |slot: &usize| {
                let mut scopes = self.live.iter();
                scopes.any(|scope| scope.slots.contains(slot) && scope.has(server.ip(), server.port()))
            };
            let limited = slots.iter().filter(|slot| !live(slot));
            return limited.map(|slot| (*slot, outcome)).collect();
        }
        if self.admissions.is_empty() {
            return Vec::new();
        }
        let server = flow.server.socket_addr();
        let server = (server.ip(), server.port());
        let (now, mut asked) = (now(), Vec::new());
        let Self {
            admissions, draws, ..
        } = self;
        let left_out = slots.iter().filter_map(|slot| {
            let outcome = admitted(admissions, *slot, server, &mut asked, draws, now)?;
            Some((*slot, outcome))
        });
        left_out.collect()
    }

    /// The mirrors of a pod, and of inputs at its address. The kernel hands a packet on once, as the pod's.
    fn with_live(&mut self, cgroup: u64, flow: &FlowKey, slots: &[usize]) -> Rc<[usize]> {
        let server = flow.server.socket_addr();
        let key = (cgroup, server.ip(), server.port());
        if let Some(known) = self.overlaps.get(&key) {
            return known.clone();
        }
        let live = self
            .live
            .iter()
            .filter(|scope| scope.has(server.ip(), server.port()));
        let mut all: Vec<usize> = live.flat_map(|scope| scope.slots.iter().copied()).collect();
        all.extend(slots);
        all.sort_unstable();
        all.dedup();
        let all: Rc<[usize]> = all.into();
        if self.overlaps.len() < MAX_KNOWN {
            self.overlaps.insert(key, all.clone());
        }
        all
    }

    fn at(&mut self, flow: &FlowKey) -> Rc<[usize]> {
        let server = flow.server.socket_addr();
        let endpoint = (server.ip(), server.port());
        if let Some(slots) = self.known.get(&endpoint) {
            return slots.clone();
        }
        let mut slots: Vec<usize> = self
            .addresses
            .iter()
            .filter(|scope| scope.has(endpoint.0, endpoint.1))
            .flat_map(|scope| scope.slots.iter().copied())
            .collect();
        slots.sort_unstable();
        slots.dedup();
        let slots: Rc<[usize]> = slots.into();
        if self.known.len() < MAX_KNOWN {
            self.known.insert(endpoint, slots.clone());
        }
        slots
    }

    /// Gives a request to each of the mirrors it is for, or settles it there, or has it wait.
    pub fn enqueue(&mut self, exchange: &Rc<Exchange>, opened: Opened) -> Enqueued {
        let targets = opened.slots().clone();
        let mut cache = MatchCache::default();
        // Made once one of them has not taken it.
        let mut takers: Option<Vec<usize>> = None;
        let mut waiting = Vec::new();
        for (index, ticket) in opened.split().enumerate() {
            let slot = ticket.slot();
            let offered = self.offer(exchange, ticket, &mut cache);
            if let Offered::Taken = offered {
                if let Some(takers) = &mut takers {
                    takers.push(slot);
                }
                continue;
            }
            takers.get_or_insert_with(|| targets[..index].to_vec());
            if let Offered::Waits(ticket) = offered {
                waiting.push(ticket);
            }
        }
        Enqueued {
            takers: takers.map_or(targets, Into::into),
            waiting,
        }
    }

    /// Gives a request to the mirror of a ticket, as its rules make it.
    fn offer(&mut self, exchange: &Rc<Exchange>, ticket: Ticket, cache: &mut MatchCache) -> Offered {
        let Some(Some(active)) = self.active.get(ticket.slot()) else {
            ticket.settle(Outcome::Dropped(DropReason::MirrorEnded));
            return Offered::Ended;
        };
        let selected = active.select(exchange, &mut self.draws, cache);
        if exchange.is_coming() && !active.takes_live_calls() {
            // What its head decides need not wait.
            let stays = selected.and_then(|()| {
                if active.reads_bodies() {
                    return Ok(());
                }
                active.apply_rules(exchange, cache).map(|_| ())
            });
            return match stays {
                Ok(()) => Offered::Waits(ticket),
                Err(outcome) => {
                    ticket.settle(outcome);
                    Offered::Ended
                }
            };
        }
        match selected {
            Ok(()) => active.take(exchange, ticket, &mut self.draws, cache),
            Err(outcome) => {
                ticket.settle(outcome);
                Offered::Ended
            }
        }
    }

    /// Gives a call that is whole now to the mirrors that waited for that, or settles it there. The result is the slots of those
    /// that took it.
    pub fn enqueue_gathered(&mut self, exchange: &Rc<Exchange>, tickets: Vec<Ticket>) -> Vec<usize> {
        let mut cache = MatchCache::default();
        let mut takers = Vec::new();
        for ticket in tickets {
            let slot = ticket.slot();
            let Some(Some(active)) = self.active.get(slot) else {
                ticket.settle(Outcome::Dropped(DropReason::MirrorEnded));
                continue;
            };
            if let Offered::Taken = active.take(exchange, ticket, &mut self.draws, &mut cache) {
                takers.push(slot);
            }
        }
        takers
    }

    /// Hands a response to those of the mirrors in these slots that are in force, redacted as each of them asks. Where that
    /// cannot be done it is withheld.
    pub fn respond(&mut self, slots: &[usize], response: &ExchangeResponse<'_>) {
        // The outputs of one configuration share their rules.
        let mut redacted: Option<(*const Rules, RedactedParts)> = None;
        for active in slots.iter().filter_map(|slot| self.active.get(*slot)?.as_ref()) {
            let Some(rules) = &active.rules else {
                active.output.offer_response(response);
                continue;
            };
            let of = Arc::as_ptr(rules);
            let (_, parts) = match redacted.take() {
                Some((before, parts)) if before == of => redacted.insert((before, parts)),
                _ => redacted.insert((of, redact(rules, response))),
            };
            match parts {
                Ok(None) => active.output.offer_response(response),
                Ok(Some((head, body))) => {
                    let parts = ExchangeResponse {
                        head,
                        body,
                        ..*response
                    };
                    active.output.offer_response(&parts);
                }
                Err(Unredactable) => self.withheld += 1,
            }
        }
    }

    /// How often a response was withheld from a mirror.
    pub fn withheld(&self) -> u64 {
        self.withheld
    }

    /// No mirror.
    pub fn nobody(&self) -> Rc<[usize]> {
        self.nobody.clone()
    }

    /// Whether any of the mirrors in these slots takes calls that production is still serving.
    pub fn any_takes_live_calls(&self, slots: &[usize]) -> bool {
        slots.iter().any(|slot| match self.active.get(*slot) {
            Some(Some(active)) => active.takes_live_calls(),
            _ => false,
        })
    }

    /// The outputs in force.
    pub fn outputs(&self) -> impl Iterator<Item = &Rc<dyn ShardOutput>> {
        self.active.iter().flatten().map(|active| &active.output)
    }
}

/// Head and body of a redacted message; none where they stay.
type RedactedParts = Result<Option<(Bytes, Bytes)>, Unredactable>;

/// A response as these rules leave it.
fn redact(rules: &Rules, response: &ExchangeResponse<'_>) -> RedactedParts {
    let redacted = rules.message(response.head, response.body)?;
    Ok(redacted.map(|Redacted { head, body }| {
        let body = body.map_or_else(|| response.body.clone(), Bytes::from);
        (head.into(), body)
    }))
}

/// Results about a request for one mirror that are the same for the next: those of a route share its matcher, and
/// the outputs of one configuration their rules, and they mostly stand one behind the other.
#[derive(Default)]
struct MatchCache {
    hit: Option<(*const RouteMatcher, Option<Hit>)>,
    judged: Option<(*const Rules, Result<Rc<Exchange>, Outcome>)>,
}

impl MatchCache {
    /// Finds the match that decides on a request in a route.
    fn hit(&mut self, matcher: &Arc<RouteMatcher>, exchange: &Exchange) -> Option<Hit> {
        let of = Arc::as_ptr(matcher);
        match self.hit {
            Some((before, hit)) if before == of => hit,
            _ => {
                let hit = matcher.best(&exchange.request);
                self.hit = Some((of, hit));
                hit
            }
        }
    }

    /// Judges a request by rules.
    fn judged(&mut self, rules: &Arc<Rules>, exchange: &Rc<Exchange>) -> Result<&Rc<Exchange>, Outcome> {
        let of = Arc::as_ptr(rules);
        let judged = match self.judged.take() {
            Some((before, judged)) if before == of => judged,
            _ => {
                let client = exchange.key.client.socket_addr().ip().to_canonical();
                match rules.judge(&exchange.request, client) {
                    Verdict::Unchanged => Ok(Rc::clone(exchange)),
                    Verdict::Changed(request) => Ok(Rc::new(exchange.with_request(request))),
                    Verdict::Ends(outcome) => Err(outcome),
                }
            }
        };
        let (_, judged) = self.judged.insert((of, judged));
        judged.as_ref().map_err(|outcome| *outcome)
    }
}

/// The clock of limits, the same for every shard.
#[expect(
    clippy::disallowed_methods,
    reason = "a limit is on what is sent on, whenever that was captured"
)]
pub fn now() -> Timestamp {
    monotonic_now()
}

#[cfg(test)]
#[path = "mirrors_tests.rs"]
mod tests;
