use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use shadow_mirror::MessageId;
use shadow_mirror::ledger::{DropReason, OutputCounts};
use shadow_mirror::rules::{OF_RECORDINGS, Redaction, RedactionKey};

use super::*;
use crate::document::{Comparison, DifferenceRow, NoiseBy, Verdict};
use crate::fail_on::FailRule;
use crate::noise::Thresholds;
use crate::{Answer, Hosts, IgnoreRule, PathPattern, RouteBy, Rules, Times, verdict};

pub(crate) fn judging() -> Judging {
    let key = RedactionKey::new(b"0123456789abcdef").unwrap();
    let headers = OF_RECORDINGS.map(str::to_owned);
    Judging {
        rules: Rules::default(),
        by_rules: true,
        by_control: true,
        by_repeat: true,
        thresholds: Thresholds::default(),
        fail_on: FailRule::in_force(&[]),
        verdict: verdict::Settings::default(),
        routes: Vec::new(),
        route_by: RouteBy::default(),
        max_routes: 500,
        max_differences: 10_000,
        secrets: crate::Secrets::Hidden,
        redaction: Some(Redaction::new(headers, Vec::new(), 1 << 20, key).unwrap()),
        hosts: Hosts::default(),
        names: crate::document::ReleaseNames::default(),
        selection: Vec::new(),
    }
}

/// Nothing yet, judged by the defaults.
pub(super) fn tally_of() -> Tally {
    tally(judging())
}

pub(super) fn tally(judging: Judging) -> Tally {
    Tally::new(Arc::new(judging), CompareCounters::default())
}

pub(super) fn answer(status: u16, body: &str) -> Answer {
    Answer {
        head: format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n\r\n").into(),
        body: body.to_owned().into(),
        times: Some(Times {
            first: Duration::from_millis(2),
            last: Duration::from_millis(3),
        }),
    }
}

pub(crate) fn pair(number: u64, path: &str, production: &str, shadow: &str) -> Pair {
    Pair {
        id: MessageId::given(format!("pair-{number}").as_bytes()).unwrap(),
        at: (1_700_000_000_000 + number) * MILLISECOND,
        request_head: format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").into(),
        request_body: Bytes::new(),
        production: answer(200, production),
        shadow: answer(200, shadow),
        control: None,
        repeat: None,
        raced: false,
    }
}

pub(super) fn comparison(tally: &Tally) -> Comparison {
    tally.comparison(&Facts::default())
}

/// `endpoint path kind count`, and who says that it is noise.
pub(super) fn lines(rows: &[DifferenceRow]) -> Vec<String> {
    let line = |row: &DifferenceRow| {
        let noise = row.noise.as_ref().map_or("", |noise| match noise.by {
            NoiseBy::Known => " known",
            NoiseBy::Rule => " rule",
            NoiseBy::Control => " control",
            NoiseBy::Repeat => " repeat",
            NoiseBy::NotLearned => " not learned",
            NoiseBy::LikeControl => " excused",
            NoiseBy::Raced => " raced",
        });
        format!(
            "{} {} {} {}{noise}",
            row.endpoint,
            row.path,
            row.kind.name(),
            row.count
        )
    };
    rows.iter().map(line).collect()
}

/// A thousand pairs of `/users/N` with a random id in each answer, and a name that the release gets wrong in ten.
fn users(mut each: impl FnMut(u64, &mut Pair)) -> Vec<Pair> {
    let body = |id: u64, name: &str| format!(r#"{{"id":"x{id}","name":"{name}"}}"#);
    (0..1000)
        .map(|number| {
            let wrong = if number % 100 == 7 { "Eve" } else { "Ada" };
            let mut pair = pair(
                number,
                &format!("/users/{number}"),
                &body(number, "Ada"),
                &body(number + 5000, wrong),
            );
            each(number, &mut pair);
            pair
        })
        .collect()
}

#[test]
fn what_the_shadow_differs_from_itself_in_is_noise() {
    let mut tally = tally(judging());
    for pair in users(|number, pair| {
        if number % 20 == 0 {
            pair.repeat = Some(answer(
                200,
                &format!(r#"{{"id":"x{}","name":"Ada"}}"#, number + 9000),
            ));
        }
    }) {
        tally.add(&pair);
    }
    let comparison = comparison(&tally);
    assert_eq!(
        lines(&comparison.differences),
        [
            "GET /users/{id} $.name value 10",
            "GET /users/{id} $.id value 1000 repeat"
        ]
    );
    assert_eq!(
        (comparison.agreement_raw.count, comparison.agreement.count),
        (0, 990)
    );
    assert_eq!(comparison.differences[0].production.as_deref(), Some("\"Ada\""));
    assert_eq!(comparison.differences[0].shadow.as_deref(), Some("\"Eve\""));
    assert_eq!(
        comparison.differences[0].examples,
        ["pair-7", "pair-107", "pair-207"]
    );
}

#[test]
fn what_the_control_differs_in_as_often_is_noise() {
    let mut tally = tally(judging());
    for pair in users(|number, pair| {
        pair.control = Some(answer(
            200,
            &format!(r#"{{"id":"x{}","name":"Ada"}}"#, number + 9000),
        ));
    }) {
        tally.add(&pair);
    }
    assert_eq!(
        lines(&comparison(&tally).differences),
        [
            "GET /users/{id} $.name value 10",
            "GET /users/{id} $.id value 1000 control"
        ]
    );
}

#[test]
fn a_value_outside_a_choice_of_few_counts() {
    let mut tally = tally(judging());
    let body = |zone: &str| format!(r#"{{"zone":"{zone}"}}"#);
    for number in 0..1000 {
        let zones = ["a", "b"];
        let at = |shift: u64| zones[(u64::midpoint(number, shift) % 2) as usize];
        let shadow = if number % 100 == 99 { "z" } else { at(1) };
        let mut one = pair(number, "/", &body(at(0)), &body(shadow));
        one.control = Some(answer(200, &body(at(1))));
        tally.add(&one);
    }
    let comparison = comparison(&tally);
    assert_eq!(lines(&comparison.differences), ["GET / $.zone value 10"]);
    assert_eq!(comparison.differences[0].suspicious, 10);
    assert_eq!(comparison.differences[0].excused(), 490);
    assert_eq!(comparison.agreement.count, 990);
}

#[test]
fn status_codes_and_protected_places_are_never_learned() {
    let mut judging = judging();
    judging.rules = Rules::default().with_protected(PathPattern::parse("$.id").unwrap());
    let mut tally = tally(judging);
    for mut pair in users(|_, _| {}) {
        pair.shadow.head = Bytes::from_static(b"HTTP/1.1 201 X\r\nContent-Type: application/json\r\n\r\n");
        pair.repeat = Some(answer(200, r#"{"id":"other","name":"Ada"}"#));
        tally.add(&pair);
    }
    let comparison = comparison(&tally);
    assert_eq!(
        lines(&comparison.differences)[..2],
        [
            "GET /users/{id} $.id value 1000",
            "GET /users/{id} status status 1000"
        ]
    );
    assert_eq!(comparison.agreement.count, 0);
    assert_eq!(comparison.other_status.count, 1000);
}

#[test]
fn rules_take_places_away_and_are_told_apart_from_raw_figures() {
    let mut with_rule = judging();
    with_rule.rules = Rules::default().with_ignore(IgnoreRule::parse("$.id").unwrap());
    let mut without = with_rule.clone();
    without.by_rules = false;
    let (mut one, mut other) = (tally(with_rule), tally(without));
    for pair in users(|_, _| {}) {
        one.add(&pair);
        other.add(&pair);
    }
    let (one, other) = (comparison(&one), comparison(&other));
    assert_eq!(
        lines(&one.differences),
        [
            "GET /users/{id} $.name value 10",
            "GET /users/{id} $.id value 1000 rule"
        ]
    );
    assert_eq!((one.agreement_raw.count, one.agreement.count), (0, 990));
    assert_eq!((other.agreement_raw.count, other.agreement.count), (0, 0));
}

#[test]
fn equal_answers_agree_once() {
    let mut tally = tally(judging());
    for number in 0..10 {
        tally.add(&pair(number, "/", "{}", "{}"));
    }
    let comparison = comparison(&tally);
    assert_eq!(
        (comparison.agreement_raw.count, comparison.agreement.count),
        (10, 10)
    );
    assert_eq!(comparison.verdict.word, Verdict::NotEnoughData);
}

#[test]
fn endpoints_that_become_one_keep_all_that_was_counted() {
    let mut tally = tally(judging());
    // More names than are told apart at one place.
    for number in 0..200 {
        let name: String = format!("{number:03}")
            .bytes()
            .map(|digit| char::from(digit + 49))
            .collect();
        tally.add(&pair(
            number,
            &format!("/by-name/{name}"),
            r#"{"a":1}"#,
            r#"{"a":2}"#,
        ));
    }
    let comparison = comparison(&tally);
    assert_eq!(
        lines(&comparison.differences),
        ["GET /by-name/{name} $.a value 200"]
    );
    assert_eq!(comparison.endpoints.len(), 1);
    assert_eq!(comparison.endpoints[0].compared, 200);
    assert_eq!(comparison.endpoints[0].production.count, 200);
    assert_eq!(comparison.differences[0].examples.len(), 3);
}

#[test]
fn beyond_the_bound_pairs_count_as_different_and_no_more_is_said() {
    let mut judging = judging();
    judging.max_differences = 5;
    let mut tally = tally(judging);
    for number in 0..20 {
        let body = format!(r#"{{"k{number}x":1}}"#);
        tally.add(&pair(number, "/", "{}", &body));
    }
    let comparison = comparison(&tally);
    assert_eq!(comparison.differences.len(), 5);
    assert_eq!(comparison.differences_beyond, 15);
    assert_eq!(comparison.agreement.count, 0);
}

#[test]
fn coverage_is_an_equation_of_the_ledger_and_the_pairs() {
    let mut tally = tally(judging());
    for number in 0..5 {
        tally.add(&pair(number, "/", "{}", "{}"));
    }
    let unpaired = |why| Unpaired::new(b"GET /slow HTTP/1.1\r\n\r\n", 7 * MILLISECOND, why);
    tally.not_compared(&unpaired(NotCompared::Shadow(DropReason::Timeout)));
    tally.not_compared(&unpaired(NotCompared::ProductionGap));
    tally.count_unattributed(NotCompared::Busy, 2);
    let facts = Facts {
        counts: OutputCounts {
            seen: 20,
            filtered: 3,
            sampled_out: 2,
            dropped: [(DropReason::Timeout, 1), (DropReason::Gap, 4)].into(),
            ..OutputCounts::default()
        },
        ..Facts::default()
    };
    let coverage = tally.comparison(&facts).coverage;
    assert_eq!(
        (coverage.eligible, coverage.compared, coverage.waiting),
        (15, 5, 2)
    );
    assert_eq!(coverage.failed, [("timeout".to_owned(), 1)].into());
    let others = [("compare_busy", 2), ("gap", 4), ("production_gap", 1)];
    assert_eq!(
        coverage.not_compared,
        others.map(|(name, count)| (name.to_owned(), count)).into()
    );
    assert!((coverage.capture_loss - 0.25).abs() < 1e-9);
    assert_eq!(coverage.endpoints_not_compared, ["GET /slow"]);
}

#[test]
fn no_secret_is_in_a_document() {
    let mut tally = tally(judging());
    let mut one = pair(1, "/", r#"{"a":1}"#, r#"{"a":2}"#);
    one.request_head =
        Bytes::from_static(b"GET / HTTP/1.1\r\nAuthorization: Bearer sesame\r\nCookie: sid=sesame\r\n\r\n");
    one.shadow.head =
        Bytes::from_static(b"HTTP/1.1 200 OK\r\nX-Api-Key: sesame\r\nSet-Cookie: sid=sesame\r\n\r\n");
    tally.add(&one);
    let comparison = comparison(&tally);
    assert_eq!(comparison.examples.len(), 1);
    let text = serde_json::to_string(&comparison).unwrap();
    assert!(!text.contains("sesame"), "{text}");
    assert!(text.contains("redacted-"), "{text}");
}

#[test]
fn a_reset_begins_anew_and_leaves_the_counters_alone() {
    let mut tally = tally(judging());
    tally.add(&pair(1, "/", r#"{"a":1}"#, r#"{"a":2}"#));
    tally.reset();
    assert_eq!(comparison(&tally).differences, []);
    assert_eq!(tally.counters.counts().pairs, 1);
}

#[test]
fn a_slow_route_is_named_with_its_figures() {
    let mut tally = tally(judging());
    for number in 0..5_308 {
        let is_slow = number % 49 == 0 && number > 0;
        let path = if is_slow { "/slow" } else { "/fast" };
        let mut pair = pair(number, path, "{}", "{}");
        pair.at = (1_700_000_000_000 + number * 20) * MILLISECOND;
        let took = |micros| {
            Some(Times {
                first: Duration::from_micros(micros),
                last: Duration::from_micros(micros),
            })
        };
        pair.production.times = took(2_200);
        pair.shadow.times = took(if is_slow { 407_000 } else { 2_300 });
        tally.add(&pair);
    }
    let comparison = comparison(&tally);
    let slow = &comparison.endpoints[1];
    assert_eq!(
        (slow.name.as_str(), slow.compared, slow.slower),
        ("GET /slow", 108, true)
    );
    let why = &comparison.verdict.why;
    assert!(
        why.contains(
            &"GET /slow answers in 408 ms at the median, production in 2.2 ms (108 pairs). Rule: endpoint_p50_ratio > 1.5."
                .to_owned()
        ),
        "{why:#?}"
    );
    assert!(!comparison.endpoints[0].slower);
}

#[test]
fn what_both_sides_answer_a_second_is_told() {
    let mut tally = tally(judging());
    let at = |number: u64| 1_700_000_000_000 + number * 10;
    for number in 0..2_001 {
        if number % 2 == 0 {
            let mut pair = pair(number, "/a", "{}", "{}");
            pair.at = at(number) * MILLISECOND;
            tally.add(&pair);
        } else {
            let why = NotCompared::Shadow(DropReason::QueueFull);
            tally.not_compared(&Unpaired::new(b"GET /a HTTP/1.1", at(number) * MILLISECOND, why));
        }
    }
    let facts = Facts {
        counted_ms: at(2_500),
        ..Facts::default()
    };
    let comparison = tally.comparison(&facts);
    // 20 seconds of requests; the answers took 25.
    let throughput = comparison.throughput;
    assert!((throughput.production - 100.05).abs() < 0.001, "{throughput:?}");
    assert!((throughput.shadow - 40.04).abs() < 0.001, "{throughput:?}");
    assert_eq!(comparison.verdict.word, Verdict::NoGo);
}

/// A page with a token, a timing and a price.
fn shop(token: u64, price: &str) -> Answer {
    let page = format!(
        "<!doctype html><title>Tea</title><form action=/buy><input type=hidden name=csrf_token value=t{token}></form>\n\
         <main><h1>Tea</h1>\n<p class=price>{price}</p></main><footer>Made in {} ms</footer>",
        token % 7
    );
    let text = answer(200, &page);
    Answer {
        head: "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n".into(),
        ..text
    }
}

#[test]
fn a_price_counts_beside_a_token_and_a_timing() {
    let mut tally = tally(judging());
    for pair in users(|number, pair| {
        pair.production = shop(number, "10.00");
        pair.shadow = shop(number + 5_001, "12.00");
        pair.control = Some(shop(number + 9_003, "10.00"));
        pair.repeat = (number % 20 == 0).then(|| shop(number + 20_005, "12.00"));
    }) {
        tally.add(&pair);
    }
    let comparison = comparison(&tally);
    let (noise, counts): (Vec<_>, Vec<_>) =
        comparison.differences.iter().partition(|row| row.noise.is_some());
    let places = |rows: &[&DifferenceRow]| rows.iter().map(|row| row.path.clone()).collect::<Vec<_>>();
    assert_eq!(places(&counts), ["html main > p.price"]);
    assert!(places(&noise).contains(&"html form > input[name=csrf_token]@value".to_owned()));
    assert!(places(&noise).contains(&"html footer".to_owned()));
    assert_eq!(comparison.agreement.count, 0);
    assert_ne!(comparison.verdict.word, Verdict::Go);
}
