//! The terminal while it is ours: taken whole, and given back as it was, whatever happens.
//!
//! The screen is drawn on standard error, where the status line would be: standard output may carry messages
//! (`--output-stdout`). A panic gives it back before it says a word; the release build ends in one without unwinding.

use std::io::{self, BufWriter, IsTerminal, Stderr};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crossterm::cursor::{Hide, Show};
use crossterm::execute;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use ratatui_core::backend::Backend;
use ratatui_core::terminal::Frame;

use super::backend::Screen;
use crate::status;

/// Bytes of a screen that are written at once: flicker is what comes in pieces.
const BUFFER: usize = 64 * 1024;

/// Whether the screen is ours. It is one for the process.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Whether there is a terminal to draw on and to read keys from.
pub fn is_possible() -> bool {
    io::stderr().is_terminal() && io::stdin().is_terminal()
}

/// The terminal in full-screen mode. Dropping it restores the screen.
pub(super) struct Terminal(ratatui_core::terminal::Terminal<Screen<BufWriter<Stderr>>>);

impl Terminal {
    /// Takes the screen.
    pub fn take() -> io::Result<Self> {
        give_back_on_panic();
        status::clear();
        status::keep_lines();
        TAKEN.store(true, Relaxed);
        let taken = enable_raw_mode()
            .and_then(|()| execute!(io::stderr(), EnterAlternateScreen, Hide))
            .and_then(|()| {
                let backend = Screen(BufWriter::with_capacity(BUFFER, io::stderr()));
                ratatui_core::terminal::Terminal::new(backend)
            });
        taken.map(Self).inspect_err(|_| give_back())
    }

    /// Draws a whole screen; what differs from the one before is written.
    pub fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.0.draw(draw)?;
        Backend::flush(self.0.backend_mut())
    }
}

/// Whether the screen is ours still: a panic gives it back.
pub(super) fn is_taken() -> bool {
    TAKEN.load(Relaxed)
}

impl Drop for Terminal {
    fn drop(&mut self) {
        give_back();
    }
}

/// Gives the screen back, if it is ours; then what was logged meanwhile is written.
fn give_back() {
    if !TAKEN.swap(false, Relaxed) {
        return;
    }
    // A terminal that has gone needs nothing back.
    let _ = execute!(io::stderr(), LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
    status::give_lines_back();
}

fn give_back_on_panic() {
    static HOOKED: Once = Once::new();
    HOOKED.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            give_back();
            report(info);
        }));
    });
}
