//! Judgement of differences that come where other clients are changing something.

use super::tests::{answer, comparison, judging, lines, pair, tally};
use super::*;
use crate::PathPattern;
use crate::Rules;
use crate::document::Comparison;

/// A thousand pairs of a list, of which one in ten raced.
fn lists(of: impl Fn(u64, bool) -> [&'static str; 2]) -> Vec<Pair> {
    let one = |number| {
        let raced = number % 10 == 3;
        let [production, shadow] = of(number, raced);
        Pair {
            raced,
            ..pair(number, "/orders", production, shadow)
        }
    };
    (0..1000).map(one).collect()
}

const LIST: &str = r#"[{"item":"a"},{"item":"b"}]"#;
const ONE_MORE: &str = r#"[{"item":"a"},{"item":"b"},{"item":"c"}]"#;

fn told(judging: Judging, pairs: &[Pair]) -> (Vec<String>, [u64; 2]) {
    let mut tally = tally(judging);
    for pair in pairs {
        tally.add(pair);
    }
    let comparison = comparison(&tally);
    let counts = [comparison.agreement.count, comparison.raced];
    (lines(&comparison.differences), counts)
}

#[test]
fn a_list_that_others_add_to_at_that_moment_is_raced_and_told() {
    let pairs = lists(|number, raced| [LIST, if raced && number % 20 == 3 { ONE_MORE } else { LIST }]);
    let (rows, counts) = told(judging(), &pairs);
    assert_eq!(rows, ["GET /orders $ length 50 raced"]);
    assert_eq!(counts, [1000, 50]);
}

#[test]
fn what_did_not_race_counts() {
    let pairs = lists(|number, _| {
        [
            LIST,
            if matches!(number % 20, 3 | 6) {
                ONE_MORE
            } else {
                LIST
            },
        ]
    });
    let (rows, counts) = told(judging(), &pairs);
    assert_eq!(rows, ["GET /orders $ length 50"]);
    assert_eq!(counts, [950, 50]);
}

#[test]
fn a_fault_that_has_nothing_to_do_with_writes_counts_in_every_pair() {
    let pairs = lists(|number, _| [LIST, if number % 7 == 0 { ONE_MORE } else { LIST }]);
    let (rows, counts) = told(judging(), &pairs);
    assert_eq!(rows, ["GET /orders $ length 143"], "fifteen of them raced");
    assert_eq!(counts, [857, 0]);
}

#[test]
fn a_difference_in_every_pair_counts_in_every_pair() {
    let pairs = lists(|_, _| [LIST, ONE_MORE]);
    let (rows, counts) = told(judging(), &pairs);
    assert_eq!(rows, ["GET /orders $ length 1000"]);
    assert_eq!(counts, [0, 0]);
}

#[test]
fn a_protected_place_is_judged_whoever_writes() {
    let judging = Judging {
        rules: Rules::default().with_protected(PathPattern::parse("$").unwrap()),
        ..judging()
    };
    let pairs = lists(|number, raced| [LIST, if raced && number % 20 == 3 { ONE_MORE } else { LIST }]);
    let (rows, counts) = told(judging, &pairs);
    assert_eq!(rows, ["GET /orders $ length 50"]);
    assert_eq!(counts, [950, 0]);
}

/// A hundred pairs of a list that others write to all the time; ten are asked twice.
fn always(shadow: impl Fn(u64) -> &'static str) -> Vec<Pair> {
    let one = |number| Pair {
        raced: number % 10 != 5,
        repeat: (number < 10).then(|| answer(200, shadow(number))),
        ..pair(number, "/orders", LIST, shadow(number))
    };
    (0..100).map(one).collect()
}

#[test]
fn nobody_knows_what_differs_where_others_write_all_the_time() {
    let pairs = always(|number| if number % 4 == 0 { ONE_MORE } else { LIST });
    let mut tally = tally(judging());
    for pair in &pairs {
        tally.add(pair);
    }
    let told = comparison(&tally);
    assert_eq!(lines(&told.differences), ["GET /orders $ length 25 not learned"]);
    assert_eq!(
        (told.not_learned, told.agreement.count, told.agreement.total),
        (25, 75, 75)
    );
    let why = "25 pairs differ where nobody knows yet whether that is noise. Second responses that it takes: GET /orders (others \
               were writing at that moment: a control tells).";
    assert!(
        told.verdict.why.iter().any(|line| line == why),
        "{:?}",
        told.verdict.why
    );
}

#[test]
fn what_most_pairs_show_is_no_matter_of_order_however_many_write() {
    let pairs = always(|number| if number % 4 == 0 { LIST } else { ONE_MORE });
    let (rows, counts) = told(judging(), &pairs);
    assert_eq!(rows, ["GET /orders $ length 75"]);
    assert_eq!(counts, [25, 0]);
}

/// A hundred and fifty pairs of a list, a hundred of which raced, where production's control has what production has, or what the shadow has.
fn beside_a_control(
    shadow: impl Fn(u64) -> &'static str,
    control: impl Fn(u64) -> &'static str,
) -> Comparison {
    let mut tally = tally(judging());
    for number in 0..150 {
        tally.add(&Pair {
            raced: number < 100,
            control: Some(answer(200, control(number))),
            ..pair(number, "/orders", LIST, shadow(number))
        });
    }
    comparison(&tally)
}

#[test]
fn a_few_pairs_that_raced_are_neither_for_nor_against() {
    let pairs = lists(|number, _| [LIST, if number == 3 { ONE_MORE } else { LIST }]);
    let mut tally = tally(judging());
    for pair in &pairs {
        tally.add(pair);
    }
    let told = comparison(&tally);
    assert_eq!(lines(&told.differences), ["GET /orders $ length 1 not learned"]);
    assert_eq!((told.not_learned, told.agreement.count), (1, 999));
}

#[test]
fn a_control_that_raced_alone_as_often_leaves_it_open_as_well() {
    let some = |numbers: [u64; 2]| move |number| if numbers.contains(&number) { ONE_MORE } else { LIST };
    let told = beside_a_control(some([3, 4]), some([7, 8]));
    assert_eq!(
        (told.not_learned, told.agreement.count),
        (0, 150),
        "{:?}",
        told.differences
    );
    let told = beside_a_control(some([3, 4]), |_| LIST);
    assert_eq!(lines(&told.differences), ["GET /orders $ length 2 not learned"]);
    assert_eq!((told.not_learned, told.agreement.count), (2, 148));
}

#[test]
fn what_the_shadow_alone_has_surely_more_often_counts_whoever_writes() {
    let told = beside_a_control(|number| if number < 12 { ONE_MORE } else { LIST }, |_| LIST);
    assert_eq!(lines(&told.differences), ["GET /orders $ length 12"]);
    assert_eq!((told.not_learned, told.agreement.count), (0, 138));
}

#[test]
fn an_error_is_no_matter_of_order_and_a_record_that_is_gone_may_be() {
    let with_status = |status| {
        let one = |number| Pair {
            shadow: answer(if number == 3 { status } else { 200 }, LIST),
            raced: number % 10 == 3,
            ..pair(number, "/orders/7", LIST, LIST)
        };
        let mut tally = tally(judging());
        (0..100).for_each(|number| tally.add(&one(number)));
        let told = comparison(&tally);
        (told.not_learned, told.agreement.count)
    };
    assert_eq!(with_status(404), (1, 99), "it was deleted in the meantime");
    assert_eq!(with_status(500), (0, 99));
}
