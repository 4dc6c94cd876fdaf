//! `run.json`: what a run was, beside its pairs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::tally::{Facts, Tally};
use crate::{Hosts, NotCompared};

/// The format's name, as in the file.
pub(super) const FORMAT: &str = "shadow-agent comparison";
/// The version of the format of the directory.
pub(super) const SCHEMA: u32 = 1;

/// A run, as its file describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The format's name.
    pub format: String,
    /// The version of the format.
    pub schema: u32,
    /// The version of the program that wrote it.
    pub version: String,
    /// When this was written: Unix time in milliseconds.
    pub written_at_ms: u64,
    /// Whether the run has ended in order. Otherwise it goes on, or was broken off, and counts are those of
    /// `written_at_ms`.
    pub ended: bool,
    /// Names of the headers that are hidden, in lower case.
    pub redacted_headers: Vec<String>,
    /// Counts of the pairs, by what became of them.
    pub counts: Counts,
    /// The comparisons, in their order.
    pub comparisons: Vec<KeptComparison>,
}

/// One of the comparisons of a run, beside its pairs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KeptComparison {
    /// The facts that the run knows of it.
    pub facts: Facts,
    /// The hosts that the shadow and the control were asked under.
    #[serde(default)]
    pub hosts: Hosts,
    /// The selection of production's requests that is compared, in words.
    pub selection: Vec<String>,
    /// Requests that were not compared and of which there is no record, by reason.
    pub uncounted: BTreeMap<String, u64>,
}

impl KeptComparison {
    /// Describes what is known now.
    pub fn new(facts: &Facts, tally: &Tally) -> Self {
        let uncounted = tally.uncounted_so_far().iter();
        Self {
            facts: facts.clone(),
            hosts: tally.hosts().clone(),
            selection: tally.selection().to_vec(),
            uncounted: uncounted.map(|(why, count)| (why.name(), *count)).collect(),
        }
    }

    /// Requests that were not compared and of which there is no record.
    pub fn uncounted(&self) -> impl Iterator<Item = (NotCompared, u64)> {
        let known = |(why, count): (&String, &u64)| Some((NotCompared::named(why)?, *count));
        self.uncounted.iter().filter_map(known)
    }
}

/// Counts of pairs, and of requests that were not compared, by what became of them on their way into the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Written, those that have gone since included.
    pub written: u64,
    /// Not written, by reason: `store_queue_full`, `unredactable`, `too_large`, `write_error`, `too_many_comparisons`.
    pub lost: BTreeMap<String, u64>,
    /// Gone again, for those behind them.
    pub gone: u64,
    /// Bytes of pairs in the directory.
    pub bytes: u64,
    /// Bodies that were hidden as a whole, those that have gone since included: they hold a name of a secret and are not
    /// understood, or they cannot be decoded.
    #[serde(default)]
    pub bodies_as_a_whole: u64,
}

impl Counts {
    /// Those that are not there, whatever became of them.
    pub fn missing(&self) -> u64 {
        self.gone + self.lost.values().sum::<u64>()
    }
}
