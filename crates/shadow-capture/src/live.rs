//! Live capture as the agent sees it: start it, read its rings, drop it.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use aya::programs::cgroup_skb::CgroupSkbLink;
use caps::Capability;
use tracing::info;

use super::attach::{Classifiers, TcHook, attach_to_sockets, load_socket_programs};
use super::capabilities;
use super::counters::CaptureCounters;
use super::error::CaptureError;
use super::fewer_shards::with_fewer_shards;
use super::follow::{Follower, Following};
use super::load::{load, take_map};
use super::locked_memory;
use super::netlink::Changes;
use super::own::OwnConnections;
pub use super::plan::PodTarget;
use super::plan::{on_pods, on_sockets};
use super::ring_maps::make_rings;
use super::rings::{RingReader, RingsProgress};
use super::settings::{CaptureSettings, Engine, LiveInput, LiveScope};
use super::targets::{TargetMaps, Targets};

/// A running capture. Dropping it detaches every program; records that are in the rings by then can still be read.
pub struct LiveCapture {
    attached: Attached,
    readers: Vec<RingReader>,
    progress: Arc<RingsProgress>,
    counters: CaptureCounters,
    own: OwnConnections,
    /// The inputs that are watched, or shall be once capture goes on.
    inputs: Vec<LiveInput>,
    pods: Vec<PodTarget>,
    paused: bool,
}

enum Attached {
    ToInterfaces(Follower),
    ToSockets {
        targets: Box<Targets>,
        _links: Vec<CgroupSkbLink>,
    },
}

impl LiveCapture {
    /// Loads the programs and attaches them to what the live ones of `inputs` mean. What that needs, the caller gives up
    /// afterwards ([`shadow_core::privileges::give_up`]), but for [`Self::needs`].
    ///
    /// With the `tc` engine, interfaces and addresses that appear or go later are followed by a thread of its own,
    /// which alone keeps what it needs to attach.
    ///
    /// # Errors
    ///
    /// Without the capabilities, or where the kernel or its verifier refuses a map, a ring, a program or an attachment.
    pub fn start(inputs: &[LiveInput], settings: &CaptureSettings) -> Result<Self, CaptureError> {
        Self::start_with(inputs, settings, TcHook::of_this_kernel())
    }

    /// The same, with the older of the two ways to attach to an interface wherever the kernel is newer.
    #[doc(hidden)]
    pub fn start_with_clsact(inputs: &[LiveInput], settings: &CaptureSettings) -> Result<Self, CaptureError> {
        Self::start_with(inputs, settings, TcHook::Clsact)
    }

    fn start_with(
        inputs: &[LiveInput],
        settings: &CaptureSettings,
        hook: TcHook,
    ) -> Result<Self, CaptureError> {
        let engine = settings.engine.unwrap_or(Engine::Tc);
        // Pods are watched at sockets alone, and named later.
        if inputs.is_empty() && engine == Engine::Tc {
            return Err(CaptureError::NoInput);
        }
        check_engine(engine, inputs)?;
        let missing = capabilities::missing();
        if !missing.is_empty() {
            return Err(CaptureError::MissingCapabilities { missing });
        }

        locked_memory::raise();
        with_fewer_shards(settings, |settings| Self::attach(inputs, engine, settings, hook))
    }

    /// Loads and attaches with as many shards as `settings` has.
    fn attach(
        inputs: &[LiveInput],
        engine: Engine,
        settings: &CaptureSettings,
        hook: TcHook,
    ) -> Result<Self, CaptureError> {
        let mut ebpf = load(settings)?;
        let rings = make_rings(&mut ebpf, settings)?;
        let malformed = Arc::new(AtomicU64::new(0));
        let waiting = Arc::new(Mutex::new(take_map(&mut ebpf, "READERS")?));
        let readers = (0..)
            .zip(rings)
            .map(|(shard, ring)| RingReader::new(shard, ring, Arc::clone(&waiting), Arc::clone(&malformed)))
            .collect::<Vec<_>>();
        let progress = Arc::new(RingsProgress::of(&readers));
        let counters = CaptureCounters::new(take_map(&mut ebpf, "COUNTS")?, malformed);
        let own = OwnConnections::new(take_map(&mut ebpf, "OWN")?);
        let mut targets = Targets::new(TargetMaps::take(&mut ebpf)?);

        let attached = match engine {
            Engine::Tc => {
                let changes = Changes::new().map_err(|source| CaptureError::Interfaces {
                    call: "bind(AF_NETLINK)",
                    source,
                })?;
                let mut following = Following {
                    classifiers: Classifiers::load(ebpf, hook)?,
                    targets,
                    inputs: inputs.to_vec(),
                    ignored: settings.ignored_interfaces.clone(),
                    filter: settings.filter.clone(),
                };
                following.start()?;
                Attached::ToInterfaces(Follower::start(following, changes)?)
            }
            Engine::Cgroup => {
                targets.set(&on_sockets(inputs).targets)?;
                let links = attach_to_sockets(&mut ebpf)?;
                Attached::ToSockets {
                    targets: Box::new(targets),
                    _links: links,
                }
            }
        };
        info!(engine = ?engine, shards = settings.shards, ring_bytes = settings.ring_bytes, "capturing");
        Ok(Self {
            attached,
            readers,
            progress,
            counters,
            own,
            inputs: inputs.to_vec(),
            pods: Vec::new(),
            paused: false,
        })
    }

    /// The capabilities that whoever uses it, or a reader, must keep.
    pub fn needs() -> &'static [Capability] {
        capabilities::to_use_maps()
    }

    /// The readers, one for each shard: each goes to the thread of its shard. Empty when called again.
    pub fn take_readers(&mut self) -> Vec<RingReader> {
        std::mem::take(&mut self.readers)
    }

    /// How far the readers are, all together.
    pub fn progress(&self) -> Arc<RingsProgress> {
        Arc::clone(&self.progress)
    }

    /// The counters of the kernel programs.
    pub fn counters(&self) -> CaptureCounters {
        self.counters.clone()
    }

    /// Where the agent's own connections are entered, to be kept out of capture.
    pub fn own_connections(&self) -> OwnConnections {
        self.own.clone()
    }

    /// Watches these pods, and no others, besides the inputs; during a pause they are kept for its end. Only the `cgroup`
    /// engine can.
    ///
    /// # Errors
    ///
    /// With the `tc` engine, and where a cgroup cannot be found or the kernel refuses an entry. What was watched before still
    /// is, in part.
    pub fn watch_pods(&mut self, pods: &[PodTarget]) -> Result<(), CaptureError> {
        if !self.paused {
            self.apply_pods(pods)?;
        }
        self.pods = pods.to_vec();
        Ok(())
    }

    fn apply_pods(&mut self, pods: &[PodTarget]) -> Result<(), CaptureError> {
        match &mut self.attached {
            Attached::ToInterfaces(_) if pods.is_empty() => Ok(()),
            Attached::ToInterfaces(_) => Err(CaptureError::PodsNeedCgroup),
            Attached::ToSockets { targets, .. } => {
                let (keys, levels) = on_pods(pods);
                targets.set_pods(&keys, levels)
            }
        }
    }

    /// Watches `inputs` instead of what was watched before. What both have is watched all the
    /// while. During a pause they are kept for its end.
    ///
    /// # Errors
    ///
    /// Where interfaces cannot be listed or attached to, or the kernel refuses an entry. What was watched before still is, in
    /// part.
    pub fn watch(&mut self, inputs: &[LiveInput]) -> Result<(), CaptureError> {
        if !self.paused {
            self.apply(inputs)?;
        }
        self.inputs = inputs.to_vec();
        Ok(())
    }

    /// Watches nothing until [`Self::resume`]: the kernel selects no packet any more, and with the `tc` engine nothing
    /// stays attached.
    ///
    /// # Errors
    ///
    /// Where the kernel refuses to take out an entry: packets may still be captured then.
    pub fn pause(&mut self) -> Result<(), CaptureError> {
        if !self.paused {
            self.apply(&[])?;
            self.apply_pods(&[])?;
            self.paused = true;
        }
        Ok(())
    }

    /// Watches again what was watched, or has been asked for since.
    ///
    /// # Errors
    ///
    /// As [`Self::watch`] and [`Self::watch_pods`]; it is paused still then.
    pub fn resume(&mut self) -> Result<(), CaptureError> {
        if self.paused {
            let inputs = std::mem::take(&mut self.inputs);
            let applied = self.apply(&inputs);
            self.inputs = inputs;
            applied?;
            let pods = std::mem::take(&mut self.pods);
            let applied = self.apply_pods(&pods);
            self.pods = pods;
            applied?;
            self.paused = false;
        }
        Ok(())
    }

    fn apply(&mut self, inputs: &[LiveInput]) -> Result<(), CaptureError> {
        match &mut self.attached {
            Attached::ToInterfaces(follower) => follower.watch(inputs.to_vec()),
            Attached::ToSockets { targets, .. } => {
                check_engine(Engine::Cgroup, inputs)?;
                targets.set(&on_sockets(inputs).targets)
            }
        }
    }
}

/// Loads the programs and rings that a capture with these settings would, attaches nothing and lets go of them; with how
/// many shards the kernel took them.
///
/// # Errors
///
/// As [`Self::start`], but for what attaching needs.
pub fn try_to_load(settings: &CaptureSettings) -> Result<usize, CaptureError> {
    locked_memory::raise();
    with_fewer_shards(settings, |settings| {
        let mut ebpf = load(settings)?;
        let _rings = make_rings(&mut ebpf, settings)?;
        match settings.engine.unwrap_or(Engine::Tc) {
            Engine::Tc => drop(Classifiers::load(ebpf, TcHook::of_this_kernel())?),
            Engine::Cgroup => load_socket_programs(&mut ebpf)?,
        }
        Ok(settings.shards)
    })
}

fn check_engine(engine: Engine, inputs: &[LiveInput]) -> Result<(), CaptureError> {
    if engine == Engine::Tc {
        return Ok(());
    }
    match inputs.iter().find_map(|input| match &input.scope {
        LiveScope::Interfaces(pattern) => Some(pattern.clone()),
        _ => None,
    }) {
        Some(pattern) => Err(CaptureError::InterfaceWithCgroup { pattern }),
        None => Ok(()),
    }
}
