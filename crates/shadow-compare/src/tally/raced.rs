//! Judgement of differences that come where other clients are changing something.

use super::Tally;
use super::places::{Row, Sort};
use crate::document::{Noise, NoiseBy};
use crate::noise::{self, Differing, Versus};

/// How often a place differs, in whatever sort, but for what rules take away.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    /// Of the references all sorts are taken as well.
    pub all: u64,
    /// The shadow alone, whether or not it raced.
    pub alone: u64,
    /// Those in which another client was changing something.
    pub raced: u64,
    /// Those that would count, whether they raced or not.
    pub may_race: u64,
}

impl Totals {
    pub fn of(row: &Row) -> Self {
        let mut totals = Self::default();
        totals.add(row);
        totals
    }

    pub fn add(&mut self, row: &Row) {
        let count = |counts: bool| if counts { row.count } else { 0 };
        self.all += count(!matches!(row.sort, Sort::Rule(_)));
        self.alone += count(matches!(row.sort, Sort::Alone | Sort::Raced { alone: true }));
        self.raced += count(matches!(row.sort, Sort::Raced { .. }));
        self.may_race += count(matches!(row.sort, Sort::Plain | Sort::Alone | Sort::Raced { .. }));
    }
}

impl Tally {
    /// That the pairs of a row raced, where that is why they differ.
    pub(super) fn raced(&self, row: &Row, totals: &Totals) -> Option<Noise> {
        let endpoint = self.endpoints.get(&row.endpoint)?;
        let place = noise::Place {
            kind: row.kind,
            protected: self.judging.rules.is_protected(&endpoint.name, &row.path),
        };
        let share = noise::RacedShare {
            differing: totals.raced,
            of_differing: totals.may_race,
            pairs: endpoint.raced,
            of_pairs: endpoint.compared,
        };
        matches!(row.sort, Sort::Raced { .. })
            .then(|| noise::raced(place, share))
            .flatten()
    }

    /// That nobody knows whether the pairs of a row differ because they raced: the place never differs where nobody was writing, and
    /// not in most pairs where others were, which would be no matter of order. With a control, the shadow alone must not differ
    /// surely more often than the control alone.
    pub(super) fn undecided_race(&self, row: &Row, totals: &Totals) -> Option<Noise> {
        let endpoint = self.endpoints.get(&row.endpoint)?;
        let is_protected = self.judging.rules.is_protected(&endpoint.name, &row.path);
        let Sort::Raced { alone } = row.sort else {
            return None;
        };
        let is_alone = || {
            let referred = self.places.referred(row);
            let of = |count| Differing {
                count,
                of: endpoint.controls,
            };
            let versus = Versus {
                shadow: of(totals.alone),
                control: of(referred.map_or(0, |referred| referred.control_alone)),
                places: self.places.varying.max(1),
            };
            self.has_control(endpoint) && alone && versus.is_more_often()
        };
        let is_unknown = !is_protected
            && row.may_be_order()
            && totals.raced == totals.may_race
            && totals.raced * 2 < endpoint.raced
            && !is_alone();
        is_unknown.then(|| Noise {
            by: NoiseBy::NotLearned,
            why: format!(
                "not known: other clients were changing something at that moment, as they were during {} of {} pairs of this endpoint",
                endpoint.raced, endpoint.compared
            ),
            reference: None,
        })
    }
}
