//! From the shards to the thread that compares: pairs, and requests that will never be one.
//!
//! A shard never waits here: what the bounds have no room for is counted at once. The comparing thread takes everything
//! that is there twenty times a second, so that no pair costs a wake-up.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shadow_core::budget::{Charge, MemoryBudget};

use super::correlation::Correlation;
use super::equal_pair::EqualPair;
use super::grpc_call::is_call;
use super::grpc_descriptors::GrpcDescriptors;
use super::pair::{NotCompared, Pair};
use super::races::Races;
use super::route_by::{RouteBy, Selected};
use super::routes::GRPC;

/// Pairs and others that may wait: what a busy shard makes within a second. Most bytes of pairs are bounded by
/// `--compare-memory`, long before.
const MAX_WAITING: usize = 16_384;
/// Bytes that are kept of the request line of a request that is not compared: it names an endpoint.
const MAX_LINE: usize = 1024;

/// Something that has ended.
#[derive(Debug)]
pub enum Finished {
    /// Both answers are there. The charge holds their bytes.
    Pair(Box<Pair>, Charge),
    /// Both answers were there, and are equal.
    Equal(EqualPair),
    /// It is not to be compared.
    Not(Unpaired),
}

/// A request that is not compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpaired {
    /// The beginning of its request line; of a call of gRPC with [`crate::called`]'s word in place of the method, as its head is not kept.
    pub request_line: Box<[u8]>,
    /// The value by which it is told from others of its URL.
    pub selected: Option<Selected>,
    /// When it was seen: Unix time in nanoseconds.
    pub at: u64,
    /// Why.
    pub why: NotCompared,
}

impl Unpaired {
    /// One whose request begins with `head`.
    pub fn new(head: &[u8], at: u64, why: NotCompared) -> Self {
        let end = memchr::memchr(b'\r', head).unwrap_or(head.len());
        let line = &head[..end.min(MAX_LINE)];
        let rest = memchr::memchr(b' ', line).filter(|_| is_call(head));
        Self {
            request_line: match rest {
                Some(at) => [GRPC, &line[at..]].concat().into(),
                None => line.into(),
            },
            selected: None,
            at,
            why,
        }
    }

    /// The same, told from others of its URL by this value.
    #[must_use]
    pub fn selected(self, selected: Option<Selected>) -> Self {
        Self { selected, ..self }
    }
}

/// The queue between the shards and the comparing thread. Shared by the shards and the comparing thread: an output and its shards hold it for as long as
/// they may hand something over.
#[derive(Debug)]
pub struct Intake {
    budget: MemoryBudget,
    queue: Mutex<Queue>,
    /// Requests of which a pair was to come.
    opened: AtomicU64,
    /// Whether nobody compares any more.
    closed: AtomicBool,
    correlation: Option<Arc<Correlation>>,
    descriptors: Option<GrpcDescriptors>,
    route_by: RouteBy,
    /// Whether anything is compared.
    compares: bool,
    /// Changes that clients are making, whichever shard sees them.
    races: Mutex<Races>,
    /// Whether pairs are kept.
    keeps: bool,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Finished>,
    /// Those that the queue had no room for.
    uncounted: BTreeMap<NotCompared, u64>,
}

impl Intake {
    /// An empty one; what waits for it, and in it, is charged to `budget`.
    pub fn new(budget: MemoryBudget) -> Self {
        Self {
            budget,
            queue: Mutex::default(),
            opened: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            correlation: None,
            descriptors: None,
            route_by: RouteBy::default(),
            compares: true,
            races: Mutex::default(),
            keeps: false,
        }
    }

    /// One that takes nothing in: answers are read for what they teach `correlation`, and not compared. Those that wait for each other
    /// are charged to `budget`.
    pub fn learning(budget: MemoryBudget, correlation: Arc<Correlation>) -> Self {
        Self {
            compares: false,
            ..Self::new(budget).correlating(Some(correlation))
        }
    }

    /// The same, where values are mapped.
    #[must_use]
    pub fn correlating(self, correlation: Option<Arc<Correlation>>) -> Self {
        Self { correlation, ..self }
    }

    /// The same, where messages of gRPC are read by these descriptors.
    #[must_use]
    pub fn with_descriptors(self, descriptors: Option<GrpcDescriptors>) -> Self {
        Self { descriptors, ..self }
    }

    /// The same, where requests of one URL are told apart so.
    #[must_use]
    pub fn with_route_by(self, route_by: RouteBy) -> Self {
        Self { route_by, ..self }
    }

    /// By what requests of one URL are told apart.
    pub fn route_by(&self) -> &RouteBy {
        &self.route_by
    }

    /// The same, where pairs are kept with their answers.
    #[must_use]
    pub fn keeping(self, keeps: bool) -> Self {
        Self { keeps, ..self }
    }

    /// Whether pairs are wanted with their answers also where these are equal.
    pub fn keeps(&self) -> bool {
        self.keeps
    }

    /// The descriptors by which messages of gRPC are read, where there are any.
    pub fn descriptors(&self) -> Option<&GrpcDescriptors> {
        self.descriptors.as_ref()
    }

    /// Whether anything is compared: else what is handed over is gone.
    pub fn compares(&self) -> bool {
        self.compares
    }

    /// How values are mapped, if they are.
    pub fn correlation(&self) -> Option<&Arc<Correlation>> {
        self.correlation.as_ref()
    }

    /// The bytes of pairs that are not compared yet.
    pub fn budget(&self) -> &MemoryBudget {
        &self.budget
    }

    /// Counts a request of which a pair is to come.
    pub fn open(&self) {
        self.opened.fetch_add(1, Relaxed);
    }

    /// Requests of which a pair was to come.
    pub fn opened(&self) -> u64 {
        self.opened.load(Relaxed)
    }

    /// Nothing will be compared any more, by a fault of this program: no pair need wait for its answers.
    pub fn close(&self) {
        self.closed.store(true, Relaxed);
    }

    /// Whether nothing will be compared any more.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Relaxed)
    }

    /// Hands something over. Never waits.
    pub fn put(&self, finished: Finished) {
        if !self.compares {
            return;
        }
        let mut queue = self.lock();
        if queue.waiting.len() < MAX_WAITING {
            queue.waiting.push_back(finished);
            return;
        }
        let why = match finished {
            Finished::Pair(..) | Finished::Equal(_) => NotCompared::Busy,
            Finished::Not(unpaired) => unpaired.why,
        };
        *queue.uncounted.entry(why).or_default() += 1;
    }

    /// Takes all that is there into `into`, which is empty; and counts of those that there was no room for.
    pub fn take(&self, into: &mut VecDeque<Finished>) -> BTreeMap<NotCompared, u64> {
        let mut queue = self.lock();
        std::mem::swap(&mut queue.waiting, into);
        std::mem::take(&mut queue.uncounted)
    }

    /// Whether there is nothing to take.
    pub fn is_empty(&self) -> bool {
        let queue = self.lock();
        queue.waiting.is_empty() && queue.uncounted.is_empty()
    }

    /// Changes that clients are making at this moment.
    pub(super) fn races(&self) -> MutexGuard<'_, Races> {
        self.races.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use shadow_correlate::Bounds;

    use super::*;
    use crate::correlation::CorrelateSettings;

    fn unpaired(why: NotCompared) -> Finished {
        Finished::Not(Unpaired::new(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n", 7, why))
    }

    #[test]
    fn what_is_not_compared_keeps_its_request_line_alone() {
        let Finished::Not(unpaired) = unpaired(NotCompared::Memory) else {
            panic!("it is not a pair")
        };
        assert_eq!(&*unpaired.request_line, b"GET /a HTTP/1.1");
        let long = [b"GET /".as_slice(), &[b'a'; 5000]].concat();
        assert_eq!(
            Unpaired::new(&long, 0, NotCompared::Copy).request_line.len(),
            MAX_LINE
        );
    }

    #[test]
    fn nothing_waits_where_nothing_is_compared() {
        let settings = CorrelateSettings {
            wait: Duration::ZERO,
            exceptions: Arc::default(),
            bounds: Bounds::default(),
        };
        let correlation = Arc::new(Correlation::new(settings, None));
        let intake = Intake::learning(MemoryBudget::new(1 << 20), correlation);
        intake.put(unpaired(NotCompared::Memory));
        assert!(intake.is_empty() && !intake.compares() && intake.correlation().is_some());
    }

    #[test]
    fn a_full_queue_goes_on_counting() {
        let intake = Intake::new(MemoryBudget::new(1 << 20));
        for _ in 0..MAX_WAITING + 3 {
            intake.put(unpaired(NotCompared::ProductionGap));
        }
        let mut taken = VecDeque::new();
        let counts = intake.take(&mut taken);
        assert_eq!(taken.len(), MAX_WAITING);
        assert_eq!(counts, [(NotCompared::ProductionGap, 3)].into());
        taken.clear();
        assert!(intake.take(&mut taken).is_empty() && taken.is_empty());
    }
}
