//! Secrets of TLS handshakes, taken from the processes that serve what is watched.
//!
//! `finder` finds those processes (`procfs`, `selection`), `libraries` the files that they run and what to attach to in
//! each, `load` and `bpf` put the probe into the kernel and attach it, `follower` is the thread that keeps all that up to
//! date, and `reader` the one that brings the secrets into the store. [`Secrets`] is the way in.

mod bpf;
mod counts;
mod finder;
mod follower;
mod found;
mod libraries;
mod load;
mod needed;
mod procfs;
mod reader;
mod selection;
mod task_offsets;

use std::collections::HashMap;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use shadow_core::privileges;
use shadow_core::time::Timestamp;
use shadow_hooks::Options;
use shadow_tls::{Secret, SecretStore};

use self::bpf::ProgramKind;
use self::finder::Finder;
use self::follower::{Follower, Held};
use self::libraries::{Libraries, Rules};
use self::procfs::Proc;
use self::reader::Reader;
use crate::error::CaptureError;
use crate::locked_memory;

pub use self::counts::{SecretCounters, SecretCounts};
pub use self::found::{Found, FoundProgram};
pub use self::selection::Selection;

/// How long the start waits until the executables that were found have been looked into; the rest is done later. A large
/// one takes some tenths of a second.
const START: Duration = Duration::from_secs(5);

/// Strangers that wait to be looked at.
const MOST_STRANGERS: usize = 1024;

/// Whose secrets are taken, and how they are looked for.
#[derive(Clone, Debug, Default)]
pub struct SecretsSettings {
    /// Whose.
    pub selection: Selection,
    /// Looks into whatever these processes run; else only into `libraries`.
    pub automatic: bool,
    /// Libraries and executables that are attached to as they are named, for the selected processes that run them.
    pub libraries: Vec<PathBuf>,
    /// Attaches also where a probe costs some twenty times as much ([`Options::insist`]).
    pub insist: bool,
}

/// How probes are attached.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// By perf events.
    pub perf: bool,
    /// To each process by itself, where the numbers of processes are not those that the kernel programs see.
    pub one_by_one: bool,
}

impl Way {
    /// The kind of probe that this kernel and PID namespace call for.
    pub fn of_this_kernel() -> Self {
        Self {
            perf: load::kind_of_this_kernel() == ProgramKind::Perf,
            one_by_one: !needed::numbers_are_the_kernels(),
        }
    }
}

/// Secrets being taken. Dropping it detaches every probe, and waits for that; a process that is killed leaves none either.
pub struct Secrets {
    counters: SecretCounters,
    found: Arc<Mutex<Found>>,
    orders: Sender<Selection>,
    /// A byte wakes the follower; closing it ends that.
    bell: Option<UnixStream>,
    /// Closing it ends the reader.
    leash: Option<UnixStream>,
    threads: Vec<JoinHandle<Option<()>>>,
}

impl Secrets {
    /// Loads the probe, attaches it where the selected processes run TLS libraries, and begins to fill `store`.
    ///
    /// The thread that follows processes keeps the capabilities for that in reserve; the caller gives up its own
    /// ([`privileges::give_up`]) afterwards, but for [`crate::LiveCapture::needs`]. Needs `CAP_BPF` and `CAP_PERFMON`,
    /// before Linux 6.6 `CAP_SYS_ADMIN`; `CAP_SYS_PTRACE` and `CAP_DAC_READ_SEARCH` to find processes of other users, and
    /// `CAP_CHECKPOINT_RESTORE` to find libraries that were replaced since they were loaded.
    ///
    /// # Errors
    ///
    /// Without the capabilities, where the kernel refuses the program or its maps, or where the thread cannot be started. A
    /// library to which nothing can be attached is none: it is said in the log.
    pub fn start(settings: &SecretsSettings, store: SecretStore) -> Result<Self, CaptureError> {
        Self::start_with(settings, move |secret, time| store.insert(secret, time))
    }

    /// The same with something else than a store.
    #[doc(hidden)]
    pub fn start_with(
        settings: &SecretsSettings,
        keep: impl FnMut(Secret, Timestamp) + Send + 'static,
    ) -> Result<Self, CaptureError> {
        Self::start_in(settings, keep, Way::of_this_kernel())
    }

    /// The same in a way that this kernel may have no need of.
    #[doc(hidden)]
    pub fn start_in(
        settings: &SecretsSettings,
        keep: impl FnMut(Secret, Timestamp) + Send + 'static,
        way: Way,
    ) -> Result<Self, CaptureError> {
        let failed = |source| CaptureError::Follower { source };
        let Way { perf, one_by_one } = way;
        let kind = if perf {
            ProgramKind::Perf
        } else {
            ProgramKind::Multi
        };
        needed::check(kind)?;
        locked_memory::raise();
        let loaded = load::load(kind, one_by_one)?;
        let rules = Rules {
            automatic: settings.automatic,
            options: Options {
                insist: settings.insist,
            },
            one_by_one,
        };
        let mut libraries = Libraries::new(Some(loaded.programs), rules);
        for path in &settings.libraries {
            libraries.attach_named(path)?;
        }
        let found = Arc::new(Mutex::new(Found::default()));
        let follower = Follower {
            finder: Finder::new(Proc::new(), settings.selection.clone()),
            libraries,
            processes: Some(loaded.processes),
            strangers: Some(loaded.strangers),
            looks: 0,
            mapped: HashMap::new(),
            held: needed::held(kind),
            found: Arc::clone(&found),
        };
        let (bell, ears) = pair().map_err(failed)?;
        let (leash, end) = pair().map_err(failed)?;
        let (strangers, met) = sync_channel(MOST_STRANGERS);
        let (orders, inbox) = channel();
        let reader = Reader {
            ring: loaded.ring,
            keep: Box::new(keep),
            strangers,
            bell: bell.try_clone().map_err(failed)?,
        };
        let reading = privileges::thread("tls-secrets", &[], move || reader.run(&end)).map_err(failed)?;
        let mut secrets = Self {
            counters: SecretCounters::new(loaded.counts),
            found,
            orders,
            bell: Some(bell),
            leash: Some(leash),
            threads: vec![reading],
        };
        let (started, starts) = sync_channel(1);
        let mut follower = follower;
        let following = privileges::thread("tls-processes", needed::reserve(kind), move || {
            follower.start(Instant::now() + START);
            let _ = started.send(());
            follower.run(&ears, &met, &inbox);
        });
        secrets.threads.push(following.map_err(failed)?);
        starts.recv().map_err(|error| failed(io::Error::other(error)))?;
        Ok(secrets)
    }

    /// Takes the secrets of other processes from now on.
    ///
    /// # Errors
    ///
    /// Where the thread that follows processes has ended.
    pub fn select(&self, selection: Selection) -> Result<(), CaptureError> {
        let failed = |source| CaptureError::Follower { source };
        self.orders
            .send(selection)
            .map_err(|_| failed(io::Error::other("it has ended")))?;
        match &self.bell {
            Some(bell) => io::Write::write_all(&mut &*bell, &[1]).map_err(failed),
            None => Ok(()),
        }
    }

    /// The selected processes, as they are known at this moment.
    pub fn found(&self) -> Found {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The probe's counters.
    pub fn counters(&self) -> SecretCounters {
        self.counters.clone()
    }
}

impl Drop for Secrets {
    fn drop(&mut self) {
        // The reader has an end of the bell, and rings nobody any more.
        self.leash = None;
        if let Some(bell) = self.bell.take() {
            let _ = bell.shutdown(std::net::Shutdown::Both);
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Which listening processes' secrets could be taken, and how, without attaching to any.
pub fn examine(selection: Selection) -> Found {
    let rules = Rules {
        automatic: true,
        options: Options::default(),
        one_by_one: false,
    };
    let found = Arc::new(Mutex::new(Found::default()));
    let mut follower = Follower {
        finder: Finder::new(Proc::new(), selection),
        libraries: Libraries::new(None, rules),
        processes: None,
        strangers: None,
        looks: 0,
        mapped: HashMap::new(),
        held: Held::default(),
        found: Arc::clone(&found),
    };
    follower.start(Instant::now() + 2 * START);
    let found = found.lock().unwrap_or_else(PoisonError::into_inner);
    found.clone()
}

/// Loads the probe, attaches it to nothing and lets go of it; says how it would be attached.
///
/// # Errors
///
/// As [`Self::start`], but for what attaching needs.
pub fn try_probe() -> Result<&'static str, CaptureError> {
    let kind = load::kind_of_this_kernel();
    needed::check(kind)?;
    locked_memory::raise();
    load::load(kind, false)?;
    Ok(match kind {
        ProgramKind::Multi => "attached by uprobe_multi",
        ProgramKind::Perf => "attached by perf events, which takes CAP_SYS_ADMIN (before Linux 6.6)",
    })
}

fn pair() -> io::Result<(UnixStream, UnixStream)> {
    let (near, far) = UnixStream::pair()?;
    near.set_nonblocking(true)?;
    far.set_nonblocking(true)?;
    Ok((near, far))
}
