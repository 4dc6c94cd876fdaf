//! One comparison, as the comparing thread has it.

use std::sync::{Arc, PoisonError};

use shadow_mirror::ledger::OutputCounts;

use super::Registered;
use crate::GrpcDescriptors;
use crate::document::Comparison as ComparisonDocument;
use crate::intake::Finished;
use crate::pair::{NotCompared, Pair};
use crate::store::{KeptComparison, StoreHandle};
use crate::tally::{Facts, Tally};

/// How pairs are compared and counted: [`Tally::add`], but in tests of what becomes of faults.
pub(super) type Add = fn(&mut Tally, &Pair);

/// The note of a document after a fault.
const BROKEN: &str = "A bug in shadow-agent stopped the comparison early (please report it with the log): later \
    requests count as compare_internal.";

/// One comparison, owned by the comparing thread.
pub(super) struct Comparison {
    pub of: Arc<Registered>,
    pub tally: Tally,
    /// Counts of its requests from before its counts began anew.
    before: Before,
    /// Requests that were handed over since then.
    pub handed: u64,
    /// Its place in the store, and the way there, where pairs are kept.
    pub kept: Option<(u16, StoreHandle)>,
    /// Requests that are not in the store because it has no place; the store counts them.
    pub unkept: u64,
}

#[derive(Default)]
struct Before {
    counts: OutputCounts,
    opened: u64,
}

impl Comparison {
    pub fn new(of: Arc<Registered>, kept: Option<(u16, StoreHandle)>) -> Self {
        let tally = Tally::new(Arc::clone(&of.settings.judging), of.counters.clone())
            .correlating(of.intake.correlation().cloned());
        Self {
            of,
            tally,
            before: Before::default(),
            handed: 0,
            kept,
            unkept: 0,
        }
    }

    /// Whether the shadow is being asked for the names in its messages: pairs wait for that, some seconds at most.
    pub fn awaits_descriptors(&self) -> bool {
        let descriptors = self.of.intake.descriptors();
        descriptors.is_some_and(GrpcDescriptors::is_awaited)
    }

    /// Everything the run knows of it, since the start.
    pub fn facts(&self, faulty: bool) -> Facts {
        let facts = self.of.facts.lock();
        let mut facts = facts.unwrap_or_else(PoisonError::into_inner).clone();
        let correlation = self.of.intake.correlation();
        facts.correlated = correlation.map(|correlation| correlation.counts());
        if faulty {
            facts.doubts.push(BROKEN.to_owned());
        }
        facts
    }

    /// Begins anew.
    pub fn reset(&mut self) {
        self.tally.reset();
        self.handed = 0;
        self.before = Before {
            counts: self.facts(false).counts,
            opened: self.of.intake.opened(),
        };
    }

    pub fn count_unattributed(&mut self, why: NotCompared, requests: u64) {
        self.handed += requests;
        self.tally.count_unattributed(why, requests);
    }

    /// Compares it, and counts what comes of it.
    pub fn add(&mut self, finished: Finished, add: Add) {
        self.handed += 1;
        self.unkept += u64::from(self.kept.is_none());
        let store = self.kept.as_ref().map(|(_, store)| store);
        match finished {
            Finished::Pair(pair, _charge) => {
                add(&mut self.tally, &pair);
                if let Some(store) = store {
                    store.pair(&pair, self.tally.take_mapped(), self.tally.take_selected());
                }
            }
            Finished::Equal(pair) => self.tally.add_equal(&pair),
            Finished::Not(unpaired) => {
                self.tally.not_compared(&unpaired);
                if let Some(store) = store {
                    store.unpaired(&unpaired);
                }
            }
        }
    }

    /// Only counts it: a pair as not compared, and `why`.
    pub fn skip(&mut self, finished: &Finished, why: NotCompared) {
        match finished {
            Finished::Pair(..) | Finished::Equal(_) => self.count_unattributed(why, 1),
            Finished::Not(unpaired) => self.count_unattributed(unpaired.why, 1),
        }
    }

    /// Whether there was no request for it since its counts began.
    pub fn is_empty(&self) -> bool {
        let seen = self.facts(false).counts.seen;
        seen == self.before.counts.seen && self.of.intake.opened() == self.before.opened && self.handed == 0
    }

    /// Whether there never was one.
    pub fn was_never_asked(&self) -> bool {
        self.facts(false).counts.seen == 0 && self.of.intake.opened() == 0
    }

    /// Makes the document of what it comes to, which metrics are told as well.
    pub fn document(&self, faulty: bool) -> ComparisonDocument {
        let mut facts = self.facts(faulty);
        facts.counts = facts.counts.since(&self.before.counts);
        let comparison = self.tally.comparison(&facts);
        if let Some(correlated) = &comparison.correlated {
            self.of.counters.set_correlated(correlated);
        }
        let counting = comparison.differences.iter().filter(|row| row.noise.is_none());
        let counters = &self.of.counters;
        counters.set_outcomes(&comparison.outcomes());
        counters.set_verdict(
            comparison.verdict.word,
            comparison.endpoints.len() as u64,
            counting.count() as u64,
        );
        counters.set_waiting(comparison.coverage.waiting, self.of.intake.budget().used() as u64);
        comparison
    }

    /// Describes it to the store.
    pub fn described(&self, faulty: bool) -> KeptComparison {
        KeptComparison::new(&self.facts(faulty), &self.tally)
    }
}
