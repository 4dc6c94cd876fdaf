//! The word on a release, and the rules that it follows from.

use serde::{Deserialize, Serialize};

use super::Interval;

/// One word on a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Verdict {
    /// It would have survived, as far as this can tell.
    #[serde(rename = "GO")]
    Go,
    /// Nobody can say yet.
    #[serde(rename = "NOT ENOUGH DATA")]
    NotEnoughData,
    /// It would not have.
    #[serde(rename = "NO-GO")]
    NoGo,
}

impl Verdict {
    /// As it is written everywhere.
    pub fn text(self) -> &'static str {
        match self {
            Self::Go => "GO",
            Self::NotEnoughData => "NOT ENOUGH DATA",
            Self::NoGo => "NO-GO",
        }
    }
}

/// The word on one comparison, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The word.
    pub word: Verdict,
    /// Sentences, the weightiest first.
    pub why: Vec<String>,
    /// Each rule, and what it came to.
    pub rules: Vec<RuleResult>,
}

/// The result of a rule of `--fail-on`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleResult {
    /// The rule as it is written: `new_5xx > 0.1%`.
    pub rule: String,
    /// Whether it holds for the release.
    pub outcome: RuleOutcome,
    /// The measured value.
    pub measured: Interval,
    /// In words: `0.30% (0.21% to 0.43%)`.
    pub text: String,
}

/// Whether a rule is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleOutcome {
    /// The whole interval is on the good side.
    Passed,
    /// The whole interval is on the bad side.
    Failed,
    /// The interval has the threshold in it: nobody can say yet.
    Undecided,
}
