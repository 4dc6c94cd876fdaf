use super::tests::{answer, comparison, lines, pair, tally_of};
use crate::Answer;

fn at_the_end_of_a_minute(body: &str) -> Answer {
    let plain = answer(200, body);
    let head = String::from_utf8(plain.head.to_vec()).unwrap();
    let head = head.replace("\r\n\r\n", "\r\nDate: Mon, 30 Nov 2026 02:59:59 GMT\r\n\r\n");
    Answer {
        head: head.into(),
        ..plain
    }
}

/// Sixty pairs, of which so many have another minute. What counts, and how many agree.
fn with_other_minutes(other: u64) -> (Vec<String>, u64) {
    let body = |minute: &str| format!(r#"{{"saved":"Nov. 30, 2026, {minute} a.m."}}"#);
    let mut tally = tally_of();
    for number in 0..60 {
        let mut pair = pair(number, "/saved", "", "");
        pair.production = at_the_end_of_a_minute(&body("2:59"));
        pair.shadow = at_the_end_of_a_minute(&body(if number < other { "3" } else { "2:59" }));
        tally.add(&pair);
    }
    let comparison = comparison(&tally);
    (lines(&comparison.differences), comparison.agreement.count)
}

#[test]
fn minutes_end_between_both_sides_now_and_then() {
    let rows = vec!["GET /saved $.saved value 8 rule".to_owned()];
    assert_eq!(with_other_minutes(8), (rows, 60));
}

#[test]
fn minutes_that_are_others_as_a_rule_count() {
    let rows = vec!["GET /saved $.saved value 30".to_owned()];
    assert_eq!(with_other_minutes(30), (rows, 30));
}
