//! The planted faults, beside those that the comparison named.

use std::fmt::Write;

use super::faults::{Fault, Faults};
use crate::compare::Kind;
use crate::compare::document::{Comparison, DifferenceRow};
use crate::report::grouped;

/// Lines that say of each planted fault whether it was named, and what was named that nobody planted; and whether all is as it
/// was planted, but for what is slower: on a machine that is busy with other things 50 ms more are nothing.
pub fn planted(comparison: &Comparison, faults: &Faults) -> (String, bool) {
    let mut text = String::new();
    let mut all = true;
    for fault in Fault::ALL.into_iter().filter(|fault| faults.has(*fault)) {
        let found = found(comparison, fault);
        all &= found.is_some() || matches!(fault, Fault::Slow | Fault::Method);
        let found = found.unwrap_or_else(|| "NOT NAMED".to_owned());
        let _ = writeln!(text, "  planted {:<10}{:<48}{found}", fault.name(), what(fault));
    }
    let is_planted = |row: &DifferenceRow| {
        let mut planted = Fault::ALL.into_iter().filter(|fault| faults.has(*fault));
        planted.any(|fault| is_of(row, fault))
    };
    let mut others = 0;
    for row in counting(comparison).filter(|row| !is_planted(row)) {
        others += 1;
        let _ = writeln!(
            text,
            "  NOT PLANTED: {} {} {}, in {}",
            row.endpoint,
            row.path,
            row.kind.name(),
            grouped(row.count)
        );
    }
    if others == 0 {
        text.push_str("  nothing else was reported\n");
    }
    (text, all && others == 0)
}

/// A fault in a few words.
fn what(fault: Fault) -> &'static str {
    match fault {
        Fault::Field => "another price of one product in a hundred",
        Fault::Status => "500 to large orders",
        Fault::Header => "no Cache-Control on reports",
        Fault::Slow => "a search that takes 50 ms longer",
        Fault::Order => "a profile's addresses in reverse",
        Fault::Truncated => "one report in eight cut short",
        Fault::Closed => "a close inside one picture's answer in ten",
        Fault::Message => "another stock of one product in a hundred",
        Fault::Code => "INTERNAL to large reservations",
        Fault::Method => "a method that takes 50 ms longer",
        Fault::Trailer => "no checksum behind one stream in eight",
    }
}

/// Finding of the comparison for a fault.
fn found(comparison: &Comparison, fault: Fault) -> Option<String> {
    match fault {
        Fault::Slow | Fault::Method => {
            let name = if fault == Fault::Slow {
                "GET /search"
            } else {
                "shop.Stock/Find"
            };
            let mut slower = comparison.endpoints.iter().filter(|endpoint| endpoint.slower);
            let named = slower.find(|endpoint| endpoint.name == name)?;
            Some(format!("{} is slower", named.name))
        }
        Fault::Closed => {
            let broken = comparison.coverage.failed.get("upstream_closed")?;
            Some(format!("upstream_closed, in {}", grouped(*broken)))
        }
        _ => {
            let row = counting(comparison).find(|row| is_of(row, fault))?;
            Some(format!(
                "{} {}, in {}",
                row.path,
                row.kind.name(),
                grouped(row.count)
            ))
        }
    }
}

/// Whether a row is what a fault makes.
fn is_of(row: &DifferenceRow, fault: Fault) -> bool {
    let (endpoint, path, kind) = match fault {
        Fault::Field => ("GET /products/", Some("$.price.amount"), Kind::Value),
        Fault::Status => ("POST /orders", Some("status"), Kind::Status),
        Fault::Header => ("GET /reports/", Some("header.cache-control"), Kind::Missing),
        Fault::Order => ("GET /users/", Some("$.addresses"), Kind::Order),
        Fault::Truncated => ("GET /reports/", None, Kind::Unreadable),
        Fault::Message => ("shop.Stock/Level", Some("$.2.1"), Kind::Value),
        Fault::Code => ("shop.Stock/Reserve", Some("grpc-status"), Kind::Status),
        Fault::Trailer => ("shop.Stock/Watch", Some("trailer.checksum"), Kind::Missing),
        Fault::Slow | Fault::Method | Fault::Closed => return false,
    };
    row.endpoint.starts_with(endpoint) && row.kind == kind && path.is_none_or(|path| row.path == path)
}

/// Differences that are no noise.
fn counting(comparison: &Comparison) -> impl Iterator<Item = &DifferenceRow> {
    comparison.differences.iter().filter(|row| row.noise.is_none())
}

#[cfg(test)]
pub mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::compare::document::{Noise, NoiseBy};

    fn row(endpoint: &str, path: &str, kind: Kind, count: u64) -> DifferenceRow {
        DifferenceRow {
            endpoint: endpoint.to_owned(),
            path: path.to_owned(),
            kind,
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

    /// A comparison with these differences, a slower search and 56 answers that broke off.
    pub fn comparison(differences: Vec<DifferenceRow>) -> Comparison {
        let rate = json!({"count": 0, "total": 0, "share": 0.0, "low": 0.0, "high": 0.0});
        let interval = json!({"value": 0.0, "low": 0.0, "high": 0.0});
        let quantiles = json!({"count": 0, "p50": interval, "p95": interval, "p99": interval});
        let latency = json!({"last": quantiles, "first": quantiles, "buckets": []});
        let none: [Value; 0] = [];
        let mut comparison: Comparison = serde_json::from_value(json!({
            "shadow": "", "production": none, "control": null, "from_ms": 0, "to_ms": 0,
            "verdict": {"word": "NO-GO", "why": none, "rules": none},
            "coverage": {"seen": 0, "filtered": 0, "sampled_out": 0, "limited": 0, "eligible": 0, "compared": 0,
                "failed": {"upstream_closed": 56}, "not_compared": {}, "waiting": 0, "share": 0.0,
                "capture_lost_packets": 0, "capture_loss": 0.0, "endpoints_not_compared": none},
            "agreement_raw": rate, "agreement": rate, "new_5xx": rate, "other_status": rate, "statuses": none,
            "endpoints": [{"name": "GET /search", "compared": 0, "failed": {}, "not_compared": 0, "agreement_raw": rate,
                "agreement": rate, "new_5xx": rate, "production": quantiles, "shadow": quantiles, "p99_ratio": null,
                "slower": true}],
            "differences": none, "differences_beyond": 0, "production_latency": latency, "shadow_latency": latency,
            "p99_ratio": interval, "timeline": {"from_ms": 0, "step_ms": 0, "steps": none}, "examples": none,
            "extra": none,
            "in_force": {"fail_on": none, "ignored": none, "protected": none, "routes": none, "noise": none,
                "selection": none, "notes": none},
        }))
        .unwrap();
        comparison.differences = differences;
        comparison
    }

    #[test]
    fn faults_that_were_named_are_shown_beside_what_named_them() {
        let comparison = comparison(vec![row("GET /products/{id}", "$.price.amount", Kind::Value, 34)]);
        let faults = "field,slow,closed".parse().unwrap();
        let expected =
            "  planted field     another price of one product in a hundred       $.price.amount value, in 34
  planted slow      a search that takes 50 ms longer                GET /search is slower
  planted closed    a close inside one picture's answer in ten      upstream_closed, in 56
  nothing else was reported
";
        assert_eq!(planted(&comparison, &faults), (expected.to_owned(), true));
    }

    #[test]
    fn what_was_not_named_and_what_was_not_planted_stand_out() {
        let mut noise = row("GET /search", "$.meta.nonce", Kind::Value, 2000);
        noise.noise = Some(Noise {
            by: NoiseBy::Control,
            why: String::new(),
            reference: None,
        });
        let comparison = comparison(vec![row("GET /search", "$.hits", Kind::Order, 7), noise]);
        let (text, as_planted) = planted(&comparison, &"header".parse().unwrap());
        let expected = "  planted header    no Cache-Control on reports                     NOT NAMED
  NOT PLANTED: GET /search $.hits order, in 7
";
        assert_eq!((text.as_str(), as_planted), (expected, false));
    }
}
