//! The circuit breaker: when a shadow is sick it is left alone, and comes back slowly.
//!
//! ```text
//! closed --failures in a row--> open --open_for--> half open (one probe) --success--> recovering --> closed
//!                                ^                     | failure: open again, twice as long     |
//!                                +---------------------+<----------- failures in a row ---------+
//! ```
//!
//! Where the diagram says failures in a row, a shadow that answers now and then opens it too: when failures are
//! half of five times as many exchanges (50 of 100 by default), counted from a failure on, within
//! [`WINDOW`]. One that fails one request in ten is used on.
//!
//! Sans-IO: time is an argument, in microseconds since any fixed point. Shared by all shards: in the closed
//! state, which is nearly always, a request costs two relaxed loads; the lock is taken when the state may
//! change.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::settings::BreakerSettings;

/// How often the open time may double: a shadow that stays sick is probed every 32 times `open_for`.
const MAX_DOUBLINGS: u32 = 5;

/// Over how many exchanges failures are counted that do not come in a row, by failures in a row that are too
/// many.
const WINDOW_SIZE: u32 = 5;

/// Over how long they are counted, in microseconds: what failed earlier says little about the shadow now.
const WINDOW: u64 = 10_000_000;

/// Whether a request may go to the shadow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It may. Its result is reported with this pass.
    Pass(Pass),
    /// The shadow is left alone.
    Refused,
}

/// Permit of a request until its result is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pass {
    /// Results from before the last change of state say nothing about the shadow now.
    era: u32,
    /// Whether this is the probe of the half-open state: its result must be reported, or
    /// [`Breaker::abandoned`].
    pub probe: bool,
}

/// A change of state, to be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The shadow is left alone for so long.
    Opened(Duration),
    /// The probe came back: load grows again.
    Recovering,
    /// Slow start is over.
    Closed,
}

const CLOSED: u8 = 0;
const OPEN: u8 = 1;
const HALF_OPEN: u8 = 2;
const RECOVERING: u8 = 3;

/// A circuit breaker for one upstream.
#[derive(Debug)]
pub(super) struct Breaker {
    settings: BreakerSettings,
    /// A copy of `slow.state` for the fast path.
    state: AtomicU8,
    era: AtomicU32,
    /// Failures in a row.
    failures: AtomicU32,
    /// Exchanges since the failure that began the window; 0 while there is none, so that a shadow in good health
    /// costs nothing here.
    exchanges: AtomicU32,
    slow: Mutex<Slow>,
}

#[derive(Debug)]
struct Slow {
    /// When the open state ends, or recovery began; microseconds.
    at: u64,
    /// How often it opened without having been closed in between.
    doublings: u32,
    /// When the window began; microseconds.
    window_from: u64,
    /// Failures in the window.
    window_failures: u32,
}

impl Breaker {
    pub(super) fn new(settings: BreakerSettings) -> Self {
        Self {
            settings,
            state: AtomicU8::new(CLOSED),
            era: AtomicU32::new(0),
            failures: AtomicU32::new(0),
            exchanges: AtomicU32::new(0),
            slow: Mutex::new(Slow {
                at: 0,
                doublings: 0,
                window_from: 0,
                window_failures: 0,
            }),
        }
    }

    /// Whether a request that comes at `now` may go on. `now` is asked for only when it matters.
    pub(super) fn admit(&self, now: impl FnOnce() -> u64) -> Admission {
        // The era first: see `enter`.
        let pass = Pass {
            era: self.era.load(Relaxed),
            probe: false,
        };
        match self.state.load(Relaxed) {
            CLOSED | RECOVERING => Admission::Pass(pass),
            HALF_OPEN => Admission::Refused,
            _ => {
                let slow = self.lock();
                if self.state.load(Relaxed) != OPEN || now() < slow.at {
                    return Admission::Refused;
                }
                let era = self.enter(HALF_OPEN);
                Admission::Pass(Pass { era, probe: true })
            }
        }
    }

    /// Whether requests that wait are to be given up.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state.load(Relaxed), OPEN | HALF_OPEN)
    }

    /// How many requests may be under way at `now`, of `full`.
    pub(super) fn limit(&self, full: usize, now: impl FnOnce() -> u64) -> usize {
        if self.state.load(Relaxed) != RECOVERING {
            return full;
        }
        let elapsed = now().saturating_sub(self.lock().at);
        let whole = micros(self.settings.slow_start).max(1);
        let grown = (full as u64).saturating_mul(elapsed) / whole;
        usize::try_from(grown).unwrap_or(full).clamp(1, full.max(1))
    }

    /// The shadow answered, whatever the status.
    pub(super) fn succeeded(&self, pass: Pass, now: impl FnOnce() -> u64) -> Option<Change> {
        if self.failures.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
        }
        if self.exchanges.load(Relaxed) != 0
            && self.exchanges.fetch_add(1, Relaxed).saturating_add(1) >= self.window_size()
        {
            self.exchanges.store(0, Relaxed);
        }
        if self.state.load(Relaxed) == CLOSED {
            return None;
        }
        let mut slow = self.lock();
        if pass.era != self.era.load(Relaxed) {
            return None;
        }
        match self.state.load(Relaxed) {
            HALF_OPEN if pass.probe => {
                slow.at = now();
                self.enter(RECOVERING);
                Some(Change::Recovering)
            }
            RECOVERING if now().saturating_sub(slow.at) >= micros(self.settings.slow_start) => {
                slow.doublings = 0;
                self.enter(CLOSED);
                Some(Change::Closed)
            }
            _ => None,
        }
    }

    /// The shadow failed: no connection, no answer in time, a reset, an answer that is not HTTP.
    pub(super) fn failed(&self, pass: Pass, now: impl FnOnce() -> u64) -> Option<Change> {
        if self.settings.failures == 0 || pass.era != self.era.load(Relaxed) {
            return None;
        }
        let mut slow = self.lock();
        if pass.era != self.era.load(Relaxed) {
            return None;
        }
        let now = now();
        let in_a_row = self.failures.fetch_add(1, Relaxed).saturating_add(1);
        let half = self.count_in_window(&mut slow, now);
        if !pass.probe && in_a_row < self.settings.failures && !half {
            return None;
        }
        let open_for = self.settings.open_for.saturating_mul(1 << slow.doublings);
        slow.at = now.saturating_add(micros(open_for));
        slow.doublings = (slow.doublings + 1).min(MAX_DOUBLINGS);
        self.failures.store(0, Relaxed);
        self.exchanges.store(0, Relaxed);
        slow.window_failures = 0;
        self.enter(OPEN);
        Some(Change::Opened(open_for))
    }

    /// Counts a failure in the window, or begins a new one with it. Whether half of the window is failures now,
    /// however the rest of it will end.
    fn count_in_window(&self, slow: &mut Slow, now: u64) -> bool {
        let over = now.saturating_sub(slow.window_from) >= WINDOW;
        let exchanges = self.exchanges.load(Relaxed);
        if exchanges == 0 || exchanges >= self.window_size() || over {
            self.exchanges.store(0, Relaxed);
            slow.window_from = now;
            slow.window_failures = 0;
        }
        self.exchanges.fetch_add(1, Relaxed);
        slow.window_failures += 1;
        slow.window_failures >= self.window_size().div_ceil(2)
    }

    fn window_size(&self) -> u32 {
        self.settings.failures.saturating_mul(WINDOW_SIZE)
    }

    /// The request ended without a result: a probe makes room for the next one.
    pub(super) fn abandoned(&self, pass: Pass) {
        if !pass.probe {
            return;
        }
        let _slow = self.lock();
        if pass.era == self.era.load(Relaxed) && self.state.load(Relaxed) == HALF_OPEN {
            self.enter(OPEN);
        }
    }

    /// Changes the state; the caller holds the lock.
    fn enter(&self, state: u8) -> u32 {
        // A pass made between the two stores belongs to the old era, and is then not counted: the safe side.
        self.state.store(state, Relaxed);
        self.era.fetch_add(1, Relaxed).wrapping_add(1)
    }

    fn lock(&self) -> MutexGuard<'_, Slow> {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn breaker() -> Breaker {
        Breaker::new(BreakerSettings {
            failures: 3,
            open_for: Duration::from_micros(100),
            slow_start: Duration::from_millis(1),
        })
    }

    fn pass(breaker: &Breaker, now: u64) -> Pass {
        match breaker.admit(|| now) {
            Admission::Pass(pass) => pass,
            Admission::Refused => panic!("refused at {now}"),
        }
    }

    fn open(breaker: &Breaker, now: u64) {
        for _ in 0..3 {
            breaker.failed(pass(breaker, now), || now);
        }
        assert!(breaker.is_open());
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_success_ends_the_row() {
        let breaker = breaker();
        let pass = pass(&breaker, 0);
        assert_eq!(breaker.failed(pass, || 0), None);
        assert_eq!(breaker.failed(pass, || 0), None);
        assert_eq!(breaker.succeeded(pass, || 0), None);
        assert_eq!(breaker.failed(pass, || 0), None);
        assert_eq!(breaker.failed(pass, || 0), None);
        let opened = Change::Opened(Duration::from_micros(100));
        assert_eq!(breaker.failed(pass, || 0), Some(opened));
        assert_eq!(breaker.admit(|| 99), Admission::Refused);
    }

    /// A shadow of whose exchanges every `n`th fails, one each `apart`; which exchange opened the breaker.
    fn every_nth_fails(n: u64, apart: u64) -> Option<u64> {
        let breaker = Breaker::new(BreakerSettings {
            failures: 20,
            open_for: Duration::from_secs(5),
            slow_start: Duration::from_secs(10),
        });
        (0..10_000).find(|at| {
            let now = at * apart;
            let pass = pass(&breaker, now);
            if at % n == 0 {
                breaker.failed(pass, || now).is_some()
            } else {
                breaker.succeeded(pass, || now).is_some()
            }
        })
    }

    #[test]
    fn a_shadow_that_fails_every_other_request_opens_it() {
        // The 50th failure.
        assert_eq!(every_nth_fails(2, 1_000), Some(98));
    }

    #[test]
    fn a_shadow_that_fails_fewer_does_not() {
        assert_eq!(every_nth_fails(3, 1_000), None);
        assert_eq!(every_nth_fails(10, 1_000), None);
    }

    #[test]
    fn failures_that_are_far_apart_are_not_added_up() {
        assert_eq!(every_nth_fails(2, 200_000), None);
    }

    #[test]
    fn a_window_without_further_failures_ends() {
        let breaker = breaker();
        breaker.failed(pass(&breaker, 0), || 0);
        for _ in 0..14 {
            breaker.succeeded(pass(&breaker, 1), || 1);
        }
        assert_eq!(breaker.exchanges.load(Relaxed), 0);
    }

    #[test]
    fn one_probe_goes_when_the_open_time_is_over() {
        let breaker = breaker();
        open(&breaker, 0);
        let probe = pass(&breaker, 100);
        assert!(probe.probe);
        assert_eq!(breaker.admit(|| 100), Admission::Refused);
        assert_eq!(breaker.succeeded(probe, || 110), Some(Change::Recovering));
        assert!(!pass(&breaker, 110).probe);
    }

    #[test]
    fn a_failed_probe_doubles_the_open_time_up_to_a_bound() {
        let breaker = breaker();
        open(&breaker, 0);
        let mut now = 0;
        for expected in [200, 400, 800, 1600, 3200, 3200] {
            now += 10_000;
            let probe = pass(&breaker, now);
            let opened = Change::Opened(Duration::from_micros(expected));
            assert_eq!(breaker.failed(probe, || now), Some(opened));
        }
    }

    #[test]
    fn an_abandoned_probe_makes_room_for_the_next() {
        let breaker = breaker();
        open(&breaker, 0);
        let probe = pass(&breaker, 100);
        breaker.abandoned(probe);
        assert!(breaker.is_open());
        assert!(pass(&breaker, 100).probe);
    }

    #[test]
    fn the_limit_grows_from_one_to_full_during_slow_start() {
        let breaker = breaker();
        assert_eq!(breaker.limit(64, || 0), 64);
        open(&breaker, 0);
        let probe = pass(&breaker, 100);
        breaker.succeeded(probe, || 200);
        assert_eq!(breaker.limit(64, || 200), 1);
        assert_eq!(breaker.limit(64, || 700), 32);
        assert_eq!(breaker.limit(64, || 1200), 64);
        assert_eq!(breaker.succeeded(pass(&breaker, 1199), || 1199), None);
        assert_eq!(
            breaker.succeeded(pass(&breaker, 1200), || 1200),
            Some(Change::Closed)
        );
    }

    #[test]
    fn results_from_before_it_opened_say_nothing() {
        let breaker = breaker();
        let old = pass(&breaker, 0);
        open(&breaker, 0);
        assert_eq!(breaker.failed(old, || 50), None);
        assert_eq!(breaker.succeeded(old, || 50), None);
        assert!(breaker.is_open());
        let probe = pass(&breaker, 100);
        assert_eq!(breaker.failed(old, || 100), None);
        assert_eq!(breaker.succeeded(probe, || 100), Some(Change::Recovering));
    }

    #[test]
    fn zero_failures_mean_never() {
        let breaker = Breaker::new(BreakerSettings {
            failures: 0,
            open_for: Duration::from_secs(1),
            slow_start: Duration::ZERO,
        });
        for _ in 0..1000 {
            assert_eq!(breaker.failed(pass(&breaker, 0), || 0), None);
        }
    }

    proptest! {
        /// Whatever happens in whatever order, an open breaker lets a probe through in the end, at most one
        /// probe is out at a time, and the limit stays within 1..=full.
        #[test]
        fn it_never_gets_stuck(steps in proptest::collection::vec((0u8..4, 0u64..300), 0..200)) {
            let breaker = breaker();
            let mut now = 0;
            let mut out = Vec::new();
            for (step, wait) in steps {
                now += wait;
                match step {
                    0 => if let Admission::Pass(pass) = breaker.admit(|| now) { out.push(pass) },
                    1 => if let Some(pass) = out.pop() { breaker.succeeded(pass, || now); },
                    2 => if let Some(pass) = out.pop() { breaker.failed(pass, || now); },
                    _ => if let Some(pass) = out.pop() { breaker.abandoned(pass); },
                }
                let limit = breaker.limit(8, || now);
                prop_assert!((1..=8).contains(&limit));
                let era = breaker.era.load(Relaxed);
                let probes = out.iter().filter(|pass| pass.probe && pass.era == era).count();
                prop_assert!(probes <= 1);
                prop_assert_eq!(breaker.state.load(Relaxed) == HALF_OPEN, probes == 1);
            }
            for pass in out.drain(..) {
                breaker.abandoned(pass);
            }
            let passed = matches!(breaker.admit(|| now + 3200), Admission::Pass(_));
            prop_assert!(passed);
        }
    }
}
