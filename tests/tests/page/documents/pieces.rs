//! Pieces that documents are made of: figures as a release with a few faults has them.

use shadow_agent::compare::document::{
    Body, Comparison, CopyDelay, Coverage, DifferenceRow, Endpoint, Example, ExampleAnswer, ExtraRequests,
    InForce, Interval, Judgement, Latency, Noise, NoiseBy, NotLearned, Quantiles, Rate, ReleaseNames,
    RuleOutcome, RuleResult, StatusPair, Step, Throughput, Timeline, Verdict,
};
use shadow_agent::compare::{Difference, Kind};

/// When the run began.
pub(super) const BEGIN: u64 = 1_764_000_000_000;
/// In milliseconds.
pub(super) const SECOND: u64 = 1000;

pub(super) fn rate(count: u64, total: u64) -> Rate {
    let share = count as f64 / total as f64;
    let about = 1.96 * (share * (1.0 - share) / total as f64).sqrt() + 1.0 / total as f64;
    Rate {
        count,
        total,
        share,
        low: (share - about).max(0.0),
        high: (share + about).min(1.0),
    }
}

#[expect(clippy::cast_sign_loss)]
fn whole(number: f64) -> u64 {
    number as u64
}

fn around(value: f64, by: f64) -> Interval {
    Interval {
        value,
        low: value * (1.0 - by),
        high: value * (1.0 + by),
    }
}

fn quantiles(count: u64, median: f64, spread: f64) -> Quantiles {
    Quantiles {
        count,
        p50: around(median, 0.01),
        p95: around(median * 4.2 * spread, 0.03),
        p99: around(median * 9.5 * spread, 0.05),
    }
}

/// A lognormal hump, as latencies have it, with a second one for what misses a cache.
pub(super) fn latency(median: f64, spread: f64) -> Latency {
    let mut buckets = Vec::new();
    let mut bound = 200.0;
    let bell = |bound: f64, middle: f64, width: f64| {
        let z = (f64::ln(bound) - f64::ln(middle)) / width;
        (-z * z / 2.0).exp()
    };
    while bound < 400_000.0 {
        let count = 9000.0 * bell(bound, median, 0.5 * spread) + 700.0 * bell(bound, median * 9.0, 0.35);
        if count >= 1.0 {
            buckets.push((whole(bound), whole(count)));
        }
        bound *= 1.08;
    }
    let count = buckets.iter().map(|(_, count)| count).sum();
    Latency {
        last: quantiles(count, median, spread),
        first: quantiles(count, median * 0.92, spread),
        buckets,
    }
}

pub(super) fn comparison(shadow: &str, word: Verdict) -> Comparison {
    Comparison {
        shadow: shadow.to_owned(),
        production: vec!["raw :8080 on eth0".to_owned()],
        control: Some("http://release-41.control:8080".to_owned()),
        from_ms: BEGIN,
        to_ms: BEGIN + 3600 * SECOND,
        ended_ms: None,
        verdict: verdict(word),
        coverage: coverage(),
        throughput: Throughput::default(),
        agreement_raw: rate(61_440, 98_700),
        agreement: rate(97_312, 98_700),
        not_learned: 0,
        excused: 0,
        raced: 0,
        new_5xx: rate(303, 98_700),
        other_status: rate(412, 98_700),
        statuses: [
            (200, 200, 90_120),
            (200, 404, 109),
            (200, 500, 303),
            (301, 301, 2_010),
            (404, 404, 6_100),
            (503, 503, 58),
        ]
        .map(|(production, shadow, count)| StatusPair {
            production,
            shadow,
            count,
            excused: 0,
        })
        .to_vec(),
        endpoints: vec![
            endpoint("GET /items/{id}", 61_000),
            endpoint("GET /orders/{id}", 22_400),
            endpoint("POST /orders", 9_300),
            endpoint("GET /search", 5_200),
            endpoint("GET /users/{id}/invoices/{uuid}/lines/{date}", 800),
        ],
        differences: differences(),
        causes: Vec::new(),
        known: Vec::new(),
        names: ReleaseNames::default(),
        differences_beyond: 0,
        production_latency: latency(3_100.0, 1.0),
        shadow_latency: latency(3_400.0, 1.12),
        p99_ratio: Interval {
            value: 1.21,
            low: 1.16,
            high: 1.27,
        },
        timeline: timeline(),
        examples: vec![example("17-42"), example("17-99")],
        extra: vec![ExtraRequests {
            what: "control".to_owned(),
            sent: 98_900,
            answered: 98_850,
            lost: [("timeout".to_owned(), 50)].into(),
            waiting: 0,
        }],
        correlated: None,
        copy_delay: Some(CopyDelay {
            p50_us: 310,
            p99_us: 1_200,
            max_us: 40_000,
        }),
        in_force: in_force(),
    }
}

fn verdict(word: Verdict) -> Judgement {
    let rule = |rule: &str, outcome, measured: Interval, text: &str| RuleResult {
        rule: rule.to_owned(),
        outcome,
        measured,
        text: text.to_owned(),
    };
    Judgement {
        word,
        why: vec![
            "New 5xx: 0.31% of pairs (0.27% to 0.34%), and at most 0.10% is allowed.".to_owned(),
            "p99 is 1.21 times production's (1.16 to 1.27), and at most 1.10 is allowed.".to_owned(),
        ],
        rules: vec![
            rule(
                "new_5xx > 0.1%",
                RuleOutcome::Failed,
                around(0.0031, 0.1),
                "0.31% (0.27% to 0.34%)",
            ),
            rule(
                "p99_ratio > 1.1",
                RuleOutcome::Failed,
                around(1.21, 0.05),
                "1.21 (1.16 to 1.27)",
            ),
            rule(
                "agreement < 98.6%",
                RuleOutcome::Undecided,
                around(0.986, 0.001),
                "98.59% (98.52% to 98.67%)",
            ),
            rule(
                "coverage < 95%",
                RuleOutcome::Passed,
                around(0.9935, 0.0),
                "99.35%",
            ),
            rule(
                "compared < 5000",
                RuleOutcome::Passed,
                around(98_700.0, 0.0),
                "98,700",
            ),
        ],
    }
}

fn coverage() -> Coverage {
    Coverage {
        seen: 201_150,
        filtered: 1_000,
        sampled_out: 100_000,
        limited: 0,
        eligible: 100_150,
        compared: 98_700,
        failed: [("timeout".to_owned(), 700), ("upstream_closed".to_owned(), 100)].into(),
        not_compared: [
            ("production_gap".to_owned(), 550),
            ("compare_memory".to_owned(), 90),
        ]
        .into(),
        waiting: 10,
        share: 0.9935,
        capture_lost_packets: 3,
        capture_loss: 0.000_02,
        endpoints_not_compared: vec!["DELETE /users/{id}".to_owned(), "POST /refunds".to_owned()],
    }
}

pub(super) fn endpoint(name: &str, compared: u64) -> Endpoint {
    let slower = compared.is_multiple_of(400);
    Endpoint {
        name: name.to_owned(),
        compared,
        failed: [("timeout".to_owned(), compared / 200)]
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .collect(),
        not_compared: compared / 150,
        agreement_raw: rate(compared * 62 / 100, compared),
        agreement: rate(compared - compared / 71, compared),
        not_learned: NotLearned::default(),
        new_5xx: rate(compared / 330, compared),
        production: quantiles(compared, 2_000.0 + compared as f64 / 40.0, 1.0),
        shadow: quantiles(compared, 2_000.0 + compared as f64 / 38.0, 1.1),
        p99_ratio: (compared > 1000).then(|| around(if slower { 1.31 } else { 1.02 }, 0.05)),
        slower,
        slow: Vec::new(),
        parts: Vec::new(),
    }
}

pub(super) fn difference(endpoint: &str, path: &str, kind: Kind, count: u64) -> DifferenceRow {
    DifferenceRow {
        endpoint: endpoint.to_owned(),
        path: path.to_owned(),
        kind,
        count,
        share: count as f64 / 61_000.0,
        noise: None,
        aside: Vec::new(),
        suspicious: 0,
        first_ms: BEGIN + 4 * SECOND,
        last_ms: BEGIN + 3_590 * SECOND,
        production: (kind != Kind::Extra).then(|| "9.99".to_owned()),
        shadow: (kind != Kind::Missing).then(|| "10.99".to_owned()),
        examples: vec!["17-42".to_owned(), "17-99".to_owned()],
    }
}

fn differences() -> Vec<DifferenceRow> {
    let noise = |by, why: &str, reference| {
        Some(Noise {
            by,
            why: why.to_owned(),
            reference,
        })
    };
    let mut rows = vec![
        difference("GET /items/{id}", "$.price", Kind::Value, 610),
        difference("GET /search", "status", Kind::Status, 303),
        difference("GET /orders/{id}", "header.cache-control", Kind::Missing, 224),
        difference("GET /items/{id}", "$.tags", Kind::Order, 180),
        difference("POST /orders", "body", Kind::Unreadable, 71),
        difference("GET /items/{id}", "$.updated_at", Kind::Value, 37_260),
        difference("GET /items/{id}", "header.x-request-id", Kind::Value, 61_000),
    ];
    rows[1].production = Some("200".to_owned());
    rows[1].shadow = Some("500".to_owned());
    rows[0].suspicious = 12;
    rows[5].noise = noise(
        NoiseBy::Control,
        "the control differs here as often as the shadow",
        Some(rate(37_100, 61_000)),
    );
    rows[6].noise = noise(
        NoiseBy::Rule,
        "header.x-request-id: made anew by every instance (2026-03-01)",
        None,
    );
    rows
}

fn timeline() -> Timeline {
    Timeline {
        from_ms: BEGIN,
        step_ms: 36 * SECOND,
        steps: (0..100)
            .map(|at| {
                let wave = (f64::from(at) / 12.0).sin();
                let production = whole(987.0 + 240.0 * wave);
                let failed = if (40..46).contains(&at) { 90 } else { 2 };
                Step {
                    production,
                    shadow: production - failed,
                    failed,
                    different: production / 3,
                    production_5xx: u64::from(at % 9 == 0),
                    shadow_5xx: 3 + u64::from(at % 5 == 0),
                }
            })
            .collect(),
    }
}

fn example(id: &str) -> Example {
    let answer = |price: &str, cache: &str, took: u64| {
        let tags: Vec<String> = (0..24).map(|at| format!("    \"tag-{at}\"")).collect();
        let text = format!(
            "{{\n  \"id\": 7,\n  \"name\": \"Darjeeling\",\n  \"price\": {price},\n  \"tags\": [\n{}\n  ],\n  \"stock\": 4\n}}",
            tags.join(",\n")
        );
        ExampleAnswer {
            head: format!(
                "HTTP/1.1 200 OK\nContent-Type: application/json\n{cache}Date: Mon, 24 Nov 2025 16:00:04 GMT\n"
            ),
            body: Body {
                bytes: text.len() as u64,
                text: Some(text),
                cut: false,
            },
            took_us: Some(took),
        }
    };
    Example {
        id: id.to_owned(),
        endpoint: "GET /items/{id}".to_owned(),
        at_ms: BEGIN + 4 * SECOND,
        request_head:
            "GET /items/7 HTTP/1.1\nHost: shop.example\nAuthorization: [redacted]\nAccept: application/json\n"
                .to_owned(),
        request_body: Body::default(),
        production: answer("9.99", "Cache-Control: max-age=60\n", 3_120),
        shadow: answer("10.99", "", 3_480),
        control: Some(answer("9.99", "", 2_210)),
        differences: vec![
            Difference {
                path: "$.price".to_owned(),
                kind: Kind::Value,
                production: Some("9.99".to_owned()),
                shadow: Some("10.99".to_owned()),
            },
            Difference {
                path: "header.cache-control".to_owned(),
                kind: Kind::Missing,
                production: Some("max-age=60".to_owned()),
                shadow: None,
            },
        ],
    }
}

fn in_force() -> InForce {
    let list = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
    InForce {
        fail_on: list(&[
            "new_5xx > 0.1%",
            "p99_ratio > 1.1",
            "agreement < 98.6%",
            "coverage < 95%",
            "compared < 5000",
        ]),
        ignored: list(&["header.x-request-id: made anew by every instance (2026-03-01)"]),
        protected: list(&["$.price", "status"]),
        routes: list(&["/users/{id}"]),
        noise: list(&[
            "Control: a path is noise where it differs there as often, within 20% and 0.03 points.",
        ]),
        selection: list(&["50% of requests are mirrored."]),
        notes: list(&[
            "The shadow's times are taken at the socket of the replay: one hop more than production's, and a cold cache.",
            "What the shadow wrote to its own database cannot be seen here.",
        ]),
    }
}
