//! The gate between whole requests and the outputs: what of them may pass at this moment.
//!
//! One word holds all of it: why mirroring is paused, if it is, and which share of the requests is taken while the
//! CPU budget is spent. Shards read it with one relaxed load for each request; it is written a few times a day
//! (a kill switch, a term that ended) or once a second (the CPU budget). A shard may see a change a moment late, and
//! that does no harm: each request is settled by whatever it saw.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The share that takes every request: shares are parts of 2^32.
pub const WHOLE: u64 = 1 << 32;

/// The bits of the word that hold the share, `WHOLE` included.
const SHARE: u64 = (1 << 33) - 1;

/// Why mirroring is paused. Several may hold at once; it goes on when none does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseCause {
    /// Somebody asked for it (`POST /pause`).
    Asked,
    /// The term of `--expire-after` is over.
    Expired,
    /// `--max-cpu` was not kept even with the smallest share.
    Cpu,
}

impl PauseCause {
    /// All causes.
    pub const ALL: [Self; 3] = [Self::Asked, Self::Expired, Self::Cpu];

    /// The name in the metrics and in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Expired => "expired",
            Self::Cpu => "cpu",
        }
    }

    const fn bit(self) -> u64 {
        1 << (40 + self as u32)
    }
}

/// The gate's decision about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// It goes on to the outputs.
    Free,
    /// Mirroring is paused.
    Paused,
    /// It is among those left out to keep the CPU budget.
    LeftOut,
}

/// The gate between complete requests and the outputs. Clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    word: AtomicU64,
    /// Taken only by who changes a pause or asks for how long it holds.
    clocks: Mutex<[Clock; PauseCause::ALL.len()]>,
}

/// How long one cause has held.
#[derive(Clone, Copy, Debug, Default)]
struct Clock {
    since: Option<Instant>,
    /// Of the times before.
    total: Duration,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            shared: Arc::new(Shared {
                word: AtomicU64::new(WHOLE),
                clocks: Mutex::default(),
            }),
        }
    }
}

impl Gate {
    /// Decides about the next request. `draw` is asked for 32 random bits only while requests are left out.
    #[inline]
    pub fn passage(&self, draw: impl FnOnce() -> u32) -> Passage {
        match self.shared.word.load(Relaxed) {
            WHOLE => Passage::Free,
            word if word > SHARE => Passage::Paused,
            share if u64::from(draw()) < share => Passage::Free,
            _ => Passage::LeftOut,
        }
    }

    /// Whether there is any cause to pause.
    #[inline]
    pub fn is_paused(&self) -> bool {
        self.shared.word.load(Relaxed) > SHARE
    }

    /// Pauses for this cause.
    pub fn pause(&self, cause: PauseCause) {
        let mut clocks = self.clocks();
        #[expect(clippy::disallowed_methods, reason = "who pauses does so now")]
        clocks[cause as usize].since.get_or_insert_with(Instant::now);
        self.shared.word.fetch_or(cause.bit(), Relaxed);
    }

    /// Ends what this cause had paused.
    pub fn resume(&self, cause: PauseCause) {
        let mut clocks = self.clocks();
        let clock = &mut clocks[cause as usize];
        if let Some(since) = clock.since.take() {
            clock.total += since.elapsed();
        }
        self.shared.word.fetch_and(!cause.bit(), Relaxed);
    }

    /// Whether this cause holds, and for how long it has by now, all times together.
    pub fn paused(&self, cause: PauseCause) -> (bool, Duration) {
        let clock = self.clocks()[cause as usize];
        let now = clock.since.map_or(Duration::ZERO, |since| since.elapsed());
        (clock.since.is_some(), clock.total + now)
    }

    /// The causes that hold.
    pub fn causes(&self) -> impl Iterator<Item = PauseCause> {
        let word = self.shared.word.load(Relaxed);
        PauseCause::ALL
            .into_iter()
            .filter(move |cause| word & cause.bit() != 0)
    }

    /// The share of requests taken, of [`WHOLE`].
    pub fn share(&self) -> u64 {
        self.shared.word.load(Relaxed) & SHARE
    }

    /// Takes this share of the requests from now on; more than [`WHOLE`] is all of them.
    pub fn set_share(&self, share: u64) {
        // Pauses are set under the same lock: none is lost in between.
        let _clocks = self.clocks();
        let pauses = self.shared.word.load(Relaxed) & !SHARE;
        self.shared.word.store(pauses | share.min(WHOLE), Relaxed);
    }

    fn clocks(&self) -> MutexGuard<'_, [Clock; PauseCause::ALL.len()]> {
        self.shared.clocks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Draws;

    #[test]
    fn an_open_gate_lets_everything_pass_without_a_draw() {
        let passage = Gate::default().passage(|| panic!("nothing is to be drawn"));
        assert_eq!(passage, Passage::Free);
    }

    #[test]
    fn each_cause_pauses_by_itself_and_all_must_end() {
        let gate = Gate::default();
        gate.pause(PauseCause::Asked);
        gate.pause(PauseCause::Expired);
        gate.resume(PauseCause::Asked);
        assert_eq!(gate.passage(|| 0), Passage::Paused);
        assert_eq!(gate.causes().collect::<Vec<_>>(), [PauseCause::Expired]);
        gate.resume(PauseCause::Expired);
        assert!(!gate.is_paused());
        assert_eq!(gate.passage(|| 0), Passage::Free);
    }

    #[test]
    fn the_share_outlives_a_pause() {
        let gate = Gate::default();
        gate.set_share(WHOLE / 4);
        gate.pause(PauseCause::Cpu);
        gate.set_share(WHOLE / 2);
        assert_eq!(gate.passage(|| 0), Passage::Paused);
        gate.resume(PauseCause::Cpu);
        assert_eq!(gate.share(), WHOLE / 2);
        assert_eq!(gate.passage(|| u32::MAX / 2), Passage::Free);
        assert_eq!(gate.passage(|| u32::MAX / 2 + 1), Passage::LeftOut);
        gate.set_share(u64::MAX);
        assert_eq!(gate.passage(|| u32::MAX), Passage::Free);
        gate.set_share(0);
        assert_eq!(gate.passage(|| 0), Passage::LeftOut);
    }

    #[test]
    fn the_time_of_a_pause_is_counted_once_however_often_it_is_asked_for() {
        let gate = Gate::default();
        assert_eq!(gate.paused(PauseCause::Asked), (false, Duration::ZERO));
        #[expect(
            clippy::disallowed_methods,
            reason = "it is measured against the gate's own clock"
        )]
        let before = Instant::now();
        gate.pause(PauseCause::Asked);
        gate.pause(PauseCause::Asked);
        gate.resume(PauseCause::Asked);
        let most = before.elapsed();
        gate.resume(PauseCause::Asked);
        let (now, total) = gate.paused(PauseCause::Asked);
        assert!(!now && total > Duration::ZERO && total <= most);
    }

    #[test]
    fn about_the_share_of_requests_is_taken() {
        let gate = Gate::default();
        gate.set_share(WHOLE / 10);
        let mut draws = Draws::seeded(7);
        let taken = (0..100_000)
            .filter(|_| gate.passage(|| draws.draw()) == Passage::Free)
            .count();
        // Three standard deviations: sqrt(100,000 * 0.1 * 0.9) = 95.
        assert!((9_700..=10_300).contains(&taken), "{taken}");
    }
}
