//! Correlation of one comparison: what production issued is mapped to what the shadow issued, and to what the control did.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shadow_core::time::{ReadSoFar, Timestamp};
use shadow_correlate::{Bounds, Counts, Exceptions, Exchanges, Keys, Map, lock};
use shadow_mirror::MessageId;

use super::grpc_descriptors::GrpcDescriptors;

/// How values are mapped.
#[derive(Clone, Debug, PartialEq)]
pub struct CorrelateSettings {
    /// How long a request waits for an answer that is under way and has what it carries.
    pub wait: Duration,
    /// Exceptions: values and places that are left out.
    pub exceptions: Arc<Exceptions>,
    /// How much is remembered, for each output.
    pub bounds: Bounds,
}

/// The maps of one comparison: shared by all shards, and by the thread that compares.
#[derive(Debug)]
pub struct Correlation {
    settings: CorrelateSettings,
    /// How far capture is read, where several threads read it.
    progress: Option<Arc<dyn ReadSoFar>>,
    keys: Keys,
    shadow: Arc<Mutex<Map>>,
    control: Arc<Mutex<Map>>,
}

impl Correlation {
    /// One that knows nothing yet. `progress`: how far capture is read, where several threads read it.
    pub fn new(settings: CorrelateSettings, progress: Option<Arc<dyn ReadSoFar>>) -> Self {
        let keys = Keys::default();
        let map = || Arc::new(Mutex::new(Map::new(keys.clone(), settings.bounds)));
        let (shadow, control) = (map(), map());
        Self {
            settings,
            progress,
            keys,
            shadow,
            control,
        }
    }

    /// The same; messages of gRPC are read by these descriptors, as far as they are there.
    #[must_use]
    pub(crate) fn with_descriptors(self, descriptors: Option<&GrpcDescriptors>) -> Self {
        if let Some(descriptors) = descriptors {
            for map in [&self.shadow, &self.control] {
                lock(map).set_methods(Arc::new(descriptors.clone()));
            }
        }
        self
    }

    /// How it maps.
    pub fn settings(&self) -> &CorrelateSettings {
        &self.settings
    }

    /// Whether all that was captured before `time` has been read.
    pub fn is_read(&self, time: Timestamp) -> bool {
        self.progress
            .as_ref()
            .is_none_or(|progress| progress.is_read(time))
    }

    /// The shadow's map.
    pub fn shadow(&self) -> &Arc<Mutex<Map>> {
        &self.shadow
    }

    /// The control's.
    pub fn control(&self) -> &Arc<Mutex<Map>> {
        &self.control
    }

    /// Exchanges of one shard, which teach `map`.
    pub(crate) fn exchanges(&self, map: &Arc<Mutex<Map>>) -> Exchanges<MessageId> {
        Exchanges::new(
            Arc::clone(map),
            self.keys.clone(),
            Arc::clone(&self.settings.exceptions),
        )
    }

    /// Forgets what no request carried for too long.
    pub(crate) fn expire(&self, now: Timestamp) {
        for map in [&self.shadow, &self.control] {
            lock(map).expire(now);
        }
    }

    /// Counts of its work for the shadow so far.
    pub fn counts(&self) -> Correlated {
        lock(&self.shadow).counts().into()
    }
}

/// The work of correlation for a shadow, as reports have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correlated {
    /// Requests that were sent with values that the shadow had issued, in place of production's.
    pub requests: u64,
    /// Those values.
    pub values: u64,
    /// Requests that carried what production had issued and the shadow had not.
    pub missing: u64,
    /// Requests that waited: for an answer with what they carry, or for an earlier request with the same.
    pub waited: u64,
    /// Those of them that went before it came.
    pub late: u64,
    /// Pairs of values that were learned.
    pub learned: u64,
    /// Pairs that were forgotten for want of room.
    pub evicted: u64,
}

impl From<Counts> for Correlated {
    fn from(counts: Counts) -> Self {
        let Counts {
            requests,
            values,
            missing,
            waited,
            late,
            learned,
            evicted,
        } = counts;
        Self {
            requests,
            values,
            missing,
            waited,
            late,
            learned,
            evicted,
        }
    }
}

impl Correlated {
    /// Says in a sentence what it did; `None` where it did nothing.
    pub fn done(&self) -> Option<String> {
        let Self { requests, values, .. } = self;
        (self.requests > 0).then(|| {
            format!(
                "{requests} requests were sent with {values} values that the shadow had issued in place of production's \
                 (correlation)."
            )
        })
    }

    /// Says in a sentence what it could not do; `None` where there is nothing.
    pub fn undone(&self) -> Option<String> {
        let Self { missing, .. } = self;
        (self.missing > 0)
            .then(|| format!("{missing} requests carried what production had issued and the shadow had not."))
    }
}

#[cfg(test)]
mod tests;
