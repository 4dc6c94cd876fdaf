//! The comparing thread itself. Where a fault of this program ends its work, it goes on counting: mirroring needs nothing of
//! it, no request is lost without a reason, and a document that says so can be had.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use shadow_core::health::Heart;
use shadow_core::time::unix_now;

use super::comparison::{Add, Comparison};
use super::ended::{EvictedComparisons, MAX_ENDED, Places};
use super::{Shared, document};
use crate::document::{Document, Verdict};
use crate::intake::Finished;
use crate::pair::NotCompared;
use crate::store::StoreWriter;
use crate::verdict;

/// How often the thread looks for pairs: a batch instead of a wake-up for each. The queue holds some hundred times as many as a
/// busy shard makes meanwhile.
const TURN: Duration = Duration::from_millis(50);
/// How often outputs that have ended are looked for, and the store is told what the run knows.
const DESCRIBE: Duration = Duration::from_secs(1);
/// Everything the thread has.
pub(super) struct Comparing {
    shared: Arc<Shared>,
    /// In the order in which they began.
    comparisons: Vec<Comparison>,
    gone: EvictedComparisons,
    places: Places,
    taken: VecDeque<Finished>,
    /// The place of the comparison whose requests those are.
    at: usize,
    store: Option<Arc<StoreWriter>>,
    /// When the store is told next what the run knows.
    describe: Instant,
    add: Add,
    /// Called first.
    lower_priority: Option<fn()>,
    faults: u32,
    /// Beats at each turn and at each pair.
    heart: Heart,
}

impl Comparing {
    pub fn new(
        shared: Arc<Shared>,
        store: Option<Arc<StoreWriter>>,
        add: Add,
        lower_priority: fn(),
        heart: Heart,
    ) -> Self {
        Self {
            shared,
            comparisons: Vec::new(),
            gone: EvictedComparisons::default(),
            places: Places::default(),
            taken: VecDeque::new(),
            at: 0,
            store,
            describe: Instant::now(),
            add,
            lower_priority: Some(lower_priority),
            faults: 0,
            heart,
        }
    }

    /// Ends with the last document, once nothing more will be handed over. A fault in the counting that goes on after one is
    /// that of the thread.
    pub fn run(mut self) -> Document {
        loop {
            match catch_unwind(AssertUnwindSafe(|| self.turn())) {
                Ok(Some(document)) => return document,
                Ok(None) => std::thread::park_timeout(TURN),
                Err(panic) => self.fault(panic),
            }
        }
    }

    fn turn(&mut self) -> Option<Document> {
        if let Some(lower_priority) = self.lower_priority.take() {
            lower_priority();
        }
        self.heart.beat();
        // Asked first: what was handed over before the end is taken after it.
        let is_last = self.shared.end.get().is_some();
        self.join();
        self.take();
        let live = self.shared.live.clone();
        if live.take_orders().reset {
            self.comparisons.iter_mut().for_each(Comparison::reset);
            self.gone = EvictedComparisons::default();
        }
        if is_last || self.describe <= Instant::now() {
            self.describe = Instant::now() + DESCRIBE;
            self.evict_ended();
            self.describe();
        }
        if is_last {
            let document = self.document();
            live.end(document.clone());
            return Some(document);
        }
        if live.is_wanted() {
            live.publish(self.document());
        }
        None
    }

    fn is_faulty(&self) -> bool {
        self.faults > 0
    }

    /// Something panicked. At first no more is compared; where what was counted cannot be read, it is given up; and then
    /// there is nothing left to do.
    fn fault(&mut self, panic: Box<dyn Any + Send>) {
        self.faults += 1;
        if self.faults > 2 {
            resume_unwind(panic);
        }
        if self.faults == 1 {
            self.shared.failed.send_replace(true);
            tracing::error!(
                "the comparison thread panicked (please report this bug with the message above): nothing is \
                 compared any more, and the verdict will be NOT ENOUGH DATA; mirroring continues"
            );
        }
        for one in &mut self.comparisons {
            one.of.intake.close();
            one.of.counters.set_word(Verdict::NotEnoughData);
            if self.faults > 1 {
                one.tally.give_up(one.handed);
            }
            // What it was at, wherever that ended.
            let lost = one.handed.saturating_sub(one.tally.accounted());
            if lost > 0 {
                one.tally.count_unattributed(NotCompared::Internal, lost);
            }
        }
        for finished in std::mem::take(&mut self.taken) {
            self.comparisons[self.at].skip(&finished, NotCompared::Internal);
        }
    }

    /// Takes in comparisons that have begun.
    fn join(&mut self) {
        let begun = std::mem::take(&mut self.shared.lock().begun);
        for one in begun {
            if self.is_faulty() {
                one.intake.close();
            }
            let store = self.store.as_ref();
            let kept = store.and_then(|store| self.places.take(store, &one.settings.judging));
            self.comparisons.push(Comparison::new(one, kept));
        }
    }

    /// Lets comparisons go whose outputs have ended: those that were asked nothing, and those of which there are too many.
    fn evict_ended(&mut self) {
        let faulty = self.is_faulty();
        if let Some(store) = &self.store {
            let unkept = self.comparisons.iter_mut();
            let unkept = unkept.map(|one| std::mem::take(&mut one.unkept)).sum();
            store.lose("too_many_comparisons", unkept);
        }
        let mut state = self.shared.lock();
        // Nobody but the two lists has it, and nobody can get it while the state is locked.
        let has_ended = |one: &Comparison| one.of.is_unheld() && one.of.intake.is_empty();
        let mut going = Vec::new();
        let mut ended = Vec::new();
        for (at, one) in self.comparisons.iter().enumerate() {
            if has_ended(one) {
                if one.is_empty() {
                    going.push(at);
                } else {
                    ended.push((one.of.ended_at(unix_now() / 1_000_000), at));
                }
            }
        }
        ended.sort_unstable();
        for (_, at) in ended.iter().take(ended.len().saturating_sub(MAX_ENDED)) {
            self.gone.add(&self.comparisons[*at], faulty);
            going.push(*at);
        }
        going.sort_unstable();
        for at in going.into_iter().rev() {
            let one = self.comparisons.remove(at);
            self.places.leave(&one, faulty);
            state.forget(&one.of);
            if !state
                .comparisons
                .iter()
                .any(|other| other.is_same_output(&one.of))
            {
                self.shared.live.forget(&one.of.key, &one.of.shadow);
            }
        }
    }

    /// Compares what is there; when the time to end is over, it is only counted.
    fn take(&mut self) {
        let end = &self.shared.end;
        let is_over = || end.get().is_some_and(|end| *end <= Instant::now());
        let mut passed_over: u64 = 0;
        for (at, one) in self.comparisons.iter_mut().enumerate() {
            self.at = at;
            // Else its first pairs would have other names of places than the rest.
            if end.get().is_none() && one.awaits_descriptors() {
                continue;
            }
            for (why, requests) in one.of.intake.take(&mut self.taken) {
                one.count_unattributed(why, requests);
            }
            while let Some(finished) = self.taken.pop_front() {
                // To count one takes no time at all.
                if matches!(finished, Finished::Pair(..)) {
                    self.heart.beat();
                }
                if self.faults > 0 {
                    one.skip(&finished, NotCompared::Internal);
                } else if is_over() {
                    passed_over += u64::from(!matches!(finished, Finished::Not(_)));
                    one.skip(&finished, NotCompared::Shutdown);
                } else {
                    one.add(finished, self.add);
                }
            }
        }
        if passed_over > 0 {
            tracing::warn!(
                pairs = passed_over,
                "shutdown timeout: pairs that were waiting count as compare_shutdown"
            );
        }
    }

    /// Tells the store what the run knows beside the pairs.
    fn describe(&self) {
        if let Some(store) = &self.store {
            store.describe(self.places.described(&self.comparisons, self.is_faulty()));
        }
    }

    fn document(&self) -> Document {
        let faulty = self.is_faulty();
        let has_ended = |one: &Comparison| one.facts(faulty).ended_ms.is_some() || one.of.is_unheld();
        let shown = self
            .comparisons
            .iter()
            .filter(|one| !(has_ended(one) && one.is_empty()));
        let mut document = document(shown.map(|one| one.document(faulty)).collect());
        document.notes.extend(self.gone.note());
        if let Some(word) = self.gone.word() {
            document.verdict = verdict::worst([document.verdict, word]);
        }
        document
    }
}
