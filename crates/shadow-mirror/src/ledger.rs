//! The ledger: every request whose start was seen ends, for each output, in exactly one counted outcome.
//!
//! ```text
//! seen = delivered + filtered + sampled_out + limited + dropped{reason} + in_flight
//! ```
//!
//! What passes while capture is paused is not seen, as if the agent were off: it is in no count.
//!
//! A request is opened once ([`ShardLedger::open`]) and its [`Opened`] is either dropped for all outputs at
//! once or split into one [`Ticket`] per output. A ticket is settled by value, so it cannot be settled twice;
//! one that is lost by a fault in this program counts as dropped with [`DropReason::Internal`] rather than
//! vanish. Each shard keeps its counts behind one lock that only that shard takes in normal running, so that
//! a snapshot is exact at any moment.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

pub use super::drop_reason::DropReason;

/// How a request ends for one output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The shadow's whole response came back, or the bytes are written.
    Delivered,
    /// A filter kept it back.
    Filtered,
    /// Sampling left it out.
    SampledOut,
    /// A rate limit, or the CPU budget (`--max-cpu`), left it out.
    Limited,
    /// It was lost, for a reason.
    Dropped(DropReason),
}

/// Counts of one output.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputCounts {
    /// Requests that were this output's business: all that were seen since it was there, where it has to do with all
    /// of production.
    pub seen: u64,
    /// Requests delivered.
    pub delivered: u64,
    /// Requests kept back by a filter.
    pub filtered: u64,
    /// Requests left out by sampling.
    pub sampled_out: u64,
    /// Requests left out by a rate limit or the CPU budget.
    pub limited: u64,
    /// Requests lost, by reason.
    pub dropped: BTreeMap<DropReason, u64>,
    /// Requests that have no outcome yet.
    pub in_flight: u64,
    /// Of those seen, further copies of a request (a limit above 100%).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub copies: u64,
    /// Requests among those delivered that were not whole (`--input-raw-allow-incomplete`).
    pub incomplete: u64,
    /// Of those seen, requests that were sent with values that the output had issued, in place of production's.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub correlated: u64,
    /// Those values.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub correlated_values: u64,
    /// Of those seen, requests that carried what production had issued and the output had not: sent with production's.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub uncorrelated: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl OutputCounts {
    /// The sum of all outcomes, which is what was seen.
    pub fn total(&self) -> u64 {
        self.delivered
            + self.filtered
            + self.sampled_out
            + self.limited
            + self.dropped.values().sum::<u64>()
            + self.in_flight
    }

    fn settle(&mut self, outcome: Outcome, incomplete: bool) {
        self.in_flight -= 1;
        match outcome {
            Outcome::Delivered => {
                self.delivered += 1;
                self.incomplete += u64::from(incomplete);
            }
            Outcome::Filtered => self.filtered += 1,
            Outcome::SampledOut => self.sampled_out += 1,
            Outcome::Limited => self.limited += 1,
            Outcome::Dropped(reason) => *self.dropped.entry(reason).or_default() += 1,
        }
    }

    /// The counts since `before`; those in flight are so now.
    #[must_use]
    pub fn since(&self, before: &OutputCounts) -> OutputCounts {
        let dropped = self.dropped.iter().map(|(reason, count)| {
            let earlier = before.dropped.get(reason).copied().unwrap_or_default();
            (*reason, count.saturating_sub(earlier))
        });
        OutputCounts {
            seen: self.seen.saturating_sub(before.seen),
            delivered: self.delivered.saturating_sub(before.delivered),
            filtered: self.filtered.saturating_sub(before.filtered),
            sampled_out: self.sampled_out.saturating_sub(before.sampled_out),
            limited: self.limited.saturating_sub(before.limited),
            dropped: dropped.filter(|(_, count)| *count > 0).collect(),
            in_flight: self.in_flight,
            copies: self.copies.saturating_sub(before.copies),
            incomplete: self.incomplete.saturating_sub(before.incomplete),
            correlated: self.correlated.saturating_sub(before.correlated),
            correlated_values: self.correlated_values.saturating_sub(before.correlated_values),
            uncorrelated: self.uncorrelated.saturating_sub(before.uncorrelated),
        }
    }

    /// Adds another one's counts.
    pub fn add(&mut self, other: &OutputCounts) {
        self.seen += other.seen;
        self.delivered += other.delivered;
        self.filtered += other.filtered;
        self.sampled_out += other.sampled_out;
        self.limited += other.limited;
        for (reason, count) in &other.dropped {
            *self.dropped.entry(*reason).or_default() += count;
        }
        self.in_flight += other.in_flight;
        self.copies += other.copies;
        self.incomplete += other.incomplete;
        self.correlated += other.correlated;
        self.correlated_values += other.correlated_values;
        self.uncorrelated += other.uncorrelated;
    }
}

/// Requests seen and what became of them, per output: by slot, which is the order of the settings where they never
/// change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestCounts {
    /// Requests whose start was seen, each once.
    pub seen: u64,
    /// One for each slot.
    pub outputs: Vec<OutputCounts>,
}

impl RequestCounts {
    /// Whether the equation holds for every output.
    pub fn balanced(&self) -> bool {
        self.outputs.iter().all(|output| output.total() == output.seen)
    }

    /// Adds another shard's counts of the same outputs.
    pub fn add(&mut self, other: &RequestCounts) {
        self.seen += other.seen;
        self.outputs.resize(
            self.outputs.len().max(other.outputs.len()),
            OutputCounts::default(),
        );
        for (mine, theirs) in self.outputs.iter_mut().zip(&other.outputs) {
            mine.add(theirs);
        }
    }
}

/// One shard's share of the ledger. Cheap to clone; clones share the counts.
#[derive(Clone, Debug)]
pub struct ShardLedger {
    counts: Arc<Mutex<RequestCounts>>,
}

impl ShardLedger {
    /// An empty ledger for so many outputs.
    pub fn new(outputs: usize) -> Self {
        let counts = RequestCounts {
            seen: 0,
            outputs: vec![OutputCounts::default(); outputs],
        };
        Self {
            counts: Arc::new(Mutex::new(counts)),
        }
    }

    /// Counts a request whose start was seen, in flight for every output: in a run each names its own.
    #[cfg(any(test, feature = "testing"))]
    pub fn open(&self) -> Opened {
        let all = self.with(|counts| (0..counts.outputs.len()).collect());
        self.open_for(&all)
    }

    /// Counts a request whose start was seen, in flight for the outputs in these slots: ascending, each once.
    pub fn open_for(&self, slots: &Rc<[usize]>) -> Opened {
        self.with(|counts| {
            counts.seen += 1;
            if let Some(last) = slots.last()
                && counts.outputs.len() <= *last
            {
                counts.outputs.resize(last + 1, OutputCounts::default());
            }
            for slot in &**slots {
                counts.outputs[*slot].seen += 1;
                counts.outputs[*slot].in_flight += 1;
            }
        });
        Opened {
            ledger: Some(self.clone()),
            slots: slots.clone(),
            incomplete: false,
        }
    }

    /// Requests of one slot that have no outcome yet.
    pub fn in_flight(&self, slot: usize) -> u64 {
        self.with(|counts| counts.outputs.get(slot).map_or(0, |output| output.in_flight))
    }

    /// Moves the counts of one slot to another, so that it can be given to a new output. Not while it has requests in
    /// flight.
    pub fn fold(&self, slot: usize, into: usize) {
        self.with(|counts| {
            let most = slot.max(into);
            if counts.outputs.len() <= most {
                counts.outputs.resize(most + 1, OutputCounts::default());
            }
            let folded = std::mem::take(&mut counts.outputs[slot]);
            counts.outputs[into].add(&folded);
        });
    }

    /// The counts at this moment; they always balance.
    pub fn snapshot(&self) -> RequestCounts {
        self.with(|counts| counts.clone())
    }

    fn with<R>(&self, f: impl FnOnce(&mut RequestCounts) -> R) -> R {
        f(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A request that has started and was not handed to the outputs yet.
#[derive(Debug)]
pub struct Opened {
    ledger: Option<ShardLedger>,
    slots: Rc<[usize]>,
    incomplete: bool,
}

impl Opened {
    /// The outputs that it was opened for, by slot.
    pub fn slots(&self) -> &Rc<[usize]> {
        &self.slots
    }

    /// The same, of a request that is handed on although it is not whole.
    #[must_use]
    pub fn incomplete(mut self) -> Self {
        self.incomplete = true;
        self
    }

    /// Ends the request alike for every output.
    pub fn settle(mut self, outcome: Outcome) {
        self.settle_all(outcome);
    }

    /// Ends the request for some of the outputs that it was opened for: it goes on for the others.
    pub fn settle_some(&mut self, outcomes: &[(usize, Outcome)]) {
        let Some(ledger) = &self.ledger else { return };
        ledger.with(|counts| {
            for (slot, outcome) in outcomes {
                counts.outputs[*slot].settle(*outcome, self.incomplete);
            }
        });
        let ended = |slot: &usize| outcomes.iter().any(|(ended, _)| ended == slot);
        self.slots = self.slots.iter().copied().filter(|slot| !ended(slot)).collect();
    }

    /// One ticket for each output that it was opened for, in the order of their slots. All must be taken.
    pub fn split(mut self) -> impl Iterator<Item = Ticket> {
        let ledger = self.ledger.take();
        let slots = self.slots.clone();
        let incomplete = self.incomplete;
        (0..slots.len()).map(move |index| Ticket {
            ledger: ledger.clone(),
            output: slots[index],
            incomplete,
        })
    }

    fn settle_all(&mut self, outcome: Outcome) {
        if let Some(ledger) = self.ledger.take() {
            ledger.with(|counts| {
                for slot in &*self.slots {
                    counts.outputs[*slot].settle(outcome, self.incomplete);
                }
            });
        }
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.settle_all(Outcome::Dropped(DropReason::Internal));
    }
}

/// One request's claim to an outcome at one output.
#[derive(Debug)]
pub struct Ticket {
    ledger: Option<ShardLedger>,
    output: usize,
    incomplete: bool,
}

impl Ticket {
    /// The output's slot.
    pub fn slot(&self) -> usize {
        self.output
    }

    /// A claim of a further copy of the request, which is seen and counted like any other.
    #[must_use]
    pub fn another(&self) -> Ticket {
        if let Some(ledger) = &self.ledger {
            ledger.with(|counts| {
                let output = &mut counts.outputs[self.output];
                output.seen += 1;
                output.in_flight += 1;
                output.copies += 1;
            });
        }
        Ticket {
            ledger: self.ledger.clone(),
            output: self.output,
            incomplete: self.incomplete,
        }
    }

    /// Counts what of production's it carries: so many values are replaced by the output's own; `missing`: whether there are others,
    /// which the output never issued.
    pub fn correlate(&self, values: usize, missing: bool) {
        if values == 0 && !missing {
            return;
        }
        if let Some(ledger) = &self.ledger {
            ledger.with(|counts| {
                let output = &mut counts.outputs[self.output];
                output.correlated += u64::from(values > 0);
                output.correlated_values += values as u64;
                output.uncorrelated += u64::from(missing);
            });
        }
    }

    /// Ends the request for this output.
    pub fn settle(mut self, outcome: Outcome) {
        self.settle_once(outcome);
    }

    fn settle_once(&mut self, outcome: Outcome) {
        if let Some(ledger) = self.ledger.take() {
            ledger.with(|counts| counts.outputs[self.output].settle(outcome, self.incomplete));
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.settle_once(Outcome::Dropped(DropReason::Internal));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_rejected_before_the_outputs_is_dropped_for_each_of_them() {
        let ledger = ShardLedger::new(2);
        ledger.open().settle(Outcome::Dropped(DropReason::Gap));
        let counts = ledger.snapshot();
        assert_eq!(counts.seen, 1);
        assert_eq!(counts.outputs[0].dropped[&DropReason::Gap], 1);
        assert_eq!(counts.outputs[1].dropped[&DropReason::Gap], 1);
        assert!(counts.balanced());
    }

    #[test]
    fn each_output_settles_its_own_ticket() {
        let ledger = ShardLedger::new(2);
        let mut tickets = ledger.open().split();
        let (first, second) = (tickets.next().unwrap(), tickets.next().unwrap());
        first.settle(Outcome::Delivered);
        let halfway = ledger.snapshot();
        assert_eq!(
            (halfway.outputs[0].delivered, halfway.outputs[1].in_flight),
            (1, 1)
        );
        assert!(halfway.balanced());
        second.settle(Outcome::Dropped(DropReason::Timeout));
        assert_eq!(ledger.snapshot().outputs[1].dropped[&DropReason::Timeout], 1);
        assert!(ledger.snapshot().balanced());
    }

    #[test]
    fn a_request_that_is_not_whole_is_delivered_and_counted_as_incomplete() {
        let ledger = ShardLedger::new(2);
        let mut tickets = ledger.open().incomplete().split();
        tickets.next().unwrap().settle(Outcome::Delivered);
        tickets
            .next()
            .unwrap()
            .settle(Outcome::Dropped(DropReason::Timeout));
        let counts = ledger.snapshot();
        assert_eq!(
            (counts.outputs[0].delivered, counts.outputs[0].incomplete),
            (1, 1)
        );
        assert_eq!(counts.outputs[1].incomplete, 0);
        assert!(counts.balanced());
    }

    #[test]
    fn what_is_sent_with_the_outputs_own_values_is_counted() {
        let ledger = ShardLedger::new(1);
        for (values, missing) in [(1, false), (3, true), (0, true), (0, false)] {
            let ticket = ledger.open().split().next().unwrap();
            ticket.correlate(values, missing);
            ticket.settle(Outcome::Delivered);
        }
        let all = ledger.snapshot();
        let counts = &all.outputs[0];
        let of = |counts: &OutputCounts| (counts.correlated, counts.correlated_values, counts.uncorrelated);
        assert_eq!((counts.seen, of(counts)), (4, (2, 4, 2)));
        assert!(all.balanced());
        let mut twice = counts.clone();
        twice.add(counts);
        assert_eq!(of(&twice), (4, 8, 4));
        assert_eq!(twice.since(counts), *counts);
    }

    #[test]
    fn a_lost_ticket_is_counted_as_internal() {
        let ledger = ShardLedger::new(1);
        drop(ledger.open());
        ledger.open().split().for_each(drop);
        let counts = ledger.snapshot();
        assert_eq!(counts.outputs[0].dropped[&DropReason::Internal], 2);
        assert!(counts.balanced());
    }

    #[test]
    fn the_list_of_reasons_is_complete_and_in_order() {
        for (index, reason) in DropReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
        }
    }

    #[test]
    fn shards_add_up() {
        let (first, second) = (ShardLedger::new(1), ShardLedger::new(1));
        first.open().settle(Outcome::Delivered);
        second.open().settle(Outcome::Dropped(DropReason::QueueFull));
        let mut sum = first.snapshot();
        sum.add(&second.snapshot());
        assert_eq!(sum.seen, 2);
        assert_eq!(sum.outputs[0].delivered, 1);
        assert!(sum.balanced());
    }
}
