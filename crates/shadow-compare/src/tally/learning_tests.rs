use super::tests::{answer, comparison, lines, pair, tally_of};
use super::{Facts, Tally};
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
    let comparison = with_random(120, 0);
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
    assert_eq!(uuid.not_learned, NotLearned { pairs: 120, more: 10 });
    assert_eq!((uuid.agreement.count, uuid.agreement.total), (0, 0));
    assert_ne!(comparison.verdict.word, Verdict::NoGo);
    let why = &comparison.verdict.why;
    let more = "120 pairs differ where nobody knows yet whether that is noise. Second responses that it takes: GET /uuid (10 more).";
    assert!(why.contains(&more.to_owned()), "{why:#?}");
}

/// Two pairs of a rarely asked endpoint whose answers are `production`, `shadow` and, where asked twice, `again`.
fn rarely(each: [(&str, &str, Option<&str>); 2]) -> Comparison {
    let mut tally = tally_of();
    for number in 0..5_200 {
        let mut pair = pair(number, "/plain", "{}", "{}");
        if number % 20 == 0 {
            pair.repeat = Some(answer(200, "{}"));
        }
        tally.add(&pair);
    }
    for (number, (production, shadow, again)) in (10_000..).zip(each) {
        let mut pair = pair(number, "/uuid", production, shadow);
        pair.repeat = again.map(|again| answer(200, again));
        tally.add(&pair);
    }
    comparison(&tally)
}

#[test]
fn two_pairs_that_vary_each_time_are_noise_at_once() {
    let [a, b, c] = [r#"{"id":"x1"}"#, r#"{"id":"x2"}"#, r#"{"id":"x3"}"#];
    let comparison = rarely([(a, b, Some(c)), (b, c, Some(a))]);
    assert_eq!(lines(&comparison.differences), ["GET /uuid $.id value 2 repeat"]);
    assert_eq!((comparison.agreement.count, comparison.not_learned), (5_202, 0));
    assert_eq!(comparison.verdict.word, Verdict::Go);
}

#[test]
fn two_pairs_that_stay_different_or_flicker_are_not_known_yet() {
    let [a, b, c] = [r#"{"id":"x1"}"#, r#"{"id":"x2"}"#, r#"{"id":"x3"}"#];
    for each in [
        // The same again: the release may be another.
        [(a, b, Some(b)), (a, b, Some(b))],
        // Once wrong, once right.
        [(a, b, Some(a)), (a, b, Some(a))],
        // One of them varies, the other stays.
        [(a, b, Some(c)), (a, b, Some(b))],
        // Nobody asked again.
        [(a, b, None), (a, b, None)],
    ] {
        let comparison = rarely(each);
        assert_eq!(comparison.not_learned, 2, "{each:?}");
        assert_eq!(comparison.verdict.word, Verdict::NotEnoughData, "{each:?}");
    }
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
    let mut tally = control_tally();
    for number in 0..pairs {
        let [production, shadow, control] = each(number).map(|value| format!(r#"{{"took":{value}}}"#));
        let mut pair = pair(10_000 + number, "/rare", &production, &shadow);
        pair.control = Some(answer(200, &control));
        tally.add(&pair);
    }
    with_a_control(&tally)
}

/// Six thousand equal pairs with the control's answer.
fn control_tally() -> Tally {
    let mut tally = tally_of();
    for number in 0..6_000 {
        let mut pair = pair(number, "/plain", "{}", "{}");
        pair.control = Some(answer(200, "{}"));
        tally.add(&pair);
    }
    tally
}

fn with_a_control(tally: &Tally) -> Comparison {
    tally.comparison(&Facts {
        control: Some("http://control".to_owned()),
        ..Facts::default()
    })
}

#[test]
fn a_control_that_differs_as_often_is_enough_in_few_pairs() {
    let all_differ = |number| [number, number + 100, number + 200];
    for pairs in [2, 9, 10] {
        let comparison = with_rare(pairs, all_differ);
        let line = format!("GET /rare $.took value {pairs} control");
        assert_eq!(lines(&comparison.differences), [line]);
        let agreed = (comparison.agreement.count, comparison.agreement.total);
        assert_eq!(
            (agreed, comparison.not_learned),
            ((6_000 + pairs, 6_000 + pairs), 0)
        );
    }
}

#[test]
fn a_shadow_that_differs_more_often_than_the_control_is_not_known_yet() {
    let mut tally = control_tally();
    let rare = |number: u64| {
        let body = |value: u64| format!(r#"{{"took":{value}}}"#);
        (
            pair(10_000 + number, "/rare", &body(number), &body(number + 100)),
            body(number + 200),
        )
    };
    for number in 0..3 {
        let (mut pair, control) = rare(number);
        pair.control = (number < 2).then(|| answer(200, &control));
        tally.add(&pair);
    }
    let comparison = with_a_control(&tally);
    assert_eq!(
        lines(&comparison.differences),
        ["GET /rare $.took value 3 not learned"]
    );
    assert_eq!(
        comparison.endpoints[1].not_learned,
        NotLearned { pairs: 3, more: 8 }
    );
    let more = "3 pairs differ where nobody knows yet whether that is noise. Responses of the control that it takes: \
                GET /rare (8 more).";
    let why = &comparison.verdict.why;
    assert!(why.contains(&more.to_owned()), "{why:#?}");
}

#[test]
fn few_answers_of_a_control_like_production_count_at_once() {
    let comparison = with_rare(3, |number| [number, number + 100, number]);
    assert_eq!(lines(&comparison.differences), ["GET /rare $.took value 3"]);
    assert_eq!((comparison.agreement.count, comparison.not_learned), (6_000, 0));
}
