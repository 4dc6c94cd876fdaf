//! A cause as a sentence, and as a rule that would take it away.

use std::fmt::Write;

use super::super::Kind;
use super::super::document::{Comparison, DifferenceRow};
use super::super::verdict::{cut, grouped};

/// Endpoints that a sentence names.
const NAMED: usize = 3;
/// Most characters of a value in a sentence.
const VALUE: usize = 60;

/// `$.price is different in 34 of 3,500 responses of GET /products/{id}: 7500 -> 7501`.
pub(super) fn sentence(comparison: &Comparison, rows: &[&DifferenceRow]) -> String {
    let Some(first) = rows.first() else {
        return String::new();
    };
    let mut sentence = match (first.kind, first.production.as_deref(), first.shadow.as_deref()) {
        (Kind::Status, Some(production), Some(shadow)) => {
            format!("{} {shadow} in place of {production}", first.path)
        }
        _ => format!("{} {}", subject(rows), predicate(rows)),
    };
    sentence.push_str(&places(comparison, rows));
    if first.kind != Kind::Status {
        sentence.push_str(&values(rows));
    }
    sentence
}

/// The place that differs; of several fields the family that they are of.
fn subject(rows: &[&DifferenceRow]) -> String {
    let mut paths: Vec<&str> = rows.iter().map(|row| row.path.as_str()).collect();
    paths.sort_unstable();
    paths.dedup();
    match paths.as_slice() {
        ["$"] if rows.iter().all(|row| is_of_grpc(&row.endpoint)) => "the message".to_owned(),
        ["$"] => "the JSON body".to_owned(),
        [whole @ ("body" | "text" | "xml" | "form")] => format!("the {whole}"),
        [path] => cut(path),
        _ => "header.access-control-*".to_owned(),
    }
}

/// Whether an endpoint is a method of gRPC: `package.Service/Method`, which has no method of HTTP before it.
pub(super) fn is_of_grpc(endpoint: &str) -> bool {
    !endpoint.contains(' ') && endpoint.contains('/')
}

fn predicate(rows: &[&DifferenceRow]) -> &'static str {
    let kind = rows.first().map(|row| row.kind);
    match kind.filter(|kind| rows.iter().all(|row| row.kind == *kind)) {
        Some(Kind::Type) => "is of another type",
        Some(Kind::Missing) => "is missing",
        Some(Kind::Extra) => "is new",
        Some(Kind::Order) => "is in another order",
        Some(Kind::Length) => "is of another length",
        Some(Kind::Unreadable) => "cannot be read",
        Some(Kind::More) => "has more differences than are listed",
        Some(Kind::Value | Kind::Status) | None => "is different",
    }
}

/// How often, and where.
fn places(comparison: &Comparison, rows: &[&DifferenceRow]) -> String {
    let mut endpoints: Vec<&str> = rows.iter().map(|row| row.endpoint.as_str()).collect();
    endpoints.sort_unstable();
    endpoints.dedup();
    let count = super::most_pairs(rows);
    if let [endpoint] = endpoints.as_slice() {
        let compared = comparison
            .endpoints
            .iter()
            .find(|known| known.name == *endpoint)
            .map_or(0, |known| known.compared);
        let (name, count_of) = (cut(endpoint), grouped(count));
        return match compared {
            0 => format!(" in {count_of} responses of {name}"),
            all if count >= all => format!(" in every response of {name} ({count_of})"),
            all => format!(" in {count_of} of {} responses of {name}", grouped(all)),
        };
    }
    let mut text = format!(
        " at {} endpoints ({} responses): ",
        grouped(endpoints.len() as u64),
        grouped(count)
    );
    let names: Vec<String> = endpoints.iter().take(NAMED).map(|name| cut(name)).collect();
    text.push_str(&names.join(", "));
    if endpoints.len() > NAMED {
        let _ = write!(text, ", {} more", grouped((endpoints.len() - NAMED) as u64));
    }
    text
}

/// The two values of the first pair; `for example` where not all rows have them.
fn values(rows: &[&DifferenceRow]) -> String {
    let shown = |row: &DifferenceRow| (row.production.clone(), row.shadow.clone());
    let Some(first) = rows
        .iter()
        .find(|row| row.production.is_some() || row.shadow.is_some())
    else {
        return String::new();
    };
    let all = rows.iter().all(|row| shown(row) == shown(first));
    let value = |value: &Option<String>| value.as_deref().map_or("(none)".to_owned(), short);
    format!(
        "{} {} -> {}",
        if all { ":" } else { "; for example:" },
        value(&first.production),
        value(&first.shadow)
    )
}

/// On one line, and not too long.
fn short(value: &str) -> String {
    let line = value.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(VALUE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Lines for the file of `--compare-rules`, with a reason and a date to fill in; none for status codes, which no rule takes away,
/// and none where rules have no word for the place.
pub(super) fn rule(rows: &[&DifferenceRow]) -> Option<String> {
    let first = rows.first()?;
    if matches!(first.kind, Kind::Status | Kind::More) {
        return None;
    }
    let mut paths: Vec<&str> = rows.iter().map(|row| row.path.as_str()).collect();
    paths.sort_unstable();
    paths.dedup();
    let one = rows.iter().all(|row| row.endpoint == first.endpoint);
    let entries = paths.into_iter().map(|path| {
        let path = if one {
            format!("{} {path}", first.endpoint)
        } else {
            path.to_owned()
        };
        super::super::IgnoreRule::parse(&path).ok()?;
        Some(format!(
            "[[ignore]]\npath = {}\nreason = \"\"\ndate = \"\"\n",
            basic_string(&path)
        ))
    });
    let entries: Option<Vec<String>> = entries.collect();
    entries.map(|entries| entries.join("\n"))
}

/// A basic string of TOML 1.0.
fn basic_string(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            control if control.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}
