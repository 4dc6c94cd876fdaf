use super::super::document::{NotLearned, Verdict};
use super::super::statistics::rate;
use super::tests::{healthy, judge_by, judged, with_p99};

#[test]
fn what_differs_in_few_pairs_is_no_alarm() {
    let mut comparison = healthy(50);
    comparison.agreement = rate(33, 50);
    comparison.shadow_latency = with_p99(500.0);
    let verdict = judged(&comparison);
    assert_eq!(verdict.why, ["50 pairs were compared. Rule: compared < 5000."]);
    // What is never by nature is.
    comparison.new_5xx = rate(17, 50);
    assert_eq!(judged(&comparison).why.len(), 2);
    assert!(
        judged(&comparison).why[1].starts_with("Likely failed: The shadow responded 5xx"),
        "{:?}",
        judged(&comparison).why
    );
}

#[test]
fn a_shadow_that_falls_behind_fails_however_little_was_compared() {
    let mut comparison = healthy(10_400);
    comparison.coverage.eligible = 20_000;
    comparison.coverage.share = 0.52;
    comparison.coverage.not_compared =
        [("queue_full".to_owned(), 8_000), ("shutdown".to_owned(), 1_600)].into();
    comparison.throughput.shadow = 156.2;
    let verdict = judged(&comparison);
    assert_eq!(verdict.word, Verdict::NoGo);
    assert_eq!(
        verdict.why,
        [
            "The shadow falls behind: at 300 requests/s it answered 156; 9,600 of 20,000 requests waited for it in vain \
             (48.00%, 95% interval 47.31% to 48.69%). Rule: behind > 1%."
        ]
    );
    // Nothing else is said of the rest, and the rule can be left out.
    assert_eq!(
        judge_by(&comparison, &["behind off"]).word,
        Verdict::NotEnoughData
    );
    // A few requests that waited when a short run ended say nothing.
    let mut short = healthy(400);
    short.coverage.not_compared = [("shutdown".to_owned(), 40)].into();
    assert_eq!(judged(&short).word, Verdict::NotEnoughData);
}

#[test]
fn what_is_not_learned_yet_is_neither_for_nor_against_a_release() {
    let mut comparison = healthy(10_000);
    comparison.not_learned = 200;
    comparison.agreement = rate(9_800, 9_800);
    comparison.endpoints[1].not_learned = NotLearned { pairs: 200, more: 7 };
    comparison.endpoints[1].agreement = rate(2_300, 2_300);
    let verdict = judged(&comparison);
    assert_eq!(verdict.word, Verdict::NotEnoughData);
    assert_eq!(
        verdict.why,
        [
            "Undecided: Responses agreed in 9,800 of 9,800 pairs (100%, 95% interval 97.71% to 100%). \
             Rule: agreement < 99.9%.",
            "200 pairs differ where nobody knows yet whether that is noise. Second responses that it takes: \
             POST /orders (7 more).",
        ]
    );
    // A few of them change nothing.
    comparison.not_learned = 2;
    comparison.agreement = rate(9_998, 9_998);
    assert_eq!(judged(&comparison).word, Verdict::Go);
    // What differs for sure is not hidden by them.
    comparison.not_learned = 200;
    comparison.agreement = rate(9_000, 9_800);
    assert_eq!(judged(&comparison).word, Verdict::NoGo);
}
