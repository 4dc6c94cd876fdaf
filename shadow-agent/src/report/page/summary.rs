//! The summary of a comparison as HTML: the first thing on the page, and all of it where no script runs.

use std::fmt::Write;

use super::super::document_diff::TwoDocuments;
use super::super::figures::{duration, moment, percent, rate, ratio};
use super::super::{grouped, text::sum};
use super::escape::escaped;
use crate::compare::document::{Comparison, Document, Verdict};

/// Of a live page, before the first event.
pub(super) const LIVE: &str = "<p>Waiting for data. This page needs JavaScript to follow the run.</p>";

/// Of one document.
pub(super) fn one(document: &Document) -> String {
    let mut html = format!(
        "<p class=\"made\">Created {} by shadow-agent {}</p>",
        moment(document.made_at_ms),
        escaped(&document.version)
    );
    for comparison in &document.comparisons {
        let verdict = &comparison.verdict;
        let _ = write!(html, "<section><h2>{}</h2>", escaped(&comparison.title()));
        html.push_str(&word(verdict.word));
        if let Some(at) = comparison.ended_ms {
            let _ = write!(html, "<p>Its output ended {}.</p>", moment(at));
        }
        html.push_str(&why(&verdict.why));
        figures(&mut html, comparison);
        html.push_str("</section>");
    }
    for note in &document.notes {
        let _ = write!(html, "<p>{}</p>", escaped(note));
    }
    html
}

/// Of two.
pub(super) fn two(two: &TwoDocuments) -> String {
    let mut html = String::from("<p>Comparison of A and B.</p>");
    for (name, side) in [("A", &two.a), ("B", &two.b)] {
        let _ = write!(
            html,
            "<section><h2>{name}, created {}</h2>{}</section>",
            moment(side.made_at_ms),
            word(side.verdict)
        );
    }
    for comparison in &two.comparisons {
        for (name, head) in [("A", &comparison.a), ("B", &comparison.b)] {
            if let Some(head) = head {
                let _ = write!(html, "<p>{name}: {}</p>", escaped(&head.title));
            }
        }
    }
    html
}

fn word(word: Verdict) -> String {
    let class = match word {
        Verdict::Go => "go",
        Verdict::NotEnoughData => "unsure",
        Verdict::NoGo => "no-go",
    };
    format!("<p class=\"word {class}\">{}</p>", word.text())
}

fn why(sentences: &[String]) -> String {
    let mut html = String::from("<ul class=\"why\">");
    for sentence in sentences {
        let _ = write!(html, "<li>{}</li>", escaped(sentence));
    }
    html.push_str("</ul>");
    html
}

fn figures(html: &mut String, comparison: &Comparison) {
    let coverage = &comparison.coverage;
    let rows = [
        ("Agreement", rate(&comparison.agreement)),
        ("Agreement before noise", rate(&comparison.agreement_raw)),
        (
            "Excused",
            format!(
                "{} pairs agree because the control differs there as the shadow does",
                grouped(comparison.excused)
            ),
        ),
        ("New 5xx", rate(&comparison.new_5xx)),
        (
            "Coverage",
            format!(
                "{} of {} requests: {} compared, {} failed in the shadow, {} not compared, {} waiting",
                percent(coverage.share),
                grouped(coverage.comparable()),
                grouped(coverage.compared),
                grouped(sum(coverage.failed.values())),
                grouped(sum(coverage.not_compared.values())),
                grouped(coverage.waiting)
            ),
        ),
        (
            "p99",
            format!(
                "{} in production, {} in the shadow, ratio {}",
                duration(comparison.production_latency.last.p99.value),
                duration(comparison.shadow_latency.last.p99.value),
                ratio(&comparison.p99_ratio)
            ),
        ),
    ];
    html.push_str("<dl>");
    for (name, value) in rows {
        let _ = write!(html, "<dt>{name}</dt><dd>{value}</dd>");
    }
    html.push_str("</dl>");
}
