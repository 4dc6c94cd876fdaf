//! Counters of a comparison over the life of the process: for metrics, which must never fall, and so apart from the document,
//! which can be begun anew.
//!
//! Counting is relaxed additions without a lock: any thread may. Everything is bounded by what this program can count.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use shadow_core::latency::{LatencyCounts, LatencyHistogram};
use shadow_mirror::ledger::{DropReason, OutputCounts};

use super::document::{Outcomes, Verdict};
use super::{Correlated, NotCompared};

const DROP_REASONS: usize = DropReason::ALL.len();
const REASONS: usize = DROP_REASONS + NotCompared::OTHERS.len();

/// Requests that the comparison itself makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extra {
    /// To the control.
    Control,
    /// A second time to the shadow.
    Repeat,
}

impl Extra {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Control, Self::Repeat];

    /// One word for it, as reports and metrics have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Repeat => "repeat",
        }
    }
}

/// Facts of a compared pair that are known for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Whether the shadow answered 5xx, and neither production nor the control did.
    pub new_5xx: bool,
    /// Whether it has another status code, and is not excused by the control's.
    pub other_status: bool,
    /// How long production took, to its answer's last byte.
    pub production_took: Option<Duration>,
    /// How long the shadow took.
    pub shadow_took: Option<Duration>,
}

/// Counts of one comparison. Clones count the same.
#[derive(Clone, Debug, Default)]
pub struct CompareCounters(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    pairs: AtomicU64,
    /// As the last document has them, in the order of [`Outcomes::named`].
    outcomes: [AtomicU64; 5],
    reasons: [AtomicU64; REASONS],
    new_5xx: AtomicU64,
    other_status: AtomicU64,
    production: LatencyHistogram,
    shadow: LatencyHistogram,
    waiting: AtomicU64,
    waiting_bytes: AtomicU64,
    /// Distinct differences that the document lists.
    differences: AtomicU64,
    endpoints: AtomicU64,
    word: AtomicU8,
    extra: [ExtraCounts; 2],
    /// Requests that were sent with values of the shadow's own, those values, and requests with values that it never issued.
    correlated: [AtomicU64; 3],
}

#[derive(Debug)]
struct ExtraCounts {
    sent: AtomicU64,
    answered: AtomicU64,
    lost: [AtomicU64; DROP_REASONS],
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            pairs: AtomicU64::new(0),
            outcomes: zeros(),
            reasons: zeros(),
            new_5xx: AtomicU64::new(0),
            other_status: AtomicU64::new(0),
            production: LatencyHistogram::default(),
            shadow: LatencyHistogram::default(),
            waiting: AtomicU64::new(0),
            waiting_bytes: AtomicU64::new(0),
            differences: AtomicU64::new(0),
            endpoints: AtomicU64::new(0),
            word: AtomicU8::new(Verdict::NotEnoughData as u8),
            extra: std::array::from_fn(|_| ExtraCounts {
                sent: AtomicU64::new(0),
                answered: AtomicU64::new(0),
                lost: zeros(),
            }),
            correlated: zeros(),
        }
    }
}

fn zeros<const N: usize>() -> [AtomicU64; N] {
    std::array::from_fn(|_| AtomicU64::new(0))
}

/// For whoever counts.
impl CompareCounters {
    /// A pair was compared.
    pub fn compared(&self, pair: &Compared) {
        let counts = &self.0;
        counts.pairs.fetch_add(1, Relaxed);
        counts.new_5xx.fetch_add(u64::from(pair.new_5xx), Relaxed);
        counts
            .other_status
            .fetch_add(u64::from(pair.other_status), Relaxed);
        for (histogram, took) in [
            (&counts.production, pair.production_took),
            (&counts.shadow, pair.shadow_took),
        ] {
            if let Some(took) = took {
                histogram.record(took);
            }
        }
    }

    /// Requests will not be compared.
    pub fn not_compared(&self, reason: NotCompared, requests: u64) {
        self.0.reasons[index(reason)].fetch_add(requests, Relaxed);
    }

    /// So many exchanges wait for one of their answers now, and hold so many bytes.
    pub fn set_waiting(&self, exchanges: u64, bytes: u64) {
        self.0.waiting.store(exchanges, Relaxed);
        self.0.waiting_bytes.store(bytes, Relaxed);
    }

    /// Stores the outcomes of the pairs as they stand.
    pub fn set_outcomes(&self, outcomes: &Outcomes) {
        for (counter, (_, count)) in self.0.outcomes.iter().zip(outcomes.named()) {
            counter.store(count, Relaxed);
        }
    }

    /// The word as it stands, and how many endpoints and differences that count there are to show.
    pub fn set_verdict(&self, word: Verdict, endpoints: u64, differences: u64) {
        self.set_word(word);
        self.0.endpoints.store(endpoints, Relaxed);
        self.0.differences.store(differences, Relaxed);
    }

    /// The word as it stands, where nothing else is known anew.
    pub fn set_word(&self, word: Verdict) {
        self.0.word.store(word as u8, Relaxed);
    }

    /// Sets what correlation did so far.
    pub fn set_correlated(&self, correlated: &Correlated) {
        let now = [correlated.requests, correlated.values, correlated.missing];
        for (count, now) in self.0.correlated.iter().zip(now) {
            count.store(now, Relaxed);
        }
    }

    /// Counts the comparison's own requests by what their ledger has of each kind now, and had `before`.
    pub fn extra(&self, before: &[(String, OutputCounts)], now: &[(String, OutputCounts)]) {
        for what in Extra::ALL {
            let of = |counts: &[(String, OutputCounts)]| {
                let known = counts.iter().find(|(kind, _)| kind == what.name());
                known.map(|(_, counts)| counts.clone()).unwrap_or_default()
            };
            let (before, now) = (of(before), of(now));
            let more = |counter: &AtomicU64, now: u64, before: u64| {
                counter.fetch_add(now.saturating_sub(before), Relaxed);
            };
            let counts = &self.0.extra[what as usize];
            more(&counts.sent, now.seen, before.seen);
            more(&counts.answered, now.delivered, before.delivered);
            for (reason, dropped) in now.dropped {
                let then = before.dropped.get(&reason).copied().unwrap_or(0);
                more(&counts.lost[reason as usize], dropped, then);
            }
        }
    }
}

/// Counts at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct CompareCounts {
    /// Pairs compared.
    pub pairs: u64,
    /// Outcomes of those in the last document.
    pub outcomes: Outcomes,
    /// Not compared, by reason: those that ever occurred, in a fixed order.
    pub not_compared: Vec<(NotCompared, u64)>,
    /// Compared pairs where the shadow answered 5xx, and neither production nor the control did.
    pub new_5xx: u64,
    /// Compared pairs with another status code, but those that are excused.
    pub other_status: u64,
    /// How long production took for the compared pairs.
    pub production: LatencyCounts,
    /// How long the shadow took.
    pub shadow: LatencyCounts,
    /// Exchanges that wait for an answer now.
    pub waiting: u64,
    /// Bytes that they hold.
    pub waiting_bytes: u64,
    /// Endpoints there are now.
    pub endpoints: u64,
    /// Differences that count there are now.
    pub differences: u64,
    /// The word as it stands.
    pub word: Verdict,
    /// Requests of the comparison's own; none where it makes none.
    pub extra: Vec<ExtraRequestCounts>,
    /// Requests that were sent with values that the shadow had issued in place of production's.
    pub correlated_requests: u64,
    /// Those values.
    pub correlated_values: u64,
    /// Requests that carried what production had issued and the shadow had not.
    pub correlation_missing: u64,
}

/// Counts of requests that the comparison itself made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtraRequestCounts {
    /// Which.
    pub what: Extra,
    /// How many were sent.
    pub sent: u64,
    /// How many of them were answered whole.
    pub answered: u64,
    /// How many were not, by reason.
    pub lost: Vec<(DropReason, u64)>,
}

impl CompareCounts {
    /// Adds those of another comparison; the worse word is that of both.
    pub fn add(&mut self, other: Self) {
        self.pairs += other.pairs;
        self.outcomes.equal += other.outcomes.equal;
        self.outcomes.excused += other.outcomes.excused;
        self.outcomes.noise += other.outcomes.noise;
        self.outcomes.not_learned += other.outcomes.not_learned;
        self.outcomes.different += other.outcomes.different;
        add_by_name(&mut self.not_compared, other.not_compared);
        self.new_5xx += other.new_5xx;
        self.other_status += other.other_status;
        self.production.add(&other.production);
        self.shadow.add(&other.shadow);
        self.waiting += other.waiting;
        self.waiting_bytes += other.waiting_bytes;
        self.endpoints += other.endpoints;
        self.differences += other.differences;
        self.word = self.word.max(other.word);
        self.correlated_requests += other.correlated_requests;
        self.correlated_values += other.correlated_values;
        self.correlation_missing += other.correlation_missing;
        for theirs in other.extra {
            match self.extra.iter_mut().find(|mine| mine.what == theirs.what) {
                Some(mine) => {
                    mine.sent += theirs.sent;
                    mine.answered += theirs.answered;
                    add_by_name(&mut mine.lost, theirs.lost);
                }
                None => self.extra.push(theirs),
            }
        }
    }
}

/// Adds counts to those of the same name.
fn add_by_name<R: PartialEq>(mine: &mut Vec<(R, u64)>, theirs: Vec<(R, u64)>) {
    for (reason, count) in theirs {
        match mine.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, sum)) => *sum += count,
            None => mine.push((reason, count)),
        }
    }
}

impl CompareCounters {
    /// The counts at this moment.
    pub fn counts(&self) -> CompareCounts {
        let counts = &self.0;
        let [correlated_requests, correlated_values, correlation_missing] =
            [0, 1, 2].map(|which: usize| counts.correlated[which].load(Relaxed));
        let [equal, excused, noise, not_learned, different] =
            [0, 1, 2, 3, 4].map(|outcome: usize| counts.outcomes[outcome].load(Relaxed));
        CompareCounts {
            pairs: counts.pairs.load(Relaxed),
            outcomes: Outcomes {
                equal,
                excused,
                noise,
                not_learned,
                different,
            },
            not_compared: occurred(all_reasons().zip(&counts.reasons)),
            new_5xx: counts.new_5xx.load(Relaxed),
            other_status: counts.other_status.load(Relaxed),
            production: counts.production.counts(),
            shadow: counts.shadow.counts(),
            waiting: counts.waiting.load(Relaxed),
            waiting_bytes: counts.waiting_bytes.load(Relaxed),
            endpoints: counts.endpoints.load(Relaxed),
            differences: counts.differences.load(Relaxed),
            word: [Verdict::Go, Verdict::NotEnoughData, Verdict::NoGo]
                .into_iter()
                .find(|word| *word as u8 == counts.word.load(Relaxed))
                .unwrap_or(Verdict::NotEnoughData),
            extra: Extra::ALL
                .into_iter()
                .zip(&counts.extra)
                .filter(|(_, one)| one.sent.load(Relaxed) > 0)
                .map(|(what, one)| ExtraRequestCounts {
                    what,
                    sent: one.sent.load(Relaxed),
                    answered: one.answered.load(Relaxed),
                    lost: occurred(DropReason::ALL.into_iter().zip(&one.lost)),
                })
                .collect(),
            correlated_requests,
            correlated_values,
            correlation_missing,
        }
    }
}

fn occurred<'a, R>(counts: impl Iterator<Item = (R, &'a AtomicU64)>) -> Vec<(R, u64)> {
    counts
        .map(|(reason, count)| (reason, count.load(Relaxed)))
        .filter(|(_, count)| *count > 0)
        .collect()
}

fn all_reasons() -> impl Iterator<Item = NotCompared> {
    DropReason::ALL
        .into_iter()
        .map(NotCompared::Shadow)
        .chain(NotCompared::OTHERS)
}

fn index(reason: NotCompared) -> usize {
    match reason {
        NotCompared::Shadow(reason) => reason as usize,
        NotCompared::Copy => DROP_REASONS,
        NotCompared::Incomplete => DROP_REASONS + 1,
        NotCompared::SameName => DROP_REASONS + 2,
        NotCompared::ProductionGap => DROP_REASONS + 3,
        NotCompared::ProductionClosed => DROP_REASONS + 4,
        NotCompared::ProductionTooLarge => DROP_REASONS + 5,
        NotCompared::ProductionNotHttp => DROP_REASONS + 6,
        NotCompared::ProductionMissing => DROP_REASONS + 7,
        NotCompared::ShadowTooLarge => DROP_REASONS + 8,
        NotCompared::Memory => DROP_REASONS + 9,
        NotCompared::Busy => DROP_REASONS + 10,
        NotCompared::Shutdown => DROP_REASONS + 11,
        NotCompared::Internal => DROP_REASONS + 12,
        NotCompared::NotKept => DROP_REASONS + 13,
        NotCompared::ControlFailedToo => DROP_REASONS + 14,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_place_of_its_own() {
        let counters = CompareCounters::default();
        let mut expected = Vec::new();
        for (place, reason) in all_reasons().enumerate() {
            assert_eq!(index(reason), place);
            counters.not_compared(reason, place as u64 + 1);
            expected.push((reason, place as u64 + 1));
        }
        assert_eq!(counters.counts().not_compared, expected);
    }

    #[test]
    fn a_pair_counts_by_its_status_codes_and_times() {
        let counters = CompareCounters::default();
        let pair = |new_5xx, other_status| Compared {
            new_5xx,
            other_status,
            production_took: Some(Duration::from_millis(2)),
            shadow_took: None,
        };
        counters.compared(&pair(false, false));
        counters.compared(&pair(false, false));
        counters.compared(&pair(true, true));
        counters.compared(&pair(false, true));
        let counts = counters.counts();
        assert_eq!(counts.pairs, 4);
        assert_eq!((counts.new_5xx, counts.other_status), (1, 2));
        assert_eq!((counts.production.count(), counts.shadow.count()), (4, 0));
    }

    #[test]
    fn requests_of_its_own_are_counted_once_there_are_any() {
        let counters = CompareCounters::default();
        assert_eq!(counters.counts().extra, []);
        let of = |seen, delivered, timeouts| {
            let counts = OutputCounts {
                seen,
                delivered,
                dropped: [(DropReason::Timeout, timeouts)].into(),
                ..OutputCounts::default()
            };
            [("repeat".to_owned(), counts)]
        };
        counters.extra(&[], &of(2, 1, 0));
        counters.extra(&of(2, 1, 0), &of(3, 1, 1));
        assert_eq!(
            counters.counts().extra,
            [ExtraRequestCounts {
                what: Extra::Repeat,
                sent: 3,
                answered: 1,
                lost: vec![(DropReason::Timeout, 1)],
            }]
        );
    }

    #[test]
    fn outcomes_are_those_of_the_last_document() {
        let counters = CompareCounters::default();
        for different in [1187, 12] {
            let outcomes = Outcomes {
                equal: 1,
                excused: 2,
                noise: 3,
                not_learned: 4,
                different,
            };
            counters.set_outcomes(&outcomes);
            assert_eq!(counters.counts().outcomes, outcomes);
        }
    }

    #[test]
    fn the_word_is_the_last_one_said() {
        let counters = CompareCounters::default();
        assert_eq!(counters.counts().word, Verdict::NotEnoughData);
        for word in [Verdict::Go, Verdict::NoGo, Verdict::NotEnoughData] {
            counters.set_verdict(word, 3, 4);
            assert_eq!(counters.counts().word, word);
        }
        assert_eq!(
            (counters.counts().endpoints, counters.counts().differences),
            (3, 4)
        );
    }
}
