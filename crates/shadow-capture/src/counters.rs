//! The kernel programs' counters, summed over CPUs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use aya::maps::{MapData, PerCpuArray};
use serde::ser::{Serialize, SerializeMap, Serializer};
use shadow_common::{COUNTERS, Counter};

use super::error::CaptureError;

/// Reads the counters of a running capture. Cheap to clone.
#[derive(Clone)]
pub struct CaptureCounters {
    map: Arc<PerCpuArray<MapData, [u64; COUNTERS]>>,
    malformed: Arc<AtomicU64>,
}

impl CaptureCounters {
    pub(super) fn new(map: PerCpuArray<MapData, [u64; COUNTERS]>, malformed: Arc<AtomicU64>) -> Self {
        let map = Arc::new(map);
        Self { map, malformed }
    }

    /// The counts at this moment.
    ///
    /// # Errors
    ///
    /// Where the kernel does not give the map's values.
    pub fn read(&self) -> Result<CaptureCounts, CaptureError> {
        let cpus = self.map.get(&0, 0).map_err(|source| CaptureError::Map {
            map: "COUNTS",
            source,
        })?;
        let mut sums = [0_u64; COUNTERS];
        for cpu in cpus.iter() {
            for (sum, count) in sums.iter_mut().zip(cpu) {
                *sum = sum.wrapping_add(*count);
            }
        }
        Ok(CaptureCounts {
            sums,
            malformed_records: self.malformed.load(Relaxed),
        })
    }
}

/// Counts of the kernel programs since the capture started. As JSON, an object with a member for each
/// [`Counter`], its name in snake case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CaptureCounts {
    sums: [u64; COUNTERS],
    /// Records that did not hold what they said: always 0, or a fault in this program.
    pub malformed_records: u64,
}

impl CaptureCounts {
    /// One of the counts.
    pub fn get(&self, counter: Counter) -> u64 {
        self.sums[counter as usize]
    }

    /// Packets that reached a ring whole.
    pub fn copied_packets(&self) -> u64 {
        self.get(Counter::PacketsCopied)
    }

    /// Packets of which something was lost on the way to a ring, for whatever reason.
    pub fn lost_packets(&self) -> u64 {
        [
            Counter::FragmentsFirstV4,
            Counter::FragmentsFirstV6,
            Counter::BadLengths,
            Counter::RingFullPackets,
            Counter::ResponsesLeftOutPackets,
            Counter::LoadErrorPackets,
            Counter::PacketsCut,
        ]
        .into_iter()
        .map(|counter| self.get(counter))
        .sum()
    }

    /// Each counter's name and count.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Counter::ALL
            .into_iter()
            .map(|counter| (counter.name(), self.get(counter)))
            .chain([("malformed_records", self.malformed_records)])
    }

    /// Whether each selected packet ended in one counter. A packet is counted as selected first, so this may be
    /// untrue for a moment while packets come.
    pub fn balanced(&self) -> bool {
        let ends: u64 = Counter::ALL
            .into_iter()
            .filter(|counter| counter.is_end())
            .map(|counter| self.get(counter))
            .sum();
        ends == self.get(Counter::PacketsSelected)
    }
}

impl Serialize for CaptureCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(COUNTERS + 1))?;
        for (name, count) in self.iter() {
            map.serialize_entry(name, &count)?;
        }
        map.end()
    }
}
