//! The comparing thread itself. Where a fault of this program ends its work, it goes on counting: mirroring needs nothing of
//! it, no request is lost without a reason, and a document that says so can be had.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::{Registered, Shared, document};
use crate::compare::document::{Document, Word};
use crate::compare::intake::Finished;
use crate::compare::pair::{NotCompared, Pair};
use crate::compare::store::{KeptComparison, StoreHandle, StoreWriter};
use crate::compare::tally::{Facts, Tally};
use crate::mirror::ledger::OutputCounts;

/// How often the thread looks for pairs: a batch instead of a wake-up for each.
const TURN: Duration = Duration::from_millis(20);
/// How often the store is told what the run knows.
const DESCRIBE: Duration = Duration::from_secs(1);
/// What a document says after a fault.
const BROKEN: &str = "A fault of this program ended comparing early (please report what the log says of it): what came after \
                      it counts as compare_internal, and nobody knows what it would have shown.";

/// How pairs are compared and counted: [`Tally::add`], but in tests of what becomes of faults.
pub(super) type Add = fn(&mut Tally, &Pair);

/// One comparison, and what was counted of its requests before its counts began anew.
struct Comparison {
    of: Arc<Registered>,
    tally: Tally,
    before: OutputCounts,
    /// Requests that were handed over since then.
    handed: u64,
    /// Where its pairs are kept, if they are.
    store: Option<StoreHandle>,
}

/// What the thread has.
pub(super) struct Comparing {
    shared: Arc<Shared>,
    comparisons: Vec<Comparison>,
    taken: VecDeque<Finished>,
    /// The place of the comparison whose requests those are.
    at: usize,
    store: Option<Arc<StoreWriter>>,
    /// When the store is told next what the run knows.
    describe: Instant,
    add: Add,
    /// Called first.
    give_way: Option<fn()>,
    faults: u32,
}

impl Comparison {
    fn facts(&self, faulty: bool) -> Facts {
        let facts = self.of.facts.lock();
        let mut facts = facts.unwrap_or_else(PoisonError::into_inner).clone();
        if faulty {
            facts.doubts.push(BROKEN.to_owned());
        }
        facts
    }

    fn uncounted(&mut self, why: NotCompared, requests: u64) {
        self.handed += requests;
        self.tally.uncounted(why, requests);
    }

    /// Compares it, and counts what comes of it.
    fn look_at(&mut self, finished: Finished, add: Add) {
        self.handed += 1;
        match finished {
            Finished::Pair(pair, _charge) => {
                add(&mut self.tally, &pair);
                if let Some(store) = &self.store {
                    store.pair(&pair);
                }
            }
            Finished::Not(unpaired) => {
                self.tally.not_compared(&unpaired);
                if let Some(store) = &self.store {
                    store.unpaired(&unpaired);
                }
            }
        }
    }

    /// Only counts it: a pair as not compared, and `why`.
    fn pass_over(&mut self, finished: &Finished, why: NotCompared) {
        match finished {
            Finished::Pair(..) => self.uncounted(why, 1),
            Finished::Not(unpaired) => self.uncounted(unpaired.why, 1),
        }
    }
}

impl Comparing {
    pub fn new(shared: Arc<Shared>, store: Option<Arc<StoreWriter>>, add: Add, give_way: fn()) -> Self {
        Self {
            shared,
            comparisons: Vec::new(),
            taken: VecDeque::new(),
            at: 0,
            store,
            describe: Instant::now(),
            add,
            give_way: Some(give_way),
            faults: 0,
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
        if let Some(give_way) = self.give_way.take() {
            give_way();
        }
        // Asked first: what was handed over before the end is taken after it.
        let is_last = self.shared.end.get().is_some();
        self.join();
        self.take();
        let live = self.shared.live.clone();
        if live.take_orders().reset {
            let faulty = self.is_faulty();
            for one in &mut self.comparisons {
                one.tally.reset();
                one.handed = 0;
                one.before = one.facts(faulty).counts;
            }
        }
        if is_last || self.describe <= Instant::now() {
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
                "the comparing thread has panicked (please report it, with what is said of it above): nothing is compared any \
                 more, and the verdict will be NOT ENOUGH DATA; mirroring goes on"
            );
        }
        for one in &mut self.comparisons {
            one.of.intake.close();
            one.of.counters.set_word(Word::NotEnoughData);
            if self.faults > 1 {
                one.tally.give_up(one.handed);
            }
            // What it was at, wherever that ended.
            let lost = one.handed.saturating_sub(one.tally.accounted());
            if lost > 0 {
                one.tally.uncounted(NotCompared::Internal, lost);
            }
        }
        for finished in std::mem::take(&mut self.taken) {
            self.comparisons[self.at].pass_over(&finished, NotCompared::Internal);
        }
    }

    /// Takes in comparisons that have begun.
    fn join(&mut self) {
        let state = self.shared.lock();
        for one in &state.comparisons[self.comparisons.len()..] {
            if self.faults > 0 {
                one.intake.close();
            }
            let tally = Tally::new(Arc::clone(&one.settings.judging), one.counters.clone());
            let place = u16::try_from(self.comparisons.len()).unwrap_or(u16::MAX);
            let redaction = one.settings.judging.redaction.as_ref();
            self.comparisons.push(Comparison {
                of: Arc::clone(one),
                tally,
                before: OutputCounts::default(),
                handed: 0,
                store: self.store.as_ref().map(|store| store.handle(place, redaction)),
            });
        }
    }

    /// Compares what is there; when the time to end is over, it is only counted.
    fn take(&mut self) {
        let end = &self.shared.end;
        let is_over = || end.get().is_some_and(|end| *end <= Instant::now());
        let mut passed_over: u64 = 0;
        for (at, one) in self.comparisons.iter_mut().enumerate() {
            self.at = at;
            for (why, requests) in one.of.intake.take(&mut self.taken) {
                one.uncounted(why, requests);
            }
            while let Some(finished) = self.taken.pop_front() {
                if self.faults > 0 {
                    one.pass_over(&finished, NotCompared::Internal);
                } else if is_over() {
                    passed_over += u64::from(matches!(finished, Finished::Pair(..)));
                    one.pass_over(&finished, NotCompared::Shutdown);
                } else {
                    one.look_at(finished, self.add);
                }
            }
        }
        if passed_over > 0 {
            tracing::warn!(
                pairs = passed_over,
                "the time to end is over: pairs that waited to be compared count as compare_shutdown"
            );
        }
    }

    /// Tells the store what the run knows beside the pairs.
    fn describe(&mut self) {
        self.describe = Instant::now() + DESCRIBE;
        let Some(store) = &self.store else { return };
        let faulty = self.is_faulty();
        let known = self.comparisons.iter();
        let known = known.map(|one| KeptComparison::new(&one.facts(faulty), &one.tally));
        store.describe(known.collect());
    }

    fn document(&self) -> Document {
        let faulty = self.is_faulty();
        let comparisons: Vec<_> = self
            .comparisons
            .iter()
            .map(|one| {
                let mut facts = one.facts(faulty);
                facts.counts = facts.counts.since(&one.before);
                let comparison = one.tally.comparison(&facts);
                let (endpoints, differences) = one.tally.sizes();
                let of = &one.of;
                of.counters
                    .set_verdict(comparison.verdict.word, endpoints, differences);
                of.counters
                    .set_waiting(comparison.coverage.waiting, of.intake.budget().used() as u64);
                comparison
            })
            .collect();
        document(comparisons)
    }
}
