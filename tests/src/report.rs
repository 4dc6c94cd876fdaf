//! The report of a comparison, as the agent wrote it (`--report FILE.json`), and the equations that every test checks.

use std::path::Path;

use serde_json::Value;

use crate::Ledger;

/// A report as read from its JSON.
#[derive(Clone, Debug)]
pub struct Report(pub Value);

/// A difference: endpoint, path, kind.
pub type Difference = (String, String, String);

impl Report {
    /// Reads a report's file.
    pub fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self(serde_json::from_slice(&bytes).expect("a report in JSON"))
    }

    /// The word on all comparisons.
    pub fn verdict(&self) -> &str {
        self.0["verdict"].as_str().expect("a word")
    }

    /// How many outputs were compared.
    pub fn comparisons(&self) -> usize {
        self.0["comparisons"].as_array().map_or(0, Vec::len)
    }

    /// Pairs compared.
    pub fn compared(&self, comparison: usize) -> u64 {
        self.coverage(comparison, "compared")
    }

    /// Requests that the shadow gave no whole answer to, for a reason.
    pub fn failed(&self, comparison: usize, reason: &str) -> u64 {
        self.0["comparisons"][comparison]["coverage"]["failed"][reason]
            .as_u64()
            .unwrap_or(0)
    }

    /// Requests not compared for a reason that speaks against nobody.
    pub fn not_compared(&self, comparison: usize, reason: &str) -> u64 {
        self.0["comparisons"][comparison]["coverage"]["not_compared"][reason]
            .as_u64()
            .unwrap_or(0)
    }

    /// Pairs that were equal but for noise.
    pub fn agreeing(&self, comparison: usize) -> u64 {
        let count = &self.0["comparisons"][comparison]["agreement"]["count"];
        count.as_u64().expect("a count")
    }

    /// Differences that count, in order.
    pub fn differences(&self, comparison: usize) -> Vec<Difference> {
        self.rows(comparison, Value::is_null)
    }

    /// Differences that were taken for noise, in order.
    pub fn noise(&self, comparison: usize) -> Vec<Difference> {
        self.rows(comparison, |noise| !noise.is_null())
    }

    /// Names of the endpoints that are slower than allowed, for sure.
    pub fn slower(&self, comparison: usize) -> Vec<String> {
        let endpoints = self.0["comparisons"][comparison]["endpoints"].as_array();
        let slower = endpoints.into_iter().flatten();
        slower
            .filter(|endpoint| endpoint["slower"] == Value::Bool(true))
            .filter_map(|endpoint| endpoint["name"].as_str().map(str::to_owned))
            .collect()
    }

    /// Checks that this comparison accounts for each request that the ledger has for its shadow:
    /// `seen = filtered + sampled_out + limited + eligible`, and `eligible = compared + failed + not_compared` with nothing
    /// that waits; and that the comparison's own requests have an end, too.
    pub fn assert_accounts_for(&self, comparison: usize, ledger: &Ledger) -> &Self {
        let coverage = &self.0["comparisons"][comparison]["coverage"];
        let shadow = self.0["comparisons"][comparison]["shadow"].as_str();
        let output = ledger.output(shadow.expect("a shadow"));
        let count = |name| self.coverage(comparison, name);
        let sum = |reasons: &Value| -> u64 {
            let reasons = reasons.as_object().expect("counts by reason");
            reasons
                .values()
                .map(|count| count.as_u64().expect("a count"))
                .sum()
        };
        for name in ["seen", "filtered", "sampled_out", "limited"] {
            assert_eq!(
                count(name),
                ledger.of(output, name),
                "{name}: {coverage:#}\n{ledger}"
            );
        }
        assert_eq!(
            count("seen"),
            count("filtered") + count("sampled_out") + count("limited") + count("eligible"),
            "{coverage:#}"
        );
        assert_eq!(count("waiting"), 0, "{coverage:#}");
        assert_eq!(
            count("eligible"),
            count("compared") + sum(&coverage["failed"]) + sum(&coverage["not_compared"]),
            "{coverage:#}"
        );
        let extra = self.0["comparisons"][comparison]["extra"].as_array();
        for requests in extra.into_iter().flatten() {
            let count = |name: &str| requests[name].as_u64().expect("a count");
            assert_eq!(
                count("sent"),
                count("answered") + sum(&requests["lost"]) + count("waiting"),
                "{requests:#}"
            );
            assert_eq!(count("waiting"), 0, "{requests:#}");
        }
        self
    }

    fn coverage(&self, comparison: usize, name: &str) -> u64 {
        self.0["comparisons"][comparison]["coverage"][name]
            .as_u64()
            .unwrap_or_else(|| panic!("no number {name} in {self}"))
    }

    fn rows(&self, comparison: usize, wanted: impl Fn(&Value) -> bool) -> Vec<Difference> {
        let rows = self.0["comparisons"][comparison]["differences"].as_array();
        let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let mut rows: Vec<_> = rows
            .into_iter()
            .flatten()
            .filter(|row| wanted(&row["noise"]))
            .map(|row| (text(row, "endpoint"), text(row, "path"), text(row, "kind")))
            .collect();
        rows.sort();
        rows
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut short = self.0.clone();
        for comparison in short["comparisons"].as_array_mut().into_iter().flatten() {
            for long in ["examples", "timeline", "production_latency", "shadow_latency"] {
                comparison[long] = Value::Null;
            }
        }
        write!(f, "{short:#}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ledger() -> Ledger {
        Ledger(
            json!({"outputs": [{"output": "http://x", "seen": 9, "filtered": 1, "sampled_out": 1, "limited": 0}]}),
        )
    }

    fn report(compared: u64) -> Report {
        Report(json!({"verdict": "GO", "comparisons": [{
            "shadow": "http://x", "coverage": {"seen": 9, "filtered": 1, "sampled_out": 1, "limited": 0, "eligible": 7, "compared": compared,
                "failed": {"timeout": 1}, "not_compared": {"production_gap": 2}, "waiting": 0},
            "differences": [
                {"endpoint": "GET /", "path": "$.a", "kind": "value", "noise": null},
                {"endpoint": "GET /", "path": "$.id", "kind": "value", "noise": {"by": "control"}}
            ],
            "extra": [{"what": "control", "sent": 3, "answered": 2, "lost": {"timeout": 1}, "waiting": 0}],
        }]}))
    }

    #[test]
    fn what_adds_up_is_accounted_for() {
        let report = report(4);
        report.assert_accounts_for(0, &ledger());
        assert_eq!(
            report.differences(0),
            [("GET /".to_owned(), "$.a".to_owned(), "value".to_owned())]
        );
        assert_eq!(
            report.noise(0),
            [("GET /".to_owned(), "$.id".to_owned(), "value".to_owned())]
        );
        assert_eq!(
            (
                report.failed(0, "timeout"),
                report.not_compared(0, "production_gap")
            ),
            (1, 2)
        );
    }

    #[test]
    #[should_panic(expected = "\"eligible\": 7")]
    fn a_pair_that_was_lost_is_noticed() {
        report(3).assert_accounts_for(0, &ledger());
    }
}
