//! Rules on when a release is not to go: `--fail-on 'METRIC OP VALUE'`.

use std::fmt;
use std::str::FromStr;

#[cfg(test)]
mod tests;

/// A figure that a rule may be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Metric {
    /// Pairs with something to judge: compared, or failed by the shadow.
    Compared,
    /// The share of those among the requests that nobody wanted to leave out.
    Coverage,
    /// The share of requests and answers that capture lost bytes of.
    CaptureLoss,
    /// The share of requests that the shadow was too slow to take, of those that were to be compared.
    Behind,
    /// The share of pairs where the shadow answered 5xx and production did not.
    New5xx,
    /// The share of requests that the shadow gave no whole answer to, of those compared or failed.
    Failed,
    /// The share of pairs whose answers were equal but for noise.
    Agreement,
    /// The share of pairs whose answers were equal.
    AgreementRaw,
    /// The share of pairs with another status code.
    OtherStatus,
    /// [`Self::New5xx`] of each endpoint.
    EndpointNew5xx,
    /// [`Self::Agreement`] of each endpoint.
    EndpointAgreement,
    /// [`Self::P50Ratio`] of each endpoint.
    EndpointP50Ratio,
    /// The ratio of 90th percentiles of each endpoint.
    EndpointP90Ratio,
    /// [`Self::P99Ratio`] of each endpoint.
    EndpointP99Ratio,
    /// The ratio of the highest quantiles that the pairs of each endpoint allow.
    EndpointTailRatio,
    /// The shadow's median to production's.
    P50Ratio,
    /// The shadow's 95th percentile to production's.
    P95Ratio,
    /// The shadow's 99th percentile to production's.
    P99Ratio,
}

/// The unit of a metric's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Count,
    Share,
    Ratio,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::Compared,
        Self::Coverage,
        Self::CaptureLoss,
        Self::Behind,
        Self::New5xx,
        Self::Failed,
        Self::Agreement,
        Self::AgreementRaw,
        Self::OtherStatus,
        Self::P50Ratio,
        Self::P95Ratio,
        Self::P99Ratio,
        Self::EndpointNew5xx,
        Self::EndpointAgreement,
        Self::EndpointP50Ratio,
        Self::EndpointP90Ratio,
        Self::EndpointP99Ratio,
        Self::EndpointTailRatio,
    ];

    /// As it is written in a rule.
    pub fn name(self) -> &'static str {
        match self {
            Self::Compared => "compared",
            Self::Coverage => "coverage",
            Self::CaptureLoss => "capture_loss",
            Self::Behind => "behind",
            Self::New5xx => "new_5xx",
            Self::Failed => "failed",
            Self::Agreement => "agreement",
            Self::AgreementRaw => "agreement_raw",
            Self::OtherStatus => "other_status",
            Self::P50Ratio => "p50_ratio",
            Self::P95Ratio => "p95_ratio",
            Self::P99Ratio => "p99_ratio",
            Self::EndpointNew5xx => "endpoint_new_5xx",
            Self::EndpointAgreement => "endpoint_agreement",
            Self::EndpointP50Ratio => "endpoint_p50_ratio",
            Self::EndpointP90Ratio => "endpoint_p90_ratio",
            Self::EndpointP99Ratio => "endpoint_p99_ratio",
            Self::EndpointTailRatio => "endpoint_tail_ratio",
        }
    }

    /// Whether it is about what is known rather than about the release: unmet, nobody can say anything.
    pub(super) fn is_about_data(self) -> bool {
        matches!(self, Self::Compared | Self::Coverage | Self::CaptureLoss)
    }

    /// Whether more of it is better.
    fn more_is_better(self) -> bool {
        matches!(
            self,
            Self::Compared | Self::Coverage | Self::Agreement | Self::AgreementRaw | Self::EndpointAgreement
        )
    }

    fn unit(self) -> Unit {
        match self {
            Self::Compared => Unit::Count,
            Self::P50Ratio
            | Self::P95Ratio
            | Self::P99Ratio
            | Self::EndpointP50Ratio
            | Self::EndpointP90Ratio
            | Self::EndpointP99Ratio
            | Self::EndpointTailRatio => Unit::Ratio,
            _ => Unit::Share,
        }
    }
}

/// How a metric stands to the value of a rule when the rule fails a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `<`
    Below,
    /// `<=`
    AtMost,
}

impl Operator {
    fn text(self) -> &'static str {
        match self {
            Self::Above => ">",
            Self::AtLeast => ">=",
            Self::Below => "<",
            Self::AtMost => "<=",
        }
    }

    /// Whether it holds for `left OP right`.
    pub(super) fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::Above => left > right,
            Self::AtLeast => left >= right,
            Self::Below => left < right,
            Self::AtMost => left <= right,
        }
    }

    /// Whether it is `>` or `>=`.
    pub(super) fn is_upward(self) -> bool {
        matches!(self, Self::Above | Self::AtLeast)
    }
}

/// A rule: the release fails where it holds for the whole interval of what was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FailRule {
    /// The figure that it is about.
    pub metric: Metric,
    /// When it fails; `None` is a metric that nothing shall depend on (`p99_ratio off`).
    pub bound: Option<(Operator, f64)>,
}

/// Text that is no rule: what is wrong, for its author.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidRule(String);

impl FailRule {
    const fn new(metric: Metric, operator: Operator, value: f64) -> Self {
        Self {
            metric,
            bound: Some((operator, value)),
        }
    }

    /// The rules that are in force where nobody says otherwise, and why:
    ///
    /// - `compared < 5000`: with fewer than 3,838 pairs not even none at all shows a share below 0.1%, and parallel runs of
    ///   others ask for 5,000 before they trust what they learned of noise.
    /// - `coverage < 95%`: what is missing is seldom missing by chance; large, slow and failing exchanges are lost first.
    /// - `capture_loss > 0.5%`: captures lose bytes under load, which is when faults show.
    /// - `behind > 1%`: what is left over when a run ends is less, and a shadow that cannot take what production takes has
    ///   failed however few of its answers there are to look at.
    /// - `new_5xx > 0.1%`: a usual objective is 99.9% of requests served, and a release may not use it up alone.
    /// - `failed > 0.1%`: the same for requests without a whole answer.
    /// - `agreement < 99.9%`: what parallel runs ask of services that read.
    /// - `p99_ratio > 1.5`: times from end to end have another hop in them, and often colder caches; 1.1, which is asked for
    ///   where both are measured alike, would fail a release for its place.
    /// - `endpoint_new_5xx > 1%`, `endpoint_agreement < 99%`: an endpoint that is broken is broken, however few of all requests
    ///   it gets. Wider, as there are few to tell by.
    /// - `endpoint_p50_ratio > 1.5`, `endpoint_p90_ratio > 1.5`, `endpoint_p99_ratio > 1.5`: a slower route hides behind others
    ///   with more requests, or behind one that was slow before; and a few requests tell of a median what only thousands tell
    ///   of the 99th percentile.
    /// - `endpoint_tail_ratio > 5`: what is rarer than one in a hundred is often the host's doing, so it must be far off.
    pub const DEFAULTS: [Self; 14] = [
        Self::new(Metric::Compared, Operator::Below, 5000.0),
        Self::new(Metric::Coverage, Operator::Below, 0.95),
        Self::new(Metric::CaptureLoss, Operator::Above, 0.005),
        Self::new(Metric::Behind, Operator::Above, 0.01),
        Self::new(Metric::New5xx, Operator::Above, 0.001),
        Self::new(Metric::Failed, Operator::Above, 0.001),
        Self::new(Metric::Agreement, Operator::Below, 0.999),
        Self::new(Metric::P99Ratio, Operator::Above, 1.5),
        Self::new(Metric::EndpointNew5xx, Operator::Above, 0.01),
        Self::new(Metric::EndpointAgreement, Operator::Below, 0.99),
        Self::new(Metric::EndpointP50Ratio, Operator::Above, 1.5),
        Self::new(Metric::EndpointP90Ratio, Operator::Above, 1.5),
        Self::new(Metric::EndpointP99Ratio, Operator::Above, 1.5),
        Self::new(Metric::EndpointTailRatio, Operator::Above, 5.0),
    ];

    /// The defaults, but for the metrics that there are rules for; then those rules.
    pub fn in_force(given: &[Self]) -> Vec<Self> {
        let replaced = |rule: &Self| given.iter().any(|other| other.metric == rule.metric);
        let defaults = Self::DEFAULTS.into_iter().filter(|rule| !replaced(rule));
        defaults.chain(given.iter().copied()).collect()
    }
}

impl FromStr for FailRule {
    type Err = InvalidRule;

    fn from_str(text: &str) -> Result<Self, InvalidRule> {
        let fail = |why: String| Err(InvalidRule(why));
        let text = text.trim();
        let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let (name, rest) = text.split_at(end.unwrap_or(text.len()));
        let Some(metric) = Metric::ALL.into_iter().find(|metric| metric.name() == name) else {
            let names: Vec<_> = Metric::ALL.iter().map(|metric| metric.name()).collect();
            return fail(format!(
                "{name:.40?} is not a metric: use one of {}",
                names.join(", ")
            ));
        };
        let rest = rest.trim_start();
        if rest == "off" {
            return Ok(Self { metric, bound: None });
        }
        let operators = [
            Operator::AtLeast,
            Operator::AtMost,
            Operator::Above,
            Operator::Below,
        ];
        let found = operators.into_iter().find_map(|operator| {
            let value = rest.strip_prefix(operator.text())?;
            Some((operator, value.trim_start()))
        });
        let Some((operator, value)) = found else {
            return fail(format!(
                "after {name}, write one of >, >=, <, <= and a value, or off"
            ));
        };
        if operator.is_upward() == metric.more_is_better() {
            let (better, other) = if metric.more_is_better() {
                ("more", "<")
            } else {
                ("less", ">")
            };
            return fail(format!(
                "{name} {} {value:.40} would fail a release for being good: {better} is better, so write {name} \
                 {other}",
                operator.text()
            ));
        }
        let value = parse_value(metric, value).map_err(InvalidRule)?;
        Ok(Self::new(metric, operator, value))
    }
}

fn parse_value(metric: Metric, text: &str) -> Result<f64, String> {
    let (digits, percent) = match text.strip_suffix('%') {
        Some(digits) => (digits.trim_end(), true),
        None => (text, false),
    };
    let is_number = !digits.is_empty()
        && digits.len() <= 20
        && digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_digit() || c == '.');
    // A percentage as the number that is nearest to it, which dividing does not always give.
    let value = if percent {
        digits.to_owned() + "e-2"
    } else {
        digits.to_owned()
    };
    let number = value.parse::<f64>().ok().filter(|_| is_number);
    let Some(number) = number else {
        return Err(format!(
            "{text:.40?} is not a value: write a number such as 0.1% or 1.5"
        ));
    };
    let name = metric.name();
    match metric.unit() {
        Unit::Count if percent || number.fract() != 0.0 => Err(format!("{name} is a whole number of pairs")),
        Unit::Share if number > 1.0 && percent => Err(format!("{name} is a share, at most 100%")),
        Unit::Share if number > 1.0 => Err(format!("{name} is a share, at most 1: is {text}% meant?")),
        Unit::Share if number >= 1.0 && !metric.more_is_better() => {
            Err(format!("{name} is never above 100%: is 1% meant?"))
        }
        Unit::Ratio if number <= 0.0 => Err(format!("{name} is never 0")),
        _ => Ok(number),
    }
}

impl fmt::Display for FailRule {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let name = self.metric.name();
        let Some((operator, value)) = self.bound else {
            return write!(f, "{name} off");
        };
        let (value, percent) = match self.metric.unit() {
            Unit::Share => (value * 100.0, "%"),
            Unit::Count | Unit::Ratio => (value, ""),
        };
        // To nine places, as 0.07 times 100 is not quite 7.
        let digits = format!("{value:.9}");
        let digits = digits.trim_end_matches('0').trim_end_matches('.');
        write!(f, "{name} {} {digits}{percent}", operator.text())
    }
}
