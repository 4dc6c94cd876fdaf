//! The document of a run that was kept, made again: with the rules that it had, or with others.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use shadow_core::time::moment;

use super::reader::{Damage, Store};
use super::record::Kept;
use super::run::{KeptComparison, Run};
use crate::counters::CompareCounters;
use crate::document::{Comparison, Document, SCHEMA};
use crate::tally::Tally;
use crate::{Judging, NotCompared, verdict};

/// Most comparisons of one run: those of a configuration file that is as long as can be.
pub const MAX_COMPARISONS: usize = 1024;

/// Judges the pairs in `store` by `judging`. What the examples hold was redacted when it was kept, and is shown so.
pub fn document(store: &Store, judging: &Judging) -> Document {
    let known = &store.run().comparisons;
    let mut tallies: Vec<(KeptComparison, Tally)> = Vec::new();
    let mut records = store.records();
    // Records may be there before their comparison is described.
    let begin_until = |tallies: &mut Vec<(KeptComparison, Tally)>, length: usize| {
        while tallies.len() < length.min(MAX_COMPARISONS) {
            let kept = known.get(tallies.len()).cloned().unwrap_or_default();
            let judging = Judging {
                redaction: None,
                hosts: kept.hosts.clone(),
                selection: kept.selection.clone(),
                ..judging.clone()
            };
            let tally = Tally::new(Arc::new(judging), CompareCounters::default());
            tallies.push((kept, tally));
        }
    };
    begin_until(&mut tallies, known.len());
    let mut last_request = 0;
    for record in records.by_ref() {
        last_request = last_request.max(record.at() / 1_000_000);
        let of = usize::from(record.of());
        begin_until(&mut tallies, of + 1);
        let Some((_, tally)) = tallies.get_mut(of) else {
            continue;
        };
        match record {
            Kept::Pair(kept) => tally.add_kept(&kept.pair, &kept.mapped, kept.selected.as_ref()),
            Kept::Unpaired { unpaired, .. } => tally.not_compared(&unpaired),
        }
    }
    let damage = records.damage();
    // Places of outputs that ended before there was a request for them.
    let is_empty = |kept: &KeptComparison, tally: &Tally| {
        let has_ended = kept.facts.ended_ms.is_some() || kept.facts.shadow.is_empty();
        has_ended && kept.facts.counts.seen == 0 && tally.accounted() == 0
    };
    tallies.retain(|(kept, tally)| !is_empty(kept, tally));
    let comparisons: Vec<Comparison> = tallies
        .into_iter()
        .map(|(kept, tally)| comparison(store, kept, tally, damage))
        .collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Document {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        made_at_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
        verdict: verdict::worst(comparisons.iter().map(|comparison| comparison.verdict.word)),
        comparisons,
        notes: broken_off(store.run(), last_request).into_iter().collect(),
    }
}

/// The note about a run of which nobody knows how it went on.
fn broken_off(run: &Run, last_request: u64) -> Option<String> {
    if run.ended {
        return None;
    }
    let (written, last) = (moment(run.written_at_ms), moment(last_request));
    Some(format!(
        "The run was not shut down cleanly, or is still running. Its counts are of {written}, its last pair or \
         request of {last}: later data, and data not written yet, is missing, in unknown amount. The verdict is \
         based on what was stored, and cannot be GO."
    ))
}

fn comparison(store: &Store, kept: KeptComparison, mut tally: Tally, damage: &Damage) -> Comparison {
    let run = store.run();
    for (why, requests) in kept.uncounted() {
        tally.count_unattributed(why, requests);
    }
    let mut facts = kept.facts;
    let is_all = run.ended && run.counts.missing() == 0 && damage.segments == 0;
    if !is_all {
        // What is left is a part of the run, and failures are counted in that part alone: their rate is of it.
        let dropped = &mut facts.counts.dropped;
        dropped.retain(|reason, _| !NotCompared::Shadow(*reason).is_failure());
        let missing = tally.comparison(&facts).coverage.waiting;
        tally.count_unattributed(NotCompared::NotKept, missing);
    }
    if !run.ended {
        facts.doubts.push(format!(
            "The run was not shut down cleanly, or is still running: data after {} is incomplete.",
            moment(run.written_at_ms)
        ));
    }
    let mut comparison = tally.comparison(&facts);
    comparison.in_force.notes.extend(notes(store, damage));
    comparison
}

/// Notes about what is there of a run; none where all of it is.
fn notes(store: &Store, damage: &Damage) -> Vec<String> {
    let counts = &store.run().counts;
    let mut notes = Vec::new();
    if counts.gone > 0 {
        notes.push(format!(
            "{} of {} pairs and requests were deleted to make room, the oldest first (--compare-store-size): \
             all figures are based on the rest, and deleted ones count as not stored.",
            counts.gone, counts.written
        ));
    }
    if !counts.lost.is_empty() {
        let lost: Vec<String> = counts
            .lost
            .iter()
            .map(|(why, count)| format!("{count} {why}"))
            .collect();
        notes.push(format!(
            "Not all compared pairs could be stored: {}.",
            lost.join(", ")
        ));
    }
    if counts.bodies_as_a_whole > 0 {
        notes.push(format!(
            "{} bodies are redacted completely, because they contain the name of a secret and are neither JSON \
             nor a form, or cannot be decoded: it is reported where they differ, but not how.",
            counts.bodies_as_a_whole
        ));
    }
    if damage.segments > 0 {
        notes.push(format!(
            "{} segments of the store cannot be read completely; the first: {}.",
            damage.segments,
            damage.first.as_deref().unwrap_or_default()
        ));
    }
    notes
}
