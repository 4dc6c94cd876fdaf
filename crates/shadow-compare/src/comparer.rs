//! The thread that compares: it takes what the shards hand over twenty times a second, and counts it.
//!
//! One for a run, with all of its comparisons. It gives way to everything else, as all threads of the agent do; what it does not
//! get to is dropped at [`Intake`] with a reason.

mod comparison;
mod ended;
#[cfg(test)]
mod tests;
mod thread;

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread::Thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use shadow_core::budget::MemoryBudget;
use shadow_core::health::Health;
use shadow_core::time::{ReadSoFar, unix_now};
use shadow_mirror::ledger::OutputCounts;
use tokio::sync::watch;

use self::comparison::Add;
use self::thread::Comparing;
use super::correlation::Correlation;
use super::counters::CompareCounters;
use super::document::{Comparison, Document, SCHEMA, Verdict};
use super::intake::Intake;
use super::live::LiveDocument;
use super::pair::NotCompared;
use super::settings::{CompareSettings, LearningSettings};
use super::store::StoreWriter;
use super::tally::{Facts, Tally};
use super::verdict;

/// How long the thread may take to count what it did not get to, and to make the last document.
const LAST_DOCUMENT: Duration = Duration::from_secs(5);
/// How long the end of a run waits for the store's disk.
const STORE_END: Duration = Duration::from_secs(10);
/// The note of a document that was made without the thread.
const LOST: &str = "The comparison thread did not stop: its results are unknown.";
/// The note of a document that was made while the thread did nothing.
const STUCK: &str = "The comparison thread makes no progress: its results are unknown until it does.";
/// Bytes of pairs where nobody says otherwise.
const DEFAULT_MEMORY: usize = 64 << 20;

/// A handle to it. Clones are the same; the thread starts with the first comparison.
#[derive(Clone, Debug)]
pub struct Comparer {
    shared: Arc<Shared>,
    budget: MemoryBudget,
    store: Option<Arc<StoreWriter>>,
    /// How far capture is read.
    progress: Option<Arc<dyn ReadSoFar>>,
    /// Tells comparisons with the same shadow apart.
    key: String,
    /// Called first by the thread.
    lower_priority: fn(),
    add: Add,
    /// Whether the thread makes progress.
    health: Health,
}

#[derive(Debug)]
struct Shared {
    live: LiveDocument,
    /// Nothing more will be handed over, and by when the thread is to be done with what was.
    end: OnceLock<Instant>,
    /// Whether a fault of this program ended comparing.
    failed: watch::Sender<bool>,
    /// Whether the thread was found to make no progress.
    stuck: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// All that are known.
    comparisons: Vec<Arc<Registered>>,
    /// Those of them that the thread has not seen yet.
    begun: Vec<Arc<Registered>>,
    /// Outputs that learn, and compare nothing.
    learning: Vec<Learning>,
    thread: Option<Running>,
    /// Whether there ever was one.
    is_active: bool,
}

/// An output that learns from answers that nobody compares.
#[derive(Debug)]
struct Learning {
    key: String,
    shadow: String,
    settings: LearningSettings,
    intake: Weak<Intake>,
}

/// The thread, and what it sends when it ends.
#[derive(Debug)]
struct Running {
    thread: Thread,
    last: Receiver<Document>,
}

#[derive(Debug)]
struct Registered {
    key: String,
    shadow: String,
    intake: Arc<Intake>,
    settings: CompareSettings,
    counters: CompareCounters,
    facts: Mutex<Facts>,
    /// Counts of outputs that had it before and have ended.
    settled: Mutex<Settled>,
}

#[derive(Debug, Default)]
struct Settled {
    counts: OutputCounts,
    extra: Vec<(String, OutputCounts)>,
}

impl Registered {
    /// Whether no output has it any more.
    fn is_unheld(&self) -> bool {
        Arc::strong_count(&self.intake) == 1
    }

    /// When its output ended, in milliseconds of Unix time: `now`, where nobody said.
    fn ended_at(&self, now: u64) -> u64 {
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        *facts.ended_ms.get_or_insert(now)
    }

    /// Whether it is of the same output, however that compares.
    fn is_same_output(&self, other: &Self) -> bool {
        self.key == other.key && self.shadow == other.shadow
    }
}

impl State {
    fn forget(&mut self, gone: &Arc<Registered>) {
        self.comparisons.retain(|one| !Arc::ptr_eq(one, gone));
    }
}

impl Default for Comparer {
    fn default() -> Self {
        Self::new(DEFAULT_MEMORY, || ())
    }
}

impl Comparer {
    /// One that holds so many bytes of pairs at most. Its thread calls `lower_priority` first.
    pub fn new(memory: usize, lower_priority: fn()) -> Self {
        let shared = Shared {
            live: LiveDocument::default(),
            end: OnceLock::new(),
            failed: watch::Sender::new(false),
            stuck: AtomicBool::new(false),
            state: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
            budget: MemoryBudget::new(memory),
            store: None,
            progress: None,
            key: String::new(),
            lower_priority,
            add: Tally::add,
            health: Health::default(),
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

    /// The same, of what several threads read: so far.
    #[must_use]
    pub fn of_what_is_read(self, progress: Arc<dyn ReadSoFar>) -> Self {
        Self {
            progress: Some(progress),
            ..self
        }
    }

    /// The documents of a comparison while it runs.
    pub fn live(&self) -> &LiveDocument {
        &self.shared.live
    }

    /// Whether anything is compared, or was.
    pub fn is_active(&self) -> bool {
        self.lock().is_active
    }

    /// The same, for the output that `key` names among all of a run: two with the same shadow have a comparison each, and one
    /// that comes back goes on with its own.
    #[must_use]
    pub fn of(&self, key: &str) -> Self {
        Self {
            key: key.to_owned(),
            ..self.clone()
        }
    }

    /// Begins a comparison with `shadow`, as the ledger names it, or goes on with the one that this output had before. It ends
    /// when the intake is dropped by all who got it.
    ///
    /// # Errors
    ///
    /// Where the thread that compares cannot be started.
    pub fn register(&self, shadow: &str, settings: &CompareSettings) -> anyhow::Result<Arc<Intake>> {
        let mut state = self.lock();
        let same =
            |one: &&Arc<Registered>| one.key == self.key && one.shadow == shadow && one.settings == *settings;
        if let Some(before) = state.comparisons.iter().find(same) {
            let mut facts = before.facts.lock().unwrap_or_else(PoisonError::into_inner);
            facts.ended_ms = None;
            return Ok(Arc::clone(&before.intake));
        }
        let descriptors = settings.judging.rules.descriptors();
        let correlation = settings.correlate.clone().map(|correlate| {
            let correlation = Correlation::new(correlate, self.progress.clone());
            Arc::new(correlation.with_descriptors(descriptors))
        });
        let intake = Intake::new(self.budget.clone())
            .correlating(correlation)
            .keeping(self.store.is_some())
            .with_descriptors(descriptors.cloned())
            .with_route_by(settings.judging.route_by.clone());
        let intake = Arc::new(intake);
        let registered = Arc::new(Registered {
            key: self.key.clone(),
            shadow: shadow.to_owned(),
            intake: Arc::clone(&intake),
            settings: settings.clone(),
            counters: self.shared.live.counters_of(&self.key, shadow),
            facts: Mutex::new(Facts {
                shadow: shadow.to_owned(),
                control: settings.control.clone(),
                ..Facts::default()
            }),
            settled: Mutex::default(),
        });
        if state.thread.is_none() {
            let shared = Arc::clone(&self.shared);
            let heart = self.health.watch("the comparison thread");
            let comparing = Comparing::new(shared, self.store.clone(), self.add, self.lower_priority, heart);
            let (done, last) = sync_channel(1);
            let thread = std::thread::Builder::new()
                .name("compare".to_owned())
                .spawn(move || {
                    // One place, and one document.
                    let _ = done.send(comparing.run());
                })
                .context("cannot start the comparison thread")?;
            let thread = thread.thread().clone();
            state.thread = Some(Running { thread, last });
        }
        state.is_active = true;
        state.comparisons.push(Arc::clone(&registered));
        state.begun.push(registered);
        Ok(intake)
    }

    /// Begins to learn from the answers of `shadow`, as the ledger names it, without comparing them; or goes on with what this output
    /// has learned, where it is still there. It ends when the intake is dropped by all who got it.
    pub fn learn(&self, shadow: &str, settings: &LearningSettings) -> Arc<Intake> {
        let mut state = self.lock();
        state.learning.retain(|one| one.intake.strong_count() > 0);
        let same = |one: &&Learning| one.key == self.key && one.shadow == shadow && one.settings == *settings;
        if let Some(before) = state
            .learning
            .iter()
            .find(same)
            .and_then(|one| one.intake.upgrade())
        {
            return before;
        }
        let correlation = Correlation::new(settings.correlate.clone(), self.progress.clone());
        let intake = Arc::new(Intake::learning(self.budget.clone(), Arc::new(correlation)));
        state.learning.push(Learning {
            key: self.key.clone(),
            shadow: shadow.to_owned(),
            settings: settings.clone(),
            intake: Arc::downgrade(&intake),
        });
        intake
    }

    /// Tells what the run knows of a comparison, by its intake; the counts are those of the outputs that have it.
    pub fn tell(&self, intake: &Arc<Intake>, told: impl FnOnce(&mut Facts)) {
        if let Some(one) = self.registered(intake) {
            let mut facts = one.facts.lock().unwrap_or_else(PoisonError::into_inner);
            let before = facts.extra.clone();
            told(&mut facts);
            let settled = one.settled.lock().unwrap_or_else(PoisonError::into_inner);
            facts.counts.add(&settled.counts);
            add_by_name(&mut facts.extra, &settled.extra);
            one.counters.extra(&before, &facts.extra);
        }
    }

    /// One of the outputs that had it has ended, and counted so much to its end. What is told from now on is that of others.
    pub fn settle(&self, intake: &Arc<Intake>, counts: &OutputCounts, extra: &[(String, OutputCounts)]) {
        if let Some(one) = self.registered(intake) {
            let mut settled = one.settled.lock().unwrap_or_else(PoisonError::into_inner);
            settled.counts.add(counts);
            add_by_name(&mut settled.extra, extra);
        }
    }

    fn registered(&self, intake: &Arc<Intake>) -> Option<Arc<Registered>> {
        let state = self.lock();
        let mut all = state.comparisons.iter();
        all.find(|one| Arc::ptr_eq(&one.intake, intake)).cloned()
    }

    /// Whether a fault of this program ended comparing: nothing is compared any more, and all is counted.
    pub fn has_failed(&self) -> bool {
        *self.shared.failed.borrow()
    }

    /// Resolves when such a fault has ended comparing; never, where none does.
    pub async fn failed(&self) {
        // It fails when the sender is gone, which this holds.
        let _ = self.shared.failed.subscribe().wait_for(|failed| *failed).await;
    }

    /// Whether the thread makes progress, where that has changed since this was asked before: an error says since when it does not.
    /// Until it does again, nothing that is shown says GO.
    pub fn progress(&self) -> Option<Result<(), String>> {
        let complaint = self.health.complaints().pop();
        let is_stuck = complaint.is_some();
        if self.shared.stuck.swap(is_stuck, Relaxed) == is_stuck {
            return None;
        }
        let Some(complaint) = complaint else {
            return Some(Ok(()));
        };
        for one in &self.lock().comparisons {
            one.counters.set_word(Verdict::NotEnoughData);
        }
        self.live().publish(self.without_thread(STUCK));
        Some(Err(complaint))
    }

    /// Ends it, once nothing is handed over any more: what everything came to, and whether the thread did its work to the end.
    /// It may compare for `limit` what still waits, and counts the rest. Where no comparison ever began there was not enough
    /// to say anything.
    pub fn finish(&self, limit: Duration) -> (Document, anyhow::Result<()>) {
        let _ = self.shared.end.set(Instant::now() + limit);
        let Some(Running { thread, last }) = self.lock().thread.take() else {
            return (document(Vec::new()), Ok(()));
        };
        thread.unpark();
        let Ok(document) = last.recv_timeout(limit + LAST_DOCUMENT) else {
            // It is stuck, or has panicked in whatever was left for it to do.
            let document = self.without_thread(LOST);
            self.live().end(document.clone());
            let error =
                anyhow!("the comparison thread does not stop: please report this bug; there is no verdict");
            return (document, Err(error));
        };
        if let Some(store) = &self.store
            && !store.end(STORE_END)
        {
            tracing::warn!("--compare-store: the disk is too slow, the last pairs were not written");
        }
        let ended = if self.has_failed() {
            Err(anyhow!(
                "the comparison thread panicked: please report this bug; the verdict does not include later pairs"
            ))
        } else {
            Ok(())
        };
        (document, ended)
    }

    /// Says what can be said without the thread, for this reason: that nothing is known of any request.
    fn without_thread(&self, why: &str) -> Document {
        let state = self.lock();
        let was_asked = |one: &&Arc<Registered>| !one.is_unheld() || one.intake.opened() > 0;
        let comparisons = state.comparisons.iter().filter(was_asked).map(|one| {
            let mut tally = Tally::new(Arc::clone(&one.settings.judging), one.counters.clone());
            let mut facts = one.facts.lock().unwrap_or_else(PoisonError::into_inner).clone();
            facts.doubts.push(why.to_owned());
            let all = tally.comparison(&facts).coverage.waiting;
            tally.count_unattributed(NotCompared::Internal, all);
            tally.comparison(&facts)
        });
        document(comparisons.collect())
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

/// Adds counts to those of the same name.
pub fn add_by_name(counts: &mut Vec<(String, OutputCounts)>, more: &[(String, OutputCounts)]) {
    for (name, more) in more {
        match counts.iter_mut().find(|(known, _)| known == name) {
            Some((_, counts)) => counts.add(more),
            None => counts.push((name.clone(), more.clone())),
        }
    }
}

/// Puts together what these comparisons come to, now.
pub fn document(comparisons: Vec<Comparison>) -> Document {
    Document {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        made_at_ms: unix_now() / 1_000_000,
        verdict: verdict::worst(comparisons.iter().map(|comparison| comparison.verdict.word)),
        comparisons,
        notes: Vec::new(),
    }
}
