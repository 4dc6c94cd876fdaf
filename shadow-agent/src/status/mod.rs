//! The live status line on a terminal's standard error: one line, once a second, that gives way to log lines.

mod line;
mod screen;

pub use line::{Snapshot, StatusLine};
pub use screen::{LogWriter, clear, draw, is_terminal};
