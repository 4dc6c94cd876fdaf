//! A point in time as the capture source saw it: the sans-IO rooms never read a clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Nanoseconds of Unix time, now.
pub fn unix_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Nanoseconds on the clock of the capture source: `CLOCK_MONOTONIC` for the kernel programs, Unix time for
/// capture files. Only differences mean anything to the sans-IO rooms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

/// How far what was captured is read, where several threads read side by side.
pub trait ReadSoFar: std::fmt::Debug + Send + Sync {
    /// Whether all that was captured before `time` has been handed on by whoever reads it. The caller has something that was
    /// captured at that time.
    fn is_read(&self, time: Timestamp) -> bool;
}

/// The clock of live capture, at this moment: that of the kernel programs.
pub fn monotonic_now() -> Timestamp {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).map_or(Timestamp::default(), |now| {
        Timestamp(now.tv_sec().unsigned_abs() * 1_000_000_000 + now.tv_nsec().unsigned_abs())
    })
}

impl Timestamp {
    /// The time from `earlier` to `self`; zero when `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// `self` moved on by `by`, saturating.
    #[must_use]
    pub fn after(self, by: Duration) -> Timestamp {
        Timestamp(
            self.0
                .saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}

/// A moment, given in milliseconds of Unix time, for people: `2026-11-24 12:26:07 UTC`.
pub fn moment(unix_ms: u64) -> String {
    i64::try_from(unix_ms)
        .ok()
        .filter(|ms| *ms > 0)
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
        .map_or_else(
            || "unknown".to_owned(),
            |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        )
}
