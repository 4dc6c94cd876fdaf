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

/// Lines for the file of `--compare-rules`, with a reason and a date to fill in: that the place does not count; a known difference for
/// status codes, which nothing else takes away. What else may be written there stands behind, as comments. None where rules have
/// no word for the place.
pub(super) fn rule(rows: &[&DifferenceRow]) -> Option<String> {
    let first = rows.first()?;
    if first.kind == Kind::More {
        return None;
    }
    let mut paths: Vec<&str> = rows.iter().map(|row| row.path.as_str()).collect();
    paths.sort_unstable();
    paths.dedup();
    let one = rows.iter().all(|row| row.endpoint == first.endpoint);
    let written = |path: &str| {
        let path = if one {
            format!("{} {path}", first.endpoint)
        } else {
            path.to_owned()
        };
        super::super::PathPattern::parse(&path).ok()?;
        Some(basic_string(&path))
    };
    let paths: Option<Vec<String>> = paths.into_iter().map(written).collect();
    let paths = paths?;
    let entries = |entry: &dyn Fn(&str) -> String| {
        let entries: Vec<String> = paths.iter().map(|path| entry(path)).collect();
        entries.join("\n")
    };
    let known = entries(&|path| known(path, first));
    if first.kind == Kind::Status {
        return Some(known);
    }
    let mut text = entries(&|path| format!("[[ignore]]\npath = {path}\n{TO_FILL_IN}"));
    if is_number(first) {
        let tolerance = entries(&|path| format!("[[tolerance]]\npath = {path}\nrelative = 0.01\n"));
        comment(&mut text, "or, for numbers that may be so far apart", &tolerance);
    }
    comment(
        &mut text,
        "or, where this release intends it (as in the file of --compare-known)",
        &known,
    );
    Some(text)
}

/// The members that each entry has for who writes it.
const TO_FILL_IN: &str = "reason = \"\"\ndate = \"\"\n";

/// A known difference, with the values that a row has in its first pair where all of them are shown.
fn known(path: &str, row: &DifferenceRow) -> String {
    let mut text = format!("[[known]]\npath = {path}\n");
    for (name, value) in [("production", &row.production), ("shadow", &row.shadow)] {
        let shown = value
            .as_ref()
            .filter(|value| !value.contains("(hidden)") && !value.ends_with('…'));
        if let Some(value) = shown {
            let _ = writeln!(text, "{name} = {}", basic_string(value));
        }
    }
    text + TO_FILL_IN
}

/// Whether both values of a row are numbers.
fn is_number(row: &DifferenceRow) -> bool {
    let is = |value: &Option<String>| value.as_ref().is_some_and(|value| value.parse::<f64>().is_ok());
    row.kind == Kind::Value && is(&row.production) && is(&row.shadow)
}

/// Adds lines as comments, below a title.
fn comment(text: &mut String, title: &str, lines: &str) {
    let _ = write!(text, "\n# {title}:\n");
    for line in lines.lines() {
        let _ = writeln!(text, "# {line}");
    }
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
