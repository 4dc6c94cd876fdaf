use std::collections::BTreeMap;
use std::sync::mpsc;

use shadow_mirror::Share;
use shadow_mirror::ledger::{DropReason, OutputCounts};

use super::*;
use crate::document::Verdict;
use crate::tally::tests::{judging, pair};
use crate::{Finished, Pair, Unpaired};

/// Longer than any of these takes.
const LONG: Duration = Duration::from_mins(1);

fn settings() -> CompareSettings {
    CompareSettings {
        control: None,
        repeat_beside_control: false,
        repeat: Share::NOTHING,
        wait: LONG,
        max_answer: 1 << 20,
        correlate: None,
        judging: Arc::new(judging()),
    }
}

fn comparer(add: Add) -> Comparer {
    Comparer {
        add,
        ..Comparer::default()
    }
}

/// Hands over a pair of equal answers.
fn hand_over(intake: &Intake, path: &str) {
    let pair = pair(1, path, "{}", "{}");
    intake.put(Finished::Pair(Box::new(pair), intake.budget().charge()));
}

fn hand_over_lost(intake: &Intake, why: NotCompared) {
    let unpaired = Unpaired::new(b"GET /lost HTTP/1.1\r\n\r\n", 7, why);
    intake.put(Finished::Not(unpaired));
}

/// Tells the ledger's side: so many requests were seen.
fn seen(comparer: &Comparer, intake: &Arc<Intake>, seen: u64) {
    comparer.tell(intake, |facts| {
        facts.counts = OutputCounts {
            seen,
            delivered: seen,
            ..OutputCounts::default()
        };
    });
}

fn reasons(of: &[(&str, u64)]) -> BTreeMap<String, u64> {
    of.iter()
        .map(|(why, count)| ((*why).to_owned(), *count))
        .collect()
}

/// A tally that cannot stand one path.
fn faulty_add(tally: &mut Tally, pair: &Pair) {
    tally.add(pair);
    assert!(!pair.request_head.starts_with(b"GET /fault "), "for the test");
}

#[tokio::test]
async fn a_fault_while_comparing_is_told_and_all_is_counted() {
    let comparer = comparer(faulty_add);
    let intake = comparer.register("http://shadow:80", &settings()).unwrap();
    let counters = comparer.live().counters().remove(0).1;
    counters.set_word(Verdict::Go);
    for path in ["/a", "/b", "/fault", "/c"] {
        hand_over(&intake, path);
    }
    hand_over_lost(&intake, NotCompared::ProductionGap);
    comparer.failed().await;
    assert!(comparer.has_failed());
    // Pairs that were open go on coming; no more are opened.
    hand_over(&intake, "/d");
    hand_over_lost(&intake, NotCompared::Shadow(DropReason::Timeout));
    seen(&comparer, &intake, 7);
    let (document, ended) = comparer.finish(LONG);
    assert!(intake.is_closed());
    assert_eq!(counters.counts().word, Verdict::NotEnoughData);
    assert!(ended.unwrap_err().to_string().contains("panicked"));
    let [comparison] = &document.comparisons[..] else {
        panic!("one comparison")
    };
    let coverage = &comparison.coverage;
    // The pair at which it broke was counted in full.
    assert_eq!(
        (coverage.eligible, coverage.compared, coverage.waiting),
        (7, 3, 0)
    );
    assert_eq!(coverage.failed, reasons(&[("timeout", 1)]));
    assert_eq!(
        coverage.not_compared,
        reasons(&[("compare_internal", 2), ("production_gap", 1)])
    );
    assert_eq!(
        (document.verdict, comparison.verdict.word),
        (Verdict::NotEnoughData, Verdict::NotEnoughData)
    );
    assert!(comparison.verdict.why[0].starts_with("A bug in shadow-agent stopped the comparison early"));
}

/// Held by a test while its thread is to be stuck.
static STUCK_UNTIL: Mutex<()> = Mutex::new(());

#[test]
fn a_thread_that_is_stuck_is_told_and_nothing_says_go() {
    let comparer = Comparer {
        health: Health::within(Duration::from_millis(200)),
        ..comparer(|tally, pair| {
            drop(STUCK_UNTIL.lock());
            tally.add(pair);
        })
    };
    let news = || {
        let end = Instant::now() + LONG;
        loop {
            if let Some(news) = comparer.progress() {
                return news;
            }
            assert!(Instant::now() < end, "no news");
            std::thread::yield_now();
        }
    };
    let intake = comparer.register("http://shadow:80", &settings()).unwrap();
    let counters = comparer.live().counters().remove(0).1;
    counters.set_word(Verdict::Go);
    let held = STUCK_UNTIL.lock();
    hand_over(&intake, "/a");
    seen(&comparer, &intake, 1);
    let complaint = news().unwrap_err();
    assert!(
        complaint.starts_with("the comparison thread: stuck for "),
        "{complaint}"
    );
    assert_eq!(counters.counts().word, Verdict::NotEnoughData);
    let shown = comparer.live().watch().newest().unwrap();
    let [comparison] = &shown.document.comparisons[..] else {
        panic!("one comparison")
    };
    assert_eq!(comparison.verdict.word, Verdict::NotEnoughData);
    assert_eq!(comparison.verdict.why[0], STUCK);
    drop(held);
    assert_eq!(news(), Ok(()));
    let (document, ended) = comparer.finish(LONG);
    ended.unwrap();
    assert_eq!(document.comparisons[0].coverage.compared, 1);
}

#[test]
fn a_fault_within_the_counting_of_a_pair_counts_that_pair_too() {
    let comparer = comparer(|_, _| panic!("for the test"));
    let intake = comparer.register("http://shadow:80", &settings()).unwrap();
    hand_over(&intake, "/a");
    hand_over(&intake, "/b");
    seen(&comparer, &intake, 2);
    let (document, ended) = comparer.finish(LONG);
    ended.unwrap_err();
    let coverage = &document.comparisons[0].coverage;
    assert_eq!((coverage.compared, coverage.waiting), (0, 0));
    assert_eq!(coverage.not_compared, reasons(&[("compare_internal", 2)]));
}

#[test]
fn comparisons_that_begin_after_a_fault_are_told_that_nobody_compares() {
    let comparer = Comparer::new(1 << 20, || panic!("for the test"));
    let first = comparer.register("http://a:80", &settings()).unwrap();
    let second = comparer.register("http://b:80", &settings()).unwrap();
    hand_over(&second, "/a");
    let (document, ended) = comparer.finish(LONG);
    ended.unwrap_err();
    assert!(first.is_closed() && second.is_closed());
    assert_eq!(document.verdict, Verdict::NotEnoughData);
    assert_eq!(
        document.comparisons[1].coverage.not_compared,
        reasons(&[("compare_internal", 1)])
    );
}

#[test]
fn what_is_not_compared_in_the_time_to_end_is_counted_as_that() {
    let comparer = comparer(|tally, pair| {
        tally.add(pair);
        std::thread::sleep(Duration::from_millis(50));
    });
    let intake = comparer.register("http://shadow:80", &settings()).unwrap();
    for _ in 0..1000 {
        hand_over(&intake, "/a");
    }
    hand_over_lost(&intake, NotCompared::ProductionGap);
    seen(&comparer, &intake, 1001);
    let (document, ended) = comparer.finish(Duration::from_millis(200));
    ended.unwrap();
    let coverage = &document.comparisons[0].coverage;
    let passed_over = coverage.not_compared["compare_shutdown"];
    assert!(coverage.compared > 0 && passed_over > 900, "{coverage:?}");
    assert_eq!(coverage.compared + passed_over, 1000);
    assert_eq!(coverage.not_compared["production_gap"], 1);
    assert_eq!(coverage.waiting, 0);
}

#[test]
fn a_thread_that_is_gone_is_not_waited_for() {
    let comparer = Comparer::default();
    let intake = comparer.register("http://shadow:80", &settings()).unwrap();
    seen(&comparer, &intake, 9);
    // As if it had: its word never comes.
    let (_, last) = mpsc::sync_channel(1);
    let before = comparer.lock().thread.replace(Running {
        thread: std::thread::current(),
        last,
    });
    let (document, ended) = comparer.finish(LONG);
    drop(before);
    ended.unwrap_err();
    assert_eq!(document.verdict, Verdict::NotEnoughData);
    let [comparison] = &document.comparisons[..] else {
        panic!("one comparison")
    };
    assert_eq!(
        comparison.coverage.not_compared,
        reasons(&[("compare_internal", 9)])
    );
    assert_eq!(comparison.verdict.why[0], LOST);
}

/// Does something at each turn of the thread until it is so.
fn until(is_so: impl Fn() -> bool) {
    let end = Instant::now() + LONG;
    while !is_so() {
        assert!(Instant::now() < end, "it never is");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// How many comparisons are known.
fn known(comparer: &Comparer) -> usize {
    comparer.lock().comparisons.len()
}

/// One request of an output, to its end.
fn run_and_end(comparer: &Comparer, shadow: &str) {
    let intake = comparer.register(shadow, &settings()).unwrap();
    intake.open();
    hand_over(&intake, "/a");
    seen(comparer, &intake, 1);
}

fn shadows(document: &Document) -> Vec<&str> {
    let comparisons = document.comparisons.iter();
    comparisons.map(|one| one.shadow.as_str()).collect()
}

#[test]
fn a_comparison_that_was_asked_nothing_goes_with_its_output() {
    let comparer = Comparer::default();
    let stays = comparer.register("http://a:80", &settings()).unwrap();
    for _ in 0..100 {
        // Such as one that could not be opened, and is tried again.
        drop(comparer.of("b").register("http://b:80", &settings()).unwrap());
    }
    until(|| known(&comparer) == 1);
    assert_eq!(comparer.live().counters().len(), 1);
    drop(stays);
    until(|| known(&comparer) == 0);
    let (document, ended) = comparer.finish(LONG);
    ended.unwrap();
    assert!(comparer.is_active());
    assert!(document.comparisons.is_empty() && document.notes.is_empty());
    assert_eq!(document.verdict, Verdict::NotEnoughData);
}

#[test]
fn one_that_was_asked_stays_and_says_that_its_output_has_ended() {
    let comparer = Comparer::default();
    run_and_end(&comparer, "http://a:80");
    let goes_on = comparer.register("http://b:80", &settings()).unwrap();
    until(|| {
        let state = comparer.lock();
        state.comparisons[0].facts.lock().unwrap().ended_ms.is_some()
    });
    let (document, _) = comparer.finish(LONG);
    drop(goes_on);
    assert_eq!(shadows(&document), ["http://a:80", "http://b:80"]);
    assert_eq!(document.comparisons[0].coverage.compared, 1);
    let ended: Vec<_> = document
        .comparisons
        .iter()
        .map(|one| one.ended_ms.is_some())
        .collect();
    assert_eq!(ended, [true, false]);
}

#[test]
fn an_output_that_ended_just_now_unasked_is_not_shown() {
    let comparer = Comparer::default();
    let ends = comparer.register("http://a:80", &settings()).unwrap();
    comparer.tell(&ends, |facts| facts.ended_ms = Some(1));
    run_and_end(&comparer, "http://b:80");
    let (document, _) = comparer.finish(LONG);
    assert_eq!(shadows(&document), ["http://b:80"]);
}

#[test]
fn an_output_that_comes_back_goes_on_with_its_comparison() {
    let comparer = Comparer::default().of("web");
    let first = comparer.register("http://a:80", &settings()).unwrap();
    hand_over(&first, "/a");
    let of = |seen, kind: &str| {
        let counts = OutputCounts {
            seen,
            delivered: seen,
            ..OutputCounts::default()
        };
        (counts.clone(), vec![(kind.to_owned(), counts)])
    };
    let (counts, extra) = of(1, "repeat");
    comparer.settle(&first, &counts, &extra);
    drop(first);
    let again = comparer.register("http://a:80", &settings()).unwrap();
    hand_over(&again, "/b");
    hand_over(&again, "/c");
    let (counts, extra) = of(2, "repeat");
    comparer.tell(&again, |facts| (facts.counts, facts.extra) = (counts, extra));
    assert_eq!(known(&comparer), 1);
    let (document, _) = comparer.finish(LONG);
    let [comparison] = &document.comparisons[..] else {
        panic!("one comparison")
    };
    assert_eq!(
        (comparison.coverage.eligible, comparison.coverage.compared),
        (3, 3)
    );
    assert_eq!((comparison.extra[0].sent, comparison.ended_ms), (3, None));
}

#[test]
fn two_outputs_with_one_shadow_are_compared_apart() {
    let comparer = Comparer::default();
    let shadow = "http://a:80";
    let otherwise = CompareSettings {
        judging: Arc::new(crate::Judging {
            max_routes: 7,
            ..judging()
        }),
        ..settings()
    };
    let all = [
        comparer.of("web").register(shadow, &settings()).unwrap(),
        comparer.of("api").register(shadow, &settings()).unwrap(),
        comparer.of("web").register(shadow, &otherwise).unwrap(),
    ];
    assert!(!Arc::ptr_eq(&all[0], &all[1]) && !Arc::ptr_eq(&all[0], &all[2]));
    // Counters are those of the output, and never fall.
    let names: Vec<_> = comparer
        .live()
        .counters()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, [shadow, "http://a:80 #2"]);
    let (document, _) = comparer.finish(LONG);
    assert_eq!(shadows(&document), [shadow; 3]);
}

#[test]
fn of_many_that_ended_the_last_stay_and_the_word_of_the_others_counts() {
    let comparer = comparer(Tally::add);
    let most = super::ended::MAX_ENDED;
    for number in 0..most + 3 {
        let intake = comparer
            .register(&format!("http://{number}:80"), &settings())
            .unwrap();
        intake.open();
        seen(&comparer, &intake, 1);
        // Each in a time of its own.
        comparer.tell(&intake, |facts| facts.ended_ms = Some(number as u64 + 1));
    }
    until(|| known(&comparer) == most);
    let (document, _) = comparer.finish(LONG);
    assert_eq!(document.comparisons.len(), most);
    assert_eq!(document.comparisons[0].shadow, "http://3:80");
    let [note] = &document.notes[..] else {
        panic!("one note")
    };
    assert!(
        note.starts_with("3 comparisons of outputs that ended, with 3 requests, are not"),
        "{note}"
    );
    assert!(note.contains("NOT ENOUGH DATA"), "{note}");
    assert_eq!(comparer.live().counters().len(), most);
}

#[test]
fn a_reset_forgets_what_has_ended() {
    let comparer = Comparer::default();
    run_and_end(&comparer, "http://a:80");
    let stays = comparer.register("http://b:80", &settings()).unwrap();
    until(|| comparer.lock().begun.is_empty());
    comparer.live().reset();
    until(|| known(&comparer) == 1);
    let (document, _) = comparer.finish(LONG);
    drop(stays);
    assert_eq!(shadows(&document), ["http://b:80"]);
}
