//! The difference between the answer to a request that was sent again and production's.

use crate::compare::{Answer, CompareContext, Compared, Difference, Rules, compare};
use crate::mirror::rules::has_hash;

/// How an answer differs from production's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayDifference {
    /// Differences that count.
    pub differences: Vec<Difference>,
    /// Differences where production's value was replaced by a hash: whether it is the same cannot be told.
    pub redacted: Vec<Difference>,
    /// Differences that a rule ignores, with the rule in words.
    pub by_rule: Vec<(Difference, String)>,
}

impl ReplayDifference {
    /// Compares `now` with what production answered to `question`.
    pub fn new(question: &CompareContext<'_>, production: &Answer, now: &Answer, rules: &Rules) -> Self {
        let Compared { differences, by_rule } = compare(question, production, now, rules);
        let is_hash = |difference: &Difference| {
            let value = difference.production.as_deref().unwrap_or_default();
            has_hash(value.as_bytes())
        };
        let (redacted, differences) = differences.into_iter().partition(is_hash);
        Self {
            differences,
            redacted,
            by_rule: by_rule
                .into_iter()
                .map(|(difference, rule)| (difference, rules.words(rule)))
                .collect(),
        }
    }
}
