//! The outcome of a comparison as Markdown, for pull requests: GitHub's tables, short.
//!
//! Everything from traffic stands in code spans, or has every character escaped that Markdown could take for its own: it can
//! be no HTML, no link, no mention of anybody, and no cell of a table.

use std::fmt::Write;

use super::document_diff::{
    Change, Figure, Head, Seen, State, TwoComparisons, TwoDifferences, TwoDocuments, Unit,
};
use super::figures::{copy_delay, duration, moment, percent, rate, ratio, visible, whole, wrong};
use super::grouped;
use super::text::sum;
use crate::compare::document::{
    Comparison, DifferenceRow, Document, Endpoint, Interval, RuleOutcome, Verdict,
};

/// Most sentences that say why.
const SENTENCES: usize = 10;
/// Most causes in a list.
const CAUSES: usize = 10;
/// Most differences in a table: a pull request is no place for all of them.
const DIFFERENCES: usize = 20;
/// Most endpoints in a table.
const ENDPOINTS: usize = 10;
/// Most characters of a name or a value.
const WIDTH: usize = 80;

/// The document.
pub fn markdown(document: &Document) -> String {
    let mut text = format!("# {}\n", word(document.verdict));
    for comparison in &document.comparisons {
        one(&mut text, comparison);
    }
    for note in &document.notes {
        let _ = writeln!(text, "\n{}", plain(note));
    }
    let _ = writeln!(
        text,
        "\nCreated {} by shadow-agent {}.",
        moment(document.made_at_ms),
        plain(&document.version)
    );
    text
}

/// Two documents side by side.
pub fn markdown_of_two(two: &TwoDocuments) -> String {
    let mut text = format!("# {} → {}\n", word(two.a.verdict), word(two.b.verdict));
    let _ = writeln!(
        text,
        "\nA was created {}, B {}.",
        moment(two.a.made_at_ms),
        moment(two.b.made_at_ms)
    );
    for comparison in &two.comparisons {
        both(&mut text, comparison);
    }
    text
}

fn word(word: Verdict) -> &'static str {
    match word {
        Verdict::Go => "✅ GO",
        Verdict::NotEnoughData => "❔ NOT ENOUGH DATA",
        Verdict::NoGo => "❌ NO-GO",
    }
}

fn one(text: &mut String, comparison: &Comparison) {
    let verdict = &comparison.verdict;
    let _ = writeln!(
        text,
        "\n## {}: {}\n",
        code(&comparison.title()),
        word(verdict.word)
    );
    if let Some(at) = comparison.ended_ms {
        let _ = writeln!(text, "Its output ended {}.\n", moment(at));
    }
    for why in verdict.why.iter().take(SENTENCES) {
        let _ = writeln!(text, "- {}", plain(why));
    }
    rules(text, comparison);
    figures(text, comparison);
    differences(text, comparison);
    endpoints(text, &comparison.endpoints);
    losses(text, comparison);
}

fn rules(text: &mut String, comparison: &Comparison) {
    if comparison.verdict.rules.is_empty() {
        return;
    }
    text.push_str("\n| Fails on | Outcome | Measured |\n| --- | --- | --- |\n");
    for rule in &comparison.verdict.rules {
        let outcome = match rule.outcome {
            RuleOutcome::Passed => "✅ passed",
            RuleOutcome::Failed => "❌ failed",
            RuleOutcome::Undecided => "❔ undecided",
        };
        let _ = writeln!(
            text,
            "| {} | {outcome} | {} |",
            code(&rule.rule),
            plain(&rule.text)
        );
    }
}

fn figures(text: &mut String, comparison: &Comparison) {
    let coverage = &comparison.coverage;
    let (production, shadow) = (
        &comparison.production_latency.last,
        &comparison.shadow_latency.last,
    );
    let latency = |of: fn(&crate::compare::document::Quantiles) -> Interval| {
        format!(
            "{} → {}",
            duration(of(production).value),
            duration(of(shadow).value)
        )
    };
    let mut rows = vec![
        ("Agreement", rate(&comparison.agreement)),
        ("Agreement before noise", rate(&comparison.agreement_raw)),
        (
            "Excused: the control differs as the shadow does",
            grouped(comparison.excused),
        ),
        ("New 5xx", rate(&comparison.new_5xx)),
        ("Other status", rate(&comparison.other_status)),
        (
            "Coverage",
            format!(
                "{} of {} requests",
                percent(coverage.share),
                grouped(coverage.comparable())
            ),
        ),
        ("p50, production → shadow", latency(|quantiles| quantiles.p50)),
        ("p95, production → shadow", latency(|quantiles| quantiles.p95)),
        ("p99, production → shadow", latency(|quantiles| quantiles.p99)),
        ("p99 ratio", ratio(&comparison.p99_ratio)),
    ];
    if let Some(delay) = &comparison.copy_delay {
        rows.push(("Copies sent later than production's requests", copy_delay(delay)));
    }
    text.push_str("\n| Figure | Value |\n| --- | ---: |\n");
    for (name, value) in rows {
        let _ = writeln!(text, "| {name} | {value} |");
    }
}

fn differences(text: &mut String, comparison: &Comparison) {
    let noise = comparison.differences.iter().filter(|row| row.noise.is_some());
    let noise = noise.count();
    let causes = comparison.causes.iter();
    // In the order of their causes; a document read from a file may say anything.
    let rows: Vec<&DifferenceRow> = causes
        .flat_map(|cause| &cause.rows)
        .filter_map(|at| comparison.differences.get(*at))
        .collect();
    let excused: Vec<&DifferenceRow> = comparison
        .differences
        .iter()
        .filter(|row| row.is_excused())
        .collect();
    let noise = noise.saturating_sub(excused.len());
    text.push_str("\n### Differences\n\n");
    for cause in comparison.causes.iter().take(CAUSES) {
        let advice = cause
            .advice
            .as_deref()
            .map(|advice| format!(". {}", plain(advice)));
        let _ = writeln!(
            text,
            "- **{}**: {}{}",
            grouped(cause.count),
            plain(&cause.what),
            advice.unwrap_or_default()
        );
    }
    if comparison.causes.len() > CAUSES {
        let _ = writeln!(
            text,
            "- {} more",
            grouped((comparison.causes.len() - CAUSES) as u64)
        );
    }
    if rows.is_empty() {
        text.push_str("None that counts.\n");
    } else {
        text.push('\n');
        table(text, &rows, comparison.differences_beyond);
    }
    if !excused.is_empty() {
        text.push_str("\n### Excused: the control differs there as the shadow does\n\n");
        table(text, &excused, 0);
    }
    if noise > 0 {
        let _ = writeln!(text, "\nNoise: {} more.", grouped(noise as u64));
    }
    if !comparison.known.is_empty() {
        text.push_str("\n### Intended by this release\n\n");
    }
    for known in &comparison.known {
        let often = match known.count {
            0 => "no longer occurs".to_owned(),
            count => format!("{} pairs", grouped(count)),
        };
        let _ = writeln!(text, "- {}: {often}", plain(&known.what));
    }
}

fn table(text: &mut String, rows: &[&DifferenceRow], beyond: u64) {
    text.push_str("| Pairs | Share | Endpoint | Where | What | Production | Shadow |\n");
    text.push_str("| ---: | ---: | --- | --- | --- | --- | --- |\n");
    for row in rows.iter().take(DIFFERENCES) {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} |",
            grouped(row.count),
            percent(row.share),
            code(&row.endpoint),
            code(&row.path),
            row.kind.name(),
            value(row.production.as_deref()),
            value(row.shadow.as_deref()),
        );
    }
    let more = (rows.len().saturating_sub(DIFFERENCES) as u64).saturating_add(beyond);
    if more > 0 {
        let _ = writeln!(text, "\nAnd {} more.", grouped(more));
    }
}

fn endpoints(text: &mut String, endpoints: &[Endpoint]) {
    let mut worst: Vec<_> = endpoints
        .iter()
        .filter(|endpoint| endpoint.agreement.share < 1.0 || endpoint.slower || !endpoint.failed.is_empty())
        .collect();
    if worst.is_empty() {
        return;
    }
    worst.sort_by(|a, b| wrong(b).total_cmp(&wrong(a)));
    text.push_str("\n### Endpoints that differ most\n\n");
    text.push_str("| Endpoint | Compared | Agreement | New 5xx | Failed | p99, production → shadow |\n");
    text.push_str("| --- | ---: | ---: | ---: | ---: | ---: |\n");
    for endpoint in worst.iter().take(ENDPOINTS) {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} → {}{} |",
            code(&endpoint.name),
            grouped(endpoint.compared),
            percent(endpoint.agreement.share),
            percent(endpoint.new_5xx.share),
            grouped(sum(endpoint.failed.values())),
            duration(endpoint.production.p99.value),
            duration(endpoint.shadow.p99.value),
            if endpoint.slower { ", slower" } else { "" },
        );
    }
    if worst.len() > ENDPOINTS {
        let _ = writeln!(text, "\nAnd {} more.", grouped((worst.len() - ENDPOINTS) as u64));
    }
}

fn losses(text: &mut String, comparison: &Comparison) {
    let coverage = &comparison.coverage;
    let _ = writeln!(
        text,
        "\n### Coverage\n\n{} seen = {} filtered + {} sampled out + {} limited + {} eligible; {} eligible = {} compared + {} \
         failed in the shadow + {} not compared + {} waiting.",
        grouped(coverage.seen),
        grouped(coverage.filtered),
        grouped(coverage.sampled_out),
        grouped(coverage.limited),
        grouped(coverage.eligible),
        grouped(coverage.eligible),
        grouped(coverage.compared),
        grouped(sum(coverage.failed.values())),
        grouped(sum(coverage.not_compared.values())),
        grouped(coverage.waiting),
    );
    let lost: Vec<_> = coverage.failed.iter().chain(&coverage.not_compared).collect();
    if !lost.is_empty() {
        text.push('\n');
    }
    for (reason, count) in lost {
        let _ = writeln!(text, "- {} {}", grouped(*count), code(reason));
    }
}

fn both(text: &mut String, two: &TwoComparisons) {
    let name = |head: &Option<Head>| {
        head.as_ref().map_or("none".to_owned(), |head| {
            format!("{} {}", code(&head.title), word(head.word))
        })
    };
    let _ = writeln!(text, "\n## {} → {}", name(&two.a), name(&two.b));
    text.push_str("\n| Figure | A | B | Change |\n| --- | ---: | ---: | --- |\n");
    for figure in &two.figures {
        let change = match figure.change {
            Change::Better => "better",
            Change::Worse => "**worse**",
            Change::Unsure if figure.a == figure.b => "the same",
            Change::Unsure => "within the confidence intervals",
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {change} |",
            figure.name,
            of_figure(figure, figure.a),
            of_figure(figure, figure.b),
        );
    }
    for (state, title) in [
        (State::New, "New differences"),
        (State::Gone, "Differences no longer present"),
        (State::Both, "Differences in both"),
    ] {
        let rows: Vec<_> = two
            .differences
            .iter()
            .filter(|row| row.state == state && !is_noise(row))
            .collect();
        if rows.is_empty() {
            continue;
        }
        let _ = writeln!(text, "\n### {title}\n");
        text.push_str("| A | B | Endpoint | Where | What | Production | Shadow |\n");
        text.push_str("| ---: | ---: | --- | --- | --- | --- | --- |\n");
        for row in rows.iter().take(DIFFERENCES) {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} | {} |",
                seen(row.a),
                seen(row.b),
                code(&row.endpoint),
                code(&row.path),
                row.kind.name(),
                value(row.production.as_deref()),
                value(row.shadow.as_deref()),
            );
        }
        if rows.len() > DIFFERENCES {
            let _ = writeln!(text, "\nAnd {} more.", grouped((rows.len() - DIFFERENCES) as u64));
        }
    }
    if two.differences_beyond > 0 {
        let _ = writeln!(
            text,
            "\n{} differences exceed what the reports keep: differences listed as new or gone may be among them.",
            grouped(two.differences_beyond)
        );
    }
}

/// Whether it is noise wherever it was seen.
fn is_noise(row: &TwoDifferences) -> bool {
    row.a.is_none_or(|seen| seen.noise) && row.b.is_none_or(|seen| seen.noise)
}

fn seen(seen: Option<Seen>) -> String {
    seen.map_or("-".to_owned(), |seen| {
        let noise = if seen.noise { ", noise" } else { "" };
        format!("{} ({}{noise})", grouped(seen.count), percent(seen.share))
    })
}

fn of_figure(figure: &Figure, value: Option<Interval>) -> String {
    let Some(value) = value else {
        return "-".to_owned();
    };
    let write: fn(f64) -> String = match figure.unit {
        Unit::Count => whole,
        Unit::Share => percent,
        Unit::Micros => duration,
        Unit::Ratio => |value| format!("{value:.2}"),
    };
    if value.low >= value.value && value.high <= value.value {
        return write(value.value);
    }
    format!(
        "{} ({} to {})",
        write(value.value),
        write(value.low),
        write(value.high)
    )
}

fn value(text: Option<&str>) -> String {
    text.map_or("(none)".to_owned(), code)
}

/// Hostile text as a code span, also in a cell of a table: a bar and a backtick are what could end one.
fn code(text: &str) -> String {
    let cut = cut(text);
    let safe = visible(&cut).replace('`', "⟨U+0060⟩").replace('|', "⟨U+007C⟩");
    if safe.trim().is_empty() {
        return "(blank)".to_owned();
    }
    format!("`{safe}`")
}

/// Hostile text among other text: what Markdown could take for its own is escaped, and what would mention somebody is broken
/// up.
fn plain(text: &str) -> String {
    let text = visible(text);
    let mut safe = String::with_capacity(text.len() + 16);
    let mut number = true;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let next = characters.peek().copied().unwrap_or(' ');
        let escape = match character {
            '<' => {
                safe.push_str("&lt;");
                continue;
            }
            '>' => {
                safe.push_str("&gt;");
                continue;
            }
            '&' => {
                safe.push_str("&amp;");
                continue;
            }
            '@' | '#' | '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '|' | '~' | '^' | '$' => true,
            // Where a list or a rule could begin.
            '+' | '-' | '=' => safe.is_empty(),
            // `1. a` is a list, `www.a` a link, `http://` as well, `:a:` a picture.
            '.' => next.is_alphabetic() || number && next == ' ',
            ':' => next != ' ',
            _ => false,
        };
        if escape {
            safe.push('\\');
        }
        safe.push(character);
        if matches!(character, '@' | '#') {
            // No address, mention or reference is found across a space, be it of no width.
            safe.push('\u{200B}');
        }
        number &= character.is_ascii_digit();
    }
    safe
}

fn cut(text: &str) -> String {
    let mut cut: String = text.chars().take(WIDTH).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests;
