//! The signals that a run answers.
//!
//! They are caught before anything is attached: one that comes while the run starts is answered once it has
//! started, rather than kill it (as SIGTERM and SIGUSR1 would) with nothing accounted for.

use anyhow::Context as _;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals caught, to be awaited.
pub(super) struct Signals {
    /// SIGINT: end.
    pub interrupt: Signal,
    /// SIGTERM: end.
    pub terminate: Signal,
    /// SIGUSR1: write the ledger.
    pub report: Signal,
    /// SIGHUP: read the configuration file again. Without one it ends the process as ever: so a shell that is closed
    /// leaves no agent behind.
    pub reload: Option<Signal>,
}

impl Signals {
    /// Catches them from now on; they are awaited on `runtime`.
    pub fn catch(runtime: &Runtime, has_file: bool) -> anyhow::Result<Self> {
        let _inside = runtime.enter();
        let catch = |kind| signal(kind).context("cannot listen for signals");
        // A file that may not grow any more is a write that fails, and is counted: not the end of the agent.
        drop(catch(SignalKind::from_raw(libc::SIGXFSZ))?);
        Ok(Self {
            interrupt: catch(SignalKind::interrupt())?,
            terminate: catch(SignalKind::terminate())?,
            report: catch(SignalKind::user_defined1())?,
            reload: has_file.then(|| catch(SignalKind::hangup())).transpose()?,
        })
    }
}

/// Resolves at the next SIGHUP; never, where it is not caught.
pub(super) async fn hangup(reload: &mut Option<Signal>) {
    // It would say `None` when there can be no more, which a signal never does.
    if let Some(signal) = reload
        && signal.recv().await.is_some()
    {
        return;
    }
    std::future::pending::<()>().await;
}
