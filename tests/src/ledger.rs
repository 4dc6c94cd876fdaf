//! The agent's ledger as it wrote it (`--ledger FILE`), and the equation that every test checks.

use std::path::Path;

use serde_json::Value;

/// A ledger as read from its JSON.
#[derive(Clone, Debug)]
pub struct Ledger(pub Value);

impl Ledger {
    /// Reads a ledger file; `None` when it is not there or not whole yet.
    pub fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok().map(Self)
    }

    /// Requests whose start was seen.
    pub fn seen(&self) -> u64 {
        self.number(&self.0["seen"], "seen")
    }

    /// The place of the output with this name.
    pub fn output(&self, name: &str) -> usize {
        let outputs = self.0["outputs"].as_array();
        let mut outputs = outputs.into_iter().flatten();
        outputs
            .position(|output| output["output"] == name)
            .unwrap_or_else(|| panic!("no output {name} in {self}"))
    }

    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.0["outputs"].as_array().map_or(0, Vec::len)
    }

    /// Requests delivered to an output.
    pub fn delivered(&self, output: usize) -> u64 {
        self.of(output, "delivered")
    }

    /// A count of an output: `seen` (what was its business), `delivered`, `filtered`, `sampled_out`, `limited` or `in_flight`.
    pub fn of(&self, output: usize, count: &str) -> u64 {
        self.number(&self.0["outputs"][output][count], count)
    }

    /// Requests an output dropped for a reason.
    pub fn dropped(&self, output: usize, reason: &str) -> u64 {
        self.0["outputs"][output]["dropped"][reason].as_u64().unwrap_or(0)
    }

    /// Requests an output dropped, all reasons together.
    pub fn all_dropped(&self, output: usize) -> u64 {
        self.0["outputs"][output]["dropped"]
            .as_object()
            .map_or(0, |reasons| reasons.values().filter_map(Value::as_u64).sum())
    }

    /// A counter of the kernel programs.
    pub fn capture(&self, counter: &str) -> u64 {
        self.number(&self.0["capture"][counter], counter)
    }

    /// A counter of the connection table.
    pub fn connections(&self, counter: &str) -> u64 {
        self.number(&self.0["connections"][counter], counter)
    }

    /// Checks `seen = delivered + filtered + sampled_out + limited + dropped{reason} + in_flight` for every
    /// output, and that the agent says so too.
    pub fn assert_balanced(&self) -> &Self {
        assert!(self.outputs() > 0, "a ledger without outputs: {self}");
        for output in 0..self.outputs() {
            let counted: u64 = ["delivered", "filtered", "sampled_out", "limited", "in_flight"]
                .iter()
                .map(|count| self.of(output, count))
                .sum::<u64>()
                + self.all_dropped(output);
            assert_eq!(
                counted,
                self.of(output, "seen"),
                "output {output} does not balance: {self}"
            );
        }
        assert_eq!(self.0["balanced"], Value::Bool(true), "{self}");
        self
    }

    /// Checks that it is balanced and that nothing is left in flight: what holds after every run.
    pub fn assert_closed(&self) -> &Self {
        self.assert_balanced();
        for output in 0..self.outputs() {
            assert_eq!(self.of(output, "in_flight"), 0, "output {output}: {self}");
            assert_eq!(self.dropped(output, "internal"), 0, "output {output}: {self}");
        }
        self
    }

    /// Checks that every output got each of `requests` and nothing else was seen.
    pub fn assert_all_delivered(&self, requests: u64) -> &Self {
        self.assert_closed();
        assert_eq!(self.seen(), requests, "{self}");
        for output in 0..self.outputs() {
            assert_eq!(self.delivered(output), requests, "output {output}: {self}");
        }
        self
    }

    fn number(&self, value: &Value, name: &str) -> u64 {
        value
            .as_u64()
            .unwrap_or_else(|| panic!("no number {name} in {self}"))
    }
}

impl std::fmt::Display for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(text: &str) -> Ledger {
        Ledger(serde_json::from_str(text).expect("JSON"))
    }

    #[test]
    fn a_ledger_whose_sum_holds_is_balanced() {
        ledger(
            r#"{"seen":5,"outputs":[{"seen":5,"delivered":2,"filtered":0,"sampled_out":0,"limited":0,
            "dropped":{"gap":1,"timeout":1},"in_flight":1}],"balanced":true}"#,
        )
        .assert_balanced();
    }

    #[test]
    #[should_panic(expected = "does not balance")]
    fn a_lost_request_is_noticed_whatever_the_agent_says() {
        ledger(
            r#"{"seen":5,"outputs":[{"seen":5,"delivered":4,"filtered":0,"sampled_out":0,"limited":0,
            "dropped":{},"in_flight":0}],"balanced":true}"#,
        )
        .assert_balanced();
    }
}
