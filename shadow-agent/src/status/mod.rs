//! The live status line on a terminal's standard error: one line, once a second, that gives way to log lines. And the
//! lines of `--stats`, which are log lines themselves.

mod kept_lines;
mod line;
mod log_lines;
mod screen;
mod stats;

pub use kept_lines::KeptLines;
pub use line::{Snapshot, StatusLine};
pub(crate) use line::{milliseconds, rate};
pub use screen::{
    LogWriter, clear, draw, flush, give_lines_back, is_terminal, keep_lines, kept_lines, print,
    write_logs_apart,
};
pub use stats::{OutputStats, RunStats, of_output, of_run};
