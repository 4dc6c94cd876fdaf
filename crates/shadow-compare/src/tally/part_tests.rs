//! Whatever else is asked for, an endpoint that fails is not judged GO.

use proptest::prelude::*;

use super::tests::{judging, pair};
use super::*;
use crate::document::{Comparison, Verdict};
use crate::fail_on::FailRule;

/// Rules about each endpoint alone: others see what is failing among few requests anyway.
fn by_endpoint() -> Judging {
    let off = [
        "compared",
        "coverage",
        "new_5xx",
        "failed",
        "agreement",
        "p99_ratio",
    ];
    let off: Vec<FailRule> = off
        .iter()
        .map(|metric| format!("{metric} off").parse().unwrap())
        .collect();
    Judging {
        fail_on: FailRule::in_force(&off),
        ..judging()
    }
}

fn with_statuses(number: u64, path: &str, production: u16, shadow: u16) -> Pair {
    let mut pair = pair(number, path, "{}", "{}");
    let head = |status| format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n\r\n").into();
    pair.production.head = head(production);
    pair.shadow.head = head(shadow);
    pair
}

fn judged(judging: Judging, pairs: &[Pair]) -> Comparison {
    let mut tally = Tally::new(Arc::new(judging), CompareCounters::default());
    for pair in pairs {
        tally.add(pair);
    }
    tally.comparison(&Facts::default())
}

fn why(comparison: &Comparison) -> &str {
    comparison.verdict.why.first().map_or("", |why| why)
}

fn names(comparison: &Comparison) -> Vec<String> {
    let endpoints = comparison.endpoints.iter();
    endpoints
        .map(|endpoint| format!("{} {}", endpoint.name, endpoint.compared))
        .collect()
}

/// Letters, as many digits would be an id by their looks.
fn word(number: u64) -> String {
    let letters = format!("{number:04}").into_bytes().into_iter();
    letters.map(|digit| char::from(digit + 49)).collect()
}

/// As many requests that are answered well, and ten that the release fails always.
fn failing_checkout(healthy: u64) -> Vec<Pair> {
    let good = (0..healthy).map(|number| with_statuses(number, "/products/1", 200, 200));
    let failing = (0..10).map(|number| with_statuses(healthy + number, "/checkout", 200, 500));
    good.chain(failing).collect()
}

fn scan(paths: u64, production: u16) -> impl Iterator<Item = Pair> {
    (0..paths).map(move |number| {
        let path = format!("/{}.php", word(number));
        with_statuses(50_000 + number, &path, production, production)
    })
}

#[test]
fn paths_that_production_refuses_teach_no_routes() {
    let mut pairs = failing_checkout(20_000);
    pairs.extend(scan(60, 404));
    let comparison = judged(judging(), &pairs);
    assert_eq!(comparison.verdict.word, Verdict::NoGo);
    assert_eq!(
        names(&comparison),
        [
            "GET /products/{id} 20000",
            "GET (not served) 60",
            "GET /checkout 10"
        ]
    );
    assert_eq!(
        why(&comparison),
        "Endpoints with new 5xx: GET /checkout (100%). Rule: endpoint_new_5xx > 1%."
    );
}

#[test]
fn a_name_that_fails_is_told_where_it_became_one_with_others() {
    // A page for whatever is asked for, or a redirect to where users log in.
    for status in [200, 302] {
        let mut late: Vec<_> = scan(60, status).collect();
        let mut early = failing_checkout(20_000);
        early.extend(scan(60, status));
        late.extend(failing_checkout(20_000));
        for pairs in [early, late] {
            let comparison = judged(judging(), &pairs);
            assert_eq!(names(&comparison), ["GET /products/{id} 20000", "GET /{name} 70"]);
            assert_eq!(comparison.verdict.word, Verdict::NoGo);
            assert_eq!(
                why(&comparison),
                "Endpoints with new 5xx: GET /checkout (100%), GET /{name} (14.29%). \
                 Rule: endpoint_new_5xx > 1%."
            );
        }
    }
}

#[test]
fn a_name_that_differs_is_told_among_many_that_agree() {
    let wrong = |number| pair(number, "/totals", r#"{"sum":1}"#, r#"{"sum":2}"#);
    let mut before: Vec<_> = (0..150).map(wrong).collect();
    before.extend(scan(20_000, 200));
    let mut behind: Vec<_> = scan(20_000, 200).collect();
    behind.extend((0..150).map(wrong));
    for pairs in [before, behind] {
        let comparison = judged(by_endpoint(), &pairs);
        assert_eq!(
            why(&comparison),
            "Endpoints with too little agreement: GET /totals (0%). Rule: endpoint_agreement < 99%."
        );
    }
}

#[test]
fn the_request_that_makes_names_one_is_counted_for_none_of_them() {
    let wrong = |number| pair(number, "/totals", r#"{"sum":1}"#, r#"{"sum":2}"#);
    let mut pairs: Vec<_> = (0..150).map(wrong).collect();
    pairs.extend(scan(60, 200));
    // Which of the names' numbers stays is chance.
    for _ in 0..300 {
        assert_eq!(
            why(&judged(by_endpoint(), &pairs)),
            "Endpoints with too little agreement: GET /totals (0%), GET /{name} (28.57%). \
             Rule: endpoint_agreement < 99%."
        );
    }
}

#[test]
fn an_endpoint_that_fails_is_told_where_there_was_no_room_for_it() {
    let mut pairs: Vec<_> = scan(200, 200).collect();
    pairs.extend(failing_checkout(20));
    let few = Judging {
        max_routes: 3,
        ..by_endpoint()
    };
    let comparison = judged(few, &pairs);
    assert_eq!(comparison.verdict.word, Verdict::NoGo);
    assert!(
        why(&comparison).contains("GET /checkout (100%)"),
        "{}",
        why(&comparison)
    );
}

#[test]
fn refused_requests_of_an_endpoint_do_not_hide_its_failures() {
    let mut pairs: Vec<_> = (0..2000)
        .map(|number| with_statuses(number, &format!("/orders/{number}"), 404, 404))
        .collect();
    pairs.extend((0..10).map(|number| with_statuses(5000 + number, "/orders/7", 200, 500)));
    pairs.extend((0..2000).map(|number| with_statuses(number, &format!("/orders/{number}"), 404, 404)));
    let comparison = judged(by_endpoint(), &pairs);
    assert_eq!(
        names(&comparison),
        ["GET /orders/{id} 2010", "GET (not served) 2000"]
    );
    assert_eq!(
        why(&comparison),
        "Endpoints with new 5xx: GET /orders/{id} (100%). Rule: endpoint_new_5xx > 1%."
    );
}

#[test]
fn one_failure_of_a_name_among_many_is_one_of_all_of_them() {
    let mut pairs: Vec<_> = scan(20_000, 200).collect();
    for number in [3_000, 9_000] {
        pairs[number].shadow.head = "HTTP/1.1 500 X\r\n\r\n".into();
    }
    let comparison = judged(by_endpoint(), &pairs);
    assert_eq!(comparison.verdict.word, Verdict::Go, "{}", why(&comparison));
}

#[test]
fn parts_are_watched_within_a_bound_and_the_worst_of_them_stay() {
    let mut pairs: Vec<_> = scan(60, 200).collect();
    pairs.extend((0..10).map(|number| with_statuses(number, "/checkout", 200, 500)));
    pairs.extend((0..5_000).map(|number| with_statuses(number, &format!("/x{}", word(number)), 200, 302)));
    let mut tally = Tally::new(Arc::new(by_endpoint()), CompareCounters::default());
    for pair in &pairs {
        tally.add(pair);
    }
    assert!(tally.parts.all().count() <= parts::MAX_PARTS);
    let comparison = tally.comparison(&Facts::default());
    assert!(
        why(&comparison).contains("GET /checkout (100%)"),
        "{}",
        why(&comparison)
    );
}

/// Requests of anybody, answered alike by both sides.
fn others() -> impl Strategy<Value = Vec<(String, u16)>> {
    let segment = prop_oneof![
        4 => (0..200_u64).prop_map(word),
        1 => (0..200_u64).prop_map(|id| id.to_string()),
        1 => Just("checkout".to_owned()),
        1 => Just("%63heckout".to_owned()),
    ];
    let path = prop::collection::vec(segment, 1..3).prop_map(|segments| format!("/{}", segments.join("/")));
    let status = prop::sample::select(vec![
        200, 200, 301, 302, 400, 401, 403, 404, 405, 410, 414, 422, 503,
    ]);
    // An endpoint that is asked for more often and answered well does not fail.
    let other = (path, status).prop_map(|(path, status)| match path.replace("%63", "c").as_str() {
        "/checkout" if !crate::routes::is_refusal(status) => (path, 404),
        _ => (path, status),
    });
    prop::collection::vec(other, 0..400)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn an_endpoint_that_fails_never_goes_whatever_else_is_asked_for(
        others in others(),
        failing in 5..12_u64,
        max_routes in prop::sample::select(vec![2, 20, 500]),
        order in any::<u64>(),
    ) {
        let mut pairs: Vec<_> = (0..failing).map(|number| with_statuses(number, "/checkout", 200, 500)).collect();
        pairs.extend(others.iter().zip(100..).map(|((path, status), number)| with_statuses(number, path, *status, *status)));
        // Any order, and the same for the same case.
        pairs.sort_by_key(|pair| shadow_mirror::rules::fnv1a_32(format!("{order}{}", pair.at).as_bytes()));
        let comparison = judged(Judging { max_routes, ..by_endpoint() }, &pairs);
        prop_assert_eq!(comparison.verdict.word, Verdict::NoGo);
        prop_assert!(
            comparison.verdict.why.iter().any(|why| why.contains("GET /checkout (")),
            "{:?}", comparison.verdict.why
        );
    }
}
