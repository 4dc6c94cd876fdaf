//! Who writes to standard error: the status line is on its last line, and log lines go above it.
//!
//! Standard error is one for the whole process, and so is the state of its last line.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

use super::kept_lines::KeptLines;
use super::log_lines::LogLines;
use crate::privileges;

/// Back to the first column, and clear to the end of the line (ECMA-48 EL).
const CLEAR: &str = "\r\x1b[K";

/// How long what was logged is waited for, where somebody waits: standard error may be a pipe that nobody reads, or a
/// terminal that is held.
const PATIENCE: Duration = Duration::from_secs(2);

/// Columns when the terminal does not say.
const WIDTH: usize = 80;

static SHOWN: Mutex<String> = Mutex::new(String::new());

static LOG_LINES: LogLines = LogLines::new();

/// Lines that wait until the screen is given back; `None` while it is this module's.
static KEPT: Mutex<Option<KeptLines>> = Mutex::new(None);

/// Whether standard error was waited for in vain.
static STUCK: AtomicBool = AtomicBool::new(false);

/// Whether a thread writes them.
static APART: AtomicBool = AtomicBool::new(false);

/// Whether a status line can be drawn at all.
pub fn is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Draws the line that `make` gives for the terminal's width, in place of the one before. Does nothing where
/// standard error is not a terminal. Nobody waits for the terminal, which may be held.
pub fn draw(make: impl FnOnce(usize) -> String) {
    if !is_terminal() {
        return;
    }
    let width = terminal_size::terminal_size_of(io::stderr())
        .map_or(WIDTH, |(terminal_size::Width(width), _)| usize::from(width));
    // The last column stays free: some terminals wrap when it is written.
    let line = make(width.saturating_sub(1));
    if APART.load(Relaxed) {
        LOG_LINES.set_status(line);
    } else {
        show(line);
    }
}

/// Takes the line off, before the end or a table. What was logged before is above: waits until it is written, but not for
/// a reader that does not read.
pub fn clear() {
    if APART.load(Relaxed) {
        LOG_LINES.set_status(String::new());
        flush(PATIENCE);
    } else {
        show(String::new());
    }
}

/// Prints text, below what was logged, and waits for it as [`clear`] does: whoever ends goes on to end.
pub fn print(text: &str) {
    if APART.load(Relaxed) {
        // First: what has no room is dropped.
        flush(PATIENCE);
        LOG_LINES.push(text.as_bytes());
        flush(PATIENCE);
    } else {
        eprint!("{text}");
    }
}

/// Puts a line in the place of the one that is shown.
fn show(line: String) {
    let mut shown = lock();
    if line.is_empty() && shown.is_empty() {
        return;
    }
    *shown = line;
    // Where nobody reads any more, there is nobody to tell.
    let _ = write!(io::stderr().lock(), "{CLEAR}{shown}");
}

/// From now on, log lines are written by a thread of their own, so that no other waits for standard error. Where
/// that thread cannot be, each writes its own as before.
pub fn write_logs_apart() {
    if APART.swap(true, Relaxed) {
        return;
    }
    let started = privileges::thread("log", &[], || -> () {
        loop {
            let (lines, status) = LOG_LINES.take();
            if !lines.is_empty() {
                // Where nobody reads any more, there is nobody to tell.
                let _ = write_above(&lines);
            }
            if let Some(status) = status
                && lock_kept().is_none()
            {
                show(status);
            }
            LOG_LINES.written();
        }
    });
    if started.is_err() {
        APART.store(false, Relaxed);
    }
}

/// Waits until all that was logged is written, for so long at most; whether it is. Who has been waited for in vain is not
/// waited for again.
pub fn flush(patience: Duration) -> bool {
    if !APART.load(Relaxed) {
        return true;
    }
    let patience = if STUCK.load(Relaxed) {
        Duration::ZERO
    } else {
        patience
    };
    let is_written = LOG_LINES.flush(patience);
    STUCK.store(!is_written, Relaxed);
    is_written
}

/// From now on, the screen is somebody else's: log lines are kept until [`give_lines_back`].
pub fn keep_lines() {
    lock_kept().get_or_insert_default();
}

/// The screen is this module's again: writes what was kept.
pub fn give_lines_back() {
    let mut kept = lock_kept();
    if let Some(lines) = kept.take() {
        // Where nobody reads any more, there is nobody to tell.
        let _ = io::stderr().lock().write_all(lines.text().as_bytes());
    }
}

/// The lines that are kept now, where there have been others than so many.
pub fn kept_lines(known: u64) -> Option<KeptLines> {
    lock_kept().as_ref().filter(|kept| kept.total() != known).cloned()
}

fn lock_kept() -> MutexGuard<'static, Option<KeptLines>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write_above(lines: &[u8]) -> io::Result<()> {
    // Held until it is written, so that what was kept comes first.
    let mut kept = lock_kept();
    if let Some(kept) = kept.as_mut() {
        kept.push(lines);
        return Ok(());
    }
    let shown = lock();
    io::stderr().lock().write_all(&above(lines, &shown))
}

fn lock() -> MutexGuard<'static, String> {
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where log lines are written, at once or by a thread of their own: they push the status line down rather than mix with it.
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
        if APART.load(Relaxed) {
            LOG_LINES.push(line);
        } else {
            write_above(line)?;
        }
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
