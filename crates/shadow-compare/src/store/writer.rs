//! Writes a run's directory: what was compared goes into a bounded queue, and a thread of its own redacts, compresses and
//! writes it. Whoever compares never waits; what the queue has no room for is counted.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use shadow_mirror::rules::Redaction;
use shadow_record::recording::Compression;

use super::directory::Directory;
use super::record::{Kept, KeptPair, MAX_RECORD, write};
use super::redacted::{Hidden, is_alike, start_lines};
use super::run::{Counts, FORMAT, KeptComparison, Run, SCHEMA};
use super::segments::Segments;
use crate::{Answer, GrpcDescriptors, MappedPlaces, Pair, Secrets, Selected, Unpaired};

/// Bytes of records that are compressed and written at once.
const MEMBER: usize = 256 * 1024;
/// How long records wait for others to be written with.
const FLUSH: Duration = Duration::from_secs(1);
/// Time between two writings of the run's own file.
const RUN: Duration = Duration::from_secs(10);
/// Bytes that a record takes in the queue besides those of its messages.
const OVERHEAD: usize = 512;

/// Settings of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreSettings {
    /// Where it is: a directory that is not there, or is empty.
    pub directory: PathBuf,
    /// Most bytes of pairs in it.
    pub max_bytes: u64,
    /// Bytes of pairs that may wait to be written.
    pub queue_bytes: usize,
}

/// Where a run's store will be: a directory of its own.
#[derive(Debug)]
pub struct StorePlace(Writing);

/// The store of a run. Dropping it writes what waits.
#[derive(Debug)]
pub struct StoreWriter {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// The way into the store for one comparison. Clones are the same.
#[derive(Clone, Debug)]
pub struct StoreHandle {
    shared: Arc<Shared>,
    of: u16,
    hidden: Option<Arc<Hidden>>,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    more: Condvar,
    max_bytes: usize,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Item>,
    bytes: usize,
    counts: Counts,
    comparisons: Vec<KeptComparison>,
    redacted_headers: Vec<String>,
    /// Whether these are more or fewer comparisons than were written.
    has_others: bool,
    /// Whether the thread sleeps, and must be told.
    sleeping: bool,
    /// The last document is there, and nothing more will come.
    ended: bool,
}

#[derive(Debug)]
enum Item {
    Pair {
        of: u16,
        hidden: Option<Arc<Hidden>>,
        pair: Box<Pair>,
        mapped: MappedPlaces,
        selected: Option<Selected>,
        whole: bool,
    },
    Unpaired {
        of: u16,
        hidden: Option<Arc<Hidden>>,
        unpaired: Unpaired,
    },
}

/// Bytes of all messages of a pair.
fn bytes(pair: &Pair) -> usize {
    let of = |answer: &Answer| answer.head.len() + answer.body.len();
    pair.request_head.len()
        + pair.request_body.len()
        + of(&pair.production)
        + of(&pair.shadow)
        + pair.control.as_ref().map_or(0, of)
        + pair.repeat.as_ref().map_or(0, of)
}

impl Item {
    fn bytes(&self) -> usize {
        OVERHEAD
            + match self {
                Self::Pair { pair, .. } => bytes(pair),
                Self::Unpaired { unpaired, .. } => unpaired.request_line.len(),
            }
    }
}

impl StorePlace {
    /// Makes the directory. Call it while the process still has its capabilities.
    ///
    /// # Errors
    ///
    /// Where the directory cannot be made or written to, or has something else in it.
    pub fn create(settings: &StoreSettings) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            more: Condvar::new(),
            max_bytes: settings.queue_bytes,
        });
        let directory = Directory::create(&settings.directory, &shared.run(false))
            .with_context(|| format!("--compare-store '{}'", settings.directory.display()))?;
        Ok(Self(Writing {
            shared,
            segments: Segments::new(directory.clone(), settings.max_bytes),
            directory,
            records: Vec::new(),
            count: 0,
            flush: None,
            next_run: Instant::now() + RUN,
            failing: false,
        }))
    }
}

impl StoreWriter {
    /// Starts the thread, which may do what this one may: call it when the capabilities are given up.
    ///
    /// # Errors
    ///
    /// Where the directory cannot be written without the capabilities, or the thread cannot be started.
    pub fn start(place: StorePlace) -> anyhow::Result<Self> {
        let StorePlace(writing) = place;
        let shared = writing.shared.clone();
        writing.directory.write_run(&shared.run(false)).context(
            "--compare-store: the directory belongs to another user; name one that does not exist yet",
        )?;
        let thread = thread::Builder::new()
            .name("compare-store".to_owned())
            .spawn(move || writing.run())
            .context("--compare-store: cannot start a thread")?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// The way in for the comparison at place `of` of the run. `redaction` says what is hidden, by hashes with its key; and
    /// `secrets`, whether that is also what says by its name that it is secret.
    pub fn handle(&self, of: u16, redaction: Option<&Redaction>, secrets: Secrets) -> StoreHandle {
        if let Some(redaction) = redaction {
            let mut queue = self.shared.lock();
            let names = redaction.headers().map(str::to_ascii_lowercase);
            queue.redacted_headers.extend(names);
            queue.redacted_headers.sort();
            queue.redacted_headers.dedup();
        }
        StoreHandle {
            shared: self.shared.clone(),
            of,
            hidden: redaction.map(|redaction| Arc::new(Hidden::new(redaction, secrets))),
        }
    }

    /// Takes what the run knows of its comparisons at this moment. It is written within some seconds; at once where
    /// there are others than before, so that of a run that is broken off it is known what it compared.
    pub fn describe(&self, comparisons: Vec<KeptComparison>) {
        let mut queue = self.shared.lock();
        queue.has_others |= comparisons.len() != queue.comparisons.len();
        queue.comparisons = comparisons;
        if queue.has_others && std::mem::take(&mut queue.sleeping) {
            self.shared.more.notify_one();
        }
    }

    /// So many could not be kept, for this reason.
    pub fn lose(&self, why: &str, count: u64) {
        if count > 0 {
            self.shared.lock().lose(why, count);
        }
    }

    /// Counts of pairs so far.
    pub fn counts(&self) -> Counts {
        self.shared.lock().counts.clone()
    }

    /// Nothing more will come: what waits is written, and then the run's last word. `false` when a disk kept that from
    /// being done within `limit`.
    pub fn end(&self, limit: Duration) -> bool {
        self.shared.end();
        let deadline = Instant::now() + limit;
        while !self.is_done() {
            if Instant::now() > deadline {
                return false;
            }
            thread::sleep(Duration::from_millis(5));
        }
        true
    }

    fn is_done(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for StoreWriter {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.shared.end();
            let _ = thread.join();
        }
    }
}

impl StoreHandle {
    /// The same, with the names of fields in messages of gRPC, by which these are hidden.
    #[must_use]
    pub fn with_descriptors(mut self, descriptors: Option<&GrpcDescriptors>) -> Self {
        self.hidden = self.hidden.map(|hidden| {
            let hidden = Arc::unwrap_or_clone(hidden);
            Arc::new(hidden.with_descriptors(descriptors.cloned()))
        });
        self
    }

    /// Keeps a pair. Less is kept of one whose answers are alike.
    pub fn pair(&self, pair: &Pair, mapped: MappedPlaces, selected: Option<Selected>) {
        let whole = !is_alike(pair);
        let pair = if whole { pair.clone() } else { start_lines(pair) };
        self.shared.put(Item::Pair {
            of: self.of,
            hidden: self.hidden.clone(),
            pair: Box::new(pair),
            mapped,
            selected,
            whole,
        });
    }

    /// Keeps a request that was not compared.
    pub fn unpaired(&self, unpaired: &Unpaired) {
        self.shared.put(Item::Unpaired {
            of: self.of,
            hidden: self.hidden.clone(),
            unpaired: unpaired.clone(),
        });
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, item: Item) {
        let bytes = item.bytes();
        let mut queue = self.lock();
        let after = queue.bytes.saturating_add(bytes);
        if after > self.max_bytes {
            queue.lose("store_queue_full", 1);
            return;
        }
        queue.bytes = after;
        queue.waiting.push_back(item);
        // Woken for the first one alone: the others are taken with it.
        if std::mem::take(&mut queue.sleeping) {
            self.more.notify_one();
        }
    }

    fn end(&self) {
        self.lock().ended = true;
        self.more.notify_one();
    }

    fn run(&self, ended: bool) -> Run {
        let queue = self.lock();
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Run {
            format: FORMAT.to_owned(),
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            written_at_ms: u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(u64::MAX),
            ended,
            redacted_headers: queue.redacted_headers.clone(),
            counts: queue.counts.clone(),
            comparisons: queue.comparisons.clone(),
        }
    }
}

impl Queue {
    fn lose(&mut self, why: &str, count: u64) {
        *self.counts.lost.entry(why.to_owned()).or_default() += count;
    }
}

/// Redacts an item: what is kept of it, or the reason why nothing is; and how many bodies in it are hidden as a whole.
fn redacted(item: Item) -> (Result<Kept, &'static str>, u64) {
    let (of, hidden, pair, mapped, selected, whole) = match item {
        Item::Unpaired {
            of,
            hidden,
            mut unpaired,
        } => {
            if let Some(line) = hidden.and_then(|hidden| hidden.request_line(&unpaired.request_line)) {
                unpaired.request_line = line.into();
            }
            return (Ok(Kept::Unpaired { of, unpaired }), 0);
        }
        Item::Pair {
            of,
            hidden,
            pair,
            mapped,
            selected,
            whole,
        } => (of, hidden, pair, mapped, selected, whole),
    };
    if bytes(&pair) > MAX_RECORD {
        return (Err("too_large"), 0);
    }
    let (pair, bodies_as_a_whole) = match hidden.map(|hidden| hidden.redacted(&pair)) {
        None => (*pair, 0),
        Some(Ok(redacted)) => (redacted.pair, redacted.bodies_as_a_whole),
        Some(Err(_)) => return (Err("unredactable"), 0),
    };
    // Hashes may be longer than what they stand for.
    if bytes(&pair) > MAX_RECORD {
        return (Err("too_large"), 0);
    }
    let kept = Kept::Pair(Box::new(KeptPair {
        of,
        whole,
        pair,
        mapped,
        selected,
    }));
    (Ok(kept), bodies_as_a_whole)
}

/// The thread.
#[derive(Debug)]
struct Writing {
    shared: Arc<Shared>,
    directory: Directory,
    segments: Segments,
    /// Records to be written, and how many.
    records: Vec<u8>,
    count: u64,
    /// When they are, at the latest.
    flush: Option<Instant>,
    next_run: Instant,
    /// Whether the last write failed: it is said once.
    failing: bool,
}

impl Writing {
    /// Ends when nothing more will come, and all is written.
    fn run(mut self) {
        loop {
            let (items, ended) = self.take();
            for item in items {
                self.add(item);
            }
            let now = Instant::now();
            if ended || self.flush.is_some_and(|flush| flush <= now) {
                self.write();
            }
            if ended {
                self.write_run(true);
                return;
            }
            if self.next_run <= now || std::mem::take(&mut self.shared.lock().has_others) {
                self.write_run(false);
            }
        }
    }

    /// Takes what waits, once there is something to do; and whether it is the last.
    fn take(&self) -> (VecDeque<Item>, bool) {
        let mut queue = self.shared.lock();
        while queue.waiting.is_empty() && !queue.ended && !queue.has_others {
            let due = self.flush.map_or(self.next_run, |flush| flush.min(self.next_run));
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            queue.sleeping = true;
            let waited = self.shared.more.wait_timeout(queue, left);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        queue.sleeping = false;
        (std::mem::take(&mut queue.waiting), queue.ended)
    }

    fn add(&mut self, item: Item) {
        let bytes = item.bytes();
        let (kept, bodies_as_a_whole) = redacted(item);
        let mut queue = self.shared.lock();
        queue.bytes -= bytes;
        let kept = match kept {
            Ok(kept) => kept,
            Err(why) => return queue.lose(why, 1),
        };
        queue.counts.bodies_as_a_whole += bodies_as_a_whole;
        drop(queue);
        write(&kept, &mut self.records);
        self.count += 1;
        self.flush.get_or_insert_with(|| Instant::now() + FLUSH);
        if self.records.len() >= MEMBER {
            self.write();
        }
    }

    fn write(&mut self) {
        let (records, count) = (std::mem::take(&mut self.records), std::mem::take(&mut self.count));
        self.flush = None;
        if count == 0 {
            return;
        }
        let member = Compression::Gzip.encode(records);
        let length = member.len() as u64;
        if !self.segments.could_hold(length) {
            return self.shared.lock().lose("too_large", count);
        }
        let gone = self.segments.make_room(length);
        if gone > 0 {
            // First it is said, and then done: a run that is broken off here has more than it says, and not less.
            self.shared.lock().counts.gone += gone;
            self.write_run(false);
            let removed = self.segments.remove(length);
            if removed.is_err() {
                // They are still there, and count when they go.
                self.shared.lock().counts.gone -= self.segments.make_room(length);
            }
            self.say(removed);
        }
        let written = self.segments.append(&member, count);
        {
            let mut queue = self.shared.lock();
            match &written {
                Ok(()) => queue.counts.written += count,
                Err(_) => queue.lose("write_error", count),
            }
            queue.counts.bytes = self.segments.bytes();
        }
        self.say(written);
    }

    fn write_run(&mut self, ended: bool) {
        self.next_run = Instant::now() + RUN;
        let written = self.directory.write_run(&self.shared.run(ended));
        self.say(written);
    }

    /// Says that something failed, once until it works again.
    fn say(&mut self, done: std::io::Result<()>) {
        match done {
            Ok(()) => self.failing = false,
            Err(error) if !self.failing => {
                self.failing = true;
                tracing::warn!("--compare-store: cannot write, pairs are lost: {error}");
            }
            Err(_) => {}
        }
    }
}
