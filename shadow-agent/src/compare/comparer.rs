//! The thread that compares: it takes what the shards hand over every few milliseconds, and counts it.
//!
//! One for a run, with all of its comparisons. It gives way to everything else, as all threads of the agent do; what it does not
//! get to is dropped at [`Intake`] with a reason.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};

use super::counters::CompareCounters;
use super::document::{Comparison as ComparisonDocument, Document, SCHEMA};
use super::intake::{Finished, Intake};
use super::live::LiveDocument;
use super::store::{KeptComparison, StoreHandle, StoreWriter};
use super::tally::{Facts, Tally};
use super::verdict;
use crate::budget::MemoryBudget;
use crate::mirror::ledger::OutputCounts;
use crate::settings::CompareSettings;
use crate::time::unix_now;

/// How often the thread looks for pairs: a batch instead of a wake-up for each.
const TURN: Duration = Duration::from_millis(20);
/// How often the store is told what the run knows.
const DESCRIBE: Duration = Duration::from_secs(1);
/// How long the end of a run waits for the store's disk.
const STORE_END: Duration = Duration::from_secs(10);
/// Bytes of pairs where nobody says otherwise.
const DEFAULT_MEMORY: usize = 64 << 20;

/// A handle to it. Clones are the same; the thread starts with the first comparison.
#[derive(Clone, Debug)]
pub struct Comparer {
    shared: Arc<Shared>,
    budget: MemoryBudget,
    store: Option<Arc<StoreWriter>>,
    /// Called first by the thread.
    give_way: fn(),
}

#[derive(Debug, Default)]
struct Shared {
    live: LiveDocument,
    ended: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    comparisons: Vec<Arc<Registered>>,
    thread: Option<JoinHandle<Document>>,
}

#[derive(Debug)]
struct Registered {
    intake: Arc<Intake>,
    settings: CompareSettings,
    counters: CompareCounters,
    facts: Mutex<Facts>,
}

impl Default for Comparer {
    fn default() -> Self {
        Self::new(DEFAULT_MEMORY, || ())
    }
}

impl Comparer {
    /// One that holds so many bytes of pairs at most. Its thread calls `give_way` first.
    pub fn new(memory: usize, give_way: fn()) -> Self {
        Self {
            shared: Arc::default(),
            budget: MemoryBudget::new(memory),
            store: None,
            give_way,
        }
    }

    /// The same, but everything that is compared is kept in `store`.
    #[must_use]
    pub fn keeping(self, store: StoreWriter) -> Self {
        Self {
            store: Some(Arc::new(store)),
            ..self
        }
    }

    /// What it comes to while it runs.
    pub fn live(&self) -> &LiveDocument {
        &self.shared.live
    }

    /// Whether anything is compared.
    pub fn is_active(&self) -> bool {
        !self.lock().comparisons.is_empty()
    }

    /// Begins a comparison with `shadow`, as the ledger names it.
    pub fn register(&self, shadow: &str, settings: &CompareSettings) -> anyhow::Result<Arc<Intake>> {
        let intake = Arc::new(Intake::new(self.budget.clone()));
        let registered = Registered {
            intake: Arc::clone(&intake),
            settings: settings.clone(),
            counters: self.shared.live.counters_of(shadow),
            facts: Mutex::new(Facts {
                shadow: shadow.to_owned(),
                control: settings.control.as_ref().map(|control| control.name.clone()),
                ..Facts::default()
            }),
        };
        let mut state = self.lock();
        state.comparisons.push(Arc::new(registered));
        if state.thread.is_none() {
            let (shared, give_way) = (Arc::clone(&self.shared), self.give_way);
            let store = self.store.clone();
            let thread = std::thread::Builder::new()
                .name("compare".to_owned())
                .spawn(move || {
                    give_way();
                    Comparing::new(shared, store).run()
                })
                .context("cannot start the comparing thread")?;
            state.thread = Some(thread);
        }
        Ok(intake)
    }

    /// Tells what the run knows of a comparison, by its intake.
    pub fn tell(&self, intake: &Arc<Intake>, told: impl FnOnce(&mut Facts)) {
        let state = self.lock();
        let mut comparisons = state.comparisons.iter();
        if let Some(one) = comparisons.find(|one| Arc::ptr_eq(&one.intake, intake)) {
            told(&mut one.facts.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Ends it, once nothing is handed over any more: what everything came to. Where no comparison ever began there was not
    /// enough to say anything.
    pub fn finish(&self) -> anyhow::Result<Document> {
        self.shared.ended.store(true, Relaxed);
        let Some(thread) = self.lock().thread.take() else {
            return Ok(document(Vec::new()));
        };
        thread.thread().unpark();
        let document = thread
            .join()
            .map_err(|_| anyhow!("the comparing thread panicked: please report it"))?;
        if let Some(store) = &self.store
            && !store.end(STORE_END)
        {
            tracing::warn!("--compare-store: its disk is too slow, and the last pairs are not written");
        }
        Ok(document)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One comparison, and what was counted of its requests before its counts began anew.
struct Comparison {
    of: Arc<Registered>,
    tally: Tally,
    before: OutputCounts,
    /// Where its pairs are kept, if they are.
    store: Option<StoreHandle>,
}

/// What the thread has.
struct Comparing {
    shared: Arc<Shared>,
    comparisons: Vec<Comparison>,
    taken: VecDeque<Finished>,
    store: Option<Arc<StoreWriter>>,
    /// When the store is told next what the run knows.
    describe: Instant,
}

impl Comparison {
    fn facts(&self) -> Facts {
        self.of
            .facts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Comparing {
    fn new(shared: Arc<Shared>, store: Option<Arc<StoreWriter>>) -> Self {
        Self {
            shared,
            comparisons: Vec::new(),
            taken: VecDeque::new(),
            store,
            describe: Instant::now(),
        }
    }

    fn run(mut self) -> Document {
        loop {
            // Asked first: what was handed over before the end is taken after it.
            let ended = self.shared.ended.load(Relaxed);
            self.join();
            self.take();
            let live = self.shared.live.clone();
            if live.take_orders().reset {
                for one in &mut self.comparisons {
                    one.tally.reset();
                    one.before = one.facts().counts;
                }
            }
            if ended || self.describe <= Instant::now() {
                self.describe();
            }
            if ended {
                let document = self.document();
                live.end(document.clone());
                return document;
            }
            if live.is_wanted() {
                live.publish(self.document());
            }
            std::thread::park_timeout(TURN);
        }
    }

    /// Takes in comparisons that have begun.
    fn join(&mut self) {
        let state = self.shared.lock();
        for one in &state.comparisons[self.comparisons.len()..] {
            let tally = Tally::new(Arc::clone(&one.settings.judging), one.counters.clone());
            let place = u16::try_from(self.comparisons.len()).unwrap_or(u16::MAX);
            let redaction = one.settings.judging.redaction.as_ref();
            self.comparisons.push(Comparison {
                of: Arc::clone(one),
                tally,
                store: self.store.as_ref().map(|store| store.handle(place, redaction)),
                before: OutputCounts::default(),
            });
        }
    }

    /// Compares what is there.
    fn take(&mut self) {
        for Comparison { of, tally, store, .. } in &mut self.comparisons {
            for (why, requests) in of.intake.take(&mut self.taken) {
                tally.uncounted(why, requests);
            }
            for finished in self.taken.drain(..) {
                match finished {
                    Finished::Pair(pair, _charge) => {
                        tally.add(&pair);
                        if let Some(store) = store {
                            store.pair(&pair);
                        }
                    }
                    Finished::Not(unpaired) => {
                        tally.not_compared(&unpaired);
                        if let Some(store) = store {
                            store.unpaired(&unpaired);
                        }
                    }
                }
            }
        }
    }

    /// Tells the store what the run knows beside the pairs.
    fn describe(&mut self) {
        self.describe = Instant::now() + DESCRIBE;
        let Some(store) = &self.store else { return };
        let known = self.comparisons.iter();
        let known = known.map(|one| KeptComparison::new(&one.facts(), &one.tally));
        store.describe(known.collect());
    }

    fn document(&self) -> Document {
        let comparisons: Vec<_> = self
            .comparisons
            .iter()
            .map(|one| {
                let mut facts = one.facts();
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

/// What these comparisons come to, now.
pub fn document(comparisons: Vec<ComparisonDocument>) -> Document {
    Document {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        made_at_ms: unix_now() / 1_000_000,
        verdict: verdict::worst(comparisons.iter().map(|comparison| comparison.verdict.word)),
        comparisons,
    }
}
