//! One cause: where it shows, a pattern that it fits, and the rule that takes it away.

use ratatui_core::layout::Rect;
use ratatui_core::terminal::Frame;
use ratatui_core::text::{Line, Text};

use super::look::{fit, title, wrapped};
use super::model::{Model, Over};
use super::panes::severity;
use super::sanitize::harmless;
use crate::compare::document::{Cause, Comparison};
use crate::report::grouped;

/// Most rows that are listed.
const MAX_ROWS: usize = 100;

pub(super) fn draw(model: &mut Model, frame: &mut Frame<'_>, area: Rect) {
    let (width, page) = (usize::from(area.width), usize::from(area.height));
    let Over::Cause(name, at) = model.over.clone() else {
        return;
    };
    let lines = match model.cause(&name) {
        Some((comparison, cause)) => lines(comparison, cause, width),
        None => vec![Line::raw("the cause is gone (enter or esc)")],
    };
    let at = at.min(lines.len().saturating_sub(page));
    model.page = page;
    model.over = Over::Cause(name, at);
    let shown: Vec<_> = lines.into_iter().skip(at).take(page).collect();
    frame.render_widget(Text::from(shown), area);
}

fn lines(comparison: &Comparison, cause: &Cause, width: usize) -> Vec<Line<'static>> {
    let mut lines = vec![title(severity(cause.severity), width)];
    lines.extend(wrapped(&harmless(&cause.what), width));
    if let Some(advice) = &cause.advice {
        lines.extend(wrapped(&format!("Known pattern: {}", harmless(advice)), width));
    }
    lines.push(title("Where", width));
    let rows = cause.rows.iter().filter_map(|at| comparison.differences.get(*at));
    for row in rows.take(MAX_ROWS) {
        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        let text = format!(
            "{:>9} {} {} {}: {} → {}",
            grouped(row.count),
            row.endpoint,
            row.path,
            row.kind.name(),
            value(&row.production),
            value(&row.shadow)
        );
        lines.push(Line::raw(fit(&harmless(&text), width)));
    }
    if let Some(rule) = &cause.rule {
        lines.push(title("Rule for --compare-rules", width));
        lines.extend(rule.lines().map(|line| Line::raw(fit(&harmless(line), width))));
    }
    lines
}
