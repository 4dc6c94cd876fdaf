//! The life of a run: inputs attached, shards running, signals answered, everything drained and accounted.

mod account;
mod cpu;
mod operation;
mod priority;
mod run;
mod shard;
mod signals;
mod steer;

use std::sync::Arc;

use anyhow::Context as _;
use tokio::sync::oneshot;

pub use self::account::{Account, CaptureReport, ConnectionReport};
use self::operation::Operation;
use self::run::Run;
use self::shard::Source;
use self::signals::Signals;
use crate::capture::{LiveCapture, OwnConnections, PcapFile};
use crate::output::Outputs;
use crate::report::LedgerFile;
use crate::settings::{RawInput, Settings};

/// How a caller other than the shell follows a run and ends it.
#[derive(Debug, Default)]
pub struct Control {
    /// Told once capture is on.
    pub capturing: Option<oneshot::Sender<()>>,
    /// Ends the run as SIGTERM does.
    pub stop: Option<oneshot::Receiver<()>>,
}

/// Runs the agent until a signal, the caller, or the end of its capture files stops it. An error means that it
/// never started; once it has, there is a final account whatever happened, and beside it what went wrong.
pub fn run(settings: Settings, control: Control) -> anyhow::Result<(Account, anyhow::Result<()>)> {
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let signals = Signals::catch(&runtime)?;
    let settings = Arc::new(settings);
    // While the capabilities are still there: without them root, too, may write less.
    let ledger = settings.ledger.as_deref().map(LedgerFile::open).transpose()?;
    // Likewise the port: one below 1024 may need a capability, and one in use should be said first.
    let operation = Operation::prepare(&settings.operation)?;
    let mut sources = Vec::new();
    // Files first: what can be known to be wrong should be said before anything is attached.
    for input in &settings.inputs {
        if let RawInput::File { path, ports } = input {
            let file = PcapFile::open(path, ports, settings.capture.track_response)
                .with_context(|| format!("--input-raw '{}'", path.display()))?;
            sources.push(Source::File(Box::new(file)));
        }
    }
    let live: Vec<RawInput> = settings
        .inputs
        .iter()
        .filter(|input| matches!(input, RawInput::Live { .. }))
        .cloned()
        .collect();
    let mut capture = None;
    let mut own = OwnConnections::default();
    if !live.is_empty() {
        let mut started = LiveCapture::start(&live, &settings.capture)?;
        own = started.own_connections();
        sources.extend(
            started
                .take_readers()
                .into_iter()
                .map(|ring| Source::Ring(Box::new(ring))),
        );
        capture = Some(started);
    }
    let outputs = Arc::new(Outputs::new(&settings.outputs, &own)?);
    let run = Run::start(&settings, outputs, capture, sources, ledger, operation)?;
    Ok(run.follow(control, &runtime, signals))
}

/// Connections to the shadow are files: the soft limit is often 1024, the hard one is what was granted.
fn raise_file_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
        && let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
    {
        tracing::debug!(%error, soft, hard, "cannot raise the limit of open files");
    }
}
