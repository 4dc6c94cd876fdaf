use clap::Parser;

use super::*;
use crate::cli::high;
use crate::cli::low::Arguments;
use crate::cli::machine::TestMachine;
use crate::mirror::ledger::Outcome;

fn mirror(key: &str, queue_bytes: usize) -> MirrorSpec {
    MirrorSpec {
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

fn slots(mirrors: &mut Mirrors, wanted: &[MirrorSpec]) -> Vec<usize> {
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
fn slots_of_ended_mirrors_are_reused_and_their_counts_kept() {
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

/// A mirror that compares.
fn comparing(key: &str, more: &[&str]) -> MirrorSpec {
    let flags = [
        "shadow-agent",
        "--input-raw=:80",
        "--output-http=http://a:1",
        "--compare",
    ];
    let arguments = Arguments::try_parse_from([&flags[..], more].concat()).unwrap();
    let mut settings = high::resolve(&arguments, &TestMachine).unwrap().settings;
    MirrorSpec {
        output: settings.mirrors[0].outputs.remove(0),
        ..mirror(key, 0)
    }
}

#[test]
fn a_comparison_survives_its_output_being_replaced() {
    let comparer = Comparer::default();
    let mut mirrors = Mirrors::new(OwnConnections::default(), comparer.clone());
    let ledger = ShardLedger::new(2);
    let ledgers = [ledger.clone()];
    let seen = |mirrors: &Mirrors| -> Vec<_> {
        let all = mirrors.compared(&ledger.snapshot());
        all.iter().map(|one| (one.counts.seen, one.has_ended)).collect()
    };
    slots(&mut mirrors, &[comparing("a", &[])]);
    ledger.open_for(&[0].into()).settle(Outcome::Delivered);
    assert_eq!(seen(&mirrors), [(1, false)]);
    // The same, but for how long it may take.
    assert_eq!(
        slots(&mut mirrors, &[comparing("a", &["--output-http-timeout=3s"])]),
        [1]
    );
    ledger.open_for(&[1].into()).settle(Outcome::Delivered);
    assert_eq!(seen(&mirrors), [(2, false)]);
    mirrors.settle(&ledgers, &ledger.snapshot());
    assert_eq!(seen(&mirrors), [(2, false)], "it may still hold something");
    slots(&mut mirrors, &[]);
    assert_eq!(seen(&mirrors), [(2, true)]);
    assert_eq!(mirrors.foldable(&ledgers).count(), 0);
    let long_ago = Instant::now().checked_sub(REST).unwrap();
    for slot in &mut mirrors.slots {
        slot.ended = Some(long_ago);
    }
    assert_eq!(
        mirrors.foldable(&ledgers).count(),
        0,
        "its counts are not taken over yet"
    );
    for one in mirrors.compared(&ledger.snapshot()) {
        comparer.tell(&one.intake, |facts| facts.counts = one.counts.clone());
    }
    mirrors.settle(&ledgers, &ledger.snapshot());
    assert_eq!((seen(&mirrors), mirrors.foldable(&ledgers).count()), (vec![], 2));
    let (document, ended) = comparer.finish(REST);
    ended.unwrap();
    assert_eq!(document.comparisons.len(), 1);
    assert_eq!(document.comparisons[0].coverage.seen, 2);
}
