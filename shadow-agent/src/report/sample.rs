//! A small document for tests: one comparison that says NO-GO, a difference that counts and one that is noise.

use crate::compare::document::{
    Body, Comparison, Coverage, DifferenceRow, Document, Endpoint, Example, ExampleAnswer, ExtraRequests,
    InForce, Interval, Latency, Noise, NoiseBy, Quantiles, Rate, RuleOutcome, RuleResult, SCHEMA, StatusPair,
    Step, Timeline, Verdict, Word,
};
use crate::compare::{Difference, Kind};

/// The document.
pub(super) fn document() -> Document {
    Document {
        schema: SCHEMA,
        version: "0.1.0".to_owned(),
        made_at_ms: 1_764_000_367_123,
        verdict: Word::NoGo,
        comparisons: vec![comparison()],
        notes: Vec::new(),
    }
}

fn rate(count: u64, total: u64, low: f64, high: f64) -> Rate {
    Rate {
        count,
        total,
        share: count as f64 / total as f64,
        low,
        high,
    }
}

fn interval(value: f64, low: f64, high: f64) -> Interval {
    Interval { value, low, high }
}

fn quantiles(count: u64, p50: f64, p95: f64, p99: f64) -> Quantiles {
    let around = |value: f64| interval(value, value * 0.95, value * 1.05);
    Quantiles {
        count,
        p50: around(p50),
        p95: around(p95),
        p99: around(p99),
    }
}

fn latency(p50: u32, p95: u32, p99: u32) -> Latency {
    let [p50_bound, p95_bound, p99_bound] = [p50, p95, p99].map(u64::from);
    let [p50, p95, p99] = [p50, p95, p99].map(f64::from);
    Latency {
        last: quantiles(9970, p50, p95, p99),
        first: quantiles(9970, p50 * 0.9, p95 * 0.9, p99 * 0.9),
        buckets: vec![
            (p50_bound, 4985),
            (p95_bound, 4486),
            (p99_bound, 399),
            (p99_bound * 2, 100),
        ],
    }
}

fn comparison() -> Comparison {
    Comparison {
        shadow: "http://shadow:8080".to_owned(),
        production: vec!["raw :80".to_owned()],
        control: None,
        from_ms: 1_764_000_000_000,
        to_ms: 1_764_000_360_000,
        ended_ms: None,
        verdict: verdict(),
        coverage: coverage(),
        agreement_raw: rate(4187, 9970, 0.41, 0.43),
        agreement: rate(9880, 9970, 0.9889, 0.9927),
        new_5xx: rate(30, 9970, 0.0021, 0.0043),
        other_status: rate(30, 9970, 0.0021, 0.0043),
        statuses: vec![
            StatusPair {
                production: 200,
                shadow: 200,
                count: 9940,
            },
            StatusPair {
                production: 200,
                shadow: 500,
                count: 30,
            },
        ],
        endpoints: vec![endpoint()],
        differences: differences(),
        differences_beyond: 0,
        production_latency: latency(3210, 20_000, 45_600),
        shadow_latency: latency(3300, 22_000, 50_200),
        p99_ratio: interval(1.1, 1.05, 1.16),
        timeline: Timeline {
            from_ms: 1_764_000_000_000,
            step_ms: 180_000,
            steps: vec![
                Step {
                    production: 5000,
                    shadow: 4990,
                    failed: 10,
                    different: 2900,
                    production_5xx: 0,
                    shadow_5xx: 12,
                },
                Step {
                    production: 5000,
                    shadow: 4980,
                    failed: 20,
                    different: 2883,
                    production_5xx: 0,
                    shadow_5xx: 18,
                },
            ],
        },
        examples: vec![example()],
        extra: vec![ExtraRequests {
            what: "repeat".to_owned(),
            sent: 100,
            answered: 99,
            lost: [("timeout".to_owned(), 1)].into(),
            waiting: 0,
        }],
        in_force: InForce {
            fail_on: vec!["new_5xx > 0.1%".to_owned(), "compared < 5000".to_owned()],
            ignored: vec!["$.timestamp".to_owned()],
            notes: vec!["The shadow's times are taken at the socket of the replay.".to_owned()],
            ..InForce::default()
        },
    }
}

fn verdict() -> Verdict {
    Verdict {
        word: Word::NoGo,
        why: vec!["New 5xx: 0.30% of pairs, and at most 0.10% is allowed.".to_owned()],
        rules: vec![
            RuleResult {
                rule: "new_5xx > 0.1%".to_owned(),
                outcome: RuleOutcome::Failed,
                measured: interval(0.003, 0.0021, 0.0043),
                text: "0.30% (0.21% to 0.43%)".to_owned(),
            },
            RuleResult {
                rule: "p99_ratio > 1.1".to_owned(),
                outcome: RuleOutcome::Undecided,
                measured: interval(1.1, 1.05, 1.16),
                text: "1.10 (1.05 to 1.16)".to_owned(),
            },
            RuleResult {
                rule: "compared < 5000".to_owned(),
                outcome: RuleOutcome::Passed,
                measured: interval(9970.0, 9970.0, 9970.0),
                text: "9,970".to_owned(),
            },
        ],
    }
}

fn coverage() -> Coverage {
    Coverage {
        seen: 10_350,
        filtered: 100,
        sampled_out: 200,
        limited: 0,
        eligible: 10_050,
        compared: 9970,
        failed: [("timeout".to_owned(), 30)].into(),
        not_compared: [("production_gap".to_owned(), 50)].into(),
        waiting: 0,
        share: 0.995_024_9,
        capture_lost_packets: 3,
        capture_loss: 0.0001,
        endpoints_not_compared: vec!["POST /refunds".to_owned()],
    }
}

fn endpoint() -> Endpoint {
    Endpoint {
        name: "GET /items/{id}".to_owned(),
        compared: 9970,
        failed: [("timeout".to_owned(), 30)].into(),
        not_compared: 50,
        agreement_raw: rate(4187, 9970, 0.41, 0.43),
        agreement: rate(9880, 9970, 0.9889, 0.9927),
        new_5xx: rate(30, 9970, 0.0021, 0.0043),
        production: quantiles(9970, 3210.0, 20_000.0, 45_600.0),
        shadow: quantiles(9970, 3300.0, 22_000.0, 50_200.0),
        p99_ratio: Some(interval(1.1, 1.05, 1.16)),
        slower: true,
    }
}

fn differences() -> Vec<DifferenceRow> {
    let row = |path: &str, count, noise, production: &str, shadow: &str| DifferenceRow {
        endpoint: "GET /items/{id}".to_owned(),
        path: path.to_owned(),
        kind: Kind::Value,
        count,
        share: count as f64 / 9970.0,
        noise,
        suspicious: 0,
        first_ms: 1_764_000_001_000,
        last_ms: 1_764_000_359_000,
        production: Some(production.to_owned()),
        shadow: Some(shadow.to_owned()),
        examples: vec!["1-7".to_owned()],
    };
    let noise = Noise {
        by: NoiseBy::Rule,
        why: "$.timestamp is ignored: changes with every answer".to_owned(),
        reference: None,
    };
    vec![
        row("$.price", 60, None, "9.99", "10.99"),
        row("$.timestamp", 5783, Some(noise), "1", "2"),
    ]
}

fn example() -> Example {
    let answer = |price: &str, took: u64| ExampleAnswer {
        head: "HTTP/1.1 200 OK\nContent-Type: application/json\n".to_owned(),
        body: Body {
            text: Some(format!("{{\n  \"name\": \"tea\",\n  \"price\": {price}\n}}")),
            bytes: 32,
            cut: false,
        },
        took_us: Some(took),
    };
    Example {
        id: "1-7".to_owned(),
        endpoint: "GET /items/{id}".to_owned(),
        at_ms: 1_764_000_001_000,
        request_head: "GET /items/7 HTTP/1.1\nHost: shop\nAuthorization: [redacted]\n".to_owned(),
        request_body: Body::default(),
        production: answer("9.99", 3200),
        shadow: answer("10.99", 3400),
        differences: vec![Difference {
            path: "$.price".to_owned(),
            kind: Kind::Value,
            production: Some("9.99".to_owned()),
            shadow: Some("10.99".to_owned()),
        }],
    }
}
