//! The tally of a comparison, counted pair by pair: bounded, whatever the traffic does.
//!
//! What is noise is known only once enough has been seen, so nothing is thrown away that a later look could need: each pair is
//! counted under the set of its differences, and whether it agrees but for noise is decided when a document is made.

#[cfg(test)]
mod control_tests;
mod endpoint;
#[cfg(test)]
mod equal_tests;
mod examples;
#[cfg(test)]
mod grpc_tests;
#[cfg(test)]
mod known_tests;
#[cfg(test)]
mod learning_tests;
#[cfg(test)]
mod minute_tests;
mod not_learned;
#[cfg(test)]
mod part_tests;
mod parts;
mod place_row;
mod places;
mod raced;
#[cfg(test)]
mod raced_tests;
mod recent;
mod secrets;
#[cfg(test)]
mod selected_tests;
mod summary;
#[cfg(test)]
pub(crate) mod tests;
mod timeline;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use hashlink::DefaultHashBuilder;

use self::endpoint::{EndpointTally, Measured, Seen};
use self::examples::Examples;
use self::parts::{Of, Parts};
use self::places::{DifferenceKey, Places, Sort};
use self::recent::Recent;
pub use self::summary::Facts;
use self::timeline::TimelineTally;
use super::comparing::compare;
use super::correlation::Correlation;
use super::counters::{CompareCounters, Compared as CountedPair};
use super::difference::Kind;
use super::difference_collector::Compared;
use super::equal_pair::EqualPair;
use super::grpc_call::called;
use super::head::request_line;
use super::histogram::Histogram;
use super::hosts::{CompareContext, Hosts};
use super::intake::Unpaired;
use super::judging::Judging;
use super::mapped::{self, MappedPlaces};
use super::pair::{NotCompared, Pair, Times};
use super::route_by::Selected;
use super::routes::{EndpointId, Routes, is_refusal};
use super::rules::RuleId;
use super::witness::{Standing, Witness};

/// Nanoseconds of a millisecond.
const MILLISECOND: u64 = 1_000_000;

/// The counts of a comparison, bounded.
#[derive(Debug)]
pub struct Tally {
    judging: Arc<Judging>,
    counters: CompareCounters,
    /// Everything that is known of identifiers; `None` of pairs that were kept.
    correlation: Option<Arc<Correlation>>,
    /// The places where values of the pair that was added last are mapped.
    mapped: MappedPlaces,
    /// The value by which that pair was told from others of its URL.
    selected: Option<Selected>,
    routes: Routes,
    recent: Recent,
    /// Merges of routes that are taken in.
    merges: u64,
    endpoints: HashMap<EndpointId, EndpointTally, DefaultHashBuilder>,
    parts: Parts,
    places: Places,
    /// Pairs by status codes, and how many of them are excused.
    statuses: BTreeMap<(u16, u16), (u64, u64)>,
    production: Sides,
    shadow: Sides,
    timeline: TimelineTally,
    examples: Examples,
    /// Requests that are not compared, of endpoints that nobody knows any more.
    uncounted: BTreeMap<NotCompared, u64>,
    /// When the first and the last request was seen, in milliseconds of Unix time.
    window: Option<(u64, u64)>,
}

/// Latencies of one side.
#[derive(Debug, Default)]
struct Sides {
    first: Histogram,
    last: Histogram,
}

impl Sides {
    fn record(&mut self, times: Option<Times>) {
        if let Some(times) = times {
            self.first.record(times.first);
            self.last.record(times.last);
        }
    }
}

impl Tally {
    /// Nothing yet. What never falls is counted in `counters`.
    pub fn new(judging: Arc<Judging>, counters: CompareCounters) -> Self {
        Self {
            routes: Routes::new(judging.routes.clone(), judging.max_routes),
            recent: Recent::default(),
            merges: 0,
            endpoints: HashMap::default(),
            parts: Parts::default(),
            places: Places::new(judging.max_differences),
            statuses: BTreeMap::new(),
            production: Sides::default(),
            shadow: Sides::default(),
            timeline: TimelineTally::default(),
            examples: Examples::default(),
            uncounted: BTreeMap::new(),
            window: None,
            judging,
            counters,
            correlation: None,
            mapped: MappedPlaces::default(),
            selected: None,
        }
    }

    /// The same, of pairs whose identifiers are mapped so.
    #[must_use]
    pub fn correlating(self, correlation: Option<Arc<Correlation>>) -> Self {
        Self { correlation, ..self }
    }

    /// Begins anew.
    pub fn reset(&mut self) {
        *self = Self {
            correlation: self.correlation.take(),
            ..Self::new(Arc::clone(&self.judging), self.counters.clone())
        };
    }

    /// Compares a pair and counts what comes of it.
    pub fn add(&mut self, pair: &Pair) {
        self.add_mapped(pair, None, None);
    }

    /// The same, of a pair that was kept, with the places where its values are mapped, and the value by which it was told from others of
    /// its URL.
    pub fn add_kept(&mut self, pair: &Pair, mapped: &MappedPlaces, selected: Option<&Selected>) {
        self.add_mapped(pair, Some(mapped), selected);
    }

    /// The places where values of the pair that was added last are mapped.
    pub fn take_mapped(&mut self) -> MappedPlaces {
        std::mem::take(&mut self.mapped)
    }

    /// The value by which that pair was told from others of its URL.
    pub fn take_selected(&mut self) -> Option<Selected> {
        self.selected.take()
    }

    fn add_mapped(&mut self, pair: &Pair, kept: Option<&MappedPlaces>, selected: Option<&Selected>) {
        let (method, target) = request_line(&pair.request_head);
        let (counted_status, route_status) = pair.production.statuses();
        let statuses = (counted_status, pair.shadow.counted_status());
        let route_by = &self.judging.route_by;
        let selected = route_by.read_again(selected, &pair.request_head, &pair.request_body);
        let asked = (called(&pair.request_head).0, target, selected.as_ref());
        let (id, own_name) = self.named_endpoint(asked, route_status);
        self.selected = selected;
        let at = pair.at / MILLISECOND;
        self.seen_at(at);
        let judging = Arc::clone(&self.judging);
        let correlation = self.correlation.clone();
        let [to_shadow, to_control] = mapped::sides(kept, correlation.as_deref());
        let name = &*Arc::clone(&self.tally_of(id).name);
        let question = CompareContext {
            endpoint: name,
            method,
            head: &pair.request_head,
            host: judging.hosts.shadow.as_deref(),
            first_host: None,
            mapped: to_shadow,
        };
        let compared = compare(&question, &pair.production, &pair.shadow, &judging.rules);
        let control = pair.control.as_ref().filter(|_| judging.by_control);
        let witness = control.map(|control| {
            let with_control = CompareContext {
                host: judging.hosts.control.as_deref(),
                mapped: to_control,
                ..question
            };
            Witness::new(
                [&question, &with_control],
                (&judging.rules, judging.by_rules),
                [&pair.production, &pair.shadow, control],
            )
        });
        if correlation.is_some() {
            self.mapped = MappedPlaces::of(&compared.by_rule, witness.as_ref().map(Witness::mapped));
        }
        if let Some(witness) = &witness {
            let differences = witness.to_production();
            let differences = differences.map(|one| (one, witness.is_alone(one, &compared)));
            self.places.reference(id, differences, places::Reference::Control);
        }
        if let Some(repeat) = &pair.repeat {
            let differs = compare(&question, &pair.shadow, repeat, &judging.rules);
            let counts = |(_, rule): &(&_, Option<RuleId>)| rule.is_none() || !judging.by_rules;
            let again: Vec<_> = listed(&differs).filter(counts).map(|(one, _)| one).collect();
            let differences = again.iter().map(|one| (*one, false));
            self.places.reference(id, differences, places::Reference::Repeat);
            let differences = listed(&compared).filter(counts).map(|(one, _)| one);
            self.places.asked_twice(id, differences, &again);
        }

        let mut excused_status = false;
        let mut signature = Vec::new();
        for (difference, rule) in listed(&compared) {
            let rule = rule.filter(|_| judging.by_rules);
            let asked = witness.as_ref().filter(|_| rule.is_none());
            let standing = asked.map(|witness| witness.standing(difference));
            let sort = match (rule, standing) {
                (Some(rule), _) => Sort::Rule(rule),
                (_, Some(Standing::LikeControl)) => Sort::LikeControl,
                (_, Some(_)) if self.places.is_outside(id, difference) => Sort::Outside,
                (_, standing) => Sort::of(standing, pair.raced),
            };
            excused_status |= difference.kind == Kind::Status
                && sort == Sort::LikeControl
                && !judging.rules.is_protected(name, &difference.path);
            let place = DifferenceKey {
                endpoint: id,
                path: &difference.path,
                kind: difference.kind,
                sort,
            };
            match self.places.count(&place, difference, at) {
                Some(row) => {
                    self.examples
                        .offer(&mut self.places, row, pair, &question, &judging);
                    if !sort.is_for_good() {
                        signature.push(row);
                    }
                }
                None => signature.push(places::BEYOND),
            }
        }
        let measured = Measured {
            at,
            production: pair.production.times,
            shadow: pair.shadow.times,
            raced: pair.raced,
            control: pair.control.is_some(),
            repeat: pair.repeat.is_some(),
        };
        let found = Found {
            statuses,
            refused: is_refusal(route_status),
            excused_status,
            signature: (!compared.is_equal()).then_some(signature),
        };
        self.count_pair((id, own_name), &measured, found);
    }

    /// Counts a pair whose answers are equal: as [`Tally::add`] counts it.
    pub fn add_equal(&mut self, pair: &EqualPair) {
        let (method, target) = pair.called();
        let (id, own_name) = self.named_endpoint((method, target, pair.selected.as_ref()), pair.route_status);
        let at = pair.at / MILLISECOND;
        self.seen_at(at);
        let measured = Measured {
            at,
            production: pair.production,
            shadow: pair.shadow,
            raced: pair.raced,
            control: false,
            repeat: false,
        };
        let found = Found {
            statuses: pair.statuses,
            refused: is_refusal(pair.route_status),
            excused_status: false,
            signature: None,
        };
        self.count_pair((id, own_name), &measured, found);
    }

    /// Counts a pair, whatever was found in it.
    fn count_pair(&mut self, of: (EndpointId, Option<Arc<str>>), measured: &Measured, found: Found) {
        let Found {
            statuses,
            refused,
            excused_status,
            signature,
        } = found;
        let (all, excused) = self.statuses.entry(statuses).or_default();
        *all += 1;
        *excused += u64::from(excused_status);
        self.production.record(measured.production);
        self.shadow.record(measured.shadow);
        self.timeline.pair(measured.at, statuses, signature.is_some());
        let seen = Seen {
            new_5xx: statuses.1 >= 500 && statuses.0 < 500 && !excused_status,
            other_status: statuses.0 != statuses.1 && !excused_status,
            refused,
            signature,
        };
        self.count(of, measured, &seen);
        self.counters.compared(&CountedPair {
            new_5xx: seen.new_5xx,
            other_status: seen.other_status,
            production_took: measured.production.map(|times| times.last),
            shadow_took: measured.shadow.map(|times| times.last),
        });
    }

    /// Counts a request that is not compared.
    pub fn not_compared(&mut self, unpaired: &Unpaired) {
        let (method, target) = request_line(&unpaired.request_line);
        let route_by = &self.judging.route_by;
        let selected = route_by.read_again(unpaired.selected.as_ref(), &unpaired.request_line, b"");
        let id = self.endpoint(method, target, selected.as_ref(), None);
        let at = unpaired.at / MILLISECOND;
        self.seen_at(at);
        self.timeline.not_compared(at, unpaired.why);
        if let Some(endpoint) = self.endpoints.get_mut(&id) {
            *endpoint.not_compared.entry(unpaired.why).or_default() += 1;
        }
        self.counters.not_compared(unpaired.why, 1);
    }

    /// Counts requests that are not compared and of which no more is known.
    pub fn count_unattributed(&mut self, why: NotCompared, requests: u64) {
        *self.uncounted.entry(why).or_default() += requests;
        self.counters.not_compared(why, requests);
    }

    /// Requests of which it is known what became of them: compared or not.
    pub fn accounted(&self) -> u64 {
        let of = |endpoint: &EndpointTally| endpoint.compared + endpoint.not_compared.values().sum::<u64>();
        self.endpoints.values().map(of).sum::<u64>() + self.uncounted.values().sum::<u64>()
    }

    /// Nothing of `requests` is known any more but that they were there. What was counted for good stays.
    pub fn give_up(&mut self, requests: u64) {
        self.reset();
        self.uncounted.insert(NotCompared::Internal, requests);
    }

    /// The hosts that the shadow and the control are asked under.
    pub fn hosts(&self) -> &Hosts {
        &self.judging.hosts
    }

    /// The selection of production's requests that is compared, in words.
    pub fn selection(&self) -> &[String] {
        &self.judging.selection
    }

    /// Requests that are not compared and of which no more is known, by reason.
    pub fn uncounted_so_far(&self) -> &BTreeMap<NotCompared, u64> {
        &self.uncounted
    }

    fn seen_at(&mut self, at: u64) {
        let (from, to) = self.window.get_or_insert((at, at));
        (*from, *to) = ((*from).min(at), (*to).max(at));
    }

    fn endpoint(
        &mut self,
        method: &[u8],
        target: &[u8],
        selected: Option<&Selected>,
        status: Option<u16>,
    ) -> EndpointId {
        let id = self.routes.endpoint_of(method, target, status);
        // First, or the request by which endpoints become one would be counted for one of them.
        self.take_in_merges();
        let id = self.routes.select(id, selected, status);
        let routes = &self.routes;
        self.endpoints
            .entry(id)
            .or_insert_with(|| EndpointTally::new(routes.name(id)));
        id
    }

    /// The endpoint of a request that production answered with this status code, and the name that it has by itself, where the
    /// endpoint has another. `asked`: its method, its target, and the value by which it is told from others of its URL.
    fn named_endpoint(&mut self, asked: Asked<'_>, status: u16) -> (EndpointId, Option<Arc<str>>) {
        let (method, target, selected) = asked;
        if selected.is_some() || is_refusal(status) {
            return self.find_endpoint(asked, status);
        }
        match self.recent.find(method, target, self.routes.merges()) {
            Ok(found) => found,
            Err(key) => {
                let found = self.find_endpoint(asked, status);
                self.recent.remember(key, &found, self.routes.merges());
                found
            }
        }
    }

    fn find_endpoint(
        &mut self,
        (method, target, selected): Asked<'_>,
        status: u16,
    ) -> (EndpointId, Option<Arc<str>>) {
        let id = self.endpoint(method, target, selected, Some(status));
        (id, self.routes.own_name(id).map(Into::into))
    }

    fn tally_of(&mut self, id: EndpointId) -> &mut EndpointTally {
        let routes = &self.routes;
        self.endpoints
            .entry(id)
            .or_insert_with(|| EndpointTally::new(routes.name(id)))
    }

    /// Counts a pair for its endpoint, and for the parts of it that it belongs to.
    fn count(&mut self, (id, own_name): (EndpointId, Option<Arc<str>>), measured: &Measured, seen: &Seen) {
        let endpoint = self.tally_of(id);
        let (name, refused) = (Arc::clone(&endpoint.name), endpoint.refused);
        let before = (seen.refused && refused == 0 && endpoint.compared > 0).then(|| endpoint.as_part());
        endpoint.count(measured, seen);
        let all_refused = seen.refused && endpoint.refused == endpoint.compared;
        if let Some(before) = before {
            self.watch(id, Of::Served, before);
        }
        let of = if seen.refused { Of::Refused } else { Of::Served };
        if of == Of::Served && refused > 0 && !self.parts.count((id, &name, of), measured, seen) {
            let mut part = EndpointTally::new_part(name.to_string());
            part.count(measured, seen);
            self.watch(id, of, part);
        }
        // Those that are watched only once something speaks against them.
        let refused_here = (of == Of::Refused && !all_refused).then_some(name);
        for name in refused_here.into_iter().chain(own_name) {
            self.parts.count((id, &name, Of::Name), measured, seen);
            if !self.parts.count((id, &name, of), measured, seen) && self.speaks_against(seen) {
                self.watch(id, of, EndpointTally::new_part(name.to_string()));
            }
        }
    }

    fn watch(&mut self, id: EndpointId, of: Of, tally: EndpointTally) {
        if self.parts.is_full() {
            self.make_room();
        }
        self.parts.watch(id, of, tally);
    }

    fn make_room(&mut self) {
        let noise = self.noise();
        let is_noise = |row: u32| noise.get(&row).is_some_and(Option::is_some);
        self.parts.make_room(|part| part.equal + part.agree(is_noise));
    }

    /// Whether a pair shows what counts, by what is known of noise now.
    fn speaks_against(&self, seen: &Seen) -> bool {
        let mut rows = seen.signature.iter().flatten();
        seen.new_5xx || seen.other_status || rows.any(|row| *row == places::BEYOND || self.counts_now(*row))
    }

    /// Endpoints may have become one: what was counted apart is one, too.
    fn take_in_merges(&mut self) {
        if self.merges == self.routes.merges() {
            return;
        }
        self.merges = self.routes.merges();
        let Self {
            routes,
            endpoints,
            parts,
            places,
            ..
        } = self;
        let rows = places.merge(|id| routes.canonical(id));
        parts.follow(|id| routes.canonical(id), &rows);
        for (id, mut tally) in std::mem::take(endpoints) {
            tally.rename(&rows);
            let canonical = routes.canonical(id);
            let into = endpoints
                .entry(canonical)
                .or_insert_with(|| EndpointTally::new(routes.name(canonical)));
            if tally.name != into.name && tally.compared > 0 {
                let of = if tally.refused == 0 { Of::Served } else { Of::Name };
                parts.watch(canonical, of, tally.as_part());
            }
            into.merge(tally);
        }
        if self.parts.is_full() {
            self.make_room();
        }
    }
}

/// Method and target of a request, and the value by which it is told from others of its URL.
type Asked<'a> = (&'a [u8], &'a [u8], Option<&'a Selected>);

/// The outcome of comparing a pair, as it is counted.
struct Found {
    /// The status codes by which it is counted: production's, and the shadow's.
    statuses: (u16, u16),
    /// Whether production refused the request.
    refused: bool,
    /// Whether another status code is excused by the control's.
    excused_status: bool,
    /// See [`Seen::signature`].
    signature: Option<Vec<u32>>,
}

/// All that differs, each with the rule that takes it away, if one does.
fn listed(compared: &Compared) -> impl Iterator<Item = (&super::Difference, Option<RuleId>)> {
    let plain = compared.differences.iter().map(|difference| (difference, None));
    let ruled = compared.by_rule.iter();
    plain.chain(ruled.map(|(difference, rule)| (difference, Some(*rule))))
}
