//! The differences of a comparison: one row a place, why a row is noise, and which rows have one cause.

use serde::{Deserialize, Serialize};

use super::Rate;
use crate::Kind;

/// Pairs that differ in the same way at the same place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DifferenceRow {
    /// The endpoint's name.
    pub endpoint: String,
    /// See [`Difference::path`].
    pub path: String,
    /// The kind of the difference.
    pub kind: Kind,
    /// How many pairs: of a row that counts, those that do.
    pub count: u64,
    /// Of the endpoint's compared pairs.
    pub share: f64,
    /// Why it is taken for noise; `None` for what counts.
    pub noise: Option<Noise>,
    /// More pairs that differ at this place, which do not count for a reason of their own: a place has one row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aside: Vec<Aside>,
    /// Pairs where the shadow's value is none of the few that production and the control have there: they count, although
    /// the place differs between these too.
    pub suspicious: u64,
    /// When it was seen first.
    pub first_ms: u64,
    /// When it was seen last.
    pub last_ms: u64,
    /// Production's value in the first pair, cut short.
    pub production: Option<String>,
    /// The shadow's value there.
    pub shadow: Option<String>,
    /// Ids of [`super::Example`]s that show it.
    pub examples: Vec<String>,
}

/// A difference that a release intends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownCount {
    /// In words: the place, the values, and why.
    pub what: String,
    /// Pairs that have it, by place: of several places below it the sum.
    pub count: u64,
}

/// Rows that have one cause: one change at many places or endpoints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// In words, with where and how often.
    pub what: String,
    /// How grave it is.
    pub severity: Severity,
    /// Pairs that show it, as far as that is known: of the rows of one endpoint those of the largest.
    pub count: u64,
    /// The rows, as indices of [`super::Comparison::differences`].
    pub rows: Vec<usize>,
    /// A pattern that it fits, and the way out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    /// Lines for the file of `--compare-rules` that take it away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// How grave a difference is, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Another status code.
    Status,
    /// The composition of a body: parts that are missing, new, of another type or not readable.
    Shape,
    /// Values of a body.
    Value,
    /// Header fields.
    Header,
}

impl DifferenceRow {
    /// Whether nothing counts here because the control has there what the shadow has.
    pub fn is_excused(&self) -> bool {
        let noise = self.noise.as_ref();
        noise.is_some_and(|noise| noise.by == NoiseBy::LikeControl)
    }

    /// Pairs in which this place is excused: the control has there what the shadow has.
    pub fn excused(&self) -> u64 {
        self.pairs_by(NoiseBy::LikeControl)
    }

    /// Pairs in which this place does not count because of what `by` stands for.
    pub fn pairs_by(&self, by: NoiseBy) -> u64 {
        let own = self.noise.as_ref().map(|noise| (self.count, noise));
        let all = own
            .into_iter()
            .chain(self.aside.iter().map(|aside| (aside.count, &aside.noise)));
        all.filter(|(_, noise)| noise.by == by)
            .fold(0, |sum, (count, _)| sum.saturating_add(count))
    }
}

/// Pairs that differ at a place and do not count, beside those of its row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Aside {
    /// How many pairs.
    pub count: u64,
    /// Why they do not count.
    pub noise: Noise,
}

/// Why a difference is taken for noise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Noise {
    /// Who says so.
    pub by: NoiseBy,
    /// In words: the rule with its reason, or what was measured.
    pub why: String,
    /// How often it was seen among the references, where that was measured.
    pub reference: Option<Rate>,
}

/// Who says that a difference is noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoiseBy {
    /// A rule of the user, or a tolerance.
    Rule,
    /// The user, of a difference that the release intends.
    Known,
    /// The control differs there as often.
    Control,
    /// The shadow differs from itself there as often.
    Repeat,
    /// Nobody yet: there are too few second answers to say whether it is noise.
    NotLearned,
    /// Nobody by rates: in each of these pairs the control has there what the shadow has, so the shadow is excused.
    LikeControl,
    /// Nobody by rates: it is seen where other clients were changing something at that moment, and surely less elsewhere.
    Raced,
}

impl NoiseBy {
    /// A word or two for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Control => "control",
            Self::Repeat => "repeat",
            Self::Known => "known",
            Self::NotLearned => "not known yet",
            Self::LikeControl => "like control",
            Self::Raced => "raced",
        }
    }
}
