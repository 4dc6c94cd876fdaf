//! The document of a comparison, its outcome as data: the JSON of `--report FILE.json` and of `GET /report.json`, and all that
//! the page, the terminal, Markdown and `JUnit` show. Its shape is a promise to whoever reads it.
//!
//! Times of the clock are Unix time in milliseconds, lengths of time microseconds, shares fractions of 1. Everything that came
//! from traffic is hostile text: whoever shows it escapes it.

mod difference;
mod endpoint;
mod example;
mod judgement;
mod latency;
mod outcomes;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shadow_mirror::ledger::DropReason;

pub use self::difference::{Aside, Cause, DifferenceRow, KnownCount, Noise, NoiseBy, Severity};
pub use self::endpoint::{Endpoint, NotLearned, Part};
pub use self::example::{Body, Example, ExampleAnswer};
pub use self::judgement::{Judgement, RuleOutcome, RuleResult, Verdict};
pub use self::latency::{CopyDelay, Latency, Quantiles, Slow, SlowAt, Throughput};
pub use self::outcomes::Outcomes;
use super::{Correlated, Difference, Kind};

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
    /// Pairs of those that agree in which something differs that is seen, surely, where other clients were changing something at
    /// that moment: both sides may have served the two in another order.
    #[serde(default)]
    pub raced: u64,
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
    /// These, and of `other` what they lack.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        Self {
            production: self.production.clone().or_else(|| other.production.clone()),
            shadow: self.shadow.clone().or_else(|| other.shadow.clone()),
        }
    }

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

    /// The reason why a difference of an example does not count; `None` for one that does, or of which there is no row.
    pub fn noise_of(&self, example: &Example, difference: &Difference) -> Option<&Noise> {
        let is_same = |row: &&DifferenceRow| {
            row.endpoint == example.endpoint
                && row.path == difference.path
                && row.kind == difference.kind
                // Status codes have a row for each two of them.
                && (row.kind != Kind::Status
                    || (&row.production, &row.shadow) == (&difference.production, &difference.shadow))
        };
        self.differences.iter().find(is_same)?.noise.as_ref()
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
    /// `(compared + failed) / (eligible - left)`, where `left` is [`not_compared`](Self::not_compared) as `grpc_stream_left`.
    pub share: f64,
    /// Packets of production that capture lost.
    pub capture_lost_packets: u64,
    /// The share of requests lost to capture: holes in requests and in answers, of all seen.
    pub capture_loss: f64,
    /// Endpoints of production (`METHOD /route`) of which nothing was compared.
    pub endpoints_not_compared: Vec<String>,
}

impl Coverage {
    /// Eligible requests that could have been compared: all but calls of gRPC that their clients left before both sides had answered
    /// anything. Those lack nothing, for no answer was to come any more.
    pub fn comparable(&self) -> u64 {
        self.eligible.saturating_sub(self.left())
    }

    /// Those calls.
    pub fn left(&self) -> u64 {
        let left = self.not_compared.get(&DropReason::GrpcStreamLeft.name());
        left.copied().unwrap_or(0)
    }
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
