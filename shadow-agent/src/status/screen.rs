//! Who writes to standard error: the status line is on its last line, and log lines go above it.
//!
//! Standard error is one for the whole process, and so is the state of its last line.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

/// Back to the first column, and clear to the end of the line (ECMA-48 EL).
const CLEAR: &str = "\r\x1b[K";

/// Columns when the terminal does not say.
const WIDTH: usize = 80;

static SHOWN: Mutex<String> = Mutex::new(String::new());

/// Whether a status line can be drawn at all.
pub fn is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Draws the line that `make` gives for the terminal's width, in place of the one before. Does nothing where
/// standard error is not a terminal.
pub fn draw(make: impl FnOnce(usize) -> String) {
    if !is_terminal() {
        return;
    }
    let width = terminal_size::terminal_size_of(io::stderr())
        .map_or(WIDTH, |(terminal_size::Width(width), _)| usize::from(width));
    // The last column stays free: some terminals wrap when it is written.
    let line = make(width.saturating_sub(1));
    let mut shown = lock();
    *shown = line;
    let _ = write!(io::stderr().lock(), "{CLEAR}{shown}");
}

/// Takes the line off, before the end or a table.
pub fn clear() {
    let mut shown = lock();
    if !shown.is_empty() {
        shown.clear();
        let _ = write!(io::stderr().lock(), "{CLEAR}");
    }
}

fn lock() -> MutexGuard<'static, String> {
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where log lines are written: they push the status line down rather than mix with it.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogWriter;

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = LogWriter;

    fn make_writer(&'a self) -> Self::Writer {
        *self
    }
}

impl Write for LogWriter {
    /// Called once for each whole log line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let shown = lock();
        io::stderr().lock().write_all(&above(line, &shown))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The bytes that put a log line above the status line that is shown.
fn above(line: &[u8], shown: &str) -> Vec<u8> {
    if shown.is_empty() {
        return line.to_vec();
    }
    [CLEAR.as_bytes(), line, shown.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_takes_the_place_of_the_status_line_which_follows_it() {
        assert_eq!(above(b"a warning\n", "seen 5/s"), b"\r\x1b[Ka warning\nseen 5/s");
    }

    #[test]
    fn without_a_status_line_a_log_line_is_itself() {
        assert_eq!(above(b"a warning\n", ""), b"a warning\n");
    }
}
