//! The signals that a run answers.
//!
//! They are caught before anything is opened, and answered while that goes on, too: one that comes while the run starts
//! ends it in order once it has started, or ends the start where that does not come to an end ([`Signals::starting`]).
#![allow(
    unsafe_code,
    reason = "no safe wrapper among the dependencies asks what a signal does without changing it"
)]

use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long a start that is to end may go on, so that what it has opened and attached is put back in order.
const PATIENCE: Duration = Duration::from_secs(2);

/// Signals caught, to be awaited.
pub(super) struct Signals {
    /// SIGINT: end.
    pub interrupt: Signal,
    /// SIGTERM: end.
    pub terminate: Signal,
    /// SIGUSR1: write the ledger.
    pub report: Signal,
    /// SIGHUP, unless whoever started the agent has it ignored (`nohup`).
    pub hangup: Option<Signal>,
    /// Whether that is to read the configuration file again. Without one it ends the run: so a shell that is closed leaves
    /// no agent behind.
    pub reloads: bool,
}

/// Meanings of SIGHUP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hangup {
    /// To read the configuration file again.
    Reload,
    /// To end.
    End,
}

impl Signals {
    /// Catches them from now on; they are awaited on `runtime`.
    pub fn catch(runtime: &Runtime, has_file: bool) -> anyhow::Result<Self> {
        let _inside = runtime.enter();
        let catch = |kind| signal(kind).context("cannot listen for signals");
        // A file that may not grow any more is a write that fails, and is counted: not the end of the agent.
        drop(catch(SignalKind::from_raw(libc::SIGXFSZ))?);
        let hangs_up = has_file || !is_ignored(libc::SIGHUP);
        Ok(Self {
            interrupt: catch(SignalKind::interrupt())?,
            terminate: catch(SignalKind::terminate())?,
            report: catch(SignalKind::user_defined1())?,
            hangup: hangs_up.then(|| catch(SignalKind::hangup())).transpose()?,
            reloads: has_file,
        })
    }

    /// Waits for what is being opened; and whether the run is to end at once. An error where it was told to end and what is
    /// opened does not come to an end.
    pub async fn starting<T>(&mut self, mut opened: oneshot::Receiver<T>) -> anyhow::Result<(T, bool)> {
        let lost = "the startup thread panicked: please report this bug";
        let name = tokio::select! {
            opened = &mut opened => return Ok((opened.context(lost)?, false)),
            name = self.ended() => name,
        };
        match timeout(PATIENCE, opened).await {
            Ok(opened) => Ok((opened.context(lost)?, true)),
            Err(_) => {
                bail!("{name} during startup: opening or reading a file was blocking")
            }
        }
    }

    /// Resolves when a signal asks to end; which.
    async fn ended(&mut self) -> &'static str {
        let reloads = self.reloads;
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.terminate.recv() => return "SIGTERM",
                // The file is read anyway.
                () = hung_up(&mut self.hangup) => if !reloads {
                    return "SIGHUP";
                },
            }
        }
    }
}

/// Resolves at the next SIGHUP: what it asks for.
pub(super) async fn hangup(signal: &mut Option<Signal>, reloads: bool) -> Hangup {
    hung_up(signal).await;
    if reloads { Hangup::Reload } else { Hangup::End }
}

/// Resolves at the next SIGHUP; never, where it is not caught.
async fn hung_up(hangup: &mut Option<Signal>) {
    // It would say `None` when there can be no more, which a signal never does.
    if let Some(signal) = hangup
        && signal.recv().await.is_some()
    {
        return;
    }
    std::future::pending::<()>().await;
}

/// Whether this process was started with a signal ignored.
fn is_ignored(signal: libc::c_int) -> bool {
    // SAFETY: all zeros is a valid sigaction.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: nothing is changed where no action is given, and `action` is valid for the call.
    let asked = unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut action) };
    asked == 0 && action.sa_sigaction == libc::SIG_IGN
}
