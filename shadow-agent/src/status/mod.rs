//! The live status line on a terminal's standard error: one line, once a second, that gives way to log lines.

mod line;
mod log_lines;
mod screen;

pub use line::{Snapshot, StatusLine};
pub use screen::{LogWriter, clear, draw, flush, is_terminal, write_logs_apart};
