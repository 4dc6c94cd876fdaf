//! The mirrors of a run: which are in force, the shared halves of their outputs, and the plan that shards follow.
//!
//! A mirror keeps its slot in the ledger, its queue and its connections for as long as it is wanted with the same
//! output; what it selects, and its rules, may change under it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::capture::OwnConnections;
use crate::compare::{Comparer, Intake};
use crate::mirror::ledger::{OutputCounts, RequestCounts, ShardLedger};
use crate::mirror::plan::{PlannedMirror, Selection, WantedMirror};
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
    comparer: Comparer,
    slots: Vec<Slot>,
    by_key: HashMap<String, usize>,
    /// The slot that counts ended mirrors.
    ended: Option<usize>,
}

/// A line of the ledger: a name, and the slots whose counts it sums.
pub struct Shown {
    /// The name.
    pub name: String,
    /// The slots; the first is in force, if one is.
    pub slots: Vec<usize>,
    /// Whether it takes a share of a route's requests, of which there may be none on this node.
    pub of_route: bool,
}

/// A comparison, counts of its slot, and of the requests that it made itself.
pub type Compared = (Arc<Intake>, OutputCounts, Vec<(String, OutputCounts)>);

struct Slot {
    of_route: bool,
    key: String,
    name: String,
    settings: OutputSettings,
    /// `None` once the mirror is not wanted any more.
    output: Option<Arc<Output>>,
    /// The same, also afterwards, where it compares.
    comparing: Option<Arc<Output>>,
    ended: Option<Instant>,
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
                let output = Output::new(&mirror.output, &self.own, &self.comparer)
                    .with_context(|| mirror.name.clone().unwrap_or_else(|| mirror.key.clone()))?;
                opened.insert(mirror.key.as_str(), Arc::new(output));
            }
        }
        let room = 2 * MAX_MIRRORS - self.slots.len() + self.foldable(ledgers).count().saturating_sub(1);
        anyhow::ensure!(
            opened.len() <= room,
            "mirrors change faster than they can be accounted for: try again in a minute"
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

    /// What the ledger shows, those in force first: a mirror that ended is shown with one of its name that is in force,
    /// so that a changed setting does not begin its counts anew.
    pub fn shown(&self) -> Vec<Shown> {
        let (live, ended): (Vec<usize>, Vec<usize>) =
            (0..self.slots.len()).partition(|slot| self.slots[*slot].output.is_some());
        let mut shown: Vec<Shown> = live
            .into_iter()
            .map(|slot| Shown {
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
            shown.push(Shown {
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
        outputs.flat_map(|output| output.extra()).collect()
    }

    /// The comparisons, each with what its slot counted and with its own requests.
    pub fn compared(&self, counts: &RequestCounts) -> Vec<Compared> {
        let outputs = self.slots.iter().enumerate();
        let compared = outputs.filter_map(|(slot, entry)| {
            let output = entry.comparing.as_ref()?;
            let counts = counts.outputs.get(slot).cloned().unwrap_or_default();
            Some((Arc::clone(output.comparison()?), counts, output.extra_by_kind()))
        });
        compared.collect()
    }

    /// Whether a slot's output is an HTTP upstream.
    pub fn is_http(&self, slot: usize) -> bool {
        matches!(self.slots[slot].settings, OutputSettings::Http(_))
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
            of_route: matches!(mirror.selection, Selection::Route { .. }),
            key: mirror.key.clone(),
            name: mirror.name.clone().unwrap_or_else(|| output.name().to_owned()),
            settings: mirror.output.clone(),
            comparing: output.comparison().is_some().then(|| Arc::clone(&output)),
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

    /// The slots of mirrors that ended a while ago and have nothing in flight.
    fn foldable(&self, ledgers: &[ShardLedger]) -> impl Iterator<Item = usize> {
        let rested = |entry: &Slot| entry.ended.is_some_and(|ended| ended.elapsed() >= REST);
        (0..self.slots.len())
            .filter(move |slot| rested(&self.slots[*slot]))
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
mod tests {
    use super::*;

    fn mirror(key: &str, queue_bytes: usize) -> WantedMirror {
        WantedMirror {
            key: key.to_owned(),
            name: Some(format!("mirror {key}")),
            selection: Selection::Everything,
            rules: None,
            limit: None,
            output: if queue_bytes == 0 {
                OutputSettings::Null
            } else {
                OutputSettings::Stdout { queue_bytes }
            },
        }
    }

    fn slots(mirrors: &mut Mirrors, wanted: &[WantedMirror]) -> Vec<usize> {
        let planned = mirrors.set(wanted, &[]).unwrap();
        planned.into_iter().map(|planned| planned.slot).collect()
    }

    #[test]
    fn a_mirror_that_stays_as_it_is_keeps_its_slot_and_its_output() {
        let mut mirrors = Mirrors::new(OwnConnections::default(), Comparer::default());
        assert_eq!(slots(&mut mirrors, &[mirror("a", 0), mirror("b", 0)]), [0, 1]);
        let before = mirrors.outputs();
        assert_eq!(slots(&mut mirrors, &[mirror("b", 0), mirror("c", 0)]), [1, 2]);
        let now = mirrors.outputs();
        assert!(Arc::ptr_eq(&before[&1], &now[&1]));
        assert!(!now.contains_key(&0), "what is not wanted any more has no output");
        let names: Vec<_> = mirrors.shown().into_iter().map(|one| one.name).collect();
        assert_eq!(
            names,
            ["mirror b", "mirror c", "mirror a"],
            "those in force first"
        );
    }

    #[test]
    fn one_whose_output_changes_gets_another_slot() {
        let mut mirrors = Mirrors::new(OwnConnections::default(), Comparer::default());
        assert_eq!(slots(&mut mirrors, &[mirror("a", 0)]), [0]);
        assert_eq!(slots(&mut mirrors, &[mirror("a", 4096)]), [1]);
        assert_eq!(slots(&mut mirrors, &[mirror("a", 4096)]), [1]);
        let shown = mirrors.shown();
        assert_eq!(shown.len(), 1, "and is shown with what it counted before");
        assert_eq!(shown[0].slots, [1, 0]);
    }

    #[test]
    fn more_mirrors_than_the_bound_are_refused_and_change_nothing() {
        let mut mirrors = Mirrors::new(OwnConnections::default(), Comparer::default());
        slots(&mut mirrors, &[mirror("a", 0)]);
        let many: Vec<_> = (0..=MAX_MIRRORS)
            .map(|number| mirror(&number.to_string(), 0))
            .collect();
        assert!(mirrors.set(&many, &[]).is_err());
        assert_eq!(mirrors.outputs().len(), 1);
    }

    #[test]
    fn slots_of_mirrors_that_ended_long_ago_are_given_away_and_their_counts_kept() {
        let mut mirrors = Mirrors::new(OwnConnections::default(), Comparer::default());
        let ledger = ShardLedger::new(0);
        for round in 0..2 * MAX_MIRRORS {
            slots(&mut mirrors, &[mirror(&round.to_string(), 0)]);
        }
        ledger
            .open_for(&[3].into())
            .settle(crate::mirror::ledger::Outcome::Delivered);
        let late = [mirror("late", 0)];
        let ledgers = [ledger.clone()];
        assert!(mirrors.set(&late, &ledgers).is_err(), "none has rested yet");
        let long_ago = Instant::now().checked_sub(REST).unwrap();
        for slot in &mut mirrors.slots {
            slot.ended = slot.ended.map(|_| long_ago);
        }
        let mut given = Vec::new();
        for round in 0..3 {
            given.push(
                mirrors
                    .set(&[mirror(&format!("late {round}"), 0)], &ledgers)
                    .unwrap()[0]
                    .slot,
            );
        }
        assert_eq!(given, [1, 2, 3]);
        assert_eq!(mirrors.slots[0].name, ENDED);
        assert_eq!(
            ledger.snapshot().outputs[0].delivered,
            1,
            "with those of the ended ones"
        );
        assert!(ledger.snapshot().balanced());
    }
}
