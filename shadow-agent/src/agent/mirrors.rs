//! The mirrors of a run: which are in force, the shared halves of their outputs, and the plan that shards follow.
//!
//! A mirror keeps its slot in the ledger, its queue and its connections for as long as it is wanted with the same
//! output; what it selects may change under it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::capture::OwnConnections;
use crate::mirror::ledger::ShardLedger;
use crate::mirror::plan::{PlannedMirror, WantedMirror};
use crate::output::{Output, OutputStatus};
use crate::settings::OutputSettings;

/// Mirrors at once, and names of ended ones that the ledger remembers: each costs some hundred bytes a shard. Beyond,
/// ended ones are counted together.
pub const MAX_MIRRORS: usize = 1024;

/// How long a slot rests after its mirror ended before its counts are folded: longer than a shard takes to follow a plan
/// and a drain to end.
const REST: Duration = Duration::from_mins(1);

/// What ended mirrors whose slots were given to others are counted as.
const ENDED: &str = "(ended mirrors)";

/// The mirrors of a run.
pub struct Mirrors {
    own: OwnConnections,
    slots: Vec<Slot>,
    by_key: HashMap<String, usize>,
    /// The slot that counts ended mirrors.
    ended: Option<usize>,
}

struct Slot {
    key: String,
    name: String,
    settings: OutputSettings,
    /// `None` once the mirror is not wanted any more.
    output: Option<Arc<Output>>,
    ended: Option<Instant>,
}

impl Mirrors {
    /// No mirrors yet. Connections of their outputs are entered in `own`.
    pub fn new(own: OwnConnections) -> Self {
        Self {
            own,
            slots: Vec::new(),
            by_key: HashMap::new(),
            ended: None,
        }
    }

    /// Makes exactly `wanted` the mirrors in force, and gives them with their slots, in the same order. Where one of
    /// them cannot be, nothing has changed.
    pub fn set(
        &mut self,
        wanted: &[WantedMirror],
        ledgers: &[ShardLedger],
    ) -> anyhow::Result<Vec<PlannedMirror>> {
        anyhow::ensure!(
            wanted.len() <= MAX_MIRRORS,
            "{} mirrors are wanted, and {MAX_MIRRORS} is the most",
            wanted.len()
        );
        // What can fail comes first.
        let mut opened = HashMap::new();
        for mirror in wanted {
            if self.current(mirror).is_none() {
                let output = Output::new(&mirror.output, &self.own)
                    .with_context(|| mirror.name.clone().unwrap_or_else(|| mirror.key.clone()))?;
                opened.insert(mirror.key.as_str(), Arc::new(output));
            }
        }
        self.end_others(wanted, &opened);
        let mut planned = Vec::with_capacity(wanted.len());
        for mirror in wanted {
            let slot = match opened.remove(mirror.key.as_str()) {
                Some(output) => self.open(mirror, output, ledgers)?,
                None => self.by_key[&mirror.key],
            };
            planned.push(PlannedMirror {
                slot,
                selection: mirror.selection.clone(),
            });
        }
        Ok(planned)
    }

    /// The shared halves of the outputs in force, by slot.
    pub fn outputs(&self) -> HashMap<usize, Arc<Output>> {
        let in_force = self.slots.iter().enumerate();
        in_force
            .filter_map(|(slot, entry)| Some((slot, entry.output.clone()?)))
            .collect()
    }

    /// The names of all slots, as the ledger shows them.
    pub fn names(&self) -> Vec<String> {
        self.slots.iter().map(|slot| slot.name.clone()).collect()
    }

    /// How the outputs in force do, each with its slot.
    pub fn status(&self) -> Vec<(usize, OutputStatus)> {
        let in_force = self.slots.iter().enumerate();
        in_force
            .filter_map(|(slot, entry)| Some((slot, entry.output.as_ref()?.status())))
            .collect()
    }

    /// The slot of a mirror that is in force with this very output.
    fn current(&self, mirror: &WantedMirror) -> Option<usize> {
        let slot = *self.by_key.get(&mirror.key)?;
        let entry = &self.slots[slot];
        (entry.output.is_some() && entry.settings == mirror.output).then_some(slot)
    }

    fn end_others(&mut self, wanted: &[WantedMirror], opened: &HashMap<&str, Arc<Output>>) {
        let stay: std::collections::HashSet<&str> = wanted
            .iter()
            .map(|mirror| mirror.key.as_str())
            .filter(|key| !opened.contains_key(key))
            .collect();
        for entry in &mut self.slots {
            if entry.output.is_some() && !stay.contains(entry.key.as_str()) {
                entry.output = None;
                entry.ended = Some(Instant::now());
                self.by_key.remove(&entry.key);
            }
        }
    }

    fn open(
        &mut self,
        mirror: &WantedMirror,
        output: Arc<Output>,
        ledgers: &[ShardLedger],
    ) -> anyhow::Result<usize> {
        let entry = Slot {
            key: mirror.key.clone(),
            name: mirror.name.clone().unwrap_or_else(|| output.name().to_owned()),
            settings: mirror.output.clone(),
            output: Some(output),
            ended: None,
        };
        let slot = if self.slots.len() < 2 * MAX_MIRRORS {
            self.slots.push(entry);
            self.slots.len() - 1
        } else {
            let slot = self
                .fold_one(ledgers)
                .context("mirrors change faster than they can be accounted for: try again in a minute")?;
            self.slots[slot] = entry;
            slot
        };
        self.by_key.insert(mirror.key.clone(), slot);
        Ok(slot)
    }

    /// Frees the slot of a mirror that ended a while ago; its counts go to those of the ended ones.
    fn fold_one(&mut self, ledgers: &[ShardLedger]) -> Option<usize> {
        let rested = |entry: &Slot| entry.ended.is_some_and(|ended| ended.elapsed() >= REST);
        let mut candidates = (0..self.slots.len()).filter(|slot| rested(&self.slots[*slot]));
        let into = match self.ended {
            Some(into) => into,
            None => candidates.next()?,
        };
        let free = candidates.find(|slot| {
            let idle = |ledger: &ShardLedger| ledger.in_flight(*slot) == 0;
            *slot != into && ledgers.iter().all(idle)
        })?;
        for ledger in ledgers {
            ledger.fold(free, into);
        }
        if self.ended.is_none() {
            let entry = &mut self.slots[into];
            ENDED.clone_into(&mut entry.name);
            entry.ended = None;
            self.ended = Some(into);
        }
        Some(free)
    }
}
