//! How the screen looks: styles, and texts that are as wide as there is room.

use ratatui_core::style::{Color, Modifier, Style};
use ratatui_core::text::Line;

use crate::compare::document::Verdict;

/// How things are told apart: by colour too, unless `NO_COLOR` is set (no-color.org).
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub colour: bool,
}

impl Look {
    pub fn of_environment() -> Self {
        Self {
            colour: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        }
    }

    fn coloured(self, colour: Color) -> Style {
        if self.colour {
            Style::new().fg(colour)
        } else {
            Style::new()
        }
    }

    pub fn good(self) -> Style {
        self.coloured(Color::Green).add_modifier(Modifier::BOLD)
    }

    pub fn bad(self) -> Style {
        self.coloured(Color::Red).add_modifier(Modifier::BOLD)
    }

    pub fn unsure(self) -> Style {
        self.coloured(Color::Yellow).add_modifier(Modifier::BOLD)
    }

    pub fn word(self, word: Verdict) -> Style {
        let style = match word {
            Verdict::Go => self.good(),
            Verdict::NotEnoughData => self.unsure(),
            Verdict::NoGo => self.bad(),
        };
        style.add_modifier(Modifier::REVERSED)
    }
}

/// Of what matters less.
pub(super) fn quiet() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

/// A line that begins a part of the screen.
pub(super) fn title(text: &str, width: usize) -> Line<'static> {
    let used = Line::raw(text).width() + 4;
    Line::styled(
        format!("── {text} {}", "─".repeat(width.saturating_sub(used))),
        Style::new().add_modifier(Modifier::BOLD),
    )
}

/// As much of a text as has room, in columns.
pub(super) fn fit(text: &str, width: usize) -> String {
    let mut shown: String = text.chars().take(width + 1).collect();
    if Line::raw(shown.as_str()).width() <= width {
        return shown;
    }
    while Line::raw(shown.as_str()).width() >= width.max(1) {
        shown.pop();
    }
    shown.push('…');
    shown
}

/// A text on exactly so many columns.
pub(super) fn padded(text: &str, width: usize) -> String {
    let shown = fit(text, width);
    let used = Line::raw(shown.as_str()).width();
    shown + &" ".repeat(width.saturating_sub(used))
}

/// A share from 0 to 1, in hundredths.
pub(super) fn percent(share: f64) -> String {
    format!("{:.2}%", share * 100.0)
}

/// Words in lines of this width; a longer word has a line of its own.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<Line<'static>> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.into_iter().map(Line::raw).collect()
}
