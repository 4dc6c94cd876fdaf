//! Everything that a run opens before it gives up root's privileges: files, ports, the capture, and the middleware's program.

use std::sync::Arc;

use anyhow::Context as _;
use caps::Capability;
use tokio::sync::oneshot;

use super::captures::{captures, content};
use super::handing_over::HandingOver;
use super::mirror_specs::MirrorSpecs;
use super::operation::Operation;
use super::priority;
use super::secrets::Secrets;
use super::shard::Source;
use crate::capture::{LiveCapture, OwnConnections, PcapFiles, VxlanReader};
use crate::compare::Comparer;
use crate::compare::store::{StorePlace, StoreWriter};
use crate::hand_over::HandOver;
use crate::input;
use crate::middleware::Middleware;
use crate::privileges;
use crate::report::{LedgerFile, VerdictFile};
use crate::settings::{Limit, Settings};

/// All of it, open.
pub(super) struct Opened {
    pub ledger: Option<LedgerFile>,
    pub reports: Vec<VerdictFile>,
    /// The comparing thread, with its store if configured.
    pub comparer: Comparer,
    pub operation: Operation,
    /// Each with its limit, if it has one of its own.
    pub sources: Vec<(Source, Option<Limit>)>,
    pub secrets: Secrets,
    pub wanted: MirrorSpecs,
    pub capture: Option<LiveCapture>,
    pub own: OwnConnections,
    pub hand_over: Option<HandingOver>,
    pub middleware: Option<Middleware>,
}

/// Opens all of it on a thread of its own: so signals are answered however long that takes. The thread alone has the rights
/// that this one gives up when it has been started, and ends with them.
pub(super) fn start(settings: &Arc<Settings>) -> anyhow::Result<oneshot::Receiver<anyhow::Result<Opened>>> {
    let (tell, opened) = oneshot::channel();
    let settings = Arc::clone(settings);
    std::thread::Builder::new()
        .name("start".to_owned())
        .spawn(move || {
            // Nobody waits for it where the start was ended.
            let _ = tell.send(Opened::open(&settings));
        })
        .context("cannot start a thread")?;
    Ok(opened)
}

/// Capabilities that the run keeps once everything is open: shards and the thread that watches interfaces use maps.
pub(super) fn needed(settings: &Settings) -> &'static [Capability] {
    let captures = settings.kubernetes.is_some() || !MirrorSpecs::of(settings).live.is_empty();
    if captures && settings.capture.vxlan.is_none() {
        LiveCapture::needs()
    } else {
        &[]
    }
}

impl Opened {
    /// Opens all of it; then this thread, and so what it starts from then on, can do nothing any more that needs a right.
    fn open(settings: &Arc<Settings>) -> anyhow::Result<Self> {
        let ledger = settings.ledger.as_deref().map(LedgerFile::open).transpose()?;
        let reports: Vec<VerdictFile> = settings
            .comparing
            .reports
            .iter()
            .map(|path| VerdictFile::open(path))
            .collect::<Result<_, _>>()?;
        let comparer = Comparer::new(settings.comparing.memory, priority::lower_priority);
        let store = settings.comparing.store.as_ref();
        let store = store.map(StorePlace::create).transpose()?;
        let live = settings.compares().then(|| comparer.live().clone());
        // A port below 1024 may need a capability, and one in use should be said first.
        let operation = Operation::prepare(&settings.operation, live)?;
        let hand_over = settings
            .operation
            .hand_over
            .as_deref()
            .map(HandOver::open)
            .transpose()?;
        // Files first: what can be known to be wrong should be said before anything is attached.
        let mut secrets = Secrets::open(settings)?;
        let mut sources = opened_sources(settings, &secrets)?;
        let wanted = MirrorSpecs::of(settings);
        let mut capture: Option<LiveCapture> = None;
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
            // Before the first packet: a connection whose handshake is seen has its secrets taken.
            secrets.take_of(&wanted.live, settings)?;
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
        let hand_over = hand_over
            .map(|shared| HandingOver::start(shared, operation.readiness.clone()))
            .transpose()?;
        // Last: what was wrong with the rest is known by now.
        let middleware = settings
            .middleware
            .as_ref()
            .map(|middleware| Middleware::start(middleware, settings.limits))
            .transpose()?;
        privileges::give_up(needed(settings))?;
        let comparer = match store {
            Some(place) => comparer.keeping(StoreWriter::start(place)?),
            None => comparer,
        };
        let comparer = match &capture {
            Some(capture) => comparer.of_what_is_read(capture.progress()),
            None => comparer,
        };
        Ok(Self {
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
        })
    }
}

/// Opens sources other than live capture: capture files, and inputs of whole messages.
fn opened_sources(settings: &Settings, secrets: &Secrets) -> anyhow::Result<Vec<(Source, Option<Limit>)>> {
    let mut sources = Vec::new();
    for of in captures(settings) {
        let responses = settings.capture.responses;
        let file = PcapFiles::open(&of.paths, of.ports, responses, content, Some(secrets.store()))
            .with_context(|| match &of.paths[..] {
                [path] => format!("--input-raw '{}'", path.display()),
                _ => "--input-raw".to_owned(),
            })?
            .with_vlans(&settings.capture.vlans);
        sources.push((Source::File(Box::new(file)), of.limit));
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
