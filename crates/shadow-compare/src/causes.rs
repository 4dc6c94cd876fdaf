//! Differences by their cause: one change that shows at many endpoints is one entry, said in words, the gravest first, with what
//! is known of such a change, and with the rule that would take it away.

use std::collections::BTreeMap;

use super::Kind;
use super::document::{Cause, Comparison, DifferenceRow, Severity};

mod advice;
mod words;

#[cfg(test)]
mod tests;

/// How a change is recognised at other endpoints.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key<'a> {
    /// The fields of cross-origin resource sharing: one setting of a server changes several.
    Cors,
    /// A header field, whatever its values: they are made of the request as often as not.
    Header(&'a str, Kind),
    /// A place of the body, or the status, and the same two values there.
    Same(&'a str, Kind, Option<&'a str>, Option<&'a str>),
    /// A place of one endpoint, with values that are its own.
    Own(&'a str, &'a str, Kind),
}

impl<'a> Key<'a> {
    fn of(row: &'a DifferenceRow) -> Self {
        match row.path.strip_prefix("header.") {
            Some(name) if name.starts_with("access-control-") => Self::Cors,
            Some(name) => Self::Header(name, row.kind),
            // Values that were cut short say too little to be taken for the same.
            None if is_known(row) => Self::Same(
                &row.path,
                row.kind,
                row.production.as_deref(),
                row.shadow.as_deref(),
            ),
            None => Self::Own(&row.endpoint, &row.path, row.kind),
        }
    }
}

/// Whether what is shown of the values is all of them.
fn is_known(row: &DifferenceRow) -> bool {
    let whole = |value: &Option<String>| value.as_deref().is_none_or(|value| !value.ends_with('…'));
    let any = row.production.is_some() || row.shadow.is_some();
    any && whole(&row.production) && whole(&row.shadow)
}

/// How grave a difference is, by its place and kind.
fn severity(row: &DifferenceRow) -> Severity {
    match row.kind {
        Kind::Status => Severity::Status,
        _ if row.path.starts_with("header.") || row.path.starts_with("trailer.") => Severity::Header,
        Kind::Type | Kind::Missing | Kind::Extra | Kind::Unreadable => Severity::Shape,
        Kind::Value | Kind::Order | Kind::Length | Kind::More => Severity::Value,
    }
}

/// The causes of the differences of `comparison` that count, the gravest first, and of those the one with most pairs.
pub fn causes(comparison: &Comparison) -> Vec<Cause> {
    let mut groups: BTreeMap<Key<'_>, Vec<usize>> = BTreeMap::new();
    for (at, row) in comparison.differences.iter().enumerate() {
        if row.noise.is_none() {
            groups.entry(Key::of(row)).or_default().push(at);
        }
    }
    let mut causes: Vec<Cause> = groups.into_values().map(|rows| cause(comparison, rows)).collect();
    causes.sort_by(|a, b| {
        (a.severity, std::cmp::Reverse(a.count))
            .cmp(&(b.severity, std::cmp::Reverse(b.count)))
            .then_with(|| a.rows.cmp(&b.rows))
    });
    causes
}

fn cause(comparison: &Comparison, at: Vec<usize>) -> Cause {
    let rows: Vec<&DifferenceRow> = at.iter().map(|at| &comparison.differences[*at]).collect();
    Cause {
        what: words::sentence(comparison, &rows),
        severity: rows
            .iter()
            .map(|row| severity(row))
            .min()
            .unwrap_or(Severity::Value),
        count: most_pairs(&rows),
        advice: advice::advice(comparison, &rows),
        rule: words::rule(&rows),
        rows: at,
    }
}

/// Pairs that show it: of rows of one endpoint those of the largest, since one pair may be in all of them.
fn most_pairs(rows: &[&DifferenceRow]) -> u64 {
    let mut of_endpoints: BTreeMap<&str, u64> = BTreeMap::new();
    for row in rows {
        let count = of_endpoints.entry(&row.endpoint).or_default();
        *count = row.count.max(*count);
    }
    of_endpoints
        .values()
        .fold(0, |sum, count| sum.saturating_add(*count))
}
