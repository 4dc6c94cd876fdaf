use super::super::Kind;
use super::super::causes;
use super::super::document::{
    Coverage, DifferenceRow, Endpoint, InForce, Latency, Noise, NoiseBy, NotLearned, Quantiles, ReleaseNames,
    Slow, SlowAt, StatusPair, Throughput, Timeline,
};
use super::super::histogram::{Histogram, latency};
use super::super::statistics::rate;
use super::*;

/// As many pairs of two endpoints as are asked for, all of them equal and equally fast.
pub(super) fn healthy(pairs: u64) -> Comparison {
    let mut took = Histogram::default();
    for at in 0..pairs {
        took.record(Duration::from_micros(20_000 + at % 1000 * 100));
    }
    let latency = latency(&took, &took);
    let endpoint = |name: &str, pairs: u64| Endpoint {
        name: name.to_owned(),
        compared: pairs,
        failed: [].into(),
        not_compared: 0,
        agreement_raw: rate(pairs, pairs),
        agreement: rate(pairs, pairs),
        not_learned: NotLearned::default(),
        new_5xx: rate(0, pairs),
        production: Quantiles::default(),
        shadow: Quantiles::default(),
        p99_ratio: None,
        slower: false,
        slow: Vec::new(),
        parts: Vec::new(),
    };
    Comparison {
        shadow: "shadow".to_owned(),
        production: Vec::new(),
        control: None,
        from_ms: 0,
        to_ms: 0,
        ended_ms: None,
        verdict: Judgement {
            word: Verdict::NoGo,
            why: Vec::new(),
            rules: Vec::new(),
        },
        coverage: Coverage {
            seen: pairs,
            eligible: pairs,
            compared: pairs,
            share: 1.0,
            ..Coverage::default()
        },
        throughput: Throughput {
            production: 300.4,
            shadow: 300.4,
        },
        agreement_raw: rate(pairs, pairs),
        agreement: rate(pairs, pairs),
        not_learned: 0,
        excused: 0,
        raced: 0,
        new_5xx: rate(0, pairs),
        other_status: rate(0, pairs),
        statuses: Vec::new(),
        endpoints: vec![
            endpoint("GET /products/{id}", pairs - pairs / 4),
            endpoint("POST /orders", pairs / 4),
        ],
        differences: Vec::new(),
        causes: Vec::new(),
        known: Vec::new(),
        names: ReleaseNames::default(),
        differences_beyond: 0,
        production_latency: latency.clone(),
        shadow_latency: latency,
        p99_ratio: Interval::default(),
        timeline: Timeline::default(),
        examples: Vec::new(),
        extra: Vec::new(),
        correlated: None,
        copy_delay: None,
        in_force: InForce::default(),
    }
}

fn difference(endpoint: &str, path: &str, count: u64) -> DifferenceRow {
    DifferenceRow {
        endpoint: endpoint.to_owned(),
        path: path.to_owned(),
        kind: Kind::Value,
        count,
        share: 0.0,
        noise: None,
        aside: Vec::new(),
        suspicious: 0,
        first_ms: 0,
        last_ms: 0,
        production: None,
        shadow: None,
        examples: Vec::new(),
    }
}

/// Latencies of which the 99th percentile is this.
pub(super) fn with_p99(ms: f64) -> Latency {
    let of = |ms: f64| Interval {
        value: ms * 1000.0,
        low: ms * 970.0,
        high: ms * 1030.0,
    };
    Latency {
        last: Quantiles {
            count: 10_000,
            p50: of(ms / 4.0),
            p95: of(ms / 2.0),
            p99: of(ms),
        },
        ..Latency::default()
    }
}

/// An endpoint that is slow at a quantile; microseconds of production and the shadow.
fn slow(at: SlowAt, quantile: f64, (production, shadow): (f64, f64)) -> Slow {
    let of = |value: f64| Interval {
        value,
        low: value * 0.9,
        high: value * 1.1,
    };
    Slow {
        at,
        quantile,
        pairs: 7_500,
        production: of(production),
        shadow: of(shadow),
        ratio: of(shadow / production.max(10_000.0)),
    }
}

pub(super) fn judged(comparison: &Comparison) -> Judgement {
    judge_by(comparison, &[])
}

pub(super) fn judge_by(comparison: &Comparison, given: &[&str]) -> Judgement {
    let given: Vec<FailRule> = given.iter().map(|text| text.parse().expect(text)).collect();
    let comparison = Comparison {
        causes: causes(comparison),
        ..comparison.clone()
    };
    judge(
        &comparison,
        &FailRule::in_force(&given),
        &Settings::default(),
        &[],
    )
}

#[test]
fn a_healthy_release_goes() {
    let verdict = judged(&healthy(10_000));
    assert_eq!(verdict.word, Verdict::Go);
    assert_eq!(
        verdict.why,
        [
            "The shadow keeps up: 0 of 10,000 requests waited for it in vain (0%, 95% interval 0% to 0.038%).",
            "The shadow responded 5xx where production did not in 0 of 10,000 pairs (0%, 95% interval 0% to 0.038%).",
            "The shadow gave no complete response in 0 of 10,000 pairs (0%, 95% interval 0% to 0.038%).",
            "Responses agreed in 10,000 of 10,000 pairs (100%, 95% interval 99.962% to 100%).",
            "The shadow's 99th percentile is 1.00 times production's (95% interval 0.99 to 1.01; 119.3 ms after 119.3 ms).",
        ]
    );
    assert!(
        verdict
            .rules
            .iter()
            .all(|rule| rule.outcome == RuleOutcome::Passed)
    );
    assert_eq!(verdict.rules[3].text, "0% (0% to 0.038%)");
}

#[test]
fn few_requests_never_go() {
    for pairs in [0, 1, 10, 50, 4_999] {
        let verdict = judged(&healthy(pairs));
        assert_eq!(verdict.word, Verdict::NotEnoughData, "{pairs}");
    }
    assert_eq!(judged(&healthy(5_000)).word, Verdict::Go);
    // Without a least number, it is the intervals that say so.
    for pairs in [0, 10, 50, 3_000] {
        let verdict = judge_by(&healthy(pairs), &["compared off", "coverage off"]);
        assert_eq!(verdict.word, Verdict::NotEnoughData, "{pairs}");
    }
    let verdict = judged(&healthy(50));
    assert_eq!(verdict.why, ["50 pairs were compared. Rule: compared < 5000."]);
}

#[test]
fn new_5xx_are_told_with_the_endpoints_they_come_from() {
    let mut comparison = healthy(10_000);
    comparison.new_5xx = rate(143, 10_000);
    comparison.endpoints[1].new_5xx = rate(143, 2_500);
    let verdict = judged(&comparison);
    assert_eq!(verdict.word, Verdict::NoGo);
    assert_eq!(
        verdict.why,
        [
            "The shadow responded 5xx where production did not in 143 of 10,000 pairs (1.43%, 95% interval 1.22% to \
             1.68%): POST /orders (143). Rule: new_5xx > 0.1%.",
            "Endpoints with new 5xx: POST /orders (5.72%). Rule: endpoint_new_5xx > 1%.",
        ]
    );
}

#[test]
fn an_endpoint_with_few_of_all_requests_cannot_hide() {
    let mut comparison = healthy(1_000_000);
    comparison.new_5xx = rate(120, 1_000_000);
    comparison.endpoints[1].compared = 150;
    comparison.endpoints[1].new_5xx = rate(120, 150);
    comparison.endpoints[1].agreement = rate(30, 150);
    let verdict = judged(&comparison);
    assert_eq!(verdict.word, Verdict::NoGo);
    assert_eq!(
        verdict.why,
        [
            "Endpoints with new 5xx: POST /orders (80.00%). Rule: endpoint_new_5xx > 1%.",
            "Endpoints with too little agreement: POST /orders (20.00%). Rule: endpoint_agreement < 99%.",
        ]
    );
    // A route that fails always is broken, however few pairs tell so; what differs by nature is not learned from so few.
    comparison.endpoints[1].compared = 20;
    comparison.endpoints[1].new_5xx = rate(20, 20);
    assert_eq!(judged(&comparison).word, Verdict::NoGo);
    comparison.endpoints[1].new_5xx = rate(0, 20);
    comparison.endpoints[1].agreement = rate(4, 20);
    assert_eq!(judged(&comparison).word, Verdict::Go);
}

#[test]
fn too_few_equal_answers_are_told_with_what_differs_most() {
    let mut comparison = healthy(10_000);
    comparison.agreement = rate(9_700, 10_000);
    let mut noise = difference("GET /products/{id}", "$.request_id", 9_000);
    noise.noise = Some(Noise {
        by: NoiseBy::Repeat,
        why: String::new(),
        reference: None,
    });
    comparison.differences = vec![
        noise,
        difference("GET /a", "$.b", 5),
        difference("GET /products/{id}", "$.price", 102),
        difference("GET /a", "header.etag", 90),
        difference("GET /a", "$.c", 80),
    ];
    assert_eq!(
        judged(&comparison).why,
        [
            "Responses agreed in 9,700 of 10,000 pairs (97.00%, 95% interval 96.65% to 97.32%): $.price is different in \
             102 of 7,500 responses of GET /products/{id}; $.c is different in 80 responses of GET /a; $.b is different in \
             5 responses of GET /a; 1 more. Rule: agreement < 99.9%."
        ]
    );
}

#[test]
fn requests_that_the_shadow_failed_count_against_it_and_as_covered() {
    let mut comparison = healthy(10_000);
    comparison.coverage.compared = 9_900;
    comparison.coverage.failed = [("timeout".to_owned(), 60), ("connect_error".to_owned(), 40)].into();
    let verdict = judged(&comparison);
    assert_eq!(verdict.word, Verdict::NoGo);
    assert_eq!(
        verdict.why,
        [
            "The shadow gave no complete response in 100 of 10,000 pairs (1.00%, 95% interval 0.82% to 1.21%): \
             timeout (60), \
             connect_error (40). Rule: failed > 0.1%."
        ]
    );
    assert_eq!(verdict.rules[1].text, "100%");
}

#[test]
fn another_status_is_told_with_what_became_of_it() {
    let mut comparison = healthy(10_000);
    comparison.other_status = rate(500, 10_000);
    let pair = |production, shadow, count| StatusPair {
        production,
        shadow,
        count,
        excused: 0,
    };
    let like_control = StatusPair {
        excused: 900,
        ..pair(304, 200, 900)
    };
    comparison.statuses = vec![
        pair(200, 200, 8_600),
        like_control,
        pair(404, 200, 100),
        pair(200, 404, 400),
    ];
    assert_eq!(
        judge_by(&comparison, &["other_status > 1%"]).why,
        [
            "The status code was different in 500 of 10,000 pairs (5.00%, 95% interval 4.59% to 5.44%): 200 became 404 \
             (400), 404 became 200 (100). Rule: other_status > 1%."
        ]
    );
}

#[test]
fn what_is_excused_is_told_whatever_the_word() {
    let mut comparison = healthy(10_000);
    comparison.excused = 1_187;
    let like_control = |count| DifferenceRow {
        noise: Some(crate::noise::like_control(None)),
        ..difference("GET /style.css", "header.etag", count)
    };
    comparison.differences = vec![
        DifferenceRow {
            kind: Kind::Status,
            path: "status".to_owned(),
            production: Some("304".to_owned()),
            shadow: Some("200".to_owned()),
            ..like_control(1_187)
        },
        like_control(7),
    ];
    let verdict = judged(&comparison);
    assert_eq!(verdict.word, Verdict::Go);
    assert_eq!(
        verdict.why.last().map(String::as_str),
        Some(
            "Excused, because the control differed from production as the shadow did: 1,187 of 10,000 pairs: \
             GET /style.css status 304 to 200 (1,187), GET /style.css header.etag value (7)."
        )
    );
}

#[test]
fn a_slower_shadow_and_slower_endpoints_are_told() {
    let mut comparison = healthy(10_000);
    comparison.production_latency = with_p99(40.0);
    comparison.shadow_latency = with_p99(80.0);
    comparison.endpoints[0].slow = vec![
        slow(SlowAt::P90, 0.9, (12_300.0, 52_000.0)),
        slow(SlowAt::P99, 0.99, (20_000.0, 80_000.0)),
    ];
    comparison.endpoints[1].slow = vec![slow(SlowAt::Tail, 0.9979, (800.0, 407_000.0))];
    let verdict = judged(&comparison);
    assert_eq!(verdict.word, Verdict::NoGo);
    assert_eq!(
        verdict.why,
        [
            "GET /products/{id} answers in 52 ms at the 90th percentile, production in 12 ms (7,500 pairs). Rule: \
             endpoint_p90_ratio > 1.5.",
            "POST /orders answers in 407 ms or more in the slowest 0.21%, production in 0.8 ms (7,500 pairs). Rule: \
             endpoint_tail_ratio > 5.",
            "The shadow's 99th percentile is 2.00 times production's (95% interval 1.92 to 2.09; 80.0 ms after 40.0 ms). \
             Rule: p99_ratio > 1.5.",
        ]
    );
    // Below ten milliseconds nobody cares.
    comparison.production_latency = with_p99(2.0);
    comparison.shadow_latency = with_p99(9.0);
    comparison.endpoints[0].slow.clear();
    comparison.endpoints[1].slow.clear();
    assert_eq!(judged(&comparison).word, Verdict::Go);
}

#[test]
fn latencies_that_nobody_knows_are_undecided_until_the_rule_is_off() {
    let mut comparison = healthy(10_000);
    comparison.production_latency = Latency::default();
    let verdict = judged(&comparison);
    assert_eq!(verdict.word, Verdict::NotEnoughData);
    assert_eq!(
        verdict.why,
        [
            "Undecided: Too few responses with latencies to compare the 99th percentiles. Rule: p99_ratio > 1.5."
        ]
    );
    assert_eq!(judge_by(&comparison, &["p99_ratio off"]).word, Verdict::Go);
}

#[test]
fn what_may_be_either_is_undecided() {
    let mut comparison = healthy(10_000);
    comparison.new_5xx = rate(10, 10_000);
    let verdict = judged(&comparison);
    assert_eq!(verdict.word, Verdict::NotEnoughData);
    assert_eq!(
        verdict.why,
        [
            "Undecided: The shadow responded 5xx where production did not in 10 of 10,000 pairs (0.10%, 95% interval \
             0.054% to 0.18%). Rule: new_5xx > 0.1%."
        ]
    );
    // Something else that is sure is enough.
    comparison.agreement = rate(9_000, 10_000);
    assert_eq!(judged(&comparison).word, Verdict::NoGo);
}

#[test]
fn the_verdict_is_void_when_capture_lost_too_much() {
    let mut comparison = healthy(10_000);
    comparison.coverage.capture_loss = 0.012;
    comparison.coverage.capture_lost_packets = 1234;
    comparison.agreement = rate(9_000, 10_000);
    comparison.differences = vec![difference("GET /a", "$.b", 1_000)];
    let verdict = judged(&comparison);
    assert_eq!(verdict.word, Verdict::NotEnoughData);
    assert_eq!(
        verdict.why,
        [
            "Capture lost parts of 1.20% of requests and responses (1,234 packets). Rule: capture_loss > 0.5%.",
            "Likely failed: Responses agreed in 9,000 of 10,000 pairs (90.00%, 95% interval 89.40% to 90.57%): $.b \
             is different in 1,000 responses of GET /a. Rule: agreement < 99.9%.",
        ]
    );
}

#[test]
fn too_few_of_all_requests_are_told_with_what_became_of_the_others() {
    let mut comparison = healthy(10_000);
    comparison.coverage.eligible = 20_000;
    comparison.coverage.not_compared =
        [("production_gap".to_owned(), 9_000), ("copy".to_owned(), 1_000)].into();
    comparison.coverage.endpoints_not_compared = ["PUT /a", "PUT /b", "PUT /c", "PUT /d"]
        .map(str::to_owned)
        .to_vec();
    let verdict = judged(&comparison);
    assert_eq!(verdict.word, Verdict::NotEnoughData);
    assert_eq!(
        verdict.why,
        [
            "50.00% of 20,000 requests were covered: production_gap (9,000), copy (1,000). Rule: coverage < 95%.",
            "Nothing was compared for PUT /a, PUT /b, PUT /c, 1 more.",
        ]
    );
}

#[test]
fn calls_that_their_clients_left_do_not_lower_coverage() {
    let mut comparison = healthy(10_000);
    comparison.coverage.eligible = 20_000;
    comparison.coverage.not_compared = [("grpc_stream_left".to_owned(), 10_000)].into();
    assert_eq!(judged(&comparison).word, Verdict::Go);
    comparison.coverage.eligible = 30_000;
    comparison.coverage.not_compared.insert("copy".to_owned(), 10_000);
    assert_eq!(
        judged(&comparison).why,
        ["50.00% of 20,000 requests were covered: copy (10,000). Rule: coverage < 95%."]
    );
}

#[test]
fn bounds_themselves_are_on_the_side_the_operator_says() {
    let comparison = healthy(5_000);
    assert_eq!(judge_by(&comparison, &["compared < 5000"]).word, Verdict::Go);
    assert_eq!(
        judge_by(&comparison, &["compared <= 5000"]).word,
        Verdict::NotEnoughData
    );
    assert_eq!(
        judge_by(&comparison, &["coverage <= 100%"]).word,
        Verdict::NotEnoughData
    );
    let exactly = Interval {
        value: 1.0,
        low: 0.5,
        high: 1.0,
    };
    assert_eq!(outcome(exactly, Operator::Above, 1.0), RuleOutcome::Passed);
    assert_eq!(outcome(exactly, Operator::AtLeast, 1.0), RuleOutcome::Undecided);
    assert_eq!(outcome(exactly, Operator::AtLeast, 0.5), RuleOutcome::Failed);
    assert_eq!(outcome(exactly, Operator::Below, 0.5), RuleOutcome::Passed);
}

#[test]
fn the_worst_word_stands_for_all_and_has_a_status() {
    assert_eq!(
        worst([Verdict::Go, Verdict::NotEnoughData]),
        Verdict::NotEnoughData
    );
    assert_eq!(
        worst([Verdict::NoGo, Verdict::NotEnoughData, Verdict::Go]),
        Verdict::NoGo
    );
    assert_eq!(worst([Verdict::Go]), Verdict::Go);
    assert_eq!(worst([]), Verdict::NotEnoughData);
    let words = [Verdict::Go, Verdict::NoGo, Verdict::NotEnoughData];
    assert_eq!(words.map(exit_code), [0, 1, 3]);
}

#[test]
fn hostile_names_are_cut() {
    let mut comparison = healthy(10_000);
    comparison.agreement = rate(9_000, 10_000);
    comparison.differences = vec![difference("GET /a", &"\u{e9}".repeat(5_000), 1_000)];
    let why = judged(&comparison).why;
    assert!(why[0].chars().count() < 300, "{why:?}");
}

#[test]
fn unknown_completeness_neither_passes_nor_fails() {
    let doubts = ["The run was broken off.".to_owned()];
    let judge = |comparison: &Comparison| {
        judge(
            comparison,
            &FailRule::in_force(&[]),
            &Settings::default(),
            &doubts,
        )
    };
    let good = judge(&healthy(10_000));
    assert_eq!(judged(&healthy(10_000)).word, Verdict::Go);
    assert_eq!(
        (good.word, good.why.as_slice()),
        (Verdict::NotEnoughData, &doubts[..])
    );
    let mut bad = healthy(10_000);
    bad.new_5xx = rate(500, 10_000);
    assert_eq!(judged(&bad).word, Verdict::NoGo);
    let bad = judge(&bad);
    assert_eq!((bad.word, &bad.why[0]), (Verdict::NotEnoughData, &doubts[0]));
    assert!(
        bad.why[1].starts_with("Likely failed: The shadow responded 5xx"),
        "{:?}",
        bad.why
    );
}
