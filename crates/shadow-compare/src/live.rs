//! A comparison while it runs: the one place that the comparing thread writes, and that the HTTP port and the
//! terminal read.
//!
//! A [`Document`] costs something to make, so one is made only while somebody looks. The comparing thread, between two
//! batches of pairs and about ten times a second where there are none:
//!
//! ```text
//! if live.take_orders().reset {
//!     tally.reset();                        // the document's counts begin anew; CompareCounters never go back
//! }
//! if live.is_wanted() {
//!     live.publish(tally.document());       // at most one a second, whatever the number of readers
//! }
//! // ...and once, after the last pair:
//! live.end(tally.document());
//! ```
//!
//! [`CompareCounters`] are apart from that: they are counted as pairs are, whether anybody looks or not, and never fall.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::watch;

use super::counters::CompareCounters;
use super::document::Document;

/// Least time between two documents.
pub const EVERY: Duration = Duration::from_secs(1);

/// For so long after a single question documents go on being made: who asks again within it has an answer at once.
const INTEREST: Duration = Duration::from_secs(3);

/// The handle. Clones are the same one; it is made once for a run, where an output has `--compare`.
#[derive(Clone, Debug)]
pub struct LiveDocument {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// The moment that the times below count from.
    epoch: Instant,
    slot: watch::Sender<Option<Arc<Published>>>,
    /// Who looks on and on: [`Watcher`]s.
    watchers: AtomicUsize,
    /// Until when a single question counts as interest, in milliseconds since the epoch.
    interest: AtomicU64,
    /// When a document is due next, likewise.
    due: AtomicU64,
    /// Whether the counts are to begin anew.
    reset: watch::Sender<bool>,
    counters: Mutex<Vec<Labelled>>,
}

/// The counters of one output's comparison.
#[derive(Debug)]
struct Labelled {
    key: String,
    shadow: String,
    /// The `n`-th at a time with this shadow.
    nth: usize,
    counters: CompareCounters,
}

impl Labelled {
    /// As metrics name it: the second of two with the same shadow is `http://a:80 #2`, as in the ledger's metrics.
    fn label(&self) -> String {
        match self.nth {
            1 => self.shadow.clone(),
            nth => format!("{} #{nth}", self.shadow),
        }
    }
}

/// A document that was published.
#[derive(Debug)]
pub struct Published {
    /// The document.
    pub document: Document,
    /// 1 for the first of the run, and so on.
    pub number: u64,
    /// Whether it is the last: the run has ended.
    pub last: bool,
    json: OnceLock<Bytes>,
}

/// Orders of readers to the comparing thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Orders {
    /// Begin the document's counts anew.
    pub reset: bool,
}

impl Default for LiveDocument {
    fn default() -> Self {
        Self {
            shared: Arc::new(Shared {
                epoch: Instant::now(),
                slot: watch::Sender::new(None),
                watchers: AtomicUsize::new(0),
                interest: AtomicU64::new(0),
                due: AtomicU64::new(0),
                reset: watch::Sender::new(false),
                counters: Mutex::default(),
            }),
        }
    }
}

/// The comparing thread's side.
impl LiveDocument {
    /// The counters of one output's comparison, for whoever counts; they are shown in the order in which they were asked
    /// for first. `key` tells it from others with the same shadow, which is named as the ledger has it.
    pub fn counters_of(&self, key: &str, shadow: &str) -> CompareCounters {
        let mut all = self.lock_counters();
        if let Some(known) = all.iter().find(|one| one.key == key && one.shadow == shadow) {
            return known.counters.clone();
        }
        let same = all.iter().filter(|one| one.shadow == shadow);
        let taken: BTreeSet<usize> = same.map(|one| one.nth).collect();
        let nth = (1..=taken.len()).find(|nth| !taken.contains(nth));
        let nth = nth.unwrap_or(taken.len() + 1);
        let counters = CompareCounters::default();
        all.push(Labelled {
            key: key.to_owned(),
            shadow: shadow.to_owned(),
            nth,
            counters: counters.clone(),
        });
        counters
    }

    /// Forgets the counters of a comparison that is not known any more.
    pub fn forget(&self, key: &str, shadow: &str) {
        let mut all = self.lock_counters();
        all.retain(|one| one.key != key || one.shadow != shadow);
    }

    fn lock_counters(&self) -> MutexGuard<'_, Vec<Labelled>> {
        let counters = self.shared.counters.lock();
        counters.unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what readers asked for since the last time; each order is handed over once.
    pub fn take_orders(&self) -> Orders {
        let reset = self.shared.reset.send_if_modified(std::mem::take);
        if reset {
            // Whoever asked for it wants to see it.
            self.shared.due.store(0, Relaxed);
        }
        Orders { reset }
    }

    /// Whether somebody looks, and what there is to see is a second old. Two loads: it may be asked as often as is handy.
    pub fn is_wanted(&self) -> bool {
        let now = self.now();
        self.shared.due.load(Relaxed) <= now
            && (self.shared.watchers.load(Relaxed) > 0 || self.shared.interest.load(Relaxed) > now)
    }

    /// Shows this one from now on.
    pub fn publish(&self, document: Document) {
        self.put(document, false);
    }

    /// Shows the last one of the run.
    pub fn end(&self, document: Document) {
        self.put(document, true);
    }

    fn put(&self, document: Document, last: bool) {
        let millis = u64::try_from(EVERY.as_millis()).unwrap_or(u64::MAX);
        self.shared.due.store(self.now() + millis, Relaxed);
        self.shared.slot.send_modify(|slot| {
            let number = slot.as_ref().map_or(0, |before| before.number) + 1;
            *slot = Some(Arc::new(Published {
                document,
                number,
                last,
                json: OnceLock::new(),
            }));
        });
    }

    /// Milliseconds since the epoch.
    fn now(&self) -> u64 {
        u64::try_from(self.shared.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// The readers' side.
impl LiveDocument {
    /// Looks on and on: documents are made about once a second until the watcher is dropped.
    pub fn watch(&self) -> Watcher {
        self.shared.watchers.fetch_add(1, Relaxed);
        Watcher {
            live: self.clone(),
            slot: self.shared.slot.subscribe(),
        }
    }

    /// Looks by the way: documents are made for some seconds, and what goes with them (the word, in the counters) is fresh when
    /// somebody looks again.
    pub fn glance(&self) {
        let interest = u64::try_from(INTEREST.as_millis()).unwrap_or(u64::MAX);
        self.shared.interest.store(self.now() + interest, Relaxed);
    }

    /// Looks once: a document that is about a second old at most, or the last one before where none is made in time;
    /// `None` where there has never been one.
    pub async fn look(&self, patience: Duration) -> Option<Arc<Published>> {
        self.glance();
        let mut slot = self.shared.slot.subscribe();
        let stale = self.shared.due.load(Relaxed) <= self.now();
        let newest = slot.borrow_and_update().clone();
        match newest {
            Some(newest) if newest.last || !stale => Some(newest),
            older => match tokio::time::timeout(patience, slot.changed()).await {
                Ok(Ok(())) => slot.borrow().clone(),
                _ => older,
            },
        }
    }

    /// Asks for the document's counts to begin anew. Counters do not.
    pub fn reset(&self) {
        self.shared.reset.send_replace(true);
    }

    /// Resolves once no order waits to be taken.
    pub async fn obeyed(&self) {
        // It fails when the sender is gone, which this is.
        let _ = self.shared.reset.subscribe().wait_for(|waiting| !waiting).await;
    }

    /// The counters of each comparison, by the name that metrics give it: the shadow's, where it is the only one of that.
    pub fn counters(&self) -> Vec<(String, CompareCounters)> {
        let all = self.lock_counters();
        all.iter()
            .map(|one| (one.label(), one.counters.clone()))
            .collect()
    }
}

impl Published {
    /// The document's JSON on one line, made once for all readers, by the first of them: call it where that may take a while.
    pub fn json(&self) -> Bytes {
        let make = || serde_json::to_vec(&self.document).map_or_else(|_| Bytes::new(), Bytes::from);
        self.json.get_or_init(make).clone()
    }
}

/// Somebody who looks on and on.
#[derive(Debug)]
pub struct Watcher {
    live: LiveDocument,
    slot: watch::Receiver<Option<Arc<Published>>>,
}

impl Watcher {
    /// The newest document, if it was not seen yet.
    pub fn newest(&mut self) -> Option<Arc<Published>> {
        self.slot.borrow_and_update().clone()
    }

    /// The next one that is published: those in between are skipped by who looks away. May be dropped and called again.
    pub async fn next(&mut self) -> Arc<Published> {
        loop {
            if self.slot.changed().await.is_err() {
                // The sender is held by this watcher's own handle.
                std::future::pending::<()>().await;
            }
            if let Some(newest) = self.newest() {
                return newest;
            }
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.live.shared.watchers.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::document;

    #[test]
    fn nobody_pays_for_a_document_that_nobody_reads() {
        let live = LiveDocument::default();
        assert!(!live.is_wanted());
        let mut watcher = live.watch();
        assert!(live.is_wanted());
        live.publish(document());
        assert!(!live.is_wanted(), "within the same second");
        assert_eq!(watcher.newest().unwrap().number, 1);
        drop(watcher);
        live.shared.due.store(0, Relaxed);
        assert!(!live.is_wanted());
    }

    #[tokio::test(start_paused = true)]
    async fn a_single_look_prefers_a_fresh_document_over_an_old_one() {
        let live = LiveDocument::default();
        assert!(live.look(Duration::from_secs(1)).await.is_none());
        assert!(live.is_wanted());
        let looking = tokio::spawn({
            let live = live.clone();
            async move { live.look(Duration::from_secs(1)).await.unwrap().number }
        });
        tokio::task::yield_now().await;
        live.publish(document());
        assert_eq!(looking.await.unwrap(), 1);
        live.shared.due.store(0, Relaxed);
        assert_eq!(live.look(Duration::from_secs(1)).await.unwrap().number, 1);
    }

    #[tokio::test]
    async fn who_looks_away_skips_documents() {
        let live = LiveDocument::default();
        let mut watcher = live.watch();
        live.publish(document());
        live.publish(document());
        live.end(document());
        let next = watcher.next().await;
        assert_eq!((next.number, next.last), (3, true));
    }

    #[tokio::test]
    async fn an_order_is_taken_once() {
        let live = LiveDocument::default();
        live.obeyed().await;
        assert_eq!(live.take_orders(), Orders { reset: false });
        live.reset();
        live.reset();
        assert_eq!(live.take_orders(), Orders { reset: true });
        live.obeyed().await;
        assert_eq!(live.take_orders(), Orders { reset: false });
    }

    #[test]
    fn counters_tell_two_comparisons_of_one_shadow_apart() {
        let live = LiveDocument::default();
        let names = || -> Vec<_> { live.counters().into_iter().map(|(name, _)| name).collect() };
        live.counters_of("web", "b").set_waiting(1, 2);
        live.counters_of("web", "a");
        live.counters_of("api", "a").set_waiting(3, 4);
        live.counters_of("web", "b");
        assert_eq!(names(), ["b", "a", "a #2"]);
        live.forget("web", "a");
        assert_eq!(names(), ["b", "a #2"], "a name stays what it was");
        assert_eq!(live.counters_of("api", "a").counts().waiting, 3);
        live.counters_of("other", "a");
        assert_eq!(names(), ["b", "a #2", "a"]);
    }
}
