//! The model of the screen, and how keys change it: no terminal, no clock.

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::Moment;
use super::look::Look;
use super::sanitize::{harmless, without_colours};
use crate::compare::document::{Cause, Comparison, DifferenceRow, Document, Endpoint, Example};
use crate::compare::live::Published;
use crate::report::wrong;
use crate::status::KeptLines;

/// Most characters of a filter.
const MAX_FILTER: usize = 60;

/// Action asked for by a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    None,
    Quit,
    Reset,
    Pause,
    Resume,
}

/// A list that can be scrolled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pane {
    Differences,
    Causes,
    Endpoints,
    Log,
}

impl Pane {
    pub const ALL: [Self; 4] = [Self::Differences, Self::Causes, Self::Endpoints, Self::Log];

    pub fn title(self) -> &'static str {
        match self {
            Self::Differences => "Differences",
            Self::Causes => "Causes",
            Self::Endpoints => "Endpoints",
            Self::Log => "Log",
        }
    }
}

/// Overlay over the panes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Over {
    Nothing,
    Help,
    /// The example of this id, scrolled down by so many lines.
    Example(String, usize),
    /// The cause of this name, likewise.
    Cause(String, usize),
}

/// A name that a cause keeps while its counts grow: its place, and its endpoint where it has one.
fn name_of(comparison: &Comparison, cause: &Cause) -> String {
    let mut rows = cause.rows.iter().filter_map(|at| comparison.differences.get(*at));
    let (Some(first), is_alone) = (rows.next(), rows.next().is_none()) else {
        return cause.what.clone();
    };
    let endpoint = if is_alone { first.endpoint.as_str() } else { "" };
    format!("{}\n{}\n{endpoint}", first.path, first.kind.name())
}

/// Where a list is: the row that is chosen, and the first that is shown.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ListPosition {
    pub chosen: usize,
    pub first: usize,
}

pub(super) struct Model {
    pub look: Look,
    pub before: Option<Moment>,
    pub now: Option<Moment>,
    published: Option<Arc<Published>>,
    log: Vec<String>,
    logged: u64,
    /// Which comparison is shown, where there are several.
    shown: usize,
    pub pane: Pane,
    places: [ListPosition; 4],
    pub over: Over,
    pub filter: String,
    /// Whether keys go to the filter.
    pub editing: bool,
    pub message: Option<String>,
    /// Rows of the list, as it was drawn last.
    pub page: usize,
}

impl Model {
    pub fn new(look: Look) -> Self {
        Self {
            look,
            before: None,
            now: None,
            published: None,
            log: Vec::new(),
            logged: 0,
            shown: 0,
            pane: Pane::Differences,
            places: [ListPosition::default(); 4],
            over: Over::Nothing,
            filter: String::new(),
            editing: false,
            message: None,
            page: 1,
        }
    }

    /// Takes the run as it is now; rates are since the one before.
    pub fn tell(&mut self, moment: Moment) {
        self.before = self.now.replace(moment);
    }

    /// Takes a document; whether it is another one.
    pub fn show(&mut self, published: Arc<Published>) -> bool {
        let other = self.published.as_ref().map(|before| before.number) != Some(published.number);
        self.published = Some(published);
        other
    }

    /// How many lines have been logged, as far as it was told.
    pub fn logged(&self) -> u64 {
        self.logged
    }

    /// Takes what was logged. Where the last line was chosen, the last one is again.
    pub fn log(&mut self, kept: &KeptLines) {
        let at_end = self.places[Pane::Log as usize].chosen + 1 >= self.log.len();
        self.logged = kept.total();
        self.log = kept.lines().map(without_colours).collect();
        if at_end {
            self.places[Pane::Log as usize].chosen = self.log.len().saturating_sub(1);
        }
    }

    /// Says something on the last line, until the next key.
    pub fn say(&mut self, message: String) {
        self.message = Some(message);
    }

    pub fn document(&self) -> Option<&Document> {
        self.published.as_ref().map(|published| &published.document)
    }

    /// The comparison that is shown, its place, and how many there are.
    pub fn comparison(&self) -> Option<(&Comparison, usize, usize)> {
        let all = &self.document()?.comparisons;
        let place = self.shown.min(all.len().saturating_sub(1));
        all.get(place).map(|comparison| (comparison, place, all.len()))
    }

    pub fn differences(&self) -> Vec<&DifferenceRow> {
        let rows = self.comparison().map(|(comparison, ..)| &comparison.differences);
        rows.into_iter()
            .flatten()
            .filter(|row| self.wants(&[&row.endpoint, &row.path, row.kind.name()]))
            .collect()
    }

    /// Causes of what counts, the gravest first.
    pub fn causes(&self) -> Vec<&Cause> {
        let causes = self.comparison().map(|(comparison, ..)| &comparison.causes);
        let causes = causes.into_iter().flatten();
        causes.filter(|cause| self.wants(&[&cause.what])).collect()
    }

    /// The cause of this name, and its comparison.
    pub fn cause(&self, name: &str) -> Option<(&Comparison, &Cause)> {
        let (comparison, ..) = self.comparison()?;
        let mut causes = comparison.causes.iter();
        let cause = causes.find(|cause| name_of(comparison, cause) == name)?;
        Some((comparison, cause))
    }

    /// Endpoints, those first that most speaks against.
    pub fn endpoints(&self) -> Vec<&Endpoint> {
        let rows = self.comparison().map(|(comparison, ..)| &comparison.endpoints);
        let rows = rows.into_iter().flatten();
        let mut rows: Vec<_> = rows.filter(|row| self.wants(&[&row.name])).collect();
        rows.sort_by(|a, b| wrong(b).total_cmp(&wrong(a)));
        rows
    }

    pub fn log_lines(&self) -> Vec<&str> {
        let lines = self.log.iter().map(String::as_str);
        lines.filter(|line| self.wants(&[line])).collect()
    }

    /// Whether one of the texts has the filter in it, whatever the case of its ASCII letters.
    fn wants(&self, texts: &[&str]) -> bool {
        let filter = self.filter.to_ascii_lowercase();
        filter.is_empty()
            || texts
                .iter()
                .any(|text| text.to_ascii_lowercase().contains(&filter))
    }

    /// Rows of the pane in front.
    fn rows(&self) -> usize {
        match self.pane {
            Pane::Differences => self.differences().len(),
            Pane::Causes => self.causes().len(),
            Pane::Endpoints => self.endpoints().len(),
            Pane::Log => self.log_lines().len(),
        }
    }

    /// An example of the comparison in front, and that.
    pub fn example(&self, id: &str) -> Option<(&Comparison, &Example)> {
        let (comparison, ..) = self.comparison()?;
        let example = comparison.examples.iter().find(|example| example.id == id)?;
        Some((comparison, example))
    }

    /// Where the list in front is, with the chosen row on a page of so many rows.
    pub fn place(&mut self, page: usize) -> ListPosition {
        let rows = self.rows();
        self.page = page.max(1);
        let place = &mut self.places[self.pane as usize];
        place.chosen = place.chosen.min(rows.saturating_sub(1));
        let lowest = (place.chosen + 1).saturating_sub(self.page);
        place.first = place.first.clamp(lowest, place.chosen.max(lowest));
        // A list that became shorter fills the page.
        place.first = place.first.min(rows.saturating_sub(self.page).max(lowest));
        *place
    }

    /// Does what a key says; what it asks of the run.
    pub fn key(&mut self, key: KeyEvent) -> Action {
        self.message = None;
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if control => return Action::Quit,
            _ if self.editing => self.edit(key.code),
            KeyCode::Char('q') => return Action::Quit,
            KeyCode::Char('r') => return Action::Reset,
            KeyCode::Char('p') => {
                let paused = self.now.as_ref().is_some_and(|now| now.paused);
                return if paused { Action::Resume } else { Action::Pause };
            }
            KeyCode::Char('?') => {
                self.over = if self.over == Over::Help {
                    Over::Nothing
                } else {
                    Over::Help
                };
            }
            KeyCode::Esc if self.over == Over::Nothing => self.filter.clear(),
            KeyCode::Esc => self.over = Over::Nothing,
            KeyCode::Char('/') => {
                self.over = Over::Nothing;
                self.editing = true;
            }
            KeyCode::Char('c') => {
                let (place, count) = self.comparison().map_or((0, 1), |(_, at, all)| (at, all));
                self.shown = (place + 1) % count.max(1);
                self.over = Over::Nothing;
            }
            KeyCode::Tab => self.turn(1),
            KeyCode::BackTab => self.turn(Pane::ALL.len() - 1),
            KeyCode::Enter => self.open(),
            code => self.scroll(code),
        }
        Action::None
    }

    fn edit(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter => self.editing = false,
            KeyCode::Esc => {
                self.editing = false;
                self.filter.clear();
            }
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Char(character) if self.filter.chars().count() < MAX_FILTER => {
                self.filter += &harmless(character.encode_utf8(&mut [0; 4]));
            }
            _ => {}
        }
    }

    fn turn(&mut self, by: usize) {
        self.over = Over::Nothing;
        self.pane = Pane::ALL[(self.pane as usize + by) % Pane::ALL.len()];
    }

    /// Opens an example of the difference that is chosen, or the cause.
    fn open(&mut self) {
        let chosen = self.places[self.pane as usize].chosen;
        if self.pane == Pane::Causes
            && self.over == Over::Nothing
            && let Some((comparison, ..)) = self.comparison()
            && let Some(cause) = self.causes().get(chosen)
        {
            self.over = Over::Cause(name_of(comparison, cause), 0);
            return;
        }
        if self.pane != Pane::Differences || self.over != Over::Nothing {
            self.over = Over::Nothing;
            return;
        }
        let differences = self.differences();
        let Some(row) = differences.get(chosen) else {
            return;
        };
        let kept = row.examples.iter().find(|id| self.example(id).is_some()).cloned();
        match kept {
            Some(id) => self.over = Over::Example(id, 0),
            None => self.say("no example was kept".to_owned()),
        }
    }

    fn scroll(&mut self, code: KeyCode) {
        let rows = self.rows();
        let (page, at) = match &mut self.over {
            Over::Nothing => (self.page, &mut self.places[self.pane as usize].chosen),
            Over::Help => return,
            Over::Example(_, at) | Over::Cause(_, at) => (self.page, at),
        };
        *at = match code {
            KeyCode::Up | KeyCode::Char('k') => at.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => at.saturating_add(1),
            KeyCode::PageUp => at.saturating_sub(page),
            KeyCode::PageDown => at.saturating_add(page),
            KeyCode::Home => 0,
            KeyCode::End => usize::MAX,
            _ => *at,
        };
        if self.over == Over::Nothing {
            let place = &mut self.places[self.pane as usize];
            place.chosen = place.chosen.min(rows.saturating_sub(1));
        }
    }
}
