//! The lists: differences, endpoints, and the log.

use ratatui_core::layout::Rect;
use ratatui_core::style::{Modifier, Style};
use ratatui_core::terminal::Frame;
use ratatui_core::text::{Line, Span, Text};

use super::look::{fit, padded, percent, quiet};
use super::model::{Model, Pane};
use super::sanitize::harmless;
use crate::compare::document::{Cause, DifferenceRow, Endpoint, Interval, NoiseBy, Severity};
use crate::report::grouped;
use crate::status::milliseconds;

/// Lines above the rows: which pane, and what its columns are.
const ABOVE: u16 = 2;

pub(super) fn draw(model: &mut Model, frame: &mut Frame<'_>, area: Rect) {
    let width = usize::from(area.width);
    let page = usize::from(area.height.saturating_sub(ABOVE));
    let place = model.place(page);
    let model = &*model;
    let (columns, rows) = match model.pane {
        Pane::Differences => {
            let rows = model.differences();
            let shown = rows.iter().skip(place.first).take(page);
            let shown: Vec<_> = shown.map(|row| difference(row, width)).collect();
            (differences(width), shown)
        }
        Pane::Causes => {
            let rows = model.causes();
            let shown = rows.iter().skip(place.first).take(page);
            (CAUSES.to_owned(), shown.map(|row| cause(row, width)).collect())
        }
        Pane::Endpoints => {
            let rows = model.endpoints();
            let shown = rows.iter().skip(place.first).take(page);
            (
                ENDPOINTS.to_owned(),
                shown.map(|row| endpoint(row, width)).collect(),
            )
        }
        Pane::Log => {
            let rows = model.log_lines();
            let shown = rows.iter().skip(place.first).take(page);
            (
                String::new(),
                shown.map(|row| Line::raw(fit(row, width))).collect(),
            )
        }
    };
    let mut lines = vec![tabs(model, width), Line::styled(columns, quiet())];
    let chosen = place.chosen - place.first;
    lines.extend(rows.into_iter().enumerate().map(|(index, row)| {
        if index == chosen {
            row.patch_style(Style::new().add_modifier(Modifier::REVERSED))
        } else {
            row
        }
    }));
    frame.render_widget(Text::from(lines), area);
}

fn tabs(model: &Model, width: usize) -> Line<'static> {
    let mut spans = vec![Span::raw("── ")];
    for pane in Pane::ALL {
        let count = match pane {
            Pane::Differences => model.differences().len(),
            Pane::Causes => model.causes().len(),
            Pane::Endpoints => model.endpoints().len(),
            Pane::Log => model.log_lines().len(),
        };
        let name = format!("{} {}", pane.title(), grouped(count as u64));
        if pane == model.pane {
            let bold = Style::new().add_modifier(Modifier::BOLD);
            spans.push(Span::styled(format!("[{name}]"), bold));
        } else {
            spans.push(Span::styled(format!(" {name} "), quiet()));
        }
        spans.push(Span::raw(" "));
    }
    let used = Line::from(spans.clone()).width();
    spans.push(Span::raw("─".repeat(width.saturating_sub(used))));
    Line::from(spans)
}

/// Columns of the names of endpoints and of paths: a wide screen has the whole of them.
fn names(width: usize) -> (usize, usize) {
    let spare = width.saturating_sub(80) / 3;
    (18 + spare, 22 + spare)
}

fn differences(width: usize) -> String {
    let (endpoint, path) = names(width);
    let (endpoint, path) = (padded("endpoint", endpoint), padded("path", path));
    format!(
        "{:>9} {:>8} {:<10} {endpoint} {path} values",
        "pairs", "share", "kind"
    )
}

fn difference(row: &DifferenceRow, width: usize) -> Line<'static> {
    let value = |value: &Option<String>| value.as_deref().map_or("-".to_owned(), harmless);
    let values = match &row.noise {
        None => format!("{} → {}", value(&row.production), value(&row.shadow)),
        Some(noise) if noise.by == NoiseBy::LikeControl => format!("excused: {}", harmless(&noise.why)),
        Some(noise) => format!("noise by {}: {}", noise.by.name(), harmless(&noise.why)),
    };
    let (endpoint, path) = names(width);
    let text = format!(
        "{:>9} {:>8} {:<10} {} {} {values}",
        grouped(row.count),
        percent(row.share),
        row.kind.name(),
        padded(&harmless(&row.endpoint), endpoint),
        padded(&harmless(&row.path), path),
    );
    let style = if row.noise.is_some() {
        quiet()
    } else {
        Style::new()
    };
    Line::styled(fit(&text, width), style)
}

const CAUSES: &str = "    pairs what    cause";

fn cause(cause: &Cause, width: usize) -> Line<'static> {
    let text = format!(
        "{:>9} {:<7} {}",
        grouped(cause.count),
        severity(cause.severity),
        harmless(&cause.what)
    );
    Line::raw(fit(&text, width))
}

/// How grave a cause is, in a word.
pub(super) fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Status => "status",
        Severity::Shape => "shape",
        Severity::Value => "value",
        Severity::Header => "header",
    }
}

const ENDPOINTS: &str = " compared   failed  agree   new 5xx  p99 production   shadow  endpoint";

fn endpoint(row: &Endpoint, width: usize) -> Line<'static> {
    #[allow(clippy::cast_sign_loss)]
    let time = |interval: Interval| milliseconds(interval.value.max(0.0) as u64);
    let text = format!(
        "{:>9} {:>8} {:>7} {:>8} {:>15} {:>9}{} {}",
        grouped(row.compared),
        grouped(row.failed.values().sum()),
        percent(row.agreement.share),
        grouped(row.new_5xx.count),
        time(row.production.p99),
        time(row.shadow.p99),
        if row.slower { "!" } else { " " },
        harmless(&row.name),
    );
    Line::raw(fit(&text, width))
}
