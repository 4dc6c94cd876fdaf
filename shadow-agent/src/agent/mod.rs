//! The life of a run: inputs attached, shards running, signals answered, everything drained and accounted.

mod account;
mod comparisons;
mod counting;
mod cpu;
mod following;
mod handing_over;
mod messages;
mod mirrors;
mod operation;
mod plans;
mod pods;
mod priority;
mod reload;
mod restart;
mod run;
mod served;
mod settings_file;
mod shard;
mod signals;
mod stats;
mod steer;
mod wanted;

use std::sync::Arc;

use anyhow::Context as _;
use tokio::sync::oneshot;

pub use self::account::{Account, CaptureReport, ConnectionReport};
use self::handing_over::HandingOver;
pub use self::mirrors::MAX_MIRRORS;
use self::mirrors::Mirrors;
use self::operation::Operation;
use self::run::{Parts, Run};
use self::settings_file::Reloading;
pub use self::settings_file::{SettingsFile, WatchedFile};
use self::shard::Source;
use self::signals::Signals;
use self::wanted::Wanted;
use crate::capture::{LiveCapture, OwnConnections, PcapFile, VxlanReader};
use crate::compare::Comparer;
use crate::compare::store::StoreWriter;
use crate::hand_over::HandOver;
use crate::input;
use crate::kubernetes::Cluster;
use crate::middleware::Middleware;
use crate::mirror::plan::Plan;
use crate::report::{LedgerFile, VerdictFile};
use crate::settings::{Limit, RawInput, Settings};
use crate::ui;

/// How a caller other than the shell follows a run and ends it.
#[derive(Debug, Default)]
pub struct Control {
    /// Told once capture is on.
    pub capturing: Option<oneshot::Sender<()>>,
    /// Ends the run as SIGTERM does.
    pub stop: Option<oneshot::Receiver<()>>,
    /// The file that the settings came from: it is followed from then on.
    pub file: Option<WatchedFile>,
}

/// Runs the agent until a signal, the caller, or the end of its capture files stops it. An error means that it
/// never started; once it has, there is a final account whatever happened, and beside it what went wrong.
pub fn run(settings: Settings, mut control: Control) -> anyhow::Result<(Account, anyhow::Result<()>)> {
    // Before any thread is started, and a middleware's program: they are as this one is.
    priority::give_way();
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let signals = Signals::catch(&runtime, control.file.is_some())?;
    anyhow::ensure!(
        !settings.ui || ui::is_possible(),
        "--ui needs a terminal: standard error and input must both be one"
    );
    let settings = Arc::new(settings);
    // While the capabilities are still there: without them root, too, may write less.
    let ledger = settings.ledger.as_deref().map(LedgerFile::open).transpose()?;
    let reports: Vec<VerdictFile> = settings
        .comparing
        .reports
        .iter()
        .map(|path| VerdictFile::open(path))
        .collect::<Result<_, _>>()?;
    let comparer = comparer(&settings)?;
    let live = settings.compares().then(|| comparer.live().clone());
    // Likewise the port: one below 1024 may need a capability, and one in use should be said first.
    let operation = Operation::prepare(&settings.operation, live)?;
    let hand_over = settings
        .operation
        .hand_over
        .as_deref()
        .map(HandOver::open)
        .transpose()?;
    // Files first: what can be known to be wrong should be said before anything is attached.
    let mut sources = opened_sources(&settings)?;
    let wanted = Wanted::of(&settings);
    let mut capture = None;
    let mut own = OwnConnections::default();
    // Either is the source of what is live.
    if let Some(vxlan) = settings
        .capture
        .vxlan
        .as_ref()
        .filter(|_| !wanted.live.is_empty())
    {
        let reader = VxlanReader::start(&wanted.live, vxlan, &settings.capture)?;
        sources.push((Source::Vxlan(Box::new(reader)), None));
    } else if !wanted.live.is_empty() || settings.kubernetes.is_some() {
        let mut started = LiveCapture::start(&wanted.live, &settings.capture)?;
        own = started.own_connections();
        sources.extend(
            started
                .take_readers()
                .into_iter()
                .map(|ring| (Source::Ring(Box::new(ring)), None)),
        );
        capture = Some(started);
    }
    // Once everything that comes may be followed, if not mirrored.
    let hand_over = hand_over.map(HandingOver::start).transpose()?;
    // After the capabilities are gone: what it runs has none either.
    let middleware = settings
        .middleware
        .as_ref()
        .map(|middleware| Middleware::start(middleware, settings.limits))
        .transpose()?;
    let mut mirrors = Mirrors::new(own, comparer.clone());
    let planned = mirrors.set(&wanted.mirrors, &[])?;
    let plan = Plan {
        addresses: wanted.addresses(&planned),
        live: wanted.live_scopes(&planned),
        admissions: wanted.admissions(&planned),
        splits: wanted.splits(&planned),
        mirrors: planned,
        ..Plan::default()
    };
    // After the capabilities are gone: it speaks to the network.
    let cluster = settings
        .kubernetes
        .as_ref()
        .map(|kubernetes| Cluster::start(kubernetes, wanted.pods.clone(), operation.for_cluster()))
        .transpose()?;
    let reloading = control.file.take().map(Reloading::start).transpose()?;
    let parts = Parts {
        mirrors,
        comparer,
        wanted,
        plan,
        capture,
        cluster,
        reloading,
        sources,
        ledger_file: ledger,
        reports,
        operation,
        middleware,
        hand_over,
    };
    let run = Run::start(&settings, parts)?;
    Ok(run.follow(control, &runtime, signals))
}

/// What compares, and keeps what it compares where that is asked for.
fn comparer(settings: &Settings) -> anyhow::Result<Comparer> {
    let comparer = Comparer::new(settings.comparing.memory, priority::give_way);
    Ok(match &settings.comparing.store {
        Some(store) => comparer.keeping(StoreWriter::create(store)?),
        None => comparer,
    })
}

/// What is not captured live: capture files, and inputs of whole messages; each with its limit, if it has one.
fn opened_sources(settings: &Settings) -> anyhow::Result<Vec<(Source, Option<Limit>)>> {
    let mut sources = Vec::new();
    for input in settings.inputs() {
        if let RawInput::File { path, ports } = input {
            let file = PcapFile::open(path, ports, settings.capture.responses)
                .with_context(|| format!("--input-raw '{}'", path.display()))?
                .with_vlans(&settings.capture.vlans);
            let limit = settings.mirrors.iter().find_map(|mirror| mirror.limits.of(input));
            sources.push((Source::File(Box::new(file)), limit));
        }
    }
    for (input, limit) in settings.messages() {
        let name = input.name();
        let opened = input::open(input).with_context(|| name.clone())?;
        let source = match opened {
            input::Opened::Messages(source) => Source::Messages { name, source },
            input::Opened::Http(input) => Source::Http { name, input },
        };
        sources.push((source, limit));
    }
    Ok(sources)
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
