//! The ledger as a JSON document: the shape is a promise to whoever reads it.

use serde::Serialize;
use serde_json::Value;

use crate::mirror::ledger::{OutputCounts, RequestCounts};

/// Everything a run can account for, at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LedgerDocument {
    /// Requests whose start was seen, complete or not.
    pub seen: u64,
    /// Counts of production's connections: an object.
    pub connections: Value,
    /// Counts of the capture, the kernel's among them: an object.
    pub capture: Value,
    /// One for each output: those in force in the order of the settings, then those that have ended.
    pub outputs: Vec<OutputDocument>,
    /// Whether the equation holds for every output.
    pub balanced: bool,
}

/// One output's share of the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OutputDocument {
    /// The output's name, without secrets.
    pub output: String,
    /// Counts of all requests seen, by outcome.
    #[serde(flatten)]
    pub counts: OutputCounts,
}

impl LedgerDocument {
    /// Puts the counts of a moment together; `names` are the outputs', in the order of the counts.
    pub fn new(names: &[String], requests: RequestCounts, connections: Value, capture: Value) -> Self {
        let balanced = requests.balanced() && names.len() >= requests.outputs.len();
        Self {
            seen: requests.seen,
            connections,
            capture,
            outputs: names
                .iter()
                .zip(requests.outputs)
                .map(|(name, counts)| OutputDocument {
                    output: name.clone(),
                    counts,
                })
                .collect(),
            balanced,
        }
    }

    /// The document as a line of JSON.
    pub fn to_json(&self) -> String {
        // Maps have string keys and numbers are finite: there is nothing that could fail.
        let mut text = serde_json::to_string(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

/// A document for tests: one HTTP output, three kinds of loss.
#[cfg(test)]
pub fn example() -> LedgerDocument {
    use crate::mirror::ledger::DropReason;

    let counts = OutputCounts {
        seen: 12_345,
        delivered: 12_300,
        dropped: [(DropReason::Gap, 2), (DropReason::Timeout, 43)].into(),
        ..OutputCounts::default()
    };
    let requests = RequestCounts {
        seen: 12_345,
        outputs: vec![counts],
    };
    LedgerDocument::new(
        &["http://staging:8080".to_owned()],
        requests,
        serde_json::json!({"opened": 342, "evicted": 0}),
        serde_json::json!({"segments": 25_000, "lost": {"ring_full": 3}}),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_is_that_of_the_documentation() {
        let expected = concat!(
            r#"{"seen":12345,"connections":{"evicted":0,"opened":342},"#,
            r#""capture":{"lost":{"ring_full":3},"segments":25000},"#,
            r#""outputs":[{"output":"http://staging:8080","seen":12345,"delivered":12300,"filtered":0,"sampled_out":0,"#,
            r#""limited":0,"dropped":{"gap":2,"timeout":43},"in_flight":0,"incomplete":0}],"balanced":true}"#,
            "\n"
        );
        assert_eq!(example().to_json(), expected);
    }

    #[test]
    fn an_account_with_a_difference_is_not_balanced() {
        let requests = RequestCounts {
            seen: 1,
            outputs: vec![OutputCounts {
                seen: 1,
                ..OutputCounts::default()
            }],
        };
        let document = LedgerDocument::new(&["null".to_owned()], requests, Value::Null, Value::Null);
        assert!(!document.balanced);
    }
}
