//! The screen as a whole: what is said of the run and of the comparison, above a pane, above the last line.

use ratatui_core::layout::{Constraint, Layout, Rect};
use ratatui_core::style::{Modifier, Style};
use ratatui_core::terminal::Frame;
use ratatui_core::text::{Line, Span, Text};

use super::look::{fit, percent, quiet, title, wrapped};
use super::model::{Model, Over};
use super::sanitize::harmless;
use super::{cause, example, panes};
use crate::compare::document::{Comparison, Interval, Quantiles};
use crate::mirror::ledger::OutputCounts;
use crate::report::grouped;
use crate::status::{OutputStats, RunStats, milliseconds, rate};

/// The least that there is a screen for.
const LEAST: (u16, u16) = (80, 24);

/// Outputs shown on the least screen; a larger one has room for more.
const OUTPUTS: usize = 2;

/// Draws all of it.
pub(super) fn draw(model: &mut Model, frame: &mut Frame<'_>) {
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let text = format!(
            "The terminal is {} by {}: at least 80 by 24 is needed. Press q to quit.",
            area.width, area.height
        );
        frame.render_widget(Text::from(wrapped(&text, usize::from(area.width))), area);
        return;
    }
    let width = usize::from(area.width);
    let room = OUTPUTS + usize::from(area.height - LEAST.1) / 4;
    let outputs = outputs(model, width, room);
    let compared = comparison(model, width);
    let lines = |lines: &[Line<'_>]| Constraint::Length(u16::try_from(lines.len()).unwrap_or(u16::MAX));
    let [top, first, second, pane, last] = Layout::vertical([
        Constraint::Length(1),
        lines(&outputs),
        lines(&compared),
        Constraint::Min(3),
        Constraint::Length(1),
    ])
    .areas(area);
    frame.render_widget(headline(model), top);
    frame.render_widget(Text::from(outputs), first);
    frame.render_widget(Text::from(compared), second);
    panes::draw(model, frame, pane);
    frame.render_widget(last_line(model), last);
    match &model.over {
        Over::Nothing => {}
        Over::Help => help(frame, pane),
        Over::Example(..) | Over::Cause(..) => {
            let over = Rect {
                height: area.height - 2,
                y: 1,
                ..area
            };
            clear(frame, over);
            if matches!(model.over, Over::Cause(..)) {
                cause::draw(model, frame, over);
            } else {
                example::draw(model, frame, over);
            }
        }
    }
}

fn headline(model: &Model) -> Line<'static> {
    let mut spans = vec![Span::raw("shadow-agent")];
    if let Some(document) = model.document() {
        let word = format!(" {} ", document.verdict.text());
        spans.extend([
            Span::raw("  "),
            Span::styled(word, model.look.word(document.verdict)),
        ]);
    }
    let Some(now) = &model.now else {
        return Line::from(spans);
    };
    if now.paused {
        spans.push(Span::styled("  PAUSED", model.look.unsure()));
    }
    if let Some(done) = now.progress {
        spans.push(Span::raw(format!("  {:.0}% done", done.clamp(0.0, 1.0) * 100.0)));
    }
    let before = model.before.as_ref();
    let seen = now.stats.seen;
    let since = seen.saturating_sub(before.map_or(0, |before| before.stats.seen));
    spans.push(Span::raw(format!(
        "  seen {} ({})",
        per_second(model, since),
        grouped(seen)
    )));
    if now.stats.capture_lost > 0 {
        let lost = format!("  lost in capture {}", grouped(now.stats.capture_lost));
        spans.push(Span::styled(lost, model.look.bad()));
    }
    Line::from(spans)
}

/// A rate since the moment before; none can be told of the first.
fn per_second(model: &Model, count: u64) -> String {
    match (&model.before, &model.now) {
        (Some(before), Some(now)) => format!("{}/s", rate(count, now.at.duration_since(before.at))),
        _ => "-/s".to_owned(),
    }
}

/// Two lines for each output.
fn outputs(model: &Model, width: usize, room: usize) -> Vec<Line<'static>> {
    let mut lines = vec![title("Outputs", width)];
    let Some(now) = &model.now else {
        lines.push(Line::raw("no data yet"));
        return lines;
    };
    let all = &now.stats.outputs;
    for output in all.iter().take(room) {
        let before = model
            .before
            .as_ref()
            .and_then(|before| same(&before.stats, output));
        let delivered = output.counts.delivered;
        let since = delivered.saturating_sub(before.map_or(0, |before| before.counts.delivered));
        let dropped: u64 = output.counts.dropped.values().sum();
        let mut spans = vec![Span::raw(fit(
            &format!(
                "{}  delivered {} ({})  in flight {}",
                harmless(&output.name),
                per_second(model, since),
                grouped(delivered),
                grouped(output.counts.in_flight),
            ),
            width,
        ))];
        if output.status.breaker_open {
            spans.push(Span::styled("  BREAKER OPEN", model.look.bad()));
        }
        lines.push(Line::from(spans));
        let mut parts = vec![format!("dropped {}{}", grouped(dropped), reasons(&output.counts))];
        for (count, what) in [
            (output.counts.filtered, "filtered"),
            (output.counts.sampled_out, "sampled out"),
            (output.counts.limited, "limited"),
        ] {
            if count > 0 {
                parts.push(format!("{what} {}", grouped(count)));
            }
        }
        let latency = output.status.latency.as_ref().map(|latency| {
            let earlier = before.and_then(|before| before.status.latency.clone());
            latency.since(&earlier.unwrap_or_default())
        });
        if let Some((p50, p99)) = latency.and_then(|latency| latency.quantiles_us()) {
            parts.push(format!("p50 {} p99 {}", milliseconds(p50), milliseconds(p99)));
        }
        lines.push(Line::raw(fit(&format!("  {}", parts.join("  ")), width)));
    }
    if all.len() > room {
        lines.push(Line::raw(format!("  and {} more", all.len() - room)));
    }
    lines
}

fn same<'a>(before: &'a RunStats, output: &OutputStats) -> Option<&'a OutputStats> {
    before.outputs.iter().find(|one| one.slot == output.slot)
}

fn reasons(counts: &OutputCounts) -> String {
    let dropped = counts.dropped.iter().filter(|(_, count)| **count > 0);
    let reasons: Vec<_> = dropped
        .map(|(reason, count)| format!("{} {}", reason.name(), grouped(*count)))
        .collect();
    if reasons.is_empty() {
        String::new()
    } else {
        format!(" ({})", reasons.join(", "))
    }
}

/// Summary of the comparison, on seven lines at most.
fn comparison(model: &Model, width: usize) -> Vec<Line<'static>> {
    let Some((comparison, place, count)) = model.comparison() else {
        let text = "no comparison: add --output-http URL --compare";
        return vec![title("Comparison", width), Line::raw(text)];
    };
    let name = if count > 1 {
        format!("Comparison {} of {count} (c: next)", place + 1)
    } else {
        "Comparison".to_owned()
    };
    let cover = &comparison.coverage;
    let sum = |counts: &std::collections::BTreeMap<String, u64>| counts.values().sum::<u64>();
    let mut lines = vec![
        title(&name, width),
        Line::raw(fit(
            &format!(
                "{}{}  compared {} of {} ({})  failed {}  not compared {}  waiting {}",
                harmless(&comparison.shadow),
                if comparison.ended_ms.is_some() {
                    " (ended)"
                } else {
                    ""
                },
                grouped(cover.compared),
                grouped(cover.eligible),
                percent(cover.share),
                grouped(sum(&cover.failed)),
                grouped(sum(&cover.not_compared)),
                grouped(cover.waiting),
            ),
            width,
        )),
        Line::raw(fit(
            &format!(
                "agreement {} ({} to {}), raw {}  new 5xx {} ({})  other status {}",
                percent(comparison.agreement.share),
                percent(comparison.agreement.low),
                percent(comparison.agreement.high),
                percent(comparison.agreement_raw.share),
                grouped(comparison.new_5xx.count),
                percent(comparison.new_5xx.share),
                grouped(comparison.other_status.count),
            ),
            width,
        )),
        Line::raw(fit(
            &format!("production {}", quantiles(&comparison.production_latency.last)),
            width,
        )),
        Line::raw(fit(
            &format!(
                "shadow     {}  p99 x{}",
                quantiles(&comparison.shadow_latency.last),
                ratio(comparison.p99_ratio)
            ),
            width,
        )),
        Line::raw(fit(&statuses(comparison), width)),
    ];
    if let Some(why) = comparison.verdict.why.first() {
        let word = comparison.verdict.word;
        lines.push(Line::from(vec![
            Span::styled(word.text(), model.look.word(word)),
            Span::raw(fit(
                &format!(" {}", harmless(why)),
                width.saturating_sub(word.text().len()),
            )),
        ]));
    }
    lines
}

fn quantiles(of: &Quantiles) -> String {
    #[allow(clippy::cast_sign_loss)]
    let shown = |interval: Interval| milliseconds(interval.value.max(0.0) as u64);
    format!(
        "p50 {}  p95 {}  p99 {}",
        shown(of.p50),
        shown(of.p95),
        shown(of.p99)
    )
}

fn ratio(of: Interval) -> String {
    format!("{:.2} ({:.2} to {:.2})", of.value, of.low, of.high)
}

fn statuses(comparison: &Comparison) -> String {
    let pairs = comparison.statuses.iter().take(12);
    let pairs: Vec<_> = pairs
        .map(|pair| format!("{}→{} {}", pair.production, pair.shadow, grouped(pair.count)))
        .collect();
    let excused = match comparison.excused {
        0 => String::new(),
        excused => format!("  excused {}", grouped(excused)),
    };
    format!("status     {}{excused}", pairs.join("  "))
}

fn last_line(model: &Model) -> Line<'static> {
    if model.editing {
        return Line::from(vec![
            Span::raw(format!("/{}", model.filter)),
            Span::styled("_", Style::new().add_modifier(Modifier::SLOW_BLINK)),
            Span::styled("  enter: keep  esc: show all", quiet()),
        ]);
    }
    if let Some(message) = &model.message {
        return Line::styled(harmless(message), model.look.unsure());
    }
    let pause = if model.now.as_ref().is_some_and(|now| now.paused) {
        "p resume"
    } else {
        "p pause"
    };
    let mut text = format!("q end  {pause}  r reset  tab pane  enter example  / filter  ? help");
    if !model.filter.is_empty() {
        text = format!("/{}  esc: show all  {text}", model.filter);
    }
    Line::styled(text, quiet())
}

const HELP: [&str; 13] = [
    "Keys",
    "  tab, shift-tab     next, previous pane",
    "  up, down, k, j     row up, row down",
    "  pgup, pgdn         page up, page down",
    "  home, end          first, last row",
    "  enter              show an example of the difference, or the cause; again: close it",
    "  /                  filter rows by text; esc: show all",
    "  c                  next comparison, if there are several",
    "  p                  pause or resume mirroring",
    "  r                  restart the comparison",
    "  q, ctrl-c          quit: requests in flight may finish",
    "                     again: quit at once",
    "  ?, esc             close this help",
];

fn help(frame: &mut Frame<'_>, pane: Rect) {
    let height = u16::try_from(HELP.len()).unwrap_or(u16::MAX);
    let bottom = pane.y + pane.height;
    let area = Rect {
        y: bottom.saturating_sub(height),
        height,
        ..pane
    };
    clear(frame, area);
    frame.render_widget(Text::from(HELP.map(Line::raw).to_vec()), area);
}

/// Takes away what was drawn there.
fn clear(frame: &mut Frame<'_>, area: Rect) {
    let buffer = frame.buffer_mut();
    for place in area.intersection(buffer.area).positions() {
        buffer[place].reset();
    }
}
