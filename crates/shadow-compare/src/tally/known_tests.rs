//! Differences that a release intends, and what becomes of them.

use super::tests::{answer, comparison, judging, lines, pair, tally};
use crate::RulesFile;

/// A thousand pairs in which the price is another, and one order in ten is gone; `known` as in a file.
fn orders(known: &str) -> crate::document::Comparison {
    let mut judging = judging();
    judging.rules = RulesFile::parse(known).unwrap().rules;
    let mut tally = tally(judging);
    for number in 0..1000 {
        let mut pair = pair(number, "/orders/1", r#"{"price":10}"#, r#"{"price":12}"#);
        if number % 10 == 0 {
            pair.shadow = answer(410, "{}");
        }
        tally.add(&pair);
    }
    comparison(&tally)
}

#[test]
fn an_intended_difference_is_shown_apart_and_does_not_fail() {
    let comparison = orders(
        r#"
        [[known]]
        path = "GET /orders/{id} status"
        production = "200"
        shadow = "410"
        reason = "old orders are gone"

        [[known]]
        path = "$.price"
        reason = "with tax"

        [[known]]
        path = "$.currency"
        reason = "there are two now"
        "#,
    );
    assert_eq!(
        lines(&comparison.differences),
        [
            "GET /orders/{id} $.price value 900 known",
            "GET /orders/{id} status status 100 known"
        ]
    );
    assert_eq!(comparison.agreement.count, 1000);
    let known: Vec<_> = comparison
        .known
        .iter()
        .map(|known| (&*known.what, known.count))
        .collect();
    assert_eq!(
        known,
        [
            (
                "GET /orders/{id} status 200 -> 410 is intended: old orders are gone",
                100
            ),
            ("$.price is intended: with tax", 900),
            ("$.currency is intended: there are two now", 0),
        ]
    );
    assert!(comparison.causes.is_empty());
}

#[test]
fn other_values_than_the_intended_ones_count() {
    let comparison = orders(
        r#"
        [[known]]
        path = "status"
        production = "200"
        shadow = "404"
        reason = "not these"

        [[known]]
        path = "$.price"
        production = "10"
        shadow = "12"
        reason = "with tax"
        "#,
    );
    assert_eq!(
        lines(&comparison.differences),
        [
            "GET /orders/{id} status status 100",
            "GET /orders/{id} $.price value 900 known"
        ]
    );
    assert_eq!(comparison.agreement.count, 900);
}
