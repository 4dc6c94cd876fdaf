//! The live status line on a terminal's standard error: one line, once a second, that gives way to log lines. And the
//! lines of `--stats`, which are log lines themselves.

mod line;
mod log_lines;
mod screen;
mod stats;

pub use line::{Snapshot, StatusLine};
pub use screen::{LogWriter, clear, draw, flush, is_terminal, write_logs_apart};
pub use stats::{OutputStats, RunStats, of_output, of_run};
