//! The life of a run: inputs attached, shards running, signals answered, everything drained and accounted.

mod account;
mod capture_switch;
mod captures;
mod cluster_follower;
mod comparison_feed;
mod conditions;
mod cpu;
mod handing_over;
mod images;
mod mirror_specs;
mod mirrors;
mod names;
mod opening;
mod operation;
mod phase;
mod plan_applier;
mod plan_follower;
mod pods;
mod priority;
mod reload;
mod reporter;
mod restart;
mod run;
mod secrets;
mod settings_file;
mod shard;
mod shards;
mod signals;
mod stats;

use std::sync::Arc;

use anyhow::Context as _;
use tokio::sync::oneshot;

pub use self::account::{Account, CaptureReport, ConnectionReport};
pub use self::mirrors::MAX_MIRRORS;
use self::mirrors::Mirrors;
use self::opening::Opened;
pub use self::run::ReaderGone;
use self::run::{Parts, Run};
pub use self::secrets::SecretsReport;
use self::settings_file::Reloading;
pub use self::settings_file::{SettingsFile, WatchedFile};
use self::signals::Signals;
use crate::descriptors;
use crate::kubernetes::Cluster;
use crate::mirror::plan::Plan;
use crate::privileges;
use crate::settings::Settings;
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

/// Runs the agent until a signal, the caller, or the end of its capture files stops it. Once it has
/// started, there is a final account whatever happened, and beside it what went wrong.
///
/// # Errors
///
/// Where the run never started: a file, a port, the capture or the cluster cannot be had.
pub fn run(settings: Settings, mut control: Control) -> anyhow::Result<(Account, anyhow::Result<()>)> {
    // Before any thread is started, and a middleware's program: they are as this one is.
    priority::lower_priority();
    // Connections to the shadow are files.
    descriptors::raise_limit();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let mut signals = Signals::catch(&runtime, control.file.is_some())?;
    anyhow::ensure!(
        !settings.ui || ui::is_possible(),
        "--ui needs a terminal on both standard input and standard error"
    );
    let settings = Arc::new(settings);
    if settings.capture.tls.is_some() {
        privileges::leave_out_of_dumps();
    }
    privileges::hide_memory();
    let opened = opening::start(&settings)?;
    // That thread has what it needs; nothing else does, and no thread that is started from here on has a right.
    privileges::give_up(opening::needed(&settings))?;
    let (opened, ended) = runtime.block_on(signals.starting(opened))?;
    let Opened {
        ledger,
        reports,
        comparer,
        operation,
        sources,
        secrets,
        wanted,
        capture,
        own,
        hand_over,
        middleware,
    } = opened?;
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
    let cluster = settings
        .kubernetes
        .as_ref()
        .map(|kubernetes| Cluster::start(&kubernetes.client, wanted.pods.clone(), operation.for_cluster()))
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
        secrets,
        ledger_file: ledger,
        reports,
        operation,
        middleware,
        hand_over,
    };
    descriptors::keep_back(parts.sources.len());
    let run = Run::start(&settings, parts)?;
    names::look_up(&settings);
    Ok(run.follow(control, &runtime, signals, ended))
}
