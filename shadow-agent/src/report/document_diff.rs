//! Two documents side by side, as data: per figure both values, and which differences are new, gone, or in both. A run that
//! is shown beside an earlier one says whether a release got better.

use std::collections::HashMap;

use serde::Serialize;

use crate::compare::Kind;
use crate::compare::document::{Comparison, DifferenceRow, Document, Interval, Rate, Verdict};

/// Two documents: `a` is the earlier one, or whatever the other is held against.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TwoDocuments {
    /// The first.
    pub a: Side,
    /// The second.
    pub b: Side,
    /// Comparisons of the same shadow, or else in their order.
    pub comparisons: Vec<TwoComparisons>,
}

/// Summary of one document.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Side {
    /// Its word.
    pub verdict: Verdict,
    /// When it was made, Unix time in milliseconds.
    pub made_at_ms: u64,
    /// The version of the program that made it.
    pub version: String,
}

/// A comparison of each document; one may have none to match.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TwoComparisons {
    /// Of the first document.
    pub a: Option<Head>,
    /// Of the second.
    pub b: Option<Head>,
    /// Figures of the whole.
    pub figures: Vec<Figure>,
    /// Endpoints, by name, in the order of the second; those that only the first has behind them.
    pub endpoints: Vec<TwoEndpoints>,
    /// Differences: new ones first, then those in both, then those that are gone, each in the order of its document.
    pub differences: Vec<TwoDifferences>,
    /// Differences that are in neither list, because one of the two has more than it keeps: what is called new or gone may
    /// have been among them.
    pub differences_beyond: u64,
}

/// Head of a comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Head {
    /// The shadow.
    pub shadow: String,
    /// The same, with the names of the releases where they are known.
    pub title: String,
    /// The word on it.
    pub word: Verdict,
    /// Why.
    pub why: Vec<String>,
    /// When the first request was seen.
    pub from_ms: u64,
    /// When the last was.
    pub to_ms: u64,
}

/// How a figure is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A number of things.
    Count,
    /// A fraction of 1.
    Share,
    /// Microseconds.
    Micros,
    /// A ratio.
    Ratio,
}

/// Where a figure should go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// Up.
    Higher,
    /// Down.
    Lower,
    /// Neither is better.
    Neither,
}

/// A figure of both.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// Its name.
    pub name: &'static str,
    /// How it is written.
    pub unit: Unit,
    /// Where it should go.
    pub better: Better,
    /// In the first.
    pub a: Option<Interval>,
    /// In the second.
    pub b: Option<Interval>,
    /// Its change.
    pub change: Change,
}

/// Change of a figure from the first document to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Better, and the intervals do not meet.
    Better,
    /// Worse, and the intervals do not meet.
    Worse,
    /// The intervals meet, one is missing, or neither direction is better.
    Unsure,
}

impl Change {
    /// Whether a figure got better or worse for sure.
    fn new(better: Better, a: Option<Interval>, b: Option<Interval>) -> Self {
        let (Some(a), Some(b)) = (a, b) else {
            return Self::Unsure;
        };
        let (up, down) = (b.low > a.high, b.high < a.low);
        match better {
            Better::Higher if up => Self::Better,
            Better::Higher if down => Self::Worse,
            Better::Lower if up => Self::Worse,
            Better::Lower if down => Self::Better,
            _ => Self::Unsure,
        }
    }
}

/// An endpoint of both.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TwoEndpoints {
    /// Its name.
    pub name: String,
    /// In the first.
    pub a: Option<EndpointFigures>,
    /// In the second.
    pub b: Option<EndpointFigures>,
}

/// Figures of an endpoint in one document.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct EndpointFigures {
    /// Pairs compared.
    pub compared: u64,
    /// Answers that were equal but for noise.
    pub agreement: Rate,
    /// 5xx of the shadow alone.
    pub new_5xx: Rate,
    /// The shadow's 99th percentile in microseconds.
    pub p99: Interval,
}

/// Which document has a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The second alone.
    New,
    /// Both.
    Both,
    /// The first alone.
    Gone,
}

/// A difference of either or both.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TwoDifferences {
    /// Which has it.
    pub state: State,
    /// The endpoint's name.
    pub endpoint: String,
    /// Where it is.
    pub path: String,
    /// Its kind.
    pub kind: Kind,
    /// In the first.
    pub a: Option<Seen>,
    /// In the second.
    pub b: Option<Seen>,
    /// Production's value, of the second where that has it.
    pub production: Option<String>,
    /// The shadow's.
    pub shadow: Option<String>,
}

/// How often a difference was seen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Seen {
    /// Pairs.
    pub count: u64,
    /// Of the endpoint's compared pairs.
    pub share: f64,
    /// Whether it was taken for noise.
    pub noise: bool,
}

impl TwoDocuments {
    /// Sets two documents side by side.
    pub fn new(a: &Document, b: &Document) -> Self {
        let mut of_a: Vec<_> = a.comparisons.iter().map(Some).collect();
        let mut pairs: Vec<(Option<&Comparison>, &Comparison)> = b
            .comparisons
            .iter()
            .map(|of_b| (take(&mut of_a, |of_a| of_a.shadow == of_b.shadow), of_b))
            .collect();
        for (of_a_or_none, _) in &mut pairs {
            if of_a_or_none.is_none() {
                *of_a_or_none = take(&mut of_a, |_| true);
            }
        }
        let alone = of_a.into_iter().flatten();
        Self {
            a: Side::new(a),
            b: Side::new(b),
            comparisons: pairs
                .into_iter()
                .map(|(a, b)| TwoComparisons::new(a, Some(b)))
                .chain(alone.map(|a| TwoComparisons::new(Some(a), None)))
                .collect(),
        }
    }
}

/// Takes the first that is wanted out of a list.
fn take<'a>(
    list: &mut [Option<&'a Comparison>],
    wanted: impl Fn(&Comparison) -> bool,
) -> Option<&'a Comparison> {
    list.iter_mut()
        .find(|one| one.is_some_and(&wanted))
        .and_then(Option::take)
}

impl Side {
    fn new(document: &Document) -> Self {
        Self {
            verdict: document.verdict,
            made_at_ms: document.made_at_ms,
            version: document.version.clone(),
        }
    }
}

impl TwoComparisons {
    fn new(a: Option<&Comparison>, b: Option<&Comparison>) -> Self {
        let beyond = |side: Option<&Comparison>| side.map_or(0, |side| side.differences_beyond);
        Self {
            a: a.map(Head::new),
            b: b.map(Head::new),
            figures: figures(a, b),
            endpoints: endpoints(a, b),
            differences: differences(
                a.map_or(&[], |a| &a.differences),
                b.map_or(&[], |b| &b.differences),
            ),
            differences_beyond: beyond(a).saturating_add(beyond(b)),
        }
    }
}

impl Head {
    fn new(comparison: &Comparison) -> Self {
        Self {
            shadow: comparison.shadow.clone(),
            title: comparison.title(),
            word: comparison.verdict.word,
            why: comparison.verdict.why.clone(),
            from_ms: comparison.from_ms,
            to_ms: comparison.to_ms,
        }
    }
}

fn figures(a: Option<&Comparison>, b: Option<&Comparison>) -> Vec<Figure> {
    let figure = |name, unit, better, of: &dyn Fn(&Comparison) -> Interval| {
        let (a, b) = (a.map(of), b.map(of));
        Figure {
            name,
            unit,
            better,
            a,
            b,
            change: Change::new(better, a, b),
        }
    };
    let latency = |name, of: &dyn Fn(&Comparison) -> Interval| figure(name, Unit::Micros, Better::Lower, of);
    vec![
        figure("Agreement", Unit::Share, Better::Higher, &|one| {
            share(one.agreement)
        }),
        figure("Agreement before noise", Unit::Share, Better::Higher, &|one| {
            share(one.agreement_raw)
        }),
        figure("New 5xx", Unit::Share, Better::Lower, &|one| share(one.new_5xx)),
        figure("Other status", Unit::Share, Better::Lower, &|one| {
            share(one.other_status)
        }),
        figure("Coverage", Unit::Share, Better::Neither, &|one| {
            exact(one.coverage.share)
        }),
        figure("Pairs compared", Unit::Count, Better::Neither, &|one| {
            exact(one.coverage.compared as f64)
        }),
        latency("Shadow p50", &|one| one.shadow_latency.last.p50),
        latency("Shadow p95", &|one| one.shadow_latency.last.p95),
        latency("Shadow p99", &|one| one.shadow_latency.last.p99),
        figure("p99 ratio", Unit::Ratio, Better::Lower, &|one| one.p99_ratio),
    ]
}

fn share(rate: Rate) -> Interval {
    Interval {
        value: rate.share,
        low: rate.low,
        high: rate.high,
    }
}

fn exact(value: f64) -> Interval {
    Interval {
        value,
        low: value,
        high: value,
    }
}

fn endpoints(a: Option<&Comparison>, b: Option<&Comparison>) -> Vec<TwoEndpoints> {
    let mut of_a: HashMap<&str, EndpointFigures> = HashMap::new();
    let mut rows = Vec::new();
    for endpoint in a.map_or(&[][..], |a| &a.endpoints) {
        of_a.entry(&endpoint.name)
            .or_insert_with(|| EndpointFigures::new(endpoint));
    }
    for endpoint in b.map_or(&[][..], |b| &b.endpoints) {
        rows.push(TwoEndpoints {
            name: endpoint.name.clone(),
            a: of_a.remove(endpoint.name.as_str()),
            b: Some(EndpointFigures::new(endpoint)),
        });
    }
    for endpoint in a.map_or(&[][..], |a| &a.endpoints) {
        if let Some(figures) = of_a.remove(endpoint.name.as_str()) {
            rows.push(TwoEndpoints {
                name: endpoint.name.clone(),
                a: Some(figures),
                b: None,
            });
        }
    }
    rows
}

impl EndpointFigures {
    fn new(endpoint: &crate::compare::document::Endpoint) -> Self {
        Self {
            compared: endpoint.compared,
            agreement: endpoint.agreement,
            new_5xx: endpoint.new_5xx,
            p99: endpoint.shadow.p99,
        }
    }
}

/// A status code's row is of its two codes.
type Key<'a> = (&'a str, &'a str, Kind, Option<(&'a str, &'a str)>);

fn differences(a: &[DifferenceRow], b: &[DifferenceRow]) -> Vec<TwoDifferences> {
    fn key(row: &DifferenceRow) -> Key<'_> {
        let codes = match (row.kind, &row.production, &row.shadow) {
            (Kind::Status, Some(production), Some(shadow)) => Some((production.as_str(), shadow.as_str())),
            _ => None,
        };
        (&row.endpoint, &row.path, row.kind, codes)
    }
    let mut of_a: HashMap<Key, &DifferenceRow> = HashMap::new();
    for row in a {
        of_a.entry(key(row)).or_insert(row);
    }
    let (mut new, mut both) = (Vec::new(), Vec::new());
    for row in b {
        match of_a.remove(&key(row)) {
            None => new.push(TwoDifferences::new(State::New, row, None, Some(row))),
            Some(before) => both.push(TwoDifferences::new(State::Both, row, Some(before), Some(row))),
        }
    }
    let gone = a
        .iter()
        .filter(|row| of_a.remove(&key(row)).is_some())
        .map(|row| TwoDifferences::new(State::Gone, row, Some(row), None));
    new.into_iter().chain(both).chain(gone).collect()
}

impl TwoDifferences {
    fn new(state: State, row: &DifferenceRow, a: Option<&DifferenceRow>, b: Option<&DifferenceRow>) -> Self {
        let seen = |row: &DifferenceRow| Seen {
            count: row.count,
            share: row.share,
            noise: row.noise.is_some(),
        };
        Self {
            state,
            endpoint: row.endpoint.clone(),
            path: row.path.clone(),
            kind: row.kind,
            a: a.map(seen),
            b: b.map(seen),
            production: row.production.clone(),
            shadow: row.shadow.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
