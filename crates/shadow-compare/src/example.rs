//! A document for tests of all that shows one: one shadow, 10,000 pairs, a few endpoints, and a difference of each sort.

use std::collections::BTreeMap;

use super::document::{
    Body, Cause, Comparison, CopyDelay, Coverage, DifferenceRow, Document, Endpoint, Example, ExampleAnswer,
    ExtraRequests, InForce, Interval, Judgement, Latency, Noise, NoiseBy, NotLearned, Quantiles, Rate,
    ReleaseNames, RuleOutcome, RuleResult, SCHEMA, Severity, StatusPair, Step, Throughput, Timeline, Verdict,
};
use super::{Difference, Kind};

/// 2026-03-04 05:06:07 UTC.
pub const FROM_MS: u64 = 1_772_600_767_000;

/// The document: NO-GO, by 30 new errors of 9,900.
pub fn document() -> Document {
    Document {
        schema: SCHEMA,
        version: "0.1.0".to_owned(),
        made_at_ms: FROM_MS + 60_000,
        verdict: Verdict::NoGo,
        comparisons: vec![comparison()],
        notes: Vec::new(),
    }
}

/// Its comparison.
pub fn comparison() -> Comparison {
    Comparison {
        shadow: "http://staging:80".to_owned(),
        production: vec![":8080".to_owned()],
        control: None,
        from_ms: FROM_MS,
        to_ms: FROM_MS + 60_000,
        ended_ms: None,
        verdict: Judgement {
            word: Verdict::NoGo,
            why: vec!["30 of 9,900 answers are new 5xx: 0.30% (0.21% to 0.43%), and 0.1% may be".to_owned()],
            rules: rules(),
        },
        coverage: coverage(),
        throughput: Throughput::default(),
        agreement_raw: rate(9_400, 9_900, 0.945, 0.954),
        agreement: rate(9_800, 9_900, 0.988, 0.992),
        not_learned: 0,
        excused: 0,
        raced: 0,
        new_5xx: rate(30, 9_900, 0.0021, 0.0043),
        other_status: rate(30, 9_900, 0.0021, 0.0043),
        statuses: vec![
            StatusPair {
                production: 200,
                shadow: 200,
                count: 9_870,
                excused: 0,
            },
            StatusPair {
                production: 200,
                shadow: 500,
                count: 30,
                excused: 0,
            },
        ],
        endpoints: vec![
            endpoint("GET /items/{id}", 6_900, 70),
            Endpoint {
                slower: true,
                parts: Vec::new(),
                ..endpoint("POST /cart", 3_000, 30)
            },
        ],
        differences: differences(),
        causes: causes(),
        known: Vec::new(),
        names: ReleaseNames::default(),
        differences_beyond: 0,
        production_latency: latency(2_000, 4_000, 9_000),
        shadow_latency: latency(2_500, 5_000, 12_000),
        p99_ratio: interval(1.33, 1.2, 1.5),
        timeline: timeline(),
        examples: vec![example()],
        extra: vec![ExtraRequests {
            what: "repeat".to_owned(),
            sent: 100,
            answered: 98,
            lost: BTreeMap::from([("timeout".to_owned(), 1)]),
            waiting: 1,
        }],
        correlated: None,
        copy_delay: Some(CopyDelay {
            p50_us: 310,
            p99_us: 1_200,
            max_us: 40_000,
        }),
        in_force: InForce {
            fail_on: ["new_5xx > 0.1%", "p99_ratio > 1.3", "compared < 5000"]
                .map(str::to_owned)
                .into(),
            notes: vec!["The shadow's times are taken at the socket of the replay.".to_owned()],
            ignored: vec!["$.timestamp (clocks differ)".to_owned()],
            ..InForce::default()
        },
    }
}

fn coverage() -> Coverage {
    Coverage {
        seen: 10_100,
        filtered: 0,
        sampled_out: 100,
        limited: 0,
        eligible: 10_000,
        compared: 9_900,
        failed: BTreeMap::from([("timeout".to_owned(), 20)]),
        not_compared: BTreeMap::from([("production_gap".to_owned(), 75)]),
        waiting: 5,
        share: 0.992,
        capture_lost_packets: 3,
        capture_loss: 0.0003,
        endpoints_not_compared: vec!["PUT /admin".to_owned()],
    }
}

fn differences() -> Vec<DifferenceRow> {
    let row = |endpoint: &str, path: &str, kind, count, share| DifferenceRow {
        endpoint: endpoint.to_owned(),
        path: path.to_owned(),
        kind,
        count,
        share,
        noise: None,
        aside: Vec::new(),
        suspicious: 0,
        first_ms: FROM_MS + 1_000,
        last_ms: FROM_MS + 59_000,
        production: None,
        shadow: None,
        examples: Vec::new(),
    };
    vec![
        DifferenceRow {
            production: Some("9.99".to_owned()),
            shadow: Some("10.99".to_owned()),
            examples: vec!["65a5b7f0a1b2c3d4".to_owned()],
            ..row(
                "GET /items/{id}",
                "$.items[*].price",
                Kind::Value,
                70,
                few_digits(70.0 / 6_900.0),
            )
        },
        DifferenceRow {
            production: Some("200".to_owned()),
            shadow: Some("500".to_owned()),
            ..row("POST /cart", "status", Kind::Status, 30, 0.01)
        },
        DifferenceRow {
            noise: Some(Noise {
                by: NoiseBy::Rule,
                why: "clocks differ".to_owned(),
                reference: None,
            }),
            ..row(
                "GET /items/{id}",
                "$.timestamp",
                Kind::Value,
                400,
                few_digits(400.0 / 6_900.0),
            )
        },
    ]
}

fn causes() -> Vec<Cause> {
    vec![
        Cause {
            what: "status 500 in place of 200 in 30 of 3,000 responses of POST /cart".to_owned(),
            severity: Severity::Status,
            count: 30,
            rows: vec![1],
            advice: None,
            rule: None,
        },
        Cause {
            what: "$.items[*].price is different in 70 of 6,900 responses of GET /items/{id}: 9.99 -> 10.99"
                .to_owned(),
            severity: Severity::Value,
            count: 70,
            rows: vec![0],
            advice: None,
            rule: Some(
                "[[ignore]]\npath = \"GET /items/{id} $.items[*].price\"\nreason = \"\"\ndate = \"\"\n"
                    .to_owned(),
            ),
        },
    ]
}

fn example() -> Example {
    let answer = |price: &str, took| ExampleAnswer {
        head: "HTTP/1.1 200 OK\ncontent-type: application/json\n".to_owned(),
        body: body(&format!(
            "{{\n  \"items\": [\n    {{\n      \"price\": {price}\n    }}\n  ]\n}}"
        )),
        took_us: Some(took),
    };
    Example {
        id: "65a5b7f0a1b2c3d4".to_owned(),
        endpoint: "GET /items/{id}".to_owned(),
        at_ms: FROM_MS + 1_000,
        request_head: "GET /items/7 HTTP/1.1\nhost: shop\nauthorization: [redacted]\n".to_owned(),
        request_body: Body::default(),
        production: answer("9.99", 2_100),
        shadow: answer("10.99", 2_600),
        control: None,
        differences: vec![Difference {
            path: "$.items[*].price".to_owned(),
            kind: Kind::Value,
            production: Some("9.99".to_owned()),
            shadow: Some("10.99".to_owned()),
        }],
    }
}

fn body(text: &str) -> Body {
    Body {
        text: Some(text.to_owned()),
        bytes: text.len() as u64,
        cut: false,
    }
}

fn endpoint(name: &str, compared: u64, different: u64) -> Endpoint {
    let equal = rate(compared - different, compared, 0.98, 1.0);
    Endpoint {
        name: name.to_owned(),
        compared,
        failed: BTreeMap::from([("timeout".to_owned(), 10)]),
        not_compared: 30,
        agreement_raw: equal,
        agreement: equal,
        not_learned: NotLearned::default(),
        new_5xx: rate(0, compared, 0.0, 0.001),
        production: quantiles(compared, 2_000, 4_000, 9_000),
        shadow: quantiles(compared, 2_500, 5_000, 12_000),
        p99_ratio: Some(interval(1.33, 1.2, 1.5)),
        slower: false,
        slow: Vec::new(),
        parts: Vec::new(),
    }
}

fn timeline() -> Timeline {
    let step = |production, different| Step {
        production,
        shadow: production - 1,
        failed: 1,
        different,
        production_5xx: 0,
        shadow_5xx: 3,
    };
    Timeline {
        from_ms: FROM_MS,
        step_ms: 10_000,
        steps: vec![step(1_500, 10), step(1_700, 20), step(1_650, 70)],
    }
}

fn latency(p50: u64, p95: u64, p99: u64) -> Latency {
    Latency {
        last: quantiles(9_900, p50, p95, p99),
        first: quantiles(9_900, p50 - 500, p95 - 500, p99 - 500),
        buckets: vec![(p50, 4_950), (p95, 4_455), (p99, 396), (2 * p99, 99)],
    }
}

fn quantiles(count: u64, p50: u64, p95: u64, p99: u64) -> Quantiles {
    // Whole numbers, and few digits below: JSON gives them back as they were.
    let near = |value: u64| interval(value as f64, (value * 9 / 10) as f64, (value * 11 / 10) as f64);
    Quantiles {
        count,
        p50: near(p50),
        p95: near(p95),
        p99: near(p99),
    }
}

fn rate(count: u64, total: u64, low: f64, high: f64) -> Rate {
    Rate {
        count,
        total,
        share: few_digits(count as f64 / total as f64),
        low,
        high,
    }
}

fn few_digits(share: f64) -> f64 {
    (share * 1e6).round() / 1e6
}

fn interval(value: f64, low: f64, high: f64) -> Interval {
    Interval { value, low, high }
}

/// One of each outcome.
fn rules() -> Vec<RuleResult> {
    let rule = |rule: &str, outcome, measured, text: &str| RuleResult {
        rule: rule.to_owned(),
        outcome,
        measured,
        text: text.to_owned(),
    };
    vec![
        rule(
            "new_5xx > 0.1%",
            RuleOutcome::Failed,
            interval(0.003, 0.0021, 0.0043),
            "0.30% (0.21% to 0.43%)",
        ),
        rule(
            "p99_ratio > 1.3",
            RuleOutcome::Undecided,
            interval(1.33, 1.2, 1.5),
            "1.33 (1.20 to 1.50)",
        ),
        rule(
            "compared < 5000",
            RuleOutcome::Passed,
            interval(9_920.0, 9_920.0, 9_920.0),
            "9,920",
        ),
    ]
}
