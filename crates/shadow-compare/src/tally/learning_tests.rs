use super::Facts;
use super::tests::{answer, comparison, lines, pair, tally_of};
use crate::document::{Comparison, NotLearned, Verdict};

/// Six thousand equal pairs that are learned from, and some of a random value of which so many were asked twice.
fn with_random(pairs: u64, repeats: u64) -> Comparison {
    let mut tally = tally_of();
    for number in 0..6_000 {
        let mut pair = pair(number, "/plain", "{}", "{}");
        if number % 20 == 0 {
            pair.repeat = Some(answer(200, "{}"));
        }
        tally.add(&pair);
    }
    let body = |number: u64| format!(r#"{{"uuid":"x{number}"}}"#);
    for number in 0..pairs {
        let mut pair = pair(10_000 + number, "/uuid", &body(number), &body(20_000 + number));
        if number < repeats {
            pair.repeat = Some(answer(200, &body(40_000 + number)));
        }
        tally.add(&pair);
    }
    comparison(&tally)
}

#[test]
fn an_endpoint_is_not_judged_before_it_can_be_learned_from() {
    let comparison = with_random(120, 3);
    assert_eq!(
        lines(&comparison.differences),
        ["GET /uuid $.uuid value 120 not learned"]
    );
    assert_eq!(
        (
            comparison.agreement.count,
            comparison.agreement.total,
            comparison.not_learned
        ),
        (6_000, 6_000, 120)
    );
    let uuid = &comparison.endpoints[1];
    assert_eq!(uuid.not_learned, NotLearned { pairs: 120, more: 7 });
    assert_eq!((uuid.agreement.count, uuid.agreement.total), (0, 0));
    assert_ne!(comparison.verdict.word, Verdict::NoGo);
    let why = &comparison.verdict.why;
    let more = "120 pairs differ where nobody knows yet whether that is noise. Second responses that it takes: GET /uuid (7 more).";
    assert!(why.contains(&more.to_owned()), "{why:#?}");
}

#[test]
fn ten_second_answers_are_enough() {
    let comparison = with_random(120, 10);
    assert_eq!(
        lines(&comparison.differences),
        ["GET /uuid $.uuid value 120 repeat"]
    );
    assert_eq!((comparison.agreement.count, comparison.not_learned), (6_120, 0));
}

#[test]
fn what_is_never_noise_or_never_asked_twice_counts_at_once() {
    let mut tally = tally_of();
    let mut asked_twice = pair(1, "/plain", "{}", "{}");
    asked_twice.repeat = Some(answer(200, "{}"));
    tally.add(&asked_twice);
    let mut other_status = pair(2, "/other", "{}", "{}");
    other_status.shadow = answer(500, "{}");
    tally.add(&other_status);
    let mut posted = pair(3, "/posted", r#"{"a":1}"#, r#"{"a":2}"#);
    posted.request_head = "POST /posted HTTP/1.1\r\nHost: a\r\n\r\n".into();
    tally.add(&posted);
    let comparison = comparison(&tally);
    assert_eq!((comparison.agreement.count, comparison.agreement.total), (1, 3));
    assert_eq!(comparison.not_learned, 0);
}

#[test]
fn where_nothing_is_asked_twice_everything_counts() {
    let mut tally = tally_of();
    for number in 0..50 {
        tally.add(&pair(number, "/a", r#"{"a":1}"#, r#"{"a":2}"#));
    }
    let comparison = comparison(&tally);
    assert_eq!((comparison.agreement.total, comparison.not_learned), (50, 0));
}

/// Six thousand equal pairs, and so many of `GET /rare` that have the control's answer beside them, in which `each` gives
/// production's value, the shadow's and the control's.
fn with_rare(pairs: u64, each: impl Fn(u64) -> [u64; 3]) -> Comparison {
    let mut tally = tally_of();
    for number in 0..6_000 {
        let mut pair = pair(number, "/plain", "{}", "{}");
        pair.control = Some(answer(200, "{}"));
        tally.add(&pair);
    }
    for number in 0..pairs {
        let [production, shadow, control] = each(number).map(|value| format!(r#"{{"took":{value}}}"#));
        let mut pair = pair(10_000 + number, "/rare", &production, &shadow);
        pair.control = Some(answer(200, &control));
        tally.add(&pair);
    }
    tally.comparison(&Facts {
        control: Some("http://control".to_owned()),
        ..Facts::default()
    })
}

#[test]
fn a_control_is_learned_from_once_it_answered_ten_times() {
    let all_differ = |number| [number, number + 100, number + 200];
    let few = with_rare(9, all_differ);
    assert_eq!(lines(&few.differences), ["GET /rare $.took value 9 not learned"]);
    assert_eq!((few.agreement.count, few.agreement.total), (6_000, 6_000));
    assert_eq!(few.endpoints[1].not_learned, NotLearned { pairs: 9, more: 1 });
    let more = "9 pairs differ where nobody knows yet whether that is noise. Responses of the control that it takes: \
                GET /rare (1 more).";
    assert!(few.verdict.why.contains(&more.to_owned()), "{:#?}", few.verdict);
    let enough = with_rare(10, all_differ);
    assert_eq!(lines(&enough.differences), ["GET /rare $.took value 10 control"]);
    assert_eq!((enough.agreement.count, enough.not_learned), (6_010, 0));
}

#[test]
fn few_answers_of_a_control_like_production_count_at_once() {
    let comparison = with_rare(3, |number| [number, number + 100, number]);
    assert_eq!(lines(&comparison.differences), ["GET /rare $.took value 3"]);
    assert_eq!((comparison.agreement.count, comparison.not_learned), (6_000, 0));
}
