//! Differences that nobody can call noise or not yet: their endpoint was not asked often enough to be learned from.
//!
//! Without a control, what differs by nature is known by second answers of the shadow, and it takes ten of them. A difference that
//! may be noise at an endpoint that had fewer is for nobody and against nobody: pairs that differ in nothing else are left out
//! of agreement, the verdict is undecided where they could change it, and it is said how many more second answers it takes.
//! Requests that are never sent twice are learned from by no one, so their differences count at once; and so do all, where
//! nothing is sent twice.
//!
//! With a control it takes ten answers of that, and only differences in pairs in which all three answers differ wait for them:
//! where the control has what production has, or was never seen to differ, a difference counts at once.

use std::collections::HashMap;

use super::places::{BEYOND, Referred, Row, Sort};
use super::{EndpointTally, Tally};
use crate::document::{Noise, NoiseBy, NotLearned};
use crate::noise::Place;

impl Tally {
    /// Whether the shadow is asked twice at all, and that is what is learned from.
    pub(super) fn learns_by_repeats(&self) -> bool {
        let mut endpoints = self.endpoints.values();
        self.judging.by_repeat && endpoints.any(|endpoint| endpoint.repeats > 0)
    }

    /// That nobody knows yet, where that is so; of rows that are not noise. `by_repeats`: whether the shadow is asked twice at all.
    pub(super) fn not_learned(&self, row: &Row, by_repeats: bool) -> Option<Noise> {
        let endpoint = self.endpoints.get(&row.endpoint)?;
        let place = Place {
            kind: row.kind,
            protected: self.judging.rules.is_protected(&endpoint.name, &row.path),
        };
        let waits = if self.has_control(endpoint) {
            let differs = |referred: &Referred| referred.control > 0;
            let is_plain = matches!(row.sort, Sort::Plain | Sort::Raced { alone: false });
            is_plain && self.places.referred(row).is_some_and(differs)
        } else {
            by_repeats
        };
        let more = self.missing(endpoint);
        (waits && more > 0 && place.may_vary()).then(|| Noise {
            by: NoiseBy::NotLearned,
            why: format!(
                "not known yet: it takes {more} more {}",
                self.learned_from(endpoint)
            ),
            reference: None,
        })
    }

    /// The answers that an endpoint is learned from, in words.
    fn learned_from(&self, endpoint: &EndpointTally) -> &'static str {
        if self.has_control(endpoint) {
            "responses of the control"
        } else {
            "second responses of the shadow"
        }
    }

    /// Whether a control says more than the shadow itself: it is production's release. One that went away early says too little.
    pub(super) fn has_control(&self, endpoint: &EndpointTally) -> bool {
        self.judging.by_control && endpoint.controls > 0 && endpoint.controls >= endpoint.compared / 2
    }

    /// How many answers of the control, or second ones of the shadow, an endpoint lacks to be learned from.
    fn missing(&self, endpoint: &EndpointTally) -> u64 {
        let needed = self.judging.thresholds.references;
        if self.has_control(endpoint) {
            return needed.saturating_sub(endpoint.controls);
        }
        let is_asked_twice = ["GET ", "HEAD ", "OPTIONS "];
        let is_asked_twice = is_asked_twice
            .iter()
            .any(|method| endpoint.name.starts_with(method));
        // A control said more, while it was there.
        if !is_asked_twice || (self.judging.by_control && endpoint.controls > 0) {
            return 0;
        }
        needed.saturating_sub(endpoint.repeats)
    }

    /// Pairs of an endpoint that differ in what is not learned yet and in nothing else that counts.
    pub(super) fn left_out(
        &self,
        endpoint: &EndpointTally,
        noise: &HashMap<u32, Option<Noise>>,
    ) -> NotLearned {
        let by = |row: u32| noise.get(&row).and_then(Option::as_ref).map(|noise| noise.by);
        let is_left_out = |rows: &[u32]| {
            rows.iter().all(|row| *row != BEYOND && by(*row).is_some())
                && rows.iter().any(|row| by(*row) == Some(NoiseBy::NotLearned))
        };
        let signatures = endpoint.signatures.iter();
        let left_out = signatures.filter(|(rows, _)| is_left_out(rows));
        let pairs = left_out.map(|(_, count)| count).sum();
        NotLearned {
            pairs,
            more: if pairs > 0 { self.missing(endpoint) } else { 0 },
        }
    }
}
