//! Parts of endpoints that are judged for themselves, so that no other traffic hides them in the endpoint they are counted with.
//!
//! An endpoint is the sum of more than one where many names at a place became one, where there was no room for more endpoints,
//! and where production refuses some of its requests. Its rates are then those of a mixture: a route that fails always is a small
//! share of it. So these are counted a second time, by themselves:
//!
//! - what was an endpoint before it became a part of another, with all that had been counted,
//! - a name that comes later, from the first pair on that counts against the release; that pair is what has it watched and is not
//!   counted, or one failure of a name that is asked for once would be all of its pairs,
//! - of an endpoint that production refuses some requests of, those that it served; and those that it refused, once one of them
//!   counts against the release.
//!
//! What is noise is what is noise of the whole endpoint. A name that comes later and is only slower is not told.

use std::collections::HashMap;
use std::sync::Arc;

use super::endpoint::{EndpointTally, Measured, Seen};
use crate::routes::EndpointId;

/// Parts that are watched, of all endpoints: about as many as twenty places with too many names leave behind.
pub(super) const MAX_PARTS: usize = 1024;

/// Which part of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Of {
    /// All requests of the name.
    Name,
    /// Those that production served.
    Served,
    /// Those that it refused.
    Refused,
}

type Key = (EndpointId, Arc<str>, Of);

/// Parts of endpoints that are judged separately.
#[derive(Debug, Default)]
pub(super) struct Parts(HashMap<Key, EndpointTally>);

impl Parts {
    /// Whether there is no room for another.
    pub fn is_full(&self) -> bool {
        self.0.len() >= MAX_PARTS
    }

    /// Counts a pair of a part that is watched; whether it is.
    pub fn count(&mut self, of: (EndpointId, &Arc<str>, Of), pair: &Measured, seen: &Seen) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let part = self.0.get_mut(&(of.0, Arc::clone(of.1), of.2));
        if let Some(part) = part {
            part.count(pair, seen);
            return true;
        }
        false
    }

    /// Watches a part from now on. What was counted of it is in `tally`.
    pub fn watch(&mut self, endpoint: EndpointId, of: Of, tally: EndpointTally) {
        match self.0.entry((endpoint, Arc::clone(&tally.name), of)) {
            std::collections::hash_map::Entry::Occupied(mut known) => known.get_mut().merge(tally),
            std::collections::hash_map::Entry::Vacant(new) => {
                new.insert(tally);
            }
        }
    }

    /// Leaves out those that there is no room for, and a quarter more: those with the fewest pairs that speak against the
    /// release, of which `agreeing` says how many do not.
    pub fn make_room(&mut self, agreeing: impl Fn(&EndpointTally) -> u64) {
        let mut ranked: Vec<_> = std::mem::take(&mut self.0)
            .into_iter()
            .map(|(key, part)| {
                let differ = part.compared - agreeing(&part).min(part.compared);
                let rank = (part.new_5xx, part.other_status.max(differ), part.compared);
                (std::cmp::Reverse(rank), key, part)
            })
            .collect();
        ranked.sort_by(|(a, of_a, _), (b, of_b, _)| a.cmp(b).then_with(|| of_a.cmp(of_b)));
        ranked.truncate(MAX_PARTS - MAX_PARTS / 4);
        self.0 = ranked.into_iter().map(|(_, key, part)| (key, part)).collect();
    }

    /// Endpoints have become one, and rows others.
    pub fn follow(&mut self, canonical: impl Fn(EndpointId) -> EndpointId, rows: &HashMap<u32, u32>) {
        for ((endpoint, _, of), mut part) in std::mem::take(&mut self.0) {
            part.rename(rows);
            self.watch(canonical(endpoint), of, part);
        }
    }

    /// All of them, each with its endpoint.
    pub fn all(&self) -> impl Iterator<Item = (EndpointId, &EndpointTally)> {
        self.0.iter().map(|((endpoint, ..), part)| (*endpoint, part))
    }
}
