//! What came of a comparison, as data: the JSON of `--report FILE.json` and of `GET /report.json`, and all that the page, the
//! terminal, Markdown and `JUnit` show. Its shape is a promise to whoever reads it.
//!
//! Times of the clock are Unix time in milliseconds, lengths of time microseconds, shares fractions of 1. Everything that came
//! from traffic is hostile text: whoever shows it escapes it.

mod latency;
mod outcomes;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::latency::{CopyDelay, Latency, Quantiles, Slow, SlowAt, Throughput};
pub use self::outcomes::Outcomes;
use super::{Correlated, Kind};

/// The version of this shape.
pub const SCHEMA: u32 = 1;

/// Everything: one comparison for each output with `--compare`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The version of this program.
    pub version: String,
    /// When it was made.
    pub made_at_ms: u64,
    /// The worst word of all comparisons.
    pub verdict: Verdict,
    /// The comparisons, in the order of the outputs.
    pub comparisons: Vec<Comparison>,
    /// Remarks about all of it, in sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

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

/// A count of a total, and the 95% interval of its share (Wilson).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// How many.
    pub count: u64,
    /// Of how many.
    pub total: u64,
    /// `count / total`; 0 of nothing.
    pub share: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// A value with its 95% interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The value.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// One output's comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The shadow, as the ledger names it.
    pub shadow: String,
    /// The names of both releases, where somebody gave them.
    #[serde(default, skip_serializing_if = "ReleaseNames::is_empty")]
    pub names: ReleaseNames,
    /// Where production is captured.
    pub production: Vec<String>,
    /// The control, if there is one.
    pub control: Option<String>,
    /// When the first of its requests was seen; 0 before there is one.
    pub from_ms: u64,
    /// When the last was.
    pub to_ms: u64,
    /// When its output ended, where it did before the run: another configuration wants it no more, or a route has gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<u64>,
    /// The word, and why.
    pub verdict: Judgement,
    /// Counts of the requests, by what became of them.
    pub coverage: Coverage,
    /// The answers of both sides.
    #[serde(default)]
    pub throughput: Throughput,
    /// Compared pairs whose answers were equal, before anything was taken for noise, by rules or by what was learned. Headers
    /// that vary by nature are never compared.
    pub agreement_raw: Rate,
    /// Compared pairs whose answers were equal but for noise, of those of which that is known.
    pub agreement: Rate,
    /// The other compared pairs.
    #[serde(default)]
    pub not_learned: u64,
    /// Pairs of those that agree in which something is excused: the shadow differs from production there, and the control answered as the
    /// shadow did.
    #[serde(default)]
    pub excused: u64,
    /// Compared pairs where the shadow answered 5xx, and neither production nor the control did.
    pub new_5xx: Rate,
    /// Compared pairs with another status code, but those that are excused.
    pub other_status: Rate,
    /// How many pairs had which status codes, production's first.
    pub statuses: Vec<StatusPair>,
    /// Endpoints, those with most requests first.
    pub endpoints: Vec<Endpoint>,
    /// Differences, those with the most pairs first; noise behind the others.
    pub differences: Vec<DifferenceRow>,
    /// The differences that count by their cause, the gravest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// Differences that this release intends, each with how many pairs have it; with none it no longer occurs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<KnownCount>,
    /// Differences that are not in the list because there were more kinds of them than `--compare-max-differences`.
    pub differences_beyond: u64,
    /// Latency of production, of all pairs.
    pub production_latency: Latency,
    /// Latency of the shadow.
    pub shadow_latency: Latency,
    /// The shadow's 99th percentile to production's.
    pub p99_ratio: Interval,
    /// Both sides over time.
    pub timeline: Timeline,
    /// Pairs that show the differences, redacted.
    pub examples: Vec<Example>,
    /// Requests to the control, and the shadow's second answers: what became of them.
    pub extra: Vec<ExtraRequests>,
    /// Everything that was mapped between production's identifiers and the shadow's; `None` where nothing is, and of
    /// pairs that were kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlated: Option<Correlated>,
    /// How late copies were sent; `None` where requests were not captured live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_delay: Option<CopyDelay>,
    /// The settings that were in force.
    pub in_force: InForce,
}

/// The names of the two releases.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseNames {
    /// Production's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub production: Option<String>,
    /// The shadow's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<String>,
}

impl ReleaseNames {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.production.is_none() && self.shadow.is_none()
    }
}

impl Comparison {
    /// The comparison's title: the shadow, and the names of the releases where they are known.
    pub fn title(&self) -> String {
        let shadow = &self.shadow;
        match (&self.names.production, &self.names.shadow) {
            (None, None) => shadow.clone(),
            (None, Some(name)) => format!("{name} ({shadow})"),
            (Some(production), None) => format!("{shadow} after {production}"),
            (Some(production), Some(name)) => format!("{name} after {production} ({shadow})"),
        }
    }

    /// Compared pairs by outcome.
    pub fn outcomes(&self) -> Outcomes {
        let (equal, agree) = (self.agreement_raw.count, self.agreement.count);
        Outcomes {
            equal,
            excused: self.excused,
            noise: agree.saturating_sub(equal).saturating_sub(self.excused),
            not_learned: self.not_learned,
            different: self.agreement.total.saturating_sub(agree),
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

/// Counts of production's requests, by what became of them, on their way to being compared:
/// `eligible = compared + failed + not_compared + waiting`, and `seen = filtered + sampled_out + limited + eligible`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// Requests of production that were this output's business.
    pub seen: u64,
    /// Kept back by a filter, as somebody wants.
    pub filtered: u64,
    /// Left out by sampling, as somebody wants.
    pub sampled_out: u64,
    /// Left out by a rate limit, as somebody wants.
    pub limited: u64,
    /// All others.
    pub eligible: u64,
    /// Compared.
    pub compared: u64,
    /// The shadow gave no whole answer, by reason of the ledger: it speaks against the release.
    pub failed: BTreeMap<String, u64>,
    /// Not compared for another reason, by reason: it speaks against nobody, and makes the answer less sure.
    pub not_compared: BTreeMap<String, u64>,
    /// Neither yet.
    pub waiting: u64,
    /// `(compared + failed) / eligible`.
    pub share: f64,
    /// Packets of production that capture lost.
    pub capture_lost_packets: u64,
    /// The share of requests lost to capture: holes in requests and in answers, of all seen.
    pub capture_loss: f64,
    /// Endpoints of production (`METHOD /route`) of which nothing was compared.
    pub endpoints_not_compared: Vec<String>,
}

/// Pairs with these status codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusPair {
    /// Production's.
    pub production: u16,
    /// The shadow's.
    pub shadow: u16,
    /// How many pairs.
    pub count: u64,
    /// Those of them that are excused: the control answered with the shadow's status code.
    #[serde(default)]
    pub excused: u64,
}

/// One endpoint: a method and a route template.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    /// `GET /users/{id}`.
    pub name: String,
    /// Pairs compared.
    pub compared: u64,
    /// Requests that the shadow gave no whole answer to, by reason.
    pub failed: BTreeMap<String, u64>,
    /// Not compared for another reason.
    pub not_compared: u64,
    /// See [`Comparison::agreement_raw`].
    pub agreement_raw: Rate,
    /// See [`Comparison::agreement`].
    pub agreement: Rate,
    /// The rest, which is no part of that.
    #[serde(default, skip_serializing_if = "NotLearned::is_none")]
    pub not_learned: NotLearned,
    /// See [`Comparison::new_5xx`].
    pub new_5xx: Rate,
    /// Latency of production, without its distribution.
    pub production: Quantiles,
    /// Latency of the shadow.
    pub shadow: Quantiles,
    /// The shadow's 99th percentile to production's; `None` of too few.
    pub p99_ratio: Option<Interval>,
    /// Whether it is slower than the rules allow, for sure.
    pub slower: bool,
    /// Where it is, lower quantiles first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slow: Vec<Slow>,
    /// Parts of it that are judged as endpoints of their own, where something speaks against them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
}

/// A part of an endpoint that stands for many: a path that would be an endpoint by itself if there were not so many names at its
/// place, or those requests that production served of an endpoint that it refused others of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// `GET /checkout`; the endpoint's name where it is about what production served.
    pub name: String,
    /// Pairs compared, or those since it was first seen to differ.
    pub compared: u64,
    /// See [`Comparison::agreement`].
    pub agreement: Rate,
    /// See [`Comparison::new_5xx`].
    pub new_5xx: Rate,
    /// The shadow's 99th percentile to production's; `None` of too few.
    pub p99_ratio: Option<Interval>,
    /// Whether it is slower than the rules allow, for sure.
    pub slower: bool,
    /// Where it is, lower quantiles first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slow: Vec<Slow>,
}

/// Pairs that differ in the same way at the same place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DifferenceRow {
    /// The endpoint's name.
    pub endpoint: String,
    /// See [`super::Difference::path`].
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
    /// Ids of [`Example`]s that show it.
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
    /// The rows, as indices of [`Comparison::differences`].
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
        let own = self.noise.as_ref().map(|noise| (self.count, noise));
        let all = own
            .into_iter()
            .chain(self.aside.iter().map(|aside| (aside.count, &aside.noise)));
        all.filter(|(_, noise)| noise.by == NoiseBy::LikeControl)
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
        }
    }
}

/// Pairs that differ in nothing but what may be noise, at an endpoint that is not learned from yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotLearned {
    /// How many: no part of agreement.
    pub pairs: u64,
    /// How many more second answers of the shadow it takes.
    pub more: u64,
}

impl NotLearned {
    fn is_none(&self) -> bool {
        self.pairs == 0
    }
}

/// Counts over time, in steps of equal length: at most some hundred of them, longer ones for a longer run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    /// When the first step begins.
    pub from_ms: u64,
    /// The length of a step.
    pub step_ms: u64,
    /// The steps.
    pub steps: Vec<Step>,
}

/// Counts within a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Requests of pairs that production answered.
    pub production: u64,
    /// Those that the shadow answered.
    pub shadow: u64,
    /// Those that it failed to answer.
    pub failed: u64,
    /// Pairs that differ, noise included.
    pub different: u64,
    /// 5xx of production.
    pub production_5xx: u64,
    /// 5xx of the shadow.
    pub shadow_5xx: u64,
}

/// A pair, redacted, and cut where it is long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Example {
    /// Its id: of the exchange, unique in its comparison.
    pub id: String,
    /// The endpoint's name.
    pub endpoint: String,
    /// When its request was seen.
    pub at_ms: u64,
    /// Request line and header fields, without the empty line; lines end with `\n`.
    pub request_head: String,
    /// Its body, decoded.
    pub request_body: Body,
    /// Production's answer.
    pub production: ExampleAnswer,
    /// The shadow's.
    pub shadow: ExampleAnswer,
    /// The control's, if it was asked and answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<ExampleAnswer>,
    /// Differences, noise included.
    pub differences: Vec<super::Difference>,
}

/// An answer of an example.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExampleAnswer {
    /// Status line and header fields, without the empty line; lines end with `\n`.
    pub head: String,
    /// Its body, decoded; JSON is laid out in lines.
    pub body: Body,
    /// To its last byte, if known.
    pub took_us: Option<u64>,
}

/// A body as it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// Text, cut where it is long; none for bytes that are no text.
    pub text: Option<String>,
    /// Bytes of the whole body, decoded.
    pub bytes: u64,
    /// Whether the text is not all of it.
    pub cut: bool,
}

/// Requests that the comparison itself made: `sent = answered + lost + waiting`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExtraRequests {
    /// `control` or `repeat`.
    pub what: String,
    /// How many.
    pub sent: u64,
    /// Answered whole.
    pub answered: u64,
    /// Not answered, by reason of the ledger.
    pub lost: BTreeMap<String, u64>,
    /// Neither yet.
    pub waiting: u64,
}

/// Everything that the figures depend on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct InForce {
    /// Rules of `--fail-on`, the defaults among them.
    pub fail_on: Vec<String>,
    /// Paths that are ignored or tolerated, with reason and date where they have one.
    pub ignored: Vec<String>,
    /// Paths that are never learned away.
    pub protected: Vec<String>,
    /// Route templates that were given.
    pub routes: Vec<String>,
    /// How noise is learned, with its thresholds.
    pub noise: Vec<String>,
    /// How production's requests were sampled and filtered, in words.
    pub selection: Vec<String>,
    /// Remarks on what the figures cannot tell.
    pub notes: Vec<String>,
}
