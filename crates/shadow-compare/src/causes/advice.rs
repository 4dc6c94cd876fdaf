//! Advice on a change that is known by its looks, and the way out: patterns that say more of the two deployments than of the
//! release.

use super::super::Kind;
use super::super::document::{Comparison, DifferenceRow, Example};
use super::words::is_of_grpc;

/// Header fields that say who asks, in lower case.
const CREDENTIALS: [&str; 3] = ["authorization", "cookie", "x-csrf-token"];

/// The first pattern that the rows of a cause fit.
pub(super) fn advice(comparison: &Comparison, rows: &[&DifferenceRow]) -> Option<String> {
    let first = rows.first()?;
    let is_guess = |row: &&DifferenceRow| {
        let step = row
            .path
            .strip_prefix("$.")
            .or_else(|| row.path.strip_prefix("$[*]."));
        is_of_grpc(&row.endpoint) && step.is_some_and(|step| step.starts_with(|c: char| c.is_ascii_digit()))
    };
    let advice = match first.kind {
        Kind::Status => of_status(comparison, rows)?,
        _ if rows.iter().any(|row| echoes_marker(row)) => {
            "The application repeats the header that marks copies. --http-no-mark leaves it out where nothing else needs it."
        }
        _ if rows.iter().any(|row| names_own_host(comparison, row)) => {
            "The shadow repeats the host that it was asked under. --http-original-host asks it under production's."
        }
        _ if first.path == "header.location" => {
            "The shadow redirects elsewhere. Where only the host is another, --http-original-host asks it under production's."
        }
        _ if is_of_encoding(first) && is_all_that_differs(comparison, rows) => {
            "The body is the same but for its encoding."
        }
        _ if rows.iter().all(is_guess) => {
            "These are numbers of fields, and what is below one is a guess: --grpc-descriptors FILE gives their names, or \
             --grpc-reflection where the shadow serves it."
        }
        _ => return None,
    };
    Some(advice.to_owned())
}

fn of_status(comparison: &Comparison, rows: &[&DifferenceRow]) -> Option<&'static str> {
    let first = rows.first()?;
    let class = |value: &Option<String>| value.as_deref()?.bytes().next();
    let served = matches!(class(&first.production), Some(b'2' | b'3'));
    match (first.production.as_deref()?, first.shadow.as_deref()?) {
        (_, "401" | "403") if served && any_example(comparison, rows, has_credentials) => Some(
            "The requests carry credentials that the shadow does not take: sessions and tokens that production issued, or users \
             that only production has.",
        ),
        (_, "404" | "410") if served && rows.iter().any(|row| may_be_of_created(comparison, row)) => Some(
            "Records that were created in production while this ran may not be in the shadow, or under other ids.",
        ),
        ("304", "200") => Some(
            "The shadow has other validators (ETag, Last-Modified) than the ones that production issued and clients send back.",
        ),
        _ => None,
    }
}

/// Whether an example of one of the rows fits.
fn any_example(comparison: &Comparison, rows: &[&DifferenceRow], fits: impl Fn(&Example) -> bool) -> bool {
    rows.iter()
        .flat_map(|row| &row.examples)
        .filter_map(|id| comparison.examples.iter().find(|example| example.id == *id))
        .any(fits)
}

fn has_credentials(example: &Example) -> bool {
    example.request_head.lines().skip(1).any(|line| {
        let name = line.split(':').next().unwrap_or_default();
        CREDENTIALS.iter().any(|known| known.eq_ignore_ascii_case(name))
    })
}

/// Whether the endpoint is of single records, of a collection that requests add to.
fn may_be_of_created(comparison: &Comparison, row: &DifferenceRow) -> bool {
    let path = row.endpoint.split_once(' ').map_or("", |(_, path)| path);
    let Some((collection, _)) = path.split_once("/{") else {
        return false;
    };
    comparison
        .endpoints
        .iter()
        .any(|endpoint| endpoint.name.strip_prefix("POST ") == Some(collection))
}

fn echoes_marker(row: &DifferenceRow) -> bool {
    let has = |text: &str| text.to_ascii_lowercase().contains("x-shadow-");
    has(&row.path) || row.shadow.as_deref().is_some_and(has)
}

/// Whether the shadow's value has the host and port in it that it is asked under.
fn names_own_host(comparison: &Comparison, row: &DifferenceRow) -> bool {
    let authority = comparison.shadow.split("//").last().unwrap_or_default();
    let authority = authority.split('/').next().unwrap_or_default();
    !authority.is_empty()
        && row
            .shadow
            .as_deref()
            .is_some_and(|value| value.contains(authority))
        && row
            .production
            .as_deref()
            .is_none_or(|value| !value.contains(authority))
}

/// Whether a row is about how a body is encoded: its coding, or its character set alone.
fn is_of_encoding(row: &DifferenceRow) -> bool {
    let media = |value: &Option<String>| {
        let media = value.as_deref()?.split(';').next()?.trim();
        Some(media.to_ascii_lowercase())
    };
    match row.path.as_str() {
        "header.content-encoding" => true,
        "header.content-type" => {
            let names =
                |value: &Option<String>| value.as_ref().is_some_and(|value| value.contains("charset"));
            media(&row.production) == media(&row.shadow) && (names(&row.production) || names(&row.shadow))
        }
        _ => false,
    }
}

/// Whether nothing else counts at the endpoints of `rows`.
fn is_all_that_differs(comparison: &Comparison, rows: &[&DifferenceRow]) -> bool {
    comparison.differences.iter().all(|other| {
        other.noise.is_some()
            || is_of_encoding(other)
            || rows.iter().all(|row| row.endpoint != other.endpoint)
    })
}
