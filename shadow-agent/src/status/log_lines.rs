//! Log lines on their way to standard error: a bounded buffer that a thread of its own empties.
//!
//! Who logs never waits for who reads: shards log on the capture thread, and a terminal that is held (Ctrl-S) or a
//! pipe that nobody reads would stop them. Lines that do not fit are dropped and counted, and the count is
//! written in their place.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes that may wait; a line has some hundred.
const MAX_WAITING: usize = 256 * 1024;

/// A bounded buffer of log lines, emptied by its own thread.
#[derive(Debug)]
pub(super) struct LogLines {
    buffer: Mutex<Buffer>,
    changed: Condvar,
}

#[derive(Debug)]
struct Buffer {
    lines: Vec<u8>,
    /// New text of the status line.
    status: Option<String>,
    /// Lines dropped since the last were taken out.
    dropped: u64,
    /// Whether lines that were taken out are being written.
    writing: bool,
}

impl LogLines {
    pub(super) const fn new() -> Self {
        Self {
            buffer: Mutex::new(Buffer {
                lines: Vec::new(),
                status: None,
                dropped: 0,
                writing: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// Adds a line, or counts it as dropped. The lock is held by nobody who waits for anything else.
    pub(super) fn push(&self, line: &[u8]) {
        let mut buffer = self.lock();
        // Once one was dropped, so are those behind it, until there is room for many: what is written has no
        // holes but those it tells of.
        if buffer.dropped > 0 || buffer.lines.len() + line.len() > MAX_WAITING {
            buffer.dropped += 1;
        } else {
            buffer.lines.extend_from_slice(line);
            self.changed.notify_all();
        }
    }

    /// Has the status line say something else, in place of what it was to say.
    pub(super) fn set_status(&self, status: String) {
        self.lock().status = Some(status);
        self.changed.notify_all();
    }

    /// Waits for lines and takes them all out, and what the status line is to say, for [`Self::written`] to be called once
    /// that is done. The thread that writes calls it, and no other.
    pub(super) fn take(&self) -> (Vec<u8>, Option<String>) {
        let mut buffer = self
            .changed
            .wait_while(self.lock(), |buffer| buffer.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        buffer.writing = true;
        let mut lines = std::mem::take(&mut buffer.lines);
        let status = buffer.status.take();
        let dropped = std::mem::take(&mut buffer.dropped);
        drop(buffer);
        if dropped > 0 {
            let notice = format!("dropped {dropped} log lines: standard error was not read fast enough\n");
            lines.extend_from_slice(notice.as_bytes());
        }
        (lines, status)
    }

    /// Marks everything that was taken out as written.
    pub(super) fn written(&self) {
        self.lock().writing = false;
        self.changed.notify_all();
    }

    /// Waits until everything that was added is written, for so long at most; whether it is. Where it is not, whoever reads
    /// does not.
    pub(super) fn flush(&self, patience: Duration) -> bool {
        let (buffer, _) = self
            .changed
            .wait_timeout_while(self.lock(), patience, |buffer| buffer.is_unwritten())
            .unwrap_or_else(PoisonError::into_inner);
        !buffer.is_unwritten()
    }

    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Buffer {
    fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.status.is_none() && self.dropped == 0
    }

    fn is_unwritten(&self) -> bool {
        !self.is_empty() || self.writing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_out_together_and_in_order() {
        let lines = LogLines::new();
        lines.push(b"one\n");
        lines.push(b"two\n");
        assert_eq!(lines.take().0, b"one\ntwo\n");
    }

    #[test]
    fn a_reader_that_stalls_costs_lines_that_are_counted() {
        let lines = LogLines::new();
        lines.push(b"before\n");
        // The writer is stuck with this from here on.
        assert_eq!(lines.take().0, b"before\n");
        let line = [b'x'; 1024];
        for _ in 0..1_000 {
            lines.push(&line);
        }
        lines.push(b"short\n");
        lines.written();
        let taken = lines.take().0;
        let notice = b"dropped 745 log lines: standard error was not read fast enough\n";
        assert_eq!(taken.len(), MAX_WAITING + notice.len());
        assert!(taken.ends_with(notice));
        lines.written();
        lines.push(b"after\n");
        assert_eq!(lines.take().0, b"after\n");
    }

    #[test]
    fn of_what_the_status_line_is_to_say_the_last_is_taken() {
        let lines = LogLines::new();
        lines.set_status("seen 1".to_owned());
        lines.push(b"a line\n");
        lines.set_status("seen 2".to_owned());
        assert_eq!(lines.take(), (b"a line\n".to_vec(), Some("seen 2".to_owned())));
    }

    #[test]
    fn a_flush_waits_for_what_is_added_and_for_what_is_being_written() {
        let lines = LogLines::new();
        assert!(lines.flush(Duration::ZERO));
        lines.push(b"one\n");
        assert!(!lines.flush(Duration::ZERO));
        let _ = lines.take().0;
        assert!(!lines.flush(Duration::ZERO));
        lines.written();
        assert!(lines.flush(Duration::ZERO));
        std::thread::scope(|scope| {
            lines.push(b"two\n");
            scope.spawn(|| {
                let _ = lines.take().0;
                lines.written();
            });
            assert!(lines.flush(Duration::MAX));
        });
    }
}
