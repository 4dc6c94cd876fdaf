//! The probe's counters, summed over CPUs.

use std::sync::Arc;

use aya::maps::{MapData, PerCpuArray};
use shadow_common::{SECRET_COUNTERS, SecretCounter};

use crate::error::CaptureError;

/// Reads the probe's counters. Cheap to clone.
#[derive(Clone)]
pub struct SecretCounters {
    map: Arc<PerCpuArray<MapData, [u64; SECRET_COUNTERS]>>,
}

/// Fates of the calls that probes saw, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SecretCounts {
    sums: [u64; SECRET_COUNTERS],
}

impl SecretCounters {
    pub(super) fn new(map: PerCpuArray<MapData, [u64; SECRET_COUNTERS]>) -> Self {
        Self { map: Arc::new(map) }
    }

    /// The counts at this moment.
    ///
    /// # Errors
    ///
    /// Where the kernel does not give the map's values.
    pub fn read(&self) -> Result<SecretCounts, CaptureError> {
        let cpus = self.map.get(&0, 0).map_err(|source| CaptureError::Map {
            map: "SECRET_COUNTS",
            source,
        })?;
        let mut sums = [0_u64; SECRET_COUNTERS];
        for cpu in cpus.iter() {
            for (sum, count) in sums.iter_mut().zip(cpu) {
                *sum = sum.wrapping_add(*count);
            }
        }
        Ok(SecretCounts { sums })
    }
}

impl SecretCounts {
    /// One of the counts.
    pub fn get(&self, counter: SecretCounter) -> u64 {
        self.sums[counter as usize]
    }

    /// Each counter's name and count.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        SecretCounter::ALL
            .into_iter()
            .map(|counter| (counter.name(), self.get(counter)))
    }

    /// Secrets of selected processes that were lost on the way to the ring, for whatever reason.
    pub fn lost(&self) -> u64 {
        [
            SecretCounter::RingFull,
            SecretCounter::Unreadable,
            SecretCounter::TooLong,
            SecretCounter::Incomplete,
        ]
        .into_iter()
        .map(|counter| self.get(counter))
        .sum()
    }
}
