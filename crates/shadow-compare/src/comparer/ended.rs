//! Comparisons of outputs that have ended: which of them stay in the document, and where pairs of each are kept.
//!
//! An output ends when a changed configuration or a route wants it no more, or when it could not be opened. A comparison that
//! was never asked anything goes with it. One that was stays, because what it found is part of the verdict; but only so many do,
//! as each holds examples and differences, up to some megabytes. Those beyond are counted in a note, and their word stays in the
//! document's.

use super::comparison::Comparison;
use crate::Judging;
use crate::document::Verdict;
use crate::store::{KeptComparison, MAX_COMPARISONS, StoreHandle, StoreWriter};

/// Comparisons of ended outputs that stay: as many releases as anybody looks back at within one run.
pub(super) const MAX_ENDED: usize = 32;

/// Those that did not stay.
#[derive(Debug, Default)]
pub(super) struct EvictedComparisons {
    comparisons: u64,
    requests: u64,
    /// The worst word of them.
    word: Option<Verdict>,
}

impl EvictedComparisons {
    /// Lets one go.
    pub fn add(&mut self, comparison: &Comparison, faulty: bool) {
        let document = comparison.document(faulty);
        self.comparisons += 1;
        self.requests += document.coverage.seen;
        self.word = self.word.max(Some(document.verdict.word));
    }

    /// Their word, if there are any.
    pub fn word(&self) -> Option<Verdict> {
        self.word
    }

    /// The note about them, if there is anything to say.
    pub fn note(&self) -> Option<String> {
        let word = self.word?.text();
        Some(format!(
            "{} comparisons of outputs that ended, with {} requests, are not listed, only the last {MAX_ENDED}. \
             Their worst verdict, {word}, is included in the verdict.",
            self.comparisons, self.requests
        ))
    }
}

/// The places of comparisons in the store.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// The description of each that has gone. `None` for those that are taken.
    all: Vec<Option<KeptComparison>>,
    /// Those of comparisons that were never asked anything.
    free: Vec<u16>,
    /// Whether there was one without a place.
    is_full: bool,
}

impl Places {
    /// A place for one more; none beyond the most that a store has.
    pub fn take(&mut self, store: &StoreWriter, judging: &Judging) -> Option<(u16, StoreHandle)> {
        let place = match self.free.pop() {
            Some(place) => place,
            None if self.all.len() < MAX_COMPARISONS => {
                self.all.push(None);
                u16::try_from(self.all.len() - 1).ok()?
            }
            None => {
                if !std::mem::replace(&mut self.is_full, true) {
                    tracing::warn!(
                        "--compare-store: there were {MAX_COMPARISONS} comparisons; pairs of further ones are \
                         not stored"
                    );
                }
                return None;
            }
        };
        self.all[usize::from(place)] = None;
        Some((
            place,
            store
                .handle(place, judging.redaction.as_ref(), judging.secrets)
                .with_descriptors(judging.rules.descriptors()),
        ))
    }

    /// Its comparison has gone.
    pub fn leave(&mut self, comparison: &Comparison, faulty: bool) {
        let Some((place, _)) = comparison.kept else {
            return;
        };
        let mut last = comparison.described(faulty);
        if comparison.was_never_asked() {
            last = KeptComparison::default();
            self.free.push(place);
        }
        self.all[usize::from(place)] = Some(last);
    }

    /// Describes all of them to the store.
    pub fn described(&self, comparisons: &[Comparison], faulty: bool) -> Vec<KeptComparison> {
        let gone = self.all.iter();
        let mut told: Vec<KeptComparison> = gone.map(|gone| gone.clone().unwrap_or_default()).collect();
        for one in comparisons {
            if let Some((place, _)) = one.kept {
                told[usize::from(place)] = one.described(faulty);
            }
        }
        told
    }
}
