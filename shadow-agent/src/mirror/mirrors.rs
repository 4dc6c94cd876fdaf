//! One shard's mirrors as the plan in force has them: which of them a request concerns, and their outputs.

use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::Exchange;
use super::ledger::{DropReason, Opened, Outcome};
use super::matching::{Hit, RouteMatcher};
use super::plan::{AddressScope, Plan, PodIdentity, Selection};
use super::share::Draws;
use crate::output::ShardOutput;
use crate::tcp::FlowKey;
use crate::time::Timestamp;

/// How long what a ring still holds of a pod that is watched no more is told from strangers' packets.
const LINGER: Duration = Duration::from_secs(5);

/// The mirrors of one shard.
#[derive(Default)]
pub struct Mirrors {
    generation: u64,
    /// By slot.
    active: Vec<Option<Active>>,
    /// What requests captured at an address concern, where that is the same for every address.
    everywhere: Option<Rc<[usize]>>,
    addresses: Vec<AddressScope>,
    /// Answers of `addresses`.
    known: HashMap<(IpAddr, u16), Rc<[usize]>>,
    pods: HashMap<(u64, u16), Pod>,
    /// What the inputs at addresses mean.
    live: Vec<AddressScope>,
    /// Answers of `live` and `pods` together.
    overlaps: HashMap<(u64, IpAddr, u16), Rc<[usize]>>,
    nobody: Rc<[usize]>,
    draws: Draws,
}

struct Active {
    selection: Selection,
    output: Rc<dyn ShardOutput>,
}

struct Pod {
    identity: Arc<PodIdentity>,
    slots: Rc<[usize]>,
    /// Set when the plan has it no more.
    until: Option<Timestamp>,
}

/// Most server endpoints whose mirrors are remembered; beyond, they are worked out anew.
const MAX_KNOWN: usize = 4096;

/// What a request concerns.
pub struct Concerned {
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
                output,
            });
        }
        self.set_addresses(&plan.addresses);
        self.live.clone_from(&plan.live);
        self.overlaps.clear();
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
                until: None,
            };
            self.pods.insert(*key, pod);
        }
    }

    /// What a request on this connection concerns that starts now.
    pub fn concerned(&mut self, flow: &FlowKey) -> Concerned {
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
            return Concerned { slots, pod };
        }
        let slots = match &self.everywhere {
            Some(slots) => slots.clone(),
            None => self.at(flow),
        };
        Concerned { slots, pod: None }
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

    /// Hands a whole request to each of the mirrors it concerns, or settles it there.
    pub fn deliver(&mut self, exchange: &Rc<Exchange>, opened: Opened) {
        // The mirrors of a route share its matcher, and stand one behind the other.
        let mut asked: Option<(*const RouteMatcher, Option<Hit>)> = None;
        for ticket in opened.split() {
            let Some(Some(active)) = self.active.get(ticket.slot()) else {
                ticket.settle(Outcome::Dropped(DropReason::MirrorEnded));
                continue;
            };
            if let Selection::Route { matcher, rule, share } = &active.selection {
                let hit = match asked {
                    Some((of, hit)) if of == Arc::as_ptr(matcher) => hit,
                    _ => matcher.best(&exchange.request),
                };
                asked = Some((Arc::as_ptr(matcher), hit));
                if hit.is_none_or(|hit| hit.rule != *rule) {
                    ticket.settle(Outcome::Filtered);
                    continue;
                }
                if !share.takes(self.draws.draw()) {
                    ticket.settle(Outcome::SampledOut);
                    continue;
                }
            }
            active.output.offer(exchange, ticket);
        }
    }

    /// The outputs that have to do with this connection.
    pub fn outputs_of(&mut self, flow: &FlowKey) -> impl Iterator<Item = &Rc<dyn ShardOutput>> {
        let slots = self.concerned(flow).slots;
        let active = &self.active;
        (0..slots.len()).filter_map(move |index| Some(&active.get(slots[index])?.as_ref()?.output))
    }

    /// The outputs in force.
    pub fn outputs(&self) -> impl Iterator<Item = &Rc<dyn ShardOutput>> {
        self.active.iter().flatten().map(|active| &active.output)
    }
}

#[cfg(test)]
#[path = "mirrors_tests.rs"]
mod tests;
