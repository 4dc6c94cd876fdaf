//! Who writes to standard error: the status line is on its last line, and log lines go above it.
//!
//! Standard error is one for the whole process, and so is the state of its last line.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use caps::CapSet;
use tracing_subscriber::fmt::MakeWriter;

use super::kept_lines::KeptLines;
use super::log_lines::LogLines;

/// Back to the first column, and clear to the end of the line (ECMA-48 EL).
const CLEAR: &str = "\r\x1b[K";

/// Columns when the terminal does not say.
const WIDTH: usize = 80;

static SHOWN: Mutex<String> = Mutex::new(String::new());

static LOG_LINES: LogLines = LogLines::new();

/// Lines that wait until the screen is given back; `None` while it is this module's.
static KEPT: Mutex<Option<KeptLines>> = Mutex::new(None);

/// Whether a thread writes them.
static APART: AtomicBool = AtomicBool::new(false);

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

/// Takes the line off, before the end or a table. What was logged before is above: waits until it is written, as
/// what is printed next would.
pub fn clear() {
    flush(Duration::MAX);
    let mut shown = lock();
    if !shown.is_empty() {
        shown.clear();
        let _ = write!(io::stderr().lock(), "{CLEAR}");
    }
}

/// From now on, log lines are written by a thread of their own, so that no other waits for standard error. Where
/// that thread cannot be, each writes its own as before.
pub fn write_logs_apart() {
    if APART.swap(true, Relaxed) {
        return;
    }
    let started = thread::Builder::new().name("log".to_owned()).spawn(|| {
        // Capabilities are a thread's own, and this one has no use for any.
        for set in [CapSet::Effective, CapSet::Permitted, CapSet::Inheritable] {
            if let Err(error) = caps::clear(None, set) {
                tracing::debug!(%error, "the log thread keeps capabilities");
            }
        }
        loop {
            let lines = LOG_LINES.take();
            // Where nobody reads any more, there is nobody to tell.
            let _ = write_above(&lines);
            LOG_LINES.written();
        }
    });
    if started.is_err() {
        APART.store(false, Relaxed);
    }
}

/// Waits until all that was logged is written, for so long at most.
pub fn flush(patience: Duration) {
    if APART.load(Relaxed) {
        LOG_LINES.flush(patience);
    }
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
