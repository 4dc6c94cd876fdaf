//! The mirrors of a run: which are in force, the shared halves of their outputs, and the plan that shards follow.
//!
//! A mirror keeps its slot in the ledger, its queue and its connections for as long as it is wanted with the same
//! output; what it selects, and its rules, may change under it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::images::Images;
use crate::capture::OwnConnections;
use crate::compare::{Comparer, Intake, add_by_name};
use crate::latency::LatencyCounts;
use crate::mirror::ledger::{OutputCounts, RequestCounts, ShardLedger};
use crate::mirror::plan::{PlannedMirror, Selection};
use crate::output::MirrorSpec;
use crate::output::{Output, OutputStatus};
use crate::settings::OutputSettings;

/// Mirrors at once, and names of ended ones that the ledger remembers: each costs some hundred bytes a shard. Beyond,
/// ended ones are counted together.
pub const MAX_MIRRORS: usize = 1024;

/// How long a slot rests after its mirror ended before its counts are folded: longer than a shard takes to follow a plan
/// and a drain to end.
const REST: Duration = Duration::from_mins(1);

/// Name for the counts of ended mirrors whose slots were reused.
const ENDED: &str = "(ended mirrors)";

/// Name for extra requests of comparisons of ended mirrors, beyond as many names as there may be mirrors.
const ENDED_COMPARISONS: &str = "(ended comparisons)";

/// The mirrors of a run.
pub struct Mirrors {
    own: OwnConnections,
    comparer: Comparer,
    slots: Vec<Slot>,
    by_key: HashMap<String, usize>,
    /// The slot that counts ended mirrors.
    ended: Option<usize>,
    /// Counts of extra requests of comparisons of ended outputs, by name.
    extra_of_ended: Vec<(String, OutputCounts)>,
}

/// A line of the ledger: a name, and the slots whose counts it sums.
pub struct LedgerLine {
    /// The name.
    pub name: String,
    /// The slots; the first is in force, if one is.
    pub slots: Vec<usize>,
    /// Whether it takes a share of a route's requests, of which there may be none on this node.
    pub of_route: bool,
}

/// A comparison, and what the outputs that have it counted.
pub struct Compared {
    /// It.
    pub intake: Arc<Intake>,
    /// Production's requests.
    pub counts: OutputCounts,
    /// Requests that it made itself, by kind.
    pub extra: Vec<(String, OutputCounts)>,
    /// How late copies were sent.
    pub copy_delay: LatencyCounts,
    /// The images of the pods on both sides.
    pub images: Images,
    /// Whether these outputs have ended.
    pub has_ended: bool,
}

struct Slot {
    of_route: bool,
    key: String,
    name: String,
    settings: OutputSettings,
    /// `None` once the mirror is not wanted any more.
    output: Option<Arc<Output>>,
    /// The same, until it has finished what it held, where it compares.
    comparing: Option<Arc<Output>>,
    ended: Option<Instant>,
    /// The images of the pods on both sides.
    images: Images,
}

impl Slot {
    /// The output and its comparison, until it is settled.
    fn comparison(&self) -> Option<(&Arc<Output>, &Arc<Intake>)> {
        let output = self.comparing.as_ref()?;
        Some((output, output.comparison()?))
    }

    fn has_rested(&self) -> bool {
        self.ended.is_some_and(|ended| ended.elapsed() >= REST)
    }
}

impl Mirrors {
    /// No mirrors yet. Connections of their outputs are entered in `own`, and `comparer` compares what they compare.
    pub fn new(own: OwnConnections, comparer: Comparer) -> Self {
        Self {
            own,
            comparer,
            slots: Vec::new(),
            by_key: HashMap::new(),
            ended: None,
            extra_of_ended: Vec::new(),
        }
    }

    /// Makes exactly `wanted` the mirrors in force, and gives them with their slots, in the same order. Where one of
    /// them cannot be, nothing has changed.
    pub fn set(
        &mut self,
        wanted: &[MirrorSpec],
        ledgers: &[ShardLedger],
    ) -> anyhow::Result<Vec<PlannedMirror>> {
        anyhow::ensure!(
            wanted.len() <= MAX_MIRRORS,
            "{} mirrors are configured, the limit is {MAX_MIRRORS}",
            wanted.len()
        );
        // What can fail comes first.
        let mut opened = HashMap::new();
        for mirror in wanted {
            if self.current(mirror).is_none() {
                let output = Output::new(&mirror.output, &self.own, &self.comparer.of(&mirror.key))
                    .with_context(|| mirror.name.clone().unwrap_or_else(|| mirror.key.clone()))?;
                opened.insert(mirror.key.as_str(), Arc::new(output));
            }
        }
        let room = 2 * MAX_MIRRORS - self.slots.len() + self.foldable(ledgers).count().saturating_sub(1);
        anyhow::ensure!(
            opened.len() <= room,
            "mirrors are changing too fast to keep their counts: try again in a minute"
        );
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
                rules: mirror.rules.clone(),
                limit: mirror.limit.clone(),
            });
        }
        Ok(planned)
    }

    /// Notes the images of pods, by slot.
    pub fn found_images(&mut self, images: &HashMap<usize, Images>) {
        for (slot, images) in images {
            if let Some(entry) = self.slots.get_mut(*slot) {
                entry.images.extend(images);
            }
        }
    }

    /// The shared halves of the outputs in force, by slot.
    pub fn outputs(&self) -> HashMap<usize, Arc<Output>> {
        let in_force = self.slots.iter().enumerate();
        in_force
            .filter_map(|(slot, entry)| Some((slot, entry.output.clone()?)))
            .collect()
    }

    /// How many slots there are.
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    /// Counts for the ledger, active mirrors first: a mirror that ended is shown with one of its name that is in force,
    /// so that a changed setting does not begin its counts anew.
    pub fn shown(&self) -> Vec<LedgerLine> {
        let (live, ended): (Vec<usize>, Vec<usize>) =
            (0..self.slots.len()).partition(|slot| self.slots[*slot].output.is_some());
        let mut shown: Vec<LedgerLine> = live
            .into_iter()
            .map(|slot| LedgerLine {
                name: self.slots[slot].name.clone(),
                slots: vec![slot],
                of_route: self.slots[slot].of_route,
            })
            .collect();
        let mut by_name: HashMap<&str, usize> = HashMap::new();
        for (index, one) in shown.iter().enumerate() {
            by_name
                .entry(self.slots[one.slots[0]].name.as_str())
                .or_insert(index);
        }
        for slot in ended {
            let name = self.slots[slot].name.as_str();
            if let Some(index) = by_name.get(name) {
                shown[*index].slots.push(slot);
                continue;
            }
            by_name.insert(name, shown.len());
            shown.push(LedgerLine {
                name: name.to_owned(),
                slots: vec![slot],
                of_route: self.slots[slot].of_route,
            });
        }
        shown
    }

    /// How the outputs in force do, each with its slot.
    pub fn status(&self) -> Vec<(usize, OutputStatus)> {
        let in_force = self.slots.iter().enumerate();
        in_force
            .filter_map(|(slot, entry)| Some((slot, entry.output.as_ref()?.status())))
            .collect()
    }

    /// Requests that comparisons made besides copies, each kind with its name in the ledger.
    pub fn extra(&self) -> Vec<(String, OutputCounts)> {
        let outputs = self.slots.iter().filter_map(|entry| entry.comparing.as_ref());
        let mut extra: Vec<_> = outputs.flat_map(|output| output.extra()).collect();
        add_by_name(&mut extra, &self.extra_of_ended);
        extra
    }

    /// The comparisons, each with what the slots that have it counted.
    pub fn compared(&self, counts: &RequestCounts) -> Vec<Compared> {
        let mut compared: Vec<Compared> = Vec::new();
        let mut places: HashMap<*const Intake, usize> = HashMap::new();
        for (slot, entry) in self.slots.iter().enumerate() {
            let Some((output, intake)) = entry.comparison() else {
                continue;
            };
            let place = *places.entry(Arc::as_ptr(intake)).or_insert(compared.len());
            if place == compared.len() {
                compared.push(Compared {
                    intake: Arc::clone(intake),
                    counts: OutputCounts::default(),
                    extra: Vec::new(),
                    copy_delay: LatencyCounts::default(),
                    images: Images::default(),
                    has_ended: true,
                });
            }
            let one = &mut compared[place];
            one.counts
                .add(counts.outputs.get(slot).unwrap_or(&OutputCounts::default()));
            add_by_name(&mut one.extra, &output.extra_by_kind());
            one.copy_delay.add(&output.copy_delay());
            one.images.extend(&entry.images);
            one.has_ended &= entry.output.is_none();
        }
        compared
    }

    /// Lets go of outputs that have compared, ended a while ago and have nothing in flight: their counts are final, and are
    /// kept. Each is told of once.
    pub fn settle(&mut self, ledgers: &[ShardLedger], counts: &RequestCounts) {
        for slot in 0..self.slots.len() {
            let entry = &mut self.slots[slot];
            let Some((output, intake)) = entry.comparison() else {
                continue;
            };
            let extra = output.extra();
            if !entry.has_rested()
                || ledgers.iter().any(|ledger| ledger.in_flight(slot) > 0)
                || extra.iter().any(|(_, counts)| counts.in_flight > 0)
            {
                continue;
            }
            let of_slot = counts.outputs.get(slot).cloned().unwrap_or_default();
            self.comparer.settle(intake, &of_slot, &output.extra_by_kind());
            entry.comparing = None;
            for (name, counts) in extra.into_iter().filter(|(_, counts)| counts.seen > 0) {
                let is_known = self.extra_of_ended.iter().any(|(known, _)| *known == name);
                let has_room = is_known || self.extra_of_ended.len() < MAX_MIRRORS;
                let name = if has_room {
                    name
                } else {
                    ENDED_COMPARISONS.to_owned()
                };
                add_by_name(&mut self.extra_of_ended, &[(name, counts)]);
            }
        }
    }

    /// Whether a slot's output is an HTTP upstream.
    pub fn is_http(&self, slot: usize) -> bool {
        matches!(self.slots[slot].settings, OutputSettings::Http(_))
    }

    /// The slot of a mirror that is in force with this very output.
    fn current(&self, mirror: &MirrorSpec) -> Option<usize> {
        let slot = *self.by_key.get(&mirror.key)?;
        let entry = &self.slots[slot];
        (entry.output.is_some() && entry.settings == mirror.output).then_some(slot)
    }

    fn end_others(&mut self, wanted: &[MirrorSpec], opened: &HashMap<&str, Arc<Output>>) {
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
        mirror: &MirrorSpec,
        output: Arc<Output>,
        ledgers: &[ShardLedger],
    ) -> anyhow::Result<usize> {
        let entry = Slot {
            of_route: matches!(mirror.selection, Selection::Route { .. }),
            key: mirror.key.clone(),
            name: mirror.name.clone().unwrap_or_else(|| output.name().to_owned()),
            settings: mirror.output.clone(),
            comparing: output.comparison().is_some().then(|| Arc::clone(&output)),
            output: Some(output),
            ended: None,
            images: Images::default(),
        };
        let slot = if self.slots.len() < 2 * MAX_MIRRORS {
            self.slots.push(entry);
            self.slots.len() - 1
        } else {
            let slot = self
                .fold_one(ledgers)
                .context("mirrors are changing too fast to keep their counts: try again in a minute")?;
            self.slots[slot] = entry;
            slot
        };
        self.by_key.insert(mirror.key.clone(), slot);
        Ok(slot)
    }

    /// The slots of mirrors that ended a while ago and have nothing in flight.
    fn foldable(&self, ledgers: &[ShardLedger]) -> impl Iterator<Item = usize> {
        (0..self.slots.len())
            .filter(|slot| self.slots[*slot].has_rested() && self.slots[*slot].comparing.is_none())
            .filter(|slot| ledgers.iter().all(|ledger| ledger.in_flight(*slot) == 0))
    }

    /// Frees the slot of a mirror that ended a while ago; its counts go to those of the ended ones.
    fn fold_one(&mut self, ledgers: &[ShardLedger]) -> Option<usize> {
        let mut candidates = self.foldable(ledgers);
        let into = match self.ended {
            Some(into) => into,
            None => candidates.next()?,
        };
        let free = candidates.find(|slot| *slot != into)?;
        drop(candidates);
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

#[cfg(test)]
mod tests;
