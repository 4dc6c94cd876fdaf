//! One pair: its request, what differs, and both answers side by side.

use std::collections::HashSet;

use ratatui_core::layout::Rect;
use ratatui_core::terminal::Frame;
use ratatui_core::text::{Line, Text};

use super::look::{Look, fit, padded, title};
use super::marks::{Marks, aside, field_name};
use super::model::{Model, Over};
use super::sanitize::harmless;
use crate::compare::document::{Body, Comparison, Example, ExampleAnswer};
use crate::status::milliseconds;

/// Most lines of an answer that are shown; the page shows all that is kept.
const MAX_LINES: usize = 2000;

/// Most differences that are listed.
const MAX_DIFFERENCES: usize = 100;

pub(super) fn draw(model: &mut Model, frame: &mut Frame<'_>, area: Rect) {
    let (width, page) = (usize::from(area.width), usize::from(area.height));
    let Over::Example(id, at) = model.over.clone() else {
        return;
    };
    let lines = match model.example(&id) {
        Some((comparison, example)) => lines(model.look, comparison, example, width),
        None => vec![Line::raw(
            "the example is gone: the comparison was restarted (enter or esc)",
        )],
    };
    let at = at.min(lines.len().saturating_sub(page));
    model.page = page;
    model.over = Over::Example(id, at);
    let shown: Vec<_> = lines.into_iter().skip(at).take(page).collect();
    frame.render_widget(Text::from(shown), area);
}

fn lines(look: Look, comparison: &Comparison, example: &Example, width: usize) -> Vec<Line<'static>> {
    let name = format!("{} {}", harmless(&example.endpoint), harmless(&example.id));
    let mut lines = vec![title(&fit(&name, width.saturating_sub(10)), width)];
    let plain = |text: &str| Line::raw(fit(&harmless(text), width));
    lines.extend(example.request_head.lines().take(MAX_LINES).map(plain));
    lines.extend(body(&example.request_body).iter().map(|line| plain(line)));
    lines.push(title("Differences", width));
    for difference in example.differences.iter().take(MAX_DIFFERENCES) {
        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        let noise = comparison.noise_of(example, difference);
        lines.push(plain(&format!(
            "{}{} {}: {} → {}",
            noise.map_or_else(String::new, |noise| format!("({}) ", aside(noise))),
            difference.path,
            difference.kind.name(),
            value(&difference.production),
            value(&difference.shadow)
        )));
    }
    let half = (width - 3) / 2;
    let took = |answer: &ExampleAnswer| {
        answer
            .took_us
            .map_or(String::new(), |took| format!(" {}", milliseconds(took)))
    };
    lines.push(title(
        &format!(
            "{} shadow{}",
            padded(
                &format!("production{}", took(&example.production)),
                half.saturating_sub(2)
            ),
            took(&example.shadow)
        ),
        width,
    ));
    let (production, shadow) = (answer(&example.production), answer(&example.shadow));
    let marks = Marks::of(comparison, example);
    let (in_production, in_shadow) = (worths(&production), worths(&shadow));
    let body_from = |lines: &[String]| lines.iter().position(String::is_empty).unwrap_or(lines.len());
    let bodies = (body_from(&production), body_from(&shadow));
    for index in 0..production.len().max(shadow.len()) {
        let (left, right) = (production.get(index), shadow.get(index));
        // Lines that the other side does not have at all.
        let only = |line: Option<&String>, body: usize, others: &HashSet<String>| {
            let line = line.filter(|line| !others.contains(&worth(line, index < body)))?;
            Some(if index < body {
                marks.counts_in_head(line)
            } else {
                marks.counts_in_body(line)
            })
        };
        let differs = [
            only(left, bodies.0, &in_shadow),
            only(right, bodies.1, &in_production),
        ];
        let counts = differs.contains(&Some(true));
        let sign = match counts {
            true => "≠",
            false if differs.iter().any(Option::is_some) => "~",
            false => "│",
        };
        let text = format!(
            "{} {sign} {}",
            padded(left.map_or("", String::as_str), half),
            fit(right.map_or("", String::as_str), half)
        );
        lines.push(if counts {
            Line::styled(text, look.unsure())
        } else {
            Line::raw(text)
        });
    }
    if let Some(control) = &example.control {
        lines.push(title(&format!("control{}", took(control)), width));
        lines.extend(answer(control).iter().map(|line| Line::raw(fit(line, width))));
    }
    lines
}

/// Lines of an answer as they are set against the other's.
fn worths(lines: &[String]) -> HashSet<String> {
    let body = lines.iter().position(String::is_empty).unwrap_or(lines.len());
    let all = lines.iter().enumerate();
    all.map(|(index, line)| worth(line, index < body)).collect()
}

/// Worth of a line: names of fields have no case.
fn worth(line: &str, is_of_head: bool) -> String {
    match (field_name(line), line.split_once(':')) {
        (Some(name), Some((_, value))) if is_of_head => format!("{name}:{}", value.trim()),
        _ => line.to_owned(),
    }
}

/// Head, an empty line, and body.
fn answer(answer: &ExampleAnswer) -> Vec<String> {
    let mut lines: Vec<_> = answer.head.lines().take(MAX_LINES).map(harmless).collect();
    lines.push(String::new());
    lines.extend(body(&answer.body));
    lines
}

fn body(body: &Body) -> Vec<String> {
    let text = body.text.as_deref().unwrap_or_default();
    let mut lines: Vec<_> = text.lines().take(MAX_LINES).map(harmless).collect();
    if body.text.is_none() && body.bytes > 0 {
        lines.push(format!("({} bytes of binary data)", body.bytes));
    } else if body.cut || text.lines().nth(MAX_LINES).is_some() {
        lines.push(format!("(truncated: {} bytes in total)", body.bytes));
    }
    lines
}
